//! The proof of whether a request was sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// The point of no return of a request: it is either sent or abandoned, never both.
///
/// The transport calls [`SendLatch::try_send`] right before the first byte. A caller that abandons
/// the request calls [`SendLatch::try_abandon`], which returns whether it was in time. Clones share
/// one latch.
#[derive(Clone, Debug, Default)]
pub struct SendLatch(Arc<AtomicU8>);

const OPEN: u8 = 0;
const SENT: u8 = 1;
const ABANDONED: u8 = 2;

impl SendLatch {
    /// Claims the right to send; `false` if the request was abandoned.
    pub fn try_send(&self) -> bool {
        match self.0.compare_exchange(OPEN, SENT, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) | Err(SENT) => true,
            Err(_) => false,
        }
    }

    /// Abandons the request; `true` if no byte was sent and none will be.
    pub fn try_abandon(&self) -> bool {
        match self.0.compare_exchange(OPEN, ABANDONED, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) | Err(ABANDONED) => true,
            Err(_) => false,
        }
    }

    /// Whether the request was abandoned.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.0.load(Ordering::Acquire) == ABANDONED
    }

    /// Whether the right to send was claimed.
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
