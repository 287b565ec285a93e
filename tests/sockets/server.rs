//! The fixture of the socket tests: a sandbox on a socket, and clients of it.

#[path = "../timing/mod.rs"]
mod timing;

use std::time::{Duration, Instant};

use crate::adapter::{self, Amount, Client, ClientBuilder, NumberRequest};
use sastaotp::sandbox::Server;
use serde_json::Value;
pub(crate) use timing::at_most;

/// How long the tests look for a lost purchase, in real time.
pub(crate) const LOOK_FOR: Duration = Duration::from_secs(3);

pub(crate) struct Sandbox {
    pub(crate) server: Server,
    pub(crate) key: String,
}

impl Sandbox {
    /// Starts a server. The API key of its clients contains `name`.
    pub(crate) fn start(name: &str) -> Self {
        let _ = env_logger::try_init();
        Self {
            server: Server::start(0).expect("a port is free"),
            key: format!("stp_canary_{name}"),
        }
    }

    pub(crate) fn client(&self) -> Client {
        client(&self.server.url(), &self.key)
    }

    pub(crate) fn builder(&self) -> ClientBuilder {
        builder(&self.server.url(), &self.key)
    }

    pub(crate) fn control(&self, call: &str, body: &str) -> Value {
        let reply = self
            .server
            .control(&self.key, call, body)
            .unwrap_or_else(|error| panic!("{call} {body}: {error}"));
        serde_json::from_str(&reply).expect("control calls return JSON")
    }

    /// Returns the number of requests of an action that reached the server.
    pub(crate) fn count(&self, action: &str) -> usize {
        let log = self.control("log", "");
        log["log"].as_array().unwrap().iter().filter(|line| line["action"] == action).count()
    }
}

pub(crate) fn client(url: &str, key: &str) -> Client {
    adapter::build(builder(url, key)).expect("the settings are valid")
}

pub(crate) fn builder(url: &str, key: &str) -> ClientBuilder {
    crate::proxied(ClientBuilder::default().api_key(key).base_url(url))
}

pub(crate) fn request(service: &str) -> NumberRequest {
    NumberRequest::new(service).country("22").max_price(Amount::from_rupees(100))
}

/// Waits until a condition holds. Panics after a minute.
pub(crate) fn eventually(event: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "{event} does not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}
