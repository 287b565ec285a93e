//! The services that are sold: replies of getServicesList.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess};
use serde::{Serialize, Serializer};

use super::json_input::{Field, Text, Word};
use super::large_reply::{Container, ContainerVisitor, EntrySink, EntryValue, decode};
use super::reply::{RawReply, ReplyError};
use super::string_table::StringTable;
use crate::Amount;

/// The services of one reply, in its order. Dereferences to a slice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Services {
    /// The services.
    pub services: Vec<Service>,
    /// How many services are sold in total, if the reply states it.
    pub total: Option<u64>,
}

impl Deref for Services {
    type Target = [Service];

    fn deref(&self) -> &[Service] {
        &self.services
    }
}

impl IntoIterator for Services {
    type Item = Service;
    type IntoIter = std::vec::IntoIter<Service>;

    fn into_iter(self) -> Self::IntoIter {
        self.services.into_iter()
    }
}

impl<'a> IntoIterator for &'a Services {
    type Item = &'a Service;
    type IntoIter = std::slice::Iter<'a, Service>;

    fn into_iter(self) -> Self::IntoIter {
        self.services.iter()
    }
}

/// A service, such as Telegram, that numbers are sold for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Service {
    /// The code for getNumber.
    pub code: String,
    /// The name, for people.
    pub name: String,
    /// The URL of the logo.
    pub logo: Option<String>,
    /// The price of a number if no country is chosen.
    #[serde(rename = "price_micros")]
    pub price: Option<Amount>,
    /// The currency of the price, such as `INR`.
    pub currency: Option<String>,
    /// How many numbers are in stock.
    pub available: Option<u64>,
    /// Whether one number can receive several codes.
    pub multi_sms: Option<bool>,
    /// How long after the purchase an order expires.
    #[serde(rename = "expires_in_ms", serialize_with = "super::json_output::millis")]
    pub expires_in: Option<Duration>,
    /// The countries in which it is sold. The live service sends them only if one service is
    /// requested.
    pub countries: Vec<Offer>,
}

/// The price and stock of a service in one country.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Offer {
    /// The code of the country for getNumber; not its calling code.
    #[serde(serialize_with = "name")]
    pub country: Arc<str>,
    /// The name of the country.
    #[serde(serialize_with = "name")]
    pub country_name: Arc<str>,
    /// The flag of the country, an emoji. Empty if the reply has none.
    #[serde(serialize_with = "name")]
    pub flag: Arc<str>,
    /// The code of the mobile operator or of the tier, if the service lists prices by operator or
    /// tier.
    #[serde(serialize_with = "optional_name")]
    pub operator: Option<Arc<str>>,
    /// The price of a number.
    #[serde(rename = "price_micros")]
    pub price: Option<Amount>,
    /// How many numbers are in stock.
    pub available: Option<u64>,
}

/// Reads a reply of getServicesList: services keyed by code, or a list of services. In an envelope,
/// a service can be just its name.
pub fn parse_services(raw: RawReply<'_>) -> Result<Services, ReplyError> {
    let Table { list: services, total, names: _, is_in_envelope: _ } = decode(raw)?;
    Ok(Services { services, total })
}

/// The services read so far. Equal names of countries are stored once.
#[derive(Default)]
struct Table {
    list: Vec<Service>,
    total: Option<u64>,
    names: StringTable,
    is_in_envelope: bool,
}

impl EntrySink for Table {
    const ENVELOPES: [&str; 2] = ["services", "data"];

    fn entry<'de, A: EntryValue<'de>>(&mut self, key: &str, value: A) -> Result<(), A::Error> {
        if let Some(mut service) = value.read(ServiceSeed(self))? {
            if service.code.is_empty() {
                key.clone_into(&mut service.code);
            }
            if !service.code.is_empty() {
                self.list.push(service);
            }
        }
        Ok(())
    }

    fn set_in_envelope(&mut self, is_in_envelope: bool) {
        self.is_in_envelope = is_in_envelope;
    }

    fn metadata(&mut self, key: &str, field: Field<'_>) {
        if key == "total" {
            self.total = field.count();
        }
    }

    fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

struct ServiceSeed<'s>(&'s mut Table);

impl<'de> DeserializeSeed<'de> for ServiceSeed<'_> {
    type Value = Option<Service>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(ContainerVisitor(self))
    }
}

impl<'de> Container<'de> for ServiceSeed<'_> {
    type Value = Option<Service>;
    fn map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut service = Service::default();
        while let Some(Text(key)) = map.next_key()? {
            if key == "countries" {
                service.countries = map.next_value_seed(OffersSeed(&mut *self.0))?;
                continue;
            }
            let field: Field<'de> = map.next_value()?;
            match &*key {
                "code" => service.code = field.word().unwrap_or_default(),
                "name" => service.name = field.word().unwrap_or_default(),
                "logo" => service.logo = field.word(),
                "price" | "cost" => service.price = price(field),
                "currency" => service.currency = field.word(),
                "available" | "count" | "qty" => service.available = field.count(),
                "multi_sms" => service.multi_sms = field.flag(),
                "expires_in" => service.expires_in = field.count().map(Duration::from_secs),
                _ => {}
            }
        }
        Ok(Some(service))
    }
    fn list<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        super::large_reply::skip(list).map(|()| None)
    }
    fn neither(self) -> Self::Value {
        None
    }
    /// The name of a service: `{"services": {"tg": "Telegram"}}`. Outside an envelope a text can
    /// have any other meaning.
    fn text(self, text: &str) -> Self::Value {
        let name = text.trim().to_owned();
        self.0.is_in_envelope.then(|| Service { name, ..Service::default() })
    }
}

struct OffersSeed<'s>(&'s mut Table);

impl<'de> DeserializeSeed<'de> for OffersSeed<'_> {
    type Value = Vec<Offer>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(ContainerVisitor(self))
    }
}

impl<'de> Container<'de> for OffersSeed<'_> {
    type Value = Vec<Offer>;
    fn map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<Offer>, A::Error> {
        let mut offers = Vec::new();
        while let Some(Text(key)) = map.next_key()? {
            offers.extend(map.next_value_seed(OfferSeed(&mut *self.0, &key))?);
        }
        Ok(offers)
    }
    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Offer>, A::Error> {
        let mut offers = Vec::new();
        while let Some(offer) = list.next_element_seed(OfferSeed(&mut *self.0, ""))? {
            offers.extend(offer);
        }
        Ok(offers)
    }
    fn neither(self) -> Vec<Offer> {
        Vec::new()
    }
}

/// Reads an offer. The key is the country's code if the object has none.
struct OfferSeed<'s, 'k>(&'s mut Table, &'k str);

impl<'de> DeserializeSeed<'de> for OfferSeed<'_, '_> {
    type Value = Option<Offer>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(ContainerVisitor(self))
    }
}

impl<'de> Container<'de> for OfferSeed<'_, '_> {
    type Value = Option<Offer>;
    fn map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let names = &mut self.0.names;
        let (mut country, mut country_name) = (None, None);
        let (mut flag, mut operator) = (None, None);
        let (mut amount, mut available) = (None, None);
        while let Some(Text(key)) = map.next_key()? {
            let mut name = |Word(word): Word<'de>| names.shared(&word.unwrap_or_default());
            match &*key {
                "country_code" | "code" => country = Some(name(map.next_value()?)),
                "country_name" | "name" => country_name = Some(name(map.next_value()?)),
                "flag" => flag = Some(name(map.next_value()?)),
                "operator" | "operator_code" => operator = Some(name(map.next_value()?)),
                "price" | "cost" => amount = price(map.next_value()?),
                "qty" | "count" | "available" => {
                    available = map.next_value::<Field<'de>>()?.count();
                }
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        let country = country.unwrap_or_else(|| names.shared(self.1));
        let country_name = country_name.unwrap_or_else(|| names.shared(""));
        let flag = flag.unwrap_or_else(|| names.shared(""));
        let operator = operator.filter(|operator| !operator.is_empty());
        let offer = Offer { country, country_name, flag, operator, price: amount, available };
        Ok((!offer.country.is_empty()).then_some(offer))
    }
    fn list<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        super::large_reply::skip(list).map(|()| None)
    }
    fn neither(self) -> Self::Value {
        None
    }
}

fn name<S: Serializer>(name: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name)
}

#[allow(clippy::ref_option)] // serde passes fields by reference
fn optional_name<S: Serializer>(name: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
    name.as_deref().serialize(serializer)
}

fn price(field: Field<'_>) -> Option<Amount> {
    field.amount().filter(|price| *price >= Amount::ZERO)
}
