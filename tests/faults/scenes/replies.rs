//! Replies to reads that are odd in one way: what is kept, what is refused, what is made up for.

use std::net::TcpListener;

use sastaotp::{Amount, Client, Code, ErrorKind, OrderQuery, Status};

use crate::bench::{Bench, Door, Fault, request, seconds};

/// A whole reply in place of the service's.
fn body(bench: &Bench, action: &str, body: &str) {
    let rule =
        serde_json::json!({"match": {"action": action}, "fault": "H09", "body": body, "times": 0});
    bench.control("faults", &rule.to_string());
}

pub(super) fn nobody_follows_a_redirect() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    target.set_nonblocking(true).unwrap();
    let location = format!("http://{}/stubs/handler_api.php", target.local_addr().unwrap());
    for status in [301, 302, 303, 307, 308] {
        let bench = Bench::new(Door::Socket);
        let rule =
            serde_json::json!({"fault": "H01", "status": status, "location": location, "times": 0});
        bench.control("faults", &rule.to_string());
        assert_eq!(
            bench.call(Client::get_balance).unwrap_err().kind(),
            ErrorKind::Protocol,
            "{status}"
        );
        let error = bench.buy(|client| client.get_number(request("zz_ok"))).unwrap_err();
        assert_eq!(error.http_status(), Some(status), "{error:?}");
    }
    assert!(target.accept().is_err(), "nobody came, so nobody brought the key");
}

pub(super) fn a_pause_is_kept_up_to_a_minute() {
    for (told, waited, answers) in [
        ("3", Some(3), true),
        ("0", Some(0), true),
        ("60", Some(60), true),
        ("61", None, false),
        ("86400", None, false),
    ] {
        let bench = Bench::new(Door::Socket);
        let rule = serde_json::json!({"match": {"action": "getBalance"}, "fault": "H06", "retry_after": told});
        bench.control("faults", &rule.to_string());
        let start = bench.now();
        let result = bench.call(Client::get_balance);
        let took = bench.since(start);
        assert_eq!(result.is_ok(), answers, "{told}");
        if let Some(least) = waited {
            assert!(took >= seconds(least) && took < seconds(least + 2), "{told}: {took:?}");
        } else {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::RateLimited, "{told}");
            assert!(took < seconds(1), "{told}: nobody waits so long: {took:?}");
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
        let bench = Bench::memory();
        for action in ["getPrices", "getServicesList", "getCountries", "getOrders"] {
            body(&bench, action, nothing);
        }
        assert_eq!(
            bench.call(|client| client.get_prices(None, None)).unwrap().len(),
            0,
            "{nothing}"
        );
        assert_eq!(bench.call(|client| client.get_services(None)).unwrap().len(), 0, "{nothing}");
        assert_eq!(bench.call(Client::get_countries).unwrap().len(), 0, "{nothing}");
        assert_eq!(
            bench.call(|client| client.get_orders(&OrderQuery::default())).unwrap().orders.len(),
            0,
            "{nothing}"
        );
    }
}

pub(super) fn missing_fields_have_defaults() {
    let bench = Bench::memory();
    body(
        &bench,
        "getOrders",
        r#"{"orders":[{"order_id":7,"activation_id":null,"new":{"a":[1]}},{"activation_id":"a"}]}"#,
    );
    let orders = bench.call(|client| client.get_orders(&OrderQuery::default())).unwrap().orders;
    assert_eq!(orders.len(), 2);
    assert_eq!(
        (orders[0].order_id.as_deref(), orders[0].activation_id.as_deref()),
        (Some("7"), None)
    );
    assert_eq!((orders[1].activation_id.as_deref(), orders[1].price), (Some("a"), None));
    body(&bench, "getBalance", r#"{"status":"OK","balance":"12.5","new":null}"#);
    assert_eq!(bench.call(Client::get_balance).unwrap().currency, "INR");
}

pub(super) fn an_unreadable_price_costs_only_the_price() {
    for price in ["\"NaN\"", "1e400", "-1", "\"18,50\""] {
        let bench = Bench::memory();
        let order =
            format!(r#"{{"orders":[{{"order_id":7,"activation_id":"a","price":{price}}}]}}"#);
        body(&bench, "getOrders", &order);
        let page = bench.call(|client| client.get_orders(&OrderQuery::default())).unwrap();
        assert_eq!(
            (page.orders[0].activation_id.as_deref(), page.orders[0].price),
            (Some("a"), None),
            "{price}"
        );
        assert!(page.orders[0].raw.contains(price), "as it came: {}", page.orders[0].raw);
        body(&bench, "getPrices", &format!(r#"{{"22":{{"tg":{{"cost":{price},"count":5}}}}}}"#));
        let prices = bench.call(|client| client.get_prices(None, None)).unwrap();
        let offer = prices.get("22", "tg").expect("it is listed");
        assert_eq!((offer.price, offer.available), (None, Some(5)), "{price}");
        if price != "-1" {
            // A balance is nothing but its amount.
            body(&bench, "getBalance", &format!(r#"{{"status":"OK","balance":{price}}}"#));
            let error = bench.call(Client::get_balance).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Protocol, "{price}: {error:?}");
            assert!(error.raw().is_some_and(|raw| raw.contains(price)), "{error:?}");
        }
    }
}

pub(super) fn the_last_of_two_equal_keys_counts() {
    let bench = Bench::memory();
    body(&bench, "getBalance", r#"{"status":"OK","balance":1,"balance":2.50}"#);
    assert_eq!(bench.call(Client::get_balance).unwrap().amount, Amount::from_micros(2_500_000));
}

pub(super) fn words_are_kept_as_they_are() {
    for words in ["Your balance is too low", "Недостаточно средств на балансе"]
    {
        let bench = Bench::memory();
        body(&bench, "getBalance", words);
        let error = bench.call(Client::get_balance).unwrap_err();
        assert_eq!(error.raw(), Some(words), "{error:?}");
        assert!(error.to_string().contains(words) || error.code().is_some(), "{error}");
    }
}

pub(super) fn a_phone_number_is_kept_and_its_digits_shown() {
    let bench = Bench::memory();
    bench.arm(Fault::Rule("B13", "phone", ""), "getNumber", 1);
    let number = bench.number("zz_ok");
    let phone = number.phone_number().unwrap();
    assert!(phone.starts_with("+91 ") && phone.matches(' ').count() == 2, "{phone}");
    let digits = number.purchase().unwrap().digits();
    assert_eq!(digits, phone.replace(['+', ' '], ""));
    bench.arm(Fault::Rule("B13", "id", ""), "getNumber", 1);
    let odd = bench.number("zz_ok");
    assert!(odd.id().contains(':'), "{odd:?}");
    let orders = bench.call(|client| client.get_orders(&OrderQuery::default())).unwrap().orders;
    assert_eq!(orders[1].phone_number.as_deref(), Some(phone));
    assert_eq!(orders[0].activation_id.as_deref(), Some(odd.id()));
    assert_eq!(bench.call(|client| client.get_status(odd.id())).unwrap(), Status::Waiting);
}

/// What an SMS may say; the code of each is the whole of it.
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

pub(super) fn a_text_full_of_tokens_is_a_text() {
    for text in texts() {
        let bench = Bench::memory();
        let number = bench.number("zz_never");
        let sms = serde_json::json!({"id": number.id(), "code": text, "text": text});
        bench.control("sms", &sms.to_string());
        let Status::Received(sms) = bench.call(|client| client.get_status(number.id())).unwrap()
        else {
            panic!("a code came")
        };
        assert_eq!((&sms.code, sms.text.as_ref()), (&text, Some(&text)));
    }
}

pub(super) fn plain_text_that_may_be_cut_is_refused() {
    for variant in ["cut", "whole"] {
        for sends in ["ACCESS_BALANCE:125.50", "NO_BALANCE"] {
            let bench = Bench::new(Door::Socket);
            bench.arm(
                Fault::Rule("N09", variant, format!(r#","body":"{sends}""#).leak()),
                "getBalance",
                0,
            );
            let error = bench.call(Client::get_balance).unwrap_err();
            assert_eq!(
                (error.kind(), error.fault()),
                (ErrorKind::Protocol, Some("N09")),
                "{error:?}"
            );
        }
        // The state is then asked for in a form that shows its end.
        let bench = Bench::new(Door::Socket);
        let number = bench.number("zz_multi");
        bench.arm(Fault::Rule("N09", variant, ""), "getStatus", 0);
        let Status::Received(sms) = bench.call(|client| client.get_status(number.id())).unwrap()
        else {
            panic!("a code came")
        };
        assert_eq!(Some(sms.code), bench.true_code(number.id()));
    }
}

pub(super) fn an_unknown_status_is_kept() {
    let bench = Bench::memory();
    let number = bench.number("zz_ok");
    bench.arm(Fault::Rule("S01", "status", ""), "getStatus", 1);
    let status = bench.call(|client| client.get_status(number.id())).unwrap();
    assert_eq!(status, Status::Other("STATUS_MYSTERY".to_owned()));
    bench.arm(Fault::Rule("S01", "error", ""), "getStatus", 1);
    let error = bench.call(|client| client.get_status(number.id())).unwrap_err();
    assert_eq!(error.code(), Some(&Code::Other("SOMETHING_NEW".to_owned())), "{error:?}");
    assert_eq!(number.ending(), None, "neither ends the order");
}
