//! The service's actions, as the vendor's page documents them: parameters in, a plain and a JSON
//! answer out.
//!
//! This file owns the meaning of each action. `service.rs` checks the key, `fault_injection.rs`
//! applies faults, and `reply_encoding.rs` writes bytes.

use serde_json::{Map, Value, json};

use super::Delivery;
use super::action_names::canonical;
use super::catalogue::{self, COUNTRIES, Country, Item, Offer};
use super::catalogue_json::{bought_json, money, service_json};
use super::fault_table::{ERROR_PAGE, ServiceFault};
use super::history_shapes::{HistoryPage, HistoryShape};
use super::http_types::{JSON, Params, Reply, TEXT};
use super::namespace::{Namespace, PurchaseRefusal};
use super::orders::{CancelResult, Order, Sms, State, StatusReply};
use super::scenarios::PurchaseOutcome;
use crate::Amount;

/// The result of an action.
pub(super) struct ActionResult {
    pub(super) status: u16,
    /// The plain reply; `None` if the action has only a JSON reply.
    plain: Option<String>,
    json: Value,
    /// Why the action was refused, for the log.
    pub(super) reason: Option<String>,
    /// If set, this HTML page replaces both replies.
    page: Option<&'static str>,
    pub(super) delivery: Delivery,
}

/// An action that is being carried out.
pub(super) struct ActionCall<'a> {
    pub(super) namespace: &'a mut Namespace,
    pub(super) params: &'a Params,
    /// The time in the namespace, in milliseconds since 1970.
    pub(super) now: u64,
    pub(super) service_fault: Option<ServiceFault>,
}

impl ActionResult {
    fn new(plain: Option<String>, json: Value) -> Self {
        Self { status: 200, plain, json, reason: None, page: None, delivery: Delivery::Whole }
    }

    fn json(json: Value) -> Self {
        Self::new(None, json)
    }

    /// A refusal with one of the service's error codes. The reason appears only in the log.
    pub(super) fn refusal(code: &str, reason: impl Into<String>) -> Self {
        Self {
            reason: Some(reason.into()),
            ..Self::new(Some(code.into()), json!({"status": "ERROR", "error": code}))
        }
    }

    pub(super) fn reply(self, json: bool) -> Reply {
        let (content_type, body) = match (self.page, self.plain) {
            (Some(page), _) => (TEXT, page.into()),
            (None, Some(plain)) if !json => (TEXT, plain),
            _ => (JSON, self.json.to_string()),
        };
        let delivery = self.delivery;
        Reply { delivery, ..Reply::new(self.status, content_type, body) }
    }
}

impl ActionCall<'_> {
    pub(super) fn run(&mut self, action: &str) -> ActionResult {
        match canonical(action) {
            "getNumber" => self.get_number(),
            "regetNumber" => self.reget_number(),
            "setStatus" => self.set_status(),
            "getStatus" | "getStatusV2" => self.get_status(action == "getStatusV2"),
            "getBalance" => self.get_balance(),
            "getServicesList" => self.get_services(),
            "getPrices" => self.get_prices(),
            "getCountries" => get_countries(),
            "getOrders" => self.get_orders(),
            _ => ActionResult::refusal(
                "BAD_ACTION",
                format!("unknown action {action:?}; action names are case-sensitive"),
            ),
        }
    }

    fn get_number(&mut self) -> ActionResult {
        let Some(code) = self.params.get("service") else {
            return missing_parameter("service");
        };
        let Some(item) = catalogue::item(code) else {
            return ActionResult::refusal(
                "SERVICE_UNAVAILABLE",
                format!("unknown service {code:?}; getServicesList lists all services"),
            );
        };
        // The vendor's page says that `operator` pins a country, so it takes precedence over
        // `country`.
        let wanted = self.params.get("operator").or(self.params.get("country"));
        let (country, offer) = match select(item, wanted) {
            Ok(found) => found,
            Err(refusal) => return refusal,
        };
        let mut price = item.charge(offer);
        if let Some(limit) = self.params.get("maxPrice") {
            // PHP reads text that is not a number as zero.
            let limit = limit.parse::<Amount>().unwrap_or(Amount::ZERO).micros();
            if price > limit && self.service_fault != Some(ServiceFault::Overcharge) {
                let (price, limit) = (Amount::from_micros(price), Amount::from_micros(limit));
                return ActionResult::refusal(
                    "MAX_PRICE_EXCEEDED",
                    format!("{code} costs {price}, but maxPrice is {limit}"),
                );
            }
        }
        if self.service_fault == Some(ServiceFault::Overcharge) {
            price *= 2;
        }
        match item.scenario.purchase {
            PurchaseOutcome::NoNumbers => return no_numbers(item, country),
            PurchaseOutcome::Html => {
                let reason = "scenario of this service: nothing is bought, and the reply is a page"
                    .to_string();
                return ActionResult {
                    page: Some(ERROR_PAGE),
                    reason: Some(reason),
                    ..ActionResult::json(Value::Null)
                };
            }
            PurchaseOutcome::Answered | PurchaseOutcome::LostReply | PurchaseOutcome::Hidden(_) => {
            }
        }
        if offer.count == 0 {
            return no_numbers(item, country);
        }
        if let (Some(ServiceFault::SameOrder), Some(before)) =
            (self.service_fault, self.namespace.orders().last())
        {
            return purchase_reply(before);
        }
        let order =
            match self.namespace.buy(item, country, price, None, self.service_fault, self.now) {
                Ok(order) => order,
                Err(why) => return purchase_refused(&why, price),
            };
        match item.scenario.purchase {
            PurchaseOutcome::Hidden(error) => ActionResult::refusal(
                error,
                format!("scenario of this service: order {} was bought", order.order_id),
            ),
            PurchaseOutcome::LostReply => {
                ActionResult { delivery: Delivery::Reset, ..purchase_reply(order) }
            }
            _ => purchase_reply(order),
        }
    }

    fn reget_number(&mut self) -> ActionResult {
        let Some(id) = self.params.get("id") else {
            return missing_parameter("id");
        };
        self.namespace.advance_orders(self.now, true);
        let Some(order) = self.namespace.order(id) else {
            return no_activation(id);
        };
        let (item, country, mut price, phone) =
            (order.item, order.country, order.price, order.phone.clone());
        if !item.scenario.multi_sms {
            return ActionResult::refusal(
                "SERVICE_UNAVAILABLE",
                format!("{} sends only one SMS to a number", item.code),
            );
        }
        if order.state != State::Completed || order.received.is_empty() {
            let state = order.state.word();
            return ActionResult::refusal(
                "SERVICE_UNAVAILABLE",
                format!("only a completed order can be bought again; this one is {state}"),
            );
        }
        if self.service_fault == Some(ServiceFault::Overcharge) {
            price *= 2;
        }
        match self.namespace.buy(item, country, price, Some(&phone), self.service_fault, self.now) {
            Err(why) => purchase_refused(&why, price),
            Ok(order) => ActionResult::new(
                Some(format!("REGET_NUMBER_OK:{}:{}", order.activation_id, order.phone)),
                json!({
                    "status": "OK",
                    "new_order_id": order.order_id,
                    "new_activation_id": order.activation_id,
                    "number": order.phone,
                    "price": money(order.price),
                    "currency": "INR",
                    "expires_in": order.item.scenario.lifetime_ms / 1_000,
                }),
            ),
        }
    }

    fn set_status(&mut self) -> ActionResult {
        let (Some(id), Some(status)) = (self.params.get("id"), self.params.get("status")) else {
            return missing_parameter(if self.params.get("id").is_none() {
                "id"
            } else {
                "status"
            });
        };
        let (now, early_cancel) = (self.now, self.namespace.early_cancel);
        let done = self.namespace.with_order(id, now, |order, source| {
            if !matches!(status, "-1" | "8" | "1" | "3" | "6") {
                let reason = format!("invalid status {status}: use -1, 8, 1, 3 or 6");
                return (ActionResult::refusal("BAD_STATUS", reason), 0);
            }
            if order.state != State::Pending {
                let reason = format!("the order is already {}", order.state.word());
                return (ActionResult::refusal("ALREADY_FINISHED", reason), 0);
            }
            match status {
                "1" => (accepted("ACCESS_READY"), 0),
                "3" if order.request_next_code(now) => (accepted("ACCESS_RETRY_GET"), 0),
                "3" => (ActionResult::refusal("RETRY_FAILED", retry_reason(order)), 0),
                "6" => (accepted("ACCESS_ACTIVATION"), order.end(State::Completed)),
                _ => match order.cancel(early_cancel, source) {
                    CancelResult::Refund(refund) => (accepted("ACCESS_CANCEL"), refund),
                    refused => (cancel_refused(&refused), 0),
                },
            }
        });
        done.unwrap_or_else(|| no_activation(id))
    }

    fn get_status(&mut self, extended: bool) -> ActionResult {
        let Some(id) = self.params.get("id") else {
            return missing_parameter("id");
        };
        let seen = self.namespace.with_order(id, self.now, Order::poll);
        let (plain, sms) = match seen {
            None => return no_activation(id),
            Some(StatusReply::Unknown) => {
                return ActionResult::refusal(
                    "NO_ACTIVATION",
                    "scenario of this service: the id is not visible yet",
                );
            }
            Some(StatusReply::Waiting) => ("STATUS_WAIT_CODE".into(), None),
            Some(StatusReply::WaitingForNext(last)) => {
                (format!("STATUS_WAIT_RETRY:{}", last.code), None)
            }
            Some(StatusReply::Code(sms)) => (format!("STATUS_OK:{}", sms.code), Some(sms)),
            Some(StatusReply::Cancelled) => ("STATUS_CANCEL".into(), None),
        };
        let cancelled = plain == "STATUS_CANCEL";
        let sms = sms.map(|Sms { code, text }| {
            let code = Some(code).filter(|code| !code.is_empty());
            json!({"code": code, "text": text})
        });
        if !extended {
            let json = json!({"status": "OK", "raw": plain, "sms": sms});
            return ActionResult::new(Some(plain), json);
        }
        let mut json = json!({"verificationType": 2, "sms": sms});
        if cancelled {
            json["status"] = plain.into();
        }
        ActionResult::json(json)
    }

    fn get_balance(&mut self) -> ActionResult {
        self.namespace.advance_orders(self.now, false);
        let balance = self.namespace.wallet.balance;
        ActionResult::new(
            Some(format!("ACCESS_BALANCE:{}", Amount::from_micros(balance))),
            json!({"status": "OK", "balance": money(balance), "currency": "INR"}),
        )
    }

    fn get_services(&self) -> ActionResult {
        let wanted = self.params.get("service");
        let items = catalogue::items()
            .iter()
            .filter(|item| wanted.is_none_or(|wanted| wanted == item.code));
        // Without a filter, the live service leaves every list of countries empty.
        let services: Map<_, _> = items
            .map(|item| (item.code.to_string(), service_json(item, wanted.is_some())))
            .collect();
        ActionResult::json(json!({"status": "OK", "total": services.len(), "services": services}))
    }

    fn get_prices(&self) -> ActionResult {
        let (service, country) = (self.params.get("service"), self.params.get("country"));
        let items = || {
            catalogue::items()
                .iter()
                .filter(|item| service.is_none_or(|wanted| wanted == item.code))
        };
        let mut data = Map::new();
        let mut put = |code: &str, item: &Item, offer: Offer| {
            if country.is_none_or(|wanted| wanted == code) {
                let of_country = data.entry(code).or_insert_with(|| json!({}));
                of_country[item.code] = json!({"cost": money(offer.price), "count": offer.count});
            }
        };
        for item in items() {
            for (country, offer) in item.offers() {
                put(country.code, item, offer);
            }
            if let Some((_, offer)) = item.cheapest() {
                put("*", item, offer);
            }
        }
        ActionResult::json(json!({"status": "OK", "data": data}))
    }

    fn get_orders(&mut self) -> ActionResult {
        let number = |name| {
            self.params
                .get(name)
                .and_then(|value| value.parse::<usize>().ok())
                .filter(|value| *value > 0)
        };
        let (limit, page) = (number("limit").unwrap_or(20).min(100), number("page").unwrap_or(1));
        let status = self.params.get("status");
        if let Some(status) = status
            .filter(|status| !matches!(*status, "pending" | "completed" | "cancelled" | "expired"))
        {
            let reason =
                format!("invalid status {status}: use pending, completed, cancelled or expired");
            return ActionResult::refusal("BAD_STATUS", reason);
        }
        self.namespace.advance_orders(self.now, true);
        let seen_until = self.now.saturating_sub(self.namespace.orders_lag);
        let shape = match self.service_fault {
            Some(ServiceFault::History(shape)) => Some(shape),
            _ => self.namespace.history_shape,
        };
        let shown = |order: &&Order| {
            (order.is_foreign || order.bought_ms <= seen_until)
                && status.is_none_or(|status| status == order.state.word())
        };
        let mut orders: Vec<&Order> = self.namespace.orders().iter().filter(shown).collect();
        if shape != Some(HistoryShape::OldestFirst) {
            orders.reverse();
        }
        let total = orders.len();
        let shifted = usize::from(self.service_fault == Some(ServiceFault::PageShift));
        let first = (page - 1).saturating_mul(limit).saturating_sub(shifted);
        let orders = orders.into_iter().skip(first).take(limit).collect();
        ActionResult::json(HistoryPage { orders, total, page, limit }.to_json(shape))
    }
}

/// The country that a number is bought in, and its offer.
fn select(item: &Item, wanted: Option<&str>) -> Result<(&'static Country, Offer), ActionResult> {
    let code = item.code;
    let Some(wanted) = wanted.filter(|wanted| !matches!(*wanted, "*" | "any")) else {
        let cheapest = item.cheapest();
        return cheapest.ok_or_else(|| {
            ActionResult::refusal("NO_NUMBERS", format!("no country has numbers for {code}"))
        });
    };
    let unavailable = |reason: String| ActionResult::refusal("SERVICE_UNAVAILABLE", reason);
    let country = catalogue::country_of(wanted).ok_or_else(|| {
        unavailable(format!(
            "unknown country {wanted:?}; codes are not calling codes: getCountries lists them"
        ))
    })?;
    let offer = item.offer(country);
    offer
        .map(|offer| (country, offer))
        .ok_or_else(|| unavailable(format!("{code} is not sold in {}", country.name)))
}

fn get_countries() -> ActionResult {
    let countries = COUNTRIES.iter().map(|country| {
        let Country { code, name, flag, .. } = country;
        ((*code).to_string(), json!({"code": code, "name": name, "flag": flag}))
    });
    let countries: Map<_, _> = countries.collect();
    ActionResult::json(json!({"status": "OK", "total": countries.len(), "countries": countries}))
}

fn missing_parameter(name: &str) -> ActionResult {
    ActionResult::refusal("MISSING_PARAMS", format!("the parameter {name:?} is missing"))
}

fn no_activation(id: &str) -> ActionResult {
    let shown: String = id.chars().take(64).collect();
    ActionResult::refusal("NO_ACTIVATION", format!("no order of this key has the id {shown:?}"))
}

fn no_numbers(item: &Item, country: &Country) -> ActionResult {
    ActionResult::refusal(
        "NO_NUMBERS",
        format!("{} has no numbers in {} now", item.code, country.name),
    )
}

fn purchase_refused(why: &PurchaseRefusal, price: i64) -> ActionResult {
    match why {
        PurchaseRefusal::InsufficientBalance => ActionResult::refusal(
            "NO_BALANCE",
            format!("the number costs {}, but the wallet has less", Amount::from_micros(price)),
        ),
        PurchaseRefusal::TooManyOrders => ActionResult::refusal(
            "NO_NUMBERS",
            "this key has reached the sandbox's limit of orders: POST /_sandbox/reset",
        ),
    }
}

fn accepted(token: &str) -> ActionResult {
    ActionResult::new(Some(token.into()), json!({"status": "OK", "raw": token}))
}

fn retry_reason(order: &Order) -> String {
    if order.item.scenario.multi_sms {
        "the order is still waiting for a code".into()
    } else {
        format!("{} sends only one SMS to a number", order.item.code)
    }
}

fn cancel_refused(refused: &CancelResult) -> ActionResult {
    match refused {
        CancelResult::TooEarly(ms) => {
            let seconds = ms / 1_000;
            let mut result = ActionResult::refusal(
                "EARLY_CANCEL_DENIED",
                format!("an order can be cancelled {seconds} s after the purchase"),
            );
            result.json["info"] = json!({"minActivationTime": seconds});
            result
        }
        CancelResult::CodeArrived => {
            let details = "An OTP was received while the activation was being cancelled";
            ActionResult {
                status: 409,
                reason: Some(
                    "scenario of this service: the code arrived during the cancellation".into(),
                ),
                ..ActionResult::json(json!({"title": "OTP_RECEIVED", "details": details}))
            }
        }
        CancelResult::HasCode | CancelResult::Refund(_) => ActionResult::refusal(
            "CANCEL_FAILED",
            "the order has received a code: complete it with status=6",
        ),
    }
}

fn purchase_reply(order: &Order) -> ActionResult {
    let plain = format!("ACCESS_NUMBER:{}:{}", order.activation_id, order.phone);
    ActionResult::new(Some(plain), bought_json(order))
}
