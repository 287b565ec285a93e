//! Structs of options that the caller fills in, which later versions can extend.

use super::boundary::{CALLING, null_argument};
use super::pointer;
use crate::{Error, Result};

/// The largest struct of options that a later version may have.
const MAX_SIZE: usize = 4096;

/// A struct of options that the caller fills in. It begins with its size, so that a later version
/// of the library can add members at the end: the members that a caller's struct lacks have the
/// values of `INIT`.
///
/// So that a program and a library of different versions work together: a struct has no padding at
/// its end, but reserved bytes that must be 0; its `LEAST_SIZE` never changes; and the value of
/// `INIT` of a member that is added later is 0.
///
/// # Safety
///
/// The type is `repr(C)`, begins with the member `size: usize`, and any bytes are a valid value.
pub(super) unsafe trait Options: Copy {
    /// The argument's name in error messages.
    const NAME: &'static str;
    /// The values of the initializer.
    const INIT: Self;
    /// The size in the first version that had the type.
    const LEAST_SIZE: usize;

    /// The reserved bytes, which must be 0.
    fn reserved(&self) -> &[u8];
}

/// A `bool` of the caller's struct. Any byte is a valid value, unlike for Rust's `bool`.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct c_bool(u8);

impl c_bool {
    pub(super) const FALSE: Self = Self(0);

    /// Reads the value of a member.
    pub(super) fn get(self, name: &str) -> Result<bool> {
        match self.0 {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Error::config(
                CALLING,
                format!("the member {name} is not a bool: initialize the struct first"),
            )),
        }
    }
}

/// For tests: a member of a struct that Rust fills in.
impl From<bool> for c_bool {
    fn from(value: bool) -> Self {
        Self(value.into())
    }
}

/// Copies a caller's struct of options. Fails if it is NULL, or if its size is not one that a
/// version of the library has. Accepts a struct of a newer version whose further members are 0.
pub(super) unsafe fn options<T: Options>(argument: *const T) -> Result<T> {
    let size = pointer::size_member(argument).ok_or_else(|| null_argument(T::NAME))?;
    // A struct that was not initialized can have any size, and must not be read.
    if !(T::LEAST_SIZE..=MAX_SIZE).contains(&size) {
        return Err(not_initialized::<T>(&format!("its size is {size}")));
    }
    let further = size.saturating_sub(size_of::<T>());
    let tail = pointer::bytes(argument.wrapping_add(1).cast(), further).unwrap_or_default();
    if tail.iter().any(|byte| *byte != 0) {
        let reason = format!("the {} has members of a later version: update the library", T::NAME);
        return Err(Error::config(CALLING, reason));
    }
    let mut options = T::INIT;
    pointer::copy_start(argument, size, &mut options);
    if options.reserved().iter().any(|byte| *byte != 0) {
        return Err(not_initialized::<T>("its reserved bytes are not 0"));
    }
    Ok(options)
}

/// The error for a struct that the caller did not initialize.
fn not_initialized<T: Options>(sign: &str) -> Error {
    let name = T::NAME;
    let initializer = format!("SASTAOTP_{}_INIT", name.to_uppercase());
    Error::config(CALLING, format!("the {name} is not initialized, {sign}: use {initializer}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The options of a version that has added the last member.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Sample {
        size: usize,
        first: u64,
        added: u64,
    }

    unsafe impl Options for Sample {
        const NAME: &'static str = "sample";
        const INIT: Self = Self { size: size_of::<Self>(), first: 1, added: 2 };
        const LEAST_SIZE: usize = 2 * size_of::<u64>();

        fn reserved(&self) -> &[u8] {
            if self.first == u64::MAX { &[1] } else { &[0] }
        }
    }

    fn read(words: &[u64]) -> Result<Sample> {
        // SAFETY: each row below has as many bytes as its first word says, or a size that is
        // refused.
        unsafe { options(words.as_ptr().cast::<Sample>()) }
    }

    #[test]
    fn older_and_newer_structs_are_read() {
        let sample = |size, first, added| Sample { size, first, added };
        assert_eq!(read(&[24, 7, 8]).unwrap(), sample(24, 7, 8));
        assert_eq!(read(&[16, 7]).unwrap(), sample(16, 7, 2), "an older program has the default");
        assert_eq!(read(&[32, 7, 8, 0]).unwrap(), sample(32, 7, 8), "an unused member");
        for (words, reason) in [
            (&[32, 7, 8, 9][..], "the sample has members of a later version: update the library"),
            (&[0], "the sample is not initialized, its size is 0: use SASTAOTP_SAMPLE_INIT"),
            (&[u64::MAX], "use SASTAOTP_SAMPLE_INIT"),
            (&[24, u64::MAX, 0], "its reserved bytes are not 0: use SASTAOTP_SAMPLE_INIT"),
        ] {
            let error = read(words).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        // SAFETY: NULL is refused.
        let null = unsafe { options(std::ptr::null::<Sample>()) };
        assert!(null.unwrap_err().to_string().contains("sample is NULL"));
    }

    #[test]
    fn structs_of_options_have_no_padding_at_the_end() {
        use crate::capi::{
            sastaotp_config, sastaotp_number_request, sastaotp_offer_query, sastaotp_wait_options,
        };
        let sizes = |size, least, reserved_end| assert!(size == least && size == reserved_end);
        macro_rules! check {
            ($type:ty) => {
                sizes(
                    size_of::<$type>(),
                    <$type as Options>::LEAST_SIZE,
                    std::mem::offset_of!($type, reserved) + <$type>::INIT.reserved.len(),
                )
            };
        }
        check!(sastaotp_config);
        check!(sastaotp_number_request);
        check!(sastaotp_offer_query);
        check!(sastaotp_wait_options);
    }

    #[test]
    fn members_that_are_not_bools_are_refused() {
        assert!(!c_bool(0).get("a").unwrap() && c_bool(1).get("a").unwrap());
        let error = c_bool(0xcc).get("from_env").unwrap_err().to_string();
        assert!(
            error.contains("the member from_env is not a bool: initialize the struct"),
            "{error}"
        );
    }
}
