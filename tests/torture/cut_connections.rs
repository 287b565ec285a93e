//! Makes every call over a connection that is cut after every byte: of the request, of the reply,
//! and of the TLS handshake.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;
use std::time::Duration;

use sastaotp::clock::Clock;
use sastaotp::sandbox::Server;
use sastaotp::transport::{HttpConfig, HttpTransport, ProxyChoice, Timeouts};
use sastaotp::{
    Amount, Charge, Client, Error, NumberRequest, PriceLimit, SetStatus, Status, StatusChange,
};
use serde_json::Value;

use crate::leak_check::{self, CANARY};
use crate::relay::{Cut, CutMode, Direction, Relay};
use crate::server::{self as tls, Authority, Conn};
use crate::skipping_clock::SkippingClock;

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start(0).expect("a port is free"));
static AUTHORITY: LazyLock<Authority> = LazyLock::new(Authority::new);
/// The same service over TLS.
static TLS_SERVER: LazyLock<tls::Server> =
    LazyLock::new(|| tls::Server::start_tls(AUTHORITY.server("localhost"), forward));
static NEXT_KEY: AtomicU64 = AtomicU64::new(0);

/// A call of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Balance,
    Prices,
    GetNumber,
    RegetNumber,
    Cancel,
    Complete,
    Status,
    Wait,
}

/// The verdict on a result that agrees with the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    /// The result states what happened.
    Known,
    /// The outcome is unknown, and nothing was bought.
    NotMade,
    /// The outcome is unknown, and a number was bought.
    Lost,
}

impl Call {
    pub(crate) fn is_purchase(self) -> bool {
        matches!(self, Self::GetNumber | Self::RegetNumber)
    }
}

pub(crate) const CALLS: [(&str, Call); 8] = [
    ("get_balance", Call::Balance),
    ("get_prices", Call::Prices),
    ("get_number", Call::GetNumber),
    ("reget_number", Call::RegetNumber),
    ("set_status_cancel", Call::Cancel),
    ("set_status_complete", Call::Complete),
    ("get_status", Call::Status),
    ("wait_for_code", Call::Wait),
];

/// How a call is sent and cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) tls: bool,
    /// Whether the client has a kept connection before the call.
    pub(crate) kept: bool,
    pub(crate) mode: CutMode,
    /// The number of bytes from one cut to the next.
    pub(crate) step: usize,
}

/// The timeout if the connection stalls; a healthy exchange takes a twentieth of it.
const SHORT: Duration = Duration::from_millis(300);
/// The timeout of a call, and how late it may return.
const TIMEOUT: Duration = Duration::from_secs(90);
const LATENESS: Duration = Duration::from_secs(1);

/// Cuts the connection of a call after every `step` bytes, and returns the number of cuts.
pub(crate) fn cut_everywhere(call: Call, way: Way) -> usize {
    let (up, down) = {
        let (relay, case) = (Relay::to(target(way)), Case::new());
        let client = case.client(&relay, way);
        case.run(call, way.mode, &client, || relay.arm(None)).expect("no cut is armed");
        relay.passed()
    };
    let offsets = |count: usize| (0..=count).step_by(way.step);
    let to_server = offsets(up).map(|after| (Direction::ToServer, after));
    let to_client = offsets(down).map(|after| (Direction::ToClient, after));
    let cuts: Vec<Cut> = to_server
        .chain(to_client)
        .map(|(direction, after)| Cut { direction, after, mode: way.mode })
        .collect();
    let next = AtomicUsize::new(0);
    let made = AtomicUsize::new(0);
    let (seen, failures) = (Mutex::new(BTreeSet::new()), Mutex::new(Vec::new()));
    // A stall only waits; every other cut uses the processor.
    let threads = if way.mode == CutMode::Stall { 48 } else { 2 };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let relay = Relay::to(target(way));
                while let Some(cut) = cuts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let case = Case::new();
                    let client = case.client(&relay, way);
                    let outcome = case.run(call, way.mode, &client, || relay.arm(Some(*cut)));
                    made.fetch_add(usize::from(relay.has_cut()), Ordering::Relaxed);
                    match outcome {
                        Ok(verdict) => drop(seen.lock().unwrap().insert(verdict)),
                        Err(reason) => failures.lock().unwrap().push(format!("{cut:?}: {reason}")),
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of {} cuts: {}", failures.len(), cuts.len(), failures[0]);
    // The cuts came both before and after the commit.
    let expected = if call.is_purchase() {
        vec![Verdict::Lost, Verdict::NotMade]
    } else {
        vec![Verdict::Known]
    };
    let seen = seen.into_inner().unwrap();
    assert!(expected.iter().all(|verdict| seen.contains(verdict)), "{seen:?}");
    let made = made.into_inner();
    // Ids and signatures differ in length, so a run may have a byte or two less than the measured
    // one.
    assert!((made + 2) * 100 >= cuts.len() * 98, "only {made} of {} cuts were made", cuts.len());
    made
}

fn target(way: Way) -> SocketAddr {
    if way.tls { TLS_SERVER.address } else { ([127, 0, 0, 1], SERVER.port()).into() }
}

/// A case has its own API key and therefore its own wallet.
struct Case {
    key: String,
}

impl Case {
    fn new() -> Self {
        Self { key: format!("{CANARY}_{:012}", NEXT_KEY.fetch_add(1, Ordering::Relaxed)) }
    }

    /// Returns a client that connects through the relay.
    fn client(&self, relay: &Relay, way: Way) -> Client {
        let scheme = if way.tls { "https://localhost" } else { "http://127.0.0.1" };
        let mut config =
            HttpConfig::new(format!("{scheme}:{}/stubs/handler_api.php", relay.address.port()));
        if way.mode == CutMode::Stall {
            config.timeouts = Timeouts {
                resolve: SHORT,
                connect: SHORT,
                send: SHORT,
                first_byte_read: SHORT,
                first_byte_charge: SHORT,
                body: SHORT,
            };
        }
        config.extra_ca_pem = way.tls.then(|| AUTHORITY.pem());
        let client = self.client_of(config);
        if way.kept {
            client.get_balance().expect("no cut is armed");
        }
        client
    }

    fn client_of(&self, mut config: HttpConfig) -> Client {
        config.proxy = ProxyChoice::Direct;
        let transport = Arc::new(HttpTransport::new(config).expect("the settings are valid"));
        let clock = Arc::new(SkippingClock::new());
        let builder =
            Client::builder().api_key(&self.key).clock(clock).transport(transport).timeout(TIMEOUT);
        builder.build().expect("the settings are valid")
    }

    /// Prepares a call, arms the cut, makes the call, and checks its result against the service.
    fn run(
        &self,
        call: Call,
        mode: CutMode,
        client: &Client,
        arm: impl FnOnce(),
    ) -> Result<Verdict, String> {
        let direct = || self.client_of(HttpConfig::new(SERVER.url()));
        let service = match call {
            Call::Cancel | Call::Status => Some("zz_never"),
            Call::RegetNumber | Call::Complete | Call::Wait => Some("zz_multi"),
            _ => None,
        };
        let number =
            service.map(|service| direct().get_number(request(service)).expect("no cut is armed"));
        if let (Call::RegetNumber | Call::Complete, Some(number)) = (call, &number) {
            number.get_status().expect("no cut is armed");
            if call == Call::RegetNumber {
                number.complete().expect("no cut is armed");
            }
        }
        let id = number.as_ref().map_or("", |number| number.id());
        let before = self.ledger();
        arm();
        let clock = SkippingClock::new();
        let result = match call {
            Call::Balance => {
                client.get_balance().map(|balance| balance.amount == Amount::from_rupees(1000))
            }
            Call::Prices => {
                client.get_prices(Some("tg"), Some("22")).map(|prices| prices.len() == 1)
            }
            Call::Status => client.get_status(id).map(|status| status == Status::Waiting),
            Call::Cancel => client
                .set_status(id, SetStatus::Cancel)
                .map(|change| change == StatusChange::Cancelled),
            Call::Complete => client
                .set_status(id, SetStatus::Complete)
                .map(|change| change == StatusChange::Completed),
            Call::Wait => {
                let sms = client
                    .activation(id)
                    .and_then(|number| number.wait_for_code(Duration::from_secs(60)));
                sms.map(|sms| {
                    let status = direct().get_status(id).expect("the cut was made before");
                    matches!(status, Status::Received(expected) if expected.code == sms.code)
                })
            }
            Call::GetNumber | Call::RegetNumber => {
                let bought = match call {
                    Call::GetNumber => client.get_number(request("zz_ok")),
                    _ => client.reget_number(id, PriceLimit::Any),
                };
                bought.map(|number| self.ledger()[before.len()..] == [entry("charge", number.id())])
            }
        };
        if clock.now().monotonic > TIMEOUT + LATENESS {
            return Err(format!("it returned after {:?}", clock.now().monotonic));
        }
        leak_check::check(&result);
        self.check_result(call, mode, id, &before, &result)
    }

    /// Checks that the result agrees with the ledger.
    fn check_result(
        &self,
        call: Call,
        mode: CutMode,
        id: &str,
        before: &[String],
        result: &Result<bool, Error>,
    ) -> Result<Verdict, String> {
        let ledger = self.ledger();
        let new = &ledger[before.len()..];
        let refund = [entry("refund", id)];
        let is_consistent = match (call, result) {
            (_, Ok(is_correct)) if call.is_purchase() => *is_correct,
            (_, Err(error)) if call.is_purchase() => match error.charge() {
                Charge::NotCharged => new.is_empty(),
                Charge::Unknown if new.is_empty() => return Ok(Verdict::NotMade),
                Charge::Unknown if new.len() == 1 && error.intent().is_some() => {
                    return Ok(Verdict::Lost);
                }
                Charge::Unknown | Charge::Charged => false,
            },
            (Call::Cancel, Ok(is_correct)) => *is_correct && new == refund,
            // The outcome may be unknown, but there is at most one refund.
            (Call::Cancel, Err(_)) => mode == CutMode::Stall && (new.is_empty() || new == refund),
            (_, Ok(is_correct)) => *is_correct && new.is_empty(),
            // A read survives one cut. After a stall it may fail on a busy machine.
            (_, Err(error)) => {
                mode == CutMode::Stall && new.is_empty() && error.charge() == Charge::NotCharged
            }
        };
        if is_consistent {
            Ok(Verdict::Known)
        } else {
            Err(format!("{result:?}, but the new entries of the ledger are {new:?}"))
        }
    }

    /// Returns the entries of the ledger.
    fn ledger(&self) -> Vec<String> {
        let ledger = SERVER.control(&self.key, "ledger", "").expect("the ledger can be read");
        let ledger: Value = serde_json::from_str(&ledger).expect("the ledger is JSON");
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        let entries = ledger["entries"].as_array().expect("a list").iter();
        entries.map(|one| entry(&text(one, "kind"), &text(one, "activation_id"))).collect()
    }
}

fn entry(kind: &str, id: &str) -> String {
    format!("{kind} {id}")
}

fn request(service: &str) -> NumberRequest {
    NumberRequest::new(service).country("22").max_price(Amount::from_rupees(15))
}

/// Forwards the requests of a TLS connection to the service, and its replies back.
fn forward(conn: &mut Conn) {
    let Ok(mut service) = TcpStream::connect(("127.0.0.1", SERVER.port())) else { return };
    while let Some(request) = conn.request() {
        let Ok(reply) =
            service.write_all(request.as_bytes()).and_then(|()| whole_reply(&mut service))
        else {
            return;
        };
        if !conn.send(reply) {
            return;
        }
    }
}

/// Reads one reply, whose head has a length.
fn whole_reply(service: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut reply = Vec::new();
    let mut buffer = [0; 16 << 10];
    loop {
        let count = service.read(&mut buffer)?;
        if count == 0 {
            return Ok(reply);
        }
        reply.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&reply);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        if length
            .and_then(|length| length.parse().ok())
            .is_none_or(|length: usize| body.len() >= length)
        {
            return Ok(reply);
        }
    }
}
