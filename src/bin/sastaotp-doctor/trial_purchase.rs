//! The trial purchase: buys a number, looks at it, and cancels it for the refund. Runs only if a
//! purchase is allowed.
//!
//! The library's own client buys and cancels, so its rules about money apply: a budget, at most one
//! purchase, and a lease that settles. The status in between is read with the doctor's usual
//! requests.

use std::time::{Duration, Instant};

use sastaotp::{
    Amount, CancelToken, Charge, Client, Error, ErrorKind, Lease, NumberRequest, OnTooEarly, Retry,
    SettlementState,
};

use crate::findings::{fields_of, first_word, json_of};
use crate::redact::Redactor;
use crate::send_requests::{Agent, Answer, Format, Key, OrderChoice, Query, ReadAction, Sender};

/// How long the last attempt to cancel may take after an interrupt.
const LAST_ATTEMPT: Duration = Duration::from_secs(10);

/// The number to buy, and its price limit.
#[derive(Clone, Debug)]
pub(crate) struct Purchase {
    pub(crate) service: String,
    pub(crate) country: String,
    pub(crate) price: Amount,
}

/// How the trial ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TrialResult {
    /// The order is settled; nothing is left open.
    Settled,
    /// Nothing was bought.
    NotBought,
    /// A number is open, or may be; the last line says what to do.
    Open,
}

/// The lines of the trial, each shown as soon as it is written.
pub(crate) struct Transcript<'a> {
    started: Instant,
    redactor: &'a mut Redactor,
    show: &'a mut dyn FnMut(&str),
    pub(crate) lines: Vec<String>,
}

impl<'a> Transcript<'a> {
    pub(crate) fn new(redactor: &'a mut Redactor, show: &'a mut dyn FnMut(&str)) -> Self {
        Self { started: Instant::now(), redactor, show, lines: Vec::new() }
    }

    fn say(&mut self, text: &str) {
        let text = self.redactor.line(text);
        self.write(&text);
    }

    /// Writes why nothing was bought.
    pub(crate) fn not_bought(&mut self, reason: &str) -> TrialResult {
        self.say(reason);
        TrialResult::NotBought
    }

    /// Writes a line with an unredacted id: the user needs the service's id of an open order.
    fn say_open(&mut self, before: &str, id: &str, after: &str) {
        let (before, after) = (self.redactor.line(before), self.redactor.line(after));
        self.write(&format!("{before}{id}{after}"));
    }

    fn write(&mut self, text: &str) {
        let line = format!("{:6.1} s  {text}", self.started.elapsed().as_secs_f64());
        (self.show)(&line);
        self.lines.push(line);
    }
}

/// Returns the cheapest number for this service and country, if it costs at most `limit`.
pub(crate) fn choose_cheapest(
    client: &Client,
    service: Option<&str>,
    country: Option<&str>,
    limit: Amount,
) -> Result<Purchase, String> {
    let prices = client.get_prices(service, country).map_err(|error| error.to_string())?;
    let offers = prices
        .iter()
        // `*` and `any` stand for any country.
        .filter(|price| price.country.parse::<u64>().is_ok() && price.available != Some(0))
        .filter(|price| service.is_none_or(|wanted| wanted == price.service))
        .filter(|price| country.is_none_or(|wanted| wanted == price.country))
        .filter_map(|price| Some((price.price.filter(|price| *price > Amount::ZERO)?, price)));
    let Some((price, offer)) = offers.min_by_key(|(cost, _)| *cost) else {
        return Err(
            "nothing was bought: no number is on sale for this service and country".to_owned()
        );
    };
    if price > limit {
        return Err(format!(
            "the cheapest number costs {price}, but --max-inr is {limit}: nothing was bought"
        ));
    }
    Ok(Purchase { service: offer.service.to_owned(), country: offer.country.to_owned(), price })
}

/// Buys, looks and cancels. Adds the replies in between to `replies`.
pub(crate) fn run(
    client: &Client,
    sender: &mut Sender,
    purchase: &Purchase,
    cancel: &CancelToken,
    replies: &mut Vec<(&'static str, Answer)>,
    transcript: &mut Transcript<'_>,
) -> TrialResult {
    let before = match client.get_balance() {
        Ok(balance) => balance.amount,
        Err(error) => {
            transcript.say(&format!("nothing was bought: {error}"));
            return TrialResult::NotBought;
        }
    };
    transcript.say(&format!("wallet {before}"));
    if cancel.is_cancelled() {
        transcript.say("interrupted: nothing was bought");
        return TrialResult::NotBought;
    }
    let Purchase { service, country, price } = purchase;
    // The purchase does not take the token: its reply must be read, because it names the order that
    // was paid for.
    let request = NumberRequest::new(service.as_str()).country(country.as_str()).max_price(*price);
    let bought = Instant::now();
    let lease = match client.lease(request) {
        Ok(lease) => lease,
        Err(error) => return not_bought(client, &error, transcript),
    };
    let charged = lease.price().map_or("an unknown price".to_owned(), |price| price.to_string());
    let number = lease
        .phone_number()
        .map_or("no number".to_owned(), |number| transcript.redactor.hide(number));
    transcript.say(&format!("bought {service} in {country} for {charged}: {number} (redacted)"));
    look(sender, lease.id(), cancel, replies, transcript);
    let end = settle(&lease, cancel, bought, transcript);
    // The order is settled or reported, so the lease must not settle it again.
    drop(lease.keep());
    if let Ok(balance) = client.get_balance() {
        let after = balance.amount;
        let all = if after == before {
            ", as before"
        } else {
            ", not as before: check it again in a few minutes"
        };
        transcript.say(&format!("wallet {after}{all}"));
    }
    end
}

/// Handles a failed purchase: it was refused, or its outcome is unknown.
fn not_bought(client: &Client, error: &Error, transcript: &mut Transcript<'_>) -> TrialResult {
    transcript.say(&error.to_string());
    let (Charge::Unknown, Some(intent)) = (error.charge(), error.intent()) else {
        return TrialResult::NotBought;
    };
    transcript.say("looking for the order in the history, for up to 90 seconds");
    match client.with_timeout(Duration::from_secs(120)).reconcile(intent) {
        Ok(answers) if answers.candidates.is_empty() => {
            transcript.say("not found in the history: check your orders on the service's site");
        }
        Ok(answers) => {
            let ids: Vec<&str> = answers
                .candidates
                .iter()
                .filter_map(|order| order.activation_id.as_deref())
                .collect();
            transcript.say_open(
                "the purchase may be one of these activations: ",
                &ids.join(", "),
                ": cancel it with setStatus 8",
            );
        }
        Err(error) => transcript.say(&format!("{error}: check your orders on the service's site")),
    }
    TrialResult::Open
}

/// Reads the status of the waiting number in every format, and the history.
fn look(
    sender: &mut Sender,
    id: &str,
    cancel: &CancelToken,
    replies: &mut Vec<(&'static str, Answer)>,
    transcript: &mut Transcript<'_>,
) {
    sender.targets.order = Some(id.to_owned());
    for (name, read, format) in [
        ("purchase-status-plain", ReadAction::Status(OrderChoice::Own), Format::Plain),
        ("purchase-status-json", ReadAction::Status(OrderChoice::Own), Format::Json),
        ("purchase-status-v2", ReadAction::StatusV2(OrderChoice::Own), Format::Json),
        ("purchase-orders", ReadAction::Orders, Format::Json),
    ] {
        if cancel.is_cancelled() {
            return;
        }
        let Ok(answer) =
            sender.send(Query { read, format, key: Key::Accepted, agent: Agent::Admitted }, cancel)
        else {
            return;
        };
        let said = match (&answer.result, json_of(&answer)) {
            (Err(error), _) => error.message.clone(),
            (Ok(_), Some(json)) if read == ReadAction::Orders => {
                let ids = json.to_string().matches(id).count();
                format!("the order {} in the history", if ids > 0 { "is" } else { "is not yet" })
            }
            (Ok(_), Some(json)) => format!("JSON: {}", fields_of(&json)),
            // A word that is not in the protocol may belong to a message.
            (Ok(_), None) => {
                first_word(&answer.body()).unwrap_or("text that is not in the protocol").to_owned()
            }
        };
        transcript.say(&format!("{}: {said}", read.action()));
        replies.push((name, answer));
    }
}

/// Cancels for the refund, and waits if the order is too young for that.
fn settle(
    lease: &Lease,
    cancel: &CancelToken,
    bought: Instant,
    transcript: &mut Transcript<'_>,
) -> TrialResult {
    let mut result = lease.settle(OnTooEarly::Fail);
    if let Err(error) = &result
        && let (ErrorKind::TooEarly, Retry::After(pause)) = (error.kind(), error.retry())
    {
        let age = bought.elapsed().as_secs();
        transcript.say(&format!(
            "not yet: the order is {age} s old and can be cancelled in {} s",
            pause.as_secs()
        ));
        result = lease.with_cancel(cancel).settle(OnTooEarly::Wait);
    }
    if result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Cancelled) {
        transcript.say_open(
            "interrupted: trying once more to cancel the activation ",
            lease.id(),
            "",
        );
        result = lease.with_timeout(LAST_ATTEMPT).settle(OnTooEarly::Fail);
    }
    let age = bought.elapsed().as_secs();
    match result {
        Ok(settlement) => {
            let how = match settlement.state {
                SettlementState::Cancelled => "cancelled for its refund",
                SettlementState::Completed => "a code arrived: completed, and its price is spent",
                SettlementState::CodeArrived => "a code arrived, and the order is open",
                _ => "the order had already ended",
            };
            transcript.say(&format!("{how}, after {age} s"));
            if settlement.state == SettlementState::CodeArrived {
                open(lease, transcript)
            } else {
                TrialResult::Settled
            }
        }
        Err(error) => {
            transcript.say(&error.to_string());
            open(lease, transcript)
        }
    }
}

fn open(lease: &Lease, transcript: &mut Transcript<'_>) -> TrialResult {
    transcript.say_open(
        "the number is open: settle the activation ",
        lease.id(),
        " (setStatus 8 cancels, 6 completes)",
    );
    TrialResult::Open
}
