//! `ClientBuilder`: the settings of a client, their defaults and their limits.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::api_key::{ApiKey, ApiKeyLocation};
use super::core::{Client, Parts, Shared};
use super::ledger::LATE_BOOKING;
use crate::clock::{Clock, SystemClock};
use crate::journal::{Disk, Durability, Settings, SystemDisk};
use crate::transport::{HttpConfig, HttpTransport, ProxyChoice, Roots, Transport};
use crate::{Amount, Error, Result};

/// The documented URL of the service: the default of [`ClientBuilder::base_url`].
pub const BASE_URL: &str = "https://sastaotp.com/stubs/handler_api.php";
/// The default time limit of a call.
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
    timeout: Option<Duration>,
    late_booking: Duration,
    seed: Option<u64>,
    requests_per_second: Option<f64>,
    clock: Arc<dyn Clock>,
    transport: Option<Arc<dyn Transport>>,
    journal: Option<PathBuf>,
    durability: Durability,
    journal_on_network: bool,
    disk: Arc<dyn Disk>,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self {
            key: None,
            api_key_location: ApiKeyLocation::default(),
            http: HttpConfig::new(BASE_URL),
            budget: None,
            timeout: None,
            late_booking: LATE_BOOKING,
            seed: None,
            requests_per_second: None,
            clock: Arc::new(SystemClock::default()),
            transport: None,
            journal: None,
            durability: Durability::default(),
            journal_on_network: false,
            disk: Arc::new(SystemDisk),
        }
    }
}

impl Client {
    /// Returns a builder with the default settings.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Makes a client from the environment variables `SASTAOTP_API_KEY` and, if they are set,
    /// `SASTAOTP_BASE_URL` and `SASTAOTP_JOURNAL`. Sends nothing.
    pub fn from_env() -> Result<Self> {
        ClientBuilder::from_env()?.build()
    }
}

impl ClientBuilder {
    /// Sets the API key: 1 to 256 visible ASCII characters. [`ClientBuilder::build`] checks it.
    pub fn api_key(mut self, key: &str) -> Self {
        self.key = Some(ApiKey::unchecked(key));
        self
    }

    /// Sets how a request carries the key. The default is the header `X-API-Key`.
    pub fn api_key_location(mut self, location: ApiKeyLocation) -> Self {
        self.api_key_location = location;
        self
    }

    /// Sets the address of the service. It must be `https`, or `http` to this machine. The default
    /// is the vendor's address.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.http.base_url = url.into();
        self
    }

    /// Sets the User-Agent. The default is `libsastaotp/<version>`.
    ///
    /// A firewall in front of the service may block a User-Agent. It may also block by the TLS
    /// handshake, which this setting does not change: then use another IP address or a proxy.
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.http.user_agent = user_agent.into();
        self
    }

    /// Sets the proxy: `environment`, `direct`, or a URL. The default is `environment`: the proxy
    /// of `HTTPS_PROXY` or `ALL_PROXY` unless `NO_PROXY` excludes the host, read as curl reads
    /// them, and none for a service on this machine. `direct` ignores the environment.
    ///
    /// A URL is `scheme://user:password@host:port` with the scheme `http`, `https`, `socks5` or
    /// `socks5h`. The user name and password are optional and percent-encoded. With `socks5` (also
    /// written `socks`) this machine looks up the name of the service, with `socks5h` the proxy
    /// does. The default port is 443 for `https`, and otherwise 1080. A proxy that is set by URL is
    /// used for every service. For a loopback address it connects to its own machine.
    pub fn proxy(mut self, proxy: impl Into<String>) -> Self {
        self.http.proxy = ProxyChoice::from(proxy.into());
        self
    }

    /// Sets the certificate authorities to trust. The default is [`Roots::Web`]. [`Roots::System`]
    /// and [`Roots::Both`] need the feature `system-roots`.
    pub fn roots(mut self, roots: Roots) -> Self {
        self.http.roots = roots;
        self
    }

    /// Trusts these certificates in addition: the text of a PEM file, not its path. Each is that of
    /// an authority, or of the server itself.
    pub fn add_ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.http.extra_ca_pem = Some(pem.into());
        self
    }

    /// Sets how many idle connections the client keeps at most. The default is 64.
    pub fn max_connections(mut self, count: usize) -> Self {
        self.http.max_connections = count;
        self
    }

    /// Limits the total that the client's purchases may cost.
    ///
    /// A purchase that could exceed the budget fails before it is sent. A confirmed refund returns
    /// its money to the budget. With a budget, every purchase needs a maximum price.
    ///
    /// Only the purchases that this client sends count. A purchase that another client or an
    /// earlier run sent does not count, even if this client finds it. With a journal, the purchases
    /// of all clients and processes that use it count.
    pub fn budget(mut self, total: Amount) -> Self {
        self.budget = Some(total);
        self
    }

    /// Sets the time limit of a call, including its retries. The default is 90 seconds. Waiting for
    /// a code, reconciling, and settling with [`OnTooEarly::Wait`](crate::OnTooEarly::Wait) have
    /// their own time limits.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets how long after the end of its request the service may still book a purchase. The
    /// default is 10 minutes. Before that time has passed, [`Client::reconcile`] does not report
    /// that a purchase was not made.
    pub fn late_booking(mut self, time: Duration) -> Self {
        self.late_booking = time;
        self
    }

    /// Limits the requests per second that all handles of the client send together. There is no
    /// limit by default. In both cases an HTTP 429 slows the client down automatically.
    pub fn max_requests_per_second(mut self, rate: f64) -> Self {
        self.requests_per_second = Some(rate);
        self
    }

    /// Keeps a journal of the purchases in this folder, which is created if it does not exist.
    /// There is no journal by default.
    ///
    /// However this process ends, the next process that opens the folder with the same API key and
    /// base URL has its purchases: [`Client::unclaimed`] lists them, and their handles have the
    /// codes that arrived. The budget is that of all these processes together, from the first
    /// purchase in the journal on. Several processes can use a folder at once. All clients of an
    /// API key and a base URL in a process use the same folder and durability.
    ///
    /// The folder contains phone numbers and codes. Those of settled orders are removed by the next
    /// purchase or settlement after half a day. It never contains the API key. A journal does not
    /// protect against the loss of the disk. [`ClientBuilder::build`] fails with
    /// [`ErrorKind::Journal`](crate::ErrorKind::Journal) if the folder cannot be used, and so does
    /// a purchase that cannot be written: then nothing is sent.
    pub fn journal(mut self, folder: impl Into<PathBuf>) -> Self {
        self.journal = Some(folder.into());
        self
    }

    /// Sets which failures the journal survives. The default is [`Durability::Power`].
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Allows the journal on a network file system. By default it is refused there, because another
    /// machine may not see the locks: two machines could then settle one order. Allow it only if a
    /// single machine uses the folder.
    pub fn journal_on_network(mut self, allow: bool) -> Self {
        self.journal_on_network = allow;
        self
    }

    // Hidden because the trait is not part of the API: only this project's tests use another disk.
    /// Sets the disk of the journal.
    #[doc(hidden)]
    pub fn disk(mut self, disk: Arc<dyn Disk>) -> Self {
        self.disk = disk;
        self
    }

    /// Sets another clock, for tests and simulations.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    // Hidden because the trait is not part of the API: only this project's tests use another
    // transport.
    /// Sets another transport. The settings of connections do not apply to it.
    #[doc(hidden)]
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    // Hidden because only this project's tests need repeatable pauses.
    /// Sets the seed of the random pauses.
    #[doc(hidden)]
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
            late_booking,
            seed,
            requests_per_second,
            clock,
            transport,
            journal,
            durability,
            journal_on_network: allows_network,
            disk,
        } = self;
        if requests_per_second.is_some_and(|rate| !(0.001..=1e6).contains(&rate)) {
            return Err(Error::config(
                BUILDING,
                "invalid limit of requests per second: use 0.001 to 1,000,000",
            ));
        }
        let Some(key) = key else {
            return Err(Error::config(BUILDING, "no API key: pass one or set SASTAOTP_API_KEY"));
        };
        key.validate(BUILDING)?;
        if journal.as_ref().is_some_and(|folder| folder.as_os_str().is_empty()) {
            return Err(Error::config(
                BUILDING,
                "the path of the journal's folder is empty: pass a path",
            ));
        }
        let base_url = transport.is_none().then(|| http.base_url.clone());
        let transport = match transport {
            Some(transport) => transport,
            None => Arc::new(
                HttpTransport::new(http).map_err(|reason| Error::config(BUILDING, reason))?,
            ),
        };
        let location = api_key_location;
        let journal = journal.map(|folder| Settings { folder, durability, allows_network, disk });
        let parts = Parts {
            key,
            location,
            base_url,
            transport,
            clock,
            budget,
            late_booking,
            seed,
            requests_per_second,
            journal,
        };
        let shared = Shared::new(parts).map_err(|failure| Error::journal(BUILDING, &failure))?;
        Ok(Client::new(shared, timeout.unwrap_or(TIMEOUT), timeout.is_some()))
    }

    /// Returns a builder with the API key from `SASTAOTP_API_KEY`, the address from
    /// `SASTAOTP_BASE_URL` and the folder of the journal from `SASTAOTP_JOURNAL`. A variable that
    /// is unset or empty leaves the default.
    pub fn from_env() -> Result<Self> {
        let read = |name| match std::env::var(name) {
            Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Err(Error::config(
                BUILDING,
                format!("the environment variable {name} is not UTF-8: set it again"),
            )),
        };
        let mut builder = Self::default();
        if let Some(key) = read("SASTAOTP_API_KEY")? {
            builder = builder.api_key(&key);
        }
        if let Some(url) = read("SASTAOTP_BASE_URL")? {
            builder = builder.base_url(url);
        }
        if let Some(folder) = read("SASTAOTP_JOURNAL")? {
            builder = builder.journal(folder);
        }
        Ok(builder)
    }
}
