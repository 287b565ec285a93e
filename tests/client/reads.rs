//! Reads: their results, their retries and their error messages.

use std::sync::Arc;
use std::time::Duration;

use sastaotp::transport::{Reply, Request, Transport, TransportError};

use serde_json::json;

use crate::adapter::{
    Amount, ApiKeyLocation, ErrorKind, OrderQuery, OrderStatus, PriceLimit, Retry, SetStatus,
    Status, StatusChange,
};
use crate::fixture::{Fixture, KEY, request, seconds};

#[test]
fn the_catalogue_can_be_read() {
    let fixture = Fixture::new();
    assert_eq!(fixture.client.get_balance().unwrap().amount, Amount::from_rupees(1000));
    let india = fixture.client.find_country("india").unwrap();
    assert_eq!(india.len(), 1);
    assert_eq!(india[0].code, "22");
    let services = fixture.client.get_services(Some("tg")).unwrap();
    assert_eq!(services.len(), 1);
    assert!(
        services[0].countries.iter().any(|offer| &*offer.country == "22" && offer.price.is_some())
    );
    assert!(fixture.client.get_services(None).unwrap().len() > 10);
    let prices = fixture.client.get_prices(None, None).unwrap();
    assert!(prices.len() > 100 && prices.countries().any(|country| country == "22"));
    assert_eq!(prices.iter().count(), prices.len());
}

#[test]
fn the_key_travels_at_its_configured_location() {
    for location in [ApiKeyLocation::Header, ApiKeyLocation::Bearer, ApiKeyLocation::Query] {
        let fixture = Fixture::with(|builder| builder.api_key_location(location));
        assert!(fixture.client.get_balance().is_ok(), "{location:?}");
    }
    let fixture = Fixture::new();
    assert!(!format!("{:?}", fixture.client).contains(KEY));
}

#[test]
fn orders_are_paged_without_repeats() {
    let fixture = Fixture::new();
    fixture.control("seed", r#"{"wallet":"100000"}"#);
    for _ in 0..25 {
        fixture.buy("zz_ok");
    }
    let query = OrderQuery { limit: 10, ..OrderQuery::default() };
    let orders: Vec<_> = fixture.client.orders(query.clone()).map(Result::unwrap).collect();
    assert_eq!(orders.len(), 25);
    assert!(orders.windows(2).all(|pair| pair[0].sequence() > pair[1].sequence()), "newest first");
    let page = fixture.client.get_orders(&query).unwrap();
    assert_eq!((page.orders.len(), page.total), (10, Some(25)));
    let done = OrderQuery { status: Some(OrderStatus::Completed), ..query };
    assert_eq!(fixture.client.orders(done).count(), 0);
    let error =
        fixture.client.get_orders(&OrderQuery { limit: 101, ..OrderQuery::default() }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

#[test]
fn a_read_is_retried_twice() {
    for fault in [
        "name_not_resolved",
        "connect_refused",
        "reset_before_reply",
        "reply_lost",
        "reply_truncated",
        "reply_timeout",
        "tls_handshake_failed",
        "request_timeout",
        "server_error",
        "cdn_error",
        "html_page",
        "empty_body",
        "json_truncated",
        "maintenance",
    ] {
        let fixture = Fixture::new();
        let arm = |times| {
            fixture.fault(format!(
                r#"{{"match":{{"action":"getBalance"}},"fault":"{fault}","times":{times}}}"#
            ));
        };
        arm(2);
        assert!(fixture.client.get_balance().is_ok(), "{fault}");
        arm(3);
        let error = fixture.client.get_balance().unwrap_err();
        // These two look like another fault to the client.
        let reported = match fault {
            "maintenance" => "server_error",
            "reset_before_reply" => "reply_lost",
            _ => fault,
        };
        assert!(error.fault().is_some_and(|fault| fault == reported), "{error:?}");
    }
}

#[test]
fn permanent_failures_are_not_retried() {
    for fault in [
        "certificate_rejected",
        "proxy_refused",
        "redirected",
        "http_client_error",
        "key_rejected",
        "blocked_by_firewall",
        "unframed_reply",
        "key_revoked",
    ] {
        let fixture = Fixture::new();
        fixture
            .fault(format!(r#"{{"match":{{"action":"getStatus"}},"fault":"{fault}","times":0}}"#));
        let id = fixture.buy("zz_ok").id().to_owned();
        let _ = fixture.client.get_status(&id);
        assert!(fixture.count("getStatus") <= 1, "{fault}");
    }
}

#[test]
fn retry_after_is_honoured_unless_too_long() {
    let fixture = Fixture::new();
    fixture.fault(
        r#"{"match":{"action":"getBalance"},"fault":"too_many_requests","retry_after":"7"}"#,
    );
    fixture.client.get_balance().unwrap();
    assert_eq!(fixture.now(), 7_000);
    fixture.fault(
        r#"{"match":{"action":"getBalance"},"fault":"too_many_requests","retry_after":"86400"}"#,
    );
    let error = fixture.client.get_balance().unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::RateLimited, Retry::After(seconds(86_400)))
    );
    assert_eq!(fixture.now(), 7_000, "the client does not sleep for a day");
    // A maintenance page has the status 503.
    for (fault, variant) in [
        ("request_timeout", ""),
        ("server_error", ""),
        ("server_error", "json"),
        ("cdn_error", ""),
        ("maintenance", ""),
    ] {
        for (retry_after, slept, succeeds) in [(7, 7_000, true), (0, 0, true), (86_400, 0, false)] {
            let fixture = Fixture::new();
            let mut rule = json!({"match": {"action": "getBalance"}, "fault": fault});
            rule["retry_after"] = retry_after.to_string().into();
            if !variant.is_empty() {
                rule["variant"] = variant.into();
            }
            fixture.fault(rule);
            assert_eq!(
                fixture.client.get_balance().is_ok(),
                succeeds,
                "{fault} {variant} {retry_after}"
            );
            assert!(
                (slept..=slept + 500).contains(&fixture.now()),
                "{fault} {variant} {retry_after}: {}",
                fixture.now()
            );
        }
    }
}

#[test]
fn a_call_ends_within_its_timeout() {
    for timeout in [0, 1, 10] {
        let fixture = Fixture::new();
        fixture.fault(r#"{"fault":"reply_timeout","times":0}"#);
        let client = fixture.client.with_timeout(seconds(timeout));
        let error = client.get_balance().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert!(fixture.now() <= u128::from(timeout) * 1000 + 1000, "{timeout}: {}", fixture.now());
    }
}

#[test]
fn low_level_status_calls_return_the_services_answer() {
    let fixture = Fixture::new();
    let id = fixture.buy("zz_multi").id().to_owned();
    let Status::Received(sms) = fixture.client.get_status(&id).unwrap() else {
        panic!("the code is available at once")
    };
    assert!(sms.text.is_some());
    assert_eq!(
        fixture.client.set_status(&id, SetStatus::NextCode).unwrap(),
        StatusChange::WaitingForNext
    );
    assert_eq!(
        fixture.client.set_status(&id, SetStatus::Complete).unwrap(),
        StatusChange::Completed
    );
    let error = fixture.client.set_status(&id, SetStatus::Cancel).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyFinished);
    let id = fixture.buy("zz_never").id().to_owned();
    assert_eq!(fixture.client.set_status(&id, SetStatus::SmsSent).unwrap(), StatusChange::Ready);
    assert_eq!(
        fixture.client.set_status(&id, SetStatus::CancelLegacy).unwrap(),
        StatusChange::Cancelled
    );
    assert_eq!(fixture.client.get_status(&id).unwrap(), Status::Cancelled);
    assert_eq!(fixture.client.get_status("a\nb").unwrap_err().kind(), ErrorKind::Config);
}

#[test]
fn a_key_echoed_by_the_server_is_masked() {
    let fixture = Fixture::new();
    let page = format!("<html>{KEY}</html>");
    fixture.fault(json!({"fault": "html_page", "body": page, "times": 0}));
    let error = fixture.client.get_balance().unwrap_err();
    assert!(!format!("{error} {error:?}").contains(KEY), "{error}");
    assert!(error.to_string().contains("***"), "{error}");
    assert!(fixture.now() < Duration::from_secs(20).as_millis());
}

/// A server that returns the same bytes to every request.
#[derive(Debug)]
struct FixedReply(Vec<u8>);

impl Transport for FixedReply {
    fn exchange(&self, _: &Request<'_>) -> Result<Reply, TransportError> {
        Ok(Reply { status: 200, framed: true, body: self.0.clone(), ..Reply::default() })
    }
}

#[test]
fn a_key_amid_invalid_utf8_is_masked() {
    let body = [b"\xff\xfe", KEY.as_bytes(), b"\xff", KEY.as_bytes()].concat();
    let fixture = Fixture::with(|builder| builder.transport(Arc::new(FixedReply(body))));
    let error = fixture.client.get_balance().unwrap_err();
    assert!(
        error.fault().is_some_and(|fault| fault == "invalid_utf8"),
        "the reply is still not text: {error}"
    );
    assert!(!format!("{error} {error:?}").contains(KEY), "{error}");
}

#[test]
fn a_short_key_never_masks_replies() {
    for key in ["any", "1234", "fifteen-letters"] {
        let fixture = Fixture::with(|builder| builder.api_key(key));
        let id = fixture.buy("zz_never").id().to_owned();
        let body = format!("STATUS_OK:{key}");
        let rule = json!({"match": {"action": "getStatus"}, "fault": "html_page", "body": body});
        fixture.transport.control(key, "faults", &rule.to_string()).unwrap();
        let Status::Received(sms) = fixture.client.get_status(&id).unwrap() else {
            panic!("a code arrived")
        };
        assert_eq!(sms.code, key);
    }
}

#[test]
fn errors_shorten_very_long_arguments() {
    let Fixture { client, .. } = Fixture::new();
    let long = "a".repeat(1 << 20);
    for error in [
        client.get_status(&long).unwrap_err(),
        client.set_status(&long, SetStatus::Cancel).unwrap_err(),
        client.activation(&long).unwrap_err(),
        client.get_number(request(&long)).unwrap_err(),
        client.reget_number(&long, PriceLimit::Any).unwrap_err(),
    ] {
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Config, "{}", &text[..500.min(text.len())]);
        assert!(text.len() < 500, "{} bytes: {}", text.len(), &text[..200]);
    }
}
