//! The proof of whether a request was sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// The point of no return of a request: either its first byte is handed over, or it was given up before, never both.
///
/// The transport calls [`SendLatch::try_send`] right before the first byte; a caller that gives up calls
/// [`SendLatch::try_abandon`] and learns whether it was in time. Clones are the same latch.
#[derive(Clone, Debug, Default)]
pub struct SendLatch(Arc<AtomicU8>);

const OPEN: u8 = 0;
const SENT: u8 = 1;
const ABANDONED: u8 = 2;

impl SendLatch {
    /// Claims the right to send; `false` when the request was given up.
    pub fn try_send(&self) -> bool {
        match self.0.compare_exchange(OPEN, SENT, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) | Err(SENT) => true,
            Err(_) => false,
        }
    }

    /// Gives the request up; `true` when no byte was sent and none will be.
    pub fn try_abandon(&self) -> bool {
        match self.0.compare_exchange(OPEN, ABANDONED, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) | Err(ABANDONED) => true,
            Err(_) => false,
        }
    }

    /// Says whether the request was given up.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.0.load(Ordering::Acquire) == ABANDONED
    }

    /// Says whether a byte was handed over.
    pub fn is_sent(&self) -> bool {
        self.0.load(Ordering::Acquire) == SENT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latch_is_sent_or_abandoned_never_both() {
        let latch = SendLatch::default();
        assert!(latch.try_send() && latch.try_send() && latch.is_sent());
        assert!(!latch.try_abandon());
        let latch = SendLatch::default();
        assert!(latch.clone().try_abandon() && latch.try_abandon());
        assert!(!latch.try_send() && !latch.is_sent());
    }
}
