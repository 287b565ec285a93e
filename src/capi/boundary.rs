//! The code that wraps every exported function: checks arguments, stops panics, and converts errors
//! to objects.
//!
//! Ownership: an argument stays the caller's and is borrowed for the call. A result is boxed, and
//! its pointer goes to the caller, who frees it with the `_free` function of its type. If a call
//! fails, the result is NULL and the caller owns only the error object. If the caller passes no
//! place for the error, the object is dropped here.

use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;
use std::time::{Duration, SystemTime};

use super::error::{SASTAOTP_OK, sastaotp_error, sastaotp_status, status_of};
use super::pointer;
use crate::protocol::json_output::{in_millis, millis_since_1970};
use crate::{Error, Result};

pub(super) const CALLING: &str = "calling the library";

/// A type of the interface that can be a required argument.
pub(super) trait Object {
    /// The argument's name in error messages.
    const NAME: &'static str;
}

/// Runs a call that may fail. Writes its error object, or NULL, to `error`, unless `error` is NULL.
pub(super) unsafe fn call(
    error: *mut *mut sastaotp_error,
    body: impl FnOnce() -> Result<()>,
) -> sastaotp_status {
    let outcome = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| Err(panic_error()));
    let (status, object) = match outcome {
        Ok(()) => (SASTAOTP_OK, null_mut()),
        Err(failure) => {
            (status_of(failure.kind()), pointer::into_raw(sastaotp_error::new(failure)))
        }
    };
    if !pointer::write(error, object) {
        drop(pointer::from_raw(object));
    }
    status
}

/// Runs a call that creates an object for the caller. If `place` is NULL, `body` does not run: it
/// would buy a number and lose it.
pub(super) unsafe fn create<T>(
    place: *mut *mut T,
    error: *mut *mut sastaotp_error,
    body: impl FnOnce() -> Result<T>,
) -> sastaotp_status {
    call(error, || {
        clear_result(place)?;
        pointer::write(place, pointer::into_raw(body()?));
        Ok(())
    })
}

/// Writes NULL to the place for a result. Fails if the place itself is NULL.
pub(super) unsafe fn clear_result<T>(place: *mut *mut T) -> Result<()> {
    if pointer::write(place, null_mut()) {
        return Ok(());
    }
    Err(Error::config(CALLING, "the place for the result is NULL: pass the address of a pointer"))
}

/// Reads a value of an object; returns `default` if the object is NULL or `body` panics.
pub(super) unsafe fn read_or<T, R>(object: *const T, default: R, body: impl FnOnce(&T) -> R) -> R {
    let value = catch_unwind(AssertUnwindSafe(|| pointer::as_ref(object).map(body)));
    value.ok().flatten().unwrap_or(default)
}

/// Reads a value that may be absent and writes it to `place`, unless `place` is NULL. Returns
/// whether the value is present.
pub(super) unsafe fn read_into<T, R>(
    object: *const T,
    place: *mut R,
    body: impl FnOnce(&T) -> Option<R>,
) -> bool {
    read_or(object, None, body).map(|value| pointer::write(place, value)).is_some()
}

/// Writes a text to the caller's buffer, cut to fit and with a NUL. Returns the length of the whole
/// text in bytes.
pub(super) unsafe fn write_text(
    buffer: *mut c_char,
    size: usize,
    text: impl FnOnce() -> String,
) -> usize {
    let text = catch_unwind(AssertUnwindSafe(text)).unwrap_or_default();
    pointer::write_c_string(buffer, size, text.as_bytes());
    text.len()
}

/// Creates an object for the caller in a call that cannot fail; returns NULL after a panic.
pub(super) fn new_object<T>(body: impl FnOnce() -> T) -> *mut T {
    catch_unwind(AssertUnwindSafe(|| pointer::into_raw(body()))).unwrap_or(null_mut())
}

/// Frees an object; does nothing if it is NULL.
pub(super) unsafe fn free<T>(object: *mut T) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(pointer::from_raw(object))));
}

/// Borrows an argument; fails if it is NULL.
pub(super) unsafe fn required<'a, T: Object>(argument: *const T) -> Result<&'a T> {
    pointer::as_ref(argument).ok_or_else(|| null_argument(T::NAME))
}

/// Borrows an argument that the call changes; fails if it is NULL.
pub(super) unsafe fn required_mut<'a, T: Object>(argument: *mut T) -> Result<&'a mut T> {
    pointer::as_mut(argument).ok_or_else(|| null_argument(T::NAME))
}

/// Borrows a text; fails if it is NULL or not UTF-8.
pub(super) unsafe fn required_text<'a>(argument: *const c_char, name: &str) -> Result<&'a str> {
    optional_text(argument, name)?.ok_or_else(|| null_argument(name))
}

/// Borrows a text that may be NULL; fails if it is not UTF-8.
pub(super) unsafe fn optional_text<'a>(
    argument: *const c_char,
    name: &str,
) -> Result<Option<&'a str>> {
    let text = pointer::c_str(argument).map(std::ffi::CStr::to_str).transpose();
    text.map_err(|_| {
        Error::config(CALLING, format!("the argument {name} is not UTF-8: convert it"))
    })
}

/// Borrows bytes that may be NULL. They end with NUL if their length is 0.
pub(super) unsafe fn optional_bytes<'a>(
    argument: *const c_char,
    length: usize,
) -> Option<&'a [u8]> {
    match length {
        0 => pointer::c_str(argument).map(std::ffi::CStr::to_bytes),
        _ => pointer::bytes(argument.cast(), length),
    }
}

/// The most elements of an array.
const MAX_ELEMENTS: usize = 10_000;

/// Borrows an array that may be NULL. Fails if NULL has elements, or if there are too many.
pub(super) unsafe fn optional_array<'a, T>(
    argument: *const T,
    count: usize,
    name: &str,
) -> Result<Option<&'a [T]>> {
    if count > MAX_ELEMENTS {
        let reason =
            format!("the argument {name} has {count} elements: pass at most {MAX_ELEMENTS}");
        return Err(Error::config(CALLING, reason));
    }
    match pointer::array(argument, count) {
        None if count > 0 => Err(null_argument(name)),
        array => Ok(array),
    }
}

/// Reads an array of texts that may be NULL. Fails if a text is NULL or not UTF-8.
pub(super) unsafe fn optional_texts(
    argument: *const *const c_char,
    count: usize,
    name: &str,
) -> Result<Option<Vec<String>>> {
    let Some(texts) = optional_array(argument, count, name)? else { return Ok(None) };
    let text = |text: &*const c_char| required_text(*text, name).map(str::to_owned);
    texts.iter().map(text).collect::<Result<_>>().map(Some)
}

/// The error for an integer that is not one of its type's constants.
pub(super) fn unknown_constant(name: &str, value: i32) -> Error {
    Error::config(
        CALLING,
        format!("the argument {name} is {value}: use one of the constants of its type"),
    )
}

/// Converts a duration from C.
pub(super) fn duration(millis: u32) -> Duration {
    Duration::from_millis(millis.into())
}

/// Converts a duration to C, 49 days at most.
pub(super) fn millis_u32(duration: Duration) -> u32 {
    u32::try_from(in_millis(duration)).unwrap_or(u32::MAX)
}

/// Converts a time to C: milliseconds since 1970.
pub(super) fn unix_millis(time: SystemTime) -> i64 {
    i64::try_from(millis_since_1970(time)).unwrap_or(i64::MAX)
}

/// The error for a required argument that is NULL.
pub(super) fn null_argument(name: &str) -> Error {
    Error::config(CALLING, format!("the argument {name} is NULL: pass a value"))
}

fn panic_error() -> Error {
    Error::panicked(CALLING)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capi::{SASTAOTP_ERROR_INTERNAL, sastaotp_error_free, sastaotp_error_status};

    #[test]
    fn a_panic_becomes_an_error_or_the_default() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        unsafe {
            let (mut error, mut object) = (null_mut(), null_mut::<i32>());
            assert_eq!(
                create(&raw mut object, &raw mut error, || panic!("on purpose")),
                SASTAOTP_ERROR_INTERNAL
            );
            assert!(object.is_null());
            assert_eq!(sastaotp_error_status(error), SASTAOTP_ERROR_INTERNAL);
            sastaotp_error_free(error);
            assert_eq!(call(null_mut(), || panic!("on purpose")), SASTAOTP_ERROR_INTERNAL);
            assert_eq!(read_or(&1, 7, |_| panic!("on purpose")), 7);
            assert!(new_object(|| -> i32 { panic!("on purpose") }).is_null());
            free(pointer::into_raw(Bomb));
        }
    }
}
