//! The updates that a page receives: first the whole state of a namespace, then only the changes.
//!
//! Invariant: a page that has read every update of its [`UpdateFeed`] has the current state. No
//! update contains a key.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::sandbox::control::{entry_json, line_json, rupees};
use crate::sandbox::namespace::Namespace;
use crate::sandbox::orders::{Order, State};
use crate::sandbox::service::Service;
use crate::sandbox::time::Time;

/// How often the clock is applied to the orders, in milliseconds, so that a number expires on the
/// page without a request.
const SETTLE_MS: u64 = 500;
/// The limits of the first update: pending orders, ended orders, ledger entries, namespaces.
const PENDING: usize = 2_000;
const ENDED: usize = 100;
const ENTRIES: usize = 200;
const NAMES: usize = 50;

/// The updates for one page.
#[derive(Default)]
pub(in crate::sandbox) struct Watch {
    /// The number of the namespace; 0 selects the most recently used one, once there is one.
    number: u64,
    key: Option<Box<str>>,
    /// The service's call count at the last update.
    turns: Option<u64>,
    settle_at: u64,
    names: Vec<u64>,
    told: Option<Told>,
}

/// The state that the page has received.
struct Told {
    born: u64,
    /// The change counter of each order.
    orders: Vec<u32>,
    entries: u64,
    lines: u64,
    time: Option<Time>,
    /// Small parts, which are compared as a whole.
    parts: Map<String, Value>,
}

impl Watch {
    /// Follows the namespace with this number; 0 selects the most recently used one.
    pub(in crate::sandbox) fn new(number: u64) -> Self {
        Self { number, ..Self::default() }
    }

    /// Returns the changes since the last update; `None` if there are none.
    pub(in crate::sandbox) fn news(&mut self, service: &mut Service, now: u64) -> Option<String> {
        let (_, namespaces, turns) = service.inbox();
        if self.turns == Some(turns) && now < self.settle_at {
            return None;
        }
        self.settle_at = now + SETTLE_MS;
        let first = self.turns.is_none();
        let mut news = Map::new();
        if self.turns != Some(turns) {
            self.turns = Some(turns);
            self.find(namespaces, &mut news);
        }
        match self.key.as_ref().and_then(|key| namespaces.get_mut(key)) {
            Some(namespace) => self.tell(namespace, now, &mut news),
            None if self.key.take().is_some() => {
                // The next update selects another namespace.
                (self.told, self.turns) = (None, None);
                news.insert("gone".into(), true.into());
            }
            None => {}
        }
        (first || !news.is_empty()).then(|| Value::Object(news).to_string())
    }

    /// Selects the namespace, and lists the namespaces if the list has changed.
    fn find(&mut self, namespaces: &HashMap<Box<str>, Namespace>, news: &mut Map<String, Value>) {
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
        let names: Vec<u64> = by_use.into_iter().take(NAMES).map(|(_, number)| number).collect();
        if names != self.names {
            news.insert("namespaces".into(), json!({"recent": names, "total": namespaces.len()}));
            self.names = names;
        }
    }

    fn tell(&mut self, namespace: &mut Namespace, outside: u64, news: &mut Map<String, Value>) {
        let now = namespace.time.now(outside);
        namespace.settle(now, true);
        let told = match &mut self.told {
            Some(told) if told.born == namespace.born => told,
            told => {
                news.insert("namespace".into(), namespace.number.into());
                told.insert(Told::nothing(namespace))
            }
        };
        told.part("wallet", wallet_json(namespace), news);
        told.part("faults", namespace.rules.list(), news);
        if told.time.replace(namespace.time) != Some(namespace.time) {
            let time = namespace.time;
            news.insert(
                "clock".into(),
                json!({"now_ms": now, "mode": time.mode(), "speed": time.factor()}),
            );
        }
        told.orders(namespace, news);
        told.entries(namespace, news);
        told.lines(namespace, news);
    }
}

impl Told {
    /// Starts with nothing sent, but marks the orders beyond the limits as sent.
    fn nothing(namespace: &Namespace) -> Self {
        let orders = namespace.orders();
        let mut left = (PENDING, ENDED);
        let mut seen = vec![u32::MAX; orders.len()];
        for (at, order) in orders.iter().enumerate().rev() {
            let left = if order.state == State::Pending { &mut left.0 } else { &mut left.1 };
            match left.checked_sub(1) {
                Some(fewer) => *left = fewer,
                None => seen[at] = order.changes,
            }
        }
        Self {
            born: namespace.born,
            orders: seen,
            entries: 0,
            lines: 0,
            time: None,
            parts: Map::new(),
        }
    }

    fn part(&mut self, name: &str, value: Value, news: &mut Map<String, Value>) {
        if self.parts.get(name) != Some(&value) {
            news.insert(name.into(), value.clone());
            self.parts.insert(name.into(), value);
        }
    }

    fn orders(&mut self, namespace: &Namespace, news: &mut Map<String, Value>) {
        let orders = namespace.orders();
        self.orders.resize(orders.len(), u32::MAX);
        let mut changed = Vec::new();
        for (at, (order, told)) in orders.iter().zip(&mut self.orders).enumerate() {
            if *told != order.changes {
                *told = order.changes;
                changed.push(order_json(at, order));
            }
        }
        if !changed.is_empty() {
            news.insert("orders".into(), changed.into());
        }
    }

    fn entries(&mut self, namespace: &Namespace, news: &mut Map<String, Value>) {
        let wallet = &namespace.wallet;
        let total = wallet.charges + wallet.refunds;
        let new = within(total - self.entries, wallet.entries.len().min(ENTRIES));
        self.entries = total;
        if new > 0 {
            let from = wallet.entries.len() - new;
            news.insert("ledger".into(), wallet.entries.range(from..).map(entry_json).collect());
        }
    }

    fn lines(&mut self, namespace: &Namespace, news: &mut Map<String, Value>) {
        let log = namespace.log();
        let new = within(namespace.logged - self.lines, log.len());
        self.lines = namespace.logged;
        if new > 0 {
            news.insert("log".into(), log.range(log.len() - new..).map(line_json).collect());
            news.insert("logged".into(), namespace.logged.into());
        }
    }
}

/// Limits a count to the number of kept items.
fn within(count: u64, kept: usize) -> usize {
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
        "waiting": !order.has_new(),
        "expires_ms": order.expires_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::reply::Request;

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

    fn news(watch: &mut Watch, service: &mut Service, now: u64) -> Value {
        watch.news(service, now).map_or(Value::Null, |news| serde_json::from_str(&news).unwrap())
    }

    #[test]
    fn a_page_is_told_all_and_then_what_changed() {
        let mut service = Service::new();
        let mut watch = Watch::new(0);
        assert_eq!(
            news(&mut watch, &mut service, 0),
            json!({}),
            "there is no key yet, and the page learns so"
        );
        assert_eq!(news(&mut watch, &mut service, 0), Value::Null);
        ask(&mut service, "secret-key", "action=getNumber&service=zz_expire&country=22", 0);
        let all = news(&mut watch, &mut service, 0);
        assert_eq!((&all["namespace"], &all["namespaces"]["recent"]), (&json!(1), &json!([1])));
        assert_eq!(
            (&all["orders"][0]["state"], &all["wallet"]["balance"]),
            (&json!("pending"), &json!("990.00"))
        );
        assert_eq!(all["log"][0]["action"], "getNumber");
        assert!(!all.to_string().contains("secret-key"));

        ask(&mut service, "secret-key", "action=getBalance", 1);
        let more = news(&mut watch, &mut service, 1);
        let parts: Vec<&String> = more.as_object().unwrap().keys().collect();
        assert_eq!(parts, ["log", "logged"], "{more}");

        assert_eq!(news(&mut watch, &mut service, 29_999), Value::Null);
        let expired = news(&mut watch, &mut service, 30_500);
        assert_eq!(
            (&expired["orders"][0]["state"], &expired["ledger"][0]["kind"]),
            (&json!("expired"), &json!("refund"))
        );
    }

    #[test]
    fn a_reset_is_told_as_all_anew_and_another_key_as_a_name() {
        let mut service = Service::new();
        ask(&mut service, "a", "action=getNumber&service=zz_ok&country=22", 0);
        ask(&mut service, "b", "action=getBalance", 0);
        let mut watch = Watch::new(1);
        assert_eq!(news(&mut watch, &mut service, 0)["namespaces"]["recent"], json!([2, 1]));
        service.control_call("a", "reset", "", 0).unwrap();
        let anew = news(&mut watch, &mut service, 0);
        assert_eq!(
            (&anew["namespace"], &anew["wallet"]["charges"], &anew["orders"]),
            (&json!(1), &json!(0), &Value::Null)
        );
    }

    #[test]
    fn a_namespace_that_made_place_for_others_is_followed_by_the_one_used_last() {
        let mut service = Service::new();
        ask(&mut service, "first", "action=getBalance", 0);
        let mut watch = Watch::new(1);
        assert_eq!(news(&mut watch, &mut service, 0)["namespace"], 1);
        for other in 0..5_000 {
            ask(&mut service, &format!("other-{other}"), "action=getBalance", 0);
        }
        let gone = news(&mut watch, &mut service, 0);
        assert_eq!((&gone["gone"], &gone["namespaces"]["total"]), (&json!(true), &json!(5_000)));
        assert_eq!(news(&mut watch, &mut service, 0)["namespace"], 5_001);
    }

    #[test]
    fn only_so_many_orders_are_told_at_first() {
        let mut service = Service::new();
        service.control_call("a", "seed", r#"{"wallet":"1000000"}"#, 0).unwrap();
        for _ in 0..PENDING + 10 {
            ask(&mut service, "a", "action=getNumber&service=zz_never&country=22", 0);
        }
        let orders = news(&mut Watch::new(1), &mut service, 0)["orders"].take();
        assert_eq!((orders.as_array().unwrap().len(), &orders[0]["at"]), (PENDING, &json!(10)));
    }
}
