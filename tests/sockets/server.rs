//! A sandbox on a socket, and clients of it.

use std::time::{Duration, Instant};

use crate::adapter::{self, Amount, Client, ClientBuilder, NumberRequest};
use sastaotp::sandbox::Server;
use serde_json::Value;

pub(crate) struct Sandbox {
    pub(crate) server: Server,
    pub(crate) key: String,
}

impl Sandbox {
    /// Starts a server; the name is its only key.
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
        let answer = self
            .server
            .control(&self.key, call, body)
            .unwrap_or_else(|error| panic!("{call} {body}: {error}"));
        serde_json::from_str(&answer).expect("control calls answer in JSON")
    }

    /// How often an action was asked for, as the server saw it.
    pub(crate) fn count(&self, action: &str) -> usize {
        let log = self.control("log", "");
        log["log"].as_array().unwrap().iter().filter(|line| line["action"] == action).count()
    }
}

pub(crate) fn client(url: &str, key: &str) -> Client {
    adapter::build(builder(url, key)).expect("the settings are right")
}

fn builder(url: &str, key: &str) -> ClientBuilder {
    ClientBuilder::default().api_key(key).base_url(url)
}

pub(crate) fn request(service: &str) -> NumberRequest {
    NumberRequest::new(service).country("22").max_price(Amount::from_rupees(100))
}

/// Waits until something is so; fails after ten seconds.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(10), "{what} does not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}
