//! The wallet: replies of getBalance.

use serde::Serialize;

use super::json_input::{Field, trim_invisible};
use super::reply::{Body, RawReply, ReplyError, parse_unescaped, read};
use crate::Amount;

/// The balance of the wallet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Balance {
    /// The amount.
    #[serde(rename = "amount_micros")]
    pub amount: Amount,
    /// The currency according to the service; `INR` if the reply has none.
    pub currency: String,
}

/// Reads a reply of getBalance.
pub fn parse_balance(raw: RawReply<'_>) -> Result<Balance, ReplyError> {
    parse_unescaped(raw, balance)
}

fn balance(raw: RawReply<'_>) -> Result<Balance, ReplyError> {
    let answer = read(raw)?;
    let rupees = |amount| Balance { amount, currency: "INR".to_owned() };
    match &answer.body {
        // `ACCESS_BALANCE:12` may be the beginning of `ACCESS_BALANCE:125.50`.
        Body::Plain { .. } if !raw.framed => Err(answer.unframed()),
        Body::Plain { text, .. } => {
            amount_in_text(text).map(rupees).ok_or_else(|| answer.unexpected())
        }
        _ => {
            let object = answer.object().ok_or_else(|| answer.unexpected())?;
            let inner =
                object.get(&["data"]).and_then(Field::object).filter(|inner| !inner.is_empty());
            // `{"status": "ACCESS_BALANCE:12.50"}`
            let in_text = object.fields().find_map(|(_, field)| amount_in_text(&field.text()?));
            let object = inner.unwrap_or(object);
            let stated = object.get(&["balance", "amount"]).and_then(Field::amount);
            let amount = stated.or(in_text).ok_or_else(|| answer.unexpected())?;
            Ok(Balance {
                amount,
                currency: object.word(&["currency"]).unwrap_or_else(|| "INR".to_owned()),
            })
        }
    }
}

/// The amount in `ACCESS_BALANCE:12.50`.
fn amount_in_text(text: &str) -> Option<Amount> {
    let (token, amount) = text.split_once(':')?;
    let is_balance = token.trim().eq_ignore_ascii_case("ACCESS_BALANCE");
    Amount::from_wire(trim_invisible(amount)).filter(|_| is_balance)
}
