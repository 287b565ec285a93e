//! Reads: what they return, and how they are repeated.

use std::sync::Arc;
use std::time::Duration;

use sastaotp::transport::{Reply, Request, Transport, TransportError};

use crate::bench::{Bench, KEY, request, seconds};
use crate::front::{
    Amount, ApiKeyLocation, ErrorKind, OrderQuery, OrderStatus, Retry, SetStatus, Status,
    StatusChange,
};

#[test]
fn the_catalogue_is_read() {
    let bench = Bench::new();
    assert_eq!(bench.client.get_balance().unwrap().amount, Amount::from_rupees(1000));
    let india = bench.client.find_country("india").unwrap();
    assert_eq!(india.len(), 1);
    assert_eq!(india[0].code, "22");
    let services = bench.client.get_services(Some("tg")).unwrap();
    assert_eq!(services.len(), 1);
    assert!(
        services[0].countries.iter().any(|offer| &*offer.country == "22" && offer.price.is_some())
    );
    assert!(bench.client.get_services(None).unwrap().len() > 10);
    let prices = bench.client.get_prices(None, None).unwrap();
    assert!(prices.len() > 100 && prices.countries().any(|country| country == "22"));
    assert_eq!(prices.iter().count(), prices.len());
}

#[test]
fn the_key_goes_where_it_is_told() {
    for place in [ApiKeyLocation::Header, ApiKeyLocation::Bearer, ApiKeyLocation::Query] {
        let bench = Bench::with(|builder| builder.api_key_location(place));
        assert!(bench.client.get_balance().is_ok(), "{place:?}");
    }
    let bench = Bench::new();
    assert!(!format!("{:?}", bench.client).contains(KEY));
}

#[test]
fn orders_are_read_page_by_page_each_once() {
    let bench = Bench::new();
    bench.control("seed", r#"{"wallet":"100000"}"#);
    for _ in 0..25 {
        bench.buy("zz_ok");
    }
    let query = OrderQuery { limit: 10, ..OrderQuery::default() };
    let orders: Vec<_> = bench.client.orders(query.clone()).map(Result::unwrap).collect();
    assert_eq!(orders.len(), 25);
    assert!(orders.windows(2).all(|pair| pair[0].sequence() > pair[1].sequence()), "newest first");
    let page = bench.client.get_orders(&query).unwrap();
    assert_eq!((page.orders.len(), page.total), (10, Some(25)));
    let done = OrderQuery { status: Some(OrderStatus::Completed), ..query };
    assert_eq!(bench.client.orders(done).count(), 0);
    let error =
        bench.client.get_orders(&OrderQuery { limit: 101, ..OrderQuery::default() }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

#[test]
fn a_read_is_repeated_twice_with_pauses_that_grow() {
    for fault in [
        "N01", "N03", "N05", "N06", "N08", "N10", "N14", "H05", "H07", "H08", "H09", "H10", "B01",
        "S17",
    ] {
        let bench = Bench::new();
        let arm = |times| {
            bench.fault(&format!(
                r#"{{"match":{{"action":"getBalance"}},"fault":"{fault}","times":{times}}}"#
            ))
        };
        arm(2);
        assert!(bench.client.get_balance().is_ok(), "{fault}");
        arm(3);
        let error = bench.client.get_balance().unwrap_err();
        assert_eq!(
            error.fault().map(|id| id[..1].to_owned()),
            Some(fault.replace('S', "H")[..1].to_owned()),
            "{fault}: {error:?}"
        );
    }
}

#[test]
fn what_cannot_pass_is_not_repeated() {
    for fault in ["N13", "N16", "H01", "H02", "H03", "H04", "N09", "S18"] {
        let bench = Bench::new();
        bench
            .fault(&format!(r#"{{"match":{{"action":"getStatus"}},"fault":"{fault}","times":0}}"#));
        let id = bench.buy("zz_ok").id().to_owned();
        let _ = bench.client.get_status(&id);
        assert!(bench.count("getStatus") <= 1, "{fault}");
    }
}

#[test]
fn a_pause_that_the_server_asks_for_is_kept_unless_it_is_too_long() {
    let bench = Bench::new();
    bench.fault(r#"{"match":{"action":"getBalance"},"fault":"H06","retry_after":"7"}"#);
    bench.client.get_balance().unwrap();
    assert_eq!(bench.now(), 7_000);
    bench.fault(r#"{"match":{"action":"getBalance"},"fault":"H06","retry_after":"86400"}"#);
    let error = bench.client.get_balance().unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::RateLimited, Retry::After(seconds(86_400)))
    );
    assert_eq!(bench.now(), 7_000, "nobody sleeps a day");
    // Maintenance says so with 503.
    for (fault, more) in
        [("H05", ""), ("H07", ""), ("H07", r#","variant":"json""#), ("H08", ""), ("S17", "")]
    {
        for (told, slept, passes) in [(7, 7_000, true), (0, 0, true), (86_400, 0, false)] {
            let bench = Bench::new();
            bench.fault(&format!(
                r#"{{"match":{{"action":"getBalance"}},"fault":"{fault}","retry_after":"{told}"{more}}}"#
            ));
            assert_eq!(bench.client.get_balance().is_ok(), passes, "{fault}{more} {told}");
            assert!(
                (slept..=slept + 500).contains(&bench.now()),
                "{fault}{more} {told}: {}",
                bench.now()
            );
        }
    }
}

#[test]
fn a_call_ends_within_its_time() {
    for timeout in [0, 1, 10] {
        let bench = Bench::new();
        bench.fault(r#"{"fault":"N10","times":0}"#);
        let client = bench.client.with_timeout(seconds(timeout));
        let error = client.get_balance().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert!(bench.now() <= u128::from(timeout) * 1000 + 1000, "{timeout}: {}", bench.now());
    }
}

#[test]
fn low_level_status_calls_say_what_the_service_says() {
    let bench = Bench::new();
    let id = bench.buy("zz_multi").id().to_owned();
    let Status::Received(sms) = bench.client.get_status(&id).unwrap() else {
        panic!("the code is there at once")
    };
    assert!(sms.text.is_some());
    assert_eq!(
        bench.client.set_status(&id, SetStatus::NextCode).unwrap(),
        StatusChange::WaitingForNext
    );
    assert_eq!(bench.client.set_status(&id, SetStatus::Complete).unwrap(), StatusChange::Completed);
    let error = bench.client.set_status(&id, SetStatus::Cancel).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyFinished);
    let id = bench.buy("zz_never").id().to_owned();
    assert_eq!(bench.client.set_status(&id, SetStatus::SmsSent).unwrap(), StatusChange::Ready);
    assert_eq!(
        bench.client.set_status(&id, SetStatus::CancelLegacy).unwrap(),
        StatusChange::Cancelled
    );
    assert_eq!(bench.client.get_status(&id).unwrap(), Status::Cancelled);
    assert_eq!(bench.client.get_status("a/b").unwrap_err().kind(), ErrorKind::Config);
}

#[test]
fn a_server_that_repeats_the_key_does_not_get_it_printed() {
    let bench = Bench::new();
    bench.fault(&format!(
        r#"{{"match":{{"action":"getBalance"}},"fault":"H09","body":"<html>{KEY}</html>","times":0}}"#
    ));
    let error = bench.client.get_balance().unwrap_err();
    assert!(!format!("{error} {error:?}").contains(KEY), "{error}");
    assert!(error.to_string().contains("***"), "{error}");
    assert!(bench.now() < Duration::from_secs(20).as_millis());
}

/// A server that answers every request with the same bytes.
#[derive(Debug)]
struct Parrot(Vec<u8>);

impl Transport for Parrot {
    fn exchange(&self, _: &Request<'_>) -> Result<Reply, TransportError> {
        Ok(Reply { status: 200, framed: true, retry_after: None, body: self.0.clone() })
    }
}

#[test]
fn a_key_beside_bytes_that_are_not_utf8_is_not_printed_either() {
    let body = [b"\xff\xfe", KEY.as_bytes(), b"\xff", KEY.as_bytes()].concat();
    let bench = Bench::with(|builder| builder.transport(Arc::new(Parrot(body))));
    let error = bench.client.get_balance().unwrap_err();
    assert!(error.fault().is_some_and(|fault| fault == "B03"), "it is still no text: {error}");
    assert!(!format!("{error} {error:?}").contains(KEY), "{error}");
}

#[test]
fn a_short_key_does_not_change_what_the_service_says() {
    for key in ["any", "1234", "fifteen-letters"] {
        let bench = Bench::with(|builder| builder.api_key(key));
        let id = bench.buy("zz_never").id().to_owned();
        let body = format!("STATUS_OK:{key}");
        let fault =
            serde_json::json!({"match": {"action": "getStatus"}, "fault": "H09", "body": body});
        bench.transport.control(key, "faults", &fault.to_string()).unwrap();
        let Status::Received(sms) = bench.client.get_status(&id).unwrap() else {
            panic!("a code came")
        };
        assert_eq!(sms.code, key);
    }
}

#[test]
fn an_argument_that_is_far_too_long_is_not_repeated_whole() {
    let Bench { client, .. } = Bench::new();
    let long = "a".repeat(1 << 20);
    for error in [
        client.get_status(&long).unwrap_err(),
        client.set_status(&long, SetStatus::Cancel).unwrap_err(),
        client.activation(&long).unwrap_err(),
        client.get_number(request(&long)).unwrap_err(),
        client.reget_number(&long).unwrap_err(),
    ] {
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Config, "{}", &text[..500.min(text.len())]);
        assert!(text.len() < 500, "{} bytes: {}", text.len(), &text[..200]);
    }
}
