//! `NumberRequest`: the number to buy, in one country or in several that are tried in order.

use std::time::{Duration, SystemTime};

use crate::intent::{NewNumber, buying};
use crate::protocol::Offer;
use crate::{Amount, Error, Intent, Result};

/// The longest patience.
const MAX_PATIENCE: Duration = Duration::from_secs(7 * 24 * 3600);
/// The most countries or offers of a request.
const MAX_CHOICES: usize = 100;

/// The choices for a purchase: the service, the country and the price limit.
///
/// ```
/// use sastaotp::{Amount, NumberRequest};
///
/// let request = NumberRequest::new("tg").country("22").max_price(Amount::from_rupees(80));
/// ```
///
/// Both the country and the price must be stated: call [`country`](Self::country),
/// [`countries`](Self::countries), [`offers`](Self::offers), [`operator`](Self::operator) or
/// [`any_country`](Self::any_country), and [`max_price`](Self::max_price) or
/// [`accept_any_price`](Self::accept_any_price). Offers state both the country and the price. If
/// one of the two is not stated, or two statements disagree, the purchase fails with
/// [`ErrorKind::Config`](crate::ErrorKind::Config) and sends nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct NumberRequest {
    service: String,
    country: Option<String>,
    countries: Option<Vec<String>>,
    offers: Option<Vec<OfferChoice>>,
    any_country: bool,
    min_price: Option<Amount>,
    max_price: Option<Amount>,
    accepts_any_price: bool,
    operator: Option<String>,
    multi_sms: bool,
    patience: Duration,
    parameters: Vec<(String, String)>,
    /// The price of the offer that this request buys.
    offered_price: Option<Amount>,
}

/// An offer to buy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OfferChoice {
    pub(crate) country: String,
    pub(crate) operator: Option<String>,
    pub(crate) price: Option<Amount>,
}

/// The limit of the price of a purchase. An [`Amount`] converts to a maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PriceLimit {
    /// At most this price.
    Max(Amount),
    /// Any price. Not possible for a client with a budget.
    Any,
}

impl From<Amount> for PriceLimit {
    fn from(max: Amount) -> Self {
        Self::Max(max)
    }
}

impl PriceLimit {
    /// Returns the maximum; `None` if any price is accepted.
    pub(crate) fn max(self) -> Option<Amount> {
        match self {
            Self::Max(price) => Some(price),
            Self::Any => None,
        }
    }
}

/// The countries of a request that are tried in order, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Choices {
    pub(crate) service: String,
    /// A request for each country, in the order of the attempts. Each is valid.
    pub(crate) requests: Vec<NumberRequest>,
    pub(crate) min_price: Option<Amount>,
    pub(crate) patience: Duration,
}

impl NumberRequest {
    /// Requests a number for this service: a code from `get_services`, such as `tg`.
    pub fn new(service: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            country: None,
            countries: None,
            offers: None,
            any_country: false,
            min_price: None,
            max_price: None,
            accepts_any_price: false,
            operator: None,
            multi_sms: false,
            patience: Duration::ZERO,
            parameters: Vec::new(),
            offered_price: None,
        }
    }

    /// Sets the country: a code from `get_countries`, not a calling code. India is `22`.
    pub fn country(mut self, code: impl Into<String>) -> Self {
        self.country = Some(code.into());
        self
    }

    /// Sets several countries, which are tried in this order: 1 to 100 different codes.
    ///
    /// The purchase moves on to the next country only if the service refused the current one: it
    /// has no number there, does not sell the service there, or sells it above the maximum price.
    /// Any other failure ends the call: an unknown outcome is never followed by another attempt.
    /// Each attempt has a separate [`Intent`] and the full timeout of the call, and the budget
    /// reserves one attempt at a time. [`Purchase::attempts`](crate::Purchase::attempts) and
    /// [`Error::attempts`] list the attempts. If every country is refused, the call fails with the
    /// last temporary refusal, such as `NO_NUMBERS`, or else with the last one.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use sastaotp::NumberRequest;
    ///
    /// let request = NumberRequest::new("tg").countries(["22", "6", "0"]).max_price(80);
    /// let request = request.patience(Duration::from_secs(600));
    /// ```
    pub fn countries(mut self, codes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.countries = Some(codes.into_iter().map(Into::into).collect());
        self
    }

    /// Sets several offers of [`Client::get_offers`](crate::Client::get_offers), which are tried in
    /// this order like [`countries`](Self::countries): 1 to 100 different ones.
    ///
    /// The maximum price of each attempt is the price of its offer, or
    /// [`max_price`](Self::max_price) if that is lower. An offer without a price needs `max_price`.
    pub fn offers<'a>(mut self, offers: impl IntoIterator<Item = &'a Offer>) -> Self {
        let choice = |offer: &Offer| OfferChoice {
            country: offer.country.to_string(),
            operator: offer.operator.as_deref().map(str::to_owned),
            price: offer.price,
        };
        self.offers = Some(offers.into_iter().map(choice).collect());
        self
    }

    /// Sets offers that were read from an operation.
    pub(crate) fn offer_choices(mut self, offers: Vec<OfferChoice>) -> Self {
        self.offers = Some(offers);
        self
    }

    /// Lets the service choose the country.
    pub fn any_country(mut self) -> Self {
        self.any_country = true;
        self
    }

    /// Sets the lowest acceptable price. Cheap numbers have often been used before.
    ///
    /// The call reads the price list once (`getPrices`). It skips a country whose listed price is
    /// below the minimum or above the maximum, and a country that is not listed. If it skips every
    /// country, it fails with [`ErrorKind::NoNumbers`](crate::ErrorKind::NoNumbers). Not possible
    /// with [`any_country`](Self::any_country).
    pub fn min_price(mut self, price: impl Into<Amount>) -> Self {
        self.min_price = Some(price.into());
        self
    }

    /// Sets the highest acceptable price.
    pub fn max_price(mut self, price: impl Into<Amount>) -> Self {
        self.max_price = Some(price.into());
        self
    }

    /// Accepts any price. Not possible for a client with a budget.
    pub fn accept_any_price(mut self) -> Self {
        self.accepts_any_price = true;
        self
    }

    /// Pins the country: the parameter `operator` of the vendor's page, a `country_code` of
    /// `get_services`. It is sent verbatim, beside the country if both are set.
    ///
    /// For other vendors of the protocol it is the name of a mobile operator.
    pub fn operator(mut self, operator: impl Into<String>) -> Self {
        self.operator = Some(operator.into());
        self
    }

    /// Requests a number that can receive several codes.
    pub fn multi_sms(mut self) -> Self {
        self.multi_sms = true;
        self
    }

    /// Sets how long to keep trying if the service refused every country. The default is zero: each
    /// country is tried once.
    ///
    /// The call pauses before it starts again with the first country. The pauses grow from 2 to 30
    /// seconds, and are longer if the service requests it. At most a week.
    ///
    /// It does not bound the call: each country is tried at least once, and each attempt has the
    /// full timeout. To bound the call, cancel a [`CancelToken`](crate::CancelToken) of
    /// [`Client::with_cancel`](crate::Client::with_cancel). An attempt that was already sent
    /// continues, and [`Client::unclaimed`](crate::Client::unclaimed) lists the number if one is
    /// bought.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Adds a parameter that this service accepts and this library does not set: at most 16.
    ///
    /// A name has 1 to 64 of the characters `A-Z a-z 0-9 _`. A value is text of 1 to 256
    /// characters without control characters, also if it means a number or a truth value. The
    /// parameters are part of the [`Intent`].
    ///
    /// These names are refused, in any letter case, because the library sets them: `action`,
    /// `api_key`, `country`, `format`, `id`, `limit`, `maxPrice`, `multiSMS`, `operator`, `page`,
    /// `service` and `status`.
    ///
    /// ```
    /// use sastaotp::NumberRequest;
    ///
    /// let request = NumberRequest::new("tg").country("22").max_price(80);
    /// let request = request.parameter("ref", "my-shop").parameter("fixedPrice", "true");
    /// ```
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// Describes the purchase for error messages.
    pub(crate) fn operation(&self) -> String {
        let choices = self.countries.as_ref().map(Vec::len);
        match (choices.or(self.offers.as_ref().map(Vec::len)), &self.country, &self.operator) {
            (Some(count), ..) => format!("buying {} in one of {count} countries", self.service),
            (None, None, None) if !self.any_country => format!("buying {}", self.service),
            (None, country, operator) => {
                buying(&self.service, country.as_deref(), operator.as_deref())
            }
        }
    }

    /// Returns whether the purchase is one attempt.
    pub(crate) fn is_one_attempt(&self) -> bool {
        self.countries.is_none()
            && self.offers.is_none()
            && self.min_price.is_none()
            && self.patience.is_zero()
    }

    /// Returns the country code, or the code that pins the country, and the operator.
    pub(crate) fn place(&self) -> (Option<&str>, Option<&str>) {
        (self.country.as_deref(), self.operator.as_deref())
    }

    /// Returns the highest acceptable price.
    pub(crate) fn limit(&self) -> Option<Amount> {
        self.max_price
    }

    /// Returns the price of the offer that the request buys.
    pub(crate) fn offered_price(&self) -> Option<Amount> {
        self.offered_price
    }

    /// Makes the intent of this request, without an id.
    pub(crate) fn into_intent(self, now: SystemTime, watermark: Option<u64>) -> Result<Intent> {
        let operation = self.operation();
        let refused = |reason: &str| Err(Error::config(&operation, reason));
        if !self.is_one_attempt() {
            return refused(
                "an intent is one attempt: set one country, and neither a minimum price nor \
                 patience",
            );
        }
        self.check_statements()?;
        let Self { service, country, max_price, operator, multi_sms, parameters, .. } = self;
        let number = NewNumber { service, country, operator, multi_sms, parameters, max_price };
        Intent::number(number, now, watermark)
    }

    /// Returns the requests of the attempts, each of them valid.
    pub(crate) fn into_choices(self, now: SystemTime) -> Result<Choices> {
        let operation = self.operation();
        let refused = |reason: String| Err(Error::config(&operation, reason));
        self.check_statements()?;
        let lists = [self.countries.as_ref().map(Vec::len), self.offers.as_ref().map(Vec::len)];
        match lists.into_iter().flatten().next() {
            Some(0) => {
                return refused(format!("the list is empty: set 1 to {MAX_CHOICES} countries"));
            }
            Some(count) if count > MAX_CHOICES => {
                return refused(format!("{count} countries: set at most {MAX_CHOICES}"));
            }
            _ => {}
        }
        let one = |choice: OfferChoice| Self {
            country: Some(choice.country),
            operator: choice.operator,
            max_price: self.max_price.into_iter().chain(choice.price).min(),
            offered_price: choice.price,
            ..Self {
                countries: None,
                offers: None,
                min_price: None,
                patience: Duration::ZERO,
                ..self.clone()
            }
        };
        let choice = |country: &String| OfferChoice {
            country: country.clone(),
            operator: self.operator.clone(),
            price: None,
        };
        let requests: Vec<Self> = match (&self.countries, &self.offers) {
            (Some(countries), _) => countries.iter().map(|code| one(choice(code))).collect(),
            (None, Some(offers)) => offers.iter().cloned().map(one).collect(),
            (None, None) => {
                vec![Self { min_price: None, patience: Duration::ZERO, ..self.clone() }]
            }
        };
        if self.patience > MAX_PATIENCE {
            let hours = self.patience.as_secs() / 3600;
            return refused(format!("a patience of {hours} hours: use at most a week"));
        }
        for (at, request) in requests.iter().enumerate() {
            if requests[..at].iter().any(|earlier| earlier.place() == request.place()) {
                let code = request.country.as_deref().unwrap_or_default();
                return refused(format!("the country {code} is set twice: set it once"));
            }
            request.clone().into_intent(now, None)?;
        }
        let Self { service, min_price, patience, .. } = self;
        Ok(Choices { service, requests, min_price, patience })
    }

    /// Refuses a country or a price that is not stated, and statements that disagree.
    fn check_statements(&self) -> Result<()> {
        let operation = self.operation();
        let refused = |reason: &str| Err(Error::config(&operation, reason));
        let Self { country, countries, offers, any_country, operator, .. } = self;
        let stated = [
            ("a list of countries", countries.is_some()),
            ("a list of offers", offers.is_some()),
            ("a country", country.is_some()),
            ("an operator", operator.is_some()),
            ("any country", *any_country),
        ];
        let stated: Vec<&str> =
            stated.into_iter().filter(|(_, is_stated)| *is_stated).map(|(name, _)| name).collect();
        match stated[..] {
            [] => {
                return refused(
                    "no country: set a country or an operator, or explicitly accept any country",
                );
            }
            [_] | ["a country", "an operator"] => {}
            [one, other, ..] => {
                return refused(&format!("both {one} and {other} are set: set one of them"));
            }
        }
        let offered = offers.iter().flatten().map(|offer| &offer.country);
        let mut codes = country.iter().chain(countries.iter().flatten()).chain(offered);
        if codes.any(|code| code.eq_ignore_ascii_case("any")) {
            return refused("\"any\" is not a country code: explicitly accept any country");
        }
        self.check_prices()
    }

    fn check_prices(&self) -> Result<()> {
        let operation = self.operation();
        let refused = |reason: &str| Err(Error::config(&operation, reason));
        let Self { offers, any_country, min_price, max_price, accepts_any_price, .. } = self;
        match (max_price, accepts_any_price, offers) {
            (None, false, None) => {
                return refused(
                    "no price limit: set a maximum price, or explicitly accept any price",
                );
            }
            (None, false, Some(offers)) if offers.iter().any(|offer| offer.price.is_none()) => {
                return refused("an offer has no price: set a maximum price");
            }
            (Some(_), true, _) => {
                return refused("both a maximum price and any price are set: set one of them");
            }
            (None, true, Some(_)) => {
                return refused(
                    "both offers, which state their prices, and any price are set: set a list of \
                     countries, or a maximum price",
                );
            }
            _ => {}
        }
        let Some(min) = min_price else { return Ok(()) };
        if *min <= Amount::ZERO {
            return refused(&format!("minimum price {min}: use a price above 0"));
        }
        if let Some(max) = max_price.filter(|max| max < min) {
            return refused(&format!("the minimum price {min} is above the maximum price {max}"));
        }
        if *any_country {
            return refused(
                "a minimum price needs a country to find in the price list: set a country",
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(country: &str, price: Option<i32>) -> OfferChoice {
        let price = price.map(Amount::from_rupees);
        OfferChoice { country: country.to_owned(), operator: None, price }
    }

    #[test]
    fn purchase_requires_one_statement_of_the_country() {
        let request = || NumberRequest::new("tg").max_price(80);
        let offers = || vec![offer("22", Some(20))];
        for (request, problem) in [
            (request(), "no country"),
            (request().any_country().country("22"), "both a country and any country"),
            (request().any_country().operator("22"), "both an operator and any country"),
            (request().country(""), "country"),
            (request().country("Any"), "explicitly accept any country"),
            (request().country("22").accept_any_price(), "both a maximum price and any price"),
            (request().countries(["1"]).country("22"), "both a list of countries and a country"),
            (request().countries(["1"]).operator("2"), "both a list of countries and an operator"),
            (request().countries(["1"]).any_country(), "both a list of countries and any country"),
            (request().countries(["1"]).offer_choices(offers()), "and a list of offers"),
            (
                request().offer_choices(offers()).country("22"),
                "both a list of offers and a country",
            ),
        ] {
            let error = request.clone().into_choices(SystemTime::now()).unwrap_err();
            assert!(error.to_string().contains(problem), "{error}");
            if request.is_one_attempt() {
                let error = request.into_intent(SystemTime::now(), None).unwrap_err();
                assert!(error.to_string().contains(problem), "{error}");
            }
        }
        for request in [request().any_country(), request().operator("22")] {
            request.into_intent(SystemTime::now(), None).unwrap();
        }
    }

    #[test]
    fn purchase_requires_a_price_limit() {
        let request = NumberRequest::new("tg");
        for request in [request.clone().any_country(), request.countries(["22", "0"])] {
            let error = request.into_choices(SystemTime::now()).unwrap_err();
            assert!(error.to_string().contains("no price limit"), "{error}");
        }
    }

    #[test]
    fn invalid_lists_are_refused() {
        let request = || NumberRequest::new("tg").max_price(80);
        let priced = |price| NumberRequest::new("tg").offer_choices(vec![offer("22", price)]);
        for (request, problem) in [
            (request().countries([""; 0]), "the list is empty: set 1 to 100 countries"),
            (
                request().country("22").patience(Duration::from_secs(49 * 24 * 3600)),
                "a patience of 1176 hours: use at most a week",
            ),
            (request().countries((0..101).map(|code| code.to_string())), "101 countries"),
            (request().countries(["22", "0", "22"]), "22 is set twice"),
            (request().countries(["22", "a&b"]), "use 1 to 64 of the characters"),
            (request().countries(["22", "any"]), "explicitly accept any country"),
            (request().country("22").min_price(81), "81.00 is above the maximum price 80.00"),
            (request().country("22").min_price(0), "minimum price 0.00: use a price above 0"),
            (request().any_country().min_price(1), "needs a country"),
            (priced(None), "an offer has no price"),
            (priced(Some(0)), "use a price above 0"),
            (priced(Some(9)).accept_any_price(), "both offers, which state their prices"),
        ] {
            let error = request.into_choices(SystemTime::now()).expect_err(problem);
            assert_eq!(error.kind(), crate::ErrorKind::Config);
            assert!(error.to_string().contains(problem), "{error}");
        }
    }

    #[test]
    fn each_choice_has_the_lower_limit() {
        let request = NumberRequest::new("tg").multi_sms().parameter("ref", "7");
        let offers = vec![offer("22", Some(20)), offer("0", Some(90)), offer("1", None)];
        let choices =
            request.clone().max_price(50).offer_choices(offers).into_choices(SystemTime::now());
        let limits: Vec<_> = choices.unwrap().requests.iter().map(NumberRequest::limit).collect();
        assert_eq!(limits, [20, 50, 50].map(|price| Some(Amount::from_rupees(price))));
        let listed = request.clone().max_price(50).countries(["22", "0"]);
        let choices = listed.into_choices(SystemTime::now()).unwrap();
        assert_eq!(
            choices.requests,
            ["22", "0"].map(|code| request.clone().max_price(50).country(code))
        );
    }

    #[test]
    fn an_intent_is_one_attempt() {
        let request = || NumberRequest::new("tg").max_price(80);
        for request in [
            request().countries(["22"]),
            request().offer_choices(vec![offer("22", Some(1))]),
            request().country("22").min_price(1),
            request().country("22").patience(Duration::from_secs(1)),
        ] {
            let error = request.into_intent(SystemTime::now(), None).unwrap_err();
            assert!(error.to_string().contains("an intent is one attempt"), "{error}");
        }
    }
}
