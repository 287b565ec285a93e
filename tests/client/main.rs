//! Tests of the client against an in-process sandbox, on a clock that the tests move, so that hours
//! take milliseconds.

#[path = "rust_adapter.rs"]
mod adapter;
mod charges;
mod exactness;
mod field_cases;
mod fixture;
mod handles;
mod histories;
mod offers;
mod progress;
mod reads;
mod refusals;
mod settling;
mod waits;

#[test]
fn handles_can_be_shared_between_threads() {
    fn is_shared<T: Send + Sync + Clone + 'static>() {}
    is_shared::<sastaotp::Client>();
    is_shared::<sastaotp::Activation>();
    is_shared::<sastaotp::CancelToken>();
    is_shared::<sastaotp::Error>();
}
