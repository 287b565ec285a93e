//! Fuzzes the replies about the wallet and about one activation: no parser panics, and a code is
//! returned verbatim.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sastaotp::protocol::{RawReply, Status, parse_balance, parse_status, parse_status_change};
use sastaotp_fuzz::{bare, check_failure, check_json, reply};

fuzz_target!(|data: &[u8]| {
    let Some((parser, raw)) = reply(data) else { return };
    match parser % 3 {
        0 => match parse_balance(raw) {
            Ok(balance) => check_json(&balance),
            Err(failure) => check_failure(&failure, raw),
        },
        1 => match parse_status(raw) {
            Ok(status) => check_status(&status, raw),
            Err(failure) => check_failure(&failure, raw),
        },
        _ => match parse_status_change(raw) {
            Ok(change) => check_json(&change),
            Err(failure) => check_failure(&failure, raw),
        },
    }
});

fn check_status(status: &Status, raw: RawReply<'_>) {
    check_json(status);
    let text = bare(raw.body).expect("only text has a status");
    // A JSON string with an escape contains the reply.
    let is_plain = !text.contains(['{', '[', '\\']);
    let Status::Received(sms) = status else { return };
    // The service may find no code in a message: then its text is delivered.
    assert!(!sms.code.trim().is_empty() || sms.text.is_some());
    if !is_plain {
        return;
    }
    // The code is everything after the first colon, and only if the reply's length proves that it
    // is complete.
    assert!(raw.framed && (200..300).contains(&raw.status), "{raw:?}");
    let quotes = ['\'', '"', '`'];
    let is_token = |token: &str| {
        let token = token.trim().trim_matches(quotes);
        ["STATUS_OK", "STATUS_OK_AND_INFORMING"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(token))
    };
    let text = text.trim().trim_matches(quotes);
    // Behind other text, such as a warning of PHP, the status is the last line.
    let last_line = text.trim_end().lines().next_back().unwrap_or_default();
    let is_first = text.split(':').next().is_some_and(is_token);
    let text = if is_first { text } else { last_line }.trim().trim_matches(quotes);
    let (token, code) = text.split_once(':').expect("a code follows a colon");
    assert!(is_token(token), "{token}");
    let is_around = |letter: char| {
        letter.is_whitespace() || letter.is_control() || quotes.contains(&letter)
    };
    assert_eq!(code.trim_matches(is_around), sms.code.trim_matches(is_around));
}
