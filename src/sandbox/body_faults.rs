//! The body faults: functions that edit a correct reply body.
//!
//! Each function takes the true body and returns the faulty one. None of them depends on the
//! action.

#![allow(clippy::needless_pass_by_value)] // the table needs one signature for all

use serde_json::{Value, json};

/// Edits a body.
pub(super) type BodyEdit = fn(Vec<u8>) -> Vec<u8>;

/// The fields that hold an activation id.
const ID_FIELDS: [&str; 2] = ["activation_id", "new_activation_id"];

pub(super) fn half(mut body: Vec<u8>) -> Vec<u8> {
    body.truncate(body.len() / 2);
    body
}

pub(super) fn bom(body: Vec<u8>) -> Vec<u8> {
    around(b"\xEF\xBB\xBF", body, b"")
}

pub(super) fn crlf(body: Vec<u8>) -> Vec<u8> {
    around(b"\r\n", body, b"\r\n")
}

pub(super) fn blanks(body: Vec<u8>) -> Vec<u8> {
    around(b" \t\n", body, b" \n\n")
}

pub(super) fn quotes(body: Vec<u8>) -> Vec<u8> {
    around(b"\"", body, b"\"")
}

pub(super) fn nul(body: Vec<u8>) -> Vec<u8> {
    around(b"", body, b"\0")
}

pub(super) fn invalid_utf8(mut body: Vec<u8>) -> Vec<u8> {
    body.insert(body.len() / 2, 0xFF);
    body
}

pub(super) fn php_warning(body: Vec<u8>) -> Vec<u8> {
    around(
        b"<br />\n<b>Warning</b>:  Undefined array key \"note\" in <b>handler_api.php</b> \
          on line <b>217</b><br />\n",
        body,
        b"",
    )
}

pub(super) fn twice(body: Vec<u8>) -> Vec<u8> {
    let again = body.clone();
    around(b"", body, &again)
}

pub(super) fn junk(body: Vec<u8>) -> Vec<u8> {
    around(b"", body, b"<!-- cached -->")
}

pub(super) fn empty_lists(body: Vec<u8>) -> Vec<u8> {
    edited(body, &|_, value| {
        if matches!(value, Value::Object(_) | Value::Null) {
            *value = Value::Array(Vec::new());
        }
    })
}

pub(super) fn other_types(body: Vec<u8>) -> Vec<u8> {
    edited(body, &|_, value| {
        *value = match &*value {
            Value::Number(number) => Value::String(number.to_string()),
            Value::Bool(true) => Value::String("1".into()),
            Value::Bool(false) => Value::from(0),
            Value::String(text) => match text.parse::<u64>() {
                // A leading zero would be lost, as in PHP; ids and phone numbers have none.
                Ok(number) if number.to_string() == *text => Value::from(number),
                _ => return,
            },
            _ => return,
        }
    })
}

pub(super) fn without_id(body: Vec<u8>) -> Vec<u8> {
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(&body) else {
        return body;
    };
    for name in ID_FIELDS {
        fields.remove(name);
    }
    Value::Object(fields).to_string().into()
}

pub(super) fn null_id(body: Vec<u8>) -> Vec<u8> {
    edited(body, &|name, value| {
        if ID_FIELDS.contains(&name) {
            *value = Value::Null;
        }
    })
}

pub(super) fn extra_fields(body: Vec<u8>) -> Vec<u8> {
    with_first(&body, r#""_new":{"nested":[1,null,"x"]},"flag":true"#)
}

/// The countries in the format of the vendor's page.
pub(super) fn countries_list(body: Vec<u8>) -> Vec<u8> {
    let Some(Value::Object(countries)) = field_of(&body, "countries") else {
        return body;
    };
    let listed: Vec<Value> = countries
        .iter()
        .map(|(code, country)| {
            json!({"id": code.parse::<u64>().ok(), "eng": country["name"], "code": code})
        })
        .collect();
    json!({"status": "OK", "countries": listed, "total": listed.len()}).to_string().into()
}

pub(super) fn price_comma(body: Vec<u8>) -> Vec<u8> {
    priced(body, "\"18,50\"")
}

pub(super) fn price_nan(body: Vec<u8>) -> Vec<u8> {
    priced(body, "\"NaN\"")
}

pub(super) fn price_huge(body: Vec<u8>) -> Vec<u8> {
    priced(body, "1e400")
}

pub(super) fn price_negative(body: Vec<u8>) -> Vec<u8> {
    priced(body, "-1")
}

pub(super) fn deep(body: Vec<u8>) -> Vec<u8> {
    with_first(&body, &format!("\"deep\":{}{}", "[".repeat(10_000), "]".repeat(10_000)))
}

pub(super) fn large(body: Vec<u8>) -> Vec<u8> {
    with_first(&body, &format!("\"large\":\"{}\"", "x".repeat(8 << 20)))
}

pub(super) fn many_keys(body: Vec<u8>) -> Vec<u8> {
    let mut keys = String::with_capacity(14 << 20);
    for key in 0..1_000_000 {
        keys.extend([",\"k", &key.to_string(), "\":0"]);
    }
    with_first(&body, &keys[1..])
}

pub(super) fn duplicate_keys(body: Vec<u8>) -> Vec<u8> {
    with_first(&body, r#""status":"ERROR","activation_id":"1""#)
}

fn around(before: &[u8], mut body: Vec<u8>, after: &[u8]) -> Vec<u8> {
    body.splice(0..0, before.iter().copied());
    body.extend_from_slice(after);
    body
}

/// A field of a JSON object.
fn field_of(body: &[u8], name: &str) -> Option<Value> {
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(body) else {
        return None;
    };
    fields.remove(name)
}

/// Inserts fields at the start of an object. A body that is not an object is replaced with an
/// object of these fields.
fn with_first(body: &[u8], fields: &str) -> Vec<u8> {
    match body.strip_prefix(b"{") {
        Some(rest) => [b"{", fields.as_bytes(), b",", rest].concat(),
        None => [b"{", fields.as_bytes(), b"}"].concat(),
    }
}

/// Replaces the top-level price, cost or balance with this text, which need not be valid JSON.
fn priced(body: Vec<u8>, text: &str) -> Vec<u8> {
    const MARK: &str = "@price@";
    let marked = edited(body, &|name, value| {
        if matches!(name, "price" | "cost" | "balance") {
            *value = Value::String(MARK.into());
        }
    });
    String::from_utf8_lossy(&marked).replace(&format!("\"{MARK}\""), text).into_bytes()
}

/// Edits each field of a JSON object, except `status`. A body that is not an object stays
/// unchanged.
fn edited(body: Vec<u8>, edit: &dyn Fn(&str, &mut Value)) -> Vec<u8> {
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(&body) else {
        return body;
    };
    for (name, value) in &mut fields {
        if name != "status" {
            edit(name, value);
        }
    }
    Value::Object(fields).to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"activation_id":"38496653","multi":false,"price":18.5,"status":"OK"}"#;

    #[test]
    fn each_edit_changes_the_body() {
        let cases: [(BodyEdit, &str); 9] = [
            (half, r#"{"activation_id":"38496653","multi"#),
            (quotes, &format!("\"{BODY}\"")),
            (junk, &format!("{BODY}<!-- cached -->")),
            (other_types, r#"{"activation_id":38496653,"multi":0,"price":"18.5","status":"OK"}"#),
            (without_id, r#"{"multi":false,"price":18.5,"status":"OK"}"#),
            (null_id, r#"{"activation_id":null,"multi":false,"price":18.5,"status":"OK"}"#),
            (
                price_comma,
                r#"{"activation_id":"38496653","multi":false,"price":"18,50","status":"OK"}"#,
            ),
            (
                price_huge,
                r#"{"activation_id":"38496653","multi":false,"price":1e400,"status":"OK"}"#,
            ),
            (duplicate_keys, &format!(r#"{{"status":"ERROR","activation_id":"1",{}"#, &BODY[1..])),
        ];
        for (edit, edited_body) in cases {
            assert_eq!(String::from_utf8(edit(BODY.into())).unwrap(), edited_body);
        }
        let countries = r#"{"countries":{"22":{"code":"22","name":"India"}}}"#;
        let list = r#"{"countries":[{"code":"22","eng":"India","id":22}],"status":"OK","total":1}"#;
        let cases: [(BodyEdit, &str, &str); 2] =
            [(countries_list, countries, list), (countries_list, BODY, BODY)];
        for (edit, body, edited_body) in cases {
            assert_eq!(String::from_utf8(edit(body.into())).unwrap(), edited_body);
        }
        assert!(String::from_utf8(invalid_utf8(BODY.into())).is_err());
        assert_eq!(edited(b"NO_BALANCE".to_vec(), &|_, _| unreachable!()), b"NO_BALANCE");
    }
}
