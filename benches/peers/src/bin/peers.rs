//! Other crates that do the same work: `ureq|ureq_default|reqwest URL COUNT`,
//! `value|typed|simd|sonic prices|services FILE ROUNDS`.

use std::collections::HashMap;
use std::env;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;
use std::time::Duration;

use peers::{measure_calls, measure_decoding};
use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::value::RawValue;
use ureq::Agent;
use ureq::config::Config;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let number = |index: usize| arguments[index].parse().expect("a number");
    let query = "?action=getStatus&id=1000001";
    match arguments[0].as_str() {
        "ureq" => {
            // Without timeouts, because with them ureq makes more system calls and is slower.
            let agent = Agent::with_parts(
                Config::default(),
                DefaultConnector::default(),
                Cached::default(),
            );
            poll_ureq(&agent, &format!("{}{query}", arguments[1]), number(2));
        }
        "ureq_default" => {
            let config =
                Agent::config_builder().timeout_global(Some(Duration::from_secs(90))).build();
            poll_ureq(&config.into(), &format!("{}{query}", arguments[1]), number(2));
        }
        "reqwest" => {
            let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client");
            let url = format!("{}{query}", arguments[1]);
            measure_calls(number(2), || {
                let reply = client.get(&url).header("X-API-Key", KEY).send().expect("a reply");
                assert_eq!(reply.text().expect("text"), "STATUS_WAIT_CODE");
            });
        }
        kind => {
            let (path, rounds) = (&arguments[2], number(3));
            match (kind, arguments[1].as_str()) {
                ("value", _) => measure_decoding(path, rounds, |body| {
                    serde_json::from_slice::<serde_json::Value>(&body)
                        .expect("JSON")
                        .as_object()
                        .map_or(0, |all| all.len())
                }),
                ("simd", _) => measure_decoding(path, rounds, |mut body| {
                    use simd_json::prelude::ValueObjectAccess as _;
                    usize::from(
                        simd_json::to_borrowed_value(&mut body)
                            .expect("JSON")
                            .get("status")
                            .is_some(),
                    )
                }),
                ("typed", "prices") => typed(path, rounds, count_prices),
                ("typed", _) => typed(path, rounds, count_services),
                ("sonic", "prices") => sonic(path, rounds, |all: PricesF| count_prices(all)),
                ("sonic", _) => sonic(path, rounds, |all: ServicesF| count_services(all)),
                (other, _) => panic!("unknown peer {other}"),
            }
        }
    }
}

fn poll_ureq(agent: &Agent, url: &str, count: u32) {
    measure_calls(count, || {
        let mut reply = agent.get(url).header("X-API-Key", KEY).call().expect("a reply");
        assert_eq!(reply.body_mut().read_to_string().expect("text"), "STATUS_WAIT_CODE");
    });
}

/// A resolver that resolves each name once.
#[derive(Default)]
struct Cached(Mutex<Vec<(String, IpAddr)>>);

impl Resolver for Cached {
    fn resolve(
        &self,
        uri: &ureq::http::Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let (host, port) = (uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(80));
        let mut known = self.0.lock().expect("the lock is not poisoned");
        if let Some((_, ip)) = known.iter().find(|(name, _)| name == host) {
            let mut addresses = self.empty();
            addresses.push(SocketAddr::new(*ip, port));
            return Ok(addresses);
        }
        let found = DefaultResolver::default().resolve(uri, config, timeout)?;
        known.push((host.to_owned(), found[0].ip()));
        Ok(found)
    }
}

impl fmt::Debug for Cached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cached")
    }
}

/// Whole micro-rupees, because amounts of money must be exact.
#[allow(dead_code)]
struct Micros(i64);

impl<'de> Deserialize<'de> for Micros {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get().trim_matches('"');
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(6);
        let read = whole.bytes().chain(digits).try_fold(0_i64, |micros, digit| {
            digit
                .is_ascii_digit()
                .then(|| micros.checked_mul(10)?.checked_add(i64::from(digit - b'0')))
                .flatten()
        });
        read.map(Self).ok_or_else(|| serde::de::Error::custom("not an amount"))
    }
}

type Prices = PricesOf<Micros>;
type PricesF = PricesOf<f64>;
type Services = ServicesOf<Micros>;
type ServicesF = ServicesOf<f64>;

#[allow(dead_code)]
#[derive(serde::Deserialize)]
struct PricesOf<M> {
    status: String,
    data: HashMap<String, HashMap<String, PriceOf<M>>>,
}

#[allow(dead_code)]
#[derive(serde::Deserialize)]
struct PriceOf<M> {
    cost: Option<M>,
    count: Option<u32>,
}

#[allow(dead_code)]
#[derive(serde::Deserialize)]
struct ServicesOf<M> {
    status: String,
    services: HashMap<String, ServiceOf<M>>,
}

#[allow(dead_code)]
#[derive(serde::Deserialize)]
struct ServiceOf<M> {
    code: String,
    name: String,
    price: Option<M>,
    available: Option<u64>,
    multi_sms: Option<bool>,
    expires_in: Option<u64>,
    countries: Vec<OfferOf<M>>,
}

#[allow(dead_code)]
#[derive(serde::Deserialize)]
struct OfferOf<M> {
    country_code: String,
    country_name: String,
    price: Option<M>,
    qty: Option<u64>,
}

fn count_prices<M>(all: PricesOf<M>) -> usize {
    all.data.values().map(HashMap::len).sum()
}

fn count_services<M>(all: ServicesOf<M>) -> usize {
    all.services.len()
}

/// Parses with serde_json, typed and owned, with exact decimals.
fn typed<T: Exact>(path: &str, rounds: u32, count: impl Fn(T) -> usize) {
    measure_decoding(path, rounds, |body| count(T::read(&body)));
}

/// Parses with sonic-rs, typed and owned, with floats: the fastest parser, but not exact.
fn sonic<T: DeserializeOwned>(path: &str, rounds: u32, count: impl Fn(T) -> usize) {
    measure_decoding(path, rounds, |body| count(sonic_rs::from_slice(&body).expect("JSON")));
}

/// A type that owns its data but reads its decimals from borrowed text.
trait Exact {
    fn read(body: &[u8]) -> Self;
}

impl Exact for Prices {
    fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).expect("JSON")
    }
}

impl Exact for Services {
    fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).expect("JSON")
    }
}
