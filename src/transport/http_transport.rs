//! The transport over HTTPS: checks and encodes a request, and names a failure.

use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

use super::config::{BaseUrl, HttpConfig, Timeouts};
use super::connection_pool::ConnectionPool;
use super::exchange::Exchange;
use super::proxy::{self, Proxy};
use super::reply::RawReply;
use super::resolve::{DnsCache, LookUp};
use super::socks::credentials_hint;
use super::tls::TlsConnector;
use super::trust::Trust;
use super::types::{Cause, Lane, Phase, Reply, Request, Transport, TransportError};
use crate::threads::Threads;

const MAX_USER_AGENT: usize = 256;
/// The longest query, and the longest value of the key's header, in bytes. The service's requests
/// need far less, and servers accept more.
const MAX_QUERY: usize = 4096;

/// A transport over HTTPS.
///
/// Any number of threads may share it. It never sends a request twice and does not follow
/// redirects. After a fork, the child uses new connections.
pub struct HttpTransport {
    settings: Settings,
    /// The process that created the transport, and its connections. Using them takes no lock.
    pid: u32,
    connections: Arc<ConnectionPool>,
    /// The connections of forked children, by process id.
    forked: Mutex<Vec<(u32, Arc<ConnectionPool>)>>,
}

/// The validated settings.
struct Settings {
    base: BaseUrl,
    peer: Arc<str>,
    /// The headers that are the same in all requests.
    headers: String,
    trust: Trust,
    proxy: Option<Proxy>,
    timeouts: Timeouts,
    max_idle: usize,
    look_up: Arc<LookUp>,
    look_up_threads: Threads,
}

impl HttpTransport {
    /// Checks the settings, without connecting. The error describes the setting that is wrong.
    pub fn new(config: HttpConfig) -> Result<Self, String> {
        Self::build(config, DnsCache::system())
    }

    /// Like [`Self::new`] with another function that looks up names, for tests.
    #[cfg(any(test, feature = "sandbox"))]
    pub fn with_look_up(
        config: HttpConfig,
        look_up: impl Fn(&str) -> std::io::Result<Vec<std::net::IpAddr>> + Send + Sync + 'static,
    ) -> Result<Self, String> {
        Self::build(config, Arc::new(look_up))
    }

    fn build(config: HttpConfig, look_up: Arc<LookUp>) -> Result<Self, String> {
        let HttpConfig {
            base_url,
            user_agent,
            roots,
            extra_ca_pem,
            proxy,
            timeouts,
            max_connections,
        } = config;
        let base = BaseUrl::parse(&base_url)?;
        let is_printable = user_agent.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if user_agent.is_empty() || user_agent.len() > MAX_USER_AGENT || !is_printable {
            return Err("the user agent is not 1 to 256 printable ASCII characters".to_owned());
        }
        if max_connections == 0 {
            return Err("the number of connections is 0: use at least 1".to_owned());
        }
        let proxy = proxy::choose(&proxy, &base, |name| std::env::var_os(name))?;
        // Without the default port, like browsers: servers compare this header with their names.
        let host = base.root.authority().map(ToString::to_string).unwrap_or_default();
        let settings = Settings {
            peer: base.peer().into(),
            headers: format!(
                "Host: {host}\r\nUser-Agent: {user_agent}\r\n\
                 Accept: application/json, text/plain;q=0.9, */*;q=0.8\r\n"
            ),
            base,
            trust: Trust::new(roots, extra_ca_pem.as_deref())?,
            proxy,
            timeouts,
            max_idle: max_connections,
            look_up,
            look_up_threads: Threads::default(),
        };
        let connections = Arc::new(settings.new_pool());
        Ok(Self { pid: std::process::id(), connections, forked: Mutex::default(), settings })
    }

    /// The connections of the process `pid`. A fork copies connections, and two processes that
    /// share one would receive each other's replies.
    pub(super) fn pool_of(&self, pid: u32) -> Arc<ConnectionPool> {
        if pid == self.pid {
            return Arc::clone(&self.connections);
        }
        let mut forked = self.forked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, connections)) = forked.iter().find(|(owner, _)| *owner == pid) {
            return Arc::clone(connections);
        }
        let connections = Arc::new(self.settings.new_pool());
        forked.push((pid, Arc::clone(&connections)));
        connections
    }
}

impl Transport for HttpTransport {
    fn exchange(&self, request: &Request<'_>) -> Result<Reply, TransportError> {
        self.run_exchange(request, |exchange| self.pool_of(std::process::id()).run(exchange))
    }

    fn join_threads(&self, timeout: Duration) {
        self.settings.look_up_threads.join(timeout);
    }
}

impl HttpTransport {
    /// Makes an exchange and measures how long its phases take.
    #[cfg(feature = "doctor")]
    #[doc(hidden)]
    pub fn exchange_timed(
        &self,
        request: &Request<'_>,
    ) -> (Result<Reply, TransportError>, super::timings::Timings) {
        let mut timings = super::timings::Timings::default();
        let result = self.run_exchange(request, |exchange| {
            let result = self.pool_of(std::process::id()).run(exchange);
            timings = exchange.stopwatch.stop();
            result
        });
        (result, timings)
    }

    /// Makes an exchange; `run` sends the request and reads the reply.
    pub(super) fn run_exchange(
        &self,
        request: &Request<'_>,
        run: impl FnOnce(&Exchange) -> Result<RawReply, ureq::Error>,
    ) -> Result<Reply, TransportError> {
        let prepare = |cause, reason: &str| {
            let message = format!("preparing the request: {reason}");
            TransportError::new(cause, Phase::Prepare, false, message)
        };
        let head =
            self.settings.request_head(request).map_err(|reason| prepare(Cause::Local, reason))?;
        let exchange =
            Exchange::new(request, head, Arc::clone(&self.settings.peer), self.settings.timeouts)
                .map_err(|_| prepare(Cause::Local, "the process has no file descriptors left"))?;
        let exchange = Rc::new(exchange);
        if request.cancel.is_cancelled() {
            exchange.abandon();
            return Err(prepare(Cause::Cancelled, "the call was cancelled"));
        }
        let result = {
            let _entered = exchange.enter();
            run(&exchange)
        };
        result
            .map(|raw| raw.into_reply(SystemTime::now(), &self.settings.base))
            .map_err(|error| explain(&exchange, &error, self.settings.has_proxy_credentials()))
    }
}

/// Describes why an exchange returned no reply.
fn explain(
    exchange: &Exchange,
    error: &ureq::Error,
    has_proxy_credentials: bool,
) -> TransportError {
    use ureq::Error;
    // Our layers recorded their failures. Otherwise ureq failed, while it made a tunnel through a
    // proxy.
    match error {
        Error::ConnectProxyFailed(answer) => {
            refused_by_proxy(exchange, answer, has_proxy_credentials)
        }
        Error::Protocol(_) => {
            exchange.fail(Cause::Refused, "the proxy's response is not valid HTTP")
        }
        Error::Io(_) => exchange.fail(Cause::Refused, "the proxy ended the connection"),
        _ => exchange.fail(Cause::Local, "the request could not be built"),
    };
    let failure = exchange.take_failure().unwrap_or_else(|| unreachable!("recorded above"));
    if failure.cause == Cause::Cancelled && !exchange.is_sent() {
        exchange.abandon();
    }
    failure
}

/// Describes a proxy's response to CONNECT. Only a status is a refusal; without one, the failure
/// may be transient.
fn refused_by_proxy(exchange: &Exchange, answer: &str, has_credentials: bool) -> io::Error {
    // In ureq's words: "proxy server responded 407/407", or that it did not.
    match answer.rsplit_once('/').and_then(|(_, status)| status.parse::<u16>().ok()) {
        // tinyproxy rejects wrong credentials with 401.
        Some(status @ (401 | 407)) => exchange.fail_with_hint(
            Cause::Proxy,
            format_args!("the proxy requires a valid user name and password: status {status}"),
            credentials_hint(has_credentials),
        ),
        Some(status) => exchange.fail_with_hint(
            Cause::Proxy,
            format_args!("the proxy refused to connect to the service: status {status}"),
            "check the rules of the proxy, or use another proxy",
        ),
        None => exchange.fail(Cause::Refused, "the proxy ended the connection without a response"),
    }
}

impl Settings {
    /// Returns whether the proxy's URL has a user name and a password.
    fn has_proxy_credentials(&self) -> bool {
        match &self.proxy {
            Some(Proxy::Connect(proxy)) => proxy.username().is_some(),
            Some(Proxy::Socks(proxy)) => proxy.credentials.is_some(),
            None => false,
        }
    }

    fn new_pool(&self) -> ConnectionPool {
        let Self {
            base,
            headers: _,
            peer: _,
            trust,
            proxy,
            timeouts: _,
            max_idle,
            look_up,
            look_up_threads,
        } = self;
        let names = DnsCache::new(Arc::clone(look_up), look_up_threads.clone());
        ConnectionPool::new(
            base.root.clone(),
            proxy.clone(),
            names,
            TlsConnector::new(trust),
            *max_idle,
        )
    }

    /// The bytes of a request.
    fn request_head(&self, request: &Request<'_>) -> Result<Zeroizing<Vec<u8>>, &'static str> {
        let Request { lane, query, key_header, gzip, .. } = *request;
        // A space or a line end could turn the query into a different request.
        if query.len() > MAX_QUERY
            || !query.bytes().all(|byte| (b'!'..=b'~').contains(&byte) && byte != b'#')
        {
            return Err("the query is not a valid encoded query");
        }
        let (name, value) = key_header.unwrap_or_default();
        let is_token = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !is_token
            || value.len() > MAX_QUERY
            || !value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        {
            return Err("the key is not a valid header value");
        }
        let Self { base, headers, .. } = self;
        let parts = [
            "GET ",
            &base.path,
            "?",
            query,
            " HTTP/1.1\r\n",
            headers,
            if gzip { "Accept-Encoding: gzip\r\n" } else { "Accept-Encoding: identity\r\n" },
            if lane == Lane::Charge { "Connection: close\r\n" } else { "" },
            name,
            if name.is_empty() { "" } else { ": " },
            value,
            if name.is_empty() { "\r\n" } else { "\r\n\r\n" },
        ];
        // With its full capacity: a vector that grows leaves copies of the key that are not wiped.
        let mut head =
            Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
        for part in parts {
            head.extend_from_slice(part.as_bytes());
        }
        Ok(head)
    }
}

impl fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTransport").field("peer", &self.settings.peer).finish_non_exhaustive()
    }
}
