//! The operations that a queue runs: one table for all languages, a row for each method of the
//! client.

use std::time::Duration;

use super::finish_task::FinishTask;
use super::output::Output;
use crate::client::{
    Answer, Fallback, LOOK_FOR, ReconcileTask, SettleLeasesTask, SettleTask, Task, WaitTask,
};
use crate::protocol::json_output::{document, fields, with_raw, with_reply};
use crate::protocol::large_reply::json_text;
use crate::protocol::{OrderStatus, SetStatus};
use crate::{
    Activation, Client, Error, Intent, NumberRequest, OfferQuery, OnTooEarly, OrderQuery,
    PriceLimit, Resolution, Result, WaitOptions,
};

/// An operation that a queue can run. In JSON it is an object with the method's name as `op` beside
/// the arguments: `{"op":"get_number","service":"tg","country":"22","max_price":"20"}`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Operation {
    /// [`Client::get_balance`].
    GetBalance {},
    /// [`Client::get_services`].
    GetServices {
        /// The code of a service; all services if `None`.
        service: Option<String>,
    },
    /// [`Client::get_prices`].
    GetPrices {
        /// The code of a service; all services if `None`.
        service: Option<String>,
        /// The code of a country; all countries if `None`.
        country: Option<String>,
    },
    /// [`Client::get_offers`].
    GetOffers(OfferQuery),
    /// [`Client::get_countries`].
    GetCountries {},
    /// [`Client::find_country`].
    FindCountry {
        /// The name in English.
        name: String,
    },
    /// [`Client::get_orders`].
    GetOrders {
        /// Orders per page, 1 to 100; 100 if `None`.
        limit: Option<u32>,
        /// The page, counted from 1; the first page if `None`.
        page: Option<u32>,
        /// Return only orders in this state.
        status: Option<String>,
    },
    /// [`Client::get_number`]. **Costs money.**
    GetNumber(NumberRequest),
    /// Buys a number like [`Client::lease`]. **Costs money.** The caller settles it when its lease
    /// ends. If the process ends first, [`Client::settle_leftover_leases`] of the next one does.
    Lease(NumberRequest),
    /// [`Client::intend`].
    Intend(NumberRequest),
    /// [`Client::buy`]. **Costs money.**
    Buy {
        /// The prepared purchase.
        intent: Intent,
    },
    /// [`Client::reget_number`]. **Costs money.**
    RegetNumber {
        /// The completed activation.
        id: String,
        /// The price that it may have.
        limit: PriceLimit,
    },
    /// [`Client::activation`].
    Claim {
        /// The activation.
        id: String,
    },
    /// [`Activation::get_status`].
    GetStatus {
        /// The activation.
        id: String,
    },
    /// [`Client::set_status`]. The activation tracks the change as if one of its methods had
    /// made it.
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
        /// The pause between polls in milliseconds; 5,000 if `None` or smaller.
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
    /// [`Activation::complete`], or [`Activation::complete_without_code`].
    Complete {
        /// The activation.
        id: String,
        /// Complete the order even if no code arrived.
        without_code: bool,
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
        /// What to do if the service does not allow cancelling yet.
        on_too_early: OnTooEarly,
    },
    /// [`Activation::keep`].
    Keep {
        /// The activation.
        id: String,
    },
    /// Drops the queue's handle of an activation, because the caller's own handle is gone:
    /// [`Client::unclaimed`] lists the number if its order is open and no operation on it runs.
    /// Makes no request. The next operation on the activation claims it again.
    MarkUnclaimed {
        /// The activation.
        id: String,
    },
    /// [`Client::reconcile_within`].
    Reconcile {
        /// The purchase whose outcome is unknown.
        intent: Intent,
        /// How long to look, in milliseconds; 60,000 if `None`.
        timeout_ms: Option<u64>,
    },
    /// [`Client::resolve`].
    Resolve {
        /// The purchase whose outcome is unknown.
        intent: Intent,
        /// Whether it was made.
        resolution: Resolution,
    },
    /// [`Client::settle_leftover_leases`].
    SettleLeftoverLeases {
        /// What to do if the service does not allow cancelling yet.
        on_too_early: OnTooEarly,
    },
    /// [`Client::unclaimed`].
    Unclaimed {},
    /// [`Client::finish`]. It does not wait for purchases of the queue that have not begun: cancel
    /// them first, or call [`Queue::close`](crate::Queue::close).
    Finish {
        /// How long to wait for purchases in flight, in milliseconds; 10,000 if `None`.
        timeout_ms: Option<u64>,
    },
    /// [`Client::budget_left`].
    BudgetLeft {},
}

/// How long [`Operation::Finish`] waits by default.
const END_WAIT: Duration = Duration::from_secs(10);

/// A function that a worker calls with its own handle of the client.
type Body<T> = Box<dyn FnOnce(&Client) -> Result<T> + Send>;

/// The work of a pool of workers. Each kind has its own pool, so that slow purchases delay no poll
/// and slow polls delay no purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkKind {
    /// Calls, tasks and local operations.
    Requests,
    Purchases,
}

impl WorkKind {
    pub(super) const ALL: [Self; 2] = [Self::Requests, Self::Purchases];
}

/// The executable form of an operation.
pub(super) enum Job {
    /// Requests to the service, one after the other, without a sleep in between.
    Call(Body<Output>),
    /// An operation on the client's own memory: makes no request.
    Local(Body<Output>),
    /// A purchase: the function that returns its intent, and the deadline of a caller who set a
    /// timeout.
    Buy(Body<Intent>, Option<Duration>),
    /// A purchase of one of several countries, before its first attempt or between two.
    Choose(Box<Fallback>),
    /// An attempt of such a purchase, with the deadline of a caller who set a timeout.
    Attempt(Box<Fallback>, Option<Duration>),
    /// An operation on an activation that no handle of this process holds: claiming it uses the
    /// journal, which can take a while.
    Claim(Box<Operation>),
    Wait(Box<WaitTask>),
    Settle(Box<SettleTask>),
    Reconcile(Box<ReconcileTask>),
    SettleLeases(Box<SettleLeasesTask>),
    Finish(Box<FinishTask>),
}

impl Job {
    /// When the task must continue even if it sleeps; `None` if it is not a task, or has no limit.
    pub(super) fn end(&self) -> Option<Duration> {
        match self {
            Self::Wait(task) => task.end(),
            Self::Settle(task) => task.end(),
            Self::SettleLeases(task) => task.end(),
            Self::Finish(task) => task.end(),
            Self::Call(_)
            | Self::Local(_)
            | Self::Buy(..)
            | Self::Choose(_)
            | Self::Attempt(..)
            | Self::Claim(_)
            | Self::Reconcile(_) => None,
        }
    }

    /// Returns the job of the next attempt. If the caller set a timeout, it starts now.
    pub(super) fn attempt(client: &Client, fallback: Box<Fallback>) -> Self {
        let deadline = client.has_own_timeout.then(|| client.deadline());
        Self::Attempt(fallback, deadline)
    }

    /// Which workers run the job.
    pub(super) fn work_kind(&self) -> WorkKind {
        match self {
            Self::Buy(..) | Self::Attempt(..) => WorkKind::Purchases,
            _ => WorkKind::Requests,
        }
    }
}

impl Operation {
    // Hidden: for this project's C functions and tests, not part of the API.
    /// The names of all operations, as `op` spells them.
    #[doc(hidden)]
    pub const NAMES: [&'static str; 29] = [
        "get_balance",
        "get_services",
        "get_prices",
        "get_offers",
        "get_countries",
        "find_country",
        "get_orders",
        "get_number",
        "lease",
        "intend",
        "buy",
        "reget_number",
        "claim",
        "get_status",
        "set_status",
        "wait_for_code",
        "mark_sms_sent",
        "request_next_code",
        "complete",
        "cancel",
        "settle",
        "keep",
        "mark_unclaimed",
        "reconcile",
        "resolve",
        "settle_leftover_leases",
        "unclaimed",
        "finish",
        "budget_left",
    ];

    // Hidden: for this project's C functions and tests, not part of the API.
    /// The name of the operation, as `op` spells it.
    #[doc(hidden)]
    pub fn name(&self) -> &'static str {
        match self {
            Self::GetBalance { .. } => "get_balance",
            Self::GetServices { .. } => "get_services",
            Self::GetPrices { .. } => "get_prices",
            Self::GetOffers(_) => "get_offers",
            Self::GetCountries { .. } => "get_countries",
            Self::FindCountry { .. } => "find_country",
            Self::GetOrders { .. } => "get_orders",
            Self::GetNumber(_) => "get_number",
            Self::Lease(_) => "lease",
            Self::Intend(_) => "intend",
            Self::Buy { .. } => "buy",
            Self::RegetNumber { .. } => "reget_number",
            Self::Claim { .. } => "claim",
            Self::GetStatus { .. } => "get_status",
            Self::SetStatus { .. } => "set_status",
            Self::WaitForCode { .. } => "wait_for_code",
            Self::MarkSmsSent { .. } => "mark_sms_sent",
            Self::RequestNextCode { .. } => "request_next_code",
            Self::Complete { .. } => "complete",
            Self::Cancel { .. } => "cancel",
            Self::Settle { .. } => "settle",
            Self::Keep { .. } => "keep",
            Self::MarkUnclaimed { .. } => "mark_unclaimed",
            Self::Reconcile { .. } => "reconcile",
            Self::Resolve { .. } => "resolve",
            Self::SettleLeftoverLeases { .. } => "settle_leftover_leases",
            Self::Unclaimed { .. } => "unclaimed",
            Self::Finish { .. } => "finish",
            Self::BudgetLeft { .. } => "budget_left",
        }
    }

    /// Whether the operation may change an existing order.
    pub(super) fn is_change(&self) -> bool {
        match self {
            Self::SetStatus { .. }
            | Self::MarkSmsSent { .. }
            | Self::RequestNextCode { .. }
            | Self::Complete { .. }
            | Self::Cancel { .. }
            | Self::Settle { .. }
            | Self::SettleLeftoverLeases { .. } => true,
            Self::WaitForCode { cancel_on_timeout, .. } => *cancel_on_timeout,
            _ => false,
        }
    }

    /// The id of the activation that the operation claims, if it claims one.
    pub(super) fn claimed_id(&self) -> Option<&str> {
        match self {
            Self::Claim { id }
            | Self::GetStatus { id }
            | Self::SetStatus { id, .. }
            | Self::WaitForCode { id, .. }
            | Self::MarkSmsSent { id }
            | Self::RequestNextCode { id }
            | Self::Complete { id, .. }
            | Self::Cancel { id }
            | Self::Settle { id, .. }
            | Self::Keep { id } => Some(id),
            _ => None,
        }
    }

    /// Fails if an operation on an activation can never run.
    pub(super) fn check(&self) -> Result<()> {
        if let Self::SetStatus { status, .. } = self {
            read_status(*status)?;
        }
        self.claimed_id().map_or(Ok(()), Activation::check_id)
    }

    /// Whether an operation on an activation makes no request.
    pub(super) fn is_local(&self) -> bool {
        matches!(self, Self::Claim { .. } | Self::Keep { .. })
    }

    /// The timeout of a wait.
    pub(super) fn wait_time(&self) -> Option<Duration> {
        match self {
            Self::WaitForCode { timeout_ms, .. } => Some(Duration::from_millis(*timeout_ms)),
            _ => None,
        }
    }

    /// Shortens the timeout of a wait by the time that claiming its activation took.
    pub(super) fn shorten_wait(&mut self, elapsed: Duration) {
        if let Self::WaitForCode { timeout_ms, .. } = self {
            *timeout_ms =
                timeout_ms.saturating_sub(elapsed.as_millis().try_into().unwrap_or(u64::MAX));
        }
    }

    /// Turns the operation into a job. `claim` returns the activation of an id: the same one for
    /// all operations, so that they share its codes and the pause between its polls.
    #[allow(clippy::too_many_lines)] // a row for each operation
    pub(super) fn into_job(
        self,
        client: &Client,
        claim: &mut dyn FnMut(&str) -> Result<Activation>,
    ) -> Result<Job> {
        let buy = |intent: Body<Intent>| {
            let deadline = client.has_own_timeout.then(|| client.deadline());
            Job::Buy(intent, deadline)
        };
        let requested = |request: NumberRequest, is_lease: bool| {
            if !request.is_one_attempt() {
                return Fallback::new(request, is_lease, client.now()).map(|fallback| {
                    let fallback = Box::new(fallback);
                    if fallback.reads_prices() {
                        Job::Choose(fallback)
                    } else {
                        Job::attempt(client, fallback)
                    }
                });
            }
            Ok(buy(Box::new(move |client| {
                if is_lease { client.lease_intent(request) } else { client.intent(request) }
            })))
        };
        Ok(match self {
            Self::GetBalance {} => call(|client| client.balance().map(|answer| answered(&answer))),
            Self::GetServices { service } => call(move |client| {
                let answer = client.services(service.as_deref())?;
                let object = fields(&answer.value);
                Ok(catalogue(object, answer.value.is_empty(), &answer.reply))
            }),
            Self::GetPrices { service, country } => call(move |client| {
                let answer = client.prices(service.as_deref(), country.as_deref())?;
                let object = object("prices", answer.value.json());
                Ok(catalogue(object, answer.value.is_empty(), &answer.reply))
            }),
            Self::GetOffers(query) => {
                call(move |client| Ok(object("offers", fields(&client.get_offers(&query)?))))
            }
            Self::GetCountries {} => call(|client| Ok(listed("countries", &client.countries()?))),
            Self::FindCountry { name } => {
                call(move |client| Ok(listed("countries", &client.countries_named(&name)?)))
            }
            Self::GetOrders { limit, page, status } => {
                let query = order_query(limit, page, status.as_deref());
                call(move |client| client.get_orders(&query).map(|page| fields(&page)))
            }
            Self::GetNumber(request) => requested(request, false)?,
            Self::Lease(request) => requested(request, true)?,
            Self::Intend(request) => {
                call(move |client| client.intend(request).map(|intent| intent.to_json()))
            }
            Self::Buy { intent } => buy(Box::new(move |_| Ok(intent))),
            Self::RegetNumber { id, limit } => {
                buy(Box::new(move |client| client.reget_intent(&id, limit)))
            }
            Self::Claim { id } => {
                let activation = claim(&id)?;
                Job::Local(Box::new(|_| Ok(Output::Activation(activation))))
            }
            Self::GetStatus { id } => on(claim(&id)?, |number| {
                number.status().map(|answer| Output::Json(answered(&answer)))
            }),
            Self::SetStatus { id, status } => {
                let status = read_status(status)?;
                on(claim(&id)?, move |number| {
                    number.set_status(status).map(|answer| Output::Json(answered(&answer)))
                })
            }
            Self::WaitForCode {
                id,
                timeout_ms,
                interval_ms,
                accept_same_code,
                cancel_on_timeout,
            } => {
                let options = wait_options(timeout_ms, interval_ms, accept_same_code);
                let task = WaitTask::begin(&claim(&id)?, options.plan(), cancel_on_timeout);
                Job::Wait(Box::new(task))
            }
            Self::MarkSmsSent { id } => on(claim(&id)?, |number| {
                number.mark_sms_sent().map(|()| Output::Json(empty_object()))
            }),
            Self::RequestNextCode { id } => on(claim(&id)?, |number| {
                number.request_next_code().map(|()| Output::Json(empty_object()))
            }),
            Self::Complete { id, without_code } => on(claim(&id)?, move |number| {
                let settled =
                    if without_code { number.complete_without_code() } else { number.complete() };
                settled.map(Output::Settlement)
            }),
            Self::Cancel { id } => {
                on(claim(&id)?, |number| number.cancel().map(Output::Settlement))
            }
            Self::Settle { id, on_too_early } => {
                Job::Settle(Box::new(SettleTask::begin(&claim(&id)?, on_too_early)))
            }
            Self::Keep { id } => {
                let activation = claim(&id)?;
                local(move |_| {
                    activation.keep();
                    Ok(empty_object())
                })
            }
            // The state of the queue has dropped the activation already.
            Self::MarkUnclaimed { .. } => local(|_| Ok(empty_object())),
            Self::Reconcile { intent, timeout_ms } => {
                let look_for = timeout_ms.map_or(LOOK_FOR, Duration::from_millis);
                Job::Reconcile(Box::new(ReconcileTask::begin(client, intent, look_for)))
            }
            Self::Resolve { intent, resolution } => {
                local(move |client| client.resolve(&intent, resolution).map(|()| empty_object()))
            }
            Self::SettleLeftoverLeases { on_too_early } => {
                Job::SettleLeases(Box::new(SettleLeasesTask::new(on_too_early)))
            }
            Self::Unclaimed {} => {
                local(|client| Ok(object("unclaimed", fields(&client.unclaimed()))))
            }
            Self::Finish { timeout_ms } => {
                let wait = timeout_ms.map_or(END_WAIT, Duration::from_millis);
                Job::Finish(Box::new(FinishTask::begin(client, wait)))
            }
            Self::BudgetLeft {} => {
                local(|client| Ok(object("budget_left_micros", fields(&client.budget_left()))))
            }
        })
    }
}

fn read_status(status: i32) -> Result<SetStatus> {
    SetStatus::from_value(status).ok_or_else(|| {
        let reason = format!("invalid status {status}: use 8 or -1, 1, 3, or 6");
        Error::config("reading an operation", reason)
    })
}

fn wait_options(
    timeout_ms: u64,
    interval_ms: Option<u64>,
    accept_same_code: bool,
) -> WaitOptions<'static> {
    let options = WaitOptions::new(Duration::from_millis(timeout_ms));
    let options = match interval_ms {
        Some(interval) => options.interval(Duration::from_millis(interval)),
        None => options,
    };
    if accept_same_code { options.accept_same_code() } else { options }
}

fn order_query(limit: Option<u32>, page: Option<u32>, status: Option<&str>) -> OrderQuery {
    let all = OrderQuery::default();
    OrderQuery {
        limit: limit.unwrap_or(all.limit),
        page: page.unwrap_or(all.page),
        status: status.map(OrderStatus::read),
    }
}

/// A call whose result is JSON.
fn call(body: impl FnOnce(&Client) -> Result<String> + Send + 'static) -> Job {
    Job::Call(Box::new(|client| body(client).map(Output::Json)))
}

fn local(body: impl FnOnce(&Client) -> Result<String> + Send + 'static) -> Job {
    Job::Local(Box::new(|client| body(client).map(Output::Json)))
}

/// A call on an activation, with the handle of the worker that makes it.
fn on(
    activation: Activation,
    body: impl FnOnce(Activation) -> Result<Output> + Send + 'static,
) -> Job {
    Job::Call(Box::new(move |client| body(activation.with_client(client))))
}

fn answered<T: serde::Serialize>(answer: &Answer<T>) -> String {
    document(&answer.value, &answer.reply)
}

/// The JSON of a list: an object with the list under `name`, and the reply under `raw`.
fn listed<T: serde::Serialize>(name: &str, answer: &Answer<T>) -> String {
    with_reply(object(name, fields(&answer.value)), &answer.reply)
}

/// The JSON of a catalogue, whose reply may have millions of bytes. If it has entries, the reply is
/// known to be JSON and is not parsed again.
fn catalogue(object: String, is_empty: bool, reply: &[u8]) -> String {
    if is_empty { with_reply(object, reply) } else { with_raw(object, json_text(reply)) }
}

/// Wraps JSON in an object, in place: the list of all prices has millions of bytes.
#[inline(never)]
fn object(name: &str, mut json: String) -> String {
    json.insert_str(0, &format!("{{\"{name}\":"));
    json.push('}');
    json
}

fn empty_object() -> String {
    "{}".to_owned()
}
