//! Prices by country, service and operator: replies of getPrices, as a compact table.

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess};
use serde::ser::{Serialize, Serializer};

use super::json_input::{Field, Text, Word};
use super::json_output;
use super::large_reply::{Container, ContainerVisitor, EntrySink, EntryValue, decode, skip};
use super::reply::{RawReply, ReplyError};
use super::string_table::StringTable;
use crate::Amount;

/// The price of every service in every country.
///
/// Most replies have one entry for a service in a country. Others have an entry for each operator
/// or each price.
///
/// An entry takes 16 bytes, because an unfiltered list has some eighty thousand.
#[derive(Clone, Debug, Default)]
pub struct Prices {
    /// Country codes, each with the index of its first row.
    countries: Vec<(Box<str>, usize)>,
    services: StringTable,
    operators: StringTable,
    rows: Vec<Row>,
    /// The rows that were nested below a service, in order. Most replies have none.
    nested: Vec<Nested>,
    /// How many entries of the reply are left out: they have no country, no service, or no price in
    /// a known form.
    skipped: usize,
}

/// One entry of [`Prices`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Price<'a> {
    /// The code of the country, or `*` or `any`, which the service uses too.
    pub country: &'a str,
    /// The code of the service.
    pub service: &'a str,
    /// The operator that sells the number, if the reply lists operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<&'a str>,
    /// The price of a number; `None` if the reply has no valid price.
    #[serde(rename = "price_micros")]
    pub price: Option<Amount>,
    /// How many numbers are in stock, at most 4,294,967,294; `None` if the reply has none. The
    /// live service reports 999 everywhere.
    pub available: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    /// In micro-rupees, or [`NO_PRICE`].
    price: i64,
    service: u32,
    /// Numbers in stock, or [`UNKNOWN_STOCK`].
    available: u32,
}

/// A row that is not the only one of its service in its country.
#[derive(Clone, Copy, Debug)]
struct Nested {
    row: u32,
    /// The number of the operator; `None` if the rows differ by price.
    operator: Option<u32>,
}

const NO_PRICE: i64 = i64::MIN;
const UNKNOWN_STOCK: u32 = u32::MAX;

/// The names of a price and of a count, and those of the keys of an entry in a list.
const PRICES: [&str; 2] = ["cost", "price"];
const COUNTS: [&str; 3] = ["count", "qty", "available"];
const COUNTRIES: [&str; 4] = ["country", "country_code", "countryCode", "country_id"];
const SERVICES: [&str; 3] = ["service", "service_code", "serviceCode"];
const OPERATORS: [&str; 2] = ["operator", "provider"];
/// The names of a list of operators beside the price of a service.
const OPERATOR_LISTS: [&str; 2] = ["operators", "providers"];

/// Reads a reply of getPrices: `{country: {service: {cost, count}}}`, at the top or in an envelope.
/// Below a service there may be operators, `{operator: {cost, count}}`, or prices,
/// `{price: count}`. The entries of a list have the form `{country, service, cost, count}`.
pub fn parse_prices(raw: RawReply<'_>) -> Result<Prices, ReplyError> {
    let prices: Prices = decode(raw)?;
    if prices.skipped > 0 {
        log::warn!(
            "reading the prices: {} entries are left out, because they have no country, no \
             service or no readable price",
            prices.skipped
        );
    }
    Ok(prices)
}

impl Prices {
    /// The number of entries.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Every entry, in the order of the reply.
    pub fn iter(&self) -> impl Iterator<Item = Price<'_>> {
        (0..self.countries.len()).flat_map(|country| self.in_country(country))
    }

    /// The codes of the countries, in the order of the reply.
    pub fn countries(&self) -> impl Iterator<Item = &str> {
        self.countries.iter().map(|(code, _)| &**code)
    }

    /// The entry of one service in one country. If there is an entry for each operator or price,
    /// returns the cheapest one in stock.
    pub fn get(&self, country: &str, service: &str) -> Option<Price<'_>> {
        self.at(self.find(country, service)?)
    }

    /// The index, in the order of [`Self::iter`], of the entry that [`Self::get`] returns.
    pub fn find(&self, country: &str, service: &str) -> Option<usize> {
        let service = self.services.find(service)?;
        // Of repeated entries the last one counts.
        let mut countries = (0..self.countries.len()).rev();
        countries.find_map(|at| {
            let (code, start) = &self.countries[at];
            if **code != *country {
                return None;
            }
            let rows = self.rows_of(at);
            let last = rows.iter().rposition(|row| row.service == service)?;
            let is_alternative =
                |row: &usize| rows[*row].service == service && self.nested(start + row).is_some();
            let alternatives = (0..=last).rev().take_while(is_alternative);
            let rank = |row: &usize| {
                let Row { price, available, .. } = rows[*row];
                (available == 0, price == NO_PRICE, price, *row)
            };
            Some(start + alternatives.min_by_key(rank).unwrap_or(last))
        })
    }

    // Hidden: for this project's C functions and tests, not part of the API.
    /// The entry at an index, in the order of [`Self::iter`].
    #[doc(hidden)]
    pub fn at(&self, index: usize) -> Option<Price<'_>> {
        let row = self.rows.get(index)?;
        // The last country whose first row is not behind the index.
        let country =
            self.countries.partition_point(|(_, start)| *start <= index).checked_sub(1)?;
        Some(self.price(country, index, row))
    }

    /// The JSON that [`Serialize`] writes. Written by hand, because that takes a third of the time
    /// for eighty thousand entries.
    pub(crate) fn json(&self) -> String {
        let services: Vec<String> = self.services.iter().map(json_output::fields).collect();
        let mut json = String::with_capacity(80 * self.rows.len() + 2);
        for (country, (code, start)) in self.countries.iter().enumerate() {
            let begin = format!(",{{\"country\":{},\"service\":", json_output::fields(code));
            for (index, row) in self.rows_of(country).iter().enumerate() {
                json.push_str(&begin);
                json.push_str(&services[row.service as usize]);
                if let Some(operator) = self.operator(start + index) {
                    json.push_str(",\"operator\":");
                    json.push_str(&json_output::fields(operator));
                }
                json.push_str(",\"price_micros\":");
                push_number(&mut json, u64::try_from(row.price).ok());
                json.push_str(",\"available\":");
                let available = (row.available != UNKNOWN_STOCK).then_some(row.available.into());
                push_number(&mut json, available);
                json.push('}');
            }
        }
        // The comma before the first entry becomes the bracket.
        json.replace_range(..json.len().min(1), "[");
        json.push(']');
        json
    }

    fn in_country(&self, country: usize) -> impl Iterator<Item = Price<'_>> {
        let start = self.countries[country].1;
        let rows = self.rows_of(country).iter().enumerate();
        rows.map(move |(index, row)| self.price(country, start + index, row))
    }

    fn rows_of(&self, country: usize) -> &[Row] {
        let end = self.countries.get(country + 1).map_or(self.rows.len(), |(_, start)| *start);
        &self.rows[self.countries[country].1..end]
    }

    /// Returns the details of a row that is nested below its service; `None` for any other row.
    fn nested(&self, row: usize) -> Option<&Nested> {
        let at = self.nested.binary_search_by_key(&row, |nested| nested.row as usize).ok()?;
        self.nested.get(at)
    }

    fn operator(&self, row: usize) -> Option<&str> {
        self.nested(row)?.operator.map(|number| self.operators.name(number))
    }

    fn price(&self, country: usize, index: usize, row: &Row) -> Price<'_> {
        Price {
            country: &self.countries[country].0,
            service: self.services.name(row.service),
            operator: self.operator(index),
            price: (row.price != NO_PRICE).then(|| Amount::from_micros(row.price)),
            available: (row.available != UNKNOWN_STOCK).then_some(row.available),
        }
    }
}

/// Writes a number, or `null`.
fn push_number(json: &mut String, number: Option<u64>) {
    let Some(mut left) = number else { return json.push_str("null") };
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    while left > 0 || at == digits.len() {
        at -= 1;
        digits[at] += u8::try_from(left % 10).unwrap_or_default();
        left /= 10;
    }
    json.push_str(std::str::from_utf8(&digits[at..]).unwrap_or_default());
}

/// A list of its entries.
impl Serialize for Prices {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl EntrySink for Prices {
    const ENVELOPES: [&str; 2] = ["data", "prices"];

    fn entry<'de, A: EntryValue<'de>>(&mut self, key: &str, value: A) -> Result<(), A::Error> {
        if key.is_empty() {
            return value.read(ListedSeed(self));
        }
        self.begin_country(key);
        value.read(CountrySeed(self))?;
        // A key such as `"status"` beside the countries has no rows.
        if self.countries.last().is_some_and(|(_, start)| *start == self.rows.len()) {
            self.countries.pop();
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl Prices {
    fn begin_country(&mut self, code: &str) {
        self.countries.push((code.into(), self.rows.len()));
    }

    /// Adds the entry of a service to the last country, with the entries nested in it.
    fn push_service(&mut self, service: &str, entry: &Entry<'_>) {
        let service = self.services.number(service);
        let before = self.rows.len();
        for (key, field) in &entry.nested {
            self.push_nested(service, &key.0, *field);
        }
        let is_below = self.rows.len() > before;
        if entry.has_price || entry.has_count || !is_below && entry.nested.is_empty() {
            self.rows.push(Row { service, ..entry.row });
        } else if !is_below {
            self.skipped += 1;
        }
    }

    /// Adds a member nested below a service: an operator, a list of operators, or a price.
    fn push_nested(&mut self, service: u32, key: &str, field: Field<'_>) {
        if OPERATOR_LISTS.contains(&key) {
            let operators = field.object().unwrap_or_default();
            operators.fields().for_each(|(key, field)| self.push_alternative(service, key, field));
        } else {
            self.push_alternative(service, key, field);
        }
    }

    fn push_alternative(&mut self, service: u32, key: &str, field: Field<'_>) {
        let key_price = || Amount::from_wire(key).filter(|price| *price >= Amount::ZERO);
        let (row, operator) = match field.object().filter(|_| field.raw().starts_with('{')) {
            Some(object) => {
                let row = Row {
                    price: price_of(object.get(&PRICES)),
                    service,
                    available: stock_of(object.get(&COUNTS)),
                };
                // `{"0.08": {"count": 2}}` has the price as its key.
                match key_price().filter(|_| !object.has(&PRICES)) {
                    Some(price) => (Row { price: price.micros(), ..row }, None),
                    None if !object.has(&PRICES) && !object.has(&COUNTS) => return,
                    None => (row, Some(self.operators.number(key))),
                }
            }
            // `{"0.08": 2}`
            None => match (key_price(), field.count()) {
                (Some(price), Some(_)) => {
                    let available = stock_of(Some(field));
                    (Row { price: price.micros(), service, available }, None)
                }
                _ => return,
            },
        };
        // A body of 16 MiB cannot contain 2^32 rows.
        let at = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        self.rows.push(row);
        self.nested.push(Nested { row: at, operator });
    }
}

fn price_of(field: Option<Field<'_>>) -> i64 {
    let price = field.and_then(Field::amount).filter(|price| *price >= Amount::ZERO);
    price.map_or(NO_PRICE, Amount::micros)
}

fn stock_of(field: Option<Field<'_>>) -> u32 {
    let cap = |count| u32::try_from(count).unwrap_or(u32::MAX).min(UNKNOWN_STOCK - 1);
    field.and_then(Field::count).map_or(UNKNOWN_STOCK, cap)
}

/// The members of one service in one country.
struct Entry<'de> {
    row: Row,
    has_price: bool,
    has_count: bool,
    /// The members that may be operators or prices.
    nested: Vec<(Text<'de>, Field<'de>)>,
}

struct CountrySeed<'s>(&'s mut Prices);

impl<'de> DeserializeSeed<'de> for CountrySeed<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(ContainerVisitor(self))
    }
}

impl<'de> Container<'de> for CountrySeed<'_> {
    type Value = ();
    fn map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(service)) = map.next_key()? {
            if let Some(entry) = map.next_value_seed(EntrySeed)? {
                self.0.push_service(&service, &entry);
            }
        }
        Ok(())
    }
    fn list<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        skip(list)
    }
    fn neither(self) {}
}

struct EntrySeed;

impl<'de> DeserializeSeed<'de> for EntrySeed {
    type Value = Option<Entry<'de>>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(ContainerVisitor(self))
    }
}

impl<'de> Container<'de> for EntrySeed {
    type Value = Option<Entry<'de>>;
    fn map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let row = Row { price: NO_PRICE, service: 0, available: UNKNOWN_STOCK };
        let mut entry = Entry { row, has_price: false, has_count: false, nested: Vec::new() };
        while let Some((key, field)) = map.next_entry::<Text<'de>, Field<'de>>()? {
            if PRICES.contains(&&*key.0) && !is_container(field) {
                entry.row.price = price_of(Some(field));
                entry.has_price = true;
            } else if COUNTS.contains(&&*key.0) && !is_container(field) {
                entry.row.available = stock_of(Some(field));
                entry.has_count = true;
            } else if field.raw().starts_with('{') || Amount::from_wire(&key.0).is_some() {
                entry.nested.push((key, field));
            }
        }
        Ok(Some(entry))
    }
    fn list<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        skip(list).map(|()| None)
    }
    fn neither(self) -> Self::Value {
        None
    }
}

fn is_container(field: Field<'_>) -> bool {
    field.raw().starts_with(['{', '['])
}

/// Reads an entry of a list, which contains its country and service beside its price.
struct ListedSeed<'s>(&'s mut Prices);

impl<'de> DeserializeSeed<'de> for ListedSeed<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(ContainerVisitor(self))
    }
}

impl<'de> Container<'de> for ListedSeed<'_> {
    type Value = ();
    fn map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut country, mut service, mut operator) = (None, None, None);
        let mut row = Row { price: NO_PRICE, service: 0, available: UNKNOWN_STOCK };
        let mut has_price = false;
        while let Some(Text(key)) = map.next_key()? {
            let is = |names: &[&str]| names.contains(&&*key);
            if is(&COUNTRIES) {
                country = map.next_value::<Word<'de>>()?.0;
            } else if is(&SERVICES) {
                service = map.next_value::<Word<'de>>()?.0;
            } else if is(&OPERATORS) {
                operator = map.next_value::<Word<'de>>()?.0;
            } else if is(&PRICES) {
                (row.price, has_price) = (price_of(Some(map.next_value()?)), true);
            } else if is(&COUNTS) {
                row.available = stock_of(Some(map.next_value()?));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        let prices = self.0;
        let (Some(country), Some(service), true) = (country, service, has_price) else {
            prices.skipped += 1;
            return Ok(());
        };
        if prices.countries.last().is_none_or(|(code, _)| **code != *country) {
            prices.begin_country(&country);
        }
        row.service = prices.services.number(&service);
        if let Some(operator) = operator {
            let at = u32::try_from(prices.rows.len()).unwrap_or(u32::MAX);
            let operator = Some(prices.operators.number(&operator));
            prices.nested.push(Nested { row: at, operator });
        }
        prices.rows.push(row);
        Ok(())
    }
    fn list<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        skip(list)
    }
    fn neither(self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hand_written_json_equals_the_serializers() {
        for body in [
            "{}",
            concat!(
                r#"{"22":{"tg":{"cost":76.94,"count":999},"a\"b":{"cost":0,"count":0}},"#,
                r#""é\n":{"tg":{"cost":"x"},"w":{"count":1}}}"#,
            ),
            concat!(
                r#"{"0":{"tg":{"cost":9223372036854,"count":99999999999}},"#,
                r#""1":{"tg":{"cost":0.000001,"count":10}}}"#,
            ),
            r#"{"22":{"tg":{"a\"b":{"cost":5,"count":3},"c":{"cost":6},"cost":7},"wa":{"1.5":2}}}"#,
        ] {
            let prices =
                parse_prices(RawReply { status: 200, framed: true, body: body.as_bytes() })
                    .unwrap();
            assert_eq!(prices.json(), serde_json::to_string(&prices).unwrap(), "{body}");
        }
    }

    #[test]
    fn of_repeated_keys_the_last_one_counts() {
        for body in [
            r#"{"22":{"tg":{"cost":1},"tg":{"cost":2}}}"#,
            r#"{"22":{"tg":{"cost":1}},"22":{"wa":{"cost":3},"tg":{"cost":2}}}"#,
        ] {
            let prices =
                parse_prices(RawReply { status: 200, framed: true, body: body.as_bytes() })
                    .unwrap();
            assert_eq!(
                prices.get("22", "tg").unwrap().price,
                Some(Amount::from_rupees(2)),
                "{body}"
            );
        }
    }

    /// The price of a service in a country, as `cost count operator`.
    fn shown(price: Option<Price<'_>>) -> String {
        price.map_or_else(String::new, |Price { price, available, operator, .. }| {
            format!("{} {available:?} {}", price.unwrap_or_default(), operator.unwrap_or("-"))
        })
    }

    #[test]
    fn find_prefers_the_cheapest_entry_in_stock() {
        for (tg, found) in [
            (r#"{"a":{"cost":5,"count":3},"b":{"cost":4,"count":1}}"#, "4.00 Some(1) b"),
            (r#"{"a":{"cost":5,"count":3},"b":{"cost":4,"count":0}}"#, "5.00 Some(3) a"),
            (r#"{"a":{"cost":5,"count":0},"b":{"cost":4,"count":0}}"#, "4.00 Some(0) b"),
            (r#"{"a":{"count":3},"b":{"cost":4}}"#, "4.00 None b"),
            (r#"{"cost":6,"count":9,"a":{"cost":5,"count":3}}"#, "6.00 Some(9) -"),
            (r#"{"operators":{"a":{"cost":5,"count":3}}}"#, "5.00 Some(3) a"),
            (r#"{"0.08":{"count":2},"0.07":{"count":0}}"#, "0.08 Some(2) -"),
            (r#"{"0.08":2,"0.07":1}"#, "0.07 Some(1) -"),
        ] {
            let body = format!(r#"{{"22":{{"wa":{{"cost":1}},"tg":{tg},"vk":{{"cost":2}}}}}}"#);
            let raw = RawReply { status: 200, framed: true, body: body.as_bytes() };
            assert_eq!(shown(parse_prices(raw).unwrap().get("22", "tg")), found, "{tg}");
        }
    }

    #[test]
    fn a_list_states_the_country_of_each_entry() {
        let body = concat!(
            r#"[{"country":22,"service":"tg","cost":5,"count":3},"#,
            r#"{"country":"12","service":"tg","operator":"a","price":"6"},"#,
            r#"{"country":"22","service":"wa","cost":7},{"service":"tg","cost":8}]"#,
        );
        let raw = RawReply { status: 200, framed: true, body: body.as_bytes() };
        let prices = parse_prices(raw).unwrap();
        assert_eq!((prices.len(), prices.skipped), (3, 1));
        for (country, service, found) in [
            ("22", "tg", "5.00 Some(3) -"),
            ("12", "tg", "6.00 None a"),
            ("22", "wa", "7.00 None -"),
            ("12", "wa", ""),
            ("", "tg", ""),
        ] {
            assert_eq!(shown(prices.get(country, service)), found, "{country} {service}");
        }
    }
}
