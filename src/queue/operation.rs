//! The operations that a queue takes: one table for all languages, a row for each method of the client.

use std::time::Duration;

use crate::client::{Answer, ReconcileTask, SettleTask, Task, WaitTask};
use crate::protocol::catalogue::json_of;
use crate::protocol::json_output::{document, fields, with_raw, with_reply};
use crate::protocol::{OrderStatus, SetStatus};
use crate::{
    Activation, Amount, Client, Error, Intent, NumberRequest, OnTooEarly, OrderQuery, Result,
    WaitOptions,
};

/// Something that a queue can do. In JSON, an object with the method's name as `op` beside its arguments:
/// `{"op":"get_number","service":"tg","country":"22","max_price":"20"}`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Operation {
    /// [`Client::get_balance`].
    GetBalance {},
    /// [`Client::get_services`].
    GetServices {
        /// The code of a service; all without.
        service: Option<String>,
    },
    /// [`Client::get_prices`].
    GetPrices {
        /// The code of a service; all without.
        service: Option<String>,
        /// The code of a country; all without.
        country: Option<String>,
    },
    /// [`Client::get_countries`].
    GetCountries {},
    /// [`Client::find_country`].
    FindCountry {
        /// The name, in English.
        name: String,
    },
    /// [`Client::get_orders`].
    GetOrders {
        /// Orders on a page, 1 to 100; 100 without.
        limit: Option<u32>,
        /// The page, from 1; the first without.
        page: Option<u32>,
        /// Only orders in this state.
        status: Option<String>,
    },
    /// [`Client::get_number`]. **Costs money.**
    GetNumber(Number),
    /// [`Client::intend`].
    Intend(Number),
    /// [`Client::buy`]. **Costs money.**
    Buy {
        /// The purchase that was prepared.
        intent: Intent,
    },
    /// [`Client::reget_number`]. **Costs money.**
    RegetNumber {
        /// The completed activation.
        id: String,
    },
    /// [`Client::get_status`], with the code kept as [`Activation::get_status`] does.
    GetStatus {
        /// The activation.
        id: String,
    },
    /// [`Client::set_status`], with what became of it kept as [`Activation::request_next_code`] and its sisters do.
    SetStatus {
        /// The activation.
        id: String,
        /// The value of setStatus: -1, 8, 1, 3 or 6.
        status: i32,
    },
    /// [`Activation::wait_for_code`].
    WaitForCode {
        /// The activation.
        id: String,
        /// How long to wait, in milliseconds.
        timeout_ms: u64,
        /// The pause between polls in milliseconds, 5,000 or more.
        interval_ms: Option<u64>,
        /// [`WaitOptions::accept_same_code`].
        accept_same_code: bool,
        /// [`WaitOptions::cancel_on_timeout`].
        cancel_on_timeout: bool,
    },
    /// [`Activation::mark_sms_sent`].
    MarkSmsSent {
        /// The activation.
        id: String,
    },
    /// [`Activation::request_next_code`].
    RequestNextCode {
        /// The activation.
        id: String,
    },
    /// [`Activation::complete`].
    Complete {
        /// The activation.
        id: String,
    },
    /// [`Activation::cancel`].
    Cancel {
        /// The activation.
        id: String,
    },
    /// [`Activation::settle`].
    Settle {
        /// The activation.
        id: String,
        /// Whether the early-cancel period is waited out: [`OnTooEarly::Wait`].
        on_too_early: OnTooEarly,
    },
    /// Lists a number that nobody has any longer in [`Client::unclaimed`]: that of a lease that could not be settled, or of a
    /// caller that gave up as it was bought. Asks nobody. The next operation on it takes it up again.
    MarkUnclaimed {
        /// The activation.
        id: String,
    },
    /// [`Client::reconcile`].
    Reconcile {
        /// The purchase that was lost.
        intent: Intent,
    },
    /// [`Client::unclaimed`].
    Unclaimed {},
    /// [`Client::budget_left`].
    BudgetLeft {},
}

/// A number to buy: a [`NumberRequest`]. One of `max_price`, `max_price_micros` and `accept_any_price` must be there.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Number {
    pub(super) service: String,
    pub(super) country: Option<String>,
    /// In JSON a text, such as `"18.50"`: numbers of JSON are floats in many languages.
    pub(super) max_price: Option<Amount>,
    pub(super) max_price_micros: Option<i64>,
    pub(super) accept_any_price: bool,
    pub(super) operator: Option<String>,
    pub(super) multi_sms: bool,
}

/// What a worker calls with its handle of the client.
type Body<T> = Box<dyn FnOnce(&Client) -> Result<T> + Send>;

/// What an operation becomes.
pub(super) enum Job {
    /// One call after the other, until it is done.
    Call(Body<String>),
    /// A look at what the client knows: asks nobody.
    Look(Body<String>),
    /// A purchase of a kind, once its intent is made.
    Buy(Box<str>, Body<Intent>),
    Wait(Box<WaitTask>),
    Settle(Box<SettleTask>),
    Reconcile(Box<ReconcileTask>),
}

impl Job {
    /// When its time is over, where it is limited while it rests.
    pub(super) fn end(&self) -> Option<Duration> {
        match self {
            Self::Wait(waiting) => waiting.end(),
            Self::Settle(settling) => settling.end(),
            Self::Call(_) | Self::Look(_) | Self::Buy(..) | Self::Reconcile(_) => None,
        }
    }
}

impl Operation {
    /// The names of all operations, as they stand in `op`.
    pub const NAMES: [&'static str; 22] = [
        "get_balance",
        "get_services",
        "get_prices",
        "get_countries",
        "find_country",
        "get_orders",
        "get_number",
        "intend",
        "buy",
        "reget_number",
        "get_status",
        "set_status",
        "wait_for_code",
        "mark_sms_sent",
        "request_next_code",
        "complete",
        "cancel",
        "settle",
        "mark_unclaimed",
        "reconcile",
        "unclaimed",
        "budget_left",
    ];

    /// The name, as it stands in `op`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::GetBalance { .. } => "get_balance",
            Self::GetServices { .. } => "get_services",
            Self::GetPrices { .. } => "get_prices",
            Self::GetCountries { .. } => "get_countries",
            Self::FindCountry { .. } => "find_country",
            Self::GetOrders { .. } => "get_orders",
            Self::GetNumber(_) => "get_number",
            Self::Intend(_) => "intend",
            Self::Buy { .. } => "buy",
            Self::RegetNumber { .. } => "reget_number",
            Self::GetStatus { .. } => "get_status",
            Self::SetStatus { .. } => "set_status",
            Self::WaitForCode { .. } => "wait_for_code",
            Self::MarkSmsSent { .. } => "mark_sms_sent",
            Self::RequestNextCode { .. } => "request_next_code",
            Self::Complete { .. } => "complete",
            Self::Cancel { .. } => "cancel",
            Self::Settle { .. } => "settle",
            Self::MarkUnclaimed { .. } => "mark_unclaimed",
            Self::Reconcile { .. } => "reconcile",
            Self::Unclaimed { .. } => "unclaimed",
            Self::BudgetLeft { .. } => "budget_left",
        }
    }

    /// Whether it may change an order that exists.
    pub(super) fn is_change(&self) -> bool {
        match self {
            Self::SetStatus { .. }
            | Self::MarkSmsSent { .. }
            | Self::RequestNextCode { .. }
            | Self::Complete { .. }
            | Self::Cancel { .. }
            | Self::Settle { .. } => true,
            Self::WaitForCode { cancel_on_timeout, .. } => *cancel_on_timeout,
            _ => false,
        }
    }

    /// Reads an operation from JSON. The error says which field is wrong.
    pub fn from_json(text: &str) -> Result<Self> {
        super::operation_json::operation(text)
    }

    /// Makes the work of it. `claim` gives the activation of an id: one for all operations, so that its codes and the
    /// distance of its polls are kept from one to the next.
    pub(super) fn job(
        self,
        client: &Client,
        claim: impl FnOnce(&str) -> Result<Activation>,
    ) -> Result<Job> {
        Ok(match self {
            Self::GetBalance {} => call(|client| client.balance().map(|answer| answered(&answer))),
            Self::GetServices { service } => call(move |client| {
                let answer = client.services(service.as_deref())?;
                Ok(catalogue("services", fields(&answer.value), &answer.reply))
            }),
            Self::GetPrices { service, country } => call(move |client| {
                let answer = client.prices(service.as_deref(), country.as_deref())?;
                Ok(catalogue("prices", answer.value.json(), &answer.reply))
            }),
            Self::GetCountries {} => call(|client| Ok(listed("countries", &client.countries()?))),
            Self::FindCountry { name } => {
                call(move |client| Ok(listed("countries", &client.countries_named(&name)?)))
            }
            Self::GetOrders { limit, page, status } => {
                let all = OrderQuery::default();
                let query = OrderQuery {
                    limit: limit.unwrap_or(all.limit),
                    page: page.unwrap_or(all.page),
                    status: status.as_deref().map(OrderStatus::read),
                };
                call(move |client| client.get_orders(&query).map(|page| fields(&page)))
            }
            Self::GetNumber(number) => {
                let request = number.request();
                Job::Buy(request.operation().into(), Box::new(move |client| client.intent(request)))
            }
            Self::Intend(number) => {
                call(move |client| client.intend(number.request()).map(|intent| intent.to_json()))
            }
            Self::Buy { intent } => {
                Job::Buy(intent.operation().into(), Box::new(move |_| Ok(intent)))
            }
            Self::RegetNumber { id } => Job::Buy(
                format!("again {id}").into(),
                Box::new(move |client| client.reget_intent(&id)),
            ),
            Self::GetStatus { id } => {
                on(claim(&id)?, |it| it.status().map(|answer| answered(&answer)))
            }
            Self::SetStatus { id, status } => {
                let status = SetStatus::from_value(status).ok_or_else(|| {
                    let reason = format!("the status {status} is none: send -1 or 8, 1, 3 or 6");
                    Error::config("reading an operation", reason)
                })?;
                on(claim(&id)?, move |it| it.set_status(status).map(|answer| answered(&answer)))
            }
            Self::WaitForCode {
                id,
                timeout_ms,
                interval_ms,
                accept_same_code,
                cancel_on_timeout,
            } => {
                let mut options = WaitOptions::new(Duration::from_millis(timeout_ms));
                if let Some(interval) = interval_ms {
                    options = options.interval(Duration::from_millis(interval));
                }
                if accept_same_code {
                    options = options.accept_same_code();
                }
                Job::Wait(Box::new(WaitTask::begin(
                    &claim(&id)?,
                    options.plan(),
                    cancel_on_timeout,
                )))
            }
            Self::MarkSmsSent { id } => {
                on(claim(&id)?, |it| it.mark_sms_sent().map(|()| nothing()))
            }
            Self::RequestNextCode { id } => {
                on(claim(&id)?, |it| it.request_next_code().map(|()| nothing()))
            }
            Self::Complete { id } => {
                on(claim(&id)?, |it| it.complete().map(|settlement| fields(&settlement)))
            }
            Self::Cancel { id } => {
                on(claim(&id)?, |it| it.cancel().map(|settlement| fields(&settlement)))
            }
            Self::Settle { id, on_too_early } => {
                Job::Settle(Box::new(SettleTask::begin(&claim(&id)?, on_too_early)))
            }
            Self::MarkUnclaimed { id } => {
                let it = claim(&id)?;
                Job::Look(Box::new(move |_| {
                    it.mark_unclaimed();
                    Ok(nothing())
                }))
            }
            Self::Reconcile { intent } => {
                Job::Reconcile(Box::new(ReconcileTask::begin(client, intent)))
            }
            Self::Unclaimed {} => {
                Job::Look(Box::new(|client| Ok(object("unclaimed", fields(&client.unclaimed())))))
            }
            Self::BudgetLeft {} => Job::Look(Box::new(|client| {
                Ok(object("budget_left_micros", fields(&client.budget_left())))
            })),
        })
    }
}

impl Number {
    fn request(self) -> NumberRequest {
        let Self {
            service,
            country,
            max_price,
            max_price_micros,
            accept_any_price,
            operator,
            multi_sms,
        } = self;
        let mut request = NumberRequest::new(service);
        if let Some(country) = country {
            request = request.country(country);
        }
        if let Some(price) = max_price.or(max_price_micros.map(Amount::from_micros)) {
            request = request.max_price(price);
        } else if accept_any_price {
            request = request.accept_any_price();
        }
        if let Some(operator) = operator {
            request = request.operator(operator);
        }
        if multi_sms { request.multi_sms() } else { request }
    }
}

fn call(body: impl FnOnce(&Client) -> Result<String> + Send + 'static) -> Job {
    Job::Call(Box::new(body))
}

/// A call on an activation, with the handle of whoever makes it.
fn on(
    activation: Activation,
    body: impl FnOnce(Activation) -> Result<String> + Send + 'static,
) -> Job {
    call(move |client| body(activation.with_client(client)))
}

fn answered<T: serde::Serialize>(answer: &Answer<T>) -> String {
    document(&answer.value, &answer.reply)
}

/// The document of a list: an object with the list under its name, and the reply.
fn listed<T: serde::Serialize>(name: &str, answer: &Answer<T>) -> String {
    with_reply(object(name, fields(&answer.value)), &answer.reply)
}

/// The same of a catalogue, whose reply may have millions of bytes: entries prove that it is JSON, and it is not read again.
fn catalogue(name: &str, list: String, reply: &[u8]) -> String {
    let is_empty = list == "[]";
    let object = object(name, list);
    if is_empty { with_reply(object, reply) } else { with_raw(object, json_of(reply)) }
}

/// In place: the list of all prices has millions of bytes.
#[inline(never)]
fn object(name: &str, mut json: String) -> String {
    json.insert_str(0, &format!("{{\"{name}\":"));
    json.push('}');
    json
}

fn nothing() -> String {
    "{}".to_owned()
}
