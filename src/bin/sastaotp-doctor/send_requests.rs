//! Sends the doctor's requests. Unless a purchase is allowed, no other part of the program contacts
//! the service.
//!
//! A request is a [`ReadAction`], and none of them changes anything. An action that buys or changes
//! an order cannot be named here, because it has no variant. Requests are sent one at a time with a
//! pause in between, and their total number and time are limited.

use std::borrow::Cow;
use std::thread;
use std::time::{Duration, Instant};

use sastaotp::CancelToken;
use sastaotp::protocol::{self, ErrorCode, RawReply, ReplyError, Request};
use sastaotp::transport::{
    self, HttpConfig, HttpTransport, Lane, Reply, SendLatch, Timings, TransportError,
};
use zeroize::Zeroizing;

/// A key that no account has and that does not resemble the user's: a service that locks a key
/// after failed attempts must not lock the user's. The sandbox refuses this key by name.
const WRONG_KEY: &str = "sandbox_bad";
/// An id that no order has.
const WRONG_ID: &str = "0";
/// The time limit of one request.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The library's own limit for a catalogue, in bytes.
const BODY_LIMIT: usize = 16 << 20;

/// The requests that the doctor can send. All of them only read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadAction {
    Balance,
    Countries,
    Services,
    /// The alias of the same action.
    ServicesAlias,
    /// One service.
    ServicesOf,
    Prices,
    /// One service in one country.
    PricesOf,
    Orders,
    OrdersCompleted,
    /// The status of an order.
    Status(OrderChoice),
    StatusV2(OrderChoice),
    /// getStatus without an id.
    StatusOfNothing,
    /// An action that does not exist.
    Unknown,
    /// No action at all.
    Nothing,
}

/// The order whose status is requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrderChoice {
    /// An order of the account, if it has one.
    Own,
    /// An id that no order has.
    Nonexistent,
}

/// The reply format that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Plain,
    Json,
}

/// How a request carries the API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Header,
    Bearer,
    Query,
    /// The first of these ways that the service accepted.
    Accepted,
    Wrong,
    Missing,
}

/// The User-Agent of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agent {
    /// The library's own.
    Library,
    Other,
    /// The first of these that the service let through.
    Admitted,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query {
    pub(crate) read: ReadAction,
    pub(crate) format: Format,
    pub(crate) key: Key,
    pub(crate) agent: Agent,
}

/// A request and its result.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) query: Query,
    pub(crate) result: Result<Reply, TransportError>,
    pub(crate) timings: Timings,
}

/// The service, country and order that later requests name, taken from earlier replies.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    pub(crate) service: Option<String>,
    pub(crate) country: Option<String>,
    /// The activation id of an order.
    pub(crate) order: Option<String>,
}

/// Why no further request is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// The service answered 429.
    TooMany,
    /// The service let neither User-Agent through.
    Blocked,
    /// The service accepted the key in no location, or the account is closed. The service's error
    /// code.
    Refused(String),
    /// The run reached its time limit or its request limit.
    Bound,
    /// The service cannot be reached; the reason.
    Unreachable(String),
}

/// The limits of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) pause: Duration,
    pub(crate) total: Duration,
    pub(crate) requests: u32,
}

/// Sends requests within the limits.
pub(crate) struct Sender {
    library: HttpTransport,
    other: HttpTransport,
    key: Zeroizing<String>,
    limits: Limits,
    started: Instant,
    last: Option<Instant>,
    pub(crate) requests: u32,
    pub(crate) accepted: Key,
    pub(crate) admitted: Agent,
    pub(crate) targets: Targets,
}

impl ReadAction {
    /// Returns the library's request for this action; `None` for the deliberate mistakes, which the
    /// library cannot send.
    fn request(self, targets: &Targets) -> Option<Request<'_>> {
        let order = |whose| match whose {
            OrderChoice::Own => targets.order.as_deref().unwrap_or(WRONG_ID),
            OrderChoice::Nonexistent => WRONG_ID,
        };
        let (service, country) = (targets.service.as_deref(), targets.country.as_deref());
        Some(match self {
            Self::Balance => Request::GetBalance,
            Self::Countries => Request::GetCountries,
            Self::Services => Request::GetServices { service: None },
            Self::ServicesOf => Request::GetServices { service },
            Self::Prices => Request::GetPrices { service: None, country: None },
            Self::PricesOf => Request::GetPrices { service, country },
            Self::Orders => Request::GetOrders { limit: 20, page: 1, status: None },
            Self::OrdersCompleted => {
                Request::GetOrders { limit: 5, page: 1, status: Some("completed") }
            }
            Self::Status(whose) => Request::GetStatus { id: order(whose) },
            Self::StatusV2(whose) => Request::GetStatusV2 { id: order(whose) },
            Self::ServicesAlias | Self::StatusOfNothing | Self::Unknown | Self::Nothing => {
                return None;
            }
        })
    }

    /// Returns the query of the request in this format, without a key.
    fn text(self, format: Format, targets: &Targets) -> Result<String, String> {
        const JSON: &str = "&format=json";
        let text: Cow<'_, str> = match (self, self.request(targets)) {
            (_, Some(request)) => request.query().map_err(|error| error.0)?.into(),
            (Self::ServicesAlias, _) => "action=getServices".into(),
            (Self::StatusOfNothing, _) => "action=getStatus".into(),
            (Self::Unknown, _) => "action=getNothing".into(),
            _ => "check=1".into(),
        };
        // The library picks the format for each action; the doctor requests both.
        let bare = text.strip_suffix(JSON).unwrap_or(&text);
        Ok(format!("{bare}{}", if format == Format::Json { JSON } else { "" }))
    }

    /// The action's name, for captures.
    pub(crate) fn action(self) -> &'static str {
        match self {
            Self::ServicesAlias => "getServices",
            Self::StatusOfNothing => "getStatus",
            Self::Unknown => "getNothing",
            Self::Nothing => "",
            _ => self.request(&Targets::default()).map_or("", |request| request.action()),
        }
    }

    /// Whether the reply contains data of the account.
    pub(crate) fn is_private(self) -> bool {
        !matches!(
            self,
            Self::Countries
                | Self::Services
                | Self::ServicesAlias
                | Self::ServicesOf
                | Self::Prices
                | Self::PricesOf
        )
    }
}

impl Answer {
    /// The reply in the form that the parsers take.
    pub(crate) fn raw(&self) -> Option<RawReply<'_>> {
        let Reply { status, framed, body, .. } = self.result.as_ref().ok()?;
        Some(RawReply { status: *status, framed: *framed, body })
    }

    /// The body as text.
    pub(crate) fn body(&self) -> Cow<'_, str> {
        self.result.as_ref().map_or(Cow::Borrowed(""), |reply| String::from_utf8_lossy(&reply.body))
    }

    /// The error of the reply, if it is one: a service error, or an unreadable reply with the name
    /// of its fault.
    pub(crate) fn failure(&self) -> Option<ReplyError> {
        // Every parser of the library recognizes errors, and a balance cannot be mistaken for one.
        self.raw().and_then(|raw| protocol::parse_balance(raw).err())
    }

    /// The service's error code.
    pub(crate) fn code(&self) -> Option<ErrorCode> {
        match self.failure()? {
            ReplyError::Service(error) => Some(error.code),
            ReplyError::Invalid(_) => None,
        }
    }

    /// The name of the fault that made the reply unreadable.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        match self.failure()? {
            ReplyError::Service(_) => None,
            ReplyError::Invalid(unreadable) => Some(unreadable.fault),
        }
    }
}

impl Sender {
    /// Prepares the transports, without connecting.
    pub(crate) fn new(
        base_url: &str,
        key: &str,
        other_agent: &str,
        limits: Limits,
    ) -> Result<Self, String> {
        let library = HttpConfig::new(base_url);
        let mut other = library.clone();
        other_agent.clone_into(&mut other.user_agent);
        Ok(Self {
            library: HttpTransport::new(library)?,
            other: HttpTransport::new(other)?,
            key: Zeroizing::new(key.to_owned()),
            limits,
            started: Instant::now(),
            last: None,
            requests: 0,
            accepted: Key::Header,
            admitted: Agent::Library,
            targets: Targets::default(),
        })
    }

    /// Sends one request, after the pause.
    pub(crate) fn send(
        &mut self,
        query: Query,
        cancel: &CancelToken,
    ) -> Result<Answer, StopReason> {
        let Limits { pause, total, requests } = self.limits;
        let left = total.saturating_sub(self.started.elapsed() + pause);
        if self.requests >= requests || left.is_zero() {
            return Err(StopReason::Bound);
        }
        if let Some(last) = self.last {
            thread::sleep(pause.saturating_sub(last.elapsed()));
        }
        let bearer;
        let mut query_text = Zeroizing::new(
            query.read.text(query.format, &self.targets).map_err(StopReason::Unreachable)?,
        );
        let key = if query.key == Key::Accepted { self.accepted } else { query.key };
        let key_header = match key {
            Key::Header | Key::Accepted => Some(("X-API-Key", self.key.as_str())),
            Key::Wrong => Some(("X-API-Key", WRONG_KEY)),
            Key::Bearer => {
                bearer = Zeroizing::new(format!("Bearer {}", self.key.as_str()));
                Some(("Authorization", bearer.as_str()))
            }
            Key::Query => {
                let encoded = percent_encoding::utf8_percent_encode(
                    &self.key,
                    percent_encoding::NON_ALPHANUMERIC,
                );
                query_text = Zeroizing::new(format!("api_key={encoded}&{}", query_text.as_str()));
                None
            }
            Key::Missing => None,
        };
        let agent = if query.agent == Agent::Admitted { self.admitted } else { query.agent };
        let transport = if agent == Agent::Other { &self.other } else { &self.library };
        let (result, timings) = transport.exchange_timed(&transport::Request {
            lane: Lane::Read,
            query: &query_text,
            key_header,
            gzip: !query.read.is_private(),
            body_limit: BODY_LIMIT,
            timeout: TIMEOUT.min(left),
            cancel,
            latch: &SendLatch::default(),
        });
        self.requests += 1;
        self.last = Some(Instant::now());
        let answer = Answer { query, result, timings };
        if answer.result.as_ref().is_ok_and(|reply| reply.status == 429) {
            return Err(StopReason::TooMany);
        }
        if let (Some(code @ (ErrorCode::KeyInactive | ErrorCode::AccountBanned)), true) =
            (answer.code(), key != Key::Wrong)
        {
            return Err(StopReason::Refused(code.to_string()));
        }
        Ok(answer)
    }

    /// Sets up the library's own client with the key location and the User-Agent that work.
    pub(crate) fn client(&self, base_url: &str, other_agent: &str) -> sastaotp::ClientBuilder {
        let place = match self.accepted {
            Key::Bearer => sastaotp::ApiKeyLocation::Bearer,
            Key::Query => sastaotp::ApiKeyLocation::Query,
            _ => sastaotp::ApiKeyLocation::Header,
        };
        let builder = sastaotp::Client::builder()
            .api_key(&self.key)
            .base_url(base_url)
            .api_key_location(place);
        if self.admitted == Agent::Other { builder.user_agent(other_agent) } else { builder }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_only_reads() {
        let targets = Targets { order: Some("7".into()), ..Targets::default() };
        for read in crate::questions::QUESTIONS
            .iter()
            .filter_map(|question| question.query)
            .map(|query| query.read)
        {
            for format in [Format::Plain, Format::Json] {
                let query = read.text(format, &targets).unwrap();
                let action =
                    query.split('&').find_map(|pair| pair.strip_prefix("action=")).unwrap_or("");
                assert!(matches!(
                    action,
                    "" | "getBalance"
                        | "getCountries"
                        | "getServicesList"
                        | "getServices"
                        | "getPrices"
                        | "getOrders"
                        | "getStatus"
                        | "getStatusV2"
                        | "getNothing"
                ));
                assert_eq!(
                    query.matches("&format=json").count(),
                    usize::from(format == Format::Json),
                    "{query}"
                );
            }
            if let Some(request) = read.request(&targets) {
                assert_eq!(request.class(), protocol::ActionClass::Read);
            }
        }
    }
}
