//! The record of a run: the calls of users, the requests that reached the service, and the results
//! of the library. The model checks only this record, and a failing run prints it.

use std::fmt::Write as _;
use std::time::Duration;

use sastaotp::Error;
use serde_json::Value;

use crate::call::Command;
use crate::network::Fault;
use crate::process::Setup;

/// The index of a call in its run.
pub(crate) type CallId = usize;

#[derive(Default)]
pub(crate) struct History {
    /// The settings of each process.
    pub(crate) setups: Vec<Setup>,
    pub(crate) calls: Vec<Call>,
    pub(crate) exchanges: Vec<Exchange>,
    /// The facts of the run in their order.
    pub(crate) steps: Vec<(Duration, Step)>,
    /// Whether the history of the service has the documented shape.
    pub(crate) has_usual_orders: bool,
    /// Events of processes and of the world.
    pub(crate) events: Vec<(Duration, Event)>,
    /// The log lines of the library, if the run keeps them.
    pub(crate) logged: Vec<(Duration, String)>,
    /// Violations that were found during the run.
    pub(crate) violations: Vec<String>,
}

/// A call that a user made.
pub(crate) struct Call {
    pub(crate) user: User,
    pub(crate) command: Command,
    /// In world time.
    pub(crate) at: Duration,
    /// On the monotonic clock of the process.
    pub(crate) began: Duration,
    /// When it was cancelled.
    pub(crate) cancelled: Option<Duration>,
    /// The activations that were open at the service when a call that lists purchases ended.
    pub(crate) open: Vec<String>,
    pub(crate) end: Option<End>,
}

/// A fact of the run.
#[derive(Debug)]
pub(crate) enum Step {
    CallBegan(CallId),
    CallEnded(CallId),
    ExchangeBegan(usize),
    /// The service made a purchase.
    Bought(usize),
    ExchangeEnded(usize),
    /// The service refunded an activation.
    Refunded(String),
    /// The unspent part of a client's budget, in micro-rupees.
    Budget {
        process: usize,
        member: usize,
        left: i64,
    },
}

/// The user who makes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) process: usize,
    pub(crate) number: usize,
    /// The client that the user calls.
    pub(crate) member: usize,
}

/// How a call ended.
pub(crate) struct End {
    pub(crate) at: Duration,
    pub(crate) monotonic: Duration,
    pub(crate) result: Result<Value, Error>,
}

/// A request and its reply.
pub(crate) struct Exchange {
    pub(crate) call: Option<CallId>,
    pub(crate) process: usize,
    pub(crate) action: String,
    pub(crate) id: Option<String>,
    /// The value of `setStatus`.
    pub(crate) status: Option<String>,
    pub(crate) fault: Option<&'static Fault>,
    pub(crate) at: Duration,
    /// Whether a byte left.
    pub(crate) is_sent: bool,
    /// When the request reached the service.
    pub(crate) arrived: Option<Duration>,
    /// The orders that it bought.
    pub(crate) bought: Vec<NewOrder>,
    pub(crate) end: Option<(Duration, Outcome)>,
}

/// An entry of the sandbox's ledger.
#[derive(Clone, Debug)]
pub(crate) struct NewOrder {
    pub(crate) order: String,
    pub(crate) activation: String,
    pub(crate) micros: i64,
}

/// The result of an exchange for the client.
pub(crate) enum Outcome {
    Reply { status: u16, framed: bool, body: String },
    Failed(String),
}

pub(crate) enum Event {
    Crashed {
        process: usize,
    },
    Ending {
        process: usize,
    },
    Started {
        process: usize,
        from: Option<usize>,
    },
    Slept {
        process: usize,
        duration: Duration,
    },
    WallSet {
        process: usize,
        by: Duration,
        back: bool,
    },
    Cancelled {
        call: CallId,
    },
    Service(String),
    /// A process starts with the journal of dead ones.
    Journal {
        process: usize,
        facts: JournalFacts,
    },
}

/// The purchases that a journal shows to a process that starts with it.
#[derive(Debug, Default)]
pub(crate) struct JournalFacts {
    /// The activations, each with its codes.
    pub(crate) bought: Vec<(String, Vec<String>)>,
    /// The intents with an unknown outcome.
    pub(crate) unknown: Vec<String>,
    /// The activations that are open at the service.
    pub(crate) open: Vec<String>,
}

impl History {
    /// Records a fact.
    pub(crate) fn step(&mut self, at: Duration, step: Step) {
        self.steps.push((at, step));
    }

    pub(crate) fn begin_call(&mut self, call: Call) -> CallId {
        self.step(call.at, Step::CallBegan(self.calls.len()));
        self.calls.push(call);
        self.calls.len() - 1
    }

    pub(crate) fn end_call(&mut self, number: CallId, end: End, open: Vec<String>) {
        self.step(end.at, Step::CallEnded(number));
        let call = &mut self.calls[number];
        (call.end, call.open) = (Some(end), open);
    }

    pub(crate) fn begin_exchange(&mut self, exchange: Exchange) -> usize {
        self.step(exchange.at, Step::ExchangeBegan(self.exchanges.len()));
        self.exchanges.push(exchange);
        self.exchanges.len() - 1
    }

    /// Returns the exchanges of a call, in the order they began.
    pub(crate) fn of(&self, call: CallId) -> impl Iterator<Item = &Exchange> {
        self.exchanges.iter().filter(move |exchange| exchange.call == Some(call))
    }

    /// Renders the run as readable lines.
    pub(crate) fn render(&self) -> String {
        let mut lines: Vec<(Duration, u8, String)> = Vec::new();
        for (number, call) in self.calls.iter().enumerate() {
            let User { process, number: user, member: _ } = call.user;
            lines.push((
                call.at,
                1,
                format!("p{process} u{user}  #{number} calls {}", call.command.operation()),
            ));
            if let Some(End { at, result, .. }) = &call.end {
                let result = match result {
                    Ok(value) => value.to_string(),
                    Err(error) => {
                        let fault =
                            error.fault().map(|fault| format!(" {fault}")).unwrap_or_default();
                        format!("{:?}, {:?}{fault}: {error}", error.kind(), error.charge())
                    }
                };
                lines.push((*at, 5, format!("p{process} u{user}  #{number} gets {result}")));
            }
        }
        for exchange in &self.exchanges {
            let Exchange {
                call,
                process,
                action,
                id,
                status,
                fault,
                at,
                is_sent,
                arrived,
                bought,
                end,
            } = exchange;
            let call = call.map(|call| format!("#{call} ")).unwrap_or_default();
            let name = [Some(action), id.as_ref(), status.as_ref()].into_iter().flatten();
            let name = name.map(String::as_str).collect::<Vec<_>>().join(" ");
            let fault = fault.map(|fault| format!(", fault {fault}")).unwrap_or_default();
            let unsent = if *is_sent { "" } else { ", not sent" };
            lines.push((*at, 2, format!("p{process}     {call}→ {name}{fault}{unsent}")));
            if let (Some(at), Some(first)) = (arrived, bought.first()) {
                let twice = if bought.len() > 1 { ", twice" } else { "" };
                let NewOrder { order, activation, micros } = first;
                let line = format!(
                    "ledger {call}charged order {order}, activation {activation}, \
                     {micros} µ₹{twice}"
                );
                lines.push((*at, 3, line));
            }
            if let Some((at, outcome)) = end {
                let outcome = match outcome {
                    Outcome::Reply { status, framed, body } => {
                        let unframed = if *framed { "" } else { " (unframed)" };
                        format!(
                            "{status}{unframed} {:?}",
                            body.chars().take(160).collect::<String>()
                        )
                    }
                    Outcome::Failed(reason) => reason.clone(),
                };
                lines.push((*at, 4, format!("p{process}     {call}← {name}: {outcome}")));
            }
        }
        for (at, step) in &self.steps {
            let line = match step {
                Step::Refunded(id) => format!("ledger refunded activation {id}"),
                Step::Budget { process, member, left } => {
                    format!("p{process}     client {member} has {left} µ₹ left")
                }
                _ => continue,
            };
            lines.push((*at, 4, line));
        }
        for (at, event) in &self.events {
            lines.push((*at, 0, event.render()));
        }
        lines.extend(self.logged.iter().map(|(at, line)| (*at, 4, format!("log    {line}"))));
        lines.sort_by_key(|(at, order, _)| (*at, *order));
        let mut text = String::new();
        for (at, _, line) in lines {
            let _ = writeln!(text, "{:>10.3} s  {line}", at.as_secs_f64());
        }
        text
    }
}

impl Event {
    fn render(&self) -> String {
        match self {
            Self::Crashed { process } => format!("p{process}     crashes"),
            Self::Ending { process } => format!("p{process}     ends"),
            Self::Started { process, from: None } => format!("p{process}     starts"),
            Self::Started { process, from: Some(from) } => {
                format!("p{process}     starts with what p{from} saved")
            }
            Self::Slept { process, duration } => format!("p{process}     sleeps for {duration:?}"),
            Self::WallSet { process, by, back } => {
                format!(
                    "p{process}     has its wall clock set {} by {by:?}",
                    if *back { "back" } else { "ahead" }
                )
            }
            Self::Cancelled { call } => format!("       #{call} is cancelled"),
            Self::Service(change) => format!("service {change}"),
            Self::Journal { process, facts } => format!("p{process}     finds {facts:?}"),
        }
    }
}
