//! Redaction: hides the API key, phone numbers, codes, message texts and ids before anything leaves
//! the user's machine.
//!
//! A value is hidden for one of three reasons: the name of its field, that it was hidden elsewhere,
//! or its form. In replies about the account the first rule is reversed: a value is shown only if
//! its field is known to be harmless, so an unknown schema reveals nothing. Each hidden value gets
//! a stand-in of the same shape, and equal values get equal stand-ins.

use std::collections::HashMap;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::lossless_json::Json;

/// The replacement of the API key.
const KEY: &str = "<the API key>";

/// The kind of value that a harmless field may hold. Any other value in it is still hidden.
#[derive(Clone, Copy)]
enum Holds {
    /// A state or a currency: `pending`, `OK`. Only known words may be in capitals, because a code
    /// may be a word in capitals.
    Word,
    /// The name or the code of a country or a service.
    Name,
    /// An amount or a count.
    Figure,
}

/// Names of harmless fields, in lower case and without `_`.
#[rustfmt::skip]
const HARMLESS: [(&str, Holds); 21] = [
    ("cangetanothersms", Holds::Figure), ("cost", Holds::Figure), ("count", Holds::Figure),
    ("expiresin", Holds::Figure), ("limit", Holds::Figure), ("minactivationtime", Holds::Figure),
    ("multisms", Holds::Figure), ("page", Holds::Figure), ("pages", Holds::Figure),
    ("perpage", Holds::Figure), ("price", Holds::Figure), ("total", Holds::Figure),
    ("verificationtype", Holds::Figure), ("country", Holds::Name), ("countrycode", Holds::Name),
    ("countryname", Holds::Name), ("service", Holds::Name), ("servicecode", Holds::Name),
    ("servicename", Holds::Name), ("currency", Holds::Word), ("status", Holds::Word),
];

/// Whose data a reply contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// The catalogue, which is the same for every user: a value is hidden only if it looks private.
    EveryUser,
    /// The account: a value is shown only if it is known to be harmless.
    Account,
}

/// Hides private values and remembers them.
pub(crate) struct Redactor {
    /// The key, verbatim and as encoded in a query.
    key: Vec<String>,
    stand_ins: HashMap<String, String>,
    /// The number of stand-ins of each shape.
    shapes: HashMap<String, u64>,
}

impl Redactor {
    pub(crate) fn new(key: &str) -> Self {
        let encoded = utf8_percent_encode(key, NON_ALPHANUMERIC).to_string();
        Self {
            key: vec![key.to_owned(), encoded],
            stand_ins: HashMap::new(),
            shapes: HashMap::new(),
        }
    }

    /// Returns a JSON value with private parts hidden.
    pub(crate) fn json(&mut self, value: &Json, about: About) -> Json {
        self.value("", value, about)
    }

    fn value(&mut self, name: &str, value: &Json, about: About) -> Json {
        match value {
            Json::Word(word) => Json::Word(word),
            Json::List(members) => {
                Json::List(members.iter().map(|member| self.value(name, member, about)).collect())
            }
            Json::Object(fields) => Json::Object(
                fields
                    .iter()
                    .map(|(field, value)| {
                        (self.name(field, about), self.value(field, value, about))
                    })
                    .collect(),
            ),
            Json::Text(text) => Json::Text(self.leaf(name, text, about)),
            Json::Number(number) => Json::Number(self.leaf(name, number, about)),
        }
    }

    /// Redacts a field's name. A map may be keyed by an id or a phone number, which must be hidden.
    fn name(&mut self, name: &str, about: About) -> String {
        if about == About::Account && !is_name(name) { self.hide(name) } else { self.text(name) }
    }

    fn leaf(&mut self, name: &str, text: &str, about: About) -> String {
        if about == About::EveryUser {
            return self.text(text);
        }
        if let Some(shown) = self.token(text) {
            return shown;
        }
        let name: String = name
            .chars()
            .filter(|c| *c != '_' && *c != '-')
            .collect::<String>()
            .to_ascii_lowercase();
        let holds =
            HARMLESS.iter().find(|(harmless, _)| *harmless == name).map(|(_, holds)| *holds);
        if holds.is_some_and(|holds| holds.fits(text)) { self.text(text) } else { self.hide(text) }
    }

    /// A word of the protocol, such as `STATUS_OK:482113`: only the part before the first colon is
    /// shown.
    fn token(&mut self, text: &str) -> Option<String> {
        let (token, rest) =
            text.split_once(':').map_or((text, None), |(token, rest)| (token, Some(rest)));
        let hidden = rest.map(|rest| format!(":{}", self.hide(rest))).unwrap_or_default();
        is_token(token).then(|| format!("{token}{hidden}"))
    }

    /// Redacts a body that is not JSON.
    pub(crate) fn plain(&mut self, body: &str, about: About) -> String {
        let trimmed = body.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        if let Some(shown) = self.token(trimmed) {
            return body.replacen(trimmed, &shown, 1);
        }
        // A page is the same for every user, but text that only starts like a page may be private.
        let is_page = trimmed.starts_with('<') && !trimmed.contains('{');
        if about == About::EveryUser || is_page || trimmed.is_empty() {
            self.text(body)
        } else {
            self.hide(body)
        }
    }

    /// Like [`Self::text`], but also without control characters, which a terminal would obey.
    pub(crate) fn line(&mut self, text: &str) -> String {
        self.text(text).replace(char::is_control, "?")
    }

    /// Hides the key, values that were hidden elsewhere, and text that looks private.
    pub(crate) fn text(&mut self, text: &str) -> String {
        let text = self.without_known(text);
        let mut shown = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric() || c == '+') {
            let (before, from) = rest.split_at(start);
            shown.push_str(before);
            let length = private_length(from);
            let length = if length > 0 {
                shown.push_str(&self.hide(&from[..length]));
                length
            } else {
                let word =
                    from.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(from.len()).max(1);
                shown.push_str(&from[..word]);
                word
            };
            rest = &from[length..];
        }
        shown.push_str(rest);
        shown
    }

    /// Replaces the key and every value that has a stand-in.
    fn without_known(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for key in &self.key {
            text = replaced(&text, key, KEY);
        }
        // The wallet's balance is hidden only in its own field. Elsewhere the same figure may be a
        // price, which must stay correct.
        let is_identifying = |value: &&String| {
            value.len() >= 12
                || value.len() >= 4
                    && value.bytes().any(|b| b.is_ascii_digit())
                    && !is_amount(value)
        };
        let mut known: Vec<&String> = self.stand_ins.keys().filter(is_identifying).collect();
        known.sort_unstable_by_key(|value| (std::cmp::Reverse(value.len()), *value));
        for value in known {
            text = replaced(&text, value, &self.stand_ins[value]);
        }
        text
    }

    /// Returns the stand-in of a value.
    pub(crate) fn hide(&mut self, value: &str) -> String {
        if let Some(known) = self.stand_ins.get(value) {
            return known.clone();
        }
        if !value.chars().any(char::is_alphanumeric)
            || self.stand_ins.values().any(|stand_in| stand_in == value)
        {
            return value.to_owned();
        }
        let shape: String = value.chars().map(shape_of).collect();
        let count = self.shapes.entry(shape.clone()).or_default();
        *count += 1;
        let stand_in = nth(&shape, *count);
        self.stand_ins.insert(value.to_owned(), stand_in.clone());
        stand_in
    }
}

/// The shape of a character: a digit stays a digit, a letter stays a letter of the same case.
fn shape_of(c: char) -> char {
    match c {
        '0'..='9' => '0',
        'A'..='Z' => 'A',
        'a'..='z' => 'a',
        // Characters of other scripts count as letters, because they reveal as much.
        _ if !c.is_ascii() => 'a',
        _ => c,
    }
}

/// Returns the n-th text of a shape: writes n into its last places. Letters stay hexadecimal
/// digits.
fn nth(shape: &str, mut n: u64) -> String {
    let mut places: Vec<char> = shape.chars().collect();
    let is_number = places.iter().all(|c| *c == '0' || !c.is_alphanumeric());
    let first = places.iter().position(|c| *c == '0');
    for (at, place) in places.iter_mut().enumerate().rev() {
        // The first digit is set below, because a JSON number does not start with 0.
        let base: u8 = match *place {
            _ if is_number && Some(at) == first => continue,
            '0' => 10,
            'a' | 'A' => 6,
            _ => continue,
        };
        let digit = u8::try_from(n % u64::from(base)).unwrap_or_default();
        *place = char::from(*place as u8 + digit);
        n /= u64::from(base);
    }
    if let (true, Some(first)) = (is_number, first) {
        places[first] = '1';
    }
    places.into_iter().collect()
}

/// Replaces a value only as a whole word: inside a longer word or number it is a different value.
fn replaced(text: &str, value: &str, by: &str) -> String {
    let is_long = value.len() >= 16;
    let mut result = String::with_capacity(text.len());
    let mut from = 0;
    for (at, _) in text.match_indices(value) {
        let alone = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        let end = at + value.len();
        if at >= from
            && (is_long
                || alone(text[..at].chars().next_back()) && alone(text[end..].chars().next()))
        {
            result.push_str(&text[from..at]);
            result.push_str(by);
            from = end;
        }
    }
    result.push_str(&text[from..]);
    result
}

/// Whether a text is an amount as the library writes it: digits, a point, and two to six decimals.
fn is_amount(text: &str) -> bool {
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.split_once('.').is_some_and(|(whole, decimals)| {
        all_digits(whole) && all_digits(decimals) && (2..=6).contains(&decimals.len())
    })
}

/// Whether a word has the form of the protocol's words, such as `STATUS_OK`. A single word in
/// capitals does not count, because it may be the code of a message.
pub(crate) fn is_token(word: &str) -> bool {
    (5..=40).contains(&word.len())
        && word.contains('_')
        && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

/// Whether a field's name consists of words: `order_id`, `expiresIn`, `ORDER_ID`. A single word in
/// capitals does not count, because it may be a code.
pub(crate) fn is_name(name: &str) -> bool {
    let words: Vec<&str> = name.split(['_', '-']).collect();
    let is_word = |word: &&str| {
        let rest = word.trim_start_matches(|c: char| c.is_ascii_uppercase());
        let capitals = word.len() - rest.len();
        !word.is_empty()
            && word.bytes().all(|b| b.is_ascii_alphabetic())
            && (rest.is_empty() || capitals <= 1 && is_camel_case(rest))
    };
    let is_capitals = words.len() == 1 && name.bytes().all(|b| b.is_ascii_uppercase());
    name.len() <= 40 && !is_capitals && words.iter().all(is_word)
}

/// Whether every capital is followed by a small letter: `expiresIn`, not `LwASdrXY`.
fn is_camel_case(word: &str) -> bool {
    let mut before = 'x';
    let fits = word.chars().all(|c| {
        let fits = !(c.is_ascii_uppercase() && before.is_ascii_uppercase());
        before = c;
        fits
    });
    fits && before.is_ascii_lowercase()
}

impl Holds {
    fn fits(self, text: &str) -> bool {
        let is_figure = text.len() <= 9
            && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
            && (text.len() <= 4 || text.contains('.'));
        let is_code = text.len() <= 3 && text.bytes().all(|b| b.is_ascii_alphanumeric());
        let has_digits = text.bytes().any(|b| b.is_ascii_digit());
        match self {
            Self::Figure => is_figure,
            Self::Name => {
                is_code
                    || !has_digits
                        && text.chars().count() <= 40
                        && text.split_whitespace().count() <= 3
            }
            Self::Word => {
                let rest = text.strip_prefix(|c: char| c.is_ascii_alphabetic()).unwrap_or(text);
                let is_state = text.len() <= 20 && rest.bytes().all(|b| b.is_ascii_lowercase());
                is_state || matches!(text, "OK" | "ERROR" | "SUCCESS" | "INR" | "USD" | "RUB")
            }
        }
    }
}

/// Returns how many bytes at the start of a text look private: a long run of digits and separators,
/// a network or e-mail address, a key or a token. Returns 0 if none do.
fn private_length(text: &str) -> usize {
    let word = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || "+_.-@".contains(c)))
        .unwrap_or(text.len());
    let word = &text[..word];
    if word.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.')) {
        return word.len();
    }
    let alphanumeric =
        text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    let token = &text[..alphanumeric];
    let digits = token.bytes().filter(u8::is_ascii_digit).count();
    let is_token =
        token.len() >= 16 && digits >= 3 && token.bytes().any(|b| b.is_ascii_alphabetic());
    if token.starts_with("stp_") || is_token {
        return token.len();
    }
    let (mut digits, mut end) = (0, 0);
    for (at, c) in text.char_indices() {
        match c {
            '0'..='9' => (digits, end) = (digits + 1, at + 1),
            '+' if at == 0 => {}
            ' ' | '-' | '(' | ')' | '.' if end == at && at > 0 => {}
            _ => break,
        }
    }
    // If letters follow the digits, the text is a word that contains digits.
    let goes_on = text[end..].starts_with(|c: char| c.is_ascii_alphabetic());
    if digits >= 7 && !goes_on { end } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(json: &str, about: About) -> String {
        Redactor::new("stp_canary").json(&Json::parse(json).unwrap(), about).to_string()
    }

    #[test]
    fn account_replies_show_only_harmless_values() {
        for (json, redacted) in [
            (r#"{"order_id":1234,"price":18.50}"#, r#"{"order_id":1001,"price":18.50}"#),
            (
                r#"{"number":"917991234567","status":"pending"}"#,
                r#"{"number":"100000000001","status":"pending"}"#,
            ),
            (r#"{"phone":"+91 79912 34567"}"#, r#"{"phone":"+10 00000 00001"}"#),
            (r#"{"activation_id":"Lw4S1r37abcXYZ"}"#, r#"{"activation_id":"Aa0A0a00aaaAAB"}"#),
            (
                r#"{"new_thing":{"deep":["Ключ 4821 🔑"]}}"#,
                r#"{"new_thing":{"deep":["aaaa 0000 b"]}}"#,
            ),
            (r#"{"status":"Your code is 4821 now"}"#, r#"{"status":"Aaaa aaaa aa 0000 aab"}"#),
            (r#"{"raw":"STATUS_OK:4821"}"#, r#"{"raw":"STATUS_OK:1001"}"#),
            (r#"{"status":"OK","error":"ZQXWVK"}"#, r#"{"status":"OK","error":"AAAAAB"}"#),
            (r#"{"status":"ZQXWVK","currency":"INR"}"#, r#"{"status":"AAAAAB","currency":"INR"}"#),
            (r#"{"error":"NO_ACTIVATION"}"#, r#"{"error":"NO_ACTIVATION"}"#),
            (r#"{"38496653":{"Lw4S1r37abcXYZ":1}}"#, r#"{"10000001":{"Aa0A0a00aaaAAB":1}}"#),
            (r#"{"created_at":"2026-11-25 06:17:24"}"#, r#"{"created_at":"1000-00-00 00:00:01"}"#),
            (r#"{"count":4821137,"total":42}"#, r#"{"count":1000001,"total":42}"#),
            (r#"{"a":null,"b":true,"c":[]}"#, r#"{"a":null,"b":true,"c":[]}"#),
        ] {
            assert_eq!(shown(json, About::Account), redacted);
        }
    }

    #[test]
    fn each_value_has_a_different_stand_in() {
        let mut redactor = Redactor::new("stp_canary");
        let numbers: Vec<String> =
            (0..300).map(|n| redactor.hide(&format!("9179912{n:05}"))).collect();
        for (at, number) in numbers.iter().enumerate() {
            assert!(!numbers[at + 1..].contains(number));
            assert_eq!(*number, redactor.hide(&format!("9179912{at:05}")));
        }
        assert_eq!(redactor.hide(&numbers[7]), numbers[7], "a stand-in is not hidden again");
    }

    #[test]
    fn a_hidden_value_is_hidden_everywhere() {
        let mut redactor = Redactor::new("k/1");
        let stand_in = redactor.hide("482113");
        assert_eq!(
            redactor.text("the code 482113, not 4821137 or x482113"),
            format!("the code {stand_in}, not 1000001 or x482113")
        );
        assert_eq!(
            redactor.plain("ACCESS_BALANCE:1000.00", About::Account),
            "ACCESS_BALANCE:1000.01"
        );
        assert_eq!(
            redactor.text("wallet 1000.00"),
            "wallet 1000.00",
            "an amount identifies no one"
        );
        assert_eq!(
            redactor.text("?api_key=k%2F1&x, k/1, ak/1"),
            format!("?api_key={KEY}&x, {KEY}, ak/1")
        );
    }

    #[test]
    fn private_looking_text_is_always_hidden() {
        let mut redactor = Redactor::new("stp_canary");
        for (text, redacted) in [
            ("call +91 79912 34567 now", "call +10 00000 00001 now"),
            (
                "Ray ID: 8f2ab1c07dd3e9a1 from 203.0.113.195",
                "Ray ID: 0a0aa0a00aa0a0a1 from 100.0.000.001",
            ),
            ("mail rahul@example.com", "mail aaaaa@aaaaaaa.aab"),
            ("stp_0123456789abcdef", "aaa_0000000000aaaaab"),
            ("price 76.94, 1200 s, count 999", "price 76.94, 1200 s, count 999"),
            ("\u{1b}[2J and\r", "\u{1b}[2J and\r"),
            ("{\"22\":{\"tg\":{\"cost\":76.94}}}", "{\"22\":{\"tg\":{\"cost\":76.94}}}"),
        ] {
            assert_eq!(redactor.text(text), redacted);
        }
        assert_eq!(
            redactor.line("\u{1b}[2J and\r"),
            "?[2J and?",
            "no control characters for a terminal"
        );
    }

    #[test]
    fn plain_bodies_keep_their_first_word() {
        let mut redactor = Redactor::new("stp_canary");
        for (body, redacted) in [
            ("STATUS_OK:12:34", "STATUS_OK:10:01"),
            ("\u{feff}NO_ACTIVATION\r\n", "\u{feff}NO_ACTIVATION\r\n"),
            ("ACCESS_BALANCE:125.50", "ACCESS_BALANCE:100.01"),
            ("{\"sms\":\"4821 is", "{\"aaa\":\"0000 ab"),
            ("<html><b>403</b></html>", "<html><b>403</b></html>"),
        ] {
            assert_eq!(redactor.plain(body, About::Account), redacted);
        }
    }

    #[test]
    fn names_consist_of_words() {
        for name in [
            "order_id",
            "expiresIn",
            "ORDER_ID",
            "verificationType",
            "can_get_another_sms",
            "orders",
        ] {
            assert!(is_name(name), "{name}");
        }
        for name in [
            "1234",
            "Lw4S1r37abcXYZ",
            "LwASdrabcXYZqq",
            "ZQXWVK",
            "a1",
            "",
            "+91",
            "68f2ab1c07dd3e9a1b2c3d4e",
        ] {
            assert!(!is_name(name), "{name}");
        }
    }
}
