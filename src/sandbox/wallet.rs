//! The wallet of a namespace and its ledger, in micro-rupees.
//!
//! Invariant: opening balance − charged + refunded = balance.

use std::collections::VecDeque;

/// How many ledger entries are kept; the sums include all of them.
const MAX_ENTRIES: usize = 5_000;

/// The kind of a ledger entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryKind {
    Charge,
    Refund,
}

/// One charge or refund.
#[derive(Debug)]
pub(super) struct LedgerEntry {
    pub(super) kind: EntryKind,
    pub(super) order_id: u64,
    pub(super) activation_id: Box<str>,
    pub(super) micros: i64,
    pub(super) at_ms: u64,
}

/// The balance and its history.
#[derive(Debug)]
pub(super) struct Wallet {
    pub(super) opening: i64,
    pub(super) balance: i64,
    pub(super) charges: u64,
    pub(super) refunds: u64,
    pub(super) charged: i64,
    pub(super) refunded: i64,
    pub(super) entries: VecDeque<LedgerEntry>,
}

impl Wallet {
    pub(super) fn new(opening: i64) -> Self {
        Self {
            opening,
            balance: opening,
            charges: 0,
            refunds: 0,
            charged: 0,
            refunded: 0,
            entries: VecDeque::new(),
        }
    }

    /// Sets the balance, and adjusts the opening balance by the same difference.
    pub(super) fn set_balance(&mut self, balance: i64) {
        self.opening = self.opening.saturating_add(balance.saturating_sub(self.balance));
        self.balance = balance;
    }

    /// Charges the price of an order. Returns `false` if the balance is too low.
    pub(super) fn charge(
        &mut self,
        micros: i64,
        order_id: u64,
        activation_id: &str,
        at_ms: u64,
    ) -> bool {
        if micros > self.balance {
            return false;
        }
        self.balance -= micros;
        self.charged += micros;
        self.charges += 1;
        self.record(EntryKind::Charge, micros, order_id, activation_id, at_ms);
        true
    }

    /// Refunds the price of an order.
    pub(super) fn refund(&mut self, micros: i64, order_id: u64, activation_id: &str, at_ms: u64) {
        self.balance += micros;
        self.refunded += micros;
        self.refunds += 1;
        self.record(EntryKind::Refund, micros, order_id, activation_id, at_ms);
    }

    fn record(
        &mut self,
        kind: EntryKind,
        micros: i64,
        order_id: u64,
        activation_id: &str,
        at_ms: u64,
    ) {
        if self.entries.len() == MAX_ENTRIES {
            self.entries.pop_front();
        }
        self.entries.push_back(LedgerEntry {
            kind,
            order_id,
            activation_id: activation_id.into(),
            micros,
            at_ms,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_include_every_entry() {
        let mut wallet = Wallet::new(30);
        assert!(wallet.charge(20, 1, "a", 0));
        assert!(!wallet.charge(20, 2, "b", 1), "more than the balance");
        wallet.refund(20, 1, "a", 2);
        wallet.set_balance(5);
        assert_eq!((wallet.charges, wallet.refunds, wallet.balance), (1, 1, 5));
        assert_eq!(wallet.opening - wallet.charged + wallet.refunded, wallet.balance);
        assert_eq!(wallet.entries.len(), 2);
    }

    #[test]
    fn entries_are_limited_but_sums_are_not() {
        let mut wallet = Wallet::new(1_000_000);
        for order in 0..6_000 {
            assert!(wallet.charge(1, order, "a", 0));
        }
        assert_eq!((wallet.entries.len(), wallet.charges), (MAX_ENTRIES, 6_000));
    }
}
