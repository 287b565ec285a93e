//! Prices by country and service: replies of getPrices, as a compact table.

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess};
use serde::ser::{Serialize, Serializer};

use super::json_input::{Field, Text};
use super::json_output;
use super::large_reply::{Container, ContainerVisitor, EntrySink, EntryValue, decode, skip};
use super::reply::{RawReply, ReplyError};
use super::string_table::StringTable;
use crate::Amount;

/// The price of every service in every country.
///
/// An entry takes 16 bytes, because an unfiltered list has some eighty thousand.
#[derive(Clone, Debug, Default)]
pub struct Prices {
    /// Country codes, each with the index of its first row.
    countries: Vec<(Box<str>, usize)>,
    services: StringTable,
    rows: Vec<Row>,
}

/// One entry of [`Prices`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Price<'a> {
    /// The code of the country, or `*` or `any`, which the service uses too. Empty if the reply has
    /// no country.
    pub country: &'a str,
    /// The code of the service.
    pub service: &'a str,
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

const NO_PRICE: i64 = i64::MIN;
const UNKNOWN_STOCK: u32 = u32::MAX;

/// Reads a reply of getPrices: `{country: {service: {cost, count}}}`, at the top or in an envelope.
pub fn parse_prices(raw: RawReply<'_>) -> Result<Prices, ReplyError> {
    decode(raw)
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

    /// The entry of one service in one country.
    pub fn get(&self, country: &str, service: &str) -> Option<Price<'_>> {
        self.at(self.find(country, service)?)
    }

    /// The index, in the order of [`Self::iter`], of the entry of one service in one country.
    pub fn find(&self, country: &str, service: &str) -> Option<usize> {
        // Of repeated entries the last one counts.
        let country = self.countries.iter().rposition(|(code, _)| **code == *country)?;
        let service = self.services.find(service)?;
        let row = self.rows_of(country).iter().rposition(|row| row.service == service)?;
        Some(self.countries[country].1 + row)
    }

    // Hidden: for this project's C functions and tests, not part of the API.
    /// The entry at an index, in the order of [`Self::iter`].
    #[doc(hidden)]
    pub fn at(&self, index: usize) -> Option<Price<'_>> {
        let row = self.rows.get(index)?;
        // The last country whose first row is not behind the index.
        let country =
            self.countries.partition_point(|(_, start)| *start <= index).checked_sub(1)?;
        Some(self.price(country, row))
    }

    /// The JSON that [`Serialize`] writes. Written by hand, because that takes a third of the time
    /// for eighty thousand entries.
    pub(crate) fn json(&self) -> String {
        let services: Vec<String> = self.services.iter().map(json_output::fields).collect();
        let mut json = String::with_capacity(80 * self.rows.len() + 2);
        for (index, (code, _)) in self.countries.iter().enumerate() {
            let begin = format!(",{{\"country\":{},\"service\":", json_output::fields(code));
            for row in self.rows_of(index) {
                json.push_str(&begin);
                json.push_str(&services[row.service as usize]);
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
        self.rows_of(country).iter().map(move |row| self.price(country, row))
    }

    fn rows_of(&self, country: usize) -> &[Row] {
        let end = self.countries.get(country + 1).map_or(self.rows.len(), |(_, start)| *start);
        &self.rows[self.countries[country].1..end]
    }

    fn price(&self, country: usize, row: &Row) -> Price<'_> {
        Price {
            country: &self.countries[country].0,
            service: self.services.name(row.service),
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

    fn entry<'de, A: EntryValue<'de>>(&mut self, country: &str, value: A) -> Result<(), A::Error> {
        self.countries.push((country.into(), self.rows.len()));
        value.read(CountrySeed(self))?;
        // A key such as `"status"` stands beside the countries; it has no rows.
        if self.countries.last().is_some_and(|(_, start)| *start == self.rows.len()) {
            self.countries.pop();
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
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
            if let Some(row) = map.next_value_seed(RowSeed)? {
                let service = self.0.services.number(&service);
                self.0.rows.push(Row { service, ..row });
            }
        }
        Ok(())
    }
    fn list<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        skip(list)
    }
    fn neither(self) {}
}

struct RowSeed;

impl<'de> DeserializeSeed<'de> for RowSeed {
    type Value = Option<Row>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Row>, D::Error> {
        deserializer.deserialize_any(ContainerVisitor(self))
    }
}

impl<'de> Container<'de> for RowSeed {
    type Value = Option<Row>;
    fn map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<Row>, A::Error> {
        let mut row = Row { price: NO_PRICE, service: 0, available: UNKNOWN_STOCK };
        while let Some((Text(key), field)) = map.next_entry::<Text<'de>, Field<'de>>()? {
            match &*key {
                "cost" | "price" => {
                    let price = field.amount().filter(|price| *price >= Amount::ZERO);
                    row.price = price.map_or(NO_PRICE, Amount::micros);
                }
                "count" => {
                    let cap =
                        |count| u32::try_from(count).unwrap_or(u32::MAX).min(UNKNOWN_STOCK - 1);
                    row.available = field.count().map_or(UNKNOWN_STOCK, cap);
                }
                _ => {}
            }
        }
        Ok(Some(row))
    }
    fn list<A: SeqAccess<'de>>(self, list: A) -> Result<Option<Row>, A::Error> {
        skip(list).map(|()| None)
    }
    fn neither(self) -> Option<Row> {
        None
    }
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
}
