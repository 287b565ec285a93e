//! The state of one API key: wallet, orders, clock, faults and log. It has no access to any other
//! key.

use std::collections::{HashMap, VecDeque};

use super::catalogue::{Country, Item, hash};
use super::clock::NamespaceClock;
use super::delays::DelayedCalls;
use super::fault_rules::FaultRules;
use super::fault_table::ServiceFault;
use super::history_shapes::HistoryShape;
use super::orders::{Order, Purchase, SmsSource, State};
use super::scenarios::IdFormat;
use super::wallet::Wallet;

/// The initial balance of a new key, in micro-rupees.
const INITIAL_BALANCE: i64 = 1_000_000_000;
/// The initial balance of the key `sandbox_rich`: enough for thousands of numbers.
const RICH_BALANCE: i64 = 100_000_000_000;
/// The maximum number of orders of a key. If it is reached, purchases answer `NO_NUMBERS`, so that
/// a runaway loop does not fill the memory.
const MAX_ORDERS: usize = 20_000;

/// A request in the log.
pub(super) struct LogEntry {
    pub(super) at_ms: u64,
    pub(super) action: Box<str>,
    pub(super) request: Box<str>,
    pub(super) status: u16,
    pub(super) reply: Box<str>,
    pub(super) fault: Option<&'static str>,
    pub(super) reason: Option<Box<str>>,
}

/// The state of one key.
pub(super) struct Namespace {
    pub(super) wallet: Wallet,
    pub(super) time: NamespaceClock,
    pub(super) rules: FaultRules,
    log: VecDeque<LogEntry>,
    /// The number of entries ever logged, including discarded ones.
    pub(super) logged: u64,
    /// The namespace's number in the order of first use, and the service's call count at its
    /// creation and last use.
    pub(super) number: u64,
    pub(super) created_at_call: u64,
    pub(super) used: u64,
    /// Whether ordinary services receive SMS only through control calls.
    pub(super) manual: bool,
    /// How long a new order stays out of `getOrders`, in milliseconds.
    pub(super) orders_lag: u64,
    /// The shape of the history; `None` is the documented one.
    pub(super) history_shape: Option<HistoryShape>,
    /// How long cancellations are denied after a purchase, in milliseconds, if the scenario does
    /// not deny them longer.
    pub(super) early_cancel: u64,
    pub(super) delayed: DelayedCalls,
    orders: Vec<Order>,
    by_id: HashMap<Box<str>, usize>,
    random: Random,
    next_number: u64,
    /// The earliest expiry of a pending order, so that most requests need not check all orders.
    next_expiry: u64,
}

/// Why a purchase was refused.
#[derive(Debug)]
pub(super) enum PurchaseRefusal {
    TooManyOrders,
    InsufficientBalance,
}

/// The `SplitMix64` generator: small, and the same on every platform.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Namespace {
    pub(super) fn new(key: &str) -> Self {
        let seed = hash(&[key]);
        Self {
            wallet: Wallet::new(match key {
                "sandbox_poor" => 0,
                "sandbox_rich" => RICH_BALANCE,
                _ => INITIAL_BALANCE,
            }),
            time: NamespaceClock::REAL,
            rules: FaultRules::default(),
            log: VecDeque::new(),
            logged: 0,
            number: 0,
            created_at_call: 0,
            used: 0,
            manual: false,
            orders_lag: 0,
            history_shape: None,
            early_cancel: 0,
            delayed: DelayedCalls::default(),
            orders: Vec::new(),
            by_id: HashMap::new(),
            random: Random(seed),
            next_number: 38_000_000 + seed % 1_000_000,
            next_expiry: u64::MAX,
        }
    }

    pub(super) fn set_random(&mut self, seed: u64) {
        self.random = Random(seed);
    }

    /// Adds an entry to the log, and discards the oldest entries beyond `limit`.
    pub(super) fn push_log(&mut self, line: LogEntry, limit: usize) {
        while self.log.len() >= limit {
            self.log.pop_front();
        }
        self.log.push_back(line);
        self.logged += 1;
    }

    /// The kept log entries, oldest first.
    pub(super) fn log(&self) -> &VecDeque<LogEntry> {
        &self.log
    }

    /// Applies the time to the orders: expiries that are due and, with `all`, SMS that are due.
    pub(super) fn advance_orders(&mut self, now: u64, all: bool) {
        if !all && now < self.next_expiry {
            return;
        }
        let random = &mut self.random;
        let mut next = u64::MAX;
        for order in self.orders.iter_mut().filter(|order| order.state == State::Pending) {
            let mut draw = || random.draw();
            let mut source = SmsSource { now, manual: self.manual, draw: &mut draw };
            let refund = order.advance(&mut source);
            if order.state == State::Pending {
                next = next.min(order.expires_ms);
            } else if refund > 0 {
                self.wallet.refund(refund, order.order_id, &order.activation_id, now);
            }
        }
        self.next_expiry = next;
    }

    /// Runs `act` on an order, and books the refund that it returns.
    pub(super) fn with_order<T>(
        &mut self,
        id: &str,
        now: u64,
        act: impl FnOnce(&mut Order, &mut SmsSource<'_>) -> (T, i64),
    ) -> Option<T> {
        let order = &mut self.orders[*self.by_id.get(id)?];
        let random = &mut self.random;
        let mut draw = || random.draw();
        let mut source = SmsSource { now, manual: self.manual, draw: &mut draw };
        let expiry_refund = order.advance(&mut source);
        let (result, refund) = act(order, &mut source);
        if expiry_refund + refund > 0 {
            self.wallet.refund(expiry_refund + refund, order.order_id, &order.activation_id, now);
        }
        Some(result)
    }

    pub(super) fn order(&self, id: &str) -> Option<&Order> {
        self.orders.get(*self.by_id.get(id)?)
    }

    /// All orders, oldest first.
    pub(super) fn orders(&self) -> &[Order] {
        &self.orders
    }

    /// The prices of this client's orders: of those that are pending, and of those that are
    /// completed. Orders of other programs do not count.
    pub(super) fn spent(&self) -> (i64, i64) {
        let sum = |state| {
            let orders = self.orders.iter().filter(|order| !order.is_foreign);
            orders.filter(|order| order.state == state).map(|order| order.price).sum()
        };
        (sum(State::Pending), sum(State::Completed))
    }

    /// Buys a number: charges the wallet and creates the order.
    pub(super) fn buy(
        &mut self,
        item: &'static Item,
        country: &'static Country,
        price: i64,
        phone: Option<&str>,
        service_fault: Option<ServiceFault>,
        now: u64,
    ) -> Result<&mut Order, PurchaseRefusal> {
        if self.orders.len() >= MAX_ORDERS {
            return Err(PurchaseRefusal::TooManyOrders);
        }
        let order_id = match service_fault {
            Some(ServiceFault::LowerOrderId) => 1_000 - self.orders.len() as u64 % 1_000,
            _ => 1_001 + self.orders.len() as u64,
        };
        let ids = if phone.is_some() { IdFormat::Letters } else { item.ids };
        let activation_id = match (service_fault, self.orders.last()) {
            (Some(ServiceFault::SameId), Some(before)) => before.activation_id.clone(),
            _ => self.activation_id(ids, service_fault == Some(ServiceFault::ColonId)),
        };
        let phone: Box<str> = match (phone, service_fault, self.orders.last()) {
            (Some(phone), ..) => phone.into(),
            (None, Some(ServiceFault::SamePhone), Some(before)) => before.phone.clone(),
            _ => self.phone(country, service_fault == Some(ServiceFault::SpacedPhone)),
        };
        if !self.wallet.charge(price, order_id, &activation_id, now) {
            return Err(PurchaseRefusal::InsufficientBalance);
        }
        let purchase = Purchase {
            order_id,
            activation_id: activation_id.clone(),
            phone,
            item,
            country,
            price,
        };
        let order = Order::new(purchase, now);
        self.next_expiry = self.next_expiry.min(order.expires_ms);
        self.by_id.insert(activation_id, self.orders.len());
        let at = self.orders.len();
        self.orders.push(order);
        Ok(&mut self.orders[at])
    }

    fn activation_id(&mut self, ids: IdFormat, colon: bool) -> Box<str> {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        loop {
            let mut id = match ids {
                IdFormat::Number => {
                    self.next_number += 1 + self.random.draw() % 9;
                    self.next_number.to_string()
                }
                IdFormat::Letters => (0..14)
                    .map(|_| char::from(LETTERS[(self.random.draw() % 62) as usize]))
                    .collect(),
                IdFormat::Hex => {
                    format!("{:016x}{:08x}", self.random.draw(), self.random.draw() >> 32)
                }
            };
            if colon {
                id.insert(2, ':');
            }
            if !self.by_id.contains_key(id.as_str()) {
                return id.into();
            }
        }
    }

    fn phone(&mut self, country: &Country, spaced: bool) -> Box<str> {
        let number = 7_000_000_000 + self.random.draw() % 2_999_999_999;
        let (calling, text) = (country.calling, number.to_string());
        if spaced {
            format!("+{calling} {} {}", &text[..5], &text[5..]).into()
        } else {
            format!("{calling}{text}").into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::{country_of, item};
    use super::*;

    fn bought(namespace: &mut Namespace, service: &str) -> String {
        let (item, country) = (item(service).unwrap(), country_of("22").unwrap());
        let order = namespace.buy(item, country, 10_000_000, None, None, 0).unwrap();
        order.activation_id.to_string()
    }

    #[test]
    fn ids_are_a_function_of_the_key() {
        let ids = |key: &str| {
            let mut namespace = Namespace::new(key);
            ["tg", "ds", "fb"].map(|service| bought(&mut namespace, service))
        };
        assert_eq!(ids("a"), ids("a"));
        assert_ne!(ids("a"), ids("b"));
        let [number, letters, hex] = ids("a");
        assert!(number.parse::<u64>().is_ok() && letters.len() == 14 && hex.len() == 24);
    }

    #[test]
    fn an_expired_order_is_refunded_automatically() {
        let mut namespace = Namespace::new("a");
        bought(&mut namespace, "zz_expire");
        bought(&mut namespace, "zz_never");
        namespace.advance_orders(29_999, false);
        assert_eq!(namespace.wallet.refunds, 0);
        namespace.advance_orders(30_000, false);
        assert_eq!((namespace.wallet.refunds, namespace.wallet.balance), (1, 990_000_000));
        assert_eq!(namespace.next_expiry, 1_200_000);
    }
}
