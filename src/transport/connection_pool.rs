//! The connections of one process to the service. ureq's connectors open them, also through a
//! proxy; idle ones are kept for later reads.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::config::{AutoHeaderValue, Config};
use ureq::http::Uri;
use ureq::unversioned::resolver::Resolver;
use ureq::unversioned::transport::{
    ConnectProxyConnector, ConnectionDetails, Connector, NextTimeout, Transport, time,
};

use super::connect::TcpConnector;
use super::exchange::Exchange;
use super::http1_connection::Http1Connection;
use super::proxy::Proxy;
use super::reply::RawReply;
use super::resolve::{DnsCache, NoopResolver};
use super::socks::SocksConnector;
use super::tls::TlsConnector;
use super::types::{Lane, Phase};

/// How long an idle connection is kept. Many servers close theirs after five seconds; if one closes
/// while a request is in transit, it is unknown whether the request arrived.
const MAX_IDLE_AGE: Duration = Duration::from_secs(4);

type Open = dyn Fn(&ConnectionDetails<'_>) -> Result<Box<dyn Transport>, ureq::Error> + Send + Sync;

/// Provides connections: a pooled one for a read if there is one, always a new one for a charge.
pub(super) struct ConnectionPool {
    /// Scheme, host and port of the service.
    root: Uri,
    /// The configuration that ureq's connectors read; only the proxy is set.
    config: Config,
    open: Arc<Open>,
    pool: Mutex<IdlePool>,
}

/// Idle connections with the time at which they became idle, oldest first. The newest is used
/// first, so that superfluous connections age and are closed.
struct IdlePool {
    idle: VecDeque<(Instant, Http1Connection)>,
    max_idle: usize,
}

impl ConnectionPool {
    /// Creates a pool of connections to the host of `root` that keeps at most `max_idle`.
    pub(super) fn new(
        root: Uri,
        proxy: Option<Proxy>,
        dns: DnsCache,
        tls: TlsConnector,
        max_idle: usize,
    ) -> Self {
        let (proxy, socks) = match proxy {
            Some(Proxy::Connect(proxy)) => (Some(proxy), None),
            Some(Proxy::Socks(proxy)) => (None, Some(proxy)),
            None => (None, None),
        };
        let proxied = proxy.is_some();
        let dns = Arc::new(dns);
        let chain =
            ().chain(ConnectProxyConnector::default())
                .chain(SocksConnector::new(socks, Arc::clone(&dns)))
                .chain(TunnelReady)
                .chain(TcpConnector::new(Arc::clone(&dns), proxied))
                .chain(tls);
        let open =
            move |details: &ConnectionDetails<'_>| -> Result<Box<dyn Transport>, ureq::Error> {
                let connected = chain.connect(details, None).inspect_err(|_| {
                    // The host may have moved, or a captive portal answered in its place: a portal
                    // has no certificate for the host's name.
                    dns.forget(details.uri.host().unwrap_or_default());
                });
                let connected = connected?.ok_or(ureq::Error::ConnectionFailed)?;
                // ureq also connects to the proxy itself through this function, with a
                // configuration without a proxy.
                if proxied && details.config.proxy().is_none() {
                    Exchange::current()?.continue_as(Phase::Connect);
                }
                Ok(Box::new(connected))
            };
        let config = Config::builder().proxy(proxy).user_agent(AutoHeaderValue::None).build();
        Self {
            root,
            config,
            open: Arc::new(open),
            pool: Mutex::new(IdlePool { idle: VecDeque::new(), max_idle }),
        }
    }

    /// Sends the request of an exchange and reads its reply.
    pub(super) fn run(&self, exchange: &Exchange) -> Result<RawReply, ureq::Error> {
        let reusable = exchange.lane == Lane::Read;
        let pooled = if reusable { self.take() } else { None };
        let mut connection = pooled.map_or_else(|| self.open(), Ok)?;
        let reply = connection.run(exchange)?;
        if reusable && reply.keep {
            self.keep(connection);
        }
        Ok(reply)
    }

    fn open(&self) -> Result<Http1Connection, ureq::Error> {
        // ureq's timeouts are off: the exchange has its own.
        let details = ConnectionDetails {
            uri: &self.root,
            addrs: NoopResolver.empty(),
            config: &self.config,
            request_level: false,
            resolver: &NoopResolver,
            now: time::Instant::now(),
            timeout: NextTimeout::default(),
            current_time: Arc::new(time::Instant::now),
            run_connector: Arc::clone(&self.open) as _,
            register_shutdown: Arc::new(|_| Ok(())),
        };
        (self.open)(&details).map(Http1Connection::new)
    }

    /// The newest idle connection that is still open.
    fn take(&self) -> Option<Http1Connection> {
        loop {
            let mut pool = self.lock();
            let (since, mut connection) = pool.idle.pop_back()?;
            if since.elapsed() > MAX_IDLE_AGE {
                pool.idle.clear();
                return None;
            }
            drop(pool);
            if connection.is_open() {
                return Some(connection);
            }
        }
    }

    fn keep(&self, connection: Http1Connection) {
        let now = Instant::now();
        let mut pool = self.lock();
        let IdlePool { idle, max_idle } = &mut *pool;
        while idle.len() >= *max_idle
            || idle.front().is_some_and(|(since, _)| now.duration_since(*since) > MAX_IDLE_AGE)
        {
            idle.pop_front();
        }
        idle.push_back((now, connection));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, IdlePool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the exchange that the tunnel through the proxy is ready, before TLS uses it.
#[derive(Debug)]
struct TunnelReady;

impl<In: Transport> Connector<In> for TunnelReady {
    type Out = In;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<In>, ureq::Error> {
        if chained.is_some() {
            Exchange::current()?.set_proxy(None);
        }
        Ok(chained)
    }
}

impl fmt::Debug for ConnectionPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let idle = self.lock().idle.len();
        f.debug_struct("ConnectionPool").field("idle", &idle).finish_non_exhaustive()
    }
}
