//! Pixels that Python owns: memory from a pool, handed out through the buffer protocol.
//!
//! A conversion writes into the memory that the array then looks at, so nothing is copied. When
//! the last array is gone the memory is used again: fresh from the system, the page faults of a
//! 1080p picture cost more than filling it.

// A buffer is a pointer that outlives the call; the reasons why that is sound stand below.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_int, c_void};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Bytes that are kept for the next pictures.
const MOST_KEPT: usize = 64 << 20;
const ITEM: &CStr = c"B";

static POOL: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Bytes in rows without gaps: an array of unsigned bytes for whoever asks.
#[pyclass(frozen, module = "headwater._headwater")]
pub(crate) struct Pixels {
    /// Nothing in Rust reads or writes it as long as this object lives; Python does, through
    /// `start`.
    memory: Vec<u8>,
    start: Start,
    shape: Vec<isize>,
    strides: Vec<isize>,
}

/// Where the memory begins.
struct Start(*mut u8);

// SAFETY: it is a number to us. Who writes through it is Python's matter, whose arrays say that
// threads have to agree on that.
unsafe impl Send for Start {}
// SAFETY: as above.
unsafe impl Sync for Start {}

/// Keeps the pool in order while the process forks.
pub(crate) type Held = MutexGuard<'static, Vec<Vec<u8>>>;

pub(crate) fn hold() -> Held {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Memory of `bytes` bytes, with anything in it.
pub(crate) fn memory(bytes: usize) -> Vec<u8> {
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    let place = pool.iter().rposition(|kept| kept.len() == bytes);
    let kept = place.map(|place| pool.swap_remove(place));
    drop(pool);
    kept.unwrap_or_else(|| vec![0; bytes])
}

impl Pixels {
    /// Of `memory`, which has as many bytes as `shape` says.
    pub(crate) fn new(mut memory: Vec<u8>, shape: &[usize]) -> PyResult<Self> {
        if shape.iter().product::<usize>() != memory.len() {
            return Err(PyBufferError::new_err(format!("{} bytes for a shape of {shape:?}", memory.len())));
        }
        let side = |side: &usize| isize::try_from(*side).unwrap_or(isize::MAX);
        let mut strides: Vec<isize> = vec![1; shape.len()];
        for place in (1..shape.len()).rev() {
            strides[place - 1] = strides[place] * side(&shape[place]);
        }
        let start = Start(memory.as_mut_ptr());
        Ok(Self { memory, start, shape: shape.iter().map(side).collect(), strides })
    }
}

/// Whether `array` can be filled at all, whatever its shape.
pub(crate) fn check(array: &Bound<'_, PyAny>) -> PyResult<()> {
    let buffer = PyBuffer::<u8>::get(array)?;
    if !buffer.is_c_contiguous() || buffer.readonly() {
        return Err(PyValueError::new_err("an array that cannot be filled; expected a writable one without gaps"));
    }
    Ok(())
}

/// Has `write` fill the memory of `array`, which has to be one of unsigned bytes of `shape` in rows
/// without gaps, while other threads run.
pub(crate) fn fill<T: Send>(
    array: &Bound<'_, PyAny>,
    shape: &[usize],
    write: impl FnOnce(&mut [u8]) -> T + Send,
) -> PyResult<T> {
    let buffer = PyBuffer::<u8>::get(array)?;
    if buffer.shape() != shape || !buffer.is_c_contiguous() || buffer.readonly() {
        let what = format!("an array of shape {:?}; expected a writable one of {shape:?} without gaps", buffer.shape());
        return Err(PyValueError::new_err(what));
    }
    let (start, bytes) = (Start(buffer.buf_ptr().cast()), buffer.len_bytes());
    Ok(array.py().detach(move || {
        let start = start;
        // SAFETY: `buffer`, which outlives the call, keeps the memory in its place; it has so many
        // bytes, in one piece, and may be written to. That no other thread touches an array while
        // it is filled is the caller's to see to, as with every function of numpy that is given an
        // `out`; u8 has no invalid values that a race could make.
        write(unsafe { std::slice::from_raw_parts_mut(start.0, bytes) })
    }))
}

#[pymethods]
impl Pixels {
    /// What numpy reads where it is not asked for a buffer.
    #[getter]
    fn __array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let interface = PyDict::new(py);
        interface.set_item("shape", pyo3::types::PyTuple::new(py, &self.shape)?)?;
        interface.set_item("typestr", "|u1")?;
        interface.set_item("data", (self.start.0 as usize, false))?;
        interface.set_item("version", 3)?;
        Ok(interface)
    }

    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        if view.is_null() {
            return Err(PyBufferError::new_err("no view"));
        }
        // SAFETY: `view` is Python's, valid and ours to fill. This is what a failure leaves there.
        unsafe { (*view).obj = ptr::null_mut() };
        let this = slf.get();
        let wants = |flag: c_int| flags & flag == flag;
        if wants(ffi::PyBUF_F_CONTIGUOUS) && this.shape.len() > 1 && !wants(ffi::PyBUF_ANY_CONTIGUOUS) {
            return Err(PyBufferError::new_err("rows lie one behind the other, as in C"));
        }
        let or_null = |flag: c_int, of: &[isize]| if wants(flag) { of.as_ptr().cast_mut() } else { ptr::null_mut() };
        // SAFETY: `view` is Python's, valid and ours to fill. Memory, shape and strides are on the
        // heap, are never moved or changed, and live as long as the object, which the view holds a
        // reference of (`obj`) until it is released. Nothing in Rust looks at the memory meanwhile.
        unsafe {
            let view = &mut *view;
            view.buf = this.start.0.cast::<c_void>();
            view.len = this.memory.len().cast_signed();
            view.itemsize = 1;
            view.readonly = 0;
            view.ndim = this.shape.len() as c_int;
            view.format = if wants(ffi::PyBUF_FORMAT) { ITEM.as_ptr().cast_mut() } else { ptr::null_mut() };
            view.shape = or_null(ffi::PyBUF_ND, &this.shape);
            view.strides = or_null(ffi::PyBUF_STRIDES, &this.strides);
            view.suboffsets = ptr::null_mut();
            view.internal = ptr::null_mut();
            view.obj = slf.into_ptr();
        }
        Ok(())
    }
}

/// Hands out the buffer of `array` as that of somebody else: whoever gets it holds `array`.
///
/// # Safety
/// `view` is what Python hands to `__getbuffer__`.
pub(crate) unsafe fn lend(array: &Bound<'_, PyAny>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
    // SAFETY: `array` is a live object, and `view` is the caller's to answer for.
    match unsafe { ffi::PyObject_GetBuffer(array.as_ptr(), view, flags) } {
        0 => Ok(()),
        _ => Err(PyErr::fetch(array.py())),
    }
}

impl Drop for Pixels {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        // Not worth waiting for, least of all with the GIL.
        let Ok(mut pool) = POOL.try_lock() else { return };
        let mut kept: usize = pool.iter().map(Vec::len).sum();
        // The oldest go first: their size may be one that nobody wants any more.
        let mut gone = Vec::new();
        while kept + memory.len() > MOST_KEPT && !pool.is_empty() {
            let oldest = pool.remove(0);
            kept -= oldest.len();
            gone.push(oldest);
        }
        if kept + memory.len() <= MOST_KEPT {
            pool.push(memory);
        }
    }
}
