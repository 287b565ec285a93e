//! The table of assumptions about the service: each row says how well it is known, and how it is
//! checked.

use std::fmt::Write as _;

use libtest_mimic::Failed;
use sastaotp::Client;

use super::{Service, money, reads};

/// An assumption about the service, and its source.
pub(crate) struct Row {
    pub(crate) action: &'static str,
    pub(crate) assumption: &'static str,
    pub(crate) grade: Grade,
    /// A limit of the grade, or a difference from the documentation.
    pub(crate) note: &'static str,
    pub(crate) check: Check,
}

/// How well the assumption is known for the live service.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Grade {
    /// The vendor's page says so.
    Documented,
    /// Users of the live service have seen it.
    Observed,
    /// Other services of this protocol do so, but it has not been seen on this one.
    Guessed,
}

pub(crate) enum Check {
    /// It only reads, and costs nothing.
    Read(fn(&Service) -> Result<(), String>),
    /// It may cost money, and settles everything it buys.
    Money(fn(&Client) -> Result<(), String>),
    /// It needs an SMS or a failing service, so another test checks it, against the sandbox only.
    Elsewhere(&'static str),
}

impl Grade {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Documented => "documented",
            Self::Observed => "observed",
            Self::Guessed => "guessed",
        }
    }
}

use Check::{Elsewhere, Money, Read};
use Grade::{Documented, Guessed, Observed};

const fn row(
    action: &'static str,
    assumption: &'static str,
    grade: Grade,
    note: &'static str,
    check: Check,
) -> Row {
    Row { action, assumption, grade, note, check }
}

#[rustfmt::skip]
pub(crate) static ROWS: &[Row] = &[
    row("every action", "a key in X-API-Key is accepted", Documented, "",
        Read(reads::key_in_header)),
    row("every action", "a key as `api_key` is accepted", Documented, "",
        Read(reads::key_in_query)),
    row("every action", "a key in Authorization is accepted", Documented,
        "proxies in front of such services often drop the header", Read(reads::key_in_bearer)),
    row("every action", "a wrong key is refused with BAD_KEY", Documented, "",
        Read(reads::wrong_key)),
    row("every action", "the library's User-Agent is let through", Guessed,
        "unknown agents got a firewall's 403", Read(reads::library_agent)),
    row("getBalance", "an amount in INR", Documented, "", Read(reads::balance)),
    row("getCountries", "each country has a different code", Documented,
        "the page has a list, users saw an object by code: the library reads both",
        Read(reads::countries)),
    row("getCountries", "India is 22", Observed, "the page has 91, its calling code",
        Read(reads::india)),
    row("getServicesList", "services by code, with a price in INR", Documented, "",
        Read(reads::services)),
    row("getServicesList", "one service with its countries", Documented, "",
        Read(reads::service_with_countries)),
    row("getServicesList", "all services come without their countries", Observed,
        "the page shows them", Read(reads::services_without_countries)),
    row("getPrices", "prices by country and service", Observed, "", Read(reads::prices)),
    row("getPrices", "one service in one country", Guessed, "", Read(reads::price_of_one)),
    row("getPrices", "a single price is the same as in the list", Guessed,
        "prices may change between the requests", Read(reads::prices_agree)),
    row("getOrders", "`limit` limits a page", Documented,
        "no reply has been published: the library reads five formats", Read(reads::orders_limit)),
    row("getOrders", "newest orders first", Guessed, "reconcile needs it",
        Read(reads::orders_newest_first)),
    row("getOrders", "`status` filters", Documented, "", Read(reads::orders_filtered)),
    row("getStatus", "an unknown id is NO_ACTIVATION", Documented, "", Read(reads::unknown_id)),
    row("getNumber",
        "a price above maxPrice is refused with MAX_PRICE_EXCEEDED, and nothing is charged",
        Documented, "", Money(money::price_limit)),
    row("getNumber",
        "an id, a number and a price of at most maxPrice; the wallet pays that price",
        Documented, "", Money(money::purchase)),
    row("getNumber", "the order is in the history at once, under the same id", Guessed,
        "reconcile looks for 60 seconds by default", Money(money::in_the_history)),
    row("getStatus", "a new order waits", Documented, "", Money(money::waits)),
    row("setStatus", "8 cancels and refunds the price", Documented,
        "observed: refused for about two minutes after the purchase, so the check waits",
        Money(money::refund)),
    row("setStatus", "a second cancellation refunds nothing", Guessed, "",
        Money(money::second_cancel)),
    row("getStatus", "a cancelled order is STATUS_CANCEL", Documented,
        "also for an expired order or, at similar services, a completed one",
        Money(money::cancelled)),
    row("setStatus", "6 completes", Documented,
        "the help of BAD_STATUS calls it a cancellation: the reply decides",
        Elsewhere("client/settling.rs")),
    row("setStatus", "3 requests the next code, and the old one may show until then", Observed,
        "", Elsewhere("client/waits.rs")),
    row("setStatus", "EARLY_CANCEL_DENIED for about two minutes", Observed, "not on the page",
        Elsewhere("client/settling.rs")),
    row("getStatus", "everything after the first colon is the code", Guessed, "",
        Elsewhere("protocol.rs")),
    row("getStatus", "STATUS_WAIT_RETRY shows the old code and still waits", Guessed, "",
        Elsewhere("client/waits.rs")),
    row("getNumber", "an order ends after `expires_in` and is refunded", Documented,
        "the time of the refund is not documented", Elsewhere("client/waits.rs")),
    row("regetNumber", "a new order on the number of a completed one, for the same price",
        Documented, "", Elsewhere("client/charges.rs")),
    row("regetNumber", "an order that is not completed is refused with SERVICE_UNAVAILABLE",
        Guessed, "the page names completed orders only, and no code of the refusal",
        Elsewhere("sandbox.rs")),
    row("every action", "errors in JSON are `{status, error}` with HTTP 200", Guessed,
        "the library reads six formats; a code in the body beats the HTTP status",
        Elsewhere("protocol.rs")),
    row("every action", "only GET is answered; any other method is refused with 405", Guessed,
        "the page shows GET; two public clients send POST, and HEAD must buy nothing",
        Elsewhere("sandbox.rs")),
    row("every action", "replies have a length", Guessed,
        "a plain reply without one proves nothing", Elsewhere("faults/")),
    row("every action", "429 if too many requests are sent", Observed,
        "the rate limit is unknown", Elsewhere("sandbox.rs")),
];

/// Generates the parity page from the table.
fn page() -> String {
    let mut page = String::from(
        "# Parity of the sandbox with the live service\n\n\
         Generated from the table in `tests/contract/table.rs`, whose checks hold for the\n\
         sandbox. *Documented* means that the vendor's page says so, *observed* that users of the\n\
         live service have seen it, and *guessed* that other services of this protocol do so.\n\
         `tests/contract/run --live --max-inr N` checks the rows marked *live* against the\n\
         service that your key belongs to, and `sastaotp-doctor` shows more of it: please report\n\
         their findings.\n\n\
         | action | the sandbox | the live service | checked |\n\
         |---|---|---|---|\n",
    );
    for Row { action, assumption, grade, note, check } in ROWS {
        let known = if note.is_empty() {
            grade.word().to_owned()
        } else {
            format!("{}; {note}", grade.word())
        };
        let checked = match check {
            Check::Read(_) => "live, read only".to_owned(),
            Check::Money(_) => "live, within a budget".to_owned(),
            Check::Elsewhere(test) => format!("`{test}`"),
        };
        let _ = writeln!(page, "| {action} | {assumption} | {known} | {checked} |");
    }
    page
}

/// Every test that a row names exists.
pub(crate) fn tests_are_there() -> Result<(), Failed> {
    for row in ROWS {
        if let Check::Elsewhere(test) = row.check
            && !std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(test).exists()
        {
            return Err(format!("{}: tests/{test} does not exist", row.assumption).into());
        }
    }
    Ok(())
}

/// Compares the committed page with the table, or writes it.
pub(crate) fn page_is_up_to_date() -> Result<(), Failed> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/sandbox/PARITY.md");
    if std::env::var_os("SASTAOTP_BLESS").is_some() {
        std::fs::write(path, page())?;
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    if committed == page() {
        Ok(())
    } else {
        Err("PARITY.md is out of date: run again with SASTAOTP_BLESS=1, and check the difference"
            .into())
    }
}
