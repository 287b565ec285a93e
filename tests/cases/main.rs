//! The shared cases, run through the queue. C (`tests/c/cases.c`), Python and Node run the same
//! files, so each row is a promise of every language.
//!
//! A file is an array of rows. Each row has its own client and API key, and uses a sandbox on a
//! socket:
//!
//! ```json
//! {"name": "an early cancel fails",
//!  "key": "sandbox_poor",
//!  "client": {"timeout_ms": 2000, "budget_micros": 50000000},
//!  "steps": [
//!    {"control": "faults", "body": {"match": {"action": "getBalance"}, "fault": "H07"}},
//!    {"op": {"op": "get_number", "service": "zz_ok", "country": "22", "max_price": "80"},
//!     "gives": {"id": "*"}, "keep": {"id": "id"}},
//!    {"op": {"op": "cancel", "id": "$id"}, "fails": {"kind": "too_early"}}]}
//! ```
//!
//! - `key` and `client` are optional.
//! - `op` is an operation. `gives` is its expected result, and `fails` its expected error. Objects
//!   may have further members; lists and other values must be equal, and `"*"` matches any value
//!   except null.
//! - `keep` stores members of the result or of the error under a name; `"*"` stores all of it. In
//!   later steps `"$name"` stands for the stored value.
//! - `control` is a control call of the sandbox, which must succeed; `assert` checks its ledger.

use std::collections::{BTreeSet, HashMap};
use std::thread;
use std::time::Duration;

use sastaotp::sandbox::Server;
use sastaotp::{Amount, Client, Operation, Queue};
use serde::Deserialize;
use serde_json::{Value, json};

const FILES: [(&str, &str); 2] =
    [("cases.json", include_str!("cases.json")), ("faults.json", include_str!("faults.json"))];
/// Longer than any step takes.
const LIMIT: Duration = Duration::from_secs(120);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    key: Option<String>,
    #[serde(default)]
    client: Settings,
    steps: Vec<Step>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    timeout_ms: Option<u64>,
    budget_micros: Option<i64>,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Step {
    Control {
        control: String,
        body: Value,
    },
    Succeeds {
        op: Value,
        gives: Value,
        #[serde(default)]
        keep: HashMap<String, String>,
    },
    Fails {
        op: Value,
        fails: Value,
        #[serde(default)]
        keep: HashMap<String, String>,
    },
}

fn cases() -> Vec<Case> {
    let read = |(file, text): (&str, &str)| -> Vec<Case> {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("tests/cases/{file}: {error}"))
    };
    FILES.into_iter().flat_map(read).collect()
}

/// Runs all rows at once, because most of their time is spent between two polls.
#[test]
fn every_shared_case_gives_its_expected_results() {
    let server = Server::start(0).unwrap();
    let cases = cases();
    let failed: Vec<String> = thread::scope(|scope| {
        let server = &server;
        let run = |case| (case, scope.spawn(move || run(server, case)));
        let running: Vec<_> = cases.iter().enumerate().map(run).collect();
        running
            .into_iter()
            .filter_map(|((_, case), thread)| {
                let outcome = thread.join().unwrap_or_else(|_| Err("the case panicked".to_owned()));
                outcome.err().map(|reason| format!("{}: {reason}", case.name))
            })
            .collect()
    });
    assert!(failed.is_empty(), "{} of {} cases:\n{}", failed.len(), cases.len(), failed.join("\n"));
}

#[test]
fn every_operation_has_a_uniquely_named_case() {
    let cases = cases();
    let steps = cases.iter().flat_map(|case| &case.steps);
    let used: BTreeSet<&str> = steps
        .filter_map(|step| match step {
            Step::Succeeds { op, .. } => op["op"].as_str(),
            Step::Control { .. } | Step::Fails { .. } => None,
        })
        .collect();
    assert_eq!(used, BTreeSet::from(Operation::NAMES));
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len());
}

fn run(server: &Server, (number, case): (usize, &Case)) -> Result<(), String> {
    let Case { name: _, key, client: Settings { timeout_ms, budget_micros }, steps } = case;
    let key = key.clone().unwrap_or_else(|| format!("stp_canary_case_{number}"));
    let mut builder = Client::builder().api_key(&key).base_url(server.url());
    if let Some(timeout) = *timeout_ms {
        builder = builder.timeout(Duration::from_millis(timeout));
    }
    if let Some(budget) = *budget_micros {
        builder = builder.budget(Amount::from_micros(budget));
    }
    let queue = Queue::new(&builder.build().unwrap()).unwrap();
    let mut kept = HashMap::new();
    for (at, step) in steps.iter().enumerate() {
        run_step(step, server, &key, &queue, &mut kept)
            .map_err(|reason| format!("step {}: {reason}", at + 1))?;
    }
    Ok(())
}

fn run_step(
    step: &Step,
    server: &Server,
    key: &str,
    queue: &Queue,
    kept: &mut HashMap<String, Value>,
) -> Result<(), String> {
    let (op, expected, keep, succeeds) = match step {
        Step::Control { control, body } => {
            return server.control(key, control, &fill(body, kept)?.to_string()).map(drop);
        }
        Step::Succeeds { op, gives, keep } => (op, gives, keep, true),
        Step::Fails { op, fails, keep } => (op, fails, keep, false),
    };
    let operation =
        Operation::from_json(&fill(op, kept)?.to_string()).map_err(|error| error.to_string())?;
    let ticket = queue.submit(operation).map_err(|error| error.to_string())?;
    let completion = queue.join(ticket, LIMIT).unwrap().ok_or("it did not complete")?;
    let (succeeded, actual): (bool, Value) = match completion.result {
        Ok(output) => (true, serde_json::from_str(&output.json()).unwrap()),
        Err(error) => (false, json!(error)),
    };
    if succeeded != succeeds || !matches(&fill(expected, kept)?, &actual) {
        return Err(format!(
            "{actual:#} is not {}{expected}",
            if succeeds { "" } else { "the failure " }
        ));
    }
    for (name, member) in keep {
        kept.insert(
            name.clone(),
            if member == "*" { actual.clone() } else { actual[member].clone() },
        );
    }
    Ok(())
}

/// Replaces names by the values that earlier steps kept.
fn fill(value: &Value, kept: &HashMap<String, Value>) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) if text.starts_with('$') => {
            kept.get(&text[1..]).ok_or_else(|| format!("no value was kept as {text}"))?.clone()
        }
        Value::Array(all) => all.iter().map(|one| fill(one, kept)).collect::<Result<_, _>>()?,
        Value::Object(all) => {
            let pairs =
                all.iter().map(|(name, one)| Ok::<_, String>((name.clone(), fill(one, kept)?)));
            Value::Object(pairs.collect::<Result<_, _>>()?)
        }
        _ => value.clone(),
    })
}

fn matches(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::String(wildcard), _) if wildcard == "*" => !actual.is_null(),
        (Value::Object(expected), Value::Object(actual)) => expected
            .iter()
            .all(|(name, one)| actual.get(name).is_some_and(|other| matches(one, other))),
        (Value::Array(expected), Value::Array(actual)) => {
            expected.len() == actual.len()
                && expected.iter().zip(actual).all(|(one, other)| matches(one, other))
        }
        _ => expected == actual,
    }
}
