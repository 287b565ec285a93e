//! Fuzzes the replies about the wallet and about one activation: no parser panics, and a code is
//! returned verbatim.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sastaotp::protocol::{RawReply, Status, parse_balance, parse_status, parse_status_change};
use sastaotp_fuzz::{Object, bare, check_failure, check_json, reply, scalar};

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
    check_evidence(status, text);
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
    let is_around =
        |letter: char| letter.is_whitespace() || letter.is_control() || quotes.contains(&letter);
    assert_eq!(code.trim_matches(is_around), sms.code.trim_matches(is_around));
}

/// Checks that a code in JSON is the code of a message. Objects without further members leave no
/// doubt.
fn check_evidence(status: &Status, text: &str) {
    const STATES: [&str; 7] = ["ok", "success", "1", "3", "8", "cancelled", "waiting"];
    let Some(object) = Object::read(text) else { return };
    let Some(raw) = object.raw("code") else { return };
    if object.names().any(|name| !["status", "code"].contains(&name)) {
        return;
    }
    let state = object.raw("status").map(|status| scalar(status).to_ascii_lowercase());
    let code = scalar(raw).to_ascii_lowercase();
    let is_state = state.as_ref().is_none_or(|state| STATES.contains(&state.as_str()));
    let is_nothing = ["true", "false", "null", "0", "-0"].contains(&raw)
        || ["true", "false", "null"].contains(&code.as_str());
    let is_received = matches!(status, Status::Received(_));
    let is_plain = state.as_ref().is_some_and(|state| state.contains(':'));
    assert!(is_plain || !is_received || !is_nothing, "{text}: {status:?}");
    let is_status_code = ["200", "201", "404", "500"].contains(&code.as_str());
    assert!(!is_received || !is_state || !is_status_code, "{text}: {status:?}");
    // A string of four to eight digits is not dropped.
    let is_code = raw.starts_with('"')
        && (4..=8).contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_digit());
    assert!(!is_code || !is_state || is_received, "{text}: {status:?}");
    let is_cancelled = state.is_some_and(|state| state == "status_cancel");
    assert!(!is_code || !is_cancelled || is_received, "{text}: {status:?}");
}
