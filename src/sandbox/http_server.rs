//! The HTTP server: sockets and bytes around [`Service`], and the routes of the inbox page.
//!
//! Each connection has a thread, up to a limit. One lock protects the service and is held only
//! while it answers. The server is strict on purpose: it refuses anything that is not plain
//! HTTP/1.1, so a client's mistake shows up here and not in front of the live service.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::http_types::{Delivery, Reply, Request};
use super::inbox::{self, Inbox, UpdateFeed};
use super::paths::SERVICE_PATH;
use super::reply_encoding::{AfterReply, EncodedReply, encode};
use super::request_reader::{Incoming, MAX_HEADERS, RequestReader};
use super::service::{Handled, Service, host_refusal};

/// The maximum number of open connections.
const MAX_CONNECTIONS: usize = 256;
/// The length of the queue of connections that wait to be accepted.
const BACKLOG: i32 = 4_096;
/// Enough for the deepest JSON that the sandbox reads (128 levels), also in a debug build.
const STACK: usize = 256 << 10;
/// How long a write may block, and how long a stall, a drip or an endless reply lasts.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
const FAULT_DURATION: Duration = Duration::from_secs(120);
/// How long a client may keep sending after the server closed its side.
const LINGER: Duration = Duration::from_secs(2);
/// How long a new connection waits for an old one to close.
const SLOT_WAIT: Duration = Duration::from_millis(200);
/// How often a delayed reply checks whether the server stops.
const DELAY_CHECK: Duration = Duration::from_secs(1);

/// The sandbox on a port of 127.0.0.1. Dropping it stops the server and closes its connections.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    service: Mutex<Service>,
    /// Notified when a clock or a namespace may have changed, for the delayed replies.
    changed: Condvar,
    inbox: Mutex<Inbox>,
    time: ServerClock,
    stopping: AtomicBool,
    open: Mutex<OpenConnections>,
    closed: Condvar,
    /// The number of open inbox pages.
    pages: AtomicUsize,
}

/// A clock that never goes back: the wall clock at the start plus the time since then.
#[derive(Debug)]
struct ServerClock {
    started: Instant,
    wall_ms: u64,
}

/// The open connections by id.
#[derive(Debug, Default)]
struct OpenConnections {
    next: u64,
    connections: HashMap<u64, Arc<Connection>>,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    /// When the connection was last active, in milliseconds since 1970; `BUSY` while a request is
    /// being answered.
    idle_since: AtomicU64,
}

const BUSY: u64 = u64::MAX;

impl Server {
    /// Starts the server on this port of 127.0.0.1; 0 picks a free port.
    pub fn start(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        // The standard library's backlog of 128 overflows when many tests connect at once, and a
        // connect then takes a second longer.
        rustix::net::listen(&listener, BACKLOG)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            service: Mutex::new(Service::new()),
            changed: Condvar::new(),
            inbox: Mutex::new(Inbox::new()),
            time: ServerClock::new(),
            stopping: AtomicBool::new(false),
            open: Mutex::default(),
            closed: Condvar::new(),
            pages: AtomicUsize::new(0),
        });
        let for_acceptor = Arc::clone(&shared);
        let acceptor = thread::Builder::new()
            .name("sandbox-accept".into())
            .stack_size(STACK)
            .spawn(move || accept(&listener, &for_acceptor))?;
        Ok(Self { shared, address, acceptor: Some(acceptor) })
    }

    /// The base URL for a client.
    pub fn url(&self) -> String {
        format!("http://{}{SERVICE_PATH}", self.address)
    }

    /// The port that the server listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Makes a control call on a key without a socket: `control("my-key", "seed",
    /// r#"{"wallet":"50.00"}"#)`.
    ///
    /// An empty body reads (`ledger`, `log`, `faults`, `clock`), except for `reset`. Returns the
    /// JSON of the reply. If the call is refused or an assertion does not hold, the error is that
    /// JSON.
    pub fn control(&self, key: &str, call: &str, body: &str) -> Result<String, String> {
        let reply =
            lock(&self.shared.service).control_call(key, call, body, self.shared.time.now());
        self.shared.changed.notify_all();
        reply
    }

    /// Blocks until the server stops; it never stops on its own.
    pub fn join(mut self) {
        if let Some(acceptor) = self.acceptor.take() {
            // The panic hook has already reported a panic of the acceptor.
            let _ = acceptor.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.changed.notify_all();
        // Wakes the acceptor, which then sees the flag.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        for connection in lock(&self.shared.open).connections.values() {
            let _ = connection.stream.shutdown(Shutdown::Both);
        }
    }
}

impl ServerClock {
    fn new() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), wall_ms: millis(wall) }
    }

    fn now(&self) -> u64 {
        self.wall_ms + millis(self.started.elapsed())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 2)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic in one request must not stop the sandbox for all others.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    loop {
        let accepted = listener.accept();
        if shared.stopping.load(Ordering::Acquire) {
            return;
        }
        match accepted {
            Ok((stream, _)) => admit(stream, shared),
            // The process is out of descriptors, or the client disconnected: retrying at once helps
            // neither.
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// Registers a connection and starts its thread. If no slot becomes free, the connection is
/// dropped.
fn admit(stream: TcpStream, shared: &Arc<Shared>) {
    let mut open = lock(&shared.open);
    if open.connections.len() >= MAX_CONNECTIONS {
        // Closes the connection that has been idle longest, so that half-sent requests cannot keep
        // other clients out.
        let idle = open.connections.values().filter(|connection| connection.idle_since() != BUSY);
        if let Some(oldest) = idle.min_by_key(|connection| connection.idle_since()) {
            let _ = oldest.stream.shutdown(Shutdown::Both);
        }
        let is_full = |open: &mut OpenConnections| open.connections.len() >= MAX_CONNECTIONS;
        let waited = shared.closed.wait_timeout_while(open, SLOT_WAIT, is_full);
        open = waited.unwrap_or_else(PoisonError::into_inner).0;
        if is_full(&mut open) {
            return;
        }
    }
    let id = open.next;
    open.next += 1;
    let connection = Arc::new(Connection { stream, idle_since: AtomicU64::new(shared.time.now()) });
    open.connections.insert(id, Arc::clone(&connection));
    drop(open);
    let for_thread = Arc::clone(shared);
    let started = thread::Builder::new().name("sandbox-connection".into()).stack_size(STACK).spawn(
        move || {
            let slot = ConnectionSlot { shared: for_thread, id };
            // An error means that the client disconnected; there is nothing to report.
            let _ = serve(&connection, &slot.shared);
        },
    );
    if started.is_err() {
        lock(&shared.open).connections.remove(&id);
    }
}

/// A connection's entry in the list of open connections, removed when its thread ends.
struct ConnectionSlot {
    shared: Arc<Shared>,
    id: u64,
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        lock(&self.shared.open).connections.remove(&self.id);
        self.shared.closed.notify_one();
    }
}

impl Connection {
    fn idle_since(&self) -> u64 {
        self.idle_since.load(Ordering::Relaxed)
    }
}

impl Shared {
    /// Answers a request: the inbox handles its own routes and forbidden requests of browsers, the
    /// service handles all others.
    fn respond(&self, request: &Request<'_>) -> Reply {
        if let Some(refusal) = host_refusal(request) {
            return refusal;
        }
        let mut service = lock(&self.service);
        let now = self.time.now();
        let page_reply = inbox::handle(&mut lock(&self.inbox), &mut service, request, now);
        let handled = match page_reply {
            Some(reply) => Handled::Replied(reply),
            None => service.start(request, now),
        };
        let ticket = match handled {
            Handled::Replied(reply) => {
                if request.path != SERVICE_PATH {
                    self.changed.notify_all();
                }
                return reply;
            }
            Handled::Delayed(ticket) => ticket,
        };
        // The service answers other requests until this reply is due.
        while !self.stopping.load(Ordering::Acquire) {
            let left = match service.reply_of(request, ticket, self.time.now()) {
                Ok(reply) => return reply,
                Err(left) => left.map_or(DELAY_CHECK, Duration::from_millis),
            };
            let waited = self.changed.wait_timeout(service, left.min(DELAY_CHECK));
            service = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Reply { delivery: Delivery::Close, ..Reply::text(503, "") }
    }
}

/// Serves the requests of a connection until it ends.
fn serve(connection: &Connection, shared: &Shared) -> io::Result<()> {
    let mut stream = &connection.stream;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
    let mut reader = RequestReader::new(stream);
    loop {
        connection.idle_since.store(shared.time.now(), Ordering::Relaxed);
        let (reply, consumed, head_only, keep) = match reader.next_request()? {
            Incoming::Closed => return Ok(()),
            Incoming::Refused(status, sentence) => {
                (Reply::text(status, sentence), reader.bytes.len(), false, false)
            }
            Incoming::Complete { head, body } => {
                connection.idle_since.store(BUSY, Ordering::Relaxed);
                answer_request(&reader.bytes, head, body, |request| shared.respond(request))
            }
        };
        let EncodedReply { bytes, then } = encode(reply, head_only, keep);
        reader.consume(consumed);
        match then {
            AfterReply::Keep => stream.write_all(&bytes)?,
            AfterReply::Close => {
                stream.write_all(&bytes)?;
                return close(stream);
            }
            // With a linger time of zero, closing resets the connection, even if all bytes were
            // read.
            AfterReply::Reset => return reset(stream),
            AfterReply::Stall => {
                stream.write_all(&bytes)?;
                return stall(connection, shared);
            }
            AfterReply::Drip(every_ms) => return drip(stream, &bytes, every_ms, shared),
            AfterReply::Events(namespace) => return events(stream, &bytes, namespace, shared),
            AfterReply::Repeat(more) => {
                stream.write_all(&bytes)?;
                return repeat(stream, more, shared);
            }
        }
    }
}

/// Parses a request and passes it to `handle`. Returns the reply, the length of the request in
/// bytes, whether it was a HEAD request, and whether the client wants to keep the connection.
pub(super) fn answer_request(
    bytes: &[u8],
    head: usize,
    body: usize,
    handle: impl FnOnce(&Request<'_>) -> Reply,
) -> (Reply, usize, bool, bool) {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    // The head was parsed when it arrived. Parsing it again costs less than keeping borrows of a
    // buffer that grows.
    let _ = parsed.parse(&bytes[..head]);
    let header = |name: &str| {
        let found = parsed.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok()
    };
    let target = parsed.path.unwrap_or("");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let request = Request {
        method: parsed.method.unwrap_or(""),
        path,
        query,
        host: header("host"),
        authorization: header("authorization"),
        api_key: header("x-api-key"),
        user_agent: header("user-agent"),
        origin: header("origin"),
        fetch_site: header("sec-fetch-site"),
        page_token: header("x-sandbox-token"),
        body: &bytes[head..head + body],
    };
    let connection = header("connection").unwrap_or("");
    let keep = match parsed.version {
        Some(1) => !connection.eq_ignore_ascii_case("close"),
        _ => connection.eq_ignore_ascii_case("keep-alive"),
    };
    (handle(&request), head + body, request.method == "HEAD", keep)
}

/// Closes the connection such that the client can read everything: closing with unread input would
/// reset it.
fn close(mut stream: &TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_millis(200)))?;
    let end = Instant::now() + LINGER;
    let mut left = 4 << 20;
    let mut buffer = [0; 4 << 10];
    while left > 0 && Instant::now() < end {
        match stream.read(&mut buffer)? {
            0 => break,
            count => left -= count.min(left),
        }
    }
    Ok(())
}

fn reset(stream: &TcpStream) -> io::Result<()> {
    Ok(rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO))?)
}

/// Sends nothing until the client disconnects, and discards everything that the client sends.
fn stall(connection: &Connection, shared: &Shared) -> io::Result<()> {
    // The connection counts as idle, so it may be closed if another one needs its slot.
    connection.idle_since.store(shared.time.now(), Ordering::Relaxed);
    let mut stream = &connection.stream;
    stream.set_read_timeout(Some(FAULT_DURATION))?;
    let mut buffer = [0; 256];
    while stream.read(&mut buffer)? > 0 {}
    Ok(())
}

/// Streams updates to an inbox page until it is closed.
fn events(mut stream: &TcpStream, head: &[u8], namespace: u64, shared: &Shared) -> io::Result<()> {
    let _open_page = OpenPage(&shared.pages);
    if shared.pages.fetch_add(1, Ordering::Relaxed) >= inbox::MAX_PAGES {
        stream.write_all(&encode(Reply::text(503, inbox::TOO_MANY_PAGES), false, false).bytes)?;
        return close(stream);
    }
    stream.write_all(head)?;
    let mut feed = UpdateFeed::new(namespace);
    inbox::stream_updates(stream, &shared.stopping, || {
        feed.next_update(&mut lock(&shared.service), shared.time.now())
    })
}

/// Decrements the number of open pages when dropped.
struct OpenPage<'a>(&'a AtomicUsize);

impl Drop for OpenPage<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn drip(mut stream: &TcpStream, bytes: &[u8], every_ms: u32, shared: &Shared) -> io::Result<()> {
    let end = Instant::now() + FAULT_DURATION;
    for byte in bytes.chunks(1) {
        if Instant::now() >= end || shared.stopping.load(Ordering::Acquire) {
            break;
        }
        stream.write_all(byte)?;
        thread::sleep(Duration::from_millis(every_ms.into()));
    }
    close(stream)
}

fn repeat(mut stream: &TcpStream, bytes: &[u8], shared: &Shared) -> io::Result<()> {
    let end = Instant::now() + FAULT_DURATION;
    while Instant::now() < end && !shared.stopping.load(Ordering::Acquire) {
        stream.write_all(bytes)?;
    }
    Ok(())
}
