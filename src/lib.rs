//! Client library for the `SastaOTP` service: buy a temporary phone number, wait for the SMS code
//! sent to it, then complete the order or cancel it for a refund.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use sastaotp::{Amount, Client, NumberRequest, OnTooEarly};
//!
//! let client = Client::from_env()?; // reads SASTAOTP_API_KEY
//! let request = NumberRequest::new("tg").country("22").max_price(Amount::from_rupees(80));
//! let number = client.lease(request)?;
//! println!("send the SMS to {}", number.phone_number().unwrap_or("?"));
//! println!("the code is {}", number.wait_for_code(Duration::from_secs(300))?.code);
//! number.close(OnTooEarly::Wait)?; // completes; without a code it would cancel for the refund
//! # Ok::<(), sastaotp::Error>(())
//! ```
//!
//! The service charges money over a GET request, so this library
//!
//! - sends a purchase at most once: it repeats the request only if no byte of it was sent;
//! - reports [`Charge::Unknown`] if it is unknown whether a purchase was made, and
//!   [`Client::reconcile`] then looks for its order;
//! - never loses a code you paid for, and returns from each call within its timeout.
//!
//! # The words
//!
//! | type | meaning |
//! |---|---|
//! | [`NumberRequest`] | what you want to buy: service, country, price limit |
//! | [`Intent`] | a purchase that is about to be made; it finds the order if the reply is lost |
//! | [`Purchase`] | the reply that confirms a purchase: activation id, phone number, price |
//! | [`Activation`] | the handle of one number: waits for codes, completes, cancels |
//! | [`Lease`] | an activation that settles itself: completes if a code arrived, else cancels |
//! | [`Order`] | a row of the order history |
//! | [`Sms`] | a message that arrived, with its code |
//! | [`Settlement`] | the result of closing an order: its [`SettlementState`] and the code |
//! | [`Ending`] | how the service says that an order ended: completed, cancelled, expired |
//! | [`Unclaimed`] | a purchase that no caller holds: claim it with [`Client::activation`] |
//! | [`Status`] | the answer to "has the code arrived?"; [`OrderStatus`] is the history's word |
//! | [`SetStatus`] | the change that you request; [`StatusChange`] is the service's answer |
//! | [`Price`] | a row of the price list; [`Offer`] is the same for one service of the catalogue |
//! | [`Attempt`] | one attempt of a purchase with several countries, and its refusal |
//! | [`ErrorCode`] | the service's error code, such as `NO_NUMBERS`; an SMS code is text |
//! | [`Retry`] | whether the same call may succeed later; it retries nothing |
//!
//! # The layers
//!
//! An arrow means "uses"; no layer uses a layer above it.
//!
//! ```text
//!  bindings/python    bindings/node    programs in C and C++
//!         |                 |                   |
//!         +-----------------+-------------------+
//!                           v
//!                         capi            the C functions, one file for each Rust type
//!                           |
//!              queue <------+             many operations at once on a few threads
//!                |          |
//!                +----------+
//!                           v
//!                        client           the calls, the retries and the budget:
//!                           |               lease -> settle -> wait -> activation -> transition
//!                           |               buy -> charge; fallback -> buy, charge
//!                           |               reconcile -> matching, orders -> read
//!                           |               each call -> core -> account -> ledger -> record
//!                           |                           account -> journaling -> record_json
//!                           |                           core -> rate_limit, redact, api_key
//!         +-----------------+-----------------+---------------+
//!         v                 v                 v               v
//!    order_state  ->   protocol          transport         journal
//!    codes, polls,     requests and      one HTTP          write-ahead
//!    expiry: pure      replies: pure     exchange          log on disk
//!
//!  Values that every layer uses:  amount   cancel_token   clock   error   intent
//!  The service itself, for tests: sandbox  (an HTTP server, or a transport in memory)
//! ```
//!
//! | to change | edit |
//! |---|---|
//! | the action or the parameters of a request | `protocol/request.rs` |
//! | how a reply is parsed | `protocol/` (a file for each action) |
//! | an error code of the service: its meaning and its hint | `protocol/error_code.rs` |
//! | an error kind, and the text of errors | `error.rs` |
//! | a setting of the client | `client/builder.rs` |
//! | a setting of connections: timeouts, proxy | `transport/config.rs` |
//! | which certificates are trusted | `transport/trust.rs` |
//! | the kinds of proxies, and their URLs | `transport/proxy.rs`, `transport/socks.rs` |
//! | the poll interval, and the end of a wait | `order_state/wait.rs` |
//! | how often a read is repeated | `client/read.rs` |
//! | how often a purchase is attempted | `client/charge.rs` |
//! | which country is attempted next, and the pauses between them | `client/fallback.rs` |
//! | which offers are listed, and their order | `client/offers.rs` |
//! | how often a status change is repeated | `client/transition.rs` |
//! | the budget, and the list of unclaimed purchases | `client/ledger.rs` |
//! | requests per second, and the reaction to HTTP 429 | `client/rate_limit.rs` |
//! | when and how far the history is searched for a purchase | `client/reconcile.rs` |
//! | whether a history proves that an order is missing | `client/history.rs` |
//! | which order may be a given purchase, and the evidence | `client/matching.rs` |
//! | complete or cancel, and waiting until cancelling is allowed | `client/settle.rs` |
//! | an operation of the queue | `queue/operation.rs`, `queue/operation_json.rs` |
//! | the threads of the queue | `queue/threads.rs` |
//! | a long call as steps that the queue and a blocking caller run | `client/task.rs`, `wait.rs` |
//! | what a record changes in the ledger | `client/record.rs`, `client/ledger.rs` |
//! | the JSON text of a record in the journal | `client/record_json.rs` |
//! | the ledger in the journal, and the files of other processes | `client/journaling.rs` |
//! | the files of the journal, their locks and their syncs | `journal/` |
//! | sockets, waits, files and signals of each system | `system/` |
//! | which clients share a ledger | `client/account.rs` |
//! | which handles share the state of an order | `client/live_activations.rs` |
//! | a C function or getter | the file of `capi/` with the name of the Rust type |
//! | a sandbox scenario (a magic service such as `zz_ok`) | `sandbox/scenarios.rs` |
//! | a fault that the sandbox can inject | `sandbox/fault_table.rs`, `sandbox/fault_injection.rs` |
//! | a method of the Python clients | `_async_client.py` of `bindings/python`, for both clients |
//! | a method of the Node client | `lib/client.js` and `lib/index.d.ts` of `bindings/node` |
//!
//! Tests of pure logic are in the file that they test. Tests of behaviour are in `tests/`:
//! `tests/client` for calls against the sandbox in memory, `tests/sockets` for calls over TCP, and
//! `tests/faults` for each fault, such as a lost reply: `rows.rs` has a row for each, and a fault
//! that takes several steps is in `scenarios/` (`purchases.rs` for purchases).
//!
//! The clock and the transport are passed to the client, so the tests of everything above them need
//! no sockets and no waiting. With feature `sandbox` the crate contains the service itself, small
//! and deterministic: see the module `sandbox`.

mod amount; // money in micro-rupees
mod attempt; // one attempt of a purchase with several countries
mod cancel_token; // ends blocked calls from another thread
#[cfg(feature = "capi")]
pub mod capi; // the C functions
mod client; // the calls, the retries and the budget
pub mod clock; // time as an argument
mod error; // the one error type
mod intent; // a purchase that is about to be made
mod number_request; // the number to buy
mod order_state; // the codes of one order, and when to poll it next
mod queue; // many operations at once
#[cfg(feature = "sandbox")]
pub mod sandbox; // the service itself, for tests
mod threads; // threads that their owner can join

// Public only for this project's tests, benches and programs. Not part of the API.
#[doc(hidden)]
pub mod journal; // a write-ahead log on disk
#[doc(hidden)]
pub mod protocol; // requests to text, replies to types
#[doc(hidden)]
pub mod system; // the operating system behind one interface
#[doc(hidden)]
pub mod transport; // one HTTP exchange

pub use amount::{Amount, ParseAmountError};
pub use attempt::Attempt;
pub use cancel_token::CancelToken;
#[cfg(fuzzing)]
#[doc(hidden)]
pub use client::fuzzing as client_fuzzing;
pub use client::{
    Activation, ApiKeyLocation, BASE_URL, Candidate, Client, ClientBuilder, Lease, OfferQuery,
    OnTooEarly, OrderQuery, Orders, Progress, Reconciliation, Resolution, SettledLease, Settlement,
    SettlementState, Unclaimed, UnclaimedOutcome, WaitOptions,
};
// Public only for the doctor.
#[doc(hidden)]
pub use client::{JournalFile, JournalPurchase, read_journal};
pub use error::{Charge, Error, ErrorKind, Result, Retry};
pub use intent::Intent;
pub use journal::Durability;
pub use number_request::{NumberRequest, PriceLimit};
pub use order_state::Ending;
pub use protocol::{
    Balance, Country, ErrorCode, ErrorCodeClass, Offer, Order, OrderPage, OrderStatus, Price,
    Prices, Purchase, Service, Services, SetStatus, Sms, Status, StatusChange,
};
#[cfg(feature = "sandbox")]
#[doc(hidden)]
pub use queue::SingleStep;
pub use queue::{Completion, Operation, Output, Queue, Ticket};
pub use transport::{Phase, Roots};

/// The snippets of the README, so that they compile and run as documentation tests.
#[cfg(all(doctest, feature = "sandbox"))]
#[doc = include_str!("../README.md")]
struct Readme;
