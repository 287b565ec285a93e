//! `Attempt`: one attempt of a purchase with several countries, and its refusal.

use serde::Serialize;

use crate::Amount;

/// One attempt of a purchase with a list of countries or offers, a minimum price, or patience.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Attempt {
    /// The code of the country; `None` if the service may choose it, or an operator pins it.
    pub country: Option<String>,
    /// The operator of the request: a code that pins the country, or a mobile operator. `None` if
    /// the request has none.
    pub operator: Option<String>,
    /// The listed price, if the request has a minimum price or the offer has a price.
    #[serde(rename = "price_micros")]
    pub price: Option<Amount>,
    /// Why the purchase moved on: the error code of the refusal, such as `NO_NUMBERS`, or
    /// `skipped: ` and the reason if nothing was sent. `None` for an attempt that bought the number
    /// or ended the call: its failure is the error of the call.
    pub refused: Option<String>,
}
