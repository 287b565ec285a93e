//! Several threads wait for the code of one number.

use std::time::Duration;

use crate::server::{Sandbox, request};

#[test]
fn threads_waiting_for_one_number_share_polls() {
    let sandbox = Sandbox::start("shared_wait");
    let number = sandbox.client().get_number(request("zz_ok")).unwrap();
    let codes: Vec<String> = std::thread::scope(|scope| {
        let wait = || number.wait_for_code(Duration::from_secs(30)).unwrap().code;
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(wait)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(codes.windows(2).all(|pair| pair[0] == pair[1]), "{codes:?}");
    assert_eq!(
        (sandbox.count("getStatus"), sandbox.count("getStatusV2")),
        (2, 1),
        "the first poll, and the one that returns the code"
    );
}
