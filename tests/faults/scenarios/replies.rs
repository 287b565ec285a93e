//! Replies to reads that are unusual in one way. The client keeps the reply, refuses it, or uses a
//! default.

use std::net::TcpListener;

use sastaotp::{Amount, Client, ErrorCode, ErrorKind, OrderQuery, Status};

use serde_json::json;

use crate::fixture::{Fault, Fixture, Via, request, seconds};
use crate::timing::at_most;

/// Replaces the whole reply of an action.
fn replace_body(fixture: &Fixture, action: &str, body: &str) {
    let rule = json!({"match": {"action": action}, "fault": "H09", "body": body, "times": 0});
    fixture.control("faults", &rule.to_string());
}

pub(super) fn redirects_are_not_followed() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    target.set_nonblocking(true).unwrap();
    let place = format!("http://{}/stubs/new.php", target.local_addr().unwrap());
    let location = format!("{place}?api_key=secret#part");
    for status in [301, 302, 303, 307, 308] {
        let fixture = Fixture::new(Via::Socket);
        let rule = json!({"fault": "H01", "status": status, "location": location, "times": 0});
        fixture.control("faults", &rule.to_string());
        let read = fixture.call(Client::get_balance).unwrap_err();
        let bought = fixture.buy(|client| client.get_number(request("zz_ok"))).unwrap_err();
        for error in [read, bought] {
            assert_eq!(
                (error.kind(), error.http_status()),
                (ErrorKind::Protocol, Some(status)),
                "{error:?}"
            );
            let text = error.to_string();
            assert!(text.contains(&format!("a redirect to {place},")), "{text}");
            assert!(!text.contains("secret") && !text.contains("part"), "{text}");
        }
    }
    assert!(target.accept().is_err(), "no connection was made, so the key was not sent");
}

pub(super) fn retry_after_is_obeyed_up_to_a_minute() {
    for (retry_after, pause, succeeds) in [
        ("3", Some(3), true),
        ("0", Some(0), true),
        ("60", Some(60), true),
        ("61", None, false),
        ("86400", None, false),
    ] {
        let fixture = Fixture::new(Via::Socket);
        let action = json!({"action": "getBalance"});
        let rule = json!({"match": action, "fault": "H06", "retry_after": retry_after});
        fixture.control("faults", &rule.to_string());
        let start = fixture.now();
        let result = fixture.call(Client::get_balance);
        let took = fixture.since(start);
        assert_eq!(result.is_ok(), succeeds, "{retry_after}");
        if let Some(least) = pause {
            assert!(
                took >= seconds(least) && took < at_most(seconds(least + 2)),
                "{retry_after}: {took:?}"
            );
        } else {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::RateLimited, "{retry_after}");
            assert!(
                took < seconds(60),
                "{retry_after}: the client does not wait so long: {took:?}"
            );
        }
    }
}

pub(super) fn nothing_is_an_empty_list() {
    for nothing in [
        "[]",
        "null",
        "false",
        "{}",
        r#"{"status":"OK","data":[],"orders":[],"services":[],"countries":[]}"#,
    ] {
        let fixture = Fixture::memory();
        for action in ["getPrices", "getServicesList", "getCountries", "getOrders"] {
            replace_body(&fixture, action, nothing);
        }
        assert_eq!(
            fixture.call(|client| client.get_prices(None, None)).unwrap().len(),
            0,
            "{nothing}"
        );
        assert_eq!(fixture.call(|client| client.get_services(None)).unwrap().len(), 0, "{nothing}");
        assert_eq!(fixture.call(Client::get_countries).unwrap().len(), 0, "{nothing}");
        assert_eq!(
            fixture.call(|client| client.get_orders(&OrderQuery::default())).unwrap().orders.len(),
            0,
            "{nothing}"
        );
    }
}

pub(super) fn missing_fields_have_defaults() {
    let fixture = Fixture::memory();
    replace_body(
        &fixture,
        "getOrders",
        r#"{"orders":[{"order_id":7,"activation_id":null,"new":{"a":[1]}},{"activation_id":"a"}]}"#,
    );
    let orders = fixture.call(|client| client.get_orders(&OrderQuery::default())).unwrap().orders;
    assert_eq!(orders.len(), 2);
    assert_eq!(
        (orders[0].order_id.as_deref(), orders[0].activation_id.as_deref()),
        (Some("7"), None)
    );
    assert_eq!((orders[1].activation_id.as_deref(), orders[1].price), (Some("a"), None));
    replace_body(&fixture, "getBalance", r#"{"status":"OK","balance":"12.5","new":null}"#);
    assert_eq!(fixture.call(Client::get_balance).unwrap().currency, "INR");
}

pub(super) fn an_unreadable_price_costs_only_the_price() {
    for price in ["\"NaN\"", "1e400", "-1", "\"18,50\""] {
        let fixture = Fixture::memory();
        let order =
            format!(r#"{{"orders":[{{"order_id":7,"activation_id":"a","price":{price}}}]}}"#);
        replace_body(&fixture, "getOrders", &order);
        let page = fixture.call(|client| client.get_orders(&OrderQuery::default())).unwrap();
        assert_eq!(
            (page.orders[0].activation_id.as_deref(), page.orders[0].price),
            (Some("a"), None),
            "{price}"
        );
        assert!(
            page.orders[0].raw.contains(price),
            "the price is kept verbatim: {}",
            page.orders[0].raw
        );
        replace_body(
            &fixture,
            "getPrices",
            &format!(r#"{{"22":{{"tg":{{"cost":{price},"count":5}}}}}}"#),
        );
        let prices = fixture.call(|client| client.get_prices(None, None)).unwrap();
        let offer = prices.get("22", "tg").expect("the offer is listed");
        assert_eq!((offer.price, offer.available), (None, Some(5)), "{price}");
        if price != "-1" {
            // A balance without a readable amount is an error.
            replace_body(
                &fixture,
                "getBalance",
                &format!(r#"{{"status":"OK","balance":{price}}}"#),
            );
            let error = fixture.call(Client::get_balance).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Protocol, "{price}: {error:?}");
            assert!(error.raw().is_some_and(|raw| raw.contains(price)), "{error:?}");
        }
    }
}

pub(super) fn last_of_two_equal_keys_counts() {
    let fixture = Fixture::memory();
    replace_body(&fixture, "getBalance", r#"{"status":"OK","balance":1,"balance":2.50}"#);
    assert_eq!(fixture.call(Client::get_balance).unwrap().amount, Amount::from_micros(2_500_000));
}

pub(super) fn unknown_texts_are_kept_verbatim() {
    for reply in ["Your balance is too low", "Недостаточно средств на балансе"]
    {
        let fixture = Fixture::memory();
        replace_body(&fixture, "getBalance", reply);
        let error = fixture.call(Client::get_balance).unwrap_err();
        assert_eq!(error.raw(), Some(reply), "{error:?}");
        assert!(error.to_string().contains(reply) || error.code().is_some(), "{error}");
    }
}

pub(super) fn phone_number_is_kept_with_its_digits() {
    let fixture = Fixture::memory();
    fixture.arm(Fault::Rule("B13", "phone", ""), "getNumber", 1);
    let number = fixture.buy_number("zz_ok");
    let phone = number.phone_number().unwrap();
    assert!(phone.starts_with("+91 ") && phone.matches(' ').count() == 2, "{phone}");
    let digits = number.purchase().unwrap().digits();
    assert_eq!(digits, phone.replace(['+', ' '], ""));
    fixture.arm(Fault::Rule("B13", "id", ""), "getNumber", 1);
    let odd = fixture.buy_number("zz_ok");
    assert!(odd.id().contains(':'), "{odd:?}");
    let orders = fixture.call(|client| client.get_orders(&OrderQuery::default())).unwrap().orders;
    assert_eq!(orders[1].phone_number.as_deref(), Some(phone));
    assert_eq!(orders[0].activation_id.as_deref(), Some(odd.id()));
    assert_eq!(fixture.call(|client| client.get_status(odd.id())).unwrap(), Status::Waiting);
}

/// Texts of SMS messages. The code of each is the whole text.
pub(super) fn texts() -> [String; 6] {
    let emoji = "🔑 4821 🎉".to_owned();
    let long = "4821 ".repeat(820).trim_end().to_owned();
    let token = |text: &str| text.to_owned();
    [
        token("12:34:56"),
        token("STATUS_CANCEL BAD_KEY"),
        token("<b>4821</b> &amp; more"),
        emoji,
        long,
        token("000000"),
    ]
}

pub(super) fn tokens_in_a_text_mean_nothing() {
    for text in texts() {
        let fixture = Fixture::memory();
        let number = fixture.buy_number("zz_never");
        let sms = json!({"id": number.id(), "code": text, "text": text});
        fixture.control("sms", &sms.to_string());
        let Status::Received(sms) = fixture.call(|client| client.get_status(number.id())).unwrap()
        else {
            panic!("a code arrived")
        };
        assert_eq!((&sms.code, sms.text.as_ref()), (&text, Some(&text)));
    }
}

pub(super) fn plain_text_without_length_is_refused() {
    for variant in ["cut", "whole"] {
        for body in ["ACCESS_BALANCE:125.50", "NO_BALANCE"] {
            let fixture = Fixture::new(Via::Socket);
            fixture.arm(
                Fault::Rule("N09", variant, format!(r#","body":"{body}""#).leak()),
                "getBalance",
                0,
            );
            let error = fixture.call(Client::get_balance).unwrap_err();
            assert_eq!(
                (error.kind(), error.fault()),
                (ErrorKind::Protocol, Some("unframed_reply")),
                "{error:?}"
            );
        }
        // The client then reads the status in a format that has a length.
        let fixture = Fixture::new(Via::Socket);
        let number = fixture.buy_number("zz_multi");
        fixture.arm(Fault::Rule("N09", variant, ""), "getStatus", 0);
        let Status::Received(sms) = fixture.call(|client| client.get_status(number.id())).unwrap()
        else {
            panic!("a code arrived")
        };
        assert_eq!(Some(sms.code), fixture.actual_code(number.id()));
    }
}

pub(super) fn unknown_status_is_kept() {
    let fixture = Fixture::memory();
    let number = fixture.buy_number("zz_ok");
    fixture.arm(Fault::Rule("S01", "status", ""), "getStatus", 1);
    let status = fixture.call(|client| client.get_status(number.id())).unwrap();
    assert_eq!(status, Status::Other("STATUS_MYSTERY".to_owned()));
    fixture.arm(Fault::Rule("S01", "error", ""), "getStatus", 1);
    let error = fixture.call(|client| client.get_status(number.id())).unwrap_err();
    assert_eq!(error.code(), Some(&ErrorCode::Other("SOMETHING_NEW".to_owned())), "{error:?}");
    assert_eq!(number.ending(), None, "neither status ends the order");
}
