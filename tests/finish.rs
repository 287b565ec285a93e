//! The end of a program: `finish` waits for purchases in flight.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use sastaotp::clock::SystemClock;
use sastaotp::sandbox::MemoryTransport;
use sastaotp::transport::{Reply, Request, Transport, TransportError};
use sastaotp::{CancelToken, Charge, Client, NumberRequest};

/// Longer than anything that the test waits for.
const SOON: Duration = Duration::from_secs(60);

/// A service that replies to a purchase when the gate is open.
struct Gated(MemoryTransport, Arc<Gate>);

#[derive(Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_asked: bool,
    is_open: bool,
}

impl Gate {
    fn wait(&self, condition: impl Fn(&State) -> bool) {
        let state = self.state.lock().unwrap();
        drop(self.changed.wait_while(state, |state| !condition(state)).unwrap());
    }

    fn set(&self, change: impl Fn(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }
}

impl fmt::Debug for Gated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gated")
    }
}

impl Transport for Gated {
    fn exchange(&self, request: &Request<'_>) -> Result<Reply, TransportError> {
        let reply = self.0.exchange(request);
        if request.query.contains("getNumber") {
            self.1.set(|state| state.is_asked = true);
            self.1.wait(|state| state.is_open);
        }
        reply
    }
}

#[test]
fn a_triggered_token_does_not_end_finish() {
    let gate = Arc::new(Gate::default());
    let service = MemoryTransport::new(Arc::new(SystemClock::default()));
    let client = Client::builder()
        .api_key("stp_canary_finish")
        .transport(Arc::new(Gated(service, Arc::clone(&gate))))
        .build()
        .unwrap();
    let token = CancelToken::new();
    let handle = client.with_cancel(&token);
    let request = NumberRequest::new("zz_never").country("22").accept_any_price();
    thread::scope(|scope| {
        let buying = scope.spawn(|| handle.get_number(request));
        gate.wait(|state| state.is_asked);
        token.cancel();
        assert_eq!(buying.join().unwrap().unwrap_err().charge(), Charge::Unknown);
        let opening = scope.spawn(|| {
            // Gives a `finish` that does not wait the time to return.
            thread::sleep(Duration::from_secs(3));
            gate.set(|state| state.is_open = true);
        });
        let listed = handle.finish(SOON);
        assert!(listed[0].outcome.purchase().is_some(), "{:?}", listed[0]);
        opening.join().unwrap();
    });
}
