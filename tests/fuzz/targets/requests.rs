//! Fuzzes the encoder of requests. A decoder in this file reads back exactly the arguments, or the
//! request was refused because of an invalid argument.
#![no_main]

use std::cell::OnceCell;
use std::time::Duration;

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use sastaotp::protocol::{Request, SetStatus};
use sastaotp::transport::{self, HttpConfig, HttpTransport, Lane, ProxyChoice, SendLatch, fuzzing};
use sastaotp::{Amount, CancelToken};

thread_local! {
    static PARTS: OnceCell<(HttpTransport, CancelToken)> = const { OnceCell::new() };
}

fuzz_target!(|data: &[u8]| {
    let _ = run(&mut Unstructured::new(data));
});

fn run(input: &mut Unstructured<'_>) -> Result<()> {
    let which: u8 = input.arbitrary()?;
    let (number, page): (u32, u32) = (input.arbitrary()?, input.arbitrary()?);
    let micros: i64 = input.arbitrary()?;
    let (id, other, third): (&str, Option<&str>, Option<&str>) =
        (input.arbitrary()?, input.arbitrary()?, input.arbitrary()?);
    let statuses = [
        SetStatus::Cancel,
        SetStatus::CancelLegacy,
        SetStatus::SmsSent,
        SetStatus::NextCode,
        SetStatus::Complete,
    ];
    let value: Option<&str> = input.arbitrary()?;
    let parameters: Vec<_> =
        value.map(|value| ("ref".to_owned(), value.to_owned())).into_iter().collect();
    let status = statuses[number as usize % statuses.len()];
    let max_price = (page & 1 == 1).then(|| Amount::from_micros(micros));
    let multi_sms = page & 2 == 2;
    let request = match which % 10 {
        0 => Request::GetBalance,
        1 => Request::GetCountries,
        2 => Request::GetServices { service: other },
        3 => Request::GetPrices { service: other, country: third },
        4 => Request::GetOrders { limit: number, page, status: other },
        5 => Request::GetStatus { id },
        6 => Request::GetStatusV2 { id },
        7 => Request::SetStatus { id, status },
        8 => Request::GetNumber {
            service: id,
            country: other,
            max_price,
            operator: third,
            multi_sms,
            parameters: &parameters,
        },
        _ => Request::RegetNumber { id },
    };
    let expected = expected(&request);
    let query = request.query();
    match (&query, &expected) {
        (Ok(query), Some(pairs)) => assert_eq!(&decode(query), pairs, "{request:?} as {query}"),
        (Err(error), None) => assert!(error.0.len() < 600 && !error.0.contains('\n'), "{error:?}"),
        _ => panic!("{request:?}: {query:?}, expected {expected:?}"),
    }
    // The same query in a request head with an arbitrary key must give exactly one request, without
    // injected lines.
    let key: &str = input.arbitrary()?;
    let raw: &str = input.arbitrary()?;
    for query in [query.as_deref().unwrap_or("a=b"), raw] {
        check_head(query, key);
    }
    Ok(())
}

/// Returns the expected parameters; `None` if an argument is invalid.
fn expected(request: &Request<'_>) -> Option<Vec<(String, String)>> {
    let mut pairs = vec![("action", Some(request.action().to_owned()))];
    let mut valid = true;
    let mut word = |text: Option<&str>| {
        let is_word = |text: &str| {
            let known = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
            !text.is_empty() && text.len() <= 64 && text.chars().all(known)
        };
        valid &= text.is_none_or(is_word);
        text.map(str::to_owned)
    };
    let mut json = true;
    match *request {
        Request::GetServices { service } => pairs.push(("service", word(service))),
        Request::GetPrices { service, country } => {
            pairs.extend([("service", word(service)), ("country", word(country))]);
        }
        Request::GetOrders { limit, page, status } => {
            let status = word(status);
            valid &= (1..=100).contains(&limit) && page > 0;
            pairs.extend([
                ("limit", Some(limit.to_string())),
                ("page", Some(page.to_string())),
                ("status", status),
            ]);
        }
        Request::GetStatus { id } => {
            json = false;
            valid = is_id(id);
            pairs.push(("id", Some(id.to_owned())));
        }
        Request::SetStatus { id, status } => {
            json = false;
            valid = is_id(id);
            pairs.push(("id", Some(id.to_owned())));
            pairs.push(("status", Some(status.value().to_string())));
        }
        Request::GetStatusV2 { id } | Request::RegetNumber { id } => {
            valid = is_id(id);
            pairs.push(("id", Some(id.to_owned())));
        }
        Request::GetNumber { service, country, max_price, operator, multi_sms, parameters } => {
            let (service, country, operator) = (word(Some(service)), word(country), word(operator));
            valid &= max_price.is_none_or(|price| price.micros() > 0);
            pairs.extend([("service", service), ("country", country)]);
            pairs.push(("maxPrice", max_price.map(|price| price.to_string())));
            pairs.extend([("operator", operator), ("multiSMS", multi_sms.then(|| "1".to_owned()))]);
            for (_, value) in parameters {
                let is_short = (1..=256).contains(&value.chars().count());
                valid &= is_short && !value.chars().any(char::is_control);
                pairs.push(("ref", Some(value.clone())));
            }
        }
        _ => {}
    }
    if json {
        pairs.push(("format", Some("json".to_owned())));
    }
    valid.then(|| {
        pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    })
}

/// Returns whether a text may be an activation id: odd characters are encoded.
fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 256 && id.trim() == id && !id.chars().any(char::is_control)
}

fn decode(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .map(|pair| {
            let (name, value) = pair.split_once('=').expect("each parameter has a value");
            (unescape(name), unescape(value))
        })
        .collect()
}

fn unescape(text: &str) -> String {
    let (mut bytes, mut out) = (text.bytes(), Vec::new());
    while let Some(byte) = bytes.next() {
        out.push(if byte == b'%' {
            let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
            u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
        } else {
            assert!(byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte), "{text}");
            byte
        });
    }
    String::from_utf8(out).unwrap()
}

fn check_head(query: &str, key: &str) {
    PARTS.with(|parts| {
        let (transport, cancel) = parts.get_or_init(|| {
            let mut config = HttpConfig::new("http://127.0.0.1:9/api");
            config.proxy = ProxyChoice::Direct;
            (HttpTransport::new(config).unwrap(), CancelToken::new())
        });
        let request = transport::Request {
            lane: Lane::Charge,
            query,
            key_header: Some(("X-API-Key", key)),
            gzip: false,
            body_limit: 100,
            timeout: Duration::from_secs(60),
            cancel,
            latch: &SendLatch::default(),
        };
        let (result, sent) = fuzzing::exchange(transport, &request, b"", 1);
        let error = result.expect_err("the connection ends without a reply");
        let plain = |text: &str, most: &str| {
            text.len() <= 4096
                && text.chars().all(|c| (' '..='~').contains(&c) && !most.contains(c))
        };
        if !(plain(query, " #") && plain(key, "")) {
            assert!(!error.sent && sent.is_empty(), "{query:?} {key:?}: {error:?}");
            return;
        }
        let text = String::from_utf8(sent).unwrap();
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(lines.len(), 9, "{text:?}");
        assert_eq!(lines[0], format!("GET /api?{query} HTTP/1.1"));
        assert_eq!(lines[6], format!("X-API-Key: {key}"));
        assert_eq!(lines[7..], ["", ""]);
        assert!(text.split(['\r', '\n']).count() == 2 * lines.len() - 1);
    });
}
