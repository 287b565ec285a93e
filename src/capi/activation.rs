//! A number that was bought: its status, its codes, and its settlement.

use std::ffi::{CString, c_char};
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use super::activation_status::sastaotp_activation_status;
use super::boundary::{
    Object, call, clear_result, create, free, read_into, read_or, required, required_text,
    unix_millis, unknown_constant,
};
use super::c_strings::c_string;
use super::client::{as_client, sastaotp_client};
use super::error::{sastaotp_error, sastaotp_status};
use super::fork_guard::ForkGuarded;
use super::pointer;
use super::purchase::sastaotp_purchase;
use super::settlement::sastaotp_settlement;
use super::sms::sastaotp_sms;
use super::wait_options::{sastaotp_wait_options, wait_options};
use crate::order_state::Ending;
use crate::{Activation, Amount, OnTooEarly, Result};

/// A number that was bought. Any number of threads may use it at once. Freeing it does not change
/// the order: sastaotp_client_unclaimed lists an open order that no activation holds. A
/// sastaotp_lease settles its order.
///
/// A change of the order is sent once. If the reply is lost, the status is read, and the request is
/// repeated only if the status shows that it had no effect. A "change error", below, is a read
/// error, SASTAOTP_ERROR_NOT_FOUND, SASTAOTP_ERROR_ALREADY_FINISHED or SASTAOTP_ERROR_TOO_EARLY.
pub struct sastaotp_activation {
    activation: ForkGuarded<Activation>,
    /// Empty until the number is known, which can be after the claim. A forked child may read it,
    /// and the following fields, which never change.
    phone_number: OnceLock<CString>,
    id: CString,
    purchase: Option<sastaotp_purchase>,
}

impl Object for sastaotp_activation {
    const NAME: &'static str = "activation";
}

impl sastaotp_activation {
    pub(super) fn new(activation: Activation) -> Self {
        let known = activation.phone_number().filter(|number| !number.is_empty());
        Self {
            phone_number: known
                .map(|number| c_string(number.to_owned()).into())
                .unwrap_or_default(),
            id: c_string(activation.id().to_owned()),
            purchase: activation.purchase().cloned().map(sastaotp_purchase::new),
            activation: ForkGuarded::new(activation),
        }
    }
}

/// Borrows the activation of an argument; fails in another process than the one that created it.
unsafe fn as_activation<'a>(argument: *const sastaotp_activation) -> Result<&'a Activation> {
    required(argument)?.activation.required::<sastaotp_activation>()
}

/// How a settle reacts if the service does not allow cancelling the order yet.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_on_too_early(pub i32);

/// Fail with SASTAOTP_ERROR_TOO_EARLY; sastaotp_error_retry writes how long to wait.
pub const SASTAOTP_ON_TOO_EARLY_FAIL: sastaotp_on_too_early = sastaotp_on_too_early(0);
/// Wait until cancelling is allowed, and complete the order if a code arrives meanwhile.
pub const SASTAOTP_ON_TOO_EARLY_WAIT: sastaotp_on_too_early = sastaotp_on_too_early(1);

impl sastaotp_on_too_early {
    pub(super) fn read(self) -> Result<OnTooEarly> {
        match self {
            SASTAOTP_ON_TOO_EARLY_FAIL => Ok(OnTooEarly::Fail),
            SASTAOTP_ON_TOO_EARLY_WAIT => Ok(OnTooEarly::Wait),
            Self(value) => Err(unknown_constant("on_too_early", value)),
        }
    }
}

/// How an activation ended, as far as is known.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_ending(pub i32);

/// The activation has not ended, as far as is known.
pub const SASTAOTP_ENDING_NONE: sastaotp_ending = sastaotp_ending(0);
/// The order was completed.
pub const SASTAOTP_ENDING_COMPLETED: sastaotp_ending = sastaotp_ending(1);
/// The order was cancelled, by its owner or by the service.
pub const SASTAOTP_ENDING_CANCELLED: sastaotp_ending = sastaotp_ending(2);
/// The order expired.
pub const SASTAOTP_ENDING_EXPIRED: sastaotp_ending = sastaotp_ending(3);

/// Claims an existing activation by its id: one of an earlier run, of the order history, or of
/// sastaotp_client_unclaimed. Sends nothing.
///
/// Fails with SASTAOTP_ERROR_CONFIG if `id` is not 1 to 256 bytes, or has blanks around it or a
/// line end. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_activation(
    client: *const sastaotp_client,
    id: *const c_char,
    activation: *mut *mut sastaotp_activation,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(activation, error, || {
        let id = required_text(id, "id")?;
        Ok(sastaotp_activation::new(as_client(client)?.activation(id)?))
    })
}

/// Returns the id for the other calls, and for sastaotp_client_activation in a later run. Since
/// 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_id(
    activation: *const sastaotp_activation,
) -> *const c_char {
    read_or(activation, null(), |activation| activation.id.as_ptr())
}

/// Returns the phone number as the service writes it. Returns NULL if the activation was claimed by
/// its id and this process does not know its number: it did not buy it, and no search, resolution
/// or page of the history showed it. Empty if the order was found without a number. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_phone_number(
    activation: *const sastaotp_activation,
) -> *const c_char {
    read_or(activation, null(), |activation| {
        if let Some(number) = activation.phone_number.get() {
            return number.as_ptr();
        }
        match activation.activation.get().and_then(Activation::phone_number) {
            None => null(),
            Some("") => c"".as_ptr(),
            Some(number) => {
                activation.phone_number.get_or_init(|| c_string(number.to_owned())).as_ptr()
            }
        }
    })
}

/// Writes the amount charged, in micro-rupees. Returns false if neither the purchase nor the
/// history stated it, or if sastaotp_activation_phone_number returns NULL. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_price_micros(
    activation: *const sastaotp_activation,
    micros: *mut i64,
) -> bool {
    read_into(activation, micros, |activation| {
        let stated = activation.purchase.as_ref().and_then(|purchase| purchase.0.price);
        stated.or_else(|| activation.activation.get()?.price()).map(Amount::micros)
    })
}

/// Writes when the order expires, in milliseconds since 1970. Returns false if the service did not
/// report it. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_expires_at_ms(
    activation: *const sastaotp_activation,
    millis: *mut i64,
) -> bool {
    read_into(activation, millis, |activation| {
        activation.activation.get()?.expires_at().map(unix_millis)
    })
}

/// Returns the reply to the purchase, or the data of the order if a search or a resolution found
/// it. Returns NULL if the activation was claimed by its id and this process has no record of its
/// purchase. The purchase belongs to the activation. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_purchase(
    activation: *const sastaotp_activation,
) -> *const sastaotp_purchase {
    read_or(activation, null(), |activation| {
        activation.purchase.as_ref().map_or(null(), std::ptr::from_ref)
    })
}

/// Returns the number of messages with a code that have arrived so far. Sends nothing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_sms_count(
    activation: *const sastaotp_activation,
) -> usize {
    read_or(activation, 0, |activation| {
        activation.activation.get().map_or(0, |activation| activation.codes().len())
    })
}

/// Returns the message at an index, oldest first: the newest one is at the count minus 1. Returns
/// NULL if the index is out of range. The caller owns the result: free it with sastaotp_sms_free.
/// Sends nothing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_sms(
    activation: *const sastaotp_activation,
    index: usize,
) -> *mut sastaotp_sms {
    read_or(activation, null_mut(), |activation| {
        let codes = activation.activation.get().map(Activation::codes).unwrap_or_default();
        let sms = codes.into_iter().nth(index);
        sms.map_or(null_mut(), |sms| pointer::into_raw(sastaotp_sms::new(sms)))
    })
}

/// Returns how the order ended, as far as is known. Sends nothing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_ending(
    activation: *const sastaotp_activation,
) -> sastaotp_ending {
    read_or(activation, SASTAOTP_ENDING_NONE, |activation| {
        match activation.activation.get().and_then(Activation::ending) {
            None => SASTAOTP_ENDING_NONE,
            Some(Ending::Completed) => SASTAOTP_ENDING_COMPLETED,
            Some(Ending::Cancelled) => SASTAOTP_ENDING_CANCELLED,
            Some(Ending::Expired) => SASTAOTP_ENDING_EXPIRED,
        }
    })
}

/// Reads the status. If it contains a code, the activation keeps the code. Actions getStatus, and
/// getStatusV2 for the text of a message.
///
/// Fails with a read error or SASTAOTP_ERROR_NOT_FOUND. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_get_status(
    activation: *const sastaotp_activation,
    status: *mut *mut sastaotp_activation_status,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(status, error, || {
        Ok(sastaotp_activation_status::new(as_activation(activation)?.status()?))
    })
}

/// Waits for a code for at most `timeout_ms` milliseconds. `options` may be NULL. Actions
/// getStatus, and getStatusV2 for the text of the message.
///
/// If a code has already arrived, returns it immediately. Otherwise polls every 5 seconds and once
/// more at the deadline, which is the timeout or the expiry of the order, whichever comes first; if
/// replies are slow, the last poll starts before the deadline. Polls are at least 5 seconds apart:
/// a poll that would be due in the last seven seconds before the deadline is skipped in favour of
/// the poll at the deadline, and a wait of less than 5 seconds polls once, at its start. If the
/// service still waits for a code after the expiry, the wait continues to the timeout. Transient
/// failures do not end the wait. A single reply that the order is cancelled, that the id is unknown
/// or that the key is invalid does not end it either: the next poll must confirm it. To show
/// progress, wait one second at a time: consecutive waits keep the interval between polls.
///
/// Fails with SASTAOTP_ERROR_WAIT_TIMEOUT if no code arrived in time, SASTAOTP_ERROR_EXPIRED,
/// SASTAOTP_ERROR_ACTIVATION_CANCELLED or SASTAOTP_ERROR_ALREADY_FINISHED if the order ended,
/// SASTAOTP_ERROR_CANCELLED, or with an error that waiting cannot fix, such as
/// SASTAOTP_ERROR_AUTHENTICATION. A failed wait does not change the order, unless the options
/// cancel it: you can wait again. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_wait_for_code(
    activation: *const sastaotp_activation,
    timeout_ms: u32,
    options: *const sastaotp_wait_options,
    sms: *mut *mut sastaotp_sms,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(sms, error, || {
        let waiting = wait_options(timeout_ms, options)?;
        Ok(sastaotp_sms::new(as_activation(activation)?.wait_for_code(waiting)?))
    })
}

/// Waits for a code as sastaotp_activation_wait_for_code does, but if none arrives in time, writes
/// NULL to `*sms` and returns SASTAOTP_OK. For a program that calls it in a loop, for example to
/// show progress.
///
/// Fails as sastaotp_activation_wait_for_code does, but not with SASTAOTP_ERROR_WAIT_TIMEOUT. Since
/// 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_try_wait_for_code(
    activation: *const sastaotp_activation,
    timeout_ms: u32,
    options: *const sastaotp_wait_options,
    sms: *mut *mut sastaotp_sms,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        clear_result(sms)?;
        let waiting = wait_options(timeout_ms, options)?;
        if let Some(arrived) = as_activation(activation)?.try_wait_for_code(waiting)? {
            pointer::write(sms, pointer::into_raw(sastaotp_sms::new(arrived)));
        }
        Ok(())
    })
}

/// Reports to the service that the SMS was sent to the number. Action setStatus, 1. Sent once,
/// because no status shows whether the request had an effect.
///
/// Fails with a change error, and with SASTAOTP_ERROR_ACTIVATION_CANCELLED if the service answers
/// that the order is cancelled. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_mark_sms_sent(
    activation: *const sastaotp_activation,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || as_activation(activation)?.mark_sms_sent())
}

/// Requests another code for the same number, if the service allows it. Action setStatus, 3.
///
/// The next sastaotp_activation_wait_for_code waits for the new code; the previous one stays in
/// sastaotp_activation_sms. Fails with a change error, and with SASTAOTP_ERROR_ACTIVATION_CANCELLED
/// if the service answers that the order is cancelled. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_request_next_code(
    activation: *const sastaotp_activation,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || as_activation(activation)?.request_next_code())
}

/// Completes the order after its code was used. Action setStatus, 6.
///
/// Fails with SASTAOTP_ERROR_CONFIG if no code has arrived, because completing spends the price:
/// cancel the order, or call sastaotp_activation_complete_without_code. Before it fails, it polls
/// once.
///
/// Check the settlement: if the service treats 6 as a cancellation, its state is
/// SASTAOTP_SETTLED_CANCELLED. Fails with a change error. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_complete(
    activation: *const sastaotp_activation,
    settlement: *mut *mut sastaotp_settlement,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(settlement, error, || {
        Ok(sastaotp_settlement::new(as_activation(activation)?.complete()?))
    })
}

/// Completes the order even if no code has arrived here, for example because the user has read the
/// code elsewhere. The price is spent. Action setStatus, 6.
///
/// Fails with a change error. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_complete_without_code(
    activation: *const sastaotp_activation,
    settlement: *mut *mut sastaotp_settlement,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(settlement, error, || {
        Ok(sastaotp_settlement::new(as_activation(activation)?.complete_without_code()?))
    })
}

/// Cancels the order for its refund. Action setStatus, 8. Before that, it polls once, unless a poll
/// was answered in the last 5 seconds.
///
/// If a code arrived first, the order is not cancelled: the settlement is
/// SASTAOTP_SETTLED_CODE_ARRIVED and contains the code, and the order stays open until it is
/// completed. A code that you already have does not prevent the attempt.
///
/// Fails with a change error, with SASTAOTP_ERROR_TOO_EARLY if the order is too young.
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_cancel(
    activation: *const sastaotp_activation,
    settlement: *mut *mut sastaotp_settlement,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(settlement, error, || Ok(sastaotp_settlement::new(as_activation(activation)?.cancel()?)))
}

/// Closes the order: completes it if a code arrived, otherwise cancels it for the refund. If a code
/// arrived but is not readable, fails and leaves the order open. Action setStatus, 6 or 8. Before
/// it cancels, it polls once, as sastaotp_activation_cancel does.
///
/// `on_too_early` is the reaction if the order is too young to be cancelled. Waiting continues
/// until the service allows it or the order has expired. Fails as sastaotp_activation_cancel does.
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_settle(
    activation: *const sastaotp_activation,
    on_too_early: sastaotp_on_too_early,
    settlement: *mut *mut sastaotp_settlement,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    create(settlement, error, || {
        let on_too_early = on_too_early.read()?;
        Ok(sastaotp_settlement::new(as_activation(activation)?.settle(on_too_early)?))
    })
}

/// Keeps the number although its order is open: sastaotp_client_unclaimed, sastaotp_client_finish
/// and sastaotp_queue_close do not list it any more. Use it for a number that another program or a
/// later run settles. Sends nothing.
///
/// Fails with SASTAOTP_ERROR_CONFIG for an invalid argument. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_keep(
    activation: *const sastaotp_activation,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        as_activation(activation)?.keep();
        Ok(())
    })
}

/// Frees an activation. The order does not change. If it is open and no other activation holds it,
/// sastaotp_client_unclaimed lists the number. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_free(activation: *mut sastaotp_activation) {
    free(activation);
}
