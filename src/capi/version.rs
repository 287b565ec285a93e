//! The version of the library and of its binary interface.

use std::ffi::c_char;

/// The version of the binary interface that this header describes; it is also the number in the library's SONAME. It
/// grows when a program that was linked before would no longer work.
pub const SASTAOTP_ABI_VERSION: u32 = 0;

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");

/// Returns the version of the library that runs, such as "0.1.0". It may be newer than that of the header.
///
/// The text is static: nobody frees it. Cannot fail. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sastaotp_version() -> *const c_char {
    VERSION.as_ptr().cast()
}

/// Returns the version of the binary interface of the library that runs: compare it with SASTAOTP_ABI_VERSION when the
/// library is loaded by hand.
///
/// Cannot fail. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sastaotp_abi_version() -> u32 {
    SASTAOTP_ABI_VERSION
}
