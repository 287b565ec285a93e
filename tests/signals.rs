//! A signal handler triggers a token: every blocked call returns, and no handler blocks.

#![allow(unsafe_code, reason = "registering a signal handler is unsafe")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use sastaotp::{Amount, CancelToken, Charge, Client, ErrorKind, NumberRequest};
/// Longer than any call may take after its token is triggered.
const HANG: Duration = Duration::from_secs(60);

/// Handlers run for all tests of the process.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `body` while the signal triggers the token.
#[cfg(unix)]
fn with_handler<T>(token: &CancelToken, body: impl FnOnce() -> T) -> T {
    let trigger = token.clone();
    // SAFETY: triggering a token is async-signal-safe.
    let handler = unsafe {
        signal_hook::low_level::register(signal_hook::consts::SIGUSR1, move || trigger.cancel())
    };
    let result = body();
    signal_hook::low_level::unregister(handler.unwrap());
    result
}

#[cfg(unix)]
fn raise() {
    signal_hook::low_level::raise(signal_hook::consts::SIGUSR1).unwrap();
}

#[cfg(windows)]
use runtime_library::{raise, with_handler};

/// The signals of C's runtime library. Its function `raise` calls the handler in the same thread.
#[cfg(windows)]
mod runtime_library {
    use std::ffi::c_int;
    use std::ptr;
    use std::sync::atomic::{AtomicPtr, Ordering};

    use sastaotp::CancelToken;

    type Handler = extern "C" fn(c_int);

    const SIGINT: c_int = 2;
    static TOKEN: AtomicPtr<CancelToken> = AtomicPtr::new(ptr::null_mut());

    unsafe extern "C" {
        fn signal(signal: c_int, handler: Handler) -> *mut u8;
        #[link_name = "raise"]
        fn raise_signal(signal: c_int) -> c_int;
    }

    extern "C" fn cancel(_: c_int) {
        // SAFETY: `with_handler` set it, and `raise` is called in its body alone.
        unsafe { &*TOKEN.load(Ordering::SeqCst) }.cancel();
    }

    pub(super) fn with_handler<T>(token: &CancelToken, body: impl FnOnce() -> T) -> T {
        TOKEN.store(ptr::from_ref(token).cast_mut(), Ordering::SeqCst);
        body()
    }

    pub(super) fn raise() {
        // SAFETY: triggering a token is allowed in a handler. `raise` removes the handler first.
        unsafe {
            signal(SIGINT, cancel);
            assert_eq!(raise_signal(SIGINT), 0);
        }
    }
}

/// Returns the URL of a service that has no orders and replies to nothing else, and the actions
/// that it received.
fn silent_service() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let received = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&received);
    thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming().map_while(Result::ok) {
            let mut request = String::new();
            BufReader::new(&stream).read_line(&mut request).unwrap();
            if request.contains("getOrders") {
                let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n[]";
                (&stream).write_all(head.as_bytes()).unwrap();
            } else {
                open.push(stream);
            }
            log.lock().unwrap().push(request);
        }
    });
    (url, received)
}

#[test]
fn a_signal_ends_every_blocked_call() {
    let _alone = alone();
    let (url, received) = silent_service();
    let token = CancelToken::new();
    let client = Client::builder().api_key("stp_canary_signals").base_url(url).build().unwrap();
    let client = client.with_cancel(&token);
    let number = client.activation("7").unwrap();
    let request = NumberRequest::new("tg").country("22").max_price(Amount::from_rupees(20));
    thread::scope(|scope| {
        let wait = scope.spawn(|| token.wait(HANG));
        let read = scope.spawn(|| client.get_balance().unwrap_err());
        let code = scope.spawn(|| number.wait_for_code(HANG).unwrap_err());
        let purchase = scope.spawn(|| client.get_number(request).unwrap_err());
        with_handler(&token, || {
            let start = Instant::now();
            let has_arrived =
                |action: &str| received.lock().unwrap().iter().any(|line| line.contains(action));
            while !["getBalance", "getStatus", "getNumber"].into_iter().all(has_arrived) {
                assert!(start.elapsed() < HANG, "the calls send their requests");
                thread::sleep(Duration::from_millis(5));
            }
            raise();
            assert!(wait.join().unwrap(), "it was triggered");
            for error in [read, code].map(|call| call.join().unwrap()) {
                assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
            }
            let error = purchase.join().unwrap();
            assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
            assert_eq!(error.charge(), Charge::Unknown, "the reply is awaited: {error}");
            assert_eq!(client.unclaimed().len(), 1, "it is listed");
        });
    });
}

#[test]
fn a_signal_races_with_the_first_wait() {
    let _alone = alone();
    for round in 0..2000 {
        let token = CancelToken::new();
        with_handler(&token, || {
            thread::scope(|scope| {
                let waiter = scope.spawn(|| token.wait(Duration::MAX));
                for _ in 0..round % 100 {
                    std::hint::spin_loop();
                }
                raise();
                assert!(waiter.join().unwrap());
            });
        });
    }
}
