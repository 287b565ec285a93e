//! The calls that users make, in one form for both interfaces: as an operation of the queue or as a
//! blocking call.

use std::time::Duration;

use sastaotp::{
    Activation, Amount, CancelToken, Client, Intent, NumberRequest, OnTooEarly, OrderQuery,
    PriceLimit, Resolution, Result, SetStatus, Unclaimed, WaitOptions,
};
use serde::Serialize;
use serde_json::{Value, json};

/// A number to buy.
#[derive(Clone, Debug)]
pub(crate) struct WantedNumber {
    pub(crate) service: &'static str,
    pub(crate) country: Option<&'static str>,
    /// Several countries instead of one, and how long to keep trying if all of them refuse.
    pub(crate) countries: Vec<&'static str>,
    pub(crate) patience: Duration,
    /// In whole rupees; `None` accepts any price.
    pub(crate) max_price: Option<i32>,
}

/// A call of the library.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    Balance,
    Prices(&'static str),
    Orders,
    Unclaimed,
    BudgetLeft,
    Intend(WantedNumber),
    GetNumber(WantedNumber),
    /// Contains the JSON of an intent.
    Buy(String),
    RegetNumber {
        id: String,
        /// In whole rupees; `None` accepts any price.
        max_price: Option<i32>,
    },
    Status(String),
    Wait {
        id: String,
        timeout: Duration,
        interval: Option<Duration>,
        accept_same: bool,
        cancel: bool,
    },
    SmsSent(String),
    NextCode(String),
    Complete {
        id: String,
        without_code: bool,
    },
    Cancel(String),
    CancelLegacy(String),
    Settle {
        id: String,
        wait_if_early: bool,
    },
    Reconcile {
        /// The JSON of an intent.
        intent: String,
        look_for: Duration,
    },
    Resolve {
        /// The JSON of an intent.
        intent: String,
        /// The activation that was bought; `None` if the purchase was not made.
        made: Option<String>,
    },
    Keep(String),
    /// The client's handle of an activation is dropped.
    Drop(String),
    /// The program ends, and waits this long for purchases in flight.
    Finish(Duration),
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("a few minutes fit into u64")
}

impl Command {
    /// Returns the operation of the queue.
    pub(crate) fn operation(&self) -> Value {
        let saved =
            |intent: &String| serde_json::from_str::<Value>(intent).expect("an intent is JSON");
        match self {
            Self::Balance => json!({"op": "get_balance"}),
            Self::Prices(service) => {
                json!({"op": "get_prices", "service": service, "country": "22"})
            }
            Self::Orders => json!({"op": "get_orders"}),
            Self::Unclaimed => json!({"op": "unclaimed"}),
            Self::BudgetLeft => json!({"op": "budget_left"}),
            Self::Intend(wanted) => wanted.operation("intend"),
            Self::GetNumber(wanted) => wanted.operation("get_number"),
            Self::Buy(intent) => json!({"op": "buy", "intent": saved(intent)}),
            Self::RegetNumber { id, max_price } => {
                priced(json!({"op": "reget_number", "id": id}), *max_price)
            }
            Self::Status(id) => json!({"op": "get_status", "id": id}),
            Self::Wait { id, timeout, interval, accept_same, cancel } => json!({
                "op": "wait_for_code",
                "id": id,
                "timeout_ms": millis(*timeout),
                "interval_ms": interval.map(millis),
                "accept_same_code": accept_same,
                "cancel_on_timeout": cancel,
            }),
            Self::SmsSent(id) => json!({"op": "mark_sms_sent", "id": id}),
            Self::NextCode(id) => json!({"op": "request_next_code", "id": id}),
            Self::Complete { id, without_code: false } => json!({"op": "complete", "id": id}),
            Self::Complete { id, .. } => json!({"op": "complete", "id": id, "without_code": true}),
            Self::Cancel(id) => json!({"op": "cancel", "id": id}),
            Self::CancelLegacy(id) => json!({"op": "set_status", "id": id, "status": -1}),
            Self::Settle { id, wait_if_early } => {
                let on_too_early = if *wait_if_early { "wait" } else { "fail" };
                json!({"op": "settle", "id": id, "on_too_early": on_too_early})
            }
            Self::Reconcile { intent, look_for } => json!({
                "op": "reconcile",
                "intent": saved(intent),
                "timeout_ms": millis(*look_for),
            }),
            Self::Resolve { intent, made: None } => {
                json!({"op": "resolve", "intent": saved(intent), "not_made": true})
            }
            Self::Resolve { intent, made: Some(id) } => {
                json!({"op": "resolve", "intent": saved(intent), "activation_id": id})
            }
            Self::Keep(id) => json!({"op": "keep", "id": id}),
            Self::Drop(id) => json!({"op": "mark_unclaimed", "id": id}),
            Self::Finish(wait) => json!({"op": "finish", "timeout_ms": millis(*wait)}),
        }
    }

    /// Returns the service whose number the call buys or searches for.
    pub(crate) fn service(&self) -> Option<String> {
        if let Self::GetNumber(wanted) = self {
            return Some(wanted.service.to_owned());
        }
        let intent: Value = serde_json::from_str(self.intent()?).expect("an intent is JSON");
        intent["service"].as_str().map(str::to_owned)
    }

    /// Returns the JSON of the intent that the call concerns.
    pub(crate) fn intent(&self) -> Option<&str> {
        match self {
            Self::Buy(intent) | Self::Reconcile { intent, .. } | Self::Resolve { intent, .. } => {
                Some(intent)
            }
            _ => None,
        }
    }

    /// Returns whether the call lists purchases.
    pub(crate) fn lists(&self) -> bool {
        matches!(self, Self::Unclaimed | Self::Finish(_))
    }

    /// Returns whether the call is a purchase.
    pub(crate) fn is_charge(&self) -> bool {
        matches!(self, Self::GetNumber(_) | Self::Buy(_) | Self::RegetNumber { .. })
    }

    /// Returns the patience of a purchase of one of several countries; `None` for other calls.
    pub(crate) fn patience(&self) -> Option<Duration> {
        match self {
            Self::GetNumber(wanted) if wanted.is_list() => Some(wanted.patience),
            _ => None,
        }
    }

    /// Returns the activation that the call concerns.
    pub(crate) fn id(&self) -> Option<&str> {
        match self {
            Self::Status(id)
            | Self::Wait { id, .. }
            | Self::SmsSent(id)
            | Self::NextCode(id)
            | Self::Complete { id, .. }
            | Self::Cancel(id)
            | Self::CancelLegacy(id)
            | Self::Settle { id, .. }
            | Self::Keep(id)
            | Self::Drop(id) => Some(id),
            _ => None,
        }
    }

    /// Makes the call and blocks. For a purchase it also returns the new activation. `held` is the
    /// activation that the call concerns. The token does not apply to purchases, because with a
    /// token they would run on another thread.
    pub(crate) fn block(
        &self,
        client: &Client,
        token: &CancelToken,
        held: Option<&Activation>,
    ) -> Result<(Option<Activation>, String)> {
        let calling = client.with_cancel(token);
        let on = || held.expect("a call about an activation").with_cancel(token);
        let bought = match self {
            Self::GetNumber(wanted) => Some(client.get_number(wanted.request())?),
            Self::Buy(intent) => Some(client.buy(Intent::from_json(intent)?)?),
            Self::RegetNumber { id, max_price } => {
                let limit = max_price
                    .map_or(PriceLimit::Any, |most| PriceLimit::Max(Amount::from_rupees(most)));
                Some(client.reget_number(id, limit)?)
            }
            _ => None,
        };
        if let Some(activation) = bought {
            let json = text(&activation);
            return Ok((Some(activation), json));
        }
        let json = match self {
            Self::Balance => text(&calling.get_balance()?),
            Self::Prices(service) => {
                let prices = calling.get_prices(Some(service), Some("22"))?;
                json!({"prices": format!("{prices:?}").len()}).to_string()
            }
            Self::Orders => text(&calling.get_orders(&OrderQuery::default())?),
            Self::Unclaimed => listed(&calling.unclaimed()),
            Self::BudgetLeft => json!({"budget_left_micros": calling.budget_left()}).to_string(),
            Self::Intend(wanted) => calling.intend(wanted.request())?.to_json(),
            Self::Status(_) => text(&on().get_status()?),
            Self::Wait { timeout, interval, accept_same, cancel, .. } => {
                let mut options = WaitOptions::new(*timeout);
                if let Some(interval) = interval {
                    options = options.interval(*interval);
                }
                if *accept_same {
                    options = options.accept_same_code();
                }
                if *cancel {
                    options = options.cancel_on_timeout();
                }
                text(&on().wait_for_code(options)?)
            }
            Self::SmsSent(_) => on().mark_sms_sent().map(|()| "{}".to_owned())?,
            Self::NextCode(_) => on().request_next_code().map(|()| "{}".to_owned())?,
            Self::Complete { without_code: false, .. } => text(&on().complete()?),
            Self::Complete { .. } => text(&on().complete_without_code()?),
            Self::Cancel(_) => text(&on().cancel()?),
            Self::CancelLegacy(id) => text(&calling.set_status(id, SetStatus::CancelLegacy)?),
            Self::Settle { wait_if_early, .. } => text(&on().settle(if *wait_if_early {
                OnTooEarly::Wait
            } else {
                OnTooEarly::Fail
            })?),
            Self::Reconcile { intent, look_for } => {
                text(&calling.reconcile_within(&Intent::from_json(intent)?, *look_for)?)
            }
            Self::Resolve { intent, made } => {
                let resolution = made.clone().map_or(Resolution::NotMade, Resolution::Made);
                calling.resolve(&Intent::from_json(intent)?, resolution)?;
                "{}".to_owned()
            }
            Self::Keep(_) => {
                on().keep();
                "{}".to_owned()
            }
            // The handle is dropped by the process.
            Self::Drop(_) => "{}".to_owned(),
            Self::Finish(wait) => listed(&calling.finish(*wait)),
            Self::GetNumber(_) | Self::Buy(_) | Self::RegetNumber { .. } => {
                unreachable!("handled above")
            }
        };
        Ok((None, json))
    }
}

impl WantedNumber {
    /// Returns whether the purchase may make several attempts.
    pub(crate) fn is_list(&self) -> bool {
        !self.countries.is_empty()
    }

    fn operation(&self, op: &str) -> Value {
        let mut operation = json!({"op": op, "service": self.service});
        match self.country {
            _ if self.is_list() => {
                operation["countries"] = self.countries.clone().into();
                operation["patience_ms"] = millis(self.patience).into();
            }
            Some(country) => operation["country"] = country.into(),
            None => operation["any_country"] = true.into(),
        }
        priced(operation, self.max_price)
    }

    fn request(&self) -> NumberRequest {
        let mut request = NumberRequest::new(self.service);
        request = match self.country {
            _ if self.is_list() => {
                request.countries(self.countries.iter().copied()).patience(self.patience)
            }
            Some(country) => request.country(country),
            None => request.any_country(),
        };
        match self.max_price {
            Some(rupees) => request.max_price(Amount::from_rupees(rupees)),
            None => request.accept_any_price(),
        }
    }
}

/// Adds the statement of the price to an operation.
fn priced(mut operation: Value, max_price: Option<i32>) -> Value {
    match max_price {
        Some(rupees) => operation["max_price"] = rupees.to_string().into(),
        None => operation["accept_any_price"] = true.into(),
    }
    operation
}

/// Returns the result of a call that lists purchases. It may contain numbers that exceed the limits
/// of a parsed value.
fn listed(unclaimed: &[Unclaimed]) -> String {
    format!(r#"{{"unclaimed":{}}}"#, text(&unclaimed))
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("results have a JSON form")
}
