//! Every call over a line that is cut after every byte: of its request and of its reply, of the TLS handshake too.

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
use sastaotp::{Amount, Charge, Client, Error, NumberRequest, SetStatus, Status, StatusChange};
use serde_json::Value;

use crate::clock::SkippingClock;
use crate::paper::{self, CANARY};
use crate::relay::{Cut, Direction, How, Relay};
use crate::server::{self as tls, Authority, Conn};

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start(0).expect("a port is free"));
static AUTHORITY: LazyLock<Authority> = LazyLock::new(Authority::new);
/// The same service behind TLS.
static SECURED: LazyLock<tls::Server> =
    LazyLock::new(|| tls::Server::start_tls(AUTHORITY.server("localhost"), forward));
static NEXT_KEY: AtomicU64 = AtomicU64::new(0);

/// A call, and what it needs before.
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

/// What a call came to, where what it says is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Truth {
    /// It says what happened.
    Known,
    /// It says that nobody can know: nothing had happened.
    NotMade,
    /// It says that nobody can know: a number was bought.
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

/// The way a call goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) secured: bool,
    /// Whether a kept connection is there before the call.
    pub(crate) pooled: bool,
    pub(crate) how: How,
    /// Cut after each so many bytes.
    pub(crate) step: usize,
}

/// What a stall is given; a healthy exchange takes a twentieth of it.
const SHORT: Duration = Duration::from_millis(300);
/// How long a call may take, and how late it may come back.
const TIMEOUT: Duration = Duration::from_secs(90);
const GRACE: Duration = Duration::from_secs(1);

/// Cuts the line of a call after every byte; returns how many cases that were.
pub(crate) fn torture(call: Call, way: Way) -> usize {
    let (up, down) = {
        let (relay, case) = (Relay::to(target(way)), Case::new());
        let client = case.client(&relay, way);
        case.run(call, way.how, &client, || relay.arm(None)).expect("nothing is cut");
        relay.passed()
    };
    let offsets = |count: usize| (0..=count).step_by(way.step);
    let to_server = offsets(up).map(|after| (Direction::ToServer, after));
    let to_client = offsets(down).map(|after| (Direction::ToClient, after));
    let cuts: Vec<Cut> = to_server
        .chain(to_client)
        .map(|(direction, after)| Cut { direction, after, how: way.how })
        .collect();
    let next = AtomicUsize::new(0);
    let made = AtomicUsize::new(0);
    let (seen, failures) = (Mutex::new(BTreeSet::new()), Mutex::new(Vec::new()));
    // A stall is waited out; everything else takes the processor.
    let threads = if way.how == How::Stall { 48 } else { 2 };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let relay = Relay::to(target(way));
                while let Some(cut) = cuts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let case = Case::new();
                    let client = case.client(&relay, way);
                    let outcome = case.run(call, way.how, &client, || relay.arm(Some(*cut)));
                    made.fetch_add(usize::from(relay.has_cut()), Ordering::Relaxed);
                    match outcome {
                        Ok(truth) => drop(seen.lock().unwrap().insert(truth)),
                        Err(why) => failures.lock().unwrap().push(format!("{cut:?}: {why}")),
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of {} cuts: {}", failures.len(), cuts.len(), failures[0]);
    // Both sides of the commit were met.
    let expected =
        if call.is_purchase() { vec![Truth::Lost, Truth::NotMade] } else { vec![Truth::Known] };
    let seen = seen.into_inner().unwrap();
    assert!(expected.iter().all(|truth| seen.contains(truth)), "{seen:?}");
    let made = made.into_inner();
    // Ids and signatures differ in length: a run may have a byte or two less than the one that was measured.
    assert!((made + 2) * 100 >= cuts.len() * 98, "only {made} of {} cuts were made", cuts.len());
    made
}

fn target(way: Way) -> SocketAddr {
    if way.secured { SECURED.address } else { ([127, 0, 0, 1], SERVER.port()).into() }
}

/// One key, and so one wallet.
struct Case {
    key: String,
}

impl Case {
    fn new() -> Self {
        Self { key: format!("{CANARY}_{:012}", NEXT_KEY.fetch_add(1, Ordering::Relaxed)) }
    }

    /// A client whose line goes through the relay.
    fn client(&self, relay: &Relay, way: Way) -> Client {
        let scheme = if way.secured { "https://localhost" } else { "http://127.0.0.1" };
        let mut config =
            HttpConfig::new(format!("{scheme}:{}/stubs/handler_api.php", relay.address.port()));
        if way.how == How::Stall {
            config.timeouts = Timeouts {
                resolve: SHORT,
                connect: SHORT,
                send: SHORT,
                first_byte_read: SHORT,
                first_byte_charge: SHORT,
                body: SHORT,
            };
        }
        config.extra_ca_pem = way.secured.then(|| AUTHORITY.pem());
        let client = self.client_of(config);
        if way.pooled {
            client.get_balance().expect("nothing is cut yet");
        }
        client
    }

    fn client_of(&self, mut config: HttpConfig) -> Client {
        config.proxy = ProxyChoice::Direct;
        let transport = Arc::new(HttpTransport::new(config).expect("the settings are right"));
        let clock = Arc::new(SkippingClock::new());
        let builder =
            Client::builder().api_key(&self.key).clock(clock).transport(transport).timeout(TIMEOUT);
        builder.build().expect("the settings are right")
    }

    /// Prepares a call, arms the cut, makes the call, and holds what it says against the service.
    fn run(
        &self,
        call: Call,
        how: How,
        client: &Client,
        arm: impl FnOnce(),
    ) -> Result<Truth, String> {
        let direct = || self.client_of(HttpConfig::new(SERVER.url()));
        let story = match call {
            Call::Cancel | Call::Status => Some("zz_never"),
            Call::RegetNumber | Call::Complete | Call::Wait => Some("zz_multi"),
            _ => None,
        };
        let number =
            story.map(|story| direct().get_number(request(story)).expect("nothing is cut"));
        if let (Call::RegetNumber | Call::Complete, Some(number)) = (call, &number) {
            number.get_status().expect("nothing is cut");
            if call == Call::RegetNumber {
                number.complete().expect("nothing is cut");
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
                    let told = direct().get_status(id).expect("nothing is cut any more");
                    matches!(told, Status::Received(truth) if truth.code == sms.code)
                })
            }
            Call::GetNumber | Call::RegetNumber => {
                let bought = match call {
                    Call::GetNumber => client.get_number(request("zz_ok")),
                    _ => client.reget_number(id),
                };
                bought.map(|number| self.ledger()[before.len()..] == [entry("charge", number.id())])
            }
        };
        if clock.now().monotonic > TIMEOUT + GRACE {
            return Err(format!("it came back after {:?}", clock.now().monotonic));
        }
        paper::check(&result);
        self.hold(call, how, id, &before, &result)
    }

    /// No claim is false: what a call says is what the ledger shows.
    fn hold(
        &self,
        call: Call,
        how: How,
        id: &str,
        before: &[String],
        result: &Result<bool, Error>,
    ) -> Result<Truth, String> {
        let ledger = self.ledger();
        let new = &ledger[before.len()..];
        let refund = [entry("refund", id)];
        let is_true = match (call, result) {
            (_, Ok(says_the_truth)) if call.is_purchase() => *says_the_truth,
            (_, Err(error)) if call.is_purchase() => match error.charge() {
                Charge::NotCharged => new.is_empty(),
                Charge::Unknown if new.is_empty() => return Ok(Truth::NotMade),
                Charge::Unknown if new.len() == 1 && error.intent().is_some() => {
                    return Ok(Truth::Lost);
                }
                Charge::Unknown | Charge::Charged => false,
            },
            (Call::Cancel, Ok(says_the_truth)) => *says_the_truth && new == refund,
            // What it came to may be unknown, but there is one refund at most.
            (Call::Cancel, Err(_)) => how == How::Stall && (new.is_empty() || new == refund),
            (_, Ok(says_the_truth)) => *says_the_truth && new.is_empty(),
            // A line that was cut once is no reason for a read to fail; one that fell silent may be, on a busy machine.
            (_, Err(error)) => {
                how == How::Stall && new.is_empty() && error.charge() == Charge::NotCharged
            }
        };
        if is_true {
            Ok(Truth::Known)
        } else {
            Err(format!("{result:?}, and the ledger has {new:?} more"))
        }
    }

    /// The entries of the service's ledger.
    fn ledger(&self) -> Vec<String> {
        let ledger = SERVER.control(&self.key, "ledger", "").expect("it can be read");
        let ledger: Value = serde_json::from_str(&ledger).expect("it is JSON");
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

/// Passes the requests of a secured connection to the service, and its replies back.
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

/// Reads one reply with a length.
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
