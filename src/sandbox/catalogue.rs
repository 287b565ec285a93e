//! The sandbox's catalogue: countries in the service's numbering, services, and a price and a stock
//! for each pair.
//!
//! This file owns the static tables. Every price and stock is a function of the two codes, so two
//! runs, two machines and two namespaces always see the same catalogue.

use std::sync::LazyLock;

use super::scenarios::{IdFormat, ORDINARY, SCENARIOS, Scenario, SmsArrival};

/// Micro-rupees in a paisa: prices are listed with two decimals.
const PAISA: i64 = 10_000;
/// The listed price of every scenario service, in micro-rupees.
const SCENARIO_PRICE: i64 = 1_000 * PAISA;

/// A country in the service's numbering, which is not the calling code: 22 is India and 91 is
/// Timor-Leste.
#[derive(Debug)]
pub(super) struct Country {
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    pub(super) flag: &'static str,
    /// The calling code: the first digits of the country's phone numbers.
    pub(super) calling: &'static str,
}

/// A service that the sandbox sells numbers for.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    pub(super) ids: IdFormat,
    /// The base of the prices per country, in micro-rupees. `None` lists the scenario price
    /// everywhere.
    base: Option<i64>,
    pub(super) scenario: Scenario,
}

/// The price and the stock of a service in a country.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    /// Micro-rupees.
    pub(super) price: i64,
    pub(super) count: u32,
}

const fn country(
    code: &'static str,
    name: &'static str,
    flag: &'static str,
    calling: &'static str,
) -> Country {
    Country { code, name, flag, calling }
}

/// India comes first: if all prices are equal, the first country is selected.
pub(super) static COUNTRIES: &[Country] = &[
    country("22", "India", "🇮🇳", "91"),
    country("0", "Russia", "🇷🇺", "7"),
    country("1", "Ukraine", "🇺🇦", "380"),
    country("2", "Kazakhstan", "🇰🇿", "77"),
    country("3", "China", "🇨🇳", "86"),
    country("4", "Philippines", "🇵🇭", "63"),
    country("5", "Myanmar", "🇲🇲", "95"),
    country("6", "Indonesia", "🇮🇩", "62"),
    country("7", "Malaysia", "🇲🇾", "60"),
    country("8", "Kenya", "🇰🇪", "254"),
    country("10", "Vietnam", "🇻🇳", "84"),
    country("12", "USA (virtual)", "🇺🇸", "1"),
    country("13", "Israel", "🇮🇱", "972"),
    country("15", "Poland", "🇵🇱", "48"),
    country("16", "United Kingdom", "🇬🇧", "44"),
    country("19", "Nigeria", "🇳🇬", "234"),
    country("21", "Egypt", "🇪🇬", "20"),
    country("32", "Romania", "🇷🇴", "40"),
    country("33", "Colombia", "🇨🇴", "57"),
    country("36", "Canada", "🇨🇦", "1"),
    country("43", "Germany", "🇩🇪", "49"),
    country("48", "Netherlands", "🇳🇱", "31"),
    country("52", "Thailand", "🇹🇭", "66"),
    country("54", "Mexico", "🇲🇽", "52"),
    country("56", "Spain", "🇪🇸", "34"),
    country("60", "Bangladesh", "🇧🇩", "880"),
    country("62", "Turkey", "🇹🇷", "90"),
    country("66", "Pakistan", "🇵🇰", "92"),
    country("73", "Brazil", "🇧🇷", "55"),
    country("78", "France", "🇫🇷", "33"),
    country("86", "Italy", "🇮🇹", "39"),
    country("91", "Timor-Leste", "🇹🇱", "670"),
    country("117", "Portugal", "🇵🇹", "351"),
    country("175", "Australia", "🇦🇺", "61"),
    country("187", "USA", "🇺🇸", "1"),
];

/// Code, name, base price in paise, seconds until the SMS, whether it sends several SMS, id format.
type Row = (&'static str, &'static str, i64, u64, bool, IdFormat);

/// The ordinary services; the scenario services are in `scenarios.rs`.
static ORDINARY_SERVICES: &[Row] = &[
    ("tg", "Telegram", 6_400, 8, false, IdFormat::Number),
    ("wa", "WhatsApp", 4_850, 10, true, IdFormat::Letters),
    ("ig", "Instagram", 1_210, 6, false, IdFormat::Number),
    ("go", "Google", 1_850, 7, false, IdFormat::Number),
    ("fb", "Facebook", 990, 6, true, IdFormat::Hex),
    ("tw", "X", 725, 9, false, IdFormat::Number),
    ("ds", "Discord", 640, 5, false, IdFormat::Letters),
    ("am", "Amazon", 1_075, 6, true, IdFormat::Number),
    ("mm", "Microsoft", 560, 5, false, IdFormat::Number),
    ("oi", "Tinder", 2_260, 12, false, IdFormat::Letters),
    ("ub", "Uber", 845, 6, false, IdFormat::Number),
    ("lf", "TikTok", 1_330, 7, true, IdFormat::Hex),
    ("vi", "Viber", 1_120, 8, false, IdFormat::Number),
    ("vk", "VK", 1_990, 8, false, IdFormat::Number),
    ("mt", "Steam", 780, 6, false, IdFormat::Letters),
    ("nf", "Netflix", 915, 6, true, IdFormat::Number),
    ("sn", "Snapchat", 690, 6, false, IdFormat::Number),
    ("tn", "LinkedIn", 1_045, 9, false, IdFormat::Letters),
    ("wb", "WeChat", 3_380, 14, false, IdFormat::Number),
    ("me", "Line", 1_260, 8, false, IdFormat::Number),
    ("kt", "KakaoTalk", 2_115, 11, false, IdFormat::Hex),
    ("ts", "PayPal", 2_540, 9, true, IdFormat::Letters),
    ("dh", "eBay", 1_155, 7, false, IdFormat::Number),
    ("wx", "Apple", 1_470, 7, false, IdFormat::Number),
    ("mb", "Yahoo", 530, 6, false, IdFormat::Number),
    ("ya", "Yandex", 870, 6, false, IdFormat::Number),
    ("zk", "Flipkart", 655, 5, true, IdFormat::Letters),
    ("pf", "PhonePe", 1_340, 6, false, IdFormat::Number),
    ("jq", "Paytm", 1_285, 6, false, IdFormat::Number),
    ("xk", "Swiggy", 495, 5, true, IdFormat::Number),
    ("uk", "Airbnb", 1_765, 8, false, IdFormat::Letters),
    ("bz", "Blizzard", 1_020, 7, false, IdFormat::Number),
    ("qf", "Bumble", 1_610, 8, false, IdFormat::Number),
    ("ka", "Shopee", 720, 6, false, IdFormat::Hex),
    ("ot", "Any other", 2_400, 15, true, IdFormat::Number),
];

static ITEMS: LazyLock<Vec<Item>> = LazyLock::new(|| {
    let ordinary =
        ORDINARY_SERVICES.iter().map(|&(code, name, paise, seconds, multi_sms, ids)| Item {
            code,
            name,
            ids,
            base: Some(paise * PAISA),
            scenario: Scenario {
                sms_arrives: SmsArrival::After(seconds * 1_000),
                multi_sms,
                ..ORDINARY
            },
        });
    let scenarios = SCENARIOS.iter().map(|&(code, name, ids, scenario)| Item {
        code,
        name,
        ids,
        base: None,
        scenario,
    });
    ordinary.chain(scenarios).collect()
});

/// All services, the ordinary ones first.
pub(super) fn items() -> &'static [Item] {
    &ITEMS
}

/// Returns the service with this code.
pub(super) fn item(code: &str) -> Option<&'static Item> {
    ITEMS.iter().find(|item| item.code == code)
}

/// Returns the country with this code.
pub(super) fn country_of(code: &str) -> Option<&'static Country> {
    COUNTRIES.iter().find(|country| country.code == code)
}

/// FNV-1a. Unlike the standard library's hash, it gives the same number on every platform and
/// version.
pub(super) fn hash(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl Item {
    /// Returns the price and stock in a country; `None` if the service is not sold there.
    pub(super) fn offer(&self, country: &Country) -> Option<Offer> {
        let Some(base) = self.base else {
            return Some(Offer { price: SCENARIO_PRICE, count: 999 });
        };
        match (self.code, country.code) {
            ("tg", "22") => {
                return Some(Offer { price: 7_694 * PAISA, count: 999 });
            }
            // This pair is always listed with an empty stock.
            ("wa", "91") => return Some(Offer { price: base, count: 0 }),
            _ => {}
        }
        let hash = hash(&[self.code, country.code]) >> 7;
        if hash % 10 >= 8 && country.code != "22" {
            return None;
        }
        let percent = 60 + i64::try_from((hash >> 8) % 200).unwrap_or(0);
        Some(Offer {
            price: base * percent / 100 / PAISA * PAISA,
            count: 1 + u32::try_from((hash >> 20) % 5_000).unwrap_or(0),
        })
    }

    /// Returns every country that the service is sold in, with its offer.
    pub(super) fn offers(&self) -> impl Iterator<Item = (&'static Country, Offer)> + '_ {
        COUNTRIES.iter().filter_map(|country| Some((country, self.offer(country)?)))
    }

    /// Returns the cheapest country that has numbers.
    pub(super) fn cheapest(&self) -> Option<(&'static Country, Offer)> {
        let in_stock = self.offers().filter(|(_, offer)| offer.count > 0);
        in_stock.min_by_key(|(_, offer)| offer.price)
    }

    /// Returns the price that a purchase charges: the listed price, unless the scenario sets
    /// another.
    pub(super) fn charge(&self, offer: Offer) -> i64 {
        self.scenario.charged_price.unwrap_or(offer.price)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_numbered_as_documented() {
        for (at, country) in COUNTRIES.iter().enumerate() {
            assert!(
                COUNTRIES[at + 1..].iter().all(|other| other.code != country.code),
                "{}",
                country.code
            );
        }
        for (at, item) in items().iter().enumerate() {
            assert!(items()[at + 1..].iter().all(|other| other.code != item.code), "{}", item.code);
        }
        for (code, name) in
            [("22", "India"), ("91", "Timor-Leste"), ("187", "USA"), ("0", "Russia")]
        {
            assert_eq!(country_of(code).unwrap().name, name);
        }
    }

    #[test]
    fn prices_have_two_decimals_and_are_above_zero() {
        for item in items() {
            for (country, offer) in item.offers() {
                assert!(
                    offer.price > 0 && offer.price % PAISA == 0,
                    "{} in {}",
                    item.code,
                    country.code
                );
            }
            assert!(item.cheapest().is_some(), "{}", item.code);
        }
        let telegram = item("tg").unwrap().offer(country_of("22").unwrap()).unwrap();
        assert_eq!(telegram, Offer { price: 76_940_000, count: 999 });
    }

    #[test]
    fn some_pairs_are_unsold_or_out_of_stock() {
        let sold: usize = items().iter().map(|item| item.offers().count()).sum();
        assert!(sold < items().len() * COUNTRIES.len());
        assert_eq!(item("wa").unwrap().offer(country_of("91").unwrap()).unwrap().count, 0);
    }
}
