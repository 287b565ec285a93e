//! The members of a JSON reply that make its refusal doubtful: an order, a word of success, or the
//! code of a failure that may have come after the purchase.
//!
//! They count at any depth and in any spelling of their names: `activationId`, `ACTIVATION_ID`.

use super::error_code::{ErrorCode, refuses_charge};
use super::json_input::{Field, Object};
use super::plain_number::{TOKENS, is_nothing, plain_number};
use super::words::{has_prefix, is_success};

/// The names of members with an order or a phone number. The names are in small letters, without
/// any other character.
const ORDERS: [&str; 12] = [
    "id",
    "idactivation",
    "idorder",
    "tzid",
    "activation",
    "order",
    "number",
    "phone",
    "phonenumber",
    "msisdn",
    "tel",
    "mobile",
];
/// The ends of further names of members with an order, such as `new_order_id`.
const ORDER_ENDS: [&str; 3] = ["activationid", "orderid", "ordernumber"];
/// The names of members that may report success.
const RESULTS: [&str; 15] = [
    "status",
    "statuscode",
    "success",
    "ok",
    "result",
    "state",
    "response",
    "code",
    "message",
    "msg",
    "title",
    "bought",
    "sold",
    "purchased",
    "charged",
];
/// The names of further members that may have an error code.
const ERRORS: [&str; 5] = ["error", "errorcode", "reason", "details", "detail"];
/// The words before the id of an order in a sentence.
const ORDER_WORDS: [&str; 2] = ["activation", "order"];

/// What makes a refusal doubtful.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Doubts {
    /// Whether the reply has an id or a phone number.
    pub(super) names_order: bool,
    /// Whether the reply reports success, a failure that may have come after the purchase, or an
    /// order in a sentence.
    pub(super) is_contradictory: bool,
}

impl Doubts {
    pub(super) fn of(reply: Field<'_>) -> Self {
        let mut doubts = Self::default();
        doubts.read("", reply);
        doubts
    }

    /// Reads the value of a member; `name` is that of the member or of the list around it.
    fn read(&mut self, name: &str, field: Field<'_>) {
        match field.members() {
            Some(members) => {
                for (own, field) in members {
                    let own = own.map(|own| simplified(&own));
                    self.read_member(name, own.as_deref(), field);
                }
            }
            // A list or an object that is too large to read.
            None if field.raw().starts_with(['{', '[']) => self.names_order = true,
            None => {
                if let Some(word) = field.word() {
                    self.read_word(name, &word);
                }
            }
        }
    }

    fn read_member(&mut self, outer: &str, own: Option<&str>, field: Field<'_>) {
        // `{"id": {"value": 77}}` names an order too.
        let is_part = is_order(outer) && own.is_some();
        self.names_order |= is_part && field.word().is_some_and(|word| !is_nothing(&word));
        self.read(own.unwrap_or(outer), field);
    }

    fn read_word(&mut self, name: &str, word: &str) {
        // JSON inside a string.
        if word.starts_with(['{', '['])
            && let Ok(inner) = Field::parse(word)
        {
            return self.read(name, inner);
        }
        self.names_order |= is_order(name) && !is_nothing(word) || has_number(word);
        self.is_contradictory |= RESULTS.contains(&name) && reports_success(name, word)
            || (RESULTS.contains(&name) || ERRORS.contains(&name)) && names_late_failure(word)
            || sentence_names_order(word);
    }
}

/// Whether a member of an object is repeated in another spelling of its name.
pub(super) fn repeats(object: &Object<'_>, names: &[&str]) -> bool {
    names.iter().any(|name| {
        let name = simplified(name);
        object.fields().filter(|(other, _)| simplified(other) == name).count() > 1
    })
}

/// Whether a sentence names an order by its id: `order 77 was created`, `activationId=77`.
pub(super) fn sentence_names_order(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ORDER_WORDS.iter().any(|word| {
        text.match_indices(word).any(|(start, _)| {
            let rest = &text[start + word.len()..];
            let rest = rest.trim_start_matches(['_', ' ']);
            let rest = rest.strip_prefix("id").unwrap_or(rest);
            let is_between = |c: char| c.is_whitespace() || ":=#\"'".contains(c);
            rest.trim_start_matches(is_between).starts_with(|c: char| c.is_ascii_digit())
        })
    })
}

/// A name in small letters without any other character than letters and digits.
fn simplified(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn is_order(name: &str) -> bool {
    let name = name.strip_suffix('s').unwrap_or(name);
    ORDERS.contains(&name) || ORDER_ENDS.iter().any(|end| name.ends_with(end))
}

/// Whether a plain reply inside JSON has a number: `NO_NUMBERS:77:919876543210`.
fn has_number(word: &str) -> bool {
    let rest = word.split_once(':').and_then(|(_, rest)| plain_number(rest));
    rest.is_some_and(|number| number.is_certain)
}

fn reports_success(name: &str, word: &str) -> bool {
    // Services number their errors from 1.
    let is_word = is_success(word) && !(name == "code" && word == "1");
    let is_http_success = word.len() == 3 && word.starts_with('2') && word.parse::<u16>().is_ok();
    let is_result = TOKENS.iter().any(|token| has_prefix(word, token));
    is_word || is_http_success || is_result || has_prefix(word, "STATUS_OK")
}

/// Whether a word is the code of a failure that may have come after the purchase.
fn names_late_failure(word: &str) -> bool {
    let word = word.split(':').next().unwrap_or_default().trim();
    let code = ErrorCode::read(word);
    code.is_known() && !code.is_failure_word() && !refuses_charge(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_found_in_any_spelling_and_depth() {
        for (reply, names_order) in [
            (r#"{"ID":"77"}"#, true),
            (r#"{"Activation_Id":77}"#, true),
            (r#"{"a":[{"b":{"orderId":7}}]}"#, true),
            (r#"{"id":[77]}"#, true),
            (r#"{"id":{"value":77}}"#, true),
            (r#"{"order":"SAS-77"}"#, true),
            (r#"{"activationIds":["77"]}"#, true),
            (r#"{"info":"{\"activationId\":77}"}"#, true),
            (r#"{"status":"NO_NUMBERS:77:919876543210"}"#, true),
            (r#"{"id":null,"phone":"","number":0,"order":[],"order_id":{}}"#, false),
            (r#"{"request_id":"abc","provider":7,"time":"16:12:33"}"#, false),
        ] {
            let doubts = Doubts::of(Field::parse(reply).unwrap());
            assert_eq!(doubts, Doubts { names_order, is_contradictory: false }, "{reply}");
        }
        let many = format!("[{}0]", "0,".repeat(30_000));
        assert!(Doubts::of(Field::parse(&many).unwrap()).names_order, "too large to read");
    }

    #[test]
    fn success_and_late_failures_are_contradictions() {
        for (reply, is_contradictory) in [
            (r#"{"ok":true}"#, true),
            (r#"{"Success":"1"}"#, true),
            (r#"{"status":201}"#, true),
            (r#"{"error":{"code":"NO_NUMBERS","status":"success"}}"#, true),
            (r#"{"message":"OK"}"#, true),
            (r#"{"Status":"ACCESS_NUMBER"}"#, true),
            (r#"{"Error":"SERVER_ERROR"}"#, true),
            (r#"{"data":{"message":"PROVIDER_ERROR: late"}}"#, true),
            (r#"{"text":"order 77 created"}"#, true),
            (r#"{"status":"error","code":1,"error":true,"success":false}"#, false),
            (r#"{"status":404,"message":"No numbers right now","details":"200"}"#, false),
        ] {
            let doubts = Doubts::of(Field::parse(reply).unwrap());
            assert_eq!(doubts, Doubts { names_order: false, is_contradictory }, "{reply}");
        }
    }

    #[test]
    fn a_sentence_names_an_order_by_its_id() {
        for (text, is_named) in [
            ("order 77 created", true),
            ("Order: #77", true),
            ("activationId=77", true),
            ("activation_id 77", true),
            ("missing activation_id", false),
            ("no order for 22", false),
            ("in order to buy 2", false),
        ] {
            assert_eq!(sentence_names_order(text), is_named, "{text}");
        }
    }
}
