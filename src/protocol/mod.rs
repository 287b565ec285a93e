//! Encodes the requests of the service and parses its replies: bytes in, types out.
//!
//! No socket, clock or client is used. A parser takes the HTTP status, the body, and whether the
//! body is known to be complete; it returns the meaning of the reply or a [`ReplyError`]. It never
//! guesses: a result contains only facts that the reply proves.

mod activation_ids;
mod balance;
mod calling_codes;
mod countries;
mod error_code;
pub(crate) mod json_input;
pub(crate) mod json_output;
pub(crate) mod large_reply;
mod order_date;
mod order_status;
mod orders;
mod plain_number;
mod prices;
mod purchase_reply;
mod refusal_doubts;
mod reply;
mod request;
mod services;
mod sms;
mod status;
mod string_table;
mod words;

pub use activation_ids::activation_ids_in;
pub use balance::{Balance, parse_balance};
pub use countries::{Country, find_countries, parse_countries};
pub use error_code::{ErrorCode, ErrorCodeClass};
pub use order_status::OrderStatus;
pub use orders::{Order, OrderPage, parse_orders};
pub use prices::{Price, Prices, parse_prices};
pub use purchase_reply::{ChargeReply, Purchase, parse_number, parse_reget};
pub use reply::{InvalidReply, RawReply, ReplyError, ServiceError};
pub use request::{ActionClass, InvalidRequest, Request, SetStatus};
pub use services::{Offer, Service, Services, parse_services};
pub use sms::Sms;
pub use status::{Status, StatusChange, parse_status, parse_status_change};

pub(crate) use calling_codes::{calling_code, calling_code_warning};
pub(crate) use request::key_parameter;
pub(crate) use status::{StatusReply, parse_status_reply};
