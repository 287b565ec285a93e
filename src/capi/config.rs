//! The settings of a client, as a struct that the caller fills in.

use std::ffi::c_char;

use super::boundary::{duration, null_argument, optional_bytes, optional_text, unknown_constant};
use super::options::{Options, c_bool, options};
use crate::{Amount, ApiKeyLocation, ClientBuilder, Durability, Error, Result, Roots};

/// The part of a request that carries the API key.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_api_key_location(pub i32);

/// The header X-API-Key, which keeps the key out of URLs and the logs of proxies. The default.
pub const SASTAOTP_API_KEY_IN_HEADER: sastaotp_api_key_location = sastaotp_api_key_location(0);
/// The header Authorization: Bearer, which Apache with PHP-FPM often drops.
pub const SASTAOTP_API_KEY_IN_BEARER: sastaotp_api_key_location = sastaotp_api_key_location(1);
/// The query parameter api_key, for services that accept no header.
pub const SASTAOTP_API_KEY_IN_QUERY: sastaotp_api_key_location = sastaotp_api_key_location(2);

/// The certificate authorities that a client trusts.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_roots(pub i32);

/// The authorities of the web, which the library contains. Neither the system nor the
/// environment changes them. The default.
pub const SASTAOTP_ROOTS_WEB: sastaotp_roots = sastaotp_roots(0);
/// The authorities of the system, or those in SSL_CERT_FILE and SSL_CERT_DIR if one of these
/// environment variables is set.
pub const SASTAOTP_ROOTS_SYSTEM: sastaotp_roots = sastaotp_roots(1);
/// The authorities of the web and those of the system.
pub const SASTAOTP_ROOTS_BOTH: sastaotp_roots = sastaotp_roots(2);

/// The failures that a journal survives.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sastaotp_durability(pub i32);

/// The end of the process, however it ends, and a power loss. A purchase waits for the disk
/// twice. The default.
pub const SASTAOTP_DURABILITY_POWER: sastaotp_durability = sastaotp_durability(0);
/// The end of the process, however it ends. After a power loss the journal may lack purchases.
pub const SASTAOTP_DURABILITY_PROCESS: sastaotp_durability = sastaotp_durability(1);

/// The settings of a client. Initialize it with SASTAOTP_CONFIG_INIT, then set the members that you
/// need: the others are NULL, 0 or false, which means the default. sastaotp_client_new copies the
/// settings and checks them.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sastaotp_config {
    /// The size of the struct, which SASTAOTP_CONFIG_INIT sets.
    pub size: usize,
    /// The API key: 1 to 256 visible ASCII characters.
    pub api_key: *const c_char,
    /// The service's URL: https, or http for this machine only. The default is the vendor's.
    pub base_url: *const c_char,
    /// The User-Agent: 1 to 256 printable ASCII characters. The default is "libsastaotp/" and the
    /// version.
    pub user_agent: *const c_char,
    /// The proxy: "environment", "direct", or a URL. The default is "environment": the proxy of
    /// HTTPS_PROXY or ALL_PROXY unless NO_PROXY excludes the host, read as curl reads them, and
    /// none for a service on this machine. "direct" ignores the environment.
    ///
    /// A URL is `scheme://user:password@host:port` with the scheme http, https, socks5 or socks5h.
    /// The user name and password are optional and percent-encoded. With socks5 (also written
    /// socks) this machine looks up the name of the service, with socks5h the proxy does. The
    /// default port is 443 for https, and otherwise 1080. A proxy that is set by URL is used for
    /// every service. For a loopback address it connects to its own machine.
    pub proxy: *const c_char,
    /// Certificates to trust in addition: the text of a PEM file, not its path. Each is that of an
    /// authority, or of the server itself.
    pub ca_pem: *const c_char,
    /// The length of `ca_pem` in bytes; 0 if it ends with NUL.
    pub ca_pem_length: usize,
    /// A folder for the journal of the purchases, which is created if it does not exist. There is
    /// no journal by default.
    ///
    /// However this process ends, the next process that opens the folder with the same API key and
    /// base URL has its purchases: sastaotp_client_unclaimed lists them, and their activations have
    /// the codes that arrived. All these processes share one budget, which counts from the first
    /// purchase in the journal. Several processes can use a folder at once. All clients of an API
    /// key and a base URL in a process use the same folder and durability.
    ///
    /// The folder contains phone numbers and codes. Half a day after an order was settled, the next
    /// purchase or settlement removes its number and codes. The folder never contains the API key.
    /// A journal does not protect against the loss of the disk. sastaotp_client_new opens the
    /// folder, and fails with SASTAOTP_ERROR_JOURNAL if it cannot be used. A purchase that cannot
    /// be written fails in the same way: then nothing is sent.
    pub journal: *const c_char,
    /// The maximum total of all charges, in micro-rupees: 0 allows no purchase; SASTAOTP_NO_BUDGET,
    /// which the initializer sets, sets no limit. A purchase that could exceed it fails before it
    /// is sent. A confirmed refund returns its money to the budget. With a budget, every purchase
    /// needs a maximum price.
    ///
    /// Only the purchases that this client sends count. A purchase that another client or an
    /// earlier run sent does not count, even if this client finds it. With a journal, the purchases
    /// of all clients and processes that use it count.
    pub budget_micros: i64,
    /// The maximum number of idle connections that the client keeps. The default is 64.
    pub max_connections: u32,
    /// The maximum duration of a call, including its retries, in milliseconds. The default is
    /// 90,000. A wait, a reconcile and a settle with SASTAOTP_ON_TOO_EARLY_WAIT have their own
    /// durations.
    pub timeout_ms: u32,
    /// How long after the end of its request the service may still book a purchase whose reply was
    /// lost, in milliseconds. The default is 600,000. Until then a search that finds no order is
    /// not complete: see sastaotp_reconciliation_is_complete.
    pub late_booking_ms: u32,
    /// The maximum number of requests per minute, for all handles of a client together: 1 to
    /// 60,000,000. By default the client sends as many as the service accepts. With or without a
    /// limit, it slows down after an HTTP status 429.
    pub max_requests_per_minute: u32,
    /// The part of a request that carries the API key.
    pub api_key_location: sastaotp_api_key_location,
    /// The certificate authorities to trust. The default is SASTAOTP_ROOTS_WEB.
    pub roots: sastaotp_roots,
    /// The failures that the journal survives.
    pub durability: sastaotp_durability,
    /// Whether the journal may be on a network file system. By default it may not, because another
    /// machine may not see the locks: two machines could then settle one order. Allow it only if a
    /// single machine uses the folder.
    pub journal_on_network: c_bool,
    /// Whether the members `api_key`, `base_url` and `journal` that are NULL are read from the
    /// environment: SASTAOTP_API_KEY, SASTAOTP_BASE_URL and SASTAOTP_JOURNAL.
    pub from_env: c_bool,
    /// Reserved for later versions: must be 0.
    pub reserved: [u8; 10],
}

/// No limit for the total of all charges.
pub const SASTAOTP_NO_BUDGET: i64 = i64::MAX;

unsafe impl Options for sastaotp_config {
    const NAME: &'static str = "config";
    const INIT: Self = Self {
        size: size_of::<Self>(),
        api_key: std::ptr::null(),
        base_url: std::ptr::null(),
        user_agent: std::ptr::null(),
        proxy: std::ptr::null(),
        ca_pem: std::ptr::null(),
        ca_pem_length: 0,
        journal: std::ptr::null(),
        budget_micros: SASTAOTP_NO_BUDGET,
        max_connections: 0,
        timeout_ms: 0,
        late_booking_ms: 0,
        max_requests_per_minute: 0,
        api_key_location: SASTAOTP_API_KEY_IN_HEADER,
        roots: SASTAOTP_ROOTS_WEB,
        durability: SASTAOTP_DURABILITY_POWER,
        journal_on_network: c_bool::FALSE,
        from_env: c_bool::FALSE,
        reserved: [0; 10],
    };
    /// The size in version 0.1.0. It never changes.
    const LEAST_SIZE: usize = std::mem::offset_of!(Self, reserved) + 10;

    fn reserved(&self) -> &[u8] {
        &self.reserved
    }
}

/// Reads the settings of a caller.
pub(super) unsafe fn builder(config: *const sastaotp_config) -> Result<ClientBuilder> {
    let config = options(config)?;
    let from_env = config.from_env.get("from_env")?;
    let mut builder = if from_env { ClientBuilder::from_env()? } else { ClientBuilder::default() };
    if let Some(key) = optional_text(config.api_key, "api_key")? {
        builder = builder.api_key(key);
    }
    if let Some(url) = optional_text(config.base_url, "base_url")? {
        builder = builder.base_url(url);
    }
    if let Some(user_agent) = optional_text(config.user_agent, "user_agent")? {
        builder = builder.user_agent(user_agent);
    }
    if let Some(proxy) = optional_text(config.proxy, "proxy")? {
        builder = builder.proxy(proxy);
    }
    if config.ca_pem.is_null() && config.ca_pem_length != 0 {
        return Err(null_argument("ca_pem"));
    }
    if let Some(pem) = optional_bytes(config.ca_pem, config.ca_pem_length) {
        builder = builder.add_ca_pem(pem);
    }
    if let Some(folder) = optional_text(config.journal, "journal")? {
        builder = builder.journal(folder);
    }
    if config.budget_micros < 0 {
        let reason = format!("{} is negative: use 0 or more", config.budget_micros);
        return Err(Error::config("setting the budget", reason));
    }
    if config.budget_micros != SASTAOTP_NO_BUDGET {
        builder = builder.budget(Amount::from_micros(config.budget_micros));
    }
    if config.max_connections != 0 {
        builder = builder.max_connections(config.max_connections as usize);
    }
    if config.timeout_ms != 0 {
        builder = builder.timeout(duration(config.timeout_ms));
    }
    if config.late_booking_ms != 0 {
        builder = builder.late_booking(duration(config.late_booking_ms));
    }
    match config.max_requests_per_minute {
        0 => {}
        count @ 1..=60_000_000 => {
            builder = builder.max_requests_per_second(f64::from(count) / 60.0);
        }
        count => {
            let reason = format!("{count} is out of range: use 1 to 60,000,000");
            return Err(Error::config("setting the requests per minute", reason));
        }
    }
    let location = match config.api_key_location {
        SASTAOTP_API_KEY_IN_HEADER => ApiKeyLocation::Header,
        SASTAOTP_API_KEY_IN_BEARER => ApiKeyLocation::Bearer,
        SASTAOTP_API_KEY_IN_QUERY => ApiKeyLocation::Query,
        other => return Err(unknown_constant("api_key_location", other.0)),
    };
    let roots = match config.roots {
        SASTAOTP_ROOTS_WEB => Roots::Web,
        SASTAOTP_ROOTS_SYSTEM => Roots::System,
        SASTAOTP_ROOTS_BOTH => Roots::Both,
        other => return Err(unknown_constant("roots", other.0)),
    };
    let durability = match config.durability {
        SASTAOTP_DURABILITY_POWER => Durability::Power,
        SASTAOTP_DURABILITY_PROCESS => Durability::Process,
        other => return Err(unknown_constant("durability", other.0)),
    };
    Ok(builder
        .api_key_location(location)
        .roots(roots)
        .durability(durability)
        .journal_on_network(config.journal_on_network.get("journal_on_network")?))
}
