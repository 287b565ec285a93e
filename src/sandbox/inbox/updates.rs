//! The updates that a page receives: first the whole state of a namespace, then only the changes.
//!
//! Invariant: a page that has read every update of its [`UpdateFeed`] has the current state. No
//! update contains a key.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::sandbox::clock::NamespaceClock;
use crate::sandbox::control_api::{ledger_entry_json, log_entry_json, rupees};
use crate::sandbox::namespace::Namespace;
use crate::sandbox::orders::{Order, State};
use crate::sandbox::service::Service;

/// How often the clock is applied to the orders, in milliseconds, so that a number expires on the
/// page without a request.
const SETTLE_MS: u64 = 500;
/// The limits of the first update: pending orders, ended orders, ledger entries, namespaces.
const MAX_PENDING: usize = 2_000;
const MAX_ENDED: usize = 100;
const MAX_ENTRIES: usize = 200;
const MAX_NAMESPACES: usize = 50;

/// The updates for one page.
#[derive(Default)]
pub(in crate::sandbox) struct UpdateFeed {
    /// The number of the namespace; 0 selects the most recently used one, once there is one.
    number: u64,
    key: Option<Box<str>>,
    /// The service's call count at the last update.
    call_count: Option<u64>,
    settle_at: u64,
    listed: Vec<u64>,
    sent: Option<SentState>,
}

/// The state that the page has received.
struct SentState {
    created_at_call: u64,
    /// The change counter of each order.
    orders: Vec<u32>,
    entries: u64,
    lines: u64,
    time: Option<NamespaceClock>,
    /// Small parts, which are compared as a whole.
    parts: Map<String, Value>,
}

impl UpdateFeed {
    /// Follows the namespace with this number; 0 selects the most recently used one.
    pub(in crate::sandbox) fn new(number: u64) -> Self {
        Self { number, ..Self::default() }
    }

    /// Returns the changes since the last update; `None` if there are none.
    pub(in crate::sandbox) fn next_update(
        &mut self,
        service: &mut Service,
        now: u64,
    ) -> Option<String> {
        let (namespaces, call_count) = service.namespaces();
        if self.call_count == Some(call_count) && now < self.settle_at {
            return None;
        }
        self.settle_at = now + SETTLE_MS;
        let first = self.call_count.is_none();
        let mut update = Map::new();
        if self.call_count != Some(call_count) {
            self.call_count = Some(call_count);
            self.select(namespaces, &mut update);
        }
        match self.key.as_ref().and_then(|key| namespaces.get_mut(key)) {
            Some(namespace) => self.add_changes(namespace, now, &mut update),
            None if self.key.take().is_some() => {
                // The next update selects another namespace.
                (self.sent, self.call_count) = (None, None);
                update.insert("gone".into(), true.into());
            }
            None => {}
        }
        (first || !update.is_empty()).then(|| Value::Object(update).to_string())
    }

    /// Selects the namespace, and lists the namespaces if the list has changed.
    fn select(
        &mut self,
        namespaces: &HashMap<Box<str>, Namespace>,
        update: &mut Map<String, Value>,
    ) {
        let mut by_use: Vec<_> =
            namespaces.values().map(|namespace| (namespace.used, namespace.number)).collect();
        by_use.sort_unstable_by(|one, other| other.cmp(one));
        if self.key.is_none() {
            let last = by_use.first().map_or(0, |(_, number)| *number);
            let wanted = if self.number == 0 { last } else { self.number };
            self.key = namespaces
                .iter()
                .find(|(_, namespace)| namespace.number == wanted)
                .map(|(key, _)| key.clone());
            // A namespace that is gone never returns: the page then shows the next one that is
            // used.
            self.number = 0;
        }
        let listed: Vec<u64> =
            by_use.into_iter().take(MAX_NAMESPACES).map(|(_, number)| number).collect();
        if listed != self.listed {
            update
                .insert("namespaces".into(), json!({"recent": listed, "total": namespaces.len()}));
            self.listed = listed;
        }
    }

    fn add_changes(
        &mut self,
        namespace: &mut Namespace,
        real_now: u64,
        update: &mut Map<String, Value>,
    ) {
        let now = namespace.time.now(real_now);
        namespace.advance_orders(now, true);
        let sent = match &mut self.sent {
            Some(sent) if sent.created_at_call == namespace.created_at_call => sent,
            sent => {
                update.insert("namespace".into(), namespace.number.into());
                sent.insert(SentState::new(namespace))
            }
        };
        sent.part("wallet", wallet_json(namespace), update);
        sent.part("faults", namespace.rules.list(), update);
        if sent.time.replace(namespace.time) != Some(namespace.time) {
            let time = namespace.time;
            update.insert(
                "clock".into(),
                json!({"now_ms": now, "mode": time.mode(), "speed": time.factor()}),
            );
        }
        sent.orders(namespace, update);
        sent.entries(namespace, update);
        sent.lines(namespace, update);
    }
}

impl SentState {
    /// Starts with nothing sent, but marks the orders beyond the limits as sent.
    fn new(namespace: &Namespace) -> Self {
        let orders = namespace.orders();
        let mut left = (MAX_PENDING, MAX_ENDED);
        let mut sent_changes = vec![u32::MAX; orders.len()];
        for (at, order) in orders.iter().enumerate().rev() {
            let left = if order.state == State::Pending { &mut left.0 } else { &mut left.1 };
            match left.checked_sub(1) {
                Some(fewer) => *left = fewer,
                None => sent_changes[at] = order.changes,
            }
        }
        Self {
            created_at_call: namespace.created_at_call,
            orders: sent_changes,
            entries: 0,
            lines: 0,
            time: None,
            parts: Map::new(),
        }
    }

    fn part(&mut self, name: &str, value: Value, update: &mut Map<String, Value>) {
        if self.parts.get(name) != Some(&value) {
            update.insert(name.into(), value.clone());
            self.parts.insert(name.into(), value);
        }
    }

    fn orders(&mut self, namespace: &Namespace, update: &mut Map<String, Value>) {
        let orders = namespace.orders();
        self.orders.resize(orders.len(), u32::MAX);
        let mut changed = Vec::new();
        for (at, (order, sent)) in orders.iter().zip(&mut self.orders).enumerate() {
            if *sent != order.changes {
                *sent = order.changes;
                changed.push(order_json(at, order));
            }
        }
        if !changed.is_empty() {
            update.insert("orders".into(), changed.into());
        }
    }

    fn entries(&mut self, namespace: &Namespace, update: &mut Map<String, Value>) {
        let wallet = &namespace.wallet;
        let total = wallet.charges + wallet.refunds;
        let new = at_most(total - self.entries, wallet.entries.len().min(MAX_ENTRIES));
        self.entries = total;
        if new > 0 {
            let from = wallet.entries.len() - new;
            update.insert(
                "ledger".into(),
                wallet.entries.range(from..).map(ledger_entry_json).collect(),
            );
        }
    }

    fn lines(&mut self, namespace: &Namespace, update: &mut Map<String, Value>) {
        let log = namespace.log();
        let new = at_most(namespace.logged - self.lines, log.len());
        self.lines = namespace.logged;
        if new > 0 {
            update.insert("log".into(), log.range(log.len() - new..).map(log_entry_json).collect());
            update.insert("logged".into(), namespace.logged.into());
        }
    }
}

/// Limits a count to the number of kept items.
fn at_most(count: u64, kept: usize) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX).min(kept)
}

fn wallet_json(namespace: &Namespace) -> Value {
    let wallet = &namespace.wallet;
    json!({
        "opening": rupees(wallet.opening),
        "balance": rupees(wallet.balance),
        "charges": wallet.charges,
        "charged": rupees(wallet.charged),
        "refunds": wallet.refunds,
        "refunded": rupees(wallet.refunded),
    })
}

fn order_json(at: usize, order: &Order) -> Value {
    json!({
        "at": at,
        "id": order.activation_id,
        "phone": order.phone,
        "service": order.item.name,
        "country": order.country.name,
        "price": rupees(order.price),
        "state": order.state.word(),
        "code": order.received.last().map(|sms| &sms.code),
        "text": order.received.last().map(|sms| &sms.text),
        "waiting": !order.has_new_code(),
        "expires_ms": order.expires_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::http_types::Request;

    const API: &str = "/stubs/handler_api.php";

    fn ask(service: &mut Service, key: &str, query: &str, now: u64) {
        let host = Some("localhost");
        service.handle(
            &Request {
                method: "GET",
                path: API,
                query,
                host,
                api_key: Some(key),
                ..Request::default()
            },
            now,
        );
    }

    fn update(feed: &mut UpdateFeed, service: &mut Service, now: u64) -> Value {
        feed.next_update(service, now)
            .map_or(Value::Null, |text| serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn a_page_receives_all_and_then_changes() {
        let mut service = Service::new();
        let mut feed = UpdateFeed::new(0);
        assert_eq!(
            update(&mut feed, &mut service, 0),
            json!({}),
            "the first update is sent even if there is no key"
        );
        assert_eq!(update(&mut feed, &mut service, 0), Value::Null);
        ask(&mut service, "secret-key", "action=getNumber&service=zz_expire&country=22", 0);
        let all = update(&mut feed, &mut service, 0);
        assert_eq!((&all["namespace"], &all["namespaces"]["recent"]), (&json!(1), &json!([1])));
        assert_eq!(
            (&all["orders"][0]["state"], &all["wallet"]["balance"]),
            (&json!("pending"), &json!("990.00"))
        );
        assert_eq!(all["log"][0]["action"], "getNumber");
        assert!(!all.to_string().contains("secret-key"));

        ask(&mut service, "secret-key", "action=getBalance", 1);
        let more = update(&mut feed, &mut service, 1);
        let parts: Vec<&String> = more.as_object().unwrap().keys().collect();
        assert_eq!(parts, ["log", "logged"], "{more}");

        assert_eq!(update(&mut feed, &mut service, 29_999), Value::Null);
        let expired = update(&mut feed, &mut service, 30_500);
        assert_eq!(
            (&expired["orders"][0]["state"], &expired["ledger"][0]["kind"]),
            (&json!("expired"), &json!("refund"))
        );
    }

    #[test]
    fn a_reset_sends_the_whole_state_again() {
        let mut service = Service::new();
        ask(&mut service, "a", "action=getNumber&service=zz_ok&country=22", 0);
        ask(&mut service, "b", "action=getBalance", 0);
        let mut feed = UpdateFeed::new(1);
        assert_eq!(update(&mut feed, &mut service, 0)["namespaces"]["recent"], json!([2, 1]));
        service.control_call("a", "reset", "", 0).unwrap();
        let resent = update(&mut feed, &mut service, 0);
        assert_eq!(
            (&resent["namespace"], &resent["wallet"]["charges"], &resent["orders"]),
            (&json!(1), &json!(0), &Value::Null)
        );
    }

    #[test]
    fn a_discarded_namespace_is_replaced_by_the_latest() {
        let mut service = Service::new();
        ask(&mut service, "first", "action=getBalance", 0);
        let mut feed = UpdateFeed::new(1);
        assert_eq!(update(&mut feed, &mut service, 0)["namespace"], 1);
        for other in 0..5_000 {
            ask(&mut service, &format!("other-{other}"), "action=getBalance", 0);
        }
        let gone = update(&mut feed, &mut service, 0);
        assert_eq!((&gone["gone"], &gone["namespaces"]["total"]), (&json!(true), &json!(5_000)));
        assert_eq!(update(&mut feed, &mut service, 0)["namespace"], 5_001);
    }

    #[test]
    fn the_first_update_limits_pending_orders() {
        let mut service = Service::new();
        service.control_call("a", "seed", r#"{"wallet":"1000000"}"#, 0).unwrap();
        for _ in 0..MAX_PENDING + 10 {
            ask(&mut service, "a", "action=getNumber&service=zz_never&country=22", 0);
        }
        let orders = update(&mut UpdateFeed::new(1), &mut service, 0)["orders"].take();
        assert_eq!((orders.as_array().unwrap().len(), &orders[0]["at"]), (MAX_PENDING, &json!(10)));
    }
}
