//! The way in and out of every exported function: arguments are checked, panics stop here, errors become objects.

use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;
use std::time::{Duration, SystemTime};

use super::error::{SASTAOTP_OK, sastaotp_error, sastaotp_status, status_of};
use super::pointer;
use crate::protocol::json_output::{in_millis, millis_since_1970};
use crate::{Error, Result};

pub(super) const CALLING: &str = "calling the library";

/// A type of the interface, with the name that its arguments have.
pub(super) trait Object {
    const NAME: &'static str;
}

/// Runs a call that may fail. The error, if any, goes to `error`, or away where that is NULL.
pub(super) unsafe fn call(
    error: *mut *mut sastaotp_error,
    body: impl FnOnce() -> Result<()>,
) -> sastaotp_status {
    let outcome = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| Err(panicked()));
    let (status, object) = match outcome {
        Ok(()) => (SASTAOTP_OK, null_mut()),
        Err(failed) => (status_of(failed.kind()), pointer::hand_over(sastaotp_error::new(failed))),
    };
    if !pointer::put(error, object) {
        drop(pointer::take_back(object));
    }
    status
}

/// Runs a call that makes an object for the caller. Without a place for it, nothing is done at all: a number would be bought
/// and lost.
pub(super) unsafe fn make<T>(
    place: *mut *mut T,
    error: *mut *mut sastaotp_error,
    body: impl FnOnce() -> Result<T>,
) -> sastaotp_status {
    call(error, || {
        empty(place)?;
        pointer::put(place, pointer::hand_over(body()?));
        Ok(())
    })
}

/// Writes NULL to the place for a result, which must be given.
pub(super) unsafe fn empty<T>(place: *mut *mut T) -> Result<()> {
    if pointer::put(place, null_mut()) {
        return Ok(());
    }
    Err(Error::config(CALLING, "the place for the result is NULL: give the address of a pointer"))
}

/// Reads something of an object; `otherwise` where the object is NULL.
pub(super) unsafe fn look<T, R>(object: *const T, otherwise: R, body: impl FnOnce(&T) -> R) -> R {
    let seen = catch_unwind(AssertUnwindSafe(|| pointer::peek(object).map(body)));
    seen.ok().flatten().unwrap_or(otherwise)
}

/// Reads something that may not be there: writes it to `place`, which may be NULL, and says whether it was.
pub(super) unsafe fn look_into<T, R>(
    object: *const T,
    place: *mut R,
    body: impl FnOnce(&T) -> Option<R>,
) -> bool {
    look(object, None, body).map(|found| pointer::put(place, found)).is_some()
}

/// Writes a text to a buffer of the caller, cut to fit, with a NUL; returns its whole length.
pub(super) unsafe fn write_text(
    buffer: *mut c_char,
    size: usize,
    text: impl FnOnce() -> String,
) -> usize {
    let text = catch_unwind(AssertUnwindSafe(text)).unwrap_or_default();
    pointer::fill(buffer, size, text.as_bytes());
    text.len()
}

/// Makes an object for the caller where that cannot fail; NULL after a panic.
pub(super) fn new<T>(body: impl FnOnce() -> T) -> *mut T {
    catch_unwind(AssertUnwindSafe(|| pointer::hand_over(body()))).unwrap_or(null_mut())
}

/// Frees an object; NULL is nothing to free.
pub(super) unsafe fn free<T>(object: *mut T) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(pointer::take_back(object))));
}

/// An argument that must be given.
pub(super) unsafe fn given<'a, T: Object>(argument: *const T) -> Result<&'a T> {
    pointer::peek(argument).ok_or_else(|| null(T::NAME))
}

/// A builder that must be given.
pub(super) unsafe fn given_mut<'a, T: Object>(argument: *mut T) -> Result<&'a mut T> {
    pointer::peek_mut(argument).ok_or_else(|| null(T::NAME))
}

/// A text that must be given.
pub(super) unsafe fn text<'a>(argument: *const c_char, name: &str) -> Result<&'a str> {
    text_or_null(argument, name)?.ok_or_else(|| null(name))
}

/// A text that may be left out.
pub(super) unsafe fn text_or_null<'a>(
    argument: *const c_char,
    name: &str,
) -> Result<Option<&'a str>> {
    let text = pointer::text(argument).map(std::ffi::CStr::to_str).transpose();
    text.map_err(|_| {
        Error::config(CALLING, format!("the argument {name} is not UTF-8: convert it"))
    })
}

/// Bytes that must be given.
pub(super) unsafe fn bytes<'a>(argument: *const u8, length: usize, name: &str) -> Result<&'a [u8]> {
    pointer::bytes(argument, length).ok_or_else(|| null(name))
}

/// The error of a value that is none of a type's constants.
pub(super) fn no_constant(name: &str, value: i32) -> Error {
    Error::config(
        CALLING,
        format!("the argument {name} is {value}: give one of the constants of its type"),
    )
}

/// A duration of C.
pub(super) fn millis(millis: u32) -> Duration {
    Duration::from_millis(millis.into())
}

/// A duration for C, 49 days at most.
pub(super) fn short_millis(duration: Duration) -> u32 {
    u32::try_from(in_millis(duration)).unwrap_or(u32::MAX)
}

/// A time for C: milliseconds since 1970.
pub(super) fn time(time: SystemTime) -> i64 {
    i64::try_from(millis_since_1970(time)).unwrap_or(i64::MAX)
}

pub(super) fn null(name: &str) -> Error {
    Error::config(CALLING, format!("the argument {name} is NULL: it must be given"))
}

fn panicked() -> Error {
    Error::panicked(CALLING)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capi::{SASTAOTP_INTERNAL, sastaotp_error_free, sastaotp_error_kind};

    #[test]
    fn a_panic_becomes_an_error_or_the_value_for_null() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        unsafe {
            let (mut error, mut object) = (null_mut(), null_mut::<i32>());
            assert_eq!(
                make(&raw mut object, &raw mut error, || panic!("on purpose")),
                SASTAOTP_INTERNAL
            );
            assert!(object.is_null());
            assert_eq!(sastaotp_error_kind(error), SASTAOTP_INTERNAL);
            sastaotp_error_free(error);
            assert_eq!(call(null_mut(), || panic!("on purpose")), SASTAOTP_INTERNAL);
            assert_eq!(look(&1, 7, |_| panic!("on purpose")), 7);
            assert!(new(|| -> i32 { panic!("on purpose") }).is_null());
            free(pointer::hand_over(Bomb));
        }
    }
}
