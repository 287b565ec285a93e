//! The only file that dereferences a pointer from C or creates one for C.
//!
//! Ownership: an object belongs to the library until `into_raw` passes it to the caller, and to the
//! caller until `from_raw` takes it back, once. Everything else is borrowed: `as_ref`, `as_mut`,
//! `c_str`, `bytes` and `array` borrow from the caller for one call, and `write` and
//! `write_c_string` fill memory that the caller owns.
//!
//! The functions are unsafe for one reason, which `header/intro.h` makes the caller's duty: a
//! pointer that is not NULL either comes from this library and has not been freed or, for text and
//! places for results, points to memory that the caller may read or write.

use std::ffi::{CStr, c_char};

/// Borrows an object; `None` for NULL.
pub(super) unsafe fn as_ref<'a, T>(pointer: *const T) -> Option<&'a T> {
    // SAFETY: not NULL, so a live object; functions with a const pointer only share it.
    unsafe { pointer.as_ref() }
}

/// Borrows an object to change it; `None` for NULL.
pub(super) unsafe fn as_mut<'a, T>(pointer: *mut T) -> Option<&'a mut T> {
    // SAFETY: not NULL, so a live object; one thread at a time uses a builder, iterator or lease.
    unsafe { pointer.as_mut() }
}

/// Borrows a text, without its NUL; `None` for NULL.
pub(super) unsafe fn c_str<'a>(pointer: *const c_char) -> Option<&'a CStr> {
    // SAFETY: not NULL, so the caller's text with a NUL at its end.
    (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) })
}

/// Borrows bytes; `None` for NULL.
pub(super) unsafe fn bytes<'a>(pointer: *const u8, length: usize) -> Option<&'a [u8]> {
    // SAFETY: not NULL, so `length` bytes of the caller.
    (!pointer.is_null()).then(|| unsafe { std::slice::from_raw_parts(pointer, length) })
}

/// Borrows the elements of an array; `None` for NULL.
pub(super) unsafe fn array<'a, T>(pointer: *const T, count: usize) -> Option<&'a [T]> {
    // SAFETY: not NULL, so `count` elements of the caller.
    (!pointer.is_null()).then(|| unsafe { std::slice::from_raw_parts(pointer, count) })
}

/// Reads the member `size` at the start of a caller's struct; `None` for NULL.
pub(super) unsafe fn size_member<T>(argument: *const T) -> Option<usize> {
    // SAFETY: not NULL, so the caller's struct, which begins with its size.
    (!argument.is_null()).then(|| unsafe { argument.cast::<usize>().read() })
}

/// Copies the first `size` bytes of a caller's struct over a value, for which any bytes are valid.
pub(super) unsafe fn copy_start<T: Copy>(argument: *const T, size: usize, value: &mut T) {
    let size = size.min(size_of::<T>());
    // SAFETY: the caller's struct has that many bytes, and so has the value.
    unsafe {
        std::ptr::copy_nonoverlapping(
            argument.cast::<u8>(),
            std::ptr::from_mut(value).cast(),
            size,
        );
    }
}

/// Writes a value to the caller's place; returns `false` for NULL. Never reads or drops the place's
/// previous content, which may be uninitialized.
pub(super) unsafe fn write<T>(place: *mut T, value: T) -> bool {
    if place.is_null() {
        return false;
    }
    // SAFETY: not NULL, so the caller's place for a `T`.
    unsafe { place.write(value) };
    true
}

/// Writes as many bytes as fit, and a NUL, to the caller's buffer. Writes nothing if the buffer is
/// NULL or its size is 0.
pub(super) unsafe fn write_c_string(buffer: *mut c_char, size: usize, bytes: &[u8]) {
    if buffer.is_null() || size == 0 {
        return;
    }
    let length = bytes.len().min(size - 1);
    // SAFETY: not NULL, so `size` bytes of the caller; `length` and the NUL fit in them.
    unsafe {
        buffer.copy_from_nonoverlapping(bytes.as_ptr().cast(), length);
        buffer.add(length).write(0);
    }
}

/// Passes the ownership of an object to the caller.
pub(super) fn into_raw<T>(object: T) -> *mut T {
    Box::into_raw(Box::new(object))
}

/// Takes the ownership of an object back from the caller; `None` for NULL.
pub(super) unsafe fn from_raw<T>(pointer: *mut T) -> Option<Box<T>> {
    // SAFETY: not NULL, so from `into_raw`, and the caller frees an object once.
    (!pointer.is_null()).then(|| unsafe { Box::from_raw(pointer) })
}
