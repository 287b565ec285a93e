//! An order as a pure state machine: its inputs are its scenario, the polls and the time.
//!
//! Invariant: an order is refunded at most once, only if it ended without a code, and only through
//! the amount that [`Order::advance`], [`Order::poll`], [`Order::cancel`] or [`Order::end`]
//! returns.

use super::catalogue::{Country, Item};
use super::scenarios::SmsArrival;

/// The state of an order, in the words of `getOrders`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Pending,
    Completed,
    Cancelled,
    Expired,
}

/// An SMS that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sms {
    pub(super) code: Box<str>,
    pub(super) text: Box<str>,
}

/// A number that was bought.
#[derive(Debug)]
#[allow(clippy::struct_field_names)] // `order_id` is the service's word
pub(super) struct Order {
    pub(super) order_id: u64,
    pub(super) activation_id: Box<str>,
    pub(super) phone: Box<str>,
    pub(super) item: &'static Item,
    pub(super) country: &'static Country,
    pub(super) price: i64,
    pub(super) bought_ms: u64,
    pub(super) expires_ms: u64,
    pub(super) state: State,
    /// Whether another program with the same key made the order.
    pub(super) is_foreign: bool,
    pub(super) received: Vec<Sms>,
    /// How many times the state or the SMS changed, so that a page receives only changed orders.
    pub(super) changes: u32,
    /// How many SMS had arrived when the next code was requested.
    received_at_request: usize,
    requested_ms: u64,
    /// The number of polls since then.
    polls: u32,
    code_sent_on_cancel: bool,
}

/// The answer of `getStatus`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum StatusReply {
    /// The id is not visible yet.
    Unknown,
    Waiting,
    /// Waiting for the next code; the reply repeats the last one.
    WaitingForNext(Sms),
    Code(Sms),
    Cancelled,
}

/// The result of a cancellation.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CancelResult {
    /// The order is cancelled, and this amount is to be refunded.
    Refund(i64),
    /// Too early: a cancellation is possible this many milliseconds after the purchase.
    TooEarly(u64),
    /// The code arrived during the cancellation.
    CodeArrived,
    /// A code had already arrived.
    HasCode,
}

/// The source of new codes, and whether they arrive automatically.
pub(super) struct SmsSource<'a> {
    pub(super) now: u64,
    pub(super) manual: bool,
    pub(super) draw: &'a mut dyn FnMut() -> u64,
}

/// The fields of a new order.
pub(super) struct Purchase {
    pub(super) order_id: u64,
    pub(super) activation_id: Box<str>,
    pub(super) phone: Box<str>,
    pub(super) item: &'static Item,
    pub(super) country: &'static Country,
    pub(super) price: i64,
}

impl Order {
    pub(super) fn new(purchase: Purchase, now: u64) -> Self {
        let Purchase { order_id, activation_id, phone, item, country, price } = purchase;
        Self {
            order_id,
            activation_id,
            phone,
            item,
            country,
            price,
            bought_ms: now,
            expires_ms: now.saturating_add(item.scenario.lifetime_ms),
            state: State::Pending,
            is_foreign: false,
            received: Vec::new(),
            changes: 0,
            received_at_request: 0,
            requested_ms: now,
            polls: 0,
            code_sent_on_cancel: false,
        }
    }

    /// Whether the code that the order waits for has arrived.
    pub(super) fn has_new_code(&self) -> bool {
        self.received.len() > self.received_at_request
    }

    /// Applies the time to the order. Returns the amount to refund.
    pub(super) fn advance(&mut self, source: &mut SmsSource<'_>) -> i64 {
        if self.state != State::Pending {
            return 0;
        }
        if let SmsArrival::After(delay) = self.item.scenario.sms_arrives {
            let due = self.requested_ms.saturating_add(delay);
            if !source.manual && !self.has_new_code() && due <= source.now && due < self.expires_ms
            {
                self.receive_random(source);
            }
        }
        if source.now >= self.expires_ms { self.end(State::Expired) } else { 0 }
    }

    /// Answers a poll. Returns the answer and the amount to refund.
    pub(super) fn poll(&mut self, source: &mut SmsSource<'_>) -> (StatusReply, i64) {
        let scenario = &self.item.scenario;
        if source.now < self.bought_ms.saturating_add(scenario.hidden_ms) {
            return (StatusReply::Unknown, 0);
        }
        let mut refund = self.advance(source);
        if self.state == State::Pending && !self.has_new_code() {
            self.polls = self.polls.saturating_add(1);
            let due =
                match (self.received_at_request, scenario.sms_arrives, scenario.next_code_polls) {
                    (0, SmsArrival::Poll(nth), _) => self.polls >= nth,
                    (1.., SmsArrival::Poll(_), Some((old, waiting))) => self.polls > old + waiting,
                    _ => false,
                };
            if due {
                self.receive_random(source);
            } else if scenario.provider_cancels_at_poll != 0
                && self.polls >= scenario.provider_cancels_at_poll
            {
                refund += self.end(State::Cancelled);
            }
        }
        (self.status_reply(), refund)
    }

    /// Returns the answer for the current state.
    fn status_reply(&self) -> StatusReply {
        let Some(last) = self.received.last() else {
            return if self.state == State::Pending {
                StatusReply::Waiting
            } else {
                StatusReply::Cancelled
            };
        };
        if self.state != State::Pending || self.has_new_code() {
            return StatusReply::Code(last.clone());
        }
        match self.item.scenario.next_code_polls {
            Some((old, _)) if self.polls <= old => StatusReply::Code(last.clone()),
            _ => StatusReply::WaitingForNext(last.clone()),
        }
    }

    /// Cancels the order for the user. It is denied until `early_ms` after the purchase, or longer
    /// if the scenario says so.
    pub(super) fn cancel(&mut self, early_ms: u64, source: &mut SmsSource<'_>) -> CancelResult {
        let scenario = &self.item.scenario;
        let early_ms = early_ms.max(scenario.no_cancel_ms);
        if source.now < self.bought_ms.saturating_add(early_ms) {
            return CancelResult::TooEarly(early_ms);
        }
        if !self.received.is_empty() {
            return CancelResult::HasCode;
        }
        if scenario.code_on_cancel && !self.code_sent_on_cancel {
            self.code_sent_on_cancel = true;
            self.receive_random(source);
            return CancelResult::CodeArrived;
        }
        CancelResult::Refund(self.end(State::Cancelled))
    }

    /// Requests the next code. Returns `false` if the order cannot receive one.
    pub(super) fn request_next_code(&mut self, now: u64) -> bool {
        let may = self.item.scenario.multi_sms && self.has_new_code();
        if may {
            self.received_at_request = self.received.len();
            self.requested_ms = now;
            self.polls = 0;
            self.changes += 1;
        }
        may
    }

    /// Ends a pending order and returns the amount to refund. An order that has a code becomes
    /// completed, whatever ended it.
    pub(super) fn end(&mut self, state: State) -> i64 {
        if self.state != State::Pending {
            return 0;
        }
        self.changes += 1;
        let paid_for = !self.received.is_empty() || state == State::Completed;
        self.state = if paid_for { State::Completed } else { state };
        if paid_for { 0 } else { self.price }
    }

    /// Adds an SMS to the order.
    pub(super) fn receive(&mut self, sms: Sms) {
        self.received.push(sms);
        self.changes += 1;
    }

    /// Replaces the last SMS. If there is none and the order is pending, the SMS arrives now.
    pub(super) fn replace_last(&mut self, sms: Sms) {
        match self.received.last_mut() {
            Some(last) => {
                *last = sms;
                self.changes += 1;
            }
            None if self.state == State::Pending => self.receive(sms),
            None => {}
        }
    }

    fn receive_random(&mut self, source: &mut SmsSource<'_>) {
        let code: Box<str> = match self.item.scenario.code {
            Some(code) if self.received.is_empty() => code.into(),
            _ => format!("{:06}", (source.draw)() % 1_000_000).into(),
        };
        let text = format!("Your code is {code}").into();
        self.receive(Sms { code, text });
    }
}

impl State {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::{country_of, item};
    use super::*;

    fn order(service: &str) -> Order {
        let purchase = Purchase {
            order_id: 1,
            activation_id: "1".into(),
            phone: "919876543210".into(),
            item: item(service).unwrap(),
            country: country_of("22").unwrap(),
            price: 5,
        };
        Order::new(purchase, 0)
    }

    /// Polls at each of the times. Returns a letter for each poll and the sum of the refunds. W:
    /// waiting, A: waiting for the next code, C: code, X: cancelled, U: unknown id.
    fn polls(order: &mut Order, times: &[u64], manual: bool) -> (String, i64) {
        let mut drawn = 0;
        let mut refunded = 0;
        let mut letters = String::new();
        for &now in times {
            let mut draw = || {
                drawn += 1;
                drawn
            };
            let (reply, refund) = order.poll(&mut SmsSource { now, manual, draw: &mut draw });
            refunded += refund;
            letters.push(match reply {
                StatusReply::Unknown => 'U',
                StatusReply::Waiting => 'W',
                StatusReply::WaitingForNext(_) => 'A',
                StatusReply::Code(_) => 'C',
                StatusReply::Cancelled => 'X',
            });
        }
        (letters, refunded)
    }

    #[test]
    fn polls_follow_the_scenario() {
        for (service, times, expected, refunded) in [
            ("zz_ok", [0, 1, 2, 3], "WCCC", 0),
            ("zz_never", [0, 5_000, 1_199_999, 1_200_000], "WWWX", 5),
            ("zz_expire", [0, 29_999, 30_000, 40_000], "WWXX", 5),
            ("zz_provider_cancel", [0, 1, 2, 3], "WXXX", 5),
            ("zz_lag", [0, 5_999, 6_000, 8_000], "UUWC", 0),
            ("tg", [0, 7_999, 8_000, 2_000_000], "WWCC", 0),
        ] {
            let actual = polls(&mut order(service), &times, false);
            assert_eq!(actual, (expected.to_string(), refunded), "{service}");
        }
    }

    #[test]
    fn the_next_code_follows_the_scenario() {
        for (service, expected) in [("zz_multi", "ACC"), ("zz_stale", "CAC")] {
            let mut order = order(service);
            assert!(!order.request_next_code(0), "no code yet");
            assert_eq!(polls(&mut order, &[0, 0], false).0, "CC");
            let first = order.received[0].clone();
            assert!(order.request_next_code(0));
            assert_eq!(polls(&mut order, &[0, 0, 0], false).0, expected, "{service}");
            assert_eq!((order.received.len(), &order.received[0]), (2, &first));
        }
    }

    #[test]
    fn manual_delivery_sends_no_code() {
        assert_eq!(polls(&mut order("tg"), &[0, 9_000], true).0, "WW");
    }

    #[test]
    fn an_order_is_refunded_once() {
        let mut draw = || 7;
        let mut source = SmsSource { now: 10, manual: false, draw: &mut draw };
        let mut number = order("zz_never");
        assert_eq!(number.cancel(0, &mut source), CancelResult::Refund(5));
        assert_eq!((number.end(State::Expired), number.state), (0, State::Cancelled));

        let mut race = order("zz_cancel_race");
        assert_eq!(race.cancel(0, &mut source), CancelResult::CodeArrived);
        assert_eq!(race.cancel(0, &mut source), CancelResult::HasCode);
        assert_eq!((race.end(State::Expired), race.state), (0, State::Completed));

        let mut early = order("zz_early_cancel");
        assert_eq!(early.cancel(0, &mut source), CancelResult::TooEarly(120_000));
        source.now = 120_000;
        assert_eq!(early.cancel(0, &mut source), CancelResult::Refund(5));
    }
}
