//! The client against the sandbox in this process, on a clock that the tests move: hours take milliseconds.

mod bench;
mod charges;
mod front;
mod progress;
mod reads;
mod settling;
mod waits;

#[test]
fn handles_go_between_threads() {
    fn is_shared<T: Send + Sync + Clone + 'static>() {}
    is_shared::<sastaotp::Client>();
    is_shared::<sastaotp::Activation>();
    is_shared::<sastaotp::CancelToken>();
    is_shared::<sastaotp::Error>();
}
