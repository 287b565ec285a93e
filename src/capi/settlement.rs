//! The result of closing an order.

use std::ffi::c_char;
use std::ptr::null;

use super::boundary::{free, read_or};
use super::c_strings::WithCStrings;
use super::sms::sastaotp_sms;
use crate::{Settlement, SettlementState};

/// The result of closing an order. Immutable.
pub struct sastaotp_settlement {
    settlement: WithCStrings<Settlement>,
    sms: Option<sastaotp_sms>,
}

impl sastaotp_settlement {
    pub(super) fn new(settlement: Settlement) -> Self {
        Self {
            sms: settlement.code.clone().map(sastaotp_sms::new),
            settlement: WithCStrings::new(settlement),
        }
    }

    pub(super) fn json(&self) -> *const c_char {
        self.settlement.json()
    }
}

/// The state of an order after it was settled.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_settled(pub i32);

/// The state is not known: `settlement` is NULL.
pub const SASTAOTP_SETTLED_UNKNOWN: sastaotp_settled = sastaotp_settled(0);
/// Completed: the price is spent.
pub const SASTAOTP_SETTLED_COMPLETED: sastaotp_settled = sastaotp_settled(1);
/// Cancelled: the price is refunded.
pub const SASTAOTP_SETTLED_CANCELLED: sastaotp_settled = sastaotp_settled(2);
/// Not cancelled, because a code arrived first. The order is still open: complete it.
pub const SASTAOTP_SETTLED_CODE_ARRIVED: sastaotp_settled = sastaotp_settled(3);
/// The order had already ended: it was completed, cancelled or expired before.
/// sastaotp_activation_ending of its activation returns which, if it is known.
pub const SASTAOTP_SETTLED_ALREADY_OVER: sastaotp_settled = sastaotp_settled(4);

/// Returns the state of the order. Returns SASTAOTP_SETTLED_UNKNOWN if `settlement` is NULL.
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_settlement_state(
    settlement: *const sastaotp_settlement,
) -> sastaotp_settled {
    read_or(settlement, SASTAOTP_SETTLED_UNKNOWN, |settlement| match settlement.settlement.state {
        SettlementState::Completed => SASTAOTP_SETTLED_COMPLETED,
        SettlementState::Cancelled => SASTAOTP_SETTLED_CANCELLED,
        SettlementState::CodeArrived => SASTAOTP_SETTLED_CODE_ARRIVED,
        SettlementState::AlreadyOver => SASTAOTP_SETTLED_ALREADY_OVER,
    })
}

/// Returns the message that arrived. Returns NULL if none did. The message belongs to the
/// settlement. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_settlement_sms(
    settlement: *const sastaotp_settlement,
) -> *const sastaotp_sms {
    read_or(settlement, null(), |settlement| {
        settlement.sms.as_ref().map_or(null(), std::ptr::from_ref)
    })
}

/// Returns the settlement as JSON: state (completed, cancelled, code_arrived or already_over),
/// code, raw. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_settlement_json(
    settlement: *const sastaotp_settlement,
) -> *const c_char {
    read_or(settlement, null(), sastaotp_settlement::json)
}

/// Frees a settlement and its message. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_settlement_free(settlement: *mut sastaotp_settlement) {
    free(settlement);
}
