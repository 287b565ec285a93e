//! Fuzzes the replies that are lists and tables: no parser panics, and every lookup of an entry
//! returns the same one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sastaotp::protocol::{
    Prices, RawReply, ReplyError, find_countries, parse_countries, parse_orders, parse_prices,
    parse_services,
};
use sastaotp_fuzz::{check_failure, check_json, reply};

fuzz_target!(|data: &[u8]| {
    let Some((parser, raw)) = reply(data) else { return };
    match parser % 4 {
        0 => checked(raw, parse_prices(raw), check_prices),
        1 => checked(raw, parse_services(raw), |services| {
            assert!(services.iter().all(|service| !service.code.is_empty()));
            check_json(&services);
        }),
        2 => checked(raw, parse_countries(raw), |countries| {
            for country in &countries {
                assert!(find_countries(&countries, &country.name).contains(&country));
            }
            check_json(&countries);
        }),
        _ => checked(raw, parse_orders(raw), |page| {
            for order in &page.orders {
                assert!(order.order_id.is_some() || order.activation_id.is_some());
                assert!(order.price.is_none_or(|price| price.micros() >= 0));
                assert!(page.raw.contains(&order.raw), "the order is part of its page");
            }
            check_json(&page);
        }),
    }
});

fn checked<T>(raw: RawReply<'_>, result: Result<T, ReplyError>, check: impl FnOnce(T)) {
    match result {
        Ok(value) => check(value),
        Err(failure) => check_failure(&failure, raw),
    }
}

fn check_prices(prices: Prices) {
    assert_eq!(prices.iter().count(), prices.len());
    assert_eq!(prices.is_empty(), prices.len() == 0);
    assert_eq!(prices.at(prices.len()), None);
    for (index, price) in prices.iter().enumerate().take(64) {
        assert_eq!(prices.at(index), Some(price));
        // A reply can contain a country and a service several times: one of them is found.
        let found = prices.find(price.country, price.service).and_then(|found| prices.at(found));
        let is_same = |found: sastaotp::Price<'_>| {
            (found.country, found.service) == (price.country, price.service)
        };
        assert!(found.is_some_and(is_same), "{price:?} is found as {found:?}");
        assert_eq!(prices.get(price.country, price.service), found);
    }
    check_json(&prices);
}
