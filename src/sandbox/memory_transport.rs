//! The sandbox without sockets: a transport that calls a [`Service`] in the same process and
//! follows the clock that it is given.
//!
//! Invariant: a fault has the same result as on a real network, and a request whose latch was
//! abandoned never reaches the service. With a manual clock, hours of waiting take milliseconds.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use super::fault_table::Unreachable;
use super::http_types::{Delivery, Params, Reply, Request};
use super::paths::SERVICE_PATH;
use super::service::{Handled, Service};
use crate::CancelToken;
use crate::clock::{Clock, Moment};
use crate::transport::{self, Cause, Lane, Phase, Transport, TransportError};

/// A transport that calls a [`Service`] in this process.
///
/// Clones share the service and the list of requests.
#[derive(Clone)]
pub struct MemoryTransport {
    service: Arc<Mutex<Service>>,
    sent: Arc<Mutex<Vec<SentRequest>>>,
    clock: Arc<dyn Clock>,
    /// The service's time when the clock's monotonic time is zero, in milliseconds since 1970. If
    /// the client's wall clock jumps, the service's time does not.
    start_ms: u64,
    latency: Duration,
}

/// A request that reached the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentRequest {
    /// When the request was sent.
    pub at: Moment,
    /// The action; empty if the request had none.
    pub action: String,
    /// The activation id, if the request had one.
    pub id: Option<String>,
    /// The parameters in the order of the request, without the key.
    pub params: Vec<(String, String)>,
}

impl MemoryTransport {
    /// Creates a new service and a transport to it.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_service(Arc::new(Mutex::new(Service::new())), clock)
    }

    /// Creates a transport to a shared service: for a second client, with the same clock or
    /// another.
    pub fn with_service(service: Arc<Mutex<Service>>, clock: Arc<dyn Clock>) -> Self {
        lock(&service).allow_unreachable_faults();
        let Moment { monotonic, wall } = clock.now();
        let wall = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            service,
            sent: Arc::default(),
            clock,
            start_ms: millis(wall.saturating_sub(monotonic)),
            latency: Duration::ZERO,
        }
    }

    /// Makes every exchange take this long on the clock.
    #[must_use]
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Returns the service, to share it with another transport.
    pub fn service(&self) -> Arc<Mutex<Service>> {
        Arc::clone(&self.service)
    }

    /// Makes a control call on a key, as [`super::Server::control`] does.
    pub fn control(&self, key: &str, call: &str, body: &str) -> Result<String, String> {
        let now = self.now_ms();
        lock(&self.service).control_call(key, call, body, now)
    }

    /// Returns the requests that reached the service through this transport, oldest first.
    pub fn sent(&self) -> Vec<SentRequest> {
        lock(&self.sent).clone()
    }

    fn now_ms(&self) -> u64 {
        self.start_ms.saturating_add(millis(self.clock.now().monotonic))
    }

    /// Pauses on the clock. Returns `false` if the request was cancelled and the cancellation
    /// counts.
    fn pause(&self, request: &transport::Request<'_>, duration: Duration) -> bool {
        match request.lane {
            Lane::Read => self.clock.sleep(duration, request.cancel),
            // A charge that was sent continues until its reply.
            Lane::Charge => {
                self.clock.sleep(duration, &CancelToken::new()) || request.latch.is_sent()
            }
        }
    }
}

impl Transport for MemoryTransport {
    fn exchange(
        &self,
        request: &transport::Request<'_>,
    ) -> Result<transport::Reply, TransportError> {
        let (mut authorization, mut api_key) = (None, None);
        match request.key_header {
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                authorization = Some(value);
            }
            Some((name, value)) if name.eq_ignore_ascii_case("x-api-key") => api_key = Some(value),
            _ => {}
        }
        let service_request = Request {
            method: "GET",
            path: SERVICE_PATH,
            query: request.query,
            host: Some("127.0.0.1"),
            authorization,
            api_key,
            ..Request::default()
        };
        if request.cancel.is_cancelled() {
            return Err(cancelled(Phase::Connect, false));
        }
        let unreachable = lock(&self.service).unreachable(&service_request);
        if let Some(unreachable) = unreachable {
            return Err(self.not_reached(request, unreachable));
        }
        if !request.latch.try_send() {
            return Err(cancelled(Phase::Connect, false));
        }
        let params = Params::parse(request.query);
        lock(&self.sent).push(SentRequest {
            at: self.clock.now(),
            action: params.get("action").unwrap_or("").to_string(),
            id: params.get("id").map(str::to_string),
            params: params.without_key().cloned().collect(),
        });
        let handled = lock(&self.service).start(&service_request, self.now_ms());
        let reply = match handled {
            Handled::Replied(reply) => reply,
            Handled::Delayed(ticket) => self.delayed(request, &service_request, ticket)?,
        };
        if self.latency > request.timeout {
            return Err(self.timed_out(request, Cause::ReplyTimeout));
        }
        if !self.latency.is_zero() && !self.pause(request, self.latency) {
            return Err(cancelled(Phase::Receive, true));
        }
        self.deliver(request, reply)
    }
}

impl MemoryTransport {
    /// Waits for a delayed reply. If it is due only after the timeout, the action still takes
    /// effect.
    fn delayed(
        &self,
        request: &transport::Request<'_>,
        service_request: &Request<'_>,
        ticket: u64,
    ) -> Result<Reply, TransportError> {
        let due = lock(&self.service).reply_of(service_request, ticket, self.now_ms());
        let left = match due {
            Ok(reply) => return Ok(reply),
            Err(left) => left.map(Duration::from_millis),
        };
        let error = match left {
            Some(left) if left <= request.timeout.min(first_byte_timeout(request.lane)) => {
                if self.pause(request, left) {
                    let mut service = lock(&self.service);
                    return Ok(service.reply_without_delay(service_request, ticket, self.now_ms()));
                }
                cancelled(Phase::Receive, true)
            }
            _ => self.timed_out(request, Cause::ReplyTimeout),
        };
        lock(&self.service).abandon(service_request, ticket);
        Err(error)
    }

    /// Converts a reply with this delivery into the result of a network transport.
    fn deliver(
        &self,
        request: &transport::Request<'_>,
        reply: Reply,
    ) -> Result<transport::Reply, TransportError> {
        let Reply { status, headers, mut body, delivery, .. } = reply;
        let mut framed = true;
        match delivery {
            Delivery::Whole
            | Delivery::Chunked
            | Delivery::Informed(_)
            | Delivery::Http10
            | Delivery::Gzip => {}
            Delivery::Unframed | Delivery::Events(_) => framed = false,
            Delivery::UnframedCut => {
                framed = false;
                body.truncate(body.len().saturating_sub(2));
            }
            // A length that is too short cuts the body undetected.
            Delivery::LengthTooShort => body.truncate(body.len().saturating_sub(2)),
            Delivery::Close | Delivery::Reset => {
                return Err(received(
                    Cause::Closed,
                    "the connection closed before any byte of the reply",
                ));
            }
            Delivery::HalfHeader | Delivery::HalfBody | Delivery::LengthTooLong => {
                let arrived = match delivery {
                    Delivery::HalfHeader => 0,
                    Delivery::HalfBody => body.len() / 2,
                    _ => body.len(),
                };
                let message = "the connection closed in the middle of the reply";
                return Err(with_body(received(Cause::Truncated, message), &body[..arrived]));
            }
            Delivery::Stall => return Err(self.timed_out(request, Cause::ReplyTimeout)),
            Delivery::StallBody => {
                let error = self.timed_out(request, Cause::BodyTimeout);
                return Err(with_body(error, &body[..body.len() / 2]));
            }
            Delivery::Drip(every_ms) => {
                // The head of the reply drips too; it is about 120 bytes.
                let bytes = u32::try_from(body.len()).unwrap_or(u32::MAX).saturating_add(120);
                let whole = Duration::from_millis(u64::from(bytes) * u64::from(every_ms));
                if whole > request.timeout {
                    return Err(self.timed_out(request, Cause::BodyTimeout));
                }
                if !self.pause(request, whole) {
                    return Err(cancelled(Phase::Receive, true));
                }
            }
            Delivery::EndlessBody
            | Delivery::EndlessHeaders
            | Delivery::HugeHeaders
            | Delivery::GzipBomb => {
                return Err(received(Cause::TooLarge, "the reply is larger than the limit"));
            }
            Delivery::GzipCorrupt => {
                return Err(received(Cause::Encoding, "the reply is damaged"));
            }
            Delivery::Http2
            | Delivery::GarbledStatus
            | Delivery::TwoLengths
            | Delivery::LengthAndChunks
            | Delivery::BadChunk => {
                return Err(received(Cause::Malformed, "the reply is not valid HTTP"));
            }
        }
        if body.len() > request.body_limit {
            return Err(received(Cause::TooLarge, "the reply is larger than the limit"));
        }
        let retry_after_header = headers.iter().find(|(name, _)| *name == "Retry-After");
        let retry_after = retry_after_header
            .and_then(|(_, value)| transport::retry_after(value, self.clock.now().wall));
        Ok(transport::Reply { status, framed, retry_after, location: None, body })
    }

    /// The error if the connection cannot be made.
    fn not_reached(
        &self,
        request: &transport::Request<'_>,
        unreachable: Unreachable,
    ) -> TransportError {
        let (cause, phase, message) = match unreachable {
            Unreachable::Unresolved => {
                (Cause::Resolve, Phase::Resolve, "the host name does not resolve")
            }
            Unreachable::ResolveHangs => {
                (Cause::ResolveTimeout, Phase::Resolve, "the name lookup timed out")
            }
            Unreachable::Refused => (Cause::Refused, Phase::Connect, "the connection was refused"),
            Unreachable::ConnectHangs => {
                (Cause::ConnectTimeout, Phase::Connect, "the connection attempt timed out")
            }
            Unreachable::Certificate => {
                (Cause::Certificate, Phase::Tls, "the server's certificate is not trusted")
            }
            Unreachable::Handshake => (Cause::Handshake, Phase::Tls, "the TLS handshake failed"),
            Unreachable::Proxy => (Cause::Proxy, Phase::Connect, "the proxy refused to connect"),
        };
        let wait = match unreachable {
            Unreachable::ResolveHangs => Duration::from_secs(5),
            Unreachable::ConnectHangs => Duration::from_secs(10),
            _ => Duration::ZERO,
        };
        // Nothing was sent yet, so a cancellation counts on either lane.
        if !wait.is_zero() && !self.clock.sleep(wait.min(request.timeout), request.cancel) {
            return cancelled(phase, false);
        }
        TransportError::new(cause, phase, false, message)
    }

    fn timed_out(&self, request: &transport::Request<'_>, cause: Cause) -> TransportError {
        if self.pause(request, request.timeout.min(first_byte_timeout(request.lane))) {
            received(cause, "the reply timed out")
        } else {
            cancelled(Phase::Receive, true)
        }
    }
}

impl fmt::Debug for MemoryTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryTransport")
            .field("sent", &lock(&self.sent).len())
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A network transport times out on the first byte or the body before the whole call times out.
fn first_byte_timeout(lane: Lane) -> Duration {
    match lane {
        Lane::Read => Duration::from_secs(30),
        Lane::Charge => Duration::from_secs(60),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 2)
}

fn received(cause: Cause, message: &str) -> TransportError {
    TransportError::new(cause, Phase::Receive, true, message)
}

/// Adds the bytes of the body that arrived before the failure.
fn with_body(error: TransportError, body: &[u8]) -> TransportError {
    let received = body[..body.len().min(TransportError::MAX_RECEIVED)].to_vec();
    TransportError { received, ..error }
}

fn cancelled(phase: Phase, sent: bool) -> TransportError {
    TransportError::new(Cause::Cancelled, phase, sent, "the request was cancelled")
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::clock::ManualClock;
    use crate::transport::SendLatch;

    struct Fixture {
        clock: Arc<ManualClock>,
        transport: MemoryTransport,
    }

    impl Fixture {
        fn new() -> Self {
            let start = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
            let clock = Arc::new(ManualClock::new(start));
            let transport = MemoryTransport::new(Arc::clone(&clock) as Arc<dyn Clock>);
            Self { clock, transport }
        }

        fn send_with(
            &self,
            query: &str,
            lane: Lane,
            cancel: &CancelToken,
            latch: &SendLatch,
        ) -> Result<transport::Reply, TransportError> {
            self.transport.exchange(&transport::Request {
                lane,
                query,
                key_header: Some(("X-API-Key", "k")),
                gzip: false,
                body_limit: 256 << 10,
                timeout: Duration::from_secs(90),
                cancel,
                latch,
            })
        }

        fn send(&self, query: &str) -> Result<transport::Reply, TransportError> {
            self.send_with(query, Lane::Read, &CancelToken::new(), &SendLatch::default())
        }

        fn body(&self, query: &str) -> String {
            String::from_utf8(self.send(query).unwrap().body).unwrap()
        }

        fn fault(&self, rule: &str) {
            self.transport.control("k", "faults", rule).unwrap();
        }

        fn passed(&self) -> Duration {
            self.clock.now().monotonic
        }
    }

    #[test]
    fn waits_follow_the_manual_clock() {
        let fixture = Fixture::new();
        let bought = fixture.body("action=getNumber&service=tg&country=22&api_key=k");
        let id = bought.split(':').nth(1).unwrap().to_string();
        let status = format!("action=getStatus&id={id}");
        assert_eq!(fixture.body(&status), "STATUS_WAIT_CODE");
        fixture.clock.advance(Duration::from_secs(8));
        assert!(fixture.body(&status).starts_with("STATUS_OK:"));
        // The client's wall clock does not affect the service.
        fixture.clock.set_wall(SystemTime::UNIX_EPOCH);
        assert!(fixture.body(&status).starts_with("STATUS_OK:"));
        let sent = fixture.transport.sent();
        assert_eq!(
            (sent.len(), sent[1].action.as_str(), sent[1].id.as_deref()),
            (4, "getStatus", Some(id.as_str()))
        );
        assert_eq!(sent[2].at.monotonic, Duration::from_secs(8));
        assert!(sent.iter().all(|sent| sent.params.iter().all(|(name, _)| name != "api_key")));
    }

    #[test]
    fn faults_have_the_errors_of_a_network() {
        use Cause::{
            Closed, Encoding, Handshake, Malformed, Refused, ReplyTimeout, Resolve, TooLarge,
            Truncated,
        };
        use Phase::{Connect, Receive, Tls};
        for (fault, variant, cause, phase, sent) in [
            ("N01", "", Resolve, Phase::Resolve, false),
            ("N03", "", Refused, Connect, false),
            ("N04", "", Cause::ConnectTimeout, Connect, false),
            ("N13", "", Cause::Certificate, Tls, false),
            ("N14", "", Handshake, Tls, false),
            ("N16", "", Cause::Proxy, Connect, false),
            ("N05", "", Closed, Receive, true),
            ("N06", "rst", Closed, Receive, true),
            ("N08", "header", Truncated, Receive, true),
            ("N10", "silent", ReplyTimeout, Receive, true),
            ("N10", "body", Cause::BodyTimeout, Receive, true),
            ("N12", "body", TooLarge, Receive, true),
            ("H12", "garbled", Malformed, Receive, true),
            ("H13", "both", Malformed, Receive, true),
            ("H13", "long", Truncated, Receive, true),
            ("H14", "corrupt", Encoding, Receive, true),
            ("B10", "large", TooLarge, Receive, true),
        ] {
            let fixture = Fixture::new();
            fixture.fault(&format!(r#"{{"fault":"{fault}","variant":"{variant}"}}"#));
            let error =
                fixture.send("action=getNumber&service=zz_ok&format=json").expect_err(fault);
            assert_eq!(
                (error.cause, error.phase, error.sent),
                (cause, phase, sent),
                "{fault} {variant}"
            );
            // A request that was not sent was not seen. N05 hits before the commit, all others
            // after it.
            let charges = u8::from(sent && fault != "N05");
            assert_eq!(fixture.transport.sent().len(), usize::from(sent), "{fault}");
            fixture
                .transport
                .control("k", "assert", &format!(r#"{{"charges":{charges}}}"#))
                .expect(fault);
        }
    }

    #[test]
    fn a_reply_without_length_is_not_framed() {
        let fixture = Fixture::new();
        fixture.fault(r#"{"fault":"N09"}"#);
        let reply = fixture.send("action=getBalance").unwrap();
        assert_eq!((reply.framed, reply.body.as_slice()), (false, &b"ACCESS_BALANCE:1000."[..]));
        let reply = fixture.send("action=getBalance").unwrap();
        assert_eq!((reply.framed, reply.body.as_slice()), (true, &b"ACCESS_BALANCE:1000.00"[..]));
    }

    #[test]
    fn timeouts_follow_the_clock() {
        let fixture = Fixture::new();
        fixture.fault(r#"{"fault":"N10"}"#);
        assert!(fixture.send("action=getBalance").is_err());
        assert_eq!(fixture.passed(), Duration::from_secs(30));
        fixture.fault(r#"{"fault":"N11","every_ms":100}"#);
        assert!(fixture.send("action=getBalance").is_ok(), "142 bytes in 14.2 s");
        assert_eq!(fixture.passed(), Duration::from_millis(44_200));
    }

    #[test]
    fn an_abandoned_request_is_not_sent() {
        let fixture = Fixture::new();
        let latch = SendLatch::default();
        assert!(latch.try_abandon());
        let query = "action=getNumber&service=zz_ok";
        let error =
            fixture.send_with(query, Lane::Charge, &CancelToken::new(), &latch).unwrap_err();
        assert_eq!((error.cause, error.sent), (Cause::Cancelled, false));
        let cancel = CancelToken::new();
        cancel.cancel();
        let error =
            fixture.send_with(query, Lane::Charge, &cancel, &SendLatch::default()).unwrap_err();
        assert_eq!((error.cause, error.sent), (Cause::Cancelled, false));
        assert!(fixture.transport.sent().is_empty());
    }
}
