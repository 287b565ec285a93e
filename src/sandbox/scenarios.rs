//! Scenarios: services whose code alone determines how their numbers behave.
//!
//! This file owns one table, and a row is data. Every difference between two numbers of the sandbox
//! is a field of [`Scenario`]; ordinary services use [`ORDINARY`] as their base.

/// The format of a service's activation ids. All of them occur at the live service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdFormat {
    /// `38496653`.
    Number,
    /// `Lw4S1r37abcXYZ`.
    Letters,
    /// 24 hexadecimal digits.
    Hex,
}

/// When the SMS of a number arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SmsArrival {
    /// Never, unless a control call delivers it.
    Never,
    /// This many milliseconds after the purchase, or after the request for the next code.
    After(u64),
    /// With the n-th poll; the first is 1.
    Poll(u32),
}

/// How a purchase proceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PurchaseOutcome {
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
pub(super) struct Scenario {
    /// How a purchase proceeds.
    pub(super) purchase: PurchaseOutcome,
    /// The price that is charged, in micro-rupees, if it differs from the listed price.
    pub(super) charged_price: Option<i64>,
    /// When the first SMS arrives.
    pub(super) sms_arrives: SmsArrival,
    /// The code of the first SMS; random if `None`.
    pub(super) code: Option<&'static str>,
    /// Whether the number can receive another SMS.
    pub(super) multi_sms: bool,
    /// After a request for the next code: how many polls repeat the old code, and how many polls
    /// after that say "waiting". With `None` the time decides, as in `sms_arrives`.
    pub(super) next_code_polls: Option<(u32, u32)>,
    /// The lifetime of the number, in milliseconds.
    pub(super) lifetime_ms: u64,
    /// How long cancellations are denied after the purchase, in milliseconds.
    pub(super) no_cancel_ms: u64,
    /// How long after the purchase the id is unknown, in milliseconds.
    pub(super) hidden_ms: u64,
    /// Whether a code arrives during the first cancellation.
    pub(super) code_on_cancel: bool,
    /// The poll at which the provider cancels the order; 0 means never.
    pub(super) provider_cancels_at_poll: u32,
}

/// The scenario of an ordinary service, without any special behaviour.
pub(super) const ORDINARY: Scenario = Scenario {
    purchase: PurchaseOutcome::Answered,
    charged_price: None,
    sms_arrives: SmsArrival::Never,
    code: None,
    multi_sms: false,
    next_code_polls: None,
    lifetime_ms: 1_200_000,
    no_cancel_ms: 0,
    hidden_ms: 0,
    code_on_cancel: false,
    provider_cancels_at_poll: 0,
};

/// The service's code and name, its id format, and the scenario.
type Row = (&'static str, &'static str, IdFormat, Scenario);

#[rustfmt::skip]
pub(super) static SCENARIOS: &[Row] = &[
    ("zz_ok", "Scenario: the code arrives with the second poll", IdFormat::Number,
        Scenario { sms_arrives: SmsArrival::Poll(2), ..ORDINARY }),
    ("zz_never", "Scenario: no code arrives", IdFormat::Letters,
        ORDINARY),
    ("zz_multi", "Scenario: a second code after status=3", IdFormat::Letters,
        Scenario {
            sms_arrives: SmsArrival::Poll(1),
            multi_sms: true,
            next_code_polls: Some((0, 1)),
            ..ORDINARY
        }),
    ("zz_stale", "Scenario: the old code is repeated after status=3", IdFormat::Number,
        Scenario {
            sms_arrives: SmsArrival::Poll(1),
            multi_sms: true,
            next_code_polls: Some((1, 1)),
            ..ORDINARY
        }),
    ("zz_nonumbers", "Scenario: listed, but out of stock", IdFormat::Number,
        Scenario { purchase: PurchaseOutcome::NoNumbers, ..ORDINARY }),
    ("zz_price_up", "Scenario: listed at 10.00, costs 20.00", IdFormat::Number,
        Scenario { charged_price: Some(20_000_000), sms_arrives: SmsArrival::Poll(2), ..ORDINARY }),
    ("zz_lost_reply", "Scenario: bought, but the connection is reset", IdFormat::Letters,
        Scenario {
            purchase: PurchaseOutcome::LostReply,
            sms_arrives: SmsArrival::Poll(2),
            ..ORDINARY
        }),
    ("zz_html", "Scenario: not bought, and the reply is a page", IdFormat::Number,
        Scenario { purchase: PurchaseOutcome::Html, ..ORDINARY }),
    ("zz_cancel_race", "Scenario: the code arrives during the cancellation", IdFormat::Number,
        Scenario { code_on_cancel: true, ..ORDINARY }),
    ("zz_early_cancel", "Scenario: no cancellation for 120 seconds", IdFormat::Letters,
        Scenario { no_cancel_ms: 120_000, ..ORDINARY }),
    ("zz_colon", "Scenario: the code is 12:34", IdFormat::Number,
        Scenario { sms_arrives: SmsArrival::Poll(2), code: Some("12:34"), ..ORDINARY }),
    ("zz_expire", "Scenario: expires after 30 seconds", IdFormat::Number,
        Scenario { lifetime_ms: 30_000, ..ORDINARY }),
    ("zz_provider_cancel", "Scenario: the provider cancels at the second poll", IdFormat::Number,
        Scenario { provider_cancels_at_poll: 2, ..ORDINARY }),
    ("zz_lag", "Scenario: the id is unknown for 6 seconds", IdFormat::Hex,
        Scenario { sms_arrives: SmsArrival::After(8_000), hidden_ms: 6_000, ..ORDINARY }),
    ("zz_sql", "Scenario: bought, but answered ERROR_SQL", IdFormat::Number,
        Scenario {
            purchase: PurchaseOutcome::Hidden("ERROR_SQL"),
            sms_arrives: SmsArrival::Poll(2),
            ..ORDINARY
        }),
    ("zz_provider_error", "Scenario: bought, but answered PROVIDER_ERROR", IdFormat::Number,
        Scenario {
            purchase: PurchaseOutcome::Hidden("PROVIDER_ERROR"),
            sms_arrives: SmsArrival::Poll(2),
            ..ORDINARY
        }),
    ("zz_server_error", "Scenario: bought, but answered SERVER_ERROR", IdFormat::Number,
        Scenario {
            purchase: PurchaseOutcome::Hidden("SERVER_ERROR"),
            sms_arrives: SmsArrival::Poll(2),
            ..ORDINARY
        }),
];
