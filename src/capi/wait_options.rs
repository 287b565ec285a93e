//! The options of a wait for a code, as a struct that the caller fills in.

use super::boundary::duration;
use super::options::{Options, c_bool, options as read_options};
use crate::{Result, WaitOptions};

/// Options for waiting for a code. Initialize it with SASTAOTP_WAIT_OPTIONS_INIT. A wait copies the
/// options.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sastaotp_wait_options {
    /// The size of the struct, which SASTAOTP_WAIT_OPTIONS_INIT sets.
    pub size: usize,
    /// The interval between polls, in milliseconds. The default is 5,000. Shorter intervals count
    /// as 5,000, longer ones than an hour as an hour.
    pub interval_ms: u32,
    /// After a request for the next code, whether to accept a code that equals an earlier one, even
    /// if the service never reported that it was waiting in between.
    pub accept_same_code: c_bool,
    /// Whether to cancel the order for its refund if no code arrives in time, which takes at most
    /// 10 more seconds. The wait still fails with SASTAOTP_ERROR_WAIT_TIMEOUT, and the error's hint
    /// states whether the order was cancelled. An order that cannot be cancelled yet stays open:
    /// settle it later. If the cancellation fails in another way, the wait fails with its error.
    pub cancel_on_timeout: c_bool,
    /// Reserved for later versions: must be 0.
    pub reserved: [u8; 2],
}

unsafe impl Options for sastaotp_wait_options {
    const NAME: &'static str = "wait_options";
    const INIT: Self = Self {
        size: size_of::<Self>(),
        interval_ms: 0,
        accept_same_code: c_bool::FALSE,
        cancel_on_timeout: c_bool::FALSE,
        reserved: [0; 2],
    };
    /// The size in version 0.1.0. It never changes.
    const LEAST_SIZE: usize = std::mem::offset_of!(Self, reserved) + 2;

    fn reserved(&self) -> &[u8] {
        &self.reserved
    }
}

/// Copies the options of a caller, which may be NULL.
pub(super) unsafe fn copied_options(
    options: *const sastaotp_wait_options,
) -> Result<sastaotp_wait_options> {
    if options.is_null() { Ok(sastaotp_wait_options::INIT) } else { read_options(options) }
}

/// Reads the options of a caller, which may be NULL.
pub(super) unsafe fn wait_options(
    timeout_ms: u32,
    options: *const sastaotp_wait_options,
) -> Result<WaitOptions<'static>> {
    let options = copied_options(options)?;
    let mut waiting = WaitOptions::new(duration(timeout_ms));
    if options.interval_ms != 0 {
        waiting = waiting.interval(duration(options.interval_ms));
    }
    if options.accept_same_code.get("accept_same_code")? {
        waiting = waiting.accept_same_code();
    }
    let cancels = options.cancel_on_timeout.get("cancel_on_timeout")?;
    Ok(if cancels { waiting.cancel_on_timeout() } else { waiting })
}
