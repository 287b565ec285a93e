//! The services that tell a story: what happens to a number, told by the service's code alone.
//!
//! Owns one table; a row is data. Everything that differs between two numbers of the sandbox is a field of [`Story`],
//! and an ordinary service is the story with nothing in it.

use super::catalogue::Ids;

/// When the SMS of a number comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It never does, unless a control call brings it.
    Never,
    /// So many milliseconds after the purchase, or after the request for the next code.
    After(u64),
    /// With the n-th poll, 1 being the first.
    Poll(u32),
}

/// How a purchase goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Buy {
    /// It is made and answered.
    Answered,
    /// It is refused: no numbers.
    NoNumbers,
    /// It is made, and the connection is reset in place of the reply.
    LostReply,
    /// It is not made, and the reply is a page.
    Html,
    /// It is made, and the reply is this error code.
    Hidden(&'static str),
}

/// What happens to the numbers of a service.
#[derive(Clone, Copy, Debug)]
pub(super) struct Story {
    /// How the purchase goes.
    pub(super) buy: Buy,
    /// What is charged, in micro-rupees, where that is not the listed price.
    pub(super) charges: Option<i64>,
    /// When the first SMS comes.
    pub(super) arrives: Arrival,
    /// The code of the first SMS; drawn where `None`.
    pub(super) code: Option<&'static str>,
    /// Whether there may be a next SMS.
    pub(super) multi: bool,
    /// After a request for the next code: how many polls repeat the old code, and how many then say "waiting". `None`
    /// lets time decide, as `arrives` says.
    pub(super) again: Option<(u32, u32)>,
    /// How long the number lives, in milliseconds.
    pub(super) lives: u64,
    /// How long a cancellation is denied, in milliseconds.
    pub(super) no_cancel: u64,
    /// How long the id is not known yet, in milliseconds.
    pub(super) lag: u64,
    /// Whether the first cancellation meets a code that just came.
    pub(super) race: bool,
    /// The poll at which the provider cancels; 0 is never.
    pub(super) provider_cancels: u32,
}

/// The story of a service that tells none.
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

/// The code of the service, its name, the shape of its ids, and the story.
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
