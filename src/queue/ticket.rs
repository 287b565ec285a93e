//! The ticket of an operation, and the completion that ends it.

use super::output::Output;
use crate::Result;

/// Identifies an operation in its queue. No two queues of a process share a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(super) u64);

impl Ticket {
    // Hidden: for this project's C functions and tests, not part of the API.
    /// The ticket as a number, for hosts that store it.
    #[doc(hidden)]
    pub fn number(self) -> u64 {
        self.0
    }

    // Hidden: for this project's C functions and tests, not part of the API.
    /// The ticket with the number that [`Self::number`] returned.
    #[doc(hidden)]
    pub fn from_number(number: u64) -> Self {
        Self(number)
    }
}

/// A finished operation.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Completion {
    /// The ticket that [`Queue::submit`](super::Queue::submit) returned.
    pub ticket: Ticket,
    /// The result, or the error.
    pub result: Result<Output>,
    // Hidden: for this project's C functions and tests, not part of the API.
    /// The value of [`Queue::submit_with_user`](super::Queue::submit_with_user).
    #[doc(hidden)]
    pub user: usize,
}
