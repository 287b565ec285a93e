//! Matching: whether an order of the history is a given purchase. Pure.
//!
//! The history does not name the request that made an order. Only the id, the time, the service,
//! the country and the phone number can be compared, and each of them can be missing.

use std::time::Duration;

use crate::Intent;
use crate::protocol::Order;
use crate::protocol::json_input::is_number;

/// How far the service's clock may be behind.
const CLOCK_SKEW: Duration = Duration::from_secs(120);

/// Returns whether the order is older than the purchase. Compares the order ids if both are known,
/// else the times. False if neither is known.
pub(super) fn is_before(order: &Order, intent: &Intent) -> bool {
    let by_id =
        intent.watermark().zip(order.sequence()).map(|(watermark, sequence)| sequence <= watermark);
    let by_time = order.created_at.map(|created| created + CLOCK_SKEW < intent.started_at());
    by_id.or(by_time).unwrap_or(false)
}

/// Returns whether the order may be the purchase: it is newer, and no field proves that it is
/// another.
///
/// If in doubt, returns true. An extra candidate does no harm, because only the user claims
/// candidates; a missing candidate would hide the purchase.
pub(super) fn may_be(order: &Order, intent: &Intent) -> bool {
    let same_number = match (intent.phone_number(), &order.phone_number) {
        (Some(wanted), Some(listed)) => digits(wanted) == digits(listed),
        _ => true,
    };
    !is_before(order, intent)
        && !is_other_service(order, intent)
        && !is_other_country(order, intent)
        && same_number
        && order.activation_id.as_deref().is_none_or(|id| Some(id) != intent.reget_of())
}

/// Returns whether the order looks like a duplicate of the purchase: it may be the purchase, and
/// its service and country are the same if they are given as codes.
pub(super) fn looks_like(order: &Order, intent: &Intent) -> bool {
    let agrees = |wanted: Option<&str>, listed: &Option<String>| match (wanted, listed) {
        (Some(wanted), Some(listed)) => wanted.eq_ignore_ascii_case(listed) || is_name(listed),
        _ => true,
    };
    may_be(order, intent)
        && agrees(intent.service(), &order.service)
        && agrees(intent.country(), &order.country)
}

/// Returns whether the service codes prove that the order is for another service.
///
/// A history without codes has names instead, and a name proves nothing. If the field can hold
/// either, a text of two or three characters that is not a number counts as a code.
fn is_other_service(order: &Order, intent: &Intent) -> bool {
    let (Some(wanted), Some(listed)) = (intent.service(), &order.service) else { return false };
    let is_code = order.is_service_code || ((2..=3).contains(&listed.len()) && !is_number(listed));
    is_code && !is_name(listed) && !wanted.eq_ignore_ascii_case(listed)
}

/// Returns whether the country codes prove that the order is for another country.
///
/// The history can contain a calling code instead: 91 for an Indian number, although India's code
/// is 22. If the order's phone number begins with the code, it counts as a calling code and proves
/// nothing.
fn is_other_country(order: &Order, intent: &Intent) -> bool {
    let (Some(wanted), Some(listed)) = (intent.country(), &order.country) else { return false };
    let is_calling_code =
        order.phone_number.as_deref().is_some_and(|number| digits(number).starts_with(listed));
    is_number(wanted) && is_number(listed) && wanted != listed && !is_calling_code
}

/// Returns whether the text is a name, such as `Telegram`. Codes have no capitals, spaces or
/// characters outside ASCII.
fn is_name(text: &str) -> bool {
    text.contains(|c: char| c.is_uppercase() || c.is_whitespace() || !c.is_ascii())
}

/// The digits of a phone number.
fn digits(number: &str) -> String {
    number.chars().filter(char::is_ascii_digit).collect()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::NumberRequest;

    /// The time of the purchase, ten minutes into a day.
    fn start() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_600)
    }

    fn intent(watermark: Option<u64>) -> Intent {
        NumberRequest::new("tg")
            .country("22")
            .accept_any_price()
            .into_intent(start(), watermark)
            .unwrap()
    }

    /// An order with this id that was made this many seconds after the purchase.
    fn order(id: Option<&str>, seconds: Option<i64>) -> Order {
        let at = |seconds: i64| {
            let by = Duration::from_secs(seconds.unsigned_abs());
            if seconds < 0 { start() - by } else { start() + by }
        };
        Order { order_id: id.map(str::to_owned), created_at: seconds.map(at), ..Order::default() }
    }

    #[test]
    fn older_order_is_found_by_id_or_time() {
        for (watermark, id, seconds, before) in [
            (Some(7), Some("7"), None, true),
            (Some(7), Some("6"), Some(60), true),
            (Some(7), Some("8"), Some(-600), false),
            (Some(7), Some("a"), None, false),
            (Some(7), Some("a"), Some(-121), true),
            (None, Some("6"), Some(-121), true),
            (None, Some("6"), Some(-120), false),
            (None, Some("6"), Some(-119), false),
            (None, Some("6"), Some(60), false),
            (None, None, None, false),
        ] {
            assert_eq!(
                is_before(&order(id, seconds), &intent(watermark)),
                before,
                "{watermark:?} {id:?} {seconds:?}"
            );
        }
    }

    #[test]
    fn service_name_does_not_exclude_an_order() {
        for (service, is_code, may) in [
            (None, false, true),
            (Some("tg"), false, true),
            (Some("TG"), false, true),
            (Some("wa"), false, false),
            (Some("Telegram"), false, true),
            (Some("Telegram"), true, true),
            (Some("telegram"), false, true),
            (Some("telegram"), true, false),
            (Some("tele gram"), false, true),
            (Some("12"), false, true),
            (Some("\u{442}\u{433}"), false, true),
        ] {
            let order = Order {
                service: service.map(str::to_owned),
                is_service_code: is_code,
                ..order(Some("8"), None)
            };
            assert_eq!(may_be(&order, &intent(Some(7))), may, "{service:?} {is_code}");
        }
    }

    #[test]
    fn only_a_country_code_excludes_an_order() {
        for (wanted, listed, number, may) in [
            ("22", "22", None, true),
            ("22", "7", None, false),
            ("22", "91", Some("919812345678"), true),
            ("22", "91", Some("+91 98123 45678"), true),
            ("22", "91", Some("67071234567"), false),
            ("91", "22", Some("919812345678"), false),
            ("22", "in", None, true),
            ("22", "india", None, true),
            ("22", "any", None, true),
            ("any", "22", None, true),
        ] {
            let request = NumberRequest::new("tg").country(wanted).accept_any_price();
            let (country, phone_number) = (Some(listed.to_owned()), number.map(str::to_owned));
            let order = Order { phone_number, country, ..order(Some("8"), None) };
            let intent = request.into_intent(start(), Some(7)).unwrap();
            assert_eq!(may_be(&order, &intent), may, "{wanted} {listed} {number:?}");
        }
    }

    #[test]
    fn duplicate_has_the_same_service_and_country() {
        for (id, service, country, looks) in [
            ("8", None, None, true),
            ("8", Some("TG"), Some("22"), true),
            ("8", Some("Telegram"), Some("India"), true),
            ("8", Some("tele gram"), Some("\u{92d}"), true),
            ("8", Some("telegram"), Some("22"), false),
            ("8", Some("tg"), Some("in"), false),
            ("8", Some("wa"), Some("22"), false),
            ("8", Some("tg"), Some("7"), false),
            ("7", Some("tg"), Some("22"), false),
        ] {
            let [service, country] = [service, country].map(|code| code.map(str::to_owned));
            let order = Order { service, country, ..order(Some(id), None) };
            assert_eq!(looks_like(&order, &intent(Some(7))), looks, "{order:?}");
        }
    }
}
