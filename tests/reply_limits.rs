//! The limits of memory and time that a hostile or broken server can make a call cost.
//!
//! Each row is a reply and a call. The call runs in a child process, which is this program again,
//! so that its peak memory can be measured alone.

#[path = "transport/server.rs"]
mod server;
#[path = "timing/mod.rs"]
mod timing;

use std::io::Write;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use sastaotp::ErrorKind::{Cancelled, Protocol, Timeout};
use sastaotp::{Amount, CancelToken, Charge, Client, ErrorKind, NumberRequest, OrderQuery};
use server::{Conn, Server};

/// The memory in bytes that a failing call may take.
const MOST: u64 = 20_000_000;

/// The delay before a call is cancelled, in milliseconds.
const CANCELLED_AFTER: u64 = 500;

/// The number of rows that run at the same time.
const AT_ONCE: usize = 4;

/// A reply, the call that receives it, and the expected error.
struct Row {
    name: &'static str,
    call: &'static str,
    reply: fn(&mut Conn),
    kind: ErrorKind,
    /// The name of the fault in the error.
    fault: &'static str,
}

const fn row(
    name: &'static str,
    call: &'static str,
    reply: fn(&mut Conn),
    kind: ErrorKind,
    fault: &'static str,
) -> Row {
    Row { name, call, reply, kind, fault }
}

const ROWS: &[Row] = &[
    row("1 MB of gzip that becomes 1 GB", "prices", gzip_bomb, Protocol, "reply_too_large"),
    row("gzip that was not requested", "balance", gzip_bomb, Protocol, "reply_too_large"),
    row("gzip in reply to a purchase", "number", gzip_bomb, Protocol, "reply_too_large"),
    row("a million empty members of gzip", "prices", empty_members, Protocol, "reply_too_large"),
    row(
        "16 MB in gzip that does not compress",
        "prices",
        stored_gzip,
        Protocol,
        "unexpected_encoding",
    ),
    row(
        "a million empty blocks of gzip, until the call times out",
        "prices",
        empty_blocks,
        Timeout,
        "reply_too_slow",
    ),
    row(
        "a million empty blocks of gzip, until it is cancelled",
        "prices",
        empty_blocks,
        Cancelled,
        "cancelled",
    ),
    row("an endless body in chunks", "prices", endless_body, Protocol, "reply_too_large"),
    row("an endless body for a small reply", "orders", endless_body, Protocol, "reply_too_large"),
    row("a length of an exabyte", "prices", huge_length, Protocol, "reply_too_large"),
    row("endless headers", "balance", endless_headers, Protocol, "reply_too_large"),
    row("one endless header", "balance", endless_header, Protocol, "reply_too_large"),
    row("endless interim replies", "balance", endless_interim, Protocol, "reply_too_large"),
    row("endless trailers", "balance", endless_trailers, Protocol, "reply_too_large"),
    row("an endless chunk extension", "balance", endless_extension, Protocol, "invalid_framing"),
    row(
        "16 MB of opened lists",
        "prices",
        |conn| body(conn, "[".repeat(16_000_000)),
        Protocol,
        "json_too_complex",
    ),
    row("millions of keys: prices", "prices", millions_of_keys, Protocol, "format_mismatch"),
    row("millions of keys: services", "services", millions_of_keys, Protocol, "format_mismatch"),
    row("millions of keys: countries", "countries", millions_of_keys, Protocol, "format_mismatch"),
    row("a list of millions: prices", "prices", millions_of_numbers, Protocol, "format_mismatch"),
    row(
        "a list of millions: services",
        "services",
        millions_of_numbers,
        Protocol,
        "format_mismatch",
    ),
    row(
        "a list of millions: countries",
        "countries",
        millions_of_numbers,
        Protocol,
        "format_mismatch",
    ),
    row(
        "16 MB after text, in many objects",
        "prices",
        numbers_in_objects,
        Protocol,
        "format_mismatch",
    ),
    row(
        "16 MB of invalid UTF-8",
        "prices",
        |conn| body(conn, vec![0xff; 16_000_000]),
        Protocol,
        "invalid_utf8",
    ),
    row(
        "250 KB of opened objects",
        "orders",
        |conn| body(conn, "{\"a\":".repeat(50_000)),
        Protocol,
        "json_too_complex",
    ),
    row(
        "a purchase in 250 KB of opened lists",
        "number",
        |conn| body(conn, "[".repeat(250_000)),
        Protocol,
        "json_too_complex",
    ),
    row(
        "250 KB of braces after a warning",
        "number",
        |conn| body(conn, format!("<br />{}", "{".repeat(250_000))),
        Protocol,
        "html_page",
    ),
    row("a reply that arrives slowly", "balance", drip, Timeout, "reply_too_slow"),
    // Its caller returns at the timeout, and the purchase runs on.
    row("a slow reply to a purchase", "number", drip, Timeout, "-"),
];

#[test]
fn hostile_replies_cost_little_memory_and_time() {
    // A strict run measures the cancellation to 100 ms, so these rows run alone.
    let (alone, together): (Vec<_>, Vec<_>) =
        ROWS.iter().partition(|row| row.kind == ErrorKind::Cancelled);
    let together = Mutex::new(together.into_iter());
    // The rows compute, so a row among all of them would take as long as all of them.
    let mut results: Vec<(&Row, Result<u64, String>)> = thread::scope(|scope| {
        let measure_rows = || {
            let next = || together.lock().expect("measuring does not panic").next();
            std::iter::from_fn(next).map(|row| (row, measure(row))).collect::<Vec<_>>()
        };
        let running = [(); AT_ONCE].map(|()| scope.spawn(measure_rows));
        running
            .into_iter()
            .flat_map(|results| results.join().expect("measuring does not panic"))
            .collect()
    });
    results.extend(alone.into_iter().map(|row| (row, measure(row))));
    let mut failed = Vec::new();
    for (row, result) in results {
        match result {
            Ok(growth) => println!("{growth:>10} bytes: {}", row.name),
            Err(reason) => failed.push(format!("{}: {reason}", row.name)),
        }
    }
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

/// Runs a row in a child process, and returns its growth in bytes.
fn measure(row: &Row) -> Result<u64, String> {
    let reply = row.reply;
    let server = Server::start(move |conn| {
        // The first reply is an ordinary one, because the client's one-time set-up does not count
        // as growth.
        if conn.number == 0 {
            conn.request();
            body(conn, r#"{"22":{"name":"India"}}"#);
        }
        conn.request();
        reply(conn);
    });
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(program)
        .args(["--exact", "child", "--nocapture"])
        .env(
            "SASTAOTP_LIMITS",
            format!("{} {:?} {} {}", row.call, row.kind, timeout(row), server.url()),
        )
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.split_once("RESULT ")).ok_or_else(|| {
        format!("the child printed no result: {text}{}", String::from_utf8_lossy(&output.stderr))
    })?;
    let words: Vec<&str> = line.1.split(' ').collect();
    let [growth, millis, kind, fault] = words[..] else { return Err(line.1.to_owned()) };
    let growth: u64 = growth.parse().map_err(|_| "not a number".to_owned())?;
    let millis: u64 = millis.parse().map_err(|_| "not a number".to_owned())?;
    if (kind, fault) != (format!("{:?}", row.kind).as_str(), row.fault) {
        return Err(format!("it ended with {kind} {fault} after {growth} bytes and {millis} ms"));
    }
    let latest = match row.kind {
        ErrorKind::Cancelled => CANCELLED_AFTER + at_most_ms(100),
        _ => timeout(row) + at_most_ms(1000),
    };
    if growth > MOST || millis > latest {
        return Err(format!("it took {growth} bytes and {millis} ms"));
    }
    Ok(growth)
}

fn at_most_ms(limit: u64) -> u64 {
    u64::try_from(timing::at_most(Duration::from_millis(limit)).as_millis()).expect("seconds")
}

/// The timeout of a call in milliseconds. It is more than a busy machine needs, unless the row
/// expects a timeout.
fn timeout(row: &Row) -> u64 {
    if row.kind == ErrorKind::Timeout { 2_000 } else { 60_000 }
}

/// Runs the call of a row if this process is a child. It does nothing in an ordinary run.
#[test]
fn child() {
    let Ok(row) = std::env::var("SASTAOTP_LIMITS") else { return };
    let words: Vec<&str> = row.split(' ').collect();
    let [call, kind, millis, url] = words[..] else {
        panic!("expected a call, its error, its timeout and a URL: {row}")
    };
    let time = Duration::from_millis(millis.parse().expect("a number"));
    // The key is long enough that the client searches replies for it.
    let mut client = Client::builder()
        .api_key("stp_0123456789abcdef")
        .base_url(url)
        .timeout(time)
        .build()
        .unwrap();
    client.get_countries().unwrap();
    let before = resident("VmRSS");
    let start = Instant::now();
    if kind == "Cancelled" {
        let cancel = CancelToken::new();
        client = client.with_cancel(&cancel);
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(CANCELLED_AFTER));
            cancel.cancel();
        });
    }
    let error = match call {
        "prices" => client.get_prices(None, None).map(|_| ()),
        "services" => client.get_services(None).map(|_| ()),
        "countries" => client.get_countries().map(|_| ()),
        "orders" => client.get_orders(&OrderQuery::default()).map(|_| ()),
        "balance" => client.get_balance().map(|_| ()),
        _ => client
            .get_number(NumberRequest::new("tg").any_country().max_price(Amount::from_rupees(1)))
            .map(|_| ()),
    };
    let error = error.expect_err("none of these replies is valid");
    assert_eq!(error.charge() == Charge::Unknown, call == "number", "{error:?}");
    assert!(error.to_string().len() < 1000);
    let growth = resident("VmHWM").saturating_sub(before);
    let millis = start.elapsed().as_millis();
    println!("RESULT {growth} {millis} {:?} {}", error.kind(), error.fault().unwrap_or("-"));
}

/// Returns a memory figure of this process in bytes, as `/proc/self/status` has it.
fn resident(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("memory is measured on Linux");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .expect("the figure is listed");
    1024 * line.trim().strip_suffix(" kB").and_then(|kib| kib.parse::<u64>().ok()).expect("in KiB")
}

fn body(conn: &mut Conn, body: impl AsRef<[u8]>) {
    let body = body.as_ref();
    conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()));
    conn.send(body);
}

/// Sends `head`, then repeats `more` until the client closes the connection.
fn endless(conn: &mut Conn, head: &str, more: &str) {
    let more = more.repeat(8192 / more.len().max(1));
    if conn.send(head) {
        while conn.send(&more) {}
    }
}

fn millions_of_keys(conn: &mut Conn) {
    body(conn, format!("{{{}\"a\":1}}", "\"a\":1,".repeat(2_600_000)));
}

fn millions_of_numbers(conn: &mut Conn) {
    body(conn, format!("[{}0]", "0,".repeat(8_000_000)));
}

fn numbers_in_objects(conn: &mut Conn) {
    body(conn, format!("x{}[{}", "{\"a\":".repeat(31), "0,".repeat(8_000_000)));
}

fn endless_body(conn: &mut Conn) {
    endless(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "8\r\n{\"a\":1},\r\n");
}

fn endless_headers(conn: &mut Conn) {
    endless(conn, "HTTP/1.1 200 OK\r\n", "X-Filler: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n");
}

fn endless_header(conn: &mut Conn) {
    endless(conn, "HTTP/1.1 200 OK\r\nX-Filler: ", "y");
}

fn endless_interim(conn: &mut Conn) {
    endless(conn, "", "HTTP/1.1 103 Early Hints\r\n\r\n");
}

fn endless_trailers(conn: &mut Conn) {
    endless(
        conn,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\n",
        "X-Trailer: y\r\n",
    );
}

fn endless_extension(conn: &mut Conn) {
    endless(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;", "y");
}

fn huge_length(conn: &mut Conn) {
    endless(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000000000\r\n\r\n", "y");
}

fn drip(conn: &mut Conn) {
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\nACCESS_BALANCE:1000.00" {
        if !conn.send([*byte]) {
            return;
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// Sends a gigabyte of spaces as a thousand members of gzip, one after the other, as the format
/// allows.
fn gzip_bomb(conn: &mut Conn) {
    let bomb = gzip(&vec![b' '; 1 << 20]).repeat(1024);
    assert!((900_000..1_200_000).contains(&bomb.len()), "{}", bomb.len());
    gzipped_body(conn, &bomb);
}

/// Sends 800,000 empty members of gzip.
fn empty_members(conn: &mut Conn) {
    let member = gzip(b"");
    gzipped_body(conn, &member.repeat(16_000_000 / member.len()));
}

/// Sends gzip that is as large as its content. Holding both at once would take twice the limit. The
/// checksum at the end is wrong.
fn stored_gzip(conn: &mut Conn) {
    let block = [&[0, 0, 0x20, 0xff, 0xdf][..], &[b' '; 0x2000]].concat();
    gzipped_body(
        conn,
        &[&GZIP_HEADER[..], &block.repeat(16_000_000 / block.len()), &[3, 0], &[0; 8]].concat(),
    );
}

/// Sends blocks that contain nothing but their code table, which is slow to decode. Eight blocks
/// take 90 bytes.
fn empty_blocks(conn: &mut Conn) {
    // Two lengths of codes are used: "zero, repeated" and "one". The table has 256 zeros, "end of
    // block", and one distance.
    let bits = "0 01 00000 00000 0111 ".to_owned()
        + &["000 000 100 ", &"000 ".repeat(14), "100 "].concat()
        + "1 1111111 1 1101011 0 0 0";
    let bits: Vec<u8> = bits.bytes().filter(|bit| *bit != b' ').map(|bit| bit - b'0').collect();
    let eight = bits.repeat(8);
    let eight: Vec<u8> = eight
        .chunks(8)
        .map(|bits| bits.iter().rev().fold(0, |byte, bit| byte << 1 | bit))
        .collect();
    gzipped_body(
        conn,
        &[&GZIP_HEADER[..], &eight.repeat(16_000_000 / eight.len()), &[3, 0], &[0; 8]].concat(),
    );
}

const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data).expect("to memory");
    encoder.finish().expect("to memory")
}

fn gzipped_body(conn: &mut Conn, body: &[u8]) {
    conn.send(format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        body.len()
    ));
    conn.send(body);
}
