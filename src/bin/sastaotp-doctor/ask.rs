//! How a question is put: the only place of this program that speaks to the service, unless a purchase was allowed.
//!
//! What can be asked is a [`Read`], and each of them changes nothing. There is no way to write the name of an action that buys
//! or changes an order: it would need a variant here. One request at a time, with a pause before it, and a bound for them all.

use std::borrow::Cow;
use std::thread;
use std::time::{Duration, Instant};

use sastaotp::CancelToken;
use sastaotp::protocol::{self, Code, RawReply, ReplyError, Request};
use sastaotp::transport::{
    self, HttpConfig, HttpTransport, Lane, Reply, SendLatch, Timings, TransportError,
};
use zeroize::Zeroizing;

/// A key that no account has, and nothing like the user's: a service that locks a key after wrong tries must not lock that one.
/// The sandbox refuses it by name.
const WRONG_KEY: &str = "sandbox_bad";
/// An id that no order has.
const WRONG_ID: &str = "0";
/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// As large as the library reads a catalogue.
const LIMIT: usize = 16 << 20;

/// What is asked. All of it is read, nothing is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    Balance,
    Countries,
    Services,
    /// The other name of the same.
    ServicesAlias,
    /// One service.
    ServicesOf,
    Prices,
    /// One service in one country.
    PricesOf,
    Orders,
    OrdersCompleted,
    /// The order that is looked at, or one that is none.
    Status(Whose),
    StatusV2(Whose),
    /// getStatus without an id.
    StatusOfNothing,
    /// An action that does not exist.
    Unknown,
    /// No action at all.
    Nothing,
}

/// The order that a status is asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// One of the account, where there is one.
    Own,
    /// An id that no order has.
    Nobodys,
}

/// How a request says which form of reply it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Plain,
    Json,
}

/// How a request gives the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Header,
    Bearer,
    Query,
    /// As the first of these that was accepted.
    Accepted,
    Wrong,
    Missing,
}

/// What a request calls itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agent {
    /// As the library does.
    Library,
    Other,
    /// As the first of these that was let through.
    Admitted,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) read: Read,
    pub(crate) format: Format,
    pub(crate) key: Key,
    pub(crate) agent: Agent,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) ask: Ask,
    pub(crate) result: Result<Reply, TransportError>,
    pub(crate) timings: Timings,
}

/// What later questions are about, learned from earlier replies.
#[derive(Debug, Default)]
pub(crate) struct Subject {
    pub(crate) service: Option<String>,
    pub(crate) country: Option<String>,
    /// The activation id of an order.
    pub(crate) order: Option<String>,
}

/// Why no further question is put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The service asked for fewer requests.
    TooMany,
    /// Neither agent was let through.
    Blocked,
    /// No way to give the key was accepted, or the account is closed; the service's code.
    Refused(String),
    /// The time for the run is over, or as many requests were made as a run may make.
    Bound,
    /// Nothing can be reached; the reason.
    Unreachable(String),
}

/// The limits of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) pause: Duration,
    pub(crate) total: Duration,
    pub(crate) requests: u32,
}

/// Puts questions.
pub(crate) struct Asker {
    library: HttpTransport,
    other: HttpTransport,
    key: Zeroizing<String>,
    bounds: Bounds,
    began: Instant,
    last: Option<Instant>,
    pub(crate) requests: u32,
    pub(crate) accepted: Key,
    pub(crate) admitted: Agent,
    pub(crate) subject: Subject,
}

impl Read {
    /// The request that the library has for it; `None` for what only a mistake would send.
    fn request(self, subject: &Subject) -> Option<Request<'_>> {
        let order = |whose| match whose {
            Whose::Own => subject.order.as_deref().unwrap_or(WRONG_ID),
            Whose::Nobodys => WRONG_ID,
        };
        let (service, country) = (subject.service.as_deref(), subject.country.as_deref());
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

    /// The query of the request, in this format and without a key.
    fn query(self, format: Format, subject: &Subject) -> Result<String, String> {
        const JSON: &str = "&format=json";
        let query: Cow<'_, str> = match (self, self.request(subject)) {
            (_, Some(request)) => request.query().map_err(|error| error.0)?.into(),
            (Self::ServicesAlias, _) => "action=getServices".into(),
            (Self::StatusOfNothing, _) => "action=getStatus".into(),
            (Self::Unknown, _) => "action=getNothing".into(),
            _ => "check=1".into(),
        };
        // The library decides the format by the action; here both are asked for.
        let bare = query.strip_suffix(JSON).unwrap_or(&query);
        Ok(format!("{bare}{}", if format == Format::Json { JSON } else { "" }))
    }

    /// The action's name, for captures.
    pub(crate) fn action(self) -> &'static str {
        match self {
            Self::ServicesAlias => "getServices",
            Self::StatusOfNothing => "getStatus",
            Self::Unknown => "getNothing",
            Self::Nothing => "",
            _ => self.request(&Subject::default()).map_or("", |request| request.action()),
        }
    }

    /// Whether the reply is about the account.
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

impl Got {
    /// The reply as the parsers take it.
    pub(crate) fn raw(&self) -> Option<RawReply<'_>> {
        let Reply { status, framed, body, .. } = self.result.as_ref().ok()?;
        Some(RawReply { status: *status, framed: *framed, body })
    }

    /// The body as text.
    pub(crate) fn body(&self) -> Cow<'_, str> {
        self.result.as_ref().map_or(Cow::Borrowed(""), |reply| String::from_utf8_lossy(&reply.body))
    }

    /// The error of the reply, if it is one: of the service, or the row of the fault matrix.
    pub(crate) fn failure(&self) -> Option<ReplyError> {
        // Any parser of the library tells an error; a balance is never mistaken for one.
        self.raw().and_then(|raw| protocol::parse_balance(raw).err())
    }

    /// The service's error code.
    pub(crate) fn code(&self) -> Option<Code> {
        match self.failure()? {
            ReplyError::Service(error) => Some(error.code),
            ReplyError::Invalid(_) => None,
        }
    }

    /// The row of the fault matrix that the reply is.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        match self.failure()? {
            ReplyError::Service(_) => None,
            ReplyError::Invalid(unreadable) => Some(unreadable.fault),
        }
    }
}

impl Asker {
    /// Connects to nothing.
    pub(crate) fn new(
        base_url: &str,
        key: &str,
        other_agent: &str,
        bounds: Bounds,
    ) -> Result<Self, String> {
        let library = HttpConfig::new(base_url);
        let mut other = library.clone();
        other_agent.clone_into(&mut other.user_agent);
        Ok(Self {
            library: HttpTransport::new(library)?,
            other: HttpTransport::new(other)?,
            key: Zeroizing::new(key.to_owned()),
            bounds,
            began: Instant::now(),
            last: None,
            requests: 0,
            accepted: Key::Header,
            admitted: Agent::Library,
            subject: Subject::default(),
        })
    }

    /// Sends one request, after the pause.
    pub(crate) fn ask(&mut self, ask: Ask, cancel: &CancelToken) -> Result<Got, Stop> {
        let Bounds { pause, total, requests } = self.bounds;
        let left = total.saturating_sub(self.began.elapsed() + pause);
        if self.requests >= requests || left.is_zero() {
            return Err(Stop::Bound);
        }
        if let Some(last) = self.last {
            thread::sleep(pause.saturating_sub(last.elapsed()));
        }
        let bearer;
        let mut query =
            Zeroizing::new(ask.read.query(ask.format, &self.subject).map_err(Stop::Unreachable)?);
        let key = if ask.key == Key::Accepted { self.accepted } else { ask.key };
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
                query = Zeroizing::new(format!("api_key={encoded}&{}", query.as_str()));
                None
            }
            Key::Missing => None,
        };
        let agent = if ask.agent == Agent::Admitted { self.admitted } else { ask.agent };
        let transport = if agent == Agent::Other { &self.other } else { &self.library };
        let (result, timings) = transport.exchange_timed(&transport::Request {
            lane: Lane::Read,
            query: &query,
            key_header,
            gzip: !ask.read.is_private(),
            body_limit: LIMIT,
            timeout: TIMEOUT.min(left),
            cancel,
            latch: &SendLatch::default(),
        });
        self.requests += 1;
        self.last = Some(Instant::now());
        let got = Got { ask, result, timings };
        if got.result.as_ref().is_ok_and(|reply| reply.status == 429) {
            return Err(Stop::TooMany);
        }
        if let (Some(code @ (Code::KeyInactive | Code::AccountBanned)), true) =
            (got.code(), key != Key::Wrong)
        {
            return Err(Stop::Refused(code.to_string()));
        }
        Ok(got)
    }

    /// How the library's own client is to be set up for what was learned.
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
    fn everything_that_can_be_asked_is_a_read() {
        let subject = Subject { order: Some("7".into()), ..Subject::default() };
        for read in crate::probes::PROBES.iter().filter_map(|probe| probe.ask).map(|ask| ask.read) {
            for format in [Format::Plain, Format::Json] {
                let query = read.query(format, &subject).unwrap();
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
            if let Some(request) = read.request(&subject) {
                assert_eq!(request.class(), protocol::ActionClass::Read);
            }
        }
    }
}
