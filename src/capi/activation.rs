//! One number: its state, its codes, and how it is settled.

use std::ffi::{CString, c_char};
use std::ptr::{null, null_mut};
use std::time::Duration;

use super::boundary::{
    Object, call, free, given, given_mut, look, look_into, make, millis as duration, new,
    no_constant, time,
};
use super::c_strings::{WithCStrings, c_string};
use super::cancel_token::{sastaotp_cancel_token, token};
use super::error::{sastaotp_error, sastaotp_status};
use super::fork_guard::ForkGuarded;
use super::number::sastaotp_purchase;
use super::pointer;
use super::status::{sastaotp_activation_status, sastaotp_sms};
use crate::order_state::Ending;
use crate::{Activation, Amount, OnTooEarly, Result, Settlement, SettlementState, WaitOptions};

/// A number that was bought. Any number of threads may use it at once. Freeing it does nothing to the order: see
/// sastaotp_lease for one that settles itself.
pub struct sastaotp_activation {
    activation: ForkGuarded<Activation>,
    /// These never change, and a forked child may read them.
    id: CString,
    phone_number: Option<CString>,
    purchase: Option<sastaotp_purchase>,
}

impl Object for sastaotp_activation {
    const NAME: &'static str = "activation";
}

impl sastaotp_activation {
    pub(super) fn new(activation: Activation) -> Self {
        Self {
            id: c_string(activation.id().to_owned()),
            phone_number: activation.phone_number().map(|number| c_string(number.to_owned())),
            purchase: activation
                .purchase()
                .cloned()
                .map(|purchase| sastaotp_purchase(WithCStrings::new(purchase))),
            activation: ForkGuarded::new(activation),
        }
    }
}

/// The activation behind an argument, in the process that took it up.
unsafe fn activation<'a>(argument: *const sastaotp_activation) -> Result<&'a Activation> {
    given(argument)?.activation.given::<sastaotp_activation>()
}

/// How to wait for a code, where the defaults are not right. A builder: one thread at a time. Waits copy what they need.
#[derive(Default)]
pub struct sastaotp_wait_options {
    interval: Option<Duration>,
    accept_same_code: bool,
    cancel_on_timeout: bool,
}

impl Object for sastaotp_wait_options {
    const NAME: &'static str = "options";
}

impl sastaotp_wait_options {
    fn apply(&self, mut options: WaitOptions<'static>) -> WaitOptions<'static> {
        let Self { interval, accept_same_code, cancel_on_timeout } = *self;
        if let Some(interval) = interval {
            options = options.interval(interval);
        }
        if accept_same_code {
            options = options.accept_same_code();
        }
        if cancel_on_timeout { options.cancel_on_timeout() } else { options }
    }
}

/// What settling does when the service does not let the order be cancelled yet.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_on_too_early(pub i32);

/// Fail with SASTAOTP_TOO_EARLY; sastaotp_error_retry_after_ms says when to try again.
pub const SASTAOTP_ON_TOO_EARLY_FAIL: sastaotp_on_too_early = sastaotp_on_too_early(0);
/// Wait until it may be cancelled, and take a code that comes meanwhile.
pub const SASTAOTP_ON_TOO_EARLY_WAIT: sastaotp_on_too_early = sastaotp_on_too_early(1);

impl sastaotp_on_too_early {
    pub(super) fn read(self) -> Result<OnTooEarly> {
        match self {
            SASTAOTP_ON_TOO_EARLY_FAIL => Ok(OnTooEarly::Fail),
            SASTAOTP_ON_TOO_EARLY_WAIT => Ok(OnTooEarly::Wait),
            Self(value) => Err(no_constant("early", value)),
        }
    }
}

/// How an activation ended, as far as it is known.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_ending(pub i32);

/// It did not, as far as it is known.
pub const SASTAOTP_ENDING_NONE: sastaotp_ending = sastaotp_ending(0);
/// It was completed.
pub const SASTAOTP_ENDING_COMPLETED: sastaotp_ending = sastaotp_ending(1);
/// It was cancelled, by its owner or by the service.
pub const SASTAOTP_ENDING_CANCELLED: sastaotp_ending = sastaotp_ending(2);
/// Its time was over.
pub const SASTAOTP_ENDING_EXPIRED: sastaotp_ending = sastaotp_ending(3);

/// How an order was closed. Immutable: any thread may read it.
pub struct sastaotp_settlement {
    settlement: WithCStrings<Settlement>,
    code: Option<sastaotp_sms>,
}

impl sastaotp_settlement {
    pub(super) fn new(settlement: Settlement) -> Self {
        Self {
            code: settlement.code.clone().map(sastaotp_sms::new),
            settlement: WithCStrings::new(settlement),
        }
    }
}

/// What became of an order.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_settled(pub i32);

/// Completed; its price is spent.
pub const SASTAOTP_SETTLED_COMPLETED: sastaotp_settled = sastaotp_settled(0);
/// Cancelled; its price is refunded.
pub const SASTAOTP_SETTLED_CANCELLED: sastaotp_settled = sastaotp_settled(1);
/// Not cancelled: a code came first. The order is open; complete it.
pub const SASTAOTP_SETTLED_CODE_ARRIVED: sastaotp_settled = sastaotp_settled(2);
/// It was over before.
pub const SASTAOTP_SETTLED_ALREADY_OVER: sastaotp_settled = sastaotp_settled(3);

/// Returns the id for the other calls, and for sastaotp_client_activation in a later run.
///
/// NULL gives NULL. The text is the activation's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_id(
    activation: *const sastaotp_activation,
) -> *const c_char {
    look(activation, null(), |it| it.id.as_ptr())
}

/// Returns the phone number as the service wrote it; NULL for an activation that was taken up by its id.
///
/// NULL gives NULL. The text is the activation's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_phone_number(
    activation: *const sastaotp_activation,
) -> *const c_char {
    look(activation, null(), |it| it.phone_number.as_ref().map_or(null(), |number| number.as_ptr()))
}

/// Tells what was charged, in micro-rupees. Returns false, and writes nothing, where the service did not say.
///
/// NULL as activation gives false; NULL as micros only asks. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_price(
    activation: *const sastaotp_activation,
    micros: *mut i64,
) -> bool {
    look_into(activation, micros, |it| it.purchase.as_ref()?.0.price.map(Amount::micros))
}

/// Tells when the order expires, in milliseconds since 1970. Returns false, and writes nothing, where the service did not say.
///
/// NULL as activation gives false; NULL as millis only asks. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_expires_at_ms(
    activation: *const sastaotp_activation,
    millis: *mut i64,
) -> bool {
    look_into(activation, millis, |it| it.activation.get()?.expires_at().map(time))
}

/// Returns what the reply to the purchase said; NULL for an activation that was taken up by its id.
///
/// The purchase is the activation's: do not free it. NULL gives NULL. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_purchase(
    activation: *const sastaotp_activation,
) -> *const sastaotp_purchase {
    look(activation, null(), |it| it.purchase.as_ref().map_or(null(), std::ptr::from_ref))
}

/// Returns the code that came and was not asked to be replaced; NULL where there is none. Sends nothing.
///
/// The message is yours: sastaotp_sms_free. NULL gives NULL. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_code(
    activation: *const sastaotp_activation,
) -> *mut sastaotp_sms {
    look(activation, null_mut(), |it| {
        let sms = it.activation.get().and_then(Activation::code);
        sms.map_or(null_mut(), |sms| pointer::hand_over(sastaotp_sms::new(sms)))
    })
}

/// Returns how many codes came so far. Sends nothing.
///
/// NULL gives 0. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_code_count(
    activation: *const sastaotp_activation,
) -> usize {
    look(activation, 0, |it| it.activation.get().map_or(0, |it| it.codes().len()))
}

/// Returns the code at an index from 0, oldest first; NULL behind the end. Sends nothing.
///
/// The message is yours: sastaotp_sms_free. NULL gives NULL. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_code_at(
    activation: *const sastaotp_activation,
    index: usize,
) -> *mut sastaotp_sms {
    look(activation, null_mut(), |it| {
        let sms = it.activation.get().and_then(|it| it.codes().into_iter().nth(index));
        sms.map_or(null_mut(), |sms| pointer::hand_over(sastaotp_sms::new(sms)))
    })
}

/// Returns how the order ended, as far as it is known. Sends nothing.
///
/// NULL gives SASTAOTP_ENDING_NONE. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_ending(
    activation: *const sastaotp_activation,
) -> sastaotp_ending {
    look(activation, SASTAOTP_ENDING_NONE, |it| {
        match it.activation.get().and_then(Activation::ending) {
            None => SASTAOTP_ENDING_NONE,
            Some(Ending::Completed) => SASTAOTP_ENDING_COMPLETED,
            Some(Ending::Cancelled) => SASTAOTP_ENDING_CANCELLED,
            Some(Ending::Expired) => SASTAOTP_ENDING_EXPIRED,
        }
    })
}

/// Makes a handle of the same activation whose calls `cancel` ends.
///
/// `*handle` is yours: sastaotp_activation_free, in any order with the activation and the token. NULL arguments are refused with
/// SASTAOTP_CONFIG. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_with_cancel(
    activation: *const sastaotp_activation,
    cancel: *const sastaotp_cancel_token,
    handle: *mut *mut sastaotp_activation,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(handle, error, || {
        Ok(sastaotp_activation::new(self::activation(activation)?.with_cancel(token(cancel)?)))
    })
}

/// Makes a handle of the same activation whose calls return within a time. A wait, and a settle that waits out,
/// have times of their own.
///
/// `*handle` is yours: sastaotp_activation_free, in any order with the activation. NULL arguments are refused with
/// SASTAOTP_CONFIG. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_with_timeout_ms(
    activation: *const sastaotp_activation,
    millis: u32,
    handle: *mut *mut sastaotp_activation,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(handle, error, || {
        Ok(sastaotp_activation::new(self::activation(activation)?.with_timeout(duration(millis))))
    })
}

/// Asks the service once for the state. A code that comes back is kept. Action getStatus.
///
/// `*state` is yours: sastaotp_activation_status_free. Fails with an error of a read, or SASTAOTP_NOT_FOUND. NULL arguments are refused
/// with SASTAOTP_CONFIG. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_get_status(
    activation: *const sastaotp_activation,
    state: *mut *mut sastaotp_activation_status,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(state, error, || {
        Ok(sastaotp_activation_status::new(self::activation(activation)?.state()?))
    })
}

/// Makes options with every default.
///
/// Returns an object that is yours: sastaotp_wait_options_free. Cannot fail. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sastaotp_wait_options_new() -> *mut sastaotp_wait_options {
    new(sastaotp_wait_options::default)
}

/// Polls less often than every 5,000 ms; more often is not possible, and an hour is the longest pause.
///
/// NULL as options is refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_wait_options_set_interval_ms(
    options: *mut sastaotp_wait_options,
    millis: u32,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        given_mut(options)?.interval = Some(duration(millis));
        Ok(())
    })
}

/// After a request for the next code, takes one that came before for it even if the service showed no waiting in
/// between.
///
/// NULL as options is refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_wait_options_accept_same_code(
    options: *mut sastaotp_wait_options,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        given_mut(options)?.accept_same_code = true;
        Ok(())
    })
}

/// Cancels the order for its refund when no code came in time. That takes 10 seconds more at most. The wait fails with
/// SASTAOTP_WAIT_TIMEOUT all the same, where the hint of the error says whether the order was cancelled, or with what the
/// cancellation failed with.
///
/// NULL as options is refused with SASTAOTP_CONFIG. One thread at a time. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_wait_options_cancel_on_timeout(
    options: *mut sastaotp_wait_options,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        given_mut(options)?.cancel_on_timeout = true;
        Ok(())
    })
}

/// Frees options.
///
/// NULL does nothing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_wait_options_free(options: *mut sastaotp_wait_options) {
    free(options);
}

/// Waits for a code, `timeout_ms` at most; `options` may be NULL. Actions getStatus, and getStatusV2 for the text of the
/// message.
///
/// Polls every 5 seconds, and once more at the deadline, which is the timeout or the order's expiry; before it where replies
/// are slow. A failure that may pass does not end the wait. A code that came before is given at once. To show progress, wait
/// a second at a time: the distance between polls is kept from one wait to the next.
///
/// `*sms` is yours: sastaotp_sms_free. Fails with SASTAOTP_WAIT_TIMEOUT when no code came in time, SASTAOTP_EXPIRED or
/// SASTAOTP_ACTIVATION_CANCELLED when the order is over, SASTAOTP_CANCELLED, or with what the service refused. Unless the
/// options are to cancel it, the activation stays as it is, and can be waited for again. Other NULL arguments are refused with
/// SASTAOTP_CONFIG. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_wait_for_code(
    activation: *const sastaotp_activation,
    timeout_ms: u32,
    options: *const sastaotp_wait_options,
    sms: *mut *mut sastaotp_sms,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(sms, error, || {
        let mut waiting = WaitOptions::new(duration(timeout_ms));
        if let Some(options) = pointer::peek(options) {
            waiting = options.apply(waiting);
        }
        Ok(sastaotp_sms::new(self::activation(activation)?.wait_for_code(waiting)?))
    })
}

/// Tells the service that the SMS was sent to the number. Action setStatus, 1. Sent once, for no status shows whether it
/// applied.
///
/// Fails as sastaotp_client_set_status does, and with SASTAOTP_ACTIVATION_CANCELLED where the service answers that the order is
/// cancelled. NULL as activation is refused with SASTAOTP_CONFIG. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_mark_sms_sent(
    activation: *const sastaotp_activation,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || self::activation(activation)?.mark_sms_sent())
}

/// Asks for a further code on the same number, for services that allow it. Action setStatus, 3.
///
/// The next sastaotp_activation_wait_for_code waits for the new code; the one before is kept in sastaotp_activation_code_at.
/// Fails as sastaotp_client_set_status does, and with SASTAOTP_ACTIVATION_CANCELLED where the service answers that the order is
/// cancelled. NULL as activation is refused with SASTAOTP_CONFIG. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_request_next_code(
    activation: *const sastaotp_activation,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || self::activation(activation)?.request_next_code())
}

/// Completes the order: its code was used. Action setStatus, 6.
///
/// Read the settlement: a service that takes 6 for a cancellation says so there.
///
/// `*settlement` is yours: sastaotp_settlement_free. Fails as sastaotp_client_set_status does. NULL arguments are refused
/// with SASTAOTP_CONFIG, and nothing is sent. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_complete(
    activation: *const sastaotp_activation,
    settlement: *mut *mut sastaotp_settlement,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(settlement, error, || {
        Ok(sastaotp_settlement::new(self::activation(activation)?.complete()?))
    })
}

/// Cancels the order for its refund. Action setStatus, 8.
///
/// A code that came first wins: then the settlement is SASTAOTP_SETTLED_CODE_ARRIVED and holds the code, and the order stays
/// open to be completed.
///
/// `*settlement` is yours: sastaotp_settlement_free. Fails as sastaotp_client_set_status does; with SASTAOTP_TOO_EARLY where
/// the order is too young. NULL arguments are refused with SASTAOTP_CONFIG, and nothing is sent. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_cancel(
    activation: *const sastaotp_activation,
    settlement: *mut *mut sastaotp_settlement,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(settlement, error, || {
        Ok(sastaotp_settlement::new(self::activation(activation)?.cancel()?))
    })
}

/// Closes the order: completes it when a code came, else cancels it for the refund. A code that came and cannot be read is an
/// error, and the order stays open. Action setStatus, 6 or 8.
///
/// `*settlement` is yours: sastaotp_settlement_free. Fails as sastaotp_activation_cancel does. NULL arguments and a value of
/// `early` that is no constant are refused with SASTAOTP_CONFIG, and nothing is sent. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_settle(
    activation: *const sastaotp_activation,
    early: sastaotp_on_too_early,
    settlement: *mut *mut sastaotp_settlement,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(settlement, error, || {
        let early = early.read()?;
        Ok(sastaotp_settlement::new(self::activation(activation)?.settle(early)?))
    })
}

/// Buys the same number again, after this order was completed. Action regetNumber. COSTS MONEY, as much as the first time.
///
/// `*again` is yours: sastaotp_activation_free. Fails as sastaotp_client_reget_number does. NULL arguments are refused with
/// SASTAOTP_CONFIG, and nothing is sent. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_reget_number(
    activation: *const sastaotp_activation,
    again: *mut *mut sastaotp_activation,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    make(again, error, || {
        let (client, id) =
            (self::activation(activation)?.client(), self::activation(activation)?.id());
        client
            .reget_intent(id)?
            .carry_out(|intent| Ok(sastaotp_activation::new(client.buy(intent)?)))
    })
}

/// Frees an activation or a handle of one. The order stays as it is.
///
/// NULL does nothing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_activation_free(activation: *mut sastaotp_activation) {
    free(activation);
}

/// Returns what became of the order.
///
/// NULL gives SASTAOTP_SETTLED_ALREADY_OVER. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_settlement_state(
    settlement: *const sastaotp_settlement,
) -> sastaotp_settled {
    look(settlement, SASTAOTP_SETTLED_ALREADY_OVER, |it| match it.settlement.state {
        SettlementState::Completed => SASTAOTP_SETTLED_COMPLETED,
        SettlementState::Cancelled => SASTAOTP_SETTLED_CANCELLED,
        SettlementState::CodeArrived => SASTAOTP_SETTLED_CODE_ARRIVED,
        SettlementState::AlreadyOver => SASTAOTP_SETTLED_ALREADY_OVER,
    })
}

/// Returns the code that came; NULL where none did.
///
/// The message is the settlement's: do not free it. NULL gives NULL. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_settlement_code(
    settlement: *const sastaotp_settlement,
) -> *const sastaotp_sms {
    look(settlement, null(), |it| it.code.as_ref().map_or(null(), std::ptr::from_ref))
}

/// Returns the settlement as JSON: state (completed, cancelled, code_arrived or already_over), code, raw.
///
/// NULL gives NULL. The text is the settlement's. Any thread. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_settlement_json(
    settlement: *const sastaotp_settlement,
) -> *const c_char {
    look(settlement, null(), |it| it.settlement.json())
}

/// Frees a settlement and its message.
///
/// NULL does nothing. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_settlement_free(settlement: *mut sastaotp_settlement) {
    free(settlement);
}
