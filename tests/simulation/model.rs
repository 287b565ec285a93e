//! What must hold in every run, from its history alone: what was asked, what reached the service, what its ledger says, and
//! what the library claimed. Knows nothing of how the library works.

use std::time::Duration;

use sastaotp::{Amount, Charge, Error, ErrorKind};
use serde_json::Value;

use crate::call::Ask;
use crate::history::{Answer, Call, CallId, End, Event, Exchange, History};
use crate::logger;

const SECOND: Duration = Duration::from_secs(1);
/// The closest that two polls may come.
const INTERVAL: Duration = Duration::from_secs(5);
/// How soon a call is back that was cancelled.
const CANCELLED: Duration = Duration::from_millis(100);
/// The longest pause that the service can ask for, and a poll that hung before.
const LONGEST_PAUSE: Duration = Duration::from_secs(70);

/// Checks a run; gives a sentence for each promise that was broken.
pub(crate) fn check(history: &mut History, ledger: &[Value]) -> Vec<String> {
    let mut found = std::mem::take(&mut history.violations);
    let model = Model { history, ledger };
    for (number, call) in history.calls.iter().enumerate() {
        let call = Asked { number, call };
        let mut say = |what: Option<String>| found.extend(what.map(|what| format!("#{number} {what}")));
        say(model.buys_once(&call));
        say(model.claims_the_ledger(&call));
        say(model.sends_what_was_asked(&call));
        say(model.returns_in_time(&call));
        say(model.keeps_codes(&call));
        say(model.polls_at_the_deadline(&call));
        say(model.settles_as_it_claims(&call));
        say(model.finds_what_was_lost(&call));
        say(model.lists_what_was_left(&call));
        read_for_key(&call);
    }
    found.extend(model.polls_apart());
    found.extend(model.keeps_budgets());
    found.extend(logger::leaks().into_iter().map(|line| format!("8: the key is shown: {line}")));
    found
}

struct Model<'a> {
    history: &'a History,
    ledger: &'a [Value],
}

struct Asked<'a> {
    number: CallId,
    call: &'a Call,
}

impl Asked<'_> {
    fn end(&self) -> Option<&End> {
        self.call.end.as_ref()
    }

    fn value(&self) -> Option<&Value> {
        self.end()?.claim.as_ref().ok()
    }

    fn error(&self) -> Option<&Error> {
        self.end()?.claim.as_ref().err()
    }
}

/// 8: neither results nor errors show the key.
fn read_for_key(asked: &Asked<'_>) {
    match asked.end().map(|end| &end.claim) {
        Some(Ok(value)) => logger::read(&value.to_string()),
        Some(Err(error)) => {
            let json = serde_json::to_string(error).expect("errors have a JSON form");
            logger::read(&format!("{error} {error:?} {json}"));
        }
        None => {}
    }
}

/// The code in the claim of a call, where it reports one.
fn reported(call: &Call) -> Option<&str> {
    let value = call.end.as_ref()?.claim.as_ref().ok()?;
    match &call.ask {
        Ask::Wait { .. } => value["code"].as_str(),
        Ask::Status(_) if value["status"] == "received" => value["sms"]["code"].as_str(),
        Ask::Cancel(_) | Ask::Settle { .. } => value["code"]["code"].as_str(),
        _ => None,
    }
}

/// The code that a whole and true reply shows.
fn shown(exchange: &Exchange) -> Option<String> {
    let Some((_, Answer::Reply { status: 200, framed: true, body })) = &exchange.end else { return None };
    if exchange.fault.is_some() {
        return None;
    }
    match exchange.action.as_str() {
        "getStatus" => body.strip_prefix("STATUS_OK:").filter(|code| !code.is_empty()).map(str::to_owned),
        "getStatusV2" => serde_json::from_str::<Value>(body).ok()?["sms"]["code"].as_str().map(str::to_owned),
        _ => None,
    }
}

impl Exchange {
    fn is_charge(&self) -> bool {
        matches!(self.action.as_str(), "getNumber" | "regetNumber")
    }

    fn is_poll(&self) -> bool {
        // What never left is none.
        self.is_sent && self.asks_status()
    }

    fn asks_status(&self) -> bool {
        matches!(self.action.as_str(), "getStatus" | "getStatusV2")
    }

    fn ended(&self) -> Option<Duration> {
        self.end.as_ref().map(|(at, _)| *at)
    }
}

impl Model<'_> {
    fn of_process(&self, process: usize) -> impl Iterator<Item = &Exchange> {
        self.history.exchanges.iter().filter(move |exchange| exchange.process == process)
    }

    /// Whether something of the clocks happened to a process within a time.
    fn is_disturbed(&self, process: usize, from: Duration, to: Duration) -> bool {
        self.history.events.iter().any(|(at, event)| match event {
            Event::Slept { process: other, duration } => *other == process && *at <= to && *at + *duration >= from,
            Event::WallSet { process: other, .. } => *other == process && *at <= to,
            _ => false,
        })
    }

    /// How many pauses the service asked for that a process keeps within a time. They are kept by the monotonic clock.
    fn pauses(&self, process: usize, from: Duration, to: Duration) -> u32 {
        let slept = |at: Duration| {
            let sleeps = self.history.events.iter().filter_map(|(begin, event)| match event {
                Event::Slept { process: other, duration } if *other == process && *begin >= at => Some(*duration),
                _ => None,
            });
            sleeps.sum::<Duration>()
        };
        let is_kept = |exchange: &&Exchange| matches!(&exchange.end, Some((at, Answer::Reply { status: 429, .. })) if *at <= to && *at + LONGEST_PAUSE + slept(*at) >= from);
        u32::try_from(self.of_process(process).filter(is_kept).count()).expect("not so many")
    }

    /// 1: at most one committed purchase for each charge call; and nothing is sent again once a byte left.
    fn buys_once(&self, asked: &Asked<'_>) -> Option<String> {
        let charges = || self.history.of(asked.number).filter(|exchange| exchange.is_charge());
        if !asked.call.ask.is_charge() {
            return charges().next().map(|_| "1: asked for no purchase, and one was sent".to_owned());
        }
        let committed = charges().filter(|exchange| !exchange.bought.is_empty()).count();
        if committed > 1 {
            return Some(format!("1: bought {committed} times"));
        }
        let sent = charges().filter(|exchange| exchange.is_sent).count();
        if sent > 1 {
            return Some(format!("1: a purchase was sent {sent} times"));
        }
        let doubled = |fault: &str| matches!(fault, "N21" | "S13");
        let excused =
            |exchange: &Exchange| exchange.bought.len() <= 1 || exchange.fault.is_some_and(|fault| doubled(&fault.id));
        (!charges().all(excused)).then(|| "1: one request bought twice, which only the sandbox can do".to_owned())
    }

    /// 2 and 3: what is said of the money is what the ledger says.
    fn claims_the_ledger(&self, asked: &Asked<'_>) -> Option<String> {
        if !asked.call.ask.is_charge() {
            return None;
        }
        let exchanges = || self.history.of(asked.number);
        let bought = || exchanges().flat_map(|exchange| &exchange.bought);
        match &asked.end()?.claim {
            Err(error) if error.charge() == Charge::NotCharged => {
                bought().next().map(|bought| format!("2: says that nothing was charged, and {bought:?} was"))
            }
            Err(error) => {
                let is_sent = exchanges().any(|exchange| exchange.is_sent);
                (!is_sent || error.intent().is_none())
                    .then(|| format!("2: an unknown outcome though nothing was sent, or without an intent: {error}"))
            }
            Ok(value) => {
                let id = value["id"].as_str().unwrap_or_default();
                let Some(entry) = bought().find(|bought| bought.activation == id) else {
                    return Some(format!("3: claims the activation {id}, which the ledger does not have of it"));
                };
                let order = &value["purchase"]["order_id"];
                let price = value["price_micros"].as_i64();
                (order.as_str().is_some_and(|order| order != entry.order)
                    || price.is_some_and(|price| price != entry.micros))
                .then(|| format!("3: claims {value}, and the ledger says {entry:?}"))
            }
        }
    }

    /// 5: cancelling never completes; and each call changes an order only in the way that its name says.
    fn sends_what_was_asked(&self, asked: &Asked<'_>) -> Option<String> {
        let allowed: &[&str] = match &asked.call.ask {
            Ask::Cancel(_) | Ask::Wait { cancel: true, .. } => &["8"],
            Ask::CancelLegacy(_) => &["-1"],
            Ask::SmsSent(_) => &["1"],
            Ask::NextCode(_) => &["3"],
            Ask::Complete(_) => &["6"],
            Ask::Settle { .. } => &["8", "6"],
            _ => &[],
        };
        let mut refused = false;
        for exchange in self.history.of(asked.number) {
            let Some(status) = exchange.status.as_deref().filter(|_| exchange.action == "setStatus") else { continue };
            if !allowed.contains(&status) {
                return Some(format!("5: sent setStatus {status}"));
            }
            if status == "6" && matches!(asked.call.ask, Ask::Settle { .. }) {
                let is_code = |other: &Exchange| {
                    other.id == exchange.id
                        && other.ended().is_some_and(|end| end <= exchange.at)
                        && matches!(&other.end, Some((_, Answer::Reply { body, .. })) if other.is_poll() && !body.starts_with("STATUS_WAIT"))
                };
                if !refused && !self.of_process(exchange.process).any(is_code) {
                    return Some("5: settling completed an order that no code had come for".to_owned());
                }
            }
            refused |= status == "8";
        }
        None
    }

    /// 6: every call returns within its deadline and a second.
    fn returns_in_time(&self, asked: &Asked<'_>) -> Option<String> {
        let (call, end) = (asked.call, asked.end()?);
        let setup = &self.history.setups[call.user.process];
        if let Some(cancelled) = call.cancelled
            && end.at > cancelled + CANCELLED
            && !self.is_disturbed(call.user.process, cancelled, end.at)
        {
            return Some(format!("6: was cancelled, and returned {:?} later", end.at.saturating_sub(cancelled)));
        }
        let timeout = setup.timeout;
        let most = match &call.ask {
            Ask::Wait { timeout: wait, cancel, .. } => *wait + if *cancel { timeout } else { Duration::ZERO },
            // The early-cancel period may be waited out twice, and each try has a time of its own.
            Ask::Settle { wait_out: true, .. } => 3 * timeout + 2 * Duration::from_secs(121),
            // The last look is made after 40 s, or when those before it are over; in the queue they wait for the pauses that the
            // service asks for.
            Ask::Reconcile(_) => {
                let pauses = self.pauses(call.user.process, call.at, end.at);
                Duration::from_secs(40) + 5 * timeout.min(Duration::from_secs(30)) + pauses * Duration::from_secs(60)
            }
            Ask::Unclaimed | Ask::BudgetLeft => Duration::ZERO,
            _ => timeout,
        };
        let took = end.monotonic.saturating_sub(call.began);
        (took > most + SECOND).then(|| format!("6: took {took:?} of {most:?}"))
    }

    /// Calls of a process about an activation that came to their end, and when they did.
    fn ended_before(&self, process: usize, id: &str, at: Duration) -> impl Iterator<Item = &Call> {
        self.history.calls.iter().filter(move |call| {
            call.user.process == process
                && call.ask.id() == Some(id)
                && call.end.as_ref().is_some_and(|end| end.at <= at)
        })
    }

    /// 4: a code that came is returned or reported, and is not lost afterwards.
    fn keeps_codes(&self, asked: &Asked<'_>) -> Option<String> {
        let call = asked.call;
        let (id, end) = (call.ask.id()?, asked.end()?);
        let process = call.user.process;
        if let Some(code) = reported(call) {
            let is_of = |exchange: &Exchange| {
                let Some((at, Answer::Reply { body, .. })) = &exchange.end else { return false };
                *at <= end.at && exchange.id.as_deref() == Some(id) && body.contains(json_text(code).as_str())
            };
            if !self.of_process(process).any(is_of) {
                return Some(format!("4: reports the code {code:?}, which the service never showed for it"));
            }
        }
        let asked_again = self.history.calls.iter().any(|other| {
            other.user.process == process
                && matches!(&other.ask, Ask::NextCode(other) if other == id)
                && other.at <= end.at
        });
        let known: Vec<&str> = self.ended_before(process, id, call.at).filter_map(reported).collect();
        let is_cancelled = call.cancelled.is_some();
        match &call.ask {
            Ask::Wait { .. } if !is_cancelled && end.claim.is_err() => {
                let error = asked.error().expect("it failed");
                if !asked_again && let Some(code) = known.first() {
                    return Some(format!("4: the code {code:?} was reported before, and now: {error}"));
                }
                let mut shown = self.history.of(asked.number).filter_map(shown);
                let lost = shown.find(|code| !asked_again || !known.contains(&code.as_str()));
                // After a request for the next code, what was shown before it is the old one.
                lost.filter(|_| !asked_again)
                    .map(|code| format!("4: the service showed {code:?}, and the wait ended with: {error}"))
            }
            Ask::Settle { .. } if !known.is_empty() => {
                let cancels = |exchange: &Exchange| matches!(exchange.status.as_deref(), Some("8" | "-1"));
                self.history
                    .of(asked.number)
                    .any(cancels)
                    .then(|| format!("4: the code {:?} was reported before, and settling cancelled", known[0]))
            }
            _ => None,
        }
    }

    /// 4: what comes until the deadline is looked for: the last poll stands there.
    fn polls_at_the_deadline(&self, asked: &Asked<'_>) -> Option<String> {
        let (call, end, error) = (asked.call, asked.end()?, asked.error()?);
        let Ask::Wait { id, timeout, .. } = &call.ask else { return None };
        if call.cancelled.is_some() || !matches!(error.kind(), ErrorKind::WaitTimeout | ErrorKind::Expired) {
            return None;
        }
        let process = call.user.process;
        // What comes after the polls: the look for the refund, or the cancellation.
        let after = self.history.of(asked.number).find(|exchange| !exchange.asks_status());
        let until = after.map_or(end.at, |exchange| exchange.at).min(call.at + *timeout);
        let about = |exchange: &&Exchange| exchange.id.as_deref() == Some(id) && exchange.at <= end.at;
        let excuses = |exchange: &Exchange| match &exchange.end {
            // The end of the order was known before.
            Some((at, Answer::Reply { body, .. })) => {
                *at <= call.at && exchange.id.as_deref() == Some(id) && body.contains("STATUS_CANCEL")
            }
            _ => false,
        };
        let is_over = |call: &Call| {
            // Settling waits too, and tells nobody of an expiry.
            let claim = call.end.as_ref().map(|end| &end.claim);
            matches!(call.ask, Ask::Settle { .. })
                || matches!(claim, Some(Err(error)) if error.kind() == ErrorKind::Expired)
        };
        if self.is_disturbed(process, call.at, end.at)
            || self.pauses(process, call.at, end.at) > 0
            || self.of_process(process).any(excuses)
            || self.ended_before(process, id, call.at).any(is_over)
        {
            return None;
        }
        let asked_before = self.of_process(process).filter(|exchange| exchange.asks_status()).filter(about);
        let last = asked_before.map(|exchange| exchange.ended().unwrap_or(until).min(until)).max();
        let gap = until.saturating_sub(last.unwrap_or(call.at));
        (gap > INTERVAL + 2 * SECOND).then(|| format!("4: gave up {gap:?} after the last poll: {error}"))
    }

    /// What is said of an order that was closed is what became of it.
    fn settles_as_it_claims(&self, asked: &Asked<'_>) -> Option<String> {
        let (call, value) = (asked.call, asked.value()?);
        let id = call.ask.id()?;
        if !matches!(call.ask, Ask::Cancel(_) | Ask::Complete(_) | Ask::Settle { .. }) {
            return None;
        }
        // A reply that was bent may say anything.
        let about = |exchange: &&Exchange| exchange.id.as_deref() == Some(id) && exchange.process == call.user.process;
        if self.history.exchanges.iter().filter(about).any(|exchange| exchange.fault.is_some()) {
            return None;
        }
        let is_refunded =
            self.ledger.iter().any(|entry| entry["kind"] == "refund" && entry["activation_id"].as_str() == Some(id));
        match value["state"].as_str()? {
            "cancelled" if !is_refunded => Some("5: claims a cancellation, and nothing was refunded".to_owned()),
            // A completed order and one that was closed before show the same.
            "completed" if is_refunded && !self.is_closed_before(call, id) => {
                Some("5: claims a completion, and it was refunded".to_owned())
            }
            _ => None,
        }
    }

    /// Whether something else closed the order before the end of a call, or may have.
    fn is_closed_before(&self, call: &Call, id: &str) -> bool {
        let end = call.end.as_ref().map_or(call.at, |end| end.at);
        self.ledger.iter().any(|entry| {
            let at = entry["at_ms"].as_u64().map(|ms| Duration::from_millis(ms - 1_800_000_000_000));
            entry["kind"] == "refund" && entry["activation_id"].as_str() == Some(id) && at.is_some_and(|at| at <= end)
        })
    }

    /// 3: a purchase whose outcome was not known is among the candidates, where the history shows it.
    fn finds_what_was_lost(&self, asked: &Asked<'_>) -> Option<String> {
        let Ask::Reconcile(intent) = &asked.call.ask else { return None };
        let value = asked.value()?;
        let ids: Vec<&str> =
            value["candidates"].as_array()?.iter().filter_map(|order| order["activation_id"].as_str()).collect();
        let is_clean = |exchange: &Exchange| exchange.fault.is_none();
        if value["complete"] != true || !self.history.of(asked.number).all(is_clean) {
            return None;
        }
        // What timed out may have arrived later.
        let is_whole = |exchange: &&Exchange| matches!(exchange.end, Some((_, Answer::Reply { .. })));
        let last = self.history.of(asked.number).filter(is_whole).filter_map(|exchange| exchange.arrived).max()?;
        let intent: Value = serde_json::from_str(intent).expect("an intent is JSON");
        // The calls of this very intent; a process that takes it up knows no more than that.
        let is_of = |call: &Call| {
            let error = call.end.as_ref().and_then(|end| end.claim.as_ref().err());
            let theirs = error.filter(|error| error.charge() == Charge::Unknown).and_then(Error::intent);
            theirs.is_some_and(|theirs| serde_json::from_str::<Value>(&theirs.to_json()).expect("JSON") == intent)
        };
        for (number, _) in self.history.calls.iter().enumerate().filter(|(_, call)| is_of(call)) {
            for exchange in
                self.history.of(number).filter(|exchange| exchange.fault.is_none_or(|fault| fault.id != "S15"))
            {
                let Some(at) = exchange.arrived else { continue };
                for bought in &exchange.bought {
                    // What somebody here has already is not looked for.
                    let is_taken_up = self.history.calls.iter().any(|call| {
                        call.user.process == asked.call.user.process && call.ask.id() == Some(&bought.activation)
                    });
                    // The history may lag this long.
                    if at + Duration::from_secs(9) <= last && !is_taken_up && !ids.contains(&bought.activation.as_str())
                    {
                        return Some(format!("3: {bought:?} of #{number} is not among the candidates: {ids:?}"));
                    }
                }
            }
        }
        None
    }

    /// 3: what was bought after its caller left is listed, until somebody takes it up or asks for it.
    fn lists_what_was_left(&self, asked: &Asked<'_>) -> Option<String> {
        if !matches!(asked.call.ask, Ask::Unclaimed) {
            return None;
        }
        let process = asked.call.user.process;
        let listed = asked.value()?["unclaimed"].as_array()?;
        for unclaimed in listed.iter().filter(|unclaimed| unclaimed["outcome"] == "bought") {
            let id = unclaimed["purchase"]["activation_id"].as_str().unwrap_or_default();
            let is_ours = self.of_process(process).flat_map(|exchange| &exchange.bought).any(|it| it.activation == id);
            if !is_ours {
                return Some(format!("3: lists {id}, which the process never bought"));
            }
        }
        let (from, to) = (asked.call.at, asked.end()?.at);
        for (number, call) in self.history.calls.iter().enumerate() {
            let left = call.cancelled.is_some() && call.user.process == process && call.ask.is_charge();
            if !left || call.end.as_ref().is_none_or(|end| end.claim.is_ok()) {
                continue;
            }
            let came = self.history.of(number).find(|exchange| {
                exchange.fault.is_none()
                    && exchange.ended().is_some_and(|end| end < from)
                    && matches!(exchange.end, Some((_, Answer::Reply { .. })))
            });
            for bought in came.iter().flat_map(|exchange| &exchange.bought) {
                let intent = call.end.as_ref().and_then(|end| end.claim.as_ref().err()).and_then(Error::intent);
                let intent = serde_json::to_value(intent).expect("an intent has a JSON form");
                let is_listed = listed.iter().any(|it| it["intent"] == intent);
                let is_taken_up = self.history.calls.iter().any(|call| {
                    call.user.process == process && call.at <= to && call.ask.id() == Some(&bought.activation)
                });
                // Whoever asked what became of it knows.
                let is_reconciled = self.history.calls.iter().any(|call| {
                    let Ask::Reconcile(of) = &call.ask else { return false };
                    call.user.process == process
                        && call.at <= to
                        && serde_json::from_str::<Value>(of).expect("an intent is JSON") == intent
                });
                if !is_listed && !is_taken_up && !is_reconciled {
                    return Some(format!("3: {bought:?} of #{number} came after its caller left, and is not listed"));
                }
            }
        }
        None
    }

    /// 7: no poll of a wait comes closer than the interval after the one before.
    fn polls_apart(&self) -> Option<String> {
        let waits = |exchange: &Exchange| {
            exchange
                .call
                .is_some_and(|call| matches!(self.history.calls[call].ask, Ask::Wait { .. } | Ask::Settle { .. }))
        };
        for (at, poll) in self.history.exchanges.iter().enumerate() {
            if !poll.is_poll() || !waits(poll) || self.is_follow_up(at) {
                continue;
            }
            let before = self.history.exchanges[..at].iter().rev().filter(|other| {
                other.process == poll.process && other.is_poll() && other.id == poll.id && waits(other)
            });
            for other in before.take(3) {
                let end = other.ended().unwrap_or(other.at);
                // Read back by a change, not polled by a wait.
                if end + INTERVAL > poll.at
                    && !self.is_read_back(other)
                    && !self.is_read_back(poll)
                    && !self.seems_to_have_slept(poll.process, end, poll.at)
                {
                    let call = poll.call.unwrap_or_default();
                    let apart = poll.at.saturating_sub(end);
                    return Some(format!("#{call} 7: polls {:?} only {apart:?} after the poll before", poll.id));
                }
            }
        }
        None
    }

    /// Whether a request only asks for more of what the one before showed, or asks once more in another form.
    fn is_follow_up(&self, at: usize) -> bool {
        let poll = &self.history.exchanges[at];
        let of_call = self.history.exchanges[..at].iter().rev();
        let before = of_call
            .filter(|other| other.call == poll.call && other.process == poll.process)
            .find(|other| other.id == poll.id);
        poll.action == "getStatusV2" && before.is_some_and(|before| {
            before.action == "getStatus"
                && matches!(&before.end, Some((_, Answer::Reply { framed, body, .. })) if !framed || body.contains("STATUS_OK"))
        })
    }

    /// Whether the wall clock was set ahead, which cannot be told from a sleep: after one a wait polls at once.
    fn seems_to_have_slept(&self, process: usize, from: Duration, to: Duration) -> bool {
        self.history.events.iter().any(|(at, event)| {
            (from..=to).contains(at)
                && matches!(event, Event::WallSet { process: other, back: false, .. } if *other == process)
        })
    }

    /// Whether a request reads back what became of a change of the same call.
    fn is_read_back(&self, exchange: &Exchange) -> bool {
        let changes =
            |other: &Exchange| other.call == exchange.call && other.action == "setStatus" && other.at <= exchange.at;
        self.history.exchanges.iter().any(changes)
    }

    /// What is charged for a client stays within its budget.
    fn keeps_budgets(&self) -> Option<String> {
        for (process, setup) in self.history.setups.iter().enumerate() {
            let Some(budget) = setup.budget else { continue };
            // What a service charges beyond the price that was agreed to, nobody can plan for.
            let agreed = |exchange: &&Exchange| {
                exchange.fault.is_none_or(|fault| !matches!(fault.id.as_str(), "S09" | "N21" | "S13"))
            };
            let charged: i64 =
                self.of_process(process).filter(agreed).flat_map(|exchange| &exchange.bought).map(|it| it.micros).sum();
            let is_ours = |id: &str| self.of_process(process).flat_map(|it| &it.bought).any(|it| it.activation == id);
            let refunds = self.ledger.iter().filter(|entry| entry["kind"] == "refund");
            let refunded: i64 = refunds
                .filter(|entry| entry["activation_id"].as_str().is_some_and(is_ours))
                .filter_map(|entry| entry["price"].as_str()?.parse::<Amount>().ok())
                .map(Amount::micros)
                .sum();
            if charged - refunded > Amount::from_rupees(budget).micros() {
                return Some(format!(
                    "p{process} charged {charged} µ₹ and was refunded {refunded} µ₹ of a budget of {budget} ₹"
                ));
            }
        }
        None
    }
}

/// A code as it stands in a reply, in JSON or plain.
fn json_text(code: &str) -> String {
    code.chars().take_while(char::is_ascii_alphanumeric).collect()
}
