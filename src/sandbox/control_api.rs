//! The control API under `/_sandbox/`: a test uses it to set up, change and check its own
//! namespace.
//!
//! Every refusal is one sentence that says what to send instead. Unknown fields are refused.

use serde_json::{Map, Value, json};

use super::catalogue;
use super::catalogue_json::order_json;
use super::clock::NamespaceClock;
use super::fault_rules::{self, known_fields, number, text};
use super::fault_table::history_shapes;
use super::http_types::{Reply, Request};
use super::namespace::{LogEntry, Namespace};
use super::orders::{Order, Sms, State};
use super::wallet::{EntryKind, LedgerEntry};
use crate::Amount;

/// The names of all control calls, for error messages.
const CALLS: &str = "health, reset, seed, clock, history, orders, sms, expire, provider_cancel, \
                     faults, ledger, assert or log";
/// The shape of the history that the documented names stand for.
const USUAL_SHAPE: &str = "usual";
/// The largest number of orders that one control call makes.
const MAX_NEW_ORDERS: u64 = 1_000;

/// A control call on a namespace.
struct ControlCall<'a> {
    namespace: &'a mut Namespace,
    fields: Map<String, Value>,
    /// The current time, real and in the namespace, both in milliseconds since 1970.
    real_now: u64,
    now: u64,
    in_memory: bool,
}

/// The result of a call: its JSON, or the HTTP status and the sentence of its refusal.
type ControlResult = Result<Value, (u16, String)>;

pub(super) fn health() -> Reply {
    Reply::json(200, &json!({"ok": true, "version": env!("CARGO_PKG_VERSION")}))
}

pub(super) fn done() -> Reply {
    Reply::json(200, &json!({"ok": true}))
}

pub(super) fn refusal(status: u16, sentence: &str) -> Reply {
    Reply::json(status, &json!({"ok": false, "error": sentence}))
}

/// Runs a control call.
pub(super) fn run(
    namespace: &mut Namespace,
    call: &str,
    request: &Request<'_>,
    real_now: u64,
    in_memory: bool,
) -> Reply {
    let now = namespace.time.now(real_now);
    namespace.advance_orders(now, true);
    let fields = match body_fields(request.body) {
        Ok(fields) => fields,
        Err(sentence) => return refusal(400, &format!("{call}: {sentence}; {}", example(call))),
    };
    let reads = matches!(request.method, "GET" | "HEAD");
    let mut run = ControlCall { namespace, fields, real_now, now, in_memory };
    let answer = match (call, request.method) {
        ("ledger", _) if reads => Ok(run.ledger(0)),
        ("ledger", "POST") => run.new_entries(),
        ("log", _) if reads => Ok(run.log()),
        ("clock", _) if reads => Ok(run.clock_json()),
        ("history", _) if reads => Ok(run.history_json()),
        ("orders", _) if reads => Ok(run.orders()),
        ("faults", _) if reads => Ok(run.list_faults()),
        ("faults", "DELETE") => {
            run.namespace.rules.clear(None);
            Ok(json!({"ok": true}))
        }
        ("seed", "POST") => run.seed(),
        ("clock", "POST") => run.clock(),
        ("history", "POST") => run.history(),
        ("orders", "POST") => run.new_orders(),
        ("sms", "POST") => run.sms(),
        ("expire", "POST") => run.end(State::Expired),
        ("provider_cancel", "POST") => run.end(State::Cancelled),
        ("faults", "POST") => run.faults(),
        ("assert", "POST") => {
            return run.assert().unwrap_or_else(|(status, sentence)| refusal(status, &sentence));
        }
        ("log", _) => Err((405, format!("{call}: send a GET request"))),
        (
            "reset" | "seed" | "clock" | "history" | "orders" | "sms" | "expire"
            | "provider_cancel" | "faults" | "ledger" | "assert",
            _,
        ) => Err((405, format!("{call}: send a POST request; {}", example(call)))),
        _ => Err((404, format!("unknown control call {call:?}: use {CALLS}"))),
    };
    match answer {
        Ok(value) => Reply::json(200, &value),
        Err((status, sentence)) => refusal(status, &sentence),
    }
}

/// Parses the JSON body of a control call; an empty body counts as an empty object.
fn body_fields(body: &[u8]) -> Result<Map<String, Value>, String> {
    if body.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        _ => Err("the body is not a JSON object".into()),
    }
}

fn example(call: &str) -> String {
    let body = match call {
        "seed" => {
            concat!(
                r#"{"wallet":"50.00","rng":7,"delivery":"manual","orders_lag_ms":0,"#,
                r#""early_cancel_ms":180000}"#,
            )
        }
        "clock" => {
            r#"{"mode":"real"}, {"mode":"manual","now_ms":0}, {"speed":60} or {"advance_ms":5000}"#
        }
        "history" => r#"{"shape":"grouped_by_state","lag_ms":8000}"#,
        "orders" => {
            concat!(
                r#"{"service":"tg","country":"22","state":"completed","price":"18.50","#,
                r#""code":"123456","age_ms":60000,"count":1}"#,
            )
        }
        "sms" => r#"{"id":"38496653","code":"123456","text":"Your code is 123456"}"#,
        "expire" | "provider_cancel" => r#"{"id":"38496653"}"#,
        "faults" => {
            concat!(
                r#"{"match":{"action":"getNumber"},"nth":1,"times":1,"when":"after_commit","#,
                r#""fault":"reply_lost","commit_after_ms":50000}, "#,
                r#"{"match":{"action":"getNumber"},"times":0,"delay_ms":2000}, {"clear":true} "#,
                r#"or {"clear":true,"fault":"reply_lost"}"#,
            )
        }
        "ledger" => r#"{"since":12}"#,
        "assert" => r#"{"charges":1,"refunds":0,"balance":"981.50"}"#,
        _ => "{}",
    };
    format!("send {body}")
}

impl ControlCall<'_> {
    fn allow_fields(&self, call: &str, known: &[&str]) -> Result<(), (u16, String)> {
        known_fields(&self.fields, known).map_err(|sentence| invalid(call, &sentence))
    }

    fn seed(&mut self) -> ControlResult {
        let known = ["wallet", "rng", "delivery", "orders_lag_ms", "early_cancel_ms"];
        self.allow_fields("seed", &known)?;
        let read = |sentence: String| invalid("seed", &sentence);
        let wallet = match self.fields.get("wallet") {
            None => None,
            Some(value) => Some(
                amount(value)
                    .filter(|micros| *micros >= 0)
                    .ok_or_else(|| read("\"wallet\" must be an amount like \"50.00\"".into()))?,
            ),
        };
        let rng = number(&self.fields, "rng").map_err(read)?;
        let manual = match text(&self.fields, "delivery").map_err(read)? {
            None => None,
            Some("auto") => Some(false),
            Some("manual") => Some(true),
            Some(_) => return Err(read("\"delivery\" must be auto or manual".into())),
        };
        let lag = number(&self.fields, "orders_lag_ms").map_err(read)?;
        let early_cancel = number(&self.fields, "early_cancel_ms").map_err(read)?;
        let namespace = &mut *self.namespace;
        if let Some(balance) = wallet {
            namespace.wallet.set_balance(balance);
        }
        if let Some(rng) = rng {
            namespace.set_random(rng);
        }
        namespace.manual = manual.unwrap_or(namespace.manual);
        namespace.orders_lag = lag.unwrap_or(namespace.orders_lag);
        namespace.early_cancel = early_cancel.unwrap_or(namespace.early_cancel);
        Ok(json!({"ok": true}))
    }

    /// Sets the shape and the lag of the history.
    fn history(&mut self) -> ControlResult {
        self.allow_fields("history", &["shape", "lag_ms"])?;
        let read = |sentence: String| invalid("history", &sentence);
        let lag = number(&self.fields, "lag_ms").map_err(read)?;
        match text(&self.fields, "shape").map_err(read)? {
            None => {}
            Some(USUAL_SHAPE) => self.namespace.history_shape = None,
            Some(wanted) => {
                let found = history_shapes().find(|(name, _)| *name == wanted);
                let (_, shape) = found.ok_or_else(|| {
                    read(format!("unknown shape {wanted:?}: use {}", shape_names().join(", ")))
                })?;
                self.namespace.history_shape = Some(shape);
            }
        }
        self.namespace.orders_lag = lag.unwrap_or(self.namespace.orders_lag);
        Ok(self.history_json())
    }

    fn history_json(&self) -> Value {
        let shape = self.namespace.history_shape.and_then(|shape| {
            history_shapes().find(|(_, known)| *known == shape).map(|(name, _)| name)
        });
        json!({
            "ok": true,
            "shape": shape.unwrap_or(USUAL_SHAPE),
            "lag_ms": self.namespace.orders_lag,
            "known": shape_names(),
        })
    }

    /// Lists all orders, newest first, visible in the history or not.
    fn orders(&self) -> Value {
        let orders = self.namespace.orders().iter().rev().map(any_order_json);
        json!({"ok": true, "orders": orders.collect::<Value>()})
    }

    /// Makes orders of another program that uses the same key. They are paid from the wallet, are
    /// in the history at once, and do not count as spent by this client.
    fn new_orders(&mut self) -> ControlResult {
        let known = ["service", "country", "state", "price", "code", "age_ms", "count"];
        self.allow_fields("orders", &known)?;
        let read = |sentence: String| invalid("orders", &sentence);
        let service = text(&self.fields, "service").map_err(read)?;
        let item = service
            .and_then(catalogue::item)
            .ok_or_else(|| read("\"service\" must be the code of a service".into()))?;
        let country = text(&self.fields, "country").map_err(read)?.unwrap_or("22");
        let country = catalogue::country_of(country)
            .ok_or_else(|| read("\"country\" must be the code of a country".into()))?;
        let state = match text(&self.fields, "state").map_err(read)? {
            None => State::Pending,
            Some(word) => [State::Pending, State::Completed, State::Cancelled, State::Expired]
                .into_iter()
                .find(|state| state.word() == word)
                .ok_or_else(|| {
                    read("\"state\" must be pending, completed, cancelled or expired".into())
                })?,
        };
        let price = match (self.fields.get("price"), item.offer(country)) {
            (Some(value), _) => amount(value)
                .filter(|micros| *micros >= 0)
                .ok_or_else(|| read("\"price\" must be an amount like \"18.50\"".into()))?,
            (None, Some(offer)) => item.charge(offer),
            (None, None) => return Err(read("this country needs a \"price\"".into())),
        };
        let code = text(&self.fields, "code").map_err(read)?.map(str::to_string);
        let age = number(&self.fields, "age_ms").map_err(read)?.unwrap_or(0);
        let count = number(&self.fields, "count").map_err(read)?.unwrap_or(1).min(MAX_NEW_ORDERS);
        let mut made = Vec::new();
        for _ in 0..count {
            let bought_ms = self.now.saturating_sub(age);
            let bought = self.namespace.buy(item, country, price, None, None, bought_ms);
            let order = bought.map_err(|_| {
                (409, "orders: the wallet has too little, or the key has too many orders".into())
            })?;
            order.is_foreign = true;
            if let Some(code) = &code {
                let text = format!("Your code is {code}");
                order.receive(Sms { code: code.as_str().into(), text: text.into() });
            }
            let refund = if state == State::Pending { 0 } else { order.end(state) };
            made.push(any_order_json(order));
            let (order_id, activation_id) = (order.order_id, order.activation_id.clone());
            if refund > 0 {
                self.namespace.wallet.refund(refund, order_id, &activation_id, self.now);
            }
        }
        Ok(json!({"ok": true, "orders": made}))
    }

    fn clock(&mut self) -> ControlResult {
        self.allow_fields("clock", &["mode", "speed", "now_ms", "advance_ms"])?;
        let read = |sentence: String| invalid("clock", &sentence);
        let advance = number(&self.fields, "advance_ms").map_err(read)?;
        let set = number(&self.fields, "now_ms").map_err(read)?;
        let speed = match self.fields.get("speed") {
            None => None,
            Some(value) => Some(
                speed(value)
                    .ok_or_else(|| read("\"speed\" must be a factor from 0 to 1000000".into()))?,
            ),
        };
        let time = self.namespace.time;
        let time = match text(&self.fields, "mode").map_err(read)? {
            None if set.is_some() => {
                return Err(read("\"now_ms\" needs \"mode\":\"manual\"".into()));
            }
            None => time,
            Some("real") => NamespaceClock::REAL,
            Some("manual") => NamespaceClock::manual(set.unwrap_or(self.now)),
            Some(_) => return Err(read("\"mode\" must be real or manual".into())),
        };
        let time = speed.map_or(time, |speed| time.with_speed(speed, self.real_now));
        self.namespace.time = advance.map_or(time, |by| time.advanced(by, self.real_now));
        self.now = self.namespace.time.now(self.real_now);
        self.namespace.advance_orders(self.now, true);
        Ok(self.clock_json())
    }

    fn clock_json(&self) -> Value {
        let time = &self.namespace.time;
        json!({"ok": true, "now_ms": self.now, "mode": time.mode(), "speed": time.factor()})
    }

    /// Returns the activation id in the call's `id` field.
    fn id(&self, call: &str) -> Result<String, (u16, String)> {
        match text(&self.fields, "id") {
            Ok(Some(id)) => Ok(id.to_string()),
            _ => Err(invalid(call, "\"id\" must be the activation id of an order, as a string")),
        }
    }

    /// Runs `act` on the order with the call's id, if it is pending.
    fn on_pending(&mut self, call: &str, act: impl FnOnce(&mut Order) -> i64) -> ControlResult {
        let id = self.id(call)?;
        let done = self.namespace.with_order(&id, self.now, |order, _| match order.state {
            State::Pending => (Ok(()), act(order)),
            other => (Err(other), 0),
        });
        match done {
            Some(Ok(())) => Ok(json!({"ok": true})),
            Some(Err(state)) => {
                Err((409, format!("{call}: the order is already {}", state.word())))
            }
            None => Err((404, format!("{call}: this key has no order with that id"))),
        }
    }

    fn sms(&mut self) -> ControlResult {
        self.allow_fields("sms", &["id", "text", "code"])?;
        let read = |sentence: String| invalid("sms", &sentence);
        let (code, body) =
            (text(&self.fields, "code").map_err(read)?, text(&self.fields, "text").map_err(read)?);
        let body: Box<str> =
            body.or(code).ok_or_else(|| read("\"text\" or \"code\" is missing".into()))?.into();
        let code: Box<str> = code.map_or_else(|| code_in(&body), Into::into);
        self.on_pending("sms", |order| {
            order.receive(Sms { code, text: body });
            0
        })
    }

    fn end(&mut self, state: State) -> ControlResult {
        let call = if state == State::Expired { "expire" } else { "provider_cancel" };
        self.allow_fields(call, &["id"])?;
        self.on_pending(call, |order| order.end(state))
    }

    fn faults(&mut self) -> ControlResult {
        if self.fields.get("clear") == Some(&Value::Bool(true)) {
            self.allow_fields("faults", &["clear", "fault"])?;
            let fault =
                text(&self.fields, "fault").map_err(|sentence| invalid("faults", &sentence))?;
            self.namespace.rules.clear(fault);
            return Ok(json!({"ok": true}));
        }
        let added = self.namespace.rules.add(&self.fields, self.in_memory);
        added.map_err(|sentence| invalid("faults", &sentence))?;
        Ok(json!({"ok": true}))
    }

    fn list_faults(&self) -> Value {
        let rules = self.namespace.rules.list();
        json!({"ok": true, "faults": rules, "known": fault_rules::known()})
    }

    /// Returns the ledger without its first entries, which the caller has read before.
    fn new_entries(&self) -> ControlResult {
        self.allow_fields("ledger", &["since"])?;
        let since = number(&self.fields, "since").map_err(|error| invalid("ledger", &error))?;
        Ok(self.ledger(since.unwrap_or(0)))
    }

    /// Returns the ledger. `since` is the number of entries to leave out.
    fn ledger(&self, since: u64) -> Value {
        let wallet = &self.namespace.wallet;
        let discarded = wallet.charges + wallet.refunds - wallet.entries.len() as u64;
        let skip = usize::try_from(since.saturating_sub(discarded)).unwrap_or(usize::MAX);
        let (open, completed) = self.namespace.spent();
        json!({
            "ok": true,
            "opening": rupees(wallet.opening),
            "balance": rupees(wallet.balance),
            "charges": wallet.charges,
            "refunds": wallet.refunds,
            "charged": rupees(wallet.charged),
            "refunded": rupees(wallet.refunded),
            // A client's budget has left: its limit, minus `spent`, minus the reservations of
            // purchases whose outcome the client does not know.
            "spent": rupees(open + completed),
            "spent_open": rupees(open),
            "spent_completed": rupees(completed),
            "in_flight": self.namespace.delayed.in_flight(),
            "in_flight_peak": self.namespace.delayed.in_flight_peak(),
            "entries": wallet
                .entries
                .iter()
                .skip(skip)
                .map(ledger_entry_json)
                .collect::<Value>(),
        })
    }

    /// Compares the ledger with the expected values.
    fn assert(&self) -> Result<Reply, (u16, String)> {
        const KNOWN: [&str; 11] = [
            "charges",
            "refunds",
            "balance",
            "charged",
            "refunded",
            "opening",
            "spent",
            "spent_open",
            "spent_completed",
            "in_flight",
            "in_flight_peak",
        ];
        self.allow_fields("assert", &KNOWN)?;
        if self.fields.is_empty() {
            return Err(invalid("assert", "nothing to assert"));
        }
        let actual = self.ledger(u64::MAX);
        let mut differences = Map::new();
        for (name, expected) in &self.fields {
            // Money may be written 981.5 or "981.50"; counts are numbers.
            let same = match &actual[name] {
                Value::String(text) => {
                    text.parse::<Amount>().ok().map(Amount::micros) == amount(expected)
                }
                count => count == expected,
            };
            if !same {
                differences
                    .insert(name.clone(), json!({"expected": expected, "actual": actual[name]}));
            }
        }
        if differences.is_empty() {
            return Ok(done());
        }
        let error = "the ledger differs from the assertion";
        Ok(Reply::json(409, &json!({"ok": false, "error": error, "differences": differences})))
    }

    fn log(&self) -> Value {
        let log: Value = self.namespace.log().iter().map(log_entry_json).collect();
        json!({"ok": true, "log": log})
    }
}

fn invalid(call: &str, sentence: &str) -> (u16, String) {
    (400, format!("{call}: {sentence}; {}", example(call)))
}

/// The names of all shapes of the history.
fn shape_names() -> Vec<&'static str> {
    std::iter::once(USUAL_SHAPE).chain(history_shapes().map(|(name, _)| name)).collect()
}

/// An order as the history shows it, and whether another program made it.
fn any_order_json(order: &Order) -> Value {
    let mut json = order_json(order);
    json["foreign"] = order.is_foreign.into();
    json
}

pub(super) fn rupees(micros: i64) -> String {
    Amount::from_micros(micros).to_string()
}

/// Reads an amount of money from text or a JSON number.
fn amount(value: &Value) -> Option<i64> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    text.parse::<Amount>().ok().map(Amount::micros)
}

/// Reads a speed factor and returns it in thousandths.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // the range is checked first
fn speed(value: &Value) -> Option<u64> {
    let factor = value.as_f64().filter(|factor| (0.0..=1_000_000.0).contains(factor))?;
    Some((factor * 1_000.0).round() as u64)
}

/// Returns the code in a text: its first run of at least four digits, else the whole text.
fn code_in(text: &str) -> Box<str> {
    let mut runs = text.split(|c: char| !c.is_ascii_digit());
    runs.find(|run| run.len() >= 4).unwrap_or(text).into()
}

pub(super) fn ledger_entry_json(entry: &LedgerEntry) -> Value {
    let LedgerEntry { kind, order_id, activation_id, micros, at_ms } = entry;
    json!({
        "kind": if *kind == EntryKind::Charge { "charge" } else { "refund" },
        "order_id": order_id,
        "activation_id": activation_id,
        "price": rupees(*micros),
        "at_ms": at_ms,
    })
}

pub(super) fn log_entry_json(line: &LogEntry) -> Value {
    let LogEntry { at_ms, action, request, status, reply, fault, reason } = line;
    json!({
        "at_ms": at_ms,
        "action": action,
        "request": request,
        "status": status,
        "reply": reply,
        "fault": fault,
        "reason": reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_found_in_the_text() {
        for (text, code) in [
            ("Your code is 123456", "123456"),
            ("G-4821 of 10", "4821"),
            ("no digits", "no digits"),
            ("12:34", "12:34"),
        ] {
            assert_eq!(&*code_in(text), code);
        }
    }

    #[test]
    fn an_invalid_call_is_refused_with_the_reason() {
        let mut namespace = Namespace::new("k");
        for (call, method, body, status) in [
            ("nonsense", "POST", "", 404),
            ("ledger", "DELETE", "", 405),
            ("ledger", "POST", r#"{"from":1}"#, 400),
            ("seed", "GET", "", 405),
            ("seed", "POST", "{", 400),
            ("seed", "POST", "[]", 400),
            ("seed", "POST", r#"{"walet":1}"#, 400),
            ("seed", "POST", r#"{"wallet":"-1"}"#, 400),
            ("clock", "POST", r#"{"now_ms":1}"#, 400),
            ("clock", "POST", r#"{"speed":-1}"#, 400),
            ("sms", "POST", r#"{"id":"1"}"#, 400),
            ("sms", "POST", r#"{"id":"1","code":"1"}"#, 404),
            ("history", "POST", r#"{"shape":"round"}"#, 400),
            ("history", "DELETE", "", 405),
            ("orders", "POST", "{}", 400),
            ("orders", "POST", r#"{"service":"tg","state":"lost"}"#, 400),
            ("orders", "POST", r#"{"service":"tg","price":"2000"}"#, 409),
            ("expire", "POST", "{}", 400),
            ("faults", "POST", "{}", 400),
            ("assert", "POST", "{}", 400),
            ("assert", "POST", r#"{"charges":1,"balance":"1000"}"#, 409),
            ("assert", "POST", r#"{"charges":0,"balance":1000.0}"#, 200),
        ] {
            let request = Request { method, body: body.as_bytes(), ..Request::default() };
            let reply = run(&mut namespace, call, &request, 0, false);
            let reply_text = String::from_utf8(reply.body).unwrap();
            assert_eq!(reply.status, status, "{call} {body}: {reply_text}");
            assert_eq!(status != 200, reply_text.contains("\"error\":"), "{reply_text}");
        }
    }
}
