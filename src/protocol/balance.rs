//! The wallet: replies of getBalance.

use serde::Serialize;

use super::json_input::Field;
use super::reply::{Body, RawReply, ReplyError, read};
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
    let answer = read(raw)?;
    let rupees = |amount| Balance { amount, currency: "INR".to_owned() };
    match &answer.body {
        // `ACCESS_BALANCE:12` may be the beginning of `ACCESS_BALANCE:125.50`.
        Body::Plain { .. } if !raw.framed => Err(answer.unframed()),
        Body::Plain { token, rest: Some(rest), .. }
            if token.trim().eq_ignore_ascii_case("ACCESS_BALANCE") =>
        {
            Amount::from_wire(rest).map(rupees).ok_or_else(|| answer.unexpected())
        }
        _ => {
            let object = answer.object().ok_or_else(|| answer.unexpected())?;
            let inner =
                object.get(&["data"]).and_then(Field::object).filter(|inner| !inner.is_empty());
            let object = inner.unwrap_or(object);
            let amount = object
                .get(&["balance", "amount"])
                .and_then(Field::amount)
                .ok_or_else(|| answer.unexpected())?;
            Ok(Balance {
                amount,
                currency: object.word(&["currency"]).unwrap_or_else(|| "INR".to_owned()),
            })
        }
    }
}
