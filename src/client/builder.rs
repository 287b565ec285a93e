//! How a client is made: its settings, their defaults and their limits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::{Client, Shared};
use crate::clock::{Clock, SystemClock};
use crate::protocol::key_parameter;
use crate::transport::{HttpConfig, HttpTransport, Transport};
use crate::{Amount, Error, Result};

/// The service's documented address, for clients that are given no other.
pub const BASE_URL: &str = "https://sastaotp.com/stubs/handler_api.php";
/// How long a call may take where the client is not told otherwise.
const TIMEOUT: Duration = Duration::from_secs(90);
const BUILDING: &str = "making a client";

/// The settings of a client.
///
/// ```
/// use sastaotp::{Amount, Client};
///
/// let client = Client::builder()
///     .api_key("an-api-key")
///     .base_url("http://127.0.0.1:8080/stubs/handler_api.php")
///     .budget(Amount::from_rupees(500))
///     .build()?;
/// # Ok::<(), sastaotp::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientBuilder {
    key: Option<ApiKey>,
    api_key_location: ApiKeyLocation,
    http: HttpConfig,
    budget: Option<Amount>,
    timeout: Duration,
    seed: Option<u64>,
    requests_per_second: Option<f64>,
    clock: Arc<dyn Clock>,
    transport: Option<Arc<dyn Transport>>,
}

/// Where the key goes in a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ApiKeyLocation {
    /// The header `X-API-Key`: out of URLs, logs and proxies.
    #[default]
    Header,
    /// The header `Authorization: Bearer`, which Apache with PHP-FPM often drops.
    Bearer,
    /// The parameter `api_key`, for panels that know no other way.
    Query,
}

/// A key that shows itself to nobody.
#[derive(Clone)]
pub(super) struct ApiKey(Zeroizing<String>);

impl ApiKey {
    fn new(text: &str) -> Result<Self> {
        if text.is_empty() || text.len() > 256 || !text.bytes().all(|b| b.is_ascii_graphic()) {
            let reason = "the API key is empty, too long, or holds blanks: copy it again, 1 to 256 visible ASCII characters";
            return Err(Error::config(BUILDING, reason));
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self {
            key: None,
            api_key_location: ApiKeyLocation::default(),
            http: HttpConfig::new(BASE_URL),
            budget: None,
            timeout: TIMEOUT,
            seed: None,
            requests_per_second: None,
            clock: Arc::new(SystemClock::default()),
            transport: None,
        }
    }
}

impl ClientBuilder {
    /// The API key, 1 to 256 visible ASCII characters. Checked when the client is built.
    pub fn api_key(mut self, key: &str) -> Self {
        self.key = Some(ApiKey(Zeroizing::new(key.to_owned())));
        self
    }

    /// Where the key goes in a request; a header by default.
    pub fn api_key_location(mut self, place: ApiKeyLocation) -> Self {
        self.api_key_location = place;
        self
    }

    /// The address of the service; `https`, or `http` to this machine alone. The vendor's by default.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.http.base_url = url.into();
        self
    }

    /// The User-Agent; `libsastaotp/<version>` by default.
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.http.user_agent = user_agent.into();
        self
    }

    /// Trusts these certificates (PEM) besides the public authorities.
    pub fn add_ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.http.extra_ca_pem = Some(pem.into());
        self
    }

    /// How many idle connections are kept at most.
    pub fn max_connections(mut self, count: usize) -> Self {
        self.http.max_connections = count;
        self
    }

    /// The total that charges may reach. A purchase that could go beyond is refused before it is sent; a confirmed refund
    /// gives its money back. With a budget every purchase needs a maximum price.
    pub fn budget(mut self, total: Amount) -> Self {
        self.budget = Some(total);
        self
    }

    /// How long a call may take in all, its retries among it; 90 seconds by default. A wait, a reconcile and a settle
    /// that waits out have times of their own.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many requests a second are sent at most, by all handles together; without, as many as the service takes. A 429 slows
    /// down by itself, either way.
    pub fn max_requests_per_second(mut self, rate: f64) -> Self {
        self.requests_per_second = Some(rate);
        self
    }

    /// Another clock, for tests and simulations.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Another transport, for tests and simulations. Settings of connections do not apply to it.
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// The seed of the pauses' randomness, for tests and simulations.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Makes the client. Sends nothing.
    pub fn build(self) -> Result<Client> {
        let ClientBuilder {
            key,
            api_key_location,
            http,
            budget,
            timeout,
            seed,
            requests_per_second,
            clock,
            transport,
        } = self;
        if requests_per_second.is_some_and(|rate| !(0.001..=1e6).contains(&rate)) {
            return Err(Error::config(
                BUILDING,
                "the requests per second are none or too many: give 0.001 to 1,000,000",
            ));
        }
        let Some(key) = key else {
            return Err(Error::config(
                BUILDING,
                "there is no API key: give one, or take it from the environment, where it is SASTAOTP_API_KEY",
            ));
        };
        let key = ApiKey::new(key.expose())?;
        let transport = match transport {
            Some(transport) => transport,
            None => Arc::new(
                HttpTransport::new(http).map_err(|reason| Error::config(BUILDING, reason))?,
            ),
        };
        Ok(Client::new(
            Shared::new(key, api_key_location, transport, clock, budget, seed, requests_per_second),
            timeout,
        ))
    }

    /// Takes `SASTAOTP_API_KEY` and `SASTAOTP_BASE_URL` from the environment, where they are set.
    pub fn from_env() -> Result<Self> {
        let read = |name| match std::env::var(name) {
            Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Err(Error::config(
                BUILDING,
                format!("the environment variable {name} is not UTF-8"),
            )),
        };
        let mut builder = Self::default();
        if let Some(key) = read("SASTAOTP_API_KEY")? {
            builder = builder.api_key(&key);
        }
        if let Some(url) = read("SASTAOTP_BASE_URL")? {
            builder = builder.base_url(url);
        }
        Ok(builder)
    }
}

/// The key as a request carries it.
pub(super) enum Credential {
    Header(&'static str, Zeroizing<String>),
    Parameter(Zeroizing<String>),
}

impl Credential {
    pub(super) fn new(key: &ApiKey, place: ApiKeyLocation) -> Self {
        let key = key.expose();
        match place {
            ApiKeyLocation::Header => Self::Header("X-API-Key", Zeroizing::new(key.to_owned())),
            ApiKeyLocation::Bearer => {
                Self::Header("Authorization", Zeroizing::new(format!("Bearer {key}")))
            }
            ApiKeyLocation::Query => Self::Parameter(Zeroizing::new(key_parameter(key))),
        }
    }
}
