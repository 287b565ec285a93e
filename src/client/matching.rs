//! Matching: whether an order of the history is a given purchase, and on which evidence. Pure.
//!
//! The history does not name the request that made an order. Only ids, the time, the state, the
//! service, the country, the price and the phone number can be compared. Each of them can be
//! missing, and the history can write it in another way than the reply to a purchase does. The
//! orders that this client made itself show how: see [`Calibration`].

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use super::found_purchase::is_found;
use crate::clock::Moment;
use crate::protocol::json_input::is_number;
use crate::protocol::{Order, OrderStatus, Purchase, calling_code};
use crate::{Amount, Intent};

/// How far the service's clock may be behind.
const CLOCK_SKEW: Duration = Duration::from_secs(120);
/// The time zones of the world: how far they are behind UTC, and how far they are ahead.
const ZONES: [Duration; 2] = [Duration::from_secs(12 * 3600), Duration::from_secs(14 * 3600)];
/// An order that ended within this time after the loss of the reply is unlikely to be the lost
/// order: no program has its id, so it ends when it expires or when its provider cancels it.
const SHORTEST_LIFE: Duration = Duration::from_secs(180);
/// An order that was created longer than this after the request is probably not its result: the
/// time of the longest request, and ten minutes in which the service may still work on it.
const LONGEST_BOOKING: Duration = Duration::from_secs(690);
/// How far a repetition of a purchase can be from it: a proxy repeats a request within seconds.
const REPETITION: Duration = Duration::from_secs(5);
/// How long after a purchase the history is searched for a repetition of it.
const REPETITION_WINDOW: Duration = Duration::from_secs(600);

/// Whether an order is a given purchase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A field proves that it is another purchase.
    Other,
    /// It is another purchase, unless the history writes a field in an unknown way. The clause
    /// describes the order.
    Doubtful(&'static str),
    /// It may be the purchase.
    Candidate(Evidence),
}

/// The evidence that an order is a given purchase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Evidence {
    /// Whether the order's id was in the reply that was cut.
    pub(super) is_ours: bool,
    /// A more likely order has a higher rank.
    pub(super) rank: i32,
    /// A sentence for each fact, for people.
    pub(super) sentences: Vec<String>,
}

impl Evidence {
    fn add(&mut self, rank: i32, sentence: String) {
        self.rank += rank;
        self.sentences.push(sentence);
    }
}

/// A purchase with an unknown outcome, and the facts to which orders are compared.
#[derive(Debug)]
pub(super) struct LostPurchase<'a> {
    pub(super) intent: &'a Intent,
    /// The ids that were found in the bytes of its reply.
    pub(super) clues: &'a [String],
    /// The time since the reply was lost.
    pub(super) age: Duration,
    /// Whether the history shows the order of the watermark under its id.
    pub(super) saw_watermark: bool,
    pub(super) calibration: &'a Calibration,
}

/// How the history writes the orders that this client made itself.
///
/// The time zone of its dates, the numbers of its countries and the codes of its services are not
/// documented. A known order shows them.
#[derive(Debug, Default)]
pub(super) struct Calibration {
    /// Whether the order ids are those in the replies to purchases.
    same_ids: Option<bool>,
    /// How far dates without a time zone are ahead of the client's wall clock, in seconds.
    local_ahead: Option<i64>,
    /// How far dates with a time zone are ahead of it, in seconds.
    clock_ahead: Option<i64>,
    /// Pairs of the country that was bought and the country in the history.
    countries: Vec<(String, String)>,
    /// Pairs of the service that was bought and the service in the history.
    services: Vec<(String, String)>,
    /// Pairs of the country that was bought and the first digits of the number.
    calling_codes: Vec<(String, String)>,
}

/// The result of a comparison of two codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Same,
    /// They differ, and a known order shows that the history uses the codes of purchases.
    Different,
    /// They differ, but the history may use other codes.
    Doubtful,
    Unknown,
}

/// The position of an order in time, compared to the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    Before,
    After,
    Unknown,
}

impl Calibration {
    /// Adds an order that this client made, as the history shows it. Call it for the newest order
    /// first: the newest one sets the clock.
    pub(super) fn add(
        &mut self,
        intent: &Intent,
        purchase: &Purchase,
        bought: SystemTime,
        row: &Order,
    ) {
        if let (Some(ours), Some(theirs)) = (&purchase.order_id, &row.order_id) {
            self.same_ids = Some(self.same_ids.unwrap_or(true) && ours == theirs);
        }
        let bought = seconds_since_1970(bought);
        let ahead = |created: Option<i64>| created.map(|created| created - bought);
        self.local_ahead = self.local_ahead.or(ahead(row.created_local.map(to_signed)));
        self.clock_ahead = self.clock_ahead.or(ahead(row.created_at.map(seconds_since_1970)));
        let service = intent.service().or(purchase.service.as_deref());
        push_pair(&mut self.services, service, row.service.as_deref());
        // An operator can pin another country than the one of the request.
        let country = intent.country().filter(|_| intent.operator().is_none());
        let country = country.or(purchase.country.as_deref());
        push_pair(&mut self.countries, country, row.country.as_deref());
        let digits = purchase.digits();
        push_pair(&mut self.calling_codes, country, digits.get(..2));
    }

    /// Adds the orders of the history that are purchases of this client. The list of the purchases
    /// begins with the newest.
    pub(super) fn add_own<'a>(
        &mut self,
        orders: &[Order],
        own: impl IntoIterator<Item = OwnPurchase<'a>>,
    ) {
        let by_id: HashMap<&str, &Order> =
            orders.iter().filter_map(|order| Some((only_id(order)?, order))).collect();
        for (intent, purchase, at) in own {
            if by_id.is_empty() {
                break;
            }
            // The fields of a purchase that was found in the history show nothing about it.
            if let Some(row) = by_id.get(purchase.activation_id.as_str())
                && !is_found(purchase)
            {
                self.add(intent, purchase, at.wall, row);
            }
        }
    }

    /// Returns the earliest and the latest time at which the order may have been created, on the
    /// client's wall clock, in seconds since 1970.
    fn created(&self, order: &Order) -> Option<(i64, i64)> {
        let skew = to_signed(CLOCK_SKEW.as_secs());
        if let Some(created) = order.created_at {
            let created = seconds_since_1970(created) - self.clock_ahead.unwrap_or_default();
            return Some((created - skew, created + skew));
        }
        let created = to_signed(order.created_local?);
        if let Some(ahead) = self.local_ahead {
            return Some((created - ahead - skew, created - ahead + skew));
        }
        let [behind, ahead] = ZONES.map(|zone| to_signed(zone.as_secs()));
        Some((created - ahead - skew, created + behind + skew))
    }

    fn compare_service(&self, wanted: Option<&str>, order: &Order) -> Comparison {
        let (Some(wanted), Some(listed)) = (wanted, order.service.as_deref()) else {
            return Comparison::Unknown;
        };
        if wanted.eq_ignore_ascii_case(listed) || has_pair(&self.services, wanted, listed) {
            return Comparison::Same;
        }
        if !is_service_code(order, listed) || is_number(listed) != is_number(wanted) {
            return Comparison::Unknown;
        }
        let uses_codes = self.services.iter().any(|(bought, listed)| bought == listed);
        if uses_codes || (is_short_code(wanted) && is_short_code(listed)) {
            Comparison::Different
        } else {
            Comparison::Doubtful
        }
    }

    /// Compares the country of an order with the country and the operator of the request: by the
    /// vendor's page an operator is a country too.
    fn compare_country(&self, intent: &Intent, order: &Order) -> Comparison {
        let wanted: Vec<&str> =
            [intent.country(), intent.operator()].into_iter().flatten().collect();
        let Some(listed) = order.country.as_deref() else { return Comparison::Unknown };
        let is_same = |wanted: &&str| {
            wanted.eq_ignore_ascii_case(listed) || has_pair(&self.countries, wanted, listed)
        };
        if wanted.iter().any(is_same) {
            return Comparison::Same;
        }
        if !is_number(listed) || !wanted.iter().any(|wanted| is_number(wanted)) {
            return Comparison::Unknown;
        }
        let numbered: Vec<_> =
            self.countries.iter().filter(|(_, listed)| is_number(listed)).collect();
        let is_known = |(bought, listed): &&(String, String)| {
            wanted.contains(&bought.as_str()) || bought == listed
        };
        if numbered.iter().any(is_known) {
            return Comparison::Different;
        }
        // The history can contain a calling code: 91 for an Indian number, although India's code is
        // 22.
        let is_calling_code =
            order.phone_number.as_deref().is_some_and(|number| digits(number).starts_with(listed));
        if is_calling_code || !numbered.is_empty() {
            Comparison::Unknown
        } else {
            Comparison::Doubtful
        }
    }

    /// Returns the digits that the numbers of a country begin with. Known numbers count more than
    /// the usual numbering of countries.
    fn calling_code(&self, country: Option<&str>) -> Option<&str> {
        let country = country?;
        let mut codes = self.calling_codes.iter().filter(|(of, _)| of == country);
        match codes.next() {
            None => calling_code(country),
            Some((_, code)) => codes.all(|(_, other)| other == code).then_some(code),
        }
    }
}

impl LostPurchase<'_> {
    /// Judges one order of the history.
    pub(super) fn judge(&self, order: &Order) -> Verdict {
        let intent = self.intent;
        let mut evidence = Evidence::default();
        let is_clue = |id: &Option<String>| id.as_ref().is_some_and(|id| self.clues.contains(id));
        let position = self.position(order, &mut evidence);
        let is_resold = |id: &str| Some(id) == intent.reget_of();
        if position == Position::Before || only_id(order).is_some_and(is_resold) {
            return Verdict::Other;
        }
        if is_clue(&order.activation_id) || is_clue(&order.order_id) {
            evidence.is_ours = true;
            evidence.add(100, "its id is in the part of the reply that arrived".to_owned());
        }
        let doubt = self.compare(order, &mut evidence);
        if evidence.is_ours {
            return Verdict::Candidate(evidence);
        }
        match (doubt, self.compare_state(order, position, &mut evidence)) {
            (Verdict::Candidate(_), Verdict::Candidate(_)) => Verdict::Candidate(evidence),
            (Verdict::Other, _) | (_, Verdict::Other) => Verdict::Other,
            (Verdict::Doubtful(clause), _) | (_, Verdict::Doubtful(clause)) => {
                Verdict::Doubtful(clause)
            }
        }
    }

    /// Returns whether the order was made before the request or after it. Compares the order ids if
    /// they can be compared, else the times.
    fn position(&self, order: &Order, evidence: &mut Evidence) -> Position {
        let created = self.calibration.created(order);
        let started = seconds_since_1970(self.intent.started_at());
        let by_time = match created {
            Some((_, latest)) if latest < started => Position::Before,
            Some((earliest, latest)) if is_exact(earliest, latest) => Position::After,
            _ => Position::Unknown,
        };
        // Without a known order of the same numbering, other ids could be compared here.
        let is_comparable = self.saw_watermark
            || self.intent.watermark() == Some(0)
            || self.calibration.same_ids == Some(true);
        let ids = self.intent.watermark().zip(order.sequence()).filter(|_| is_comparable);
        let position = match ids {
            Some((watermark, sequence)) if sequence <= watermark => return Position::Before,
            Some((watermark, sequence)) => {
                let sentence = format!(
                    "its order id {sequence} is above {watermark}, the newest before the request"
                );
                evidence.add(1, sentence);
                Position::After
            }
            None => by_time,
        };
        if let Some((earliest, latest)) = created
            && is_exact(earliest, latest)
        {
            let after = i64::midpoint(earliest, latest) - started;
            let (skew, late) =
                (to_signed(CLOCK_SKEW.as_secs()), to_signed(LONGEST_BOOKING.as_secs()));
            let rank = if (-skew..=skew).contains(&after) {
                4
            } else if (0..=late).contains(&after) {
                2
            } else {
                -4
            };
            let side = if after < 0 { "before" } else { "after" };
            let sentence =
                format!("it was created {} {side} the request", rounded(after.unsigned_abs()));
            evidence.add(rank, sentence);
        }
        position
    }

    /// Compares the fields that do not change: service, country, number and price.
    fn compare(&self, order: &Order, evidence: &mut Evidence) -> Verdict {
        let intent = self.intent;
        if let (Some(wanted), Some(listed)) = (intent.phone_number(), &order.phone_number) {
            match is_same_number(wanted, listed) {
                Some(false) => return Verdict::Other,
                Some(true) => evidence.add(4, "its number is the one to buy again".to_owned()),
                None => {}
            }
        }
        let service = self.calibration.compare_service(intent.service(), order);
        let country = self.calibration.compare_country(intent, order);
        let named = |text: &Option<String>| text.clone().unwrap_or_default();
        if service == Comparison::Same {
            evidence.add(2, format!("its service is {}", named(&order.service)));
        }
        if country == Comparison::Same {
            evidence.add(2, format!("its country is {}", named(&order.country)));
        }
        self.compare_price_and_number(order, evidence);
        match (service, country) {
            (Comparison::Different, _) | (_, Comparison::Different) => Verdict::Other,
            (Comparison::Doubtful, _) => {
                Verdict::Doubtful("the history may use other codes for services")
            }
            (_, Comparison::Doubtful) => {
                Verdict::Doubtful("the history may use other numbers for countries")
            }
            _ => Verdict::Candidate(Evidence::default()),
        }
    }

    fn compare_price_and_number(&self, order: &Order, evidence: &mut Evidence) {
        // A history without a price can contain 0 instead.
        let price = order.price.filter(|price| *price > Amount::ZERO);
        if let (Some(price), Some(max)) = (price, self.intent.max_price()) {
            if price <= max {
                evidence.add(1, format!("its price of {price} is within the maximum of {max}"));
            } else {
                evidence.add(-2, format!("its price of {price} is above the maximum of {max}"));
            }
        }
        let country = self.intent.operator().or(self.intent.country());
        let calling_code = self.calibration.calling_code(country);
        if let (Some(code), Some(number)) = (calling_code, &order.phone_number) {
            if digits(number).starts_with(code) {
                evidence.add(1, format!("its number begins with {code}, as others of the country"));
            } else {
                evidence.add(-2, format!("its number does not begin with {code}, as others do"));
            }
        }
    }

    /// Compares the state with the time: no program has the id of the lost order, so no program
    /// ended it.
    fn compare_state(&self, order: &Order, position: Position, evidence: &mut Evidence) -> Verdict {
        let Some(status) = &order.status else { return Verdict::Candidate(Evidence::default()) };
        let word = status.as_str();
        if !is_over(order) {
            let rank = if *status == OrderStatus::Pending { 2 } else { 0 };
            evidence.add(rank, format!("it is {word}"));
        } else if self.age < SHORTEST_LIFE {
            return Verdict::Doubtful("an order that may be the purchase has already ended");
        } else if position == Position::After {
            let rank = if *status == OrderStatus::Expired { -6 } else { -8 };
            evidence.add(rank, format!("it is {word}"));
        } else {
            return Verdict::Doubtful("the history does not show when its ended orders were made");
        }
        Verdict::Candidate(Evidence::default())
    }
}

/// A purchase of this client that succeeded: its intent, its reply, and when the reply arrived.
pub(super) type OwnPurchase<'a> = (&'a Intent, &'a Purchase, Moment);

/// Returns the activation ids of open orders that repeat a recent purchase of `own`: the same
/// service and country, made within seconds of it or under the next order id. `may_be_ours` returns
/// whether an order may belong to a purchase of this client other than the given one.
pub(super) fn repetitions(
    orders: &[Order],
    own: &[OwnPurchase<'_>],
    now: Moment,
    may_be_ours: impl Fn(&Order, &Intent, &Calibration) -> bool,
) -> Vec<String> {
    let own_ids: HashSet<&str> =
        own.iter().map(|(_, purchase, _)| purchase.activation_id.as_str()).collect();
    let is_own = |order: &&Order| only_id(order).is_some_and(|id| own_ids.contains(id));
    let mut others = orders.iter().filter(|order| !is_over(order) && !is_own(order)).peekable();
    // The history of most keys shows only the purchases of one client.
    if others.peek().is_none() {
        return Vec::new();
    }
    let mut calibration = Calibration::default();
    calibration.add_own(orders, own.iter().copied());
    let rows: HashMap<&str, &Order> =
        orders.iter().filter_map(|order| Some((only_id(order)?, order))).collect();
    let is_recent = |at: Moment| now.monotonic.saturating_sub(at.monotonic) < REPETITION_WINDOW;
    let recent: Vec<_> = own
        .iter()
        .filter(|(_, _, at)| is_recent(*at))
        .map(|own| (own, rows.get(own.1.activation_id.as_str()).copied()))
        .collect();
    let is_repetition = |order: &&Order| {
        let mut repeated = recent.iter().filter(|(own, row)| calibration.repeats(order, own, *row));
        repeated.next().is_some_and(|(own, _)| !may_be_ours(order, own.0, &calibration))
    };
    others.filter(is_repetition).filter_map(|order| order.activation_id.clone()).collect()
}

impl Calibration {
    /// Returns whether the order repeats a purchase of this client. `row` is the purchase in the
    /// history, if the page shows it.
    fn repeats(&self, order: &Order, own: &OwnPurchase<'_>, row: Option<&Order>) -> bool {
        let (intent, purchase, at) = *own;
        let agrees = |wanted: Option<&str>, listed: &Option<String>, pairs: &[(String, String)]| {
            let Some(listed) = listed else { return false };
            wanted.is_none_or(|wanted| {
                let is_known = pairs.iter().any(|(bought, _)| bought == wanted);
                wanted.eq_ignore_ascii_case(listed)
                    || has_pair(pairs, wanted, listed)
                    || (is_name(listed) && !is_known)
            })
        };
        let service = intent.service().or(purchase.service.as_deref());
        let country = purchase.country.as_deref().or(intent.operator()).or(intent.country());
        if !agrees(service, &order.service, &self.services)
            || !agrees(country, &order.country, &self.countries)
        {
            return false;
        }
        let distance = match row {
            // Two rows of one page have the same clock.
            Some(row) => distance(row, order),
            // The order is older than its reply by the time of the exchange.
            None if self.local_ahead.or(self.clock_ahead).is_some() => {
                self.created(order).map(|(earliest, latest)| {
                    i64::midpoint(earliest, latest).abs_diff(seconds_since_1970(at.wall))
                })
            }
            None => None,
        };
        let id = row.map_or(&purchase.order_id, |row| &row.order_id);
        let id: Option<u64> = id.as_ref().and_then(|id| id.parse().ok());
        let is_next =
            id.zip(order.sequence()).is_some_and(|(ours, other)| ours.abs_diff(other) == 1);
        distance.map_or(is_next, |distance| distance <= REPETITION.as_secs())
    }
}

/// Returns the seconds between the dates of two orders of one history.
fn distance(one: &Order, other: &Order) -> Option<u64> {
    let instants = one.created_at.zip(other.created_at);
    let instants = instants.map(|(a, b)| seconds_since_1970(a).abs_diff(seconds_since_1970(b)));
    instants.or_else(|| Some(one.created_local?.abs_diff(other.created_local?)))
}

/// Returns the activation id of an order. A history with one id for each order can have it in the
/// place of the order id.
pub(super) fn only_id(order: &Order) -> Option<&str> {
    order.activation_id.as_deref().or(order.order_id.as_deref())
}

/// Returns whether the order has ended.
fn is_over(order: &Order) -> bool {
    use OrderStatus::{Cancelled, Completed, Expired};
    matches!(order.status, Some(Completed | Cancelled | Expired))
}

/// Returns whether two phone numbers are the same, of which one can lack its prefix. `None` if that
/// is unknown, because a number is short or masked.
pub(super) fn is_same_number(wanted: &str, listed: &str) -> Option<bool> {
    /// A national number has at least this many digits.
    const NATIONAL: usize = 7;
    if listed.contains(['*', 'x', 'X']) {
        return None;
    }
    let (wanted, listed) = (digits(wanted), digits(listed));
    let is_suffix = wanted.ends_with(&listed) || listed.ends_with(&wanted);
    (wanted.len().min(listed.len()) >= NATIONAL).then_some(is_suffix)
}

fn has_pair(pairs: &[(String, String)], first: &str, second: &str) -> bool {
    pairs.iter().any(|(one, other)| one == first && other.eq_ignore_ascii_case(second))
}

fn push_pair(pairs: &mut Vec<(String, String)>, first: Option<&str>, second: Option<&str>) {
    if let (Some(first), Some(second)) = (first, second)
        && !has_pair(pairs, first, second)
    {
        pairs.push((first.to_owned(), second.to_owned()));
    }
}

/// Whether a service is certainly given as a code, or looks like one: two or three characters that
/// are not a number.
fn is_service_code(order: &Order, listed: &str) -> bool {
    let is_code = order.is_service_code || ((2..=3).contains(&listed.len()) && !is_number(listed));
    is_code && !is_name(listed)
}

/// Whether the text is a name, such as `Telegram`. Codes have no capitals, spaces or characters
/// outside ASCII.
fn is_name(text: &str) -> bool {
    text.contains(|c: char| c.is_uppercase() || c.is_whitespace() || !c.is_ascii())
}

/// The digits of a phone number.
fn digits(number: &str) -> String {
    number.chars().filter(char::is_ascii_digit).collect()
}

/// Whether a code has the form of the vendor's service codes, such as `tg`.
fn is_short_code(text: &str) -> bool {
    (2..=4).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// Whether the bounds of a time are as close as the service's clock allows.
fn is_exact(earliest: i64, latest: i64) -> bool {
    latest - earliest <= 2 * to_signed(CLOCK_SKEW.as_secs())
}

fn to_signed(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// Seconds since 1970; negative before.
fn seconds_since_1970(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => to_signed(since.as_secs()),
        Err(before) => -to_signed(before.duration().as_secs()),
    }
}

/// A number of seconds in a readable unit.
fn rounded(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NumberRequest;

    /// The time of the purchase, ten minutes into a day.
    const START: u64 = 1_800_000_600;
    const MINUTE: Duration = Duration::from_secs(60);

    fn start() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(START)
    }

    fn request() -> NumberRequest {
        NumberRequest::new("tg").country("22").max_price(80)
    }

    fn intent(request: NumberRequest, watermark: Option<u64>) -> Intent {
        request.into_intent(start(), watermark).unwrap()
    }

    /// An order with this id that was made this many seconds after the purchase.
    fn order(id: Option<&str>, seconds: Option<i64>) -> Order {
        let at = |seconds: i64| {
            let by = Duration::from_secs(seconds.unsigned_abs());
            if seconds < 0 { start() - by } else { start() + by }
        };
        Order { order_id: id.map(str::to_owned), created_at: seconds.map(at), ..Order::default() }
    }

    fn purchase(activation_id: &str, order_id: Option<&str>) -> Purchase {
        let text = format!(
            r#"{{"status":"OK","activation_id":"{activation_id}","number":"919812345678"}}"#
        );
        let raw = crate::protocol::RawReply { status: 200, framed: true, body: text.as_bytes() };
        match crate::protocol::parse_number(raw) {
            crate::protocol::ChargeReply::Charged(purchase) => {
                Purchase { order_id: order_id.map(str::to_owned), ..*purchase }
            }
            other => panic!("{other:?}"),
        }
    }

    fn judge(
        order: &Order,
        intent: &Intent,
        saw_watermark: bool,
        calibration: &Calibration,
    ) -> Verdict {
        let lost = LostPurchase { intent, clues: &[], age: MINUTE, saw_watermark, calibration };
        lost.judge(order)
    }

    fn is_candidate(verdict: &Verdict) -> bool {
        matches!(verdict, Verdict::Candidate(_))
    }

    #[test]
    fn older_order_is_found_by_id_or_time() {
        for (watermark, saw_watermark, id, seconds, before) in [
            (Some(7), true, Some("7"), None, true),
            (Some(7), true, Some("6"), Some(60), true),
            (Some(7), true, Some("8"), Some(-600), false),
            (Some(7), true, Some("a"), None, false),
            (Some(7), true, Some("a"), Some(-121), true),
            // Ids that nothing connects to the watermark prove nothing.
            (Some(7), false, Some("6"), None, false),
            (Some(7), false, Some("6"), Some(60), false),
            (Some(7), false, Some("8"), Some(-600), true),
            (Some(0), false, Some("1"), None, false),
            (None, false, Some("6"), Some(-121), true),
            (None, false, Some("6"), Some(-120), false),
            (None, false, Some("6"), Some(60), false),
            (None, false, None, None, false),
        ] {
            let verdict = judge(
                &order(id, seconds),
                &intent(request(), watermark),
                saw_watermark,
                &Calibration::default(),
            );
            let case = format!("{watermark:?} {saw_watermark} {id:?} {seconds:?}");
            assert_eq!(verdict == Verdict::Other, before, "{case}: {verdict:?}");
        }
    }

    #[test]
    fn known_order_shows_the_zone_of_dates() {
        const INDIA: u64 = 19_800;
        let intent = intent(request(), None);
        let mut calibrated = Calibration::default();
        let row = Order { created_local: Some(START - 900 + INDIA), ..Order::default() };
        calibrated.add(&intent, &purchase("1", None), start() - 15 * MINUTE, &row);
        for (local, is_calibrated, is_before, sentence) in [
            (START + INDIA + 3, true, false, Some("it was created 3 s after the request")),
            (START + INDIA - 60, true, false, Some("it was created 60 s before the request")),
            (START + INDIA + 1500, true, false, Some("it was created 25 min after the request")),
            (START + INDIA - 121, true, true, None),
            // Without a known order, the zone can be any of the world.
            (START + INDIA + 3, false, false, None),
            (START + INDIA - 600, false, false, None),
            (START - 12 * 3600 - 120, false, false, None),
            (START - 12 * 3600 - 121, false, true, None),
        ] {
            let order = Order { created_local: Some(local), ..order(Some("8"), None) };
            let none = Calibration::default();
            let calibration = if is_calibrated { &calibrated } else { &none };
            let verdict = judge(&order, &intent, false, calibration);
            assert_eq!(verdict == Verdict::Other, is_before, "{local} {verdict:?}");
            if let (Verdict::Candidate(evidence), Some(sentence)) = (&verdict, sentence) {
                assert!(evidence.sentences.iter().any(|have| have == sentence), "{verdict:?}");
            }
        }
    }

    #[test]
    fn only_a_service_code_excludes_an_order() {
        use Comparison::{Different, Doubtful, Same, Unknown};
        for (wanted, service, is_code, result) in [
            ("tg", None, false, Unknown),
            ("tg", Some("tg"), false, Same),
            ("tg", Some("TG"), false, Same),
            ("tg", Some("wa"), false, Different),
            ("tg", Some("Telegram"), false, Unknown),
            ("tg", Some("Telegram"), true, Unknown),
            ("tg", Some("telegram"), false, Unknown),
            ("tg", Some("telegram"), true, Doubtful),
            ("tg", Some("tele gram"), false, Unknown),
            ("tg", Some("12"), false, Unknown),
            ("tg", Some("12"), true, Unknown),
            ("zz_ok", Some("zz_multi"), true, Doubtful),
            ("tg", Some("\u{442}\u{433}"), false, Unknown),
        ] {
            let order = Order {
                service: service.map(str::to_owned),
                is_service_code: is_code,
                ..order(Some("8"), None)
            };
            let compared = Calibration::default().compare_service(Some(wanted), &order);
            assert_eq!(compared, result, "{wanted} {service:?} {is_code}");
        }
    }

    #[test]
    fn known_order_shows_the_words_for_services() {
        let intent = intent(NumberRequest::new("zz_ok").any_country().accept_any_price(), None);
        for (listed, other, result) in [
            ("zz_ok", "zz_multi", Comparison::Different),
            ("All is well", "all is well", Comparison::Same),
            ("All is well", "Telegram", Comparison::Unknown),
        ] {
            let named = |service: &str| Order {
                service: Some(service.to_owned()),
                is_service_code: true,
                ..Order::default()
            };
            let mut calibration = Calibration::default();
            calibration.add(&intent, &purchase("1", None), start(), &named(listed));
            let compared = calibration.compare_service(Some("zz_ok"), &named(other));
            assert_eq!(compared, result, "{listed} {other}");
        }
    }

    #[test]
    fn found_purchase_does_not_show_how_the_history_writes() {
        let row = Order {
            activation_id: Some("1".to_owned()),
            country: Some("91".to_owned()),
            created_local: Some(START),
            ..order(Some("1001"), None)
        };
        let found = crate::client::found_purchase::purchase_of(&row).unwrap();
        let any = intent(NumberRequest::new("tg").any_country().max_price(80), None);
        let at = Moment { monotonic: MINUTE, wall: start() + MINUTE };
        let mut calibration = Calibration::default();
        calibration.add_own(std::slice::from_ref(&row), [(&any, &found, at)]);
        assert_eq!((calibration.same_ids, calibration.local_ahead), (None, None));
        // The history contains calling codes: nothing proves that the country is another one.
        let lost = Order { phone_number: Some("919812345678".to_owned()), ..row };
        let compared = calibration.compare_country(&intent(request(), None), &lost);
        assert_eq!(compared, Comparison::Unknown);
    }

    #[test]
    fn only_a_country_code_excludes_an_order() {
        use Comparison::{Different, Doubtful, Same, Unknown};
        let order = |country: &str, number: Option<&str>| Order {
            country: Some(country.to_owned()),
            phone_number: number.map(str::to_owned),
            ..Order::default()
        };
        for (wanted, operator, listed, number, known, result) in [
            ("22", None, "22", None, None, Same),
            ("22", None, "7", None, None, Doubtful),
            ("22", None, "91", Some("919812345678"), None, Unknown),
            ("22", None, "91", Some("+91 98123 45678"), None, Unknown),
            ("22", None, "91", Some("67071234567"), None, Doubtful),
            ("22", None, "in", None, None, Unknown),
            ("22", None, "India", None, None, Unknown),
            ("in", None, "22", None, None, Unknown),
            // An operator pins a country.
            ("22", Some("1"), "1", None, None, Same),
            ("22", Some("1"), "22", None, None, Same),
            ("22", Some("1"), "7", None, None, Doubtful),
            ("22", Some("airtel"), "22", None, None, Same),
            // A known order shows the numbering.
            ("22", None, "7", None, Some(("22", "22")), Different),
            ("22", None, "7", None, Some(("6", "6")), Different),
            ("22", None, "91", Some("919812345678"), Some(("22", "22")), Different),
            ("22", None, "91", None, Some(("22", "91")), Same),
            ("22", None, "7", None, Some(("22", "91")), Different),
            ("22", None, "7", None, Some(("6", "62")), Unknown),
            ("22", None, "7", None, Some(("22", "India")), Doubtful),
            ("22", None, "india", None, Some(("22", "India")), Same),
        ] {
            let mut calibration = Calibration::default();
            if let Some((bought, shown)) = known {
                let known = NumberRequest::new("tg").country(bought).accept_any_price();
                let row = order(shown, None);
                calibration.add(&intent(known, None), &purchase("1", None), start(), &row);
            }
            let mut request = NumberRequest::new("tg").country(wanted).accept_any_price();
            if let Some(operator) = operator {
                request = request.operator(operator);
            }
            assert_eq!(
                calibration.compare_country(&intent(request, None), &order(listed, number)),
                result,
                "{wanted} {operator:?} {listed} {number:?} {known:?}"
            );
        }
    }

    #[test]
    fn number_can_lack_its_prefix() {
        for (wanted, listed, result) in [
            ("919812345678", "919812345678", Some(true)),
            ("919812345678", "+91 98123-45678", Some(true)),
            ("919812345678", "9812345678", Some(true)),
            ("9812345678", "919812345678", Some(true)),
            ("919812345678", "9812345679", Some(false)),
            ("919812345678", "345678", None),
            ("919812345678", "9198****5678", None),
            ("919812345678", "", None),
        ] {
            assert_eq!(is_same_number(wanted, listed), result, "{wanted} {listed}");
        }
    }

    #[test]
    fn ended_order_is_no_likely_candidate() {
        let (soon, late) = (Duration::from_secs(179), Duration::from_secs(180));
        let intent = intent(request(), Some(7));
        let calibration = Calibration::default();
        for (status, age, saw_watermark, expected) in [
            ("pending", soon, true, Some(true)),
            ("completed", soon, true, None),
            ("cancelled", soon, true, None),
            ("expired", soon, true, None),
            ("expired", late, true, Some(false)),
            ("completed", late, true, Some(false)),
            ("expired", late, false, None),
            ("sent back", late, true, Some(true)),
        ] {
            let order = Order { status: Some(OrderStatus::read(status)), ..order(Some("8"), None) };
            let lost = LostPurchase {
                intent: &intent,
                clues: &[],
                age,
                saw_watermark,
                calibration: &calibration,
            };
            let is_likely = match lost.judge(&order) {
                Verdict::Candidate(evidence) => Some(evidence.rank > 0),
                Verdict::Doubtful(_) if saw_watermark && age == late => panic!("{status} {age:?}"),
                Verdict::Other => panic!("{status} {age:?}: nothing proves that it is another"),
                Verdict::Doubtful(_) => None,
            };
            assert_eq!(is_likely, expected, "{status} {age:?} {saw_watermark}");
        }
    }

    #[test]
    fn id_of_a_cut_reply_proves_the_order() {
        let (intent, calibration) = (intent(request(), Some(7)), Calibration::default());
        let clues = ["77".to_owned()];
        for (order_id, activation_id, is_ours) in [
            ("8", "77", Some(true)),
            ("77", "a", Some(true)),
            ("8", "78", Some(false)),
            // An old order whose id happens to be in the reply is not the purchase.
            ("7", "77", None),
        ] {
            let order = Order {
                activation_id: Some(activation_id.to_owned()),
                status: Some(OrderStatus::Pending),
                ..order(Some(order_id), None)
            };
            let lost = LostPurchase {
                intent: &intent,
                clues: &clues,
                age: MINUTE,
                saw_watermark: true,
                calibration: &calibration,
            };
            let found = match lost.judge(&order) {
                Verdict::Candidate(evidence) => Some(evidence.is_ours),
                _ => None,
            };
            assert_eq!(found, is_ours, "{order_id} {activation_id}");
        }
    }

    #[test]
    fn evidence_ranks_the_likelier_order_higher() {
        let intent = intent(request(), Some(7));
        let calibration = Calibration::default();
        let base = Order {
            service: Some("tg".to_owned()),
            country: Some("22".to_owned()),
            phone_number: Some("919812345678".to_owned()),
            price: Some(Amount::from_rupees(18)),
            status: Some(OrderStatus::Pending),
            ..order(Some("8"), Some(3))
        };
        let Verdict::Candidate(best) = judge(&base, &intent, true, &calibration) else { panic!() };
        assert_eq!(
            best.sentences,
            [
                "its order id 8 is above 7, the newest before the request",
                "it was created 3 s after the request",
                "its service is tg",
                "its country is 22",
                "its price of 18.00 is within the maximum of 80.00",
                "its number begins with 91, as others of the country",
                "it is pending",
            ]
        );
        for (worse, sentence) in [
            (Order { price: Some(Amount::from_rupees(95)), ..base.clone() }, "above the maximum"),
            (
                Order { phone_number: Some("67071234567".to_owned()), ..base.clone() },
                "does not begin with 91",
            ),
            (Order { created_at: Some(start() + 25 * MINUTE), ..base.clone() }, "25 min after"),
            (Order { service: Some("Telegram".to_owned()), ..base.clone() }, "its country is 22"),
            (Order { created_at: None, ..base.clone() }, "its country is 22"),
            (Order { status: None, ..base.clone() }, "its country is 22"),
        ] {
            let verdict = judge(&worse, &intent, true, &calibration);
            let Verdict::Candidate(evidence) = &verdict else { panic!("{verdict:?}") };
            assert!(evidence.rank < best.rank, "{evidence:?}");
            assert!(evidence.sentences.iter().any(|have| have.contains(sentence)), "{evidence:?}");
        }
    }

    #[test]
    fn number_bought_again_is_compared() {
        let reget =
            Intent::reget("1", Some("919812345678".to_owned()), None, start(), Some(7)).unwrap();
        for (activation_id, number, is_found) in [
            ("2", Some("9812345678"), true),
            ("2", Some("919812345679"), false),
            ("2", None, true),
            ("1", Some("919812345678"), false),
        ] {
            let order = Order {
                activation_id: Some(activation_id.to_owned()),
                phone_number: number.map(str::to_owned),
                ..order(Some("8"), None)
            };
            let verdict = judge(&order, &reget, true, &Calibration::default());
            assert_eq!(is_candidate(&verdict), is_found, "{activation_id} {number:?}");
        }
    }

    #[test]
    fn repetition_is_made_within_seconds_or_next() {
        let now = |seconds: u64| Moment {
            monotonic: Duration::from_secs(1000 + seconds),
            wall: start() + Duration::from_secs(seconds),
        };
        let row = |activation: &str, id: Option<&str>, seconds: Option<u64>| Order {
            order_id: id.map(str::to_owned),
            activation_id: Some(activation.to_owned()),
            service: Some("tg".to_owned()),
            country: Some("22".to_owned()),
            created_local: seconds.map(|seconds| START + seconds),
            status: Some(OrderStatus::Pending),
            ..Order::default()
        };
        let intent = intent(request(), Some(7));
        let ours = purchase("a", Some("8"));
        let own = [(&intent, &ours, now(0))];
        let named = |order: Order, service: &str, country: &str| Order {
            service: Some(service.to_owned()),
            country: Some(country.to_owned()),
            ..order
        };
        let own_row = row("a", Some("8"), Some(0));
        for (page, at, extra) in [
            (vec![own_row.clone(), row("b", Some("9"), Some(1))], 60, true),
            (vec![own_row.clone(), row("b", Some("7"), Some(0))], 60, true),
            (vec![own_row.clone(), row("b", Some("12"), Some(5))], 60, true),
            (vec![own_row.clone(), row("b", Some("9"), Some(6))], 60, false),
            (vec![own_row.clone(), row("b", Some("9"), None)], 60, true),
            (vec![own_row.clone(), row("b", Some("10"), None)], 60, false),
            (vec![own_row.clone(), row("b", None, None)], 60, false),
            // Without our own row, the time zone of dates is unknown.
            (vec![row("b", Some("12"), Some(0))], 60, false),
            (vec![row("b", Some("9"), None)], 60, true),
            (vec![own_row.clone(), row("b", Some("9"), Some(1))], 600, false),
            (
                vec![
                    own_row.clone(),
                    Order { status: Some(OrderStatus::Completed), ..row("b", Some("9"), None) },
                ],
                60,
                false,
            ),
            (vec![own_row.clone(), named(row("b", Some("9"), None), "wa", "22")], 60, false),
            (vec![own_row.clone(), named(row("b", Some("9"), None), "tg", "7")], 60, false),
            (vec![own_row.clone(), named(row("b", Some("9"), None), "Telegram", "22")], 60, false),
            (vec![named(row("b", Some("9"), None), "Telegram", "India")], 60, true),
            (
                vec![
                    named(own_row.clone(), "Telegram", "India"),
                    named(row("b", Some("9"), None), "Telegram", "India"),
                ],
                60,
                true,
            ),
        ] {
            let found = repetitions(&page, &own, now(at), |_, _, _| false);
            let expected: &[&str] = if extra { &["b"] } else { &[] };
            assert_eq!(found, expected, "{page:?} {at}");
            assert!(repetitions(&page, &own, now(at), |_, _, _| true).is_empty());
        }
    }
}
