//! Scenarios: services whose code alone determines how their numbers behave.
//!
//! This file owns one table, and a row is data. Every difference between two numbers of the sandbox
//! is a field of [`Scenario`]; ordinary services use [`ORDINARY`] as their base.

use super::catalogue::Ids;

/// When the SMS of a number arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Never, unless a control call delivers it.
    Never,
    /// This many milliseconds after the purchase, or after the request for the next code.
    After(u64),
    /// With the n-th poll; the first is 1.
    Poll(u32),
}

/// How a purchase proceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Buy {
    /// The number is bought, and the reply arrives.
    Answered,
    /// The purchase is refused with `NO_NUMBERS`.
    NoNumbers,
    /// The number is bought, and the connection is reset instead of a reply.
    LostReply,
    /// Nothing is bought, and the reply is an HTML page.
    Html,
    /// The number is bought, but the reply is this error code.
    Hidden(&'static str),
}

/// How the numbers of a service behave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Story {
    /// How a purchase proceeds.
    pub(super) buy: Buy,
    /// The price that is charged, in micro-rupees, if it differs from the listed price.
    pub(super) charges: Option<i64>,
    /// When the first SMS arrives.
    pub(super) arrives: Arrival,
    /// The code of the first SMS; random if `None`.
    pub(super) code: Option<&'static str>,
    /// Whether the number can receive another SMS.
    pub(super) multi: bool,
    /// After a request for the next code: how many polls repeat the old code, and how many polls
    /// after that say "waiting". With `None` the time decides, as in `sms_arrives`.
    pub(super) again: Option<(u32, u32)>,
    /// The lifetime of the number, in milliseconds.
    pub(super) lives: u64,
    /// How long cancellations are denied after the purchase, in milliseconds.
    pub(super) no_cancel: u64,
    /// How long after the purchase the id is unknown, in milliseconds.
    pub(super) lag: u64,
    /// Whether a code arrives during the first cancellation.
    pub(super) race: bool,
    /// The poll at which the provider cancels the order; 0 means never.
    pub(super) provider_cancels: u32,
}

/// The scenario of an ordinary service, without any special behaviour.
pub(super) const ORDINARY: Story = Story {
    buy: Buy::Answered,
    charges: None,
    arrives: Arrival::Never,
    code: None,
    multi: false,
    again: None,
    lives: 1_200_000,
    no_cancel: 0,
    lag: 0,
    race: false,
    provider_cancels: 0,
};

/// The service's code and name, its id format, and the scenario.
type Row = (&'static str, &'static str, Ids, Story);

#[rustfmt::skip]
pub(super) static STORIES: &[Row] = &[
    ("zz_ok", "Story: the code comes with the second poll", Ids::Number,
        Story { arrives: Arrival::Poll(2), ..ORDINARY }),
    ("zz_never", "Story: no code comes", Ids::Letters,
        ORDINARY),
    ("zz_multi", "Story: a second code after status=3", Ids::Letters,
        Story { arrives: Arrival::Poll(1), multi: true, again: Some((0, 1)), ..ORDINARY }),
    ("zz_stale", "Story: the old code is repeated after status=3", Ids::Number,
        Story { arrives: Arrival::Poll(1), multi: true, again: Some((1, 1)), ..ORDINARY }),
    ("zz_nonumbers", "Story: listed, and none to buy", Ids::Number,
        Story { buy: Buy::NoNumbers, ..ORDINARY }),
    ("zz_price_up", "Story: listed at 10.00, costs 20.00", Ids::Number,
        Story { charges: Some(20_000_000), arrives: Arrival::Poll(2), ..ORDINARY }),
    ("zz_lost_reply", "Story: bought, and the connection is reset", Ids::Letters,
        Story { buy: Buy::LostReply, arrives: Arrival::Poll(2), ..ORDINARY }),
    ("zz_html", "Story: a page in place of the reply, nothing bought", Ids::Number,
        Story { buy: Buy::Html, ..ORDINARY }),
    ("zz_cancel_race", "Story: the code comes as the number is cancelled", Ids::Number,
        Story { race: true, ..ORDINARY }),
    ("zz_early_cancel", "Story: no cancellation for 120 seconds", Ids::Letters,
        Story { no_cancel: 120_000, ..ORDINARY }),
    ("zz_colon", "Story: the code is 12:34", Ids::Number,
        Story { arrives: Arrival::Poll(2), code: Some("12:34"), ..ORDINARY }),
    ("zz_expire", "Story: expires after 30 seconds", Ids::Number,
        Story { lives: 30_000, ..ORDINARY }),
    ("zz_provider_cancel", "Story: the provider cancels at the second poll", Ids::Number,
        Story { provider_cancels: 2, ..ORDINARY }),
    ("zz_lag", "Story: the id is not known for 6 seconds", Ids::Hex,
        Story { arrives: Arrival::After(8_000), lag: 6_000, ..ORDINARY }),
    ("zz_sql", "Story: bought, and answered ERROR_SQL", Ids::Number,
        Story { buy: Buy::Hidden("ERROR_SQL"), arrives: Arrival::Poll(2), ..ORDINARY }),
    ("zz_provider_error", "Story: bought, and answered PROVIDER_ERROR", Ids::Number,
        Story { buy: Buy::Hidden("PROVIDER_ERROR"), arrives: Arrival::Poll(2), ..ORDINARY }),
    ("zz_server_error", "Story: bought, and answered SERVER_ERROR", Ids::Number,
        Story { buy: Buy::Hidden("SERVER_ERROR"), arrives: Arrival::Poll(2), ..ORDINARY }),
];
