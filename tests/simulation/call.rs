//! The calls that users make, in one form for both interfaces: as an operation of the queue or as a
//! blocking call.

use std::time::Duration;

use sastaotp::{
    Activation, Amount, CancelToken, Client, Intent, NumberRequest, OnTooEarly, OrderQuery, Result,
    SetStatus, WaitOptions,
};
use serde::Serialize;
use serde_json::{Value, json};

/// A number to buy.
#[derive(Clone, Debug)]
pub(crate) struct WantedNumber {
    pub(crate) service: &'static str,
    pub(crate) country: Option<&'static str>,
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
    RegetNumber(String),
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
    Complete(String),
    Cancel(String),
    CancelLegacy(String),
    Settle {
        id: String,
        wait_if_early: bool,
    },
    /// Contains the JSON of an intent.
    Reconcile(String),
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
            Self::RegetNumber(id) => json!({"op": "reget_number", "id": id}),
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
            Self::Complete(id) => json!({"op": "complete", "id": id}),
            Self::Cancel(id) => json!({"op": "cancel", "id": id}),
            Self::CancelLegacy(id) => json!({"op": "set_status", "id": id, "status": -1}),
            Self::Settle { id, wait_if_early } => {
                let on_too_early = if *wait_if_early { "wait" } else { "fail" };
                json!({"op": "settle", "id": id, "on_too_early": on_too_early})
            }
            Self::Reconcile(intent) => json!({"op": "reconcile", "intent": saved(intent)}),
        }
    }

    /// Returns whether the call is a purchase.
    pub(crate) fn is_charge(&self) -> bool {
        matches!(self, Self::GetNumber(_) | Self::Buy(_) | Self::RegetNumber(_))
    }

    /// Returns the activation that the call concerns.
    pub(crate) fn id(&self) -> Option<&str> {
        match self {
            Self::Status(id)
            | Self::Wait { id, .. }
            | Self::SmsSent(id)
            | Self::NextCode(id)
            | Self::Complete(id)
            | Self::Cancel(id)
            | Self::CancelLegacy(id)
            | Self::Settle { id, .. } => Some(id),
            _ => None,
        }
    }

    /// Returns the kind of a purchase. Purchases of one kind run one at a time.
    pub(crate) fn kind(&self) -> Option<String> {
        let operation = self.operation();
        match self {
            Self::GetNumber(_) => {
                Some(format!("{} {}", operation["service"], operation["country"]))
            }
            Self::Buy(_) => Some(format!(
                "{} {}",
                operation["intent"]["service"], operation["intent"]["country"]
            )),
            Self::RegetNumber(id) => Some(id.clone()),
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
            Self::RegetNumber(id) => Some(client.reget_number(id, sastaotp::PriceLimit::Any)?),
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
            Self::Unclaimed => json!({"unclaimed": calling.unclaimed()}).to_string(),
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
            Self::Complete(_) => text(&on().complete()?),
            Self::Cancel(_) => text(&on().cancel()?),
            Self::CancelLegacy(id) => text(&calling.set_status(id, SetStatus::CancelLegacy)?),
            Self::Settle { wait_if_early, .. } => text(&on().settle(if *wait_if_early {
                OnTooEarly::Wait
            } else {
                OnTooEarly::Fail
            })?),
            Self::Reconcile(intent) => text(&calling.reconcile(&Intent::from_json(intent)?)?),
            Self::GetNumber(_) | Self::Buy(_) | Self::RegetNumber(_) => {
                unreachable!("handled above")
            }
        };
        Ok((None, json))
    }
}

impl WantedNumber {
    fn operation(&self, op: &str) -> Value {
        let mut operation = json!({"op": op, "service": self.service, "country": self.country});
        match self.max_price {
            Some(rupees) => operation["max_price"] = rupees.to_string().into(),
            None => operation["accept_any_price"] = true.into(),
        }
        operation
    }

    fn request(&self) -> NumberRequest {
        let mut request = NumberRequest::new(self.service);
        if let Some(country) = self.country {
            request = request.country(country);
        }
        match self.max_price {
            Some(rupees) => request.max_price(Amount::from_rupees(rupees)),
            None => request.accept_any_price(),
        }
    }
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("results have a JSON form")
}
