//! Fuzzes the sandbox with the bytes of a connection, or with a script of requests and control
//! calls: it does not panic, and its ledger balances.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sastaotp::Amount;
use sastaotp::sandbox::{Request, Service, fuzzing};
use serde_json::Value;

const NOW: u64 = 1_800_000_000_000;

fuzz_target!(|data: &[u8]| {
    let [kind, rest @ ..] = data else { return };
    let mut service = Service::new();
    if kind % 4 == 0 {
        let output = fuzzing::serve(&mut service, rest, NOW);
        assert!(
            output.is_empty() || output.starts_with(b"HTTP/1."),
            "{:?}",
            String::from_utf8_lossy(&output)
        );
    } else {
        run_script(&mut service, rest);
    }
    check_ledger(&mut service);
});

/// Runs a script. Each line is a request: the first byte selects its kind and how much time passes
/// before it, and the rest is its query, or the control call and its body.
fn run_script(service: &mut Service, script: &[u8]) {
    let mut now = NOW;
    for line in script.split(|byte| *byte == b'\n').take(32) {
        let [kind, rest @ ..] = line else { continue };
        let text = String::from_utf8_lossy(rest);
        let (path, body) = text.split_once(' ').unwrap_or((&text, ""));
        let control = format!("/_sandbox/{path}");
        now += u64::from(kind >> 4) * 1000;
        let common = Request { host: Some("localhost"), api_key: Some("k"), ..Request::default() };
        let request = match kind & 3 {
            0 | 1 => {
                Request { method: "GET", path: "/stubs/handler_api.php", query: &text, ..common }
            }
            2 => Request { method: "POST", path: &control, body: body.as_bytes(), ..common },
            _ => Request { method: "GET", path: &control, ..common },
        };
        let reply = service.handle(&request, now);
        assert!((200..=599).contains(&reply.status), "{reply:?}");
        if request.path == control && reply.status != 200 {
            let error: Value =
                serde_json::from_slice(&reply.body).expect("control calls return JSON");
            assert!(error["error"].is_string(), "a refusal has a reason: {error}");
        }
    }
}

fn check_ledger(service: &mut Service) {
    let request = Request {
        method: "GET",
        path: "/_sandbox/ledger",
        host: Some("localhost"),
        api_key: Some("k"),
        ..Request::default()
    };
    let reply = service.handle(&request, u64::MAX / 2);
    let ledger: Value = serde_json::from_slice(&reply.body).unwrap();
    let amount = |name: &str| ledger[name].as_str().unwrap().parse::<Amount>().unwrap().micros();
    let sum = i128::from(amount("opening")) - i128::from(amount("charged"))
        + i128::from(amount("refunded"));
    assert_eq!(sum, i128::from(amount("balance")), "{ledger}");
    assert!(amount("refunded") <= amount("charged"), "{ledger}");
}
