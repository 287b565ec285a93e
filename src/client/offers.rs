//! Offers: the countries that sell a service now, from the catalogue and the price list together.

use std::collections::HashMap;
use std::sync::Arc;

use super::core::Client;
use crate::protocol::{Offer, Prices, Request, Services, parse_prices, parse_services};
use crate::{Amount, Error, Result};

/// The countries of the price list that stand for any country.
const ANY_COUNTRY: [&str; 3] = ["", "*", "any"];

/// Selects offers of a service by price, country and stock.
///
/// ```
/// use sastaotp::OfferQuery;
///
/// let query = OfferQuery::new("tg").countries(["22", "6"]).max_price(80).min_available(10);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct OfferQuery {
    service: String,
    countries: Option<Vec<String>>,
    min_price: Option<Amount>,
    max_price: Option<Amount>,
    min_available: u64,
}

impl OfferQuery {
    /// Selects all offers of this service: a code from `get_services`, such as `tg`.
    pub fn new(service: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            countries: None,
            min_price: None,
            max_price: None,
            min_available: 0,
        }
    }

    /// Selects only offers in these countries.
    pub fn countries(mut self, codes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.countries = Some(codes.into_iter().map(Into::into).collect());
        self
    }

    /// Selects only offers with at least this price.
    pub fn min_price(mut self, price: impl Into<Amount>) -> Self {
        self.min_price = Some(price.into());
        self
    }

    /// Selects only offers with at most this price.
    pub fn max_price(mut self, price: impl Into<Amount>) -> Self {
        self.max_price = Some(price.into());
        self
    }

    /// Selects only offers with at least this many numbers in stock; 0 by default. Above 0, an
    /// offer whose stock the service does not report is left out.
    pub fn min_available(mut self, count: u64) -> Self {
        self.min_available = count;
        self
    }

    fn selects(&self, offer: &Offer) -> bool {
        let Some(price) = offer.price.filter(|price| *price > Amount::ZERO) else { return false };
        offer.available != Some(0)
            && offer.available.unwrap_or_default() >= self.min_available
            && self.min_price.is_none_or(|min| price >= min)
            && self.max_price.is_none_or(|max| price <= max)
            && self
                .countries
                .as_ref()
                .is_none_or(|countries| countries.iter().any(|code| **code == *offer.country))
    }

    /// Returns the selected offers of the two catalogues, cheapest first.
    fn select(&self, services: Services, prices: &Prices) -> Vec<Offer> {
        let mut offers = joined(&self.service, services, prices);
        offers.retain(|offer| self.selects(offer));
        offers.sort_by(|a, b| {
            let stock = |offer: &Offer| offer.available.unwrap_or_default();
            (a.price.cmp(&b.price))
                .then(stock(b).cmp(&stock(a)))
                .then_with(|| a.country.cmp(&b.country))
                .then_with(|| a.operator.cmp(&b.operator))
        });
        offers
    }
}

impl Client {
    /// Returns the offers of a service: one for each country that sells it now, and for each
    /// operator if the service lists prices by operator. The cheapest is first; of equal prices,
    /// the one with more numbers in stock. Actions `getServicesList` and `getPrices`.
    ///
    /// If the two replies disagree about an offer, it has the higher price and the smaller stock.
    /// An offer without a price or with no number in stock is left out. Pass offers to
    /// [`NumberRequest::offers`](crate::NumberRequest::offers) to buy one of them.
    pub fn get_offers(&self, query: &OfferQuery) -> Result<Vec<Offer>> {
        if let (Some(min), Some(max)) = (query.min_price, query.max_price)
            && min > max
        {
            let reason = format!("the minimum price {min} is above the maximum price {max}");
            return Err(Error::config("reading the offers", reason));
        }
        let deadline = self.deadline();
        let service = Some(&*query.service);
        let request = Request::GetServices { service };
        let services =
            self.read_until(&request, "reading the services", deadline, parse_services)?;
        let request = Request::GetPrices { service, country: None };
        let prices = self.read_until(&request, "reading the prices", deadline, parse_prices)?;
        Ok(query.select(services.into_value(), &prices.value))
    }

    /// Returns the first offer of [`Client::get_offers`]; `None` if there is no offer. Actions
    /// `getServicesList` and `getPrices`.
    pub fn cheapest_offer(&self, query: &OfferQuery) -> Result<Option<Offer>> {
        self.get_offers(query).map(|offers| offers.into_iter().next())
    }
}

/// Joins the rows of the catalogue and of the price list by their country and operator.
fn joined(code: &str, services: Services, prices: &Prices) -> Vec<Offer> {
    let mut offers: Vec<Offer> = Vec::new();
    let mut rows: HashMap<(Arc<str>, Option<Arc<str>>), usize> = HashMap::new();
    let mut add = |offer: Offer, merge: fn(&mut Offer, &Offer)| {
        if ANY_COUNTRY.contains(&&*offer.country) {
            return;
        }
        let key = (Arc::clone(&offer.country), offer.operator.clone());
        if let Some(row) = rows.get(&key) {
            merge(&mut offers[*row], &offer);
        } else {
            rows.insert(key, offers.len());
            offers.push(offer);
        }
    };
    let services = services.into_iter().filter(|service| service.code.eq_ignore_ascii_case(code));
    for offer in services.flat_map(|service| service.countries) {
        // Of repeated rows the last one counts.
        add(offer, |earlier, offer| *earlier = offer.clone());
    }
    for price in prices.iter().filter(|price| price.service.eq_ignore_ascii_case(code)) {
        // Of repeated rows the last one counts, and of several prices the lowest one in stock.
        let chosen = prices.get(price.country, price.service);
        let price = match chosen.filter(|chosen| chosen.operator == price.operator) {
            Some(chosen) if price.operator.is_none() => chosen,
            _ => price,
        };
        let offer = Offer {
            country: price.country.into(),
            country_name: "".into(),
            flag: "".into(),
            operator: price.operator.map(Into::into),
            price: price.price,
            available: price.available.map(u64::from),
        };
        add(offer, |listed, other| {
            listed.price = listed.price.max(other.price);
            let stocks = [listed.available, other.available];
            listed.available = stocks.into_iter().flatten().min();
        });
    }
    offers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::RawReply;

    const SERVICES: &str = concat!(
        r#"{"services":{"tg":{"countries":["#,
        r#"{"country_code":"22","country_name":"India","price":20,"qty":5},"#,
        r#"{"country_code":"6","country_name":"Indonesia","price":30,"qty":7},"#,
        r#"{"country_code":"7","country_name":"Malaysia","price":"10","qty":0},"#,
        r#"{"country_code":"8","country_name":"Kenya","qty":9},"#,
        r#"{"country_code":"10","country_name":"Vietnam","operator":"a","price":12,"qty":3},"#,
        r#"{"country_code":"10","country_name":"Vietnam","operator":"b","price":11,"qty":3}]},"#,
        r#""wa":{"countries":[{"country_code":"1","price":1,"qty":1}]}}}"#,
    );
    const PRICES: &str = concat!(
        r#"{"22":{"tg":{"cost":25,"count":999}},"6":{"tg":{"cost":29,"count":999}},"#,
        r#""8":{"tg":{"cost":25,"count":999}},"4":{"tg":{"cost":25}},"0":{"tg":{"cost":0}},"#,
        r#""*":{"tg":{"cost":1,"count":999}},"any":{"tg":{"cost":1,"count":999}},"#,
        r#""1":{"wa":{"cost":1,"count":1}}}"#,
    );

    fn select(query: &OfferQuery) -> Vec<String> {
        let raw =
            |text: &'static str| RawReply { status: 200, framed: true, body: text.as_bytes() };
        let offers = query
            .select(parse_services(raw(SERVICES)).unwrap(), &parse_prices(raw(PRICES)).unwrap());
        let shown = |offer: &Offer| {
            let Offer { country, country_name, operator, price, available, .. } = offer;
            let operator = operator.as_deref().unwrap_or("-");
            let stock = available.map_or("?".to_owned(), |count| count.to_string());
            format!("{country} {country_name} {operator} {} {stock}", price.unwrap())
        };
        offers.iter().map(shown).collect()
    }

    #[test]
    fn offers_are_joined_and_sorted() {
        assert_eq!(
            select(&OfferQuery::new("tg")),
            [
                "10 Vietnam b 11.00 3",
                "10 Vietnam a 12.00 3",
                "8 Kenya - 25.00 9",
                "22 India - 25.00 5",
                "4  - 25.00 ?",
                "6 Indonesia - 30.00 7",
            ]
        );
        assert_eq!(select(&OfferQuery::new("wa")), ["1  - 1.00 1"]);
        assert_eq!(select(&OfferQuery::new("nope")), [""; 0]);
    }

    #[test]
    fn each_filter_leaves_out_offers() {
        let all = || OfferQuery::new("tg");
        for (query, expected) in [
            (all().min_price(25), vec!["8", "22", "4", "6"]),
            (all().max_price(12), vec!["10", "10"]),
            (all().min_price(12).max_price(25), vec!["10", "8", "22", "4"]),
            (all().countries(["6", "4"]), vec!["4", "6"]),
            (all().countries([""; 0]), vec![]),
            (all().min_available(5), vec!["8", "22", "6"]),
            (all().min_available(0), vec!["10", "10", "8", "22", "4", "6"]),
        ] {
            let offers = select(&query);
            let countries: Vec<&str> =
                offers.iter().map(|offer| offer.split(' ').next().unwrap()).collect();
            assert_eq!(countries, expected, "{query:?}");
        }
    }
}
