//! The versions of the library and of its binary interface.

use std::ffi::c_char;

/// The version of the binary interface that this header describes, which is also the number in the
/// library's SONAME. It increases when a program that is already linked would stop working.
pub const SASTAOTP_ABI_VERSION: u32 = 0;

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");

/// Returns the version of the loaded library, such as "0.1.0". It may be newer than the header's.
/// The text is static. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sastaotp_version() -> *const c_char {
    VERSION.as_ptr().cast()
}

/// Returns the version of the loaded library's binary interface. A program that loads the library
/// by hand compares it with SASTAOTP_ABI_VERSION. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sastaotp_abi_version() -> u32 {
    SASTAOTP_ABI_VERSION
}
