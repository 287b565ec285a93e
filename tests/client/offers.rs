//! Offers, and purchases of one of several countries: when they move on, and when they end.

use std::borrow::Borrow;
use std::time::Duration;

use serde_json::json;

use crate::adapter::{
    Activation, Amount, Attempt, CancelToken, Charge, Error, ErrorKind, Intent, NumberRequest,
    OfferQuery, SettlementState,
};
use crate::fixture::{Fixture, seconds};

fn rupees(rupees: i32) -> Amount {
    Amount::from_rupees(rupees)
}

fn listed(countries: &[&str]) -> NumberRequest {
    NumberRequest::new("zz_ok").countries(countries.iter().copied()).max_price(rupees(80))
}

/// Makes the service answer each purchase in a country with this fault. Its members come after
/// those of the rule.
fn refuse(fixture: &Fixture, country: &str, fault: &str, times: u64) {
    let rule = json!({"match": {"action": "getNumber", "country": country}, "times": times});
    let rule = rule.to_string();
    fixture.fault(format!("{},{fault}}}", rule.strip_suffix('}').unwrap()));
}

fn no_numbers(fixture: &Fixture, countries: &[&str]) {
    for country in countries {
        refuse(fixture, country, &body("NO_NUMBERS"), 0);
    }
}

fn body(body: &str) -> String {
    format!(r#""fault":"html_page","body":"{body}""#)
}

/// The countries of the purchases that were sent.
fn sent(fixture: &Fixture) -> Vec<String> {
    parameters(fixture, "country")
}

/// The values of a parameter in the purchases that were sent.
fn parameters(fixture: &Fixture, name: &str) -> Vec<String> {
    let sent = fixture.transport.sent();
    let purchases = sent.iter().filter(|sent| sent.action == "getNumber");
    let value = |params: &[(String, String)]| {
        params.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    };
    purchases.filter_map(|sent| value(&sent.params)).collect()
}

fn shown(attempts: impl Borrow<[Attempt]>) -> Vec<String> {
    let shown = |attempt: &Attempt| {
        let Attempt { country, operator, price, refused, .. } = attempt;
        let texts = [
            country.clone(),
            operator.as_ref().map(|operator| format!("operator {operator}")),
            price.map(|price| format!("at {price}")),
            refused.clone(),
        ];
        texts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    attempts.borrow().iter().map(shown).collect()
}

fn attempts_of(number: &Activation) -> Vec<String> {
    let purchase = number.purchase().expect("a bought number has its purchase");
    shown(&*purchase.attempts)
}

fn with_budget() -> Fixture {
    Fixture::with(|builder| builder.budget(rupees(100)))
}

#[test]
fn only_a_refusal_of_the_country_moves_on() {
    for (fault, next) in [
        (body("NO_NUMBERS"), Some("NO_NUMBERS")),
        (body("no numbers"), Some("NO_NUMBERS")),
        (body("SERVICE_UNAVAILABLE"), Some("SERVICE_UNAVAILABLE")),
        (body("MAX_PRICE_EXCEEDED"), Some("MAX_PRICE_EXCEEDED")),
        (body("WRONG_MAX_PRICE:12"), Some("WRONG_MAX_PRICE")),
        (body("OUT_OF_STOCK"), Some("OUT_OF_STOCK")),
        (body("NO_BALANCE"), None),
        (body("BAD_KEY"), None),
        (body("ACCOUNT_BANNED"), None),
        (body("BAD_SERVICE"), None),
        (body("BAD_COUNTRY"), None),
        (body("CHANNELS_LIMIT"), None),
        (r#""fault":"too_many_requests""#.to_owned(), None),
        (r#""fault":"blocked_by_firewall""#.to_owned(), None),
        (r#""fault":"http_client_error""#.to_owned(), None),
    ] {
        let fixture = with_budget();
        refuse(&fixture, "22", &fault, 1);
        let result = fixture.client.get_number(listed(&["22", "0"]));
        if let Some(code) = next {
            let number = result.unwrap_or_else(|error| panic!("{fault}: {error}"));
            assert_eq!(attempts_of(&number), [format!("22 {code}"), "0".to_owned()]);
            assert_eq!(sent(&fixture), ["22", "0"], "{fault}");
            fixture.assert_ledger(1, 0);
            assert_eq!(fixture.client.budget_left(), Some(rupees(90)), "{fault}");
        } else {
            let error = result.expect_err(&fault);
            assert_eq!(error.charge(), Charge::NotCharged, "{fault}: {error}");
            assert_eq!(shown(error.attempts()), ["22"], "{fault}");
            assert_eq!(sent(&fixture), ["22"], "{fault}");
            fixture.assert_ledger(0, 0);
            assert_eq!(fixture.client.budget_left(), Some(rupees(100)), "{fault}");
        }
    }
}

#[test]
fn an_unknown_outcome_ends_the_call() {
    for fault in [
        r#""fault":"reply_lost""#.to_owned(),
        r#""fault":"reply_truncated""#.to_owned(),
        r#""fault":"reply_timeout""#.to_owned(),
        r#""fault":"server_error""#.to_owned(),
        r#""fault":"refusal_in_server_error","body":"NO_NUMBERS<br>""#.to_owned(),
        body("ERROR_SQL"),
        body("PROVIDER_ERROR"),
        body(r#"{\"status\":\"OK\",\"error\":\"NO_NUMBERS\"}"#),
    ] {
        let fixture = with_budget();
        no_numbers(&fixture, &["22"]);
        refuse(&fixture, "0", &fault, 0);
        let request = listed(&["22", "0", "6"]).patience(seconds(600));
        let error = fixture.client.get_number(request).expect_err(&fault);
        assert_eq!(error.charge(), Charge::Unknown, "{fault}: {error}");
        assert_eq!(shown(error.attempts()), ["22 NO_NUMBERS", "0"], "{fault}");
        assert_eq!(format!("{:?}", error.intent().unwrap().country()), r#"Some("0")"#, "{fault}");
        assert_eq!(sent(&fixture), ["22", "0"], "{fault}");
        assert_eq!(fixture.client.budget_left(), Some(rupees(20)), "{fault}");
    }
}

#[test]
fn an_attempt_that_was_not_sent_is_repeated() {
    let fixture = with_budget();
    refuse(&fixture, "22", r#""fault":"connect_refused""#, 2);
    let number = fixture.client.get_number(listed(&["22", "0"])).unwrap();
    assert_eq!(attempts_of(&number), ["22"]);
    let fixture = with_budget();
    refuse(&fixture, "22", r#""fault":"connect_refused""#, 3);
    let error = fixture.client.get_number(listed(&["22", "0"])).unwrap_err();
    assert_eq!((error.kind(), error.charge()), (ErrorKind::Connection, Charge::NotCharged));
    assert_eq!(shown(error.attempts()), ["22"]);
    assert_eq!(fixture.client.budget_left(), Some(rupees(100)));
}

#[test]
fn a_name_in_place_of_a_code_is_explained() {
    let fixture = with_budget();
    for (country, is_explained) in [("India", true), ("91919", false)] {
        let request = NumberRequest::new("zz_ok").max_price(50).country(country);
        let error = fixture.client.get_number(request).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ServiceUnavailable, "{error}");
        assert_eq!(
            error.to_string().contains("which find_country returns"),
            is_explained,
            "{error}"
        );
    }
}

#[test]
fn a_range_of_prices_that_is_reversed_is_refused() {
    let fixture = with_budget();
    let query = OfferQuery::new("tg").min_price(20).max_price(10);
    let error = fixture.client.get_offers(&query).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("minimum price 20.00 is above the maximum price 10.00"));
}

#[test]
fn a_list_is_attempted_once_without_patience() {
    let fixture = with_budget();
    no_numbers(&fixture, &["22", "6"]);
    refuse(&fixture, "0", &body("SERVICE_UNAVAILABLE"), 0);
    let error = fixture.client.get_number(listed(&["22", "6", "0"])).unwrap_err();
    assert_eq!((error.kind(), error.charge()), (ErrorKind::NoNumbers, Charge::NotCharged));
    let all = ["22 NO_NUMBERS", "6 NO_NUMBERS", "0 SERVICE_UNAVAILABLE"];
    assert_eq!(shown(error.attempts()), all);
    assert!(error.to_string().contains(&all.join(", ")), "{error}");
    assert_eq!(sent(&fixture), ["22", "6", "0"]);
    assert_eq!(fixture.client.budget_left(), Some(rupees(100)));
    assert!(fixture.client.unclaimed().is_empty());
}

#[test]
fn patience_repeats_the_list_with_growing_pauses() {
    for patience in [3, 60, 600] {
        let fixture = with_budget();
        no_numbers(&fixture, &["22", "0"]);
        let begin = fixture.now();
        let request = listed(&["22", "0"]).patience(seconds(patience));
        let error = fixture.client.get_number(request).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoNumbers);
        let times = fixture.times("getNumber");
        let end = begin + u128::from(patience) * 1_000;
        let last = *times.last().unwrap();
        assert!(last <= end && end - last < 33_000, "{patience}: {times:?}");
        assert_eq!(times.len(), error.attempts().len());
        let pauses: Vec<u128> = times
            .chunks(2)
            .map(|round| round[0])
            .collect::<Vec<_>>()
            .windows(2)
            .map(|rounds| rounds[1] - rounds[0])
            .collect();
        for (pause, longest) in pauses
            .iter()
            .zip([4_000, 8_000, 16_000, 30_000].iter().chain(std::iter::repeat(&30_000)))
        {
            assert!((2_000..=*longest).contains(pause), "{patience}: {pauses:?}");
        }
        let minimum = if patience == 600 { 20 } else { 1 };
        assert!(pauses.len() >= minimum, "{patience}: {pauses:?}");
    }
}

#[test]
fn patience_waits_for_a_later_number() {
    let fixture = with_budget();
    refuse(&fixture, "22", &body("NO_NUMBERS"), 2);
    let request = NumberRequest::new("zz_ok").country("22").max_price(rupees(80));
    let number = fixture.client.get_number(request.patience(seconds(60))).unwrap();
    assert_eq!(attempts_of(&number), ["22 NO_NUMBERS", "22 NO_NUMBERS", "22"]);
    assert_eq!(fixture.client.budget_left(), Some(rupees(90)));
}

#[test]
fn pauses_are_as_long_as_the_service_requests() {
    let fault = format!("{},\"retry_after\":\"45\"", body("NO_NUMBERS"));
    for (patience, purchases) in [(40, 1), (55, 2)] {
        let fixture = Fixture::new();
        refuse(&fixture, "22", &fault, 0);
        let request = listed(&["22"]).patience(seconds(patience));
        fixture.client.get_number(request).unwrap_err();
        let times = fixture.times("getNumber");
        assert_eq!(times.len(), purchases, "{times:?}");
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 45_000), "{times:?}");
    }
}

#[test]
fn the_rate_limit_holds_between_attempts() {
    let fixture = Fixture::with(|builder| builder.max_requests_per_second(0.1));
    no_numbers(&fixture, &["22", "0", "6"]);
    fixture.client.get_number(listed(&["22", "0", "6"])).unwrap_err();
    let times = fixture.times("getNumber");
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 9_900), "{times:?}");
}

#[test]
fn each_attempt_has_the_full_timeout() {
    let fixture = Fixture::new();
    for country in ["22", "0", "6"] {
        refuse(&fixture, country, r#""delay_ms":50000"#, 0);
    }
    no_numbers(&fixture, &["22", "0"]);
    let number = fixture.client.get_number(listed(&["22", "0", "6"])).unwrap();
    assert_eq!(attempts_of(&number), ["22 NO_NUMBERS", "0 NO_NUMBERS", "6"]);
    assert!(fixture.now() >= 150_000);
}

#[test]
fn a_budget_that_is_too_small_ends_the_call() {
    let fixture = with_budget();
    let request = NumberRequest::new("zz_ok").countries(["22", "0"]).max_price(rupees(101));
    let error = fixture.client.get_number(request).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Budget);
    assert_eq!(shown(error.attempts()), ["22"]);
    assert_eq!(sent(&fixture), [""; 0]);
}

#[test]
fn a_minimum_price_skips_cheaper_countries() {
    let listed_at = |fixture: &Fixture, country| {
        let prices = fixture.client.get_prices(Some("tg"), Some(country)).unwrap();
        prices.get(country, "tg").unwrap().price.unwrap()
    };
    let fixture = with_budget();
    let india = listed_at(&fixture, "22");
    let request = || NumberRequest::new("tg").countries(["9999", "22"]);
    let reads = fixture.count("getPrices");
    let number = fixture.client.get_number(request().min_price(india).max_price(india)).unwrap();
    assert_eq!(attempts_of(&number), ["9999 skipped: not listed", &format!("22 at {india}")]);
    assert_eq!(fixture.count("getPrices"), reads + 1);
    assert_eq!(sent(&fixture), ["22"]);

    let above = india.checked_add(Amount::from_micros(10_000)).unwrap();
    for request in [
        request().min_price(above).accept_any_price(),
        request().min_price(rupees(1)).max_price(rupees(2)),
    ] {
        let fixture = Fixture::new();
        let error = fixture.client.get_number(request.patience(seconds(60))).unwrap_err();
        assert_eq!((error.kind(), error.charge()), (ErrorKind::NoNumbers, Charge::NotCharged));
        assert_eq!(
            shown(error.attempts()),
            ["9999 skipped: not listed", &format!("22 at {india} skipped: listed at {india}")]
        );
        assert_eq!((sent(&fixture), fixture.now()), (vec![], 0));
    }
}

#[test]
fn unreadable_prices_end_a_call_with_a_minimum() {
    let fixture = Fixture::new();
    fixture.fault(r#"{"match":{"action":"getPrices"},"fault":"blocked_by_firewall","times":0}"#);
    let request = listed(&["22"]).min_price(rupees(1));
    let error = fixture.client.get_number(request).unwrap_err();
    assert_eq!((error.kind(), error.charge()), (ErrorKind::Blocked, Charge::NotCharged));
    assert_eq!(sent(&fixture), [""; 0]);
}

#[test]
fn offers_are_bought_at_their_prices() {
    let fixture = with_budget();
    let offers = fixture.client.get_offers(&OfferQuery::new("tg").max_price(rupees(100))).unwrap();
    assert!(offers.len() > 3);
    let offers = &offers[..3];
    no_numbers(&fixture, &[&*offers[0].country]);
    let request = NumberRequest::new("tg").offers(offers);
    let number = fixture.client.get_number(request.clone()).unwrap();
    let price = |index: usize| offers[index].price.unwrap();
    assert_eq!(
        attempts_of(&number),
        [
            format!("{} at {} NO_NUMBERS", offers[0].country, price(0)),
            format!("{} at {}", offers[1].country, price(1)),
        ]
    );
    assert_eq!(number.price(), offers[1].price);
    let limits = [price(0).to_string(), price(1).to_string()];
    assert_eq!(parameters(&fixture, "maxPrice"), limits);
    // The limit of the request is lower than each price.
    let error = fixture.client.get_number(request.max_price(Amount::from_micros(10_000)));
    assert_eq!(error.unwrap_err().kind(), ErrorKind::NoNumbers);
    assert_eq!(parameters(&fixture, "maxPrice")[2..], ["0.01", "0.01", "0.01"]);
}

#[test]
fn offers_list_only_numbers_on_sale() {
    let fixture = Fixture::new();
    let all = fixture.client.get_offers(&OfferQuery::new("tg")).unwrap();
    assert_eq!((fixture.count("getServicesList"), fixture.count("getPrices")), (1, 1));
    assert!(all.windows(2).all(|pair| pair[0].price <= pair[1].price), "{all:?}");
    assert!(all.iter().all(|offer| !offer.country_name.is_empty()), "{all:?}");
    let india = all.iter().find(|offer| &*offer.country == "22").unwrap();
    assert_eq!((&*india.country_name, india.price), ("India", "76.94".parse().ok()));
    let cheapest = fixture.client.cheapest_offer(&OfferQuery::new("tg")).unwrap().unwrap();
    assert_eq!(cheapest, all[0]);
    let query = OfferQuery::new("tg").countries(["22", "9999"]).min_available(999);
    let only = fixture.client.get_offers(&query.clone().min_price(rupees(76))).unwrap();
    assert_eq!(only.len(), 1);
    assert_eq!(fixture.client.cheapest_offer(&query.max_price(rupees(76))).unwrap(), None);
    // A country with no number in stock is left out.
    let empty = OfferQuery::new("wa").countries(["91"]);
    assert!(fixture.client.get_offers(&empty).unwrap().is_empty());
}

#[test]
fn a_lease_can_have_several_countries() {
    let fixture = with_budget();
    no_numbers(&fixture, &["22"]);
    let lease = fixture.client.lease(listed(&["22", "0"])).unwrap();
    let attempts = shown(&*lease.purchase().unwrap().attempts);
    assert_eq!(attempts, ["22 NO_NUMBERS", "0"]);
    let settlement = lease.close(crate::adapter::OnTooEarly::Wait).unwrap();
    assert_eq!(settlement.state, SettlementState::Cancelled);
    fixture.assert_ledger(1, 1);
    assert_eq!(fixture.client.budget_left(), Some(rupees(100)));
}

#[test]
fn an_intent_has_one_country() {
    let fixture = Fixture::new();
    for request in [
        listed(&["22", "0"]),
        listed(&["22"]).patience(seconds(1)),
        listed(&["22"]).min_price(rupees(1)),
    ] {
        let error = fixture.client.intend(request).unwrap_err();
        assert!(error.to_string().contains("an intent is one attempt"), "{error}");
    }
    let single = NumberRequest::new("zz_ok").country("22").max_price(rupees(80));
    let number = fixture.client.get_number(single).unwrap();
    assert_eq!(attempts_of(&number), [""; 0]);
}

#[test]
fn parameters_are_part_of_the_intent() {
    let fixture = Fixture::new();
    let request = || {
        let request = NumberRequest::new("zz_ok").country("22").max_price(rupees(80));
        request.parameter("providerIds", "1,2").parameter("ref", "a&b=c é")
    };
    let intent = fixture.client.intend(request()).unwrap();
    fixture.client.buy(Intent::from_json(&intent.to_json()).unwrap()).unwrap();
    no_numbers(&fixture, &["0"]);
    let list = NumberRequest::new("zz_ok").countries(["0", "22"]).max_price(rupees(80));
    fixture.client.get_number(list.parameter("ref", "7")).unwrap();
    assert_eq!(parameters(&fixture, "providerIds"), ["1,2"]);
    assert_eq!(parameters(&fixture, "ref"), ["a&b=c é", "7", "7"]);
    for (name, value) in
        [("maxPrice", "9"), ("API_KEY", "x"), ("a b", "c"), ("a", ""), ("ref", "b")]
    {
        let error = fixture.client.get_number(request().parameter(name, value)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(&format!("{name:?}")), "{error}");
    }
    assert_eq!(fixture.count("getNumber"), 3);
}

#[test]
fn a_cancelled_call_makes_no_further_attempt() {
    let fixture = with_budget();
    no_numbers(&fixture, &["22", "0"]);
    let token = CancelToken::new();
    token.cancel();
    let client = fixture.client.with_cancel(&token);
    let error: Error =
        client.get_number(listed(&["22", "0"]).patience(Duration::from_secs(60))).unwrap_err();
    assert_eq!((error.kind(), error.charge()), (ErrorKind::Cancelled, Charge::NotCharged));
    assert_eq!(sent(&fixture), [""; 0]);
    assert_eq!(fixture.client.budget_left(), Some(rupees(100)));
}
