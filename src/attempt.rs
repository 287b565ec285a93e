//! `Attempt`: one of the countries that a purchase tried, and how it ended.

use serde::Serialize;

use crate::Amount;

/// One attempt of a purchase with a list of countries or offers, a minimum price, or patience.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Attempt {
    /// The code of the country; `None` if the service may choose it, or an operator pins it.
    pub country: Option<String>,
    /// The code that pins the country, or of the mobile operator.
    pub operator: Option<String>,
    /// The listed price, if the request has a minimum price or the offer has a price.
    #[serde(rename = "price_micros")]
    pub price: Option<Amount>,
    /// The error code of the refusal, such as `NO_NUMBERS`, or `skipped` with the reason after a
    /// colon: then nothing was sent. `None` if the attempt was not refused: it bought the number,
    /// or the error of the call is about it.
    pub refused: Option<String>,
}
