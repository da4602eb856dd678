//! A frame, and the arrays that can be made of it.

use std::ffi::c_int;
use std::sync::OnceLock;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use capture::Format;
use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use crate::error::{exception, named};
use crate::fork::Here;
use crate::options;
use crate::pixels::{Pixels, fill, lend, memory};

/// The same moment by Rust's clock and by Python's `time.monotonic()`.
static CLOCK: OnceLock<(Instant, f64)> = OnceLock::new();

/// Sets the two clocks side by side.
pub(crate) fn clock(py: Python<'_>) -> PyResult<()> {
    let python: f64 = py.import("time")?.call_method0("monotonic")?.extract()?;
    CLOCK.get_or_init(|| (Instant::now(), python));
    Ok(())
}

/// A picture, and all that is known of it. An array of its pixels for numpy (`numpy.asarray(frame)`).
///
/// Pixels are converted when they are asked for, once for each kind, and then kept: `frame.bgr` is
/// the same writable array each time. A frame that nobody looks at costs no conversion.
#[pyclass(frozen, weakref, module = "headwater")]
pub(crate) struct Frame {
    frame: Here<capture::Frame>,
    wall: SystemTime,
    kept: [PyOnceLock<Py<PyAny>>; FORMATS],
}

/// Kinds of arrays.
const FORMATS: usize = 8;

impl From<capture::Frame> for Frame {
    fn from(frame: capture::Frame) -> Self {
        let now = SystemTime::now();
        let wall = now.checked_sub(frame.received().elapsed()).unwrap_or(now);
        Self { frame: Here::new(frame), wall, kept: [const { PyOnceLock::new() }; FORMATS] }
    }
}

impl Frame {
    /// Converts into new memory, while other threads run.
    fn pixels(&self, py: Python<'_>, format: Format) -> PyResult<Pixels> {
        let frame = self.here(py)?;
        let (width, height) = (frame.width() as usize, frame.height() as usize);
        if format == Format::Jpeg {
            let jpeg = py.detach(|| self.own_jpeg().map_or_else(|| frame.encode_jpeg(QUALITY), Ok));
            let jpeg = jpeg.map_err(|error| exception(py, &error))?.to_vec();
            let bytes = jpeg.len();
            return Pixels::new(jpeg, &[bytes]);
        }
        if format == Format::Yuv420p && (width % 2, height % 2) != (0, 0) {
            let what = format!("yuv420p of {width}x{height}: expected even sides; ask for size= or crop= of that kind");
            return Err(PyValueError::new_err(what));
        }
        let stride = width * format.pixel_bytes().max(1);
        let rows = if format == Format::Yuv420p { height + height / 2 } else { height };
        let written = py.detach(|| {
            let mut memory = memory(stride * rows);
            let filled = match format {
                Format::Yuv420p => frame.write(format, &mut memory, stride),
                format => frame.fill(format, &mut memory),
            };
            filled.map(|()| memory)
        });
        let memory = written.map_err(|error| exception(py, &error))?;
        match format.pixel_bytes() {
            channels @ 2.. => Pixels::new(memory, &[height, width, channels]),
            _ => Pixels::new(memory, &[rows, width]),
        }
    }

    /// The frame, in the process that read it.
    fn here(&self, py: Python<'_>) -> PyResult<&capture::Frame> {
        self.frame.get().ok_or_else(|| named(py, "CaptureClosed", FORKED))
    }

    /// What `open` asked for.
    pub(crate) fn asked(&self) -> Format {
        self.frame.anywhere().format()
    }

    /// Gives `array`, which has its pixels as they were asked for, from now on.
    pub(crate) fn keep(&self, py: Python<'_>, array: Bound<'_, PyAny>) {
        // Where there is one already that stays.
        let _ = self.kept[self.asked() as usize].set(py, array.unbind());
    }

    /// Converts into `out`.
    pub(crate) fn fill(&self, out: &Bound<'_, PyAny>, format: Format) -> PyResult<()> {
        let py = out.py();
        let frame = self.here(py)?;
        let (width, height) = (frame.width() as usize, frame.height() as usize);
        let even = (width % 2, height % 2) == (0, 0);
        let (shape, stride) = match format {
            Format::Yuv420p if even => (vec![height + height / 2, width], width),
            Format::Yuv420p | Format::Jpeg => {
                let what = format!("out: {} of {width}x{height} has no array of known shape", options::name(format));
                return Err(PyValueError::new_err(what));
            }
            Format::Gray8 | Format::Luma8 => (vec![height, width], width),
            format => (vec![height, width, format.pixel_bytes()], width * format.pixel_bytes()),
        };
        let written = fill(out, &shape, |memory| frame.write(format, memory, stride))?;
        written.map_err(|error| exception(py, &error))
    }

    fn array<'py>(&self, py: Python<'py>, format: Format) -> PyResult<Bound<'py, PyAny>> {
        asarray(py)?.call1((self.pixels(py, format)?,))
    }

    fn kept<'py>(&self, py: Python<'py>, format: Format) -> PyResult<Bound<'py, PyAny>> {
        let place = &self.kept[format as usize];
        Ok(place.get_or_try_init(py, || self.array(py, format).map(Bound::unbind))?.bind(py).clone())
    }

    /// The camera's JPEG, if that is the picture as it is wanted.
    fn own_jpeg(&self) -> Option<Bytes> {
        self.frame.anywhere().jpeg().filter(|_| self.frame.anywhere().is_whole()).cloned()
    }
}

const FORKED: &str = "the frame was read by the process that this one was forked from, and is not converted here; \
                      convert it before, or send the array";

/// Of JPEGs where nobody says.
const QUALITY: u8 = 85;

fn asarray(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static ASARRAY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    // `headwater.open` has imported it.
    let import = || Ok::<_, PyErr>(py.import("numpy")?.getattr("asarray")?.unbind());
    Ok(ASARRAY.get_or_try_init(py, import)?.bind(py))
}

#[pymethods]
impl Frame {
    /// Its number: of a recording from 0, of a live source among all its pictures.
    #[getter]
    fn index(&self) -> u64 {
        self.frame.anywhere().index()
    }

    /// When to show it, seconds since the first frame; rises over reconnects, too.
    #[getter]
    fn pts(&self) -> f64 {
        self.frame.anywhere().pts().as_secs_f64()
    }

    /// When its last byte arrived, by `time.monotonic()`.
    #[getter]
    fn received(&self) -> f64 {
        let (instant, python) = CLOCK.get().copied().unwrap_or((self.frame.anywhere().received(), 0.0));
        let received = self.frame.anywhere().received();
        match received.checked_duration_since(instant) {
            Some(after) => python + after.as_secs_f64(),
            None => python - instant.duration_since(received).as_secs_f64(),
        }
    }

    /// When its last byte arrived, as an aware `datetime`, UTC.
    #[getter]
    fn wall(&self) -> SystemTime {
        self.wall
    }

    /// When the camera took it, by the camera's own clock, as an aware `datetime`; None where the
    /// protocol does not tell.
    #[getter]
    fn captured(&self) -> Option<SystemTime> {
        self.frame.anywhere().captured()
    }

    /// Seconds since its last byte arrived.
    #[getter]
    fn age(&self) -> f64 {
        self.frame.anywhere().received().elapsed().as_secs_f64()
    }

    /// It was coded without reference to others.
    #[getter]
    fn key(&self) -> bool {
        self.frame.anywhere().key()
    }

    /// How it was coded: "I" without reference to others, "P" and "B" with; "?" where that is not known.
    #[getter]
    fn picture_type(&self) -> char {
        self.frame.anywhere().picture_type()
    }

    /// The source or the decoder knows that it is damaged.
    #[getter]
    fn corrupt(&self, py: Python<'_>) -> PyResult<bool> {
        let frame = self.here(py)?;
        // It may have to be decoded, to know.
        Ok(py.detach(|| frame.corrupt()))
    }

    /// Something is missing before it, or changed.
    #[getter]
    fn discontinuity(&self) -> bool {
        self.frame.anywhere().discontinuity()
    }

    /// Pictures just before it that nobody got.
    #[getter]
    fn dropped_before(&self) -> u64 {
        self.frame.anywhere().dropped_before()
    }

    /// Pixels in a row.
    #[getter]
    fn width(&self) -> u32 {
        self.frame.anywhere().width()
    }

    /// Rows.
    #[getter]
    fn height(&self) -> u32 {
        self.frame.anywhere().height()
    }

    /// What `numpy.asarray(frame)` gives, as `format=` of `open` said.
    #[getter]
    fn format(&self) -> &'static str {
        options::name(self.frame.anywhere().format())
    }

    /// Height x width x 3, blue first: OpenCV's.
    #[getter]
    fn bgr<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.kept(py, Format::Bgr24)
    }

    /// Height x width x 3, red first.
    #[getter]
    fn rgb<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.kept(py, Format::Rgb24)
    }

    /// Height x width: brightness.
    #[getter]
    fn gray<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.kept(py, Format::Gray8)
    }

    /// A new array in memory of its own, of `format` or as `open` was told; or `out`, filled.
    #[pyo3(signature = (format=None, out=None))]
    fn to_numpy<'py>(
        &self,
        py: Python<'py>,
        format: Option<&str>,
        out: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let format = format.map_or_else(|| Ok(self.frame.anywhere().format()), options::format)?;
        if let Some(out) = out {
            return self.fill(&out, format).map(|()| out);
        }
        self.array(py, format)
    }

    /// A JPEG of it: the camera's own bytes where it sent JPEG and nothing was cut, scaled or turned.
    #[pyo3(signature = (quality=None))]
    fn jpeg<'py>(&self, py: Python<'py>, quality: Option<u8>) -> PyResult<Bound<'py, PyBytes>> {
        let own = if quality.is_none() { self.own_jpeg() } else { None };
        if let Some(own) = own {
            return Ok(PyBytes::new(py, &own));
        }
        let frame = self.here(py)?;
        let made = py.detach(|| frame.encode_jpeg(quality.unwrap_or(QUALITY)));
        Ok(PyBytes::new(py, &made.map_err(|error| exception(py, &error))?))
    }

    /// The source's own JPEG, neither cut, scaled nor turned; None where it sends none.
    #[getter]
    fn source_jpeg<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.frame.anywhere().jpeg().map(|jpeg| PyBytes::new(py, jpeg))
    }

    /// A `PIL.Image`.
    fn pil<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("PIL.Image")?.call_method1("fromarray", (self.rgb(py)?,))
    }

    /// The same frame in another size: one of the two may be 0 to follow the other.
    fn resized(&self, py: Python<'_>, width: u32, height: u32) -> PyResult<Self> {
        let frame = self.here(py)?;
        let resized = py.detach(|| frame.resized(media::Size::new(width, height)));
        let frame = resized.map_err(|error| exception(py, &error))?;
        Ok(Self { frame: Here::new(frame), wall: self.wall, kept: [const { PyOnceLock::new() }; FORMATS] })
    }

    /// A `tkinter.PhotoImage`, of `size` if one is given; one side of it may be 0. Keep it as long as it is
    /// shown, since Tk does not.
    #[pyo3(signature = (master=None, size=None))]
    fn tk<'py>(
        slf: Bound<'py, Self>,
        master: Option<Bound<'py, PyAny>>,
        size: Option<(u32, u32)>,
    ) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("headwater.tk")?.call_method1("photo", (slf, master, size))
    }

    /// What notebooks show.
    fn _repr_jpeg_<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.jpeg(py, None)
    }

    /// Its shape as an array.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (width, height) = (self.frame.anywhere().width(), self.frame.anywhere().height());
        match self.frame.anywhere().format() {
            Format::Jpeg | Format::Yuv420p => self.kept(py, self.frame.anywhere().format())?.getattr("shape"),
            Format::Gray8 | Format::Luma8 => Ok(PyTuple::new(py, [height, width])?.into_any()),
            format => Ok(PyTuple::new(py, [height, width, format.pixel_bytes() as u32])?.into_any()),
        }
    }

    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__<'py>(
        &self,
        py: Python<'py>,
        dtype: Option<Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let array = self.kept(py, self.frame.anywhere().format())?;
        let options = PyDict::new(py);
        match (dtype, copy) {
            (None, Some(true)) => array.call_method0("copy"),
            (None, _) => Ok(array),
            (Some(dtype), copy) => {
                options.set_item("copy", copy.unwrap_or(false))?;
                let made = array.call_method("astype", (dtype,), Some(&options))?;
                match copy == Some(false) && !made.is(&array) {
                    true => Err(PyValueError::new_err("of another kind than its pixels it is a copy, and copy=False")),
                    false => Ok(made),
                }
            }
        }
    }

    #[pyo3(signature = (**options))]
    fn __dlpack__<'py>(&self, py: Python<'py>, options: Option<&Bound<'py, PyDict>>) -> PyResult<Bound<'py, PyAny>> {
        self.kept(py, self.frame.anywhere().format())?.call_method("__dlpack__", (), options)
    }

    /// The processor's memory.
    fn __dlpack_device__(&self) -> (i32, i32) {
        (1, 0)
    }

    /// The same memory as that of `numpy.asarray(frame)`.
    #[allow(unsafe_code, reason = "the protocol of buffers hands over a pointer")]
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let this = slf.get();
        let array = this.kept(slf.py(), this.asked())?;
        // SAFETY: `view` is what Python handed over.
        unsafe { lend(&array, view, flags) }
    }

    fn __getitem__<'py>(&self, py: Python<'py>, place: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.kept(py, self.frame.anywhere().format())?.get_item(place)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let corrupt = if self.corrupt(py).unwrap_or(false) { " corrupt" } else { "" };
        format!(
            "Frame({} {} {:.3} s{corrupt})",
            self.frame.anywhere().index(),
            self.frame.anywhere().size(),
            self.pts()
        )
    }
}
