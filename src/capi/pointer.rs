//! Every pointer that comes from C is followed here, and every one that goes to C is made here.
//!
//! The functions are unsafe for one reason, which `header_intro.h` makes the caller's duty: a pointer that is not NULL is one that
//! this library made and was not freed, or, for text and places of results, one that the caller may read or write.

use std::ffi::{CStr, c_char};

/// The object behind a pointer; `None` for NULL.
pub(super) unsafe fn peek<'a, T>(pointer: *const T) -> Option<&'a T> {
    // SAFETY: not NULL, so a live object; shared access is all that entries with a const pointer take.
    unsafe { pointer.as_ref() }
}

/// The object behind a pointer, to be changed; `None` for NULL.
pub(super) unsafe fn peek_mut<'a, T>(pointer: *mut T) -> Option<&'a mut T> {
    // SAFETY: not NULL, so a live object; builders are used by one thread at a time.
    unsafe { pointer.as_mut() }
}

/// The text behind a pointer, without its NUL; `None` for NULL.
pub(super) unsafe fn text<'a>(pointer: *const c_char) -> Option<&'a CStr> {
    // SAFETY: not NULL, so text of the caller with a NUL at its end.
    (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) })
}

/// The bytes behind a pointer; `None` for NULL.
pub(super) unsafe fn bytes<'a>(pointer: *const u8, length: usize) -> Option<&'a [u8]> {
    // SAFETY: not NULL, so `length` bytes of the caller.
    (!pointer.is_null()).then(|| unsafe { std::slice::from_raw_parts(pointer, length) })
}

/// Writes to a place of the caller; `false` for NULL. What was there before is not looked at: it may be no value at all.
pub(super) unsafe fn put<T>(place: *mut T, value: T) -> bool {
    if place.is_null() {
        return false;
    }
    // SAFETY: not NULL, so a place of the caller for a `T`.
    unsafe { place.write(value) };
    true
}

/// Writes bytes, as many as fit, and a NUL to a buffer of the caller; nothing to NULL or where there is no room.
pub(super) unsafe fn fill(buffer: *mut c_char, size: usize, bytes: &[u8]) {
    if buffer.is_null() || size == 0 {
        return;
    }
    let length = bytes.len().min(size - 1);
    // SAFETY: not NULL, so `size` bytes of the caller; `length` and the NUL are no more.
    unsafe {
        buffer.copy_from_nonoverlapping(bytes.as_ptr().cast(), length);
        buffer.add(length).write(0);
    }
}

/// Makes the caller the owner of an object.
pub(super) fn hand_over<T>(object: T) -> *mut T {
    Box::into_raw(Box::new(object))
}

/// Makes this library the owner again; `None` for NULL.
pub(super) unsafe fn take_back<T>(pointer: *mut T) -> Option<Box<T>> {
    // SAFETY: not NULL, so from `hand_over`, and given back once.
    (!pointer.is_null()).then(|| unsafe { Box::from_raw(pointer) })
}
