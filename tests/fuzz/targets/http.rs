//! Fuzzes the transport's reader with the bytes of a connection: it returns complete replies or
//! errors, however the bytes are split.
#![no_main]

use std::cell::OnceCell;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use sastaotp::CancelToken;
use sastaotp::transport::{
    Cause, HttpConfig, HttpTransport, Lane, Phase, ProxyChoice, Reply, Request, SendLatch,
    TransportError, fuzzing,
};

const LIMIT: usize = 1000;
const KEY: &str = "stp_canary";

thread_local! {
    static PARTS: OnceCell<(HttpTransport, CancelToken)> = const { OnceCell::new() };
}

fuzz_target!(|data: &[u8]| {
    let [flags, step, bytes @ ..] = data else { return };
    let whole = exchange(*flags, bytes, bytes.len());
    let pieces = exchange(*flags, bytes, usize::from(*step) + 1);
    check(&whole, *flags, bytes);
    check(&pieces, *flags, bytes);
    // Bytes after the end of a reply make it an error if the client sees them. If it does not, the
    // connection is not kept.
    let unseen =
        whole.as_ref().is_err_and(|error| error.message.ends_with("there are bytes after its end"));
    match (&whole, &pieces) {
        (Ok(whole), Ok(pieces)) => {
            assert_eq!(
                (whole.status, whole.framed, &whole.body),
                (pieces.status, pieces.framed, &pieces.body)
            );
            assert_eq!(whole.retry_after, pieces.retry_after);
        }
        (Err(_), Err(_)) => {}
        _ => assert!(unseen, "whole {whole:?}, in pieces {pieces:?}"),
    }
});

fn exchange(flags: u8, bytes: &[u8], step: usize) -> Result<Reply, TransportError> {
    PARTS.with(|parts| {
        let (transport, cancel) = parts.get_or_init(|| {
            let mut config = HttpConfig::new("http://127.0.0.1:9/stubs/handler_api.php");
            config.proxy = ProxyChoice::Direct;
            (HttpTransport::new(config).unwrap(), CancelToken::new())
        });
        let latch = SendLatch::default();
        let request = Request {
            lane: if flags & 1 == 0 { Lane::Read } else { Lane::Charge },
            query: "action=getBalance",
            key_header: Some(("X-API-Key", KEY)),
            gzip: flags & 2 != 0,
            body_limit: LIMIT,
            timeout: Duration::from_secs(60),
            cancel,
            latch: &latch,
        };
        let (result, sent) = fuzzing::exchange(transport, &request, bytes, step);
        assert!(latch.is_sent() && sent.ends_with(b"X-API-Key: stp_canary\r\n\r\n"));
        result
    })
}

fn check(result: &Result<Reply, TransportError>, flags: u8, bytes: &[u8]) {
    let reply = match result {
        Ok(reply) => reply,
        Err(error) => {
            assert!(error.sent && error.phase == Phase::Receive, "{error:?}");
            let expected = [
                Cause::Closed,
                Cause::Truncated,
                Cause::TooLarge,
                Cause::Malformed,
                Cause::Encoding,
            ];
            assert!(expected.contains(&error.cause), "{error:?}");
            assert!(error.message.is_ascii() && !error.message.contains(KEY), "{error:?}");
            return;
        }
    };
    assert!((200..600).contains(&reply.status) && reply.body.len() <= LIMIT);
    // Without a header for the length, nothing proves the end. The headers are searched in all
    // bytes, so this check may only miss an error.
    let text = bytes.to_ascii_lowercase();
    let has = |name: &[u8]| text.windows(name.len()).any(|window| window == name);
    if !has(b"content-length") && !has(b"transfer-encoding") && ![204, 304].contains(&reply.status)
    {
        assert!(!reply.framed, "{reply:?}");
        let compressed = flags & 2 != 0 && has(b"gzip");
        assert!(compressed || bytes.ends_with(&reply.body));
    }
}
