//! The life of a number: one is bought, looked at, and cancelled for its refund. Only where a purchase was allowed.
//!
//! The purchase and the cancellation are the library's: its rules about money, a budget, one purchase at most, and a lease
//! that settles. What is shown of the state in between is asked as every other question.

use std::time::{Duration, Instant};

use sastaotp::{
    Amount, CancelToken, Charge, Client, Error, ErrorKind, Lease, NumberRequest, OnTooEarly, Retry,
    SettlementState,
};

use crate::ask::{Agent, Ask, Asker, Format, Got, Key, Read, Whose};
use crate::judge::{fields_of, first_word, json_of};
use crate::redact::Redactor;

/// How long the end of an interrupted life may take.
const LAST: Duration = Duration::from_secs(10);

/// What is bought, and for how much at most.
#[derive(Clone, Debug)]
pub(crate) struct Purchase {
    pub(crate) service: String,
    pub(crate) country: String,
    pub(crate) price: Amount,
}

/// How a life ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Settled: nothing is left open.
    SettlementState,
    /// Nothing was bought.
    NotBought,
    /// A number is open, or may be: what to do is in the last line.
    Open,
}

/// What happens, line by line, as it happens.
pub(crate) struct Diary<'a> {
    began: Instant,
    redactor: &'a mut Redactor,
    show: &'a mut dyn FnMut(&str),
    pub(crate) lines: Vec<String>,
}

impl<'a> Diary<'a> {
    pub(crate) fn new(redactor: &'a mut Redactor, show: &'a mut dyn FnMut(&str)) -> Self {
        Self { began: Instant::now(), redactor, show, lines: Vec::new() }
    }

    fn say(&mut self, text: &str) {
        let text = self.redactor.line(text);
        self.write(&text);
    }

    /// Says why nothing was bought.
    pub(crate) fn nothing(&mut self, why: &str) -> End {
        self.say(why);
        End::NotBought
    }

    /// A line with an id in it that its reader must have: what is left open is named as the service knows it.
    fn say_open(&mut self, before: &str, id: &str, after: &str) {
        let (before, after) = (self.redactor.line(before), self.redactor.line(after));
        self.write(&format!("{before}{id}{after}"));
    }

    fn write(&mut self, text: &str) {
        let line = format!("{:6.1} s  {text}", self.began.elapsed().as_secs_f64());
        (self.show)(&line);
        self.lines.push(line);
    }
}

/// The cheapest number that can be had, within what was asked for and what may be spent.
pub(crate) fn choose(
    client: &Client,
    service: Option<&str>,
    country: Option<&str>,
    most: Amount,
) -> Result<Purchase, String> {
    let prices = client.get_prices(service, country).map_err(|error| error.to_string())?;
    let offers = prices
        .iter()
        // `*` and `any` leave the country to the service, and a stock of none is none.
        .filter(|price| price.country.parse::<u64>().is_ok() && price.available != Some(0))
        .filter(|price| service.is_none_or(|wanted| wanted == price.service))
        .filter(|price| country.is_none_or(|wanted| wanted == price.country))
        .filter_map(|price| Some((price.price.filter(|cost| *cost > Amount::ZERO)?, price)));
    let Some((price, offer)) = offers.min_by_key(|(cost, _)| *cost) else {
        return Err("no number is on sale for this service and country".to_owned());
    };
    if price > most {
        return Err(format!(
            "the cheapest number costs {price}, and --max-inr is {most}: nothing was bought"
        ));
    }
    Ok(Purchase { service: offer.service.to_owned(), country: offer.country.to_owned(), price })
}

/// Buys, looks and cancels. The replies to what was asked in between are added to `replies`.
pub(crate) fn live(
    client: &Client,
    asker: &mut Asker,
    purchase: &Purchase,
    cancel: &CancelToken,
    replies: &mut Vec<(&'static str, Got)>,
    diary: &mut Diary<'_>,
) -> End {
    let before = match client.get_balance() {
        Ok(balance) => balance.amount,
        Err(error) => {
            diary.say(&format!("nothing was bought: {error}"));
            return End::NotBought;
        }
    };
    diary.say(&format!("wallet {before}"));
    if cancel.is_cancelled() {
        diary.say("interrupted: nothing was bought");
        return End::NotBought;
    }
    let Purchase { service, country, price } = purchase;
    // No token here: a purchase that was sent must be answered, for the answer names what was paid for.
    let request = NumberRequest::new(service.as_str()).country(country.as_str()).max_price(*price);
    let bought = Instant::now();
    let lease = match client.lease(request) {
        Ok(lease) => lease,
        Err(error) => return not_bought(client, &error, diary),
    };
    let charged = lease.price().map_or("an unknown price".to_owned(), |price| price.to_string());
    let number =
        lease.phone_number().map_or("no number".to_owned(), |number| diary.redactor.hide(number));
    diary.say(&format!("bought {service} in {country} for {charged}: {number} (a stand-in)"));
    look(asker, lease.id(), cancel, replies, diary);
    let end = settle(&lease, cancel, bought, diary);
    // Settled, or told about: the lease must not try again.
    drop(lease.keep());
    if let Ok(balance) = client.get_balance() {
        let after = balance.amount;
        let all = if after == before {
            ", as before"
        } else {
            ", not as before: look at it again in a few minutes"
        };
        diary.say(&format!("wallet {after}{all}"));
    }
    end
}

/// A purchase without a number: refused, or nobody knows.
fn not_bought(client: &Client, error: &Error, diary: &mut Diary<'_>) -> End {
    diary.say(&error.to_string());
    let (Charge::Unknown, Some(intent)) = (error.charge(), error.intent()) else {
        return End::NotBought;
    };
    diary.say("looking for it in the order history, for up to a minute and a half");
    match client.with_timeout(Duration::from_secs(120)).reconcile(intent) {
        Ok(seen) if seen.candidates.is_empty() => {
            diary.say("not seen in the history: look at your orders on the service's site");
        }
        Ok(seen) => {
            let ids: Vec<&str> =
                seen.candidates.iter().filter_map(|order| order.activation_id.as_deref()).collect();
            diary.say_open(
                "it may be one of these activations: ",
                &ids.join(", "),
                ": cancel it with setStatus 8",
            );
        }
        Err(error) => diary.say(&format!("{error}: look at your orders on the service's site")),
    }
    End::Open
}

/// Looks at the number while it waits: every form of its state, and the history with it.
fn look(
    asker: &mut Asker,
    id: &str,
    cancel: &CancelToken,
    replies: &mut Vec<(&'static str, Got)>,
    diary: &mut Diary<'_>,
) {
    asker.subject.order = Some(id.to_owned());
    for (name, read, format) in [
        ("life-status-plain", Read::Status(Whose::Own), Format::Plain),
        ("life-status-json", Read::Status(Whose::Own), Format::Json),
        ("life-status-v2", Read::StatusV2(Whose::Own), Format::Json),
        ("life-orders", Read::Orders, Format::Json),
    ] {
        if cancel.is_cancelled() {
            return;
        }
        let Ok(got) =
            asker.ask(Ask { read, format, key: Key::Accepted, agent: Agent::Admitted }, cancel)
        else {
            return;
        };
        let said = match (&got.result, json_of(&got)) {
            (Err(error), _) => error.message.clone(),
            (Ok(_), Some(json)) if read == Read::Orders => {
                let ids = json.to_string().matches(id).count();
                format!("the order {} in the history", if ids > 0 { "is" } else { "is not yet" })
            }
            (Ok(_), Some(json)) => format!("JSON: {}", fields_of(&json)),
            // What is no word of the protocol may be a message.
            (Ok(_), None) => {
                first_word(&got.body()).unwrap_or("text that is no word of the protocol").to_owned()
            }
        };
        diary.say(&format!("{}: {said}", read.action()));
        replies.push((name, got));
    }
}

/// Cancels for the refund; waits where the order is too young for it.
fn settle(lease: &Lease, cancel: &CancelToken, bought: Instant, diary: &mut Diary<'_>) -> End {
    let mut result = lease.settle(OnTooEarly::Fail);
    if let Err(error) = &result
        && let (ErrorKind::TooEarly, Retry::After(pause)) = (error.kind(), error.retry())
    {
        let age = bought.elapsed().as_secs();
        diary.say(&format!(
            "not yet: {age} s old, and it may be cancelled in {} s",
            pause.as_secs()
        ));
        result = lease.with_cancel(cancel).settle(OnTooEarly::Wait);
    }
    if result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Cancelled) {
        diary.say_open("interrupted: one more try to cancel the activation ", lease.id(), "");
        result = lease.with_timeout(LAST).settle(OnTooEarly::Fail);
    }
    let age = bought.elapsed().as_secs();
    match result {
        Ok(settlement) => {
            let how = match settlement.state {
                SettlementState::Cancelled => "cancelled for its refund",
                SettlementState::Completed => "a code came: completed, and its price is spent",
                SettlementState::CodeArrived => "a code came, and the order is open",
                _ => "it was over already",
            };
            diary.say(&format!("{how}, after {age} s"));
            if settlement.state == SettlementState::CodeArrived {
                open(lease, diary)
            } else {
                End::SettlementState
            }
        }
        Err(error) => {
            diary.say(&error.to_string());
            open(lease, diary)
        }
    }
}

fn open(lease: &Lease, diary: &mut Diary<'_>) -> End {
    diary.say_open(
        "the number is open: settle the activation ",
        lease.id(),
        " (setStatus 8 cancels, 6 completes)",
    );
    End::Open
}
