//! Structs of options that the caller fills in, which later versions can extend.

use super::boundary::{CALLING, null_argument};
use super::pointer;
use crate::{Error, Result};

/// The largest struct of options that a later version may have.
const MAX_SIZE: usize = 4096;

/// A struct of options that the caller fills in. It begins with its size, so that a later version
/// of the library can add members at the end: the members that a caller's struct lacks have the
/// values of `INIT`. A member is never added in the padding at the end, which an older program does
/// not initialize.
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
        let initializer = format!("SASTAOTP_{}_INIT", T::NAME.to_uppercase());
        let reason =
            format!("the size of the {} is {size}: initialize it with {initializer}", T::NAME);
        return Err(Error::config(CALLING, reason));
    }
    let further = size.saturating_sub(size_of::<T>());
    let tail = pointer::bytes(argument.wrapping_add(1).cast(), further).unwrap_or_default();
    if tail.iter().any(|byte| *byte != 0) {
        let reason = format!("the {} has members of a later version: update the library", T::NAME);
        return Err(Error::config(CALLING, reason));
    }
    let mut options = T::INIT;
    pointer::copy_start(argument, size, &mut options);
    Ok(options)
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
            (&[0], "the size of the sample is 0: initialize it with SASTAOTP_SAMPLE_INIT"),
            (&[u64::MAX], "initialize it with SASTAOTP_SAMPLE_INIT"),
        ] {
            let error = read(words).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        // SAFETY: NULL is refused.
        let null = unsafe { options(std::ptr::null::<Sample>()) };
        assert!(null.unwrap_err().to_string().contains("sample is NULL"));
    }

    #[test]
    fn a_member_that_is_no_bool_is_refused() {
        assert!(!c_bool(0).get("a").unwrap() && c_bool(1).get("a").unwrap());
        let error = c_bool(0xcc).get("from_env").unwrap_err().to_string();
        assert!(
            error.contains("the member from_env is not a bool: initialize the struct"),
            "{error}"
        );
    }
}
