//! A service without codes: it answers every getStatus with "no code yet" after a delay, and sells
//! a number to every getNumber after another. It runs in one thread, and its CPU time is small
//! against that of the clients.
//!
//! `server DELAY_MS SLOW_PERCENT SLOW_MS PURCHASE_MS [CA_FILE]` prints its port. If a file is
//! named, the server uses TLS and writes the authority to trust there. `/stats` returns the figures
//! since the last `/stats`: the number of polls, and the time between two polls of one activation,
//! from the end of a reply to the arrival of the next request. It also returns how many numbers
//! were sold, and the largest number of purchases that were in flight at once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::env;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

const REPLY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nServer: bench\r\nContent-Length: 16\r\n\r\n\
    STATUS_WAIT_CODE";

#[derive(Default)]
struct State {
    delay: Duration,
    purchase: Duration,
    sold: u32,
    in_flight: u32,
    in_flight_peak: u32,
    slow_percent: u32,
    slow: Duration,
    polls: u32,
    /// When the last reply to each activation was sent.
    replied: HashMap<u64, Instant>,
    /// Microseconds between the polls of one activation.
    gaps: Vec<u32>,
    connections: u32,
    open: u32,
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let number =
        |index: usize| arguments.get(index).map_or(0, |text| text.parse().expect("a number"));
    let state = State {
        delay: Duration::from_millis(number(0)),
        slow_percent: number(1) as u32,
        slow: Duration::from_millis(number(2)),
        purchase: Duration::from_millis(number(3)),
        ..State::default()
    };
    let tls = arguments.get(4).map(|path| acceptor(path));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(
        tokio::task::LocalSet::new().run_until(listen(Rc::new(RefCell::new(state)), tls)),
    );
}

async fn listen(state: Rc<RefCell<State>>, tls: Option<TlsAcceptor>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    println!("{}", listener.local_addr().expect("an address").port());
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        let (state, tls) = (Rc::clone(&state), tls.clone());
        tokio::task::spawn_local(async move {
            state.borrow_mut().connections += 1;
            state.borrow_mut().open += 1;
            match tls {
                None => serve(stream, &state).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, &state).await;
                    }
                }
            }
            state.borrow_mut().open -= 1;
        });
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, state: &RefCell<State>) {
    let mut request = Vec::with_capacity(1024);
    loop {
        request.clear();
        while !request.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                return;
            }
        }
        if request.starts_with(b"GET /stats") {
            let stats = stats(&mut state.borrow_mut());
            let reply =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{stats}", stats.len());
            if stream.write_all(reply.as_bytes()).await.is_err() {
                return;
            }
            continue;
        }
        match action_of(&request) {
            b"getStatus" => {}
            action => {
                let text = answer(action, state).await;
                if stream.write_all(&plain(&text)).await.is_err() {
                    return;
                }
                continue;
            }
        }
        let id = id_of(&request);
        let delay = arrive(&mut state.borrow_mut(), id);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if stream.write_all(REPLY).await.is_err() {
            return;
        }
        state.borrow_mut().replied.insert(id, Instant::now());
    }
}

/// Answers an action that is not a poll.
async fn answer(action: &[u8], state: &RefCell<State>) -> String {
    match action {
        b"getNumber" => {
            let purchase = {
                let mut state = state.borrow_mut();
                state.in_flight += 1;
                state.in_flight_peak = state.in_flight_peak.max(state.in_flight);
                state.purchase
            };
            tokio::time::sleep(purchase).await;
            let mut state = state.borrow_mut();
            state.in_flight -= 1;
            state.sold += 1;
            format!("ACCESS_NUMBER:{0}:9198{0:08}", 9_000_000 + state.sold)
        }
        b"getOrders" => r#"{"status":"OK","orders":[],"total":0}"#.to_owned(),
        _ => {
            let delay = state.borrow().delay;
            tokio::time::sleep(delay).await;
            "ACCESS_BALANCE:5.00".to_owned()
        }
    }
}

fn plain(text: &str) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nServer: bench";
    format!("{head}\r\nContent-Length: {}\r\n\r\n{text}", text.len()).into_bytes()
}

fn action_of(request: &[u8]) -> &[u8] {
    let name = b"action=";
    let Some(at) = request.windows(name.len()).position(|window| window == name) else {
        return b"getStatus";
    };
    let rest = &request[at + name.len()..];
    let end = rest.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(rest.len());
    &rest[..end]
}

/// Counts a poll. Returns the delay of its reply.
fn arrive(state: &mut State, id: u64) -> Duration {
    state.polls += 1;
    if let Some(replied) = state.replied.get(&id) {
        state.gaps.push(u32::try_from(replied.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    // A fixed pattern without a period, so that polls cannot get in step with it.
    let is_slow = state.polls.wrapping_mul(2_654_435_761) % 100 < state.slow_percent;
    if is_slow { state.slow } else { state.delay }
}

fn id_of(request: &[u8]) -> u64 {
    let Some(at) = request.windows(3).position(|window| window == b"id=") else { return 0 };
    let digits = request[at + 3..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

fn stats(state: &mut State) -> String {
    let mut gaps = std::mem::take(&mut state.gaps);
    gaps.sort_unstable();
    let at = |share: f64| {
        gaps.get((gaps.len() as f64 * share) as usize).or(gaps.last()).copied().unwrap_or_default()
    };
    let polls = std::mem::take(&mut state.polls);
    format!(
        "{{\"polls\":{polls},\"gap_min_us\":{},\"gap_p50_us\":{},\"gap_p99_us\":{},\
         \"gap_max_us\":{},\"connections\":{},\"open\":{},\"cpu_us\":{},\"sold\":{},\
         \"in_flight_peak\":{}}}",
        at(0.0),
        at(0.5),
        at(0.99),
        at(1.0),
        state.connections,
        state.open,
        peers::cpu_micros(),
        state.sold,
        state.in_flight_peak
    )
}

/// Makes an authority, writes it to a file, and signs a certificate with it.
fn acceptor(path: &str) -> TlsAcceptor {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
    let key = || KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    // If both had one name, the certificate would look self-signed.
    params.distinguished_name.push(DnType::CommonName, "The authority of the benchmarks");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, key()).expect("an authority");
    std::fs::write(path, authority.pem()).expect("the authority is written");
    let server_key = key();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let params = CertificateParams::new(names).expect("names");
    let certificate = params.signed_by(&server_key, &authority).expect("a certificate");
    let key = PrivateKeyDer::try_from(server_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a configuration");
    TlsAcceptor::from(Arc::new(config))
}
