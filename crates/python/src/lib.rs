//! The Python module `headwater`, as far as it is not written in Python: a thin layer on
//! [`capture`].
//!
//! Every wait and every conversion lets other Python threads run. Waits are cut into slices of
//! 50 ms, between which Ctrl-C is looked for.

// The buffer protocol hands out pointers: `pixels` alone may.
#![deny(unsafe_code)]

mod capture_class;
mod discover;
mod error;
mod fork;
mod frame;
mod info;
mod log;
mod options;
mod pixels;
mod wait;
mod waker;
mod window;
mod words;

use pyo3::prelude::*;

/// Video from any URL: what `import headwater` is made of.
#[pymodule(gil_used = false)]
fn _headwater(module: &Bound<'_, PyModule>) -> PyResult<()> {
    log::install();
    frame::clock(module.py())?;
    module.add_class::<capture_class::Capture>()?;
    module.add_class::<frame::Frame>()?;
    module.add_class::<pixels::Pixels>()?;
    module.add_class::<info::Info>()?;
    module.add_class::<info::Stats>()?;
    module.add_class::<waker::Waker>()?;
    module.add_function(wrap_pyfunction!(capture_class::ready, module)?)?;
    module.add_function(wrap_pyfunction!(discover::discover, module)?)?;
    module.add_function(wrap_pyfunction!(window::show, module)?)?;
    module.add_function(wrap_pyfunction!(log::set_level, module)?)?;
    module.add_function(wrap_pyfunction!(log::records, module)?)?;
    module.add_function(wrap_pyfunction!(fork::before_fork, module)?)?;
    module.add_function(wrap_pyfunction!(fork::after_fork, module)?)?;
    module.add("__ffmpeg__", ::capture::ffmpeg_version())?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))
}
