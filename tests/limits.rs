//! What a hostile or broken server can make the client cost: memory, measured as the peak of a process of its own, and time.
//!
//! Each row is a reply and a call. The call runs in a child, which is this program again, so that its memory is its own.

#[path = "transport/server.rs"]
mod server;

use std::io::Write;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use sastaotp::{Amount, CancelToken, Charge, Client, ErrorKind, NumberRequest, OrderQuery};
use server::{Conn, Server};

/// How much memory a call may take that ends with an error.
const MOST: u64 = 20_000_000;

/// When a call that is to be cancelled is, in milliseconds.
const CANCELLED_AFTER: u64 = 500;

/// A reply, and the call that is answered with it.
struct Row {
    name: &'static str,
    call: &'static str,
    reply: fn(&mut Conn),
    kind: ErrorKind,
    /// The row of the fault matrix.
    fault: &'static str,
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    Row { name: "1 MB of gzip that becomes 1 GB", call: "prices", reply: gzip_bomb, kind: ErrorKind::Protocol, fault: "N12" },
    Row { name: "gzip where none was asked for", call: "balance", reply: gzip_bomb, kind: ErrorKind::Protocol, fault: "H14" },
    Row { name: "gzip where a purchase was asked for", call: "number", reply: gzip_bomb, kind: ErrorKind::Protocol, fault: "H14" },
    Row { name: "a million empty members of gzip", call: "prices", reply: empty_members, kind: ErrorKind::Protocol, fault: "N12" },
    Row { name: "16 MB in gzip that does not compress", call: "prices", reply: stored_gzip, kind: ErrorKind::Protocol, fault: "H14" },
    Row { name: "a million empty blocks of gzip, until the call's time is over", call: "prices", reply: empty_blocks, kind: ErrorKind::Timeout, fault: "N11" },
    Row { name: "a million empty blocks of gzip, until a cancellation", call: "prices", reply: empty_blocks, kind: ErrorKind::Cancelled, fault: "N17" },
    Row { name: "a body without end, in chunks", call: "prices", reply: endless_body, kind: ErrorKind::Protocol, fault: "N12" },
    Row { name: "a body without end where little is expected", call: "orders", reply: endless_body, kind: ErrorKind::Protocol, fault: "N12" },
    Row { name: "a length of an exabyte", call: "prices", reply: huge_length, kind: ErrorKind::Protocol, fault: "N12" },
    Row { name: "headers without end", call: "balance", reply: endless_headers, kind: ErrorKind::Protocol, fault: "N12" },
    Row { name: "one header without end", call: "balance", reply: endless_header, kind: ErrorKind::Protocol, fault: "N12" },
    Row { name: "interim replies without end", call: "balance", reply: endless_interim, kind: ErrorKind::Protocol, fault: "N12" },
    Row { name: "trailers without end", call: "balance", reply: endless_trailers, kind: ErrorKind::Protocol, fault: "N12" },
    Row { name: "a chunk's extension without end", call: "balance", reply: endless_extension, kind: ErrorKind::Protocol, fault: "H13" },
    Row { name: "16 MB of opened lists", call: "prices", reply: |conn| body(conn, "[".repeat(16_000_000)), kind: ErrorKind::Protocol, fault: "B10" },
    Row { name: "millions of keys: prices", call: "prices", reply: |conn| body(conn, format!("{{{}\"a\":1}}", "\"a\":1,".repeat(2_600_000))), kind: ErrorKind::Protocol, fault: "B11" },
    Row { name: "millions of keys: services", call: "services", reply: |conn| body(conn, format!("{{{}\"a\":1}}", "\"a\":1,".repeat(2_600_000))), kind: ErrorKind::Protocol, fault: "B11" },
    Row { name: "millions of keys: countries", call: "countries", reply: |conn| body(conn, format!("{{{}\"a\":1}}", "\"a\":1,".repeat(2_600_000))), kind: ErrorKind::Protocol, fault: "B11" },
    Row { name: "a list of millions: prices", call: "prices", reply: |conn| body(conn, format!("[{}0]", "0,".repeat(8_000_000))), kind: ErrorKind::Protocol, fault: "B11" },
    Row { name: "a list of millions: services", call: "services", reply: |conn| body(conn, format!("[{}0]", "0,".repeat(8_000_000))), kind: ErrorKind::Protocol, fault: "B11" },
    Row { name: "a list of millions: countries", call: "countries", reply: |conn| body(conn, format!("[{}0]", "0,".repeat(8_000_000))), kind: ErrorKind::Protocol, fault: "B11" },
    Row { name: "16 MB behind text, in many objects", call: "prices", reply: |conn| body(conn, format!("x{}[{}", "{\"a\":".repeat(31), "0,".repeat(8_000_000))), kind: ErrorKind::Protocol, fault: "B11" },
    Row { name: "16 MB that are no text", call: "prices", reply: |conn| body(conn, vec![0xff; 16_000_000]), kind: ErrorKind::Protocol, fault: "B03" },
    Row { name: "250 KB of opened objects", call: "orders", reply: |conn| body(conn, "{\"a\":".repeat(50_000)), kind: ErrorKind::Protocol, fault: "B10" },
    Row { name: "a purchase in 250 KB of opened lists", call: "number", reply: |conn| body(conn, "[".repeat(250_000)), kind: ErrorKind::Protocol, fault: "B10" },
    Row { name: "250 KB of braces behind a warning", call: "number", reply: |conn| body(conn, format!("<br />{}", "{".repeat(250_000))), kind: ErrorKind::Protocol, fault: "H09" },
    Row { name: "a reply that drips", call: "balance", reply: drip, kind: ErrorKind::Timeout, fault: "N11" },
    Row { name: "a purchase whose reply drips", call: "number", reply: drip, kind: ErrorKind::Timeout, fault: "N11" },
];

#[test]
fn no_reply_takes_more_than_20_mb_or_the_time_of_the_call() {
    // A cancellation has to be obeyed within 100 ms: these rows have the machine to themselves.
    let (alone, together): (Vec<_>, Vec<_>) =
        ROWS.iter().partition(|row| row.kind == ErrorKind::Cancelled);
    let mut results: Vec<(&Row, Result<u64, String>)> = thread::scope(|scope| {
        let running: Vec<_> =
            together.into_iter().map(|row| (row, scope.spawn(|| measure(row)))).collect();
        running
            .into_iter()
            .map(|(row, result)| (row, result.join().expect("measuring does not panic")))
            .collect()
    });
    results.extend(alone.into_iter().map(|row| (row, measure(row))));
    let mut wrong = Vec::new();
    for (row, result) in results {
        match result {
            Ok(growth) => println!("{growth:>10} bytes: {}", row.name),
            Err(what) => wrong.push(format!("{}: {what}", row.name)),
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Runs a row in a child; gives how much it grew.
fn measure(row: &Row) -> Result<u64, String> {
    let reply = row.reply;
    let server = Server::start(move |conn| {
        // The first reply is an ordinary one: what the client sets up once is no growth.
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
        format!("the child says nothing: {text}{}", String::from_utf8_lossy(&output.stderr))
    })?;
    let words: Vec<&str> = line.1.split(' ').collect();
    let [growth, millis, kind, fault] = words[..] else { return Err(line.1.to_owned()) };
    let growth: u64 = growth.parse().map_err(|_| "no number".to_owned())?;
    let millis: u64 = millis.parse().map_err(|_| "no number".to_owned())?;
    if (kind, fault) != (format!("{:?}", row.kind).as_str(), row.fault) {
        return Err(format!("it ended with {kind} {fault} after {growth} bytes and {millis} ms"));
    }
    let latest =
        if row.kind == ErrorKind::Cancelled { CANCELLED_AFTER + 100 } else { timeout(row) + 1000 };
    if growth > MOST || millis > latest {
        return Err(format!("it took {growth} bytes and {millis} ms"));
    }
    Ok(growth)
}

/// The time of a call in milliseconds: more than a busy machine needs, except where the time is what ends it.
fn timeout(row: &Row) -> u64 {
    if row.kind == ErrorKind::Timeout { 2_000 } else { 60_000 }
}

/// What the child does; nothing in an ordinary run.
#[test]
fn child() {
    let Ok(row) = std::env::var("SASTAOTP_LIMITS") else { return };
    let words: Vec<&str> = row.split(' ').collect();
    let [call, kind, millis, url] = words[..] else {
        panic!("a call, its end, its time and an address: {row}")
    };
    let time = Duration::from_millis(millis.parse().expect("a time"));
    // Long enough to be looked for in replies.
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
            .get_number(NumberRequest::new("tg").max_price(Amount::from_rupees(1)))
            .map(|_| ()),
    };
    let error = error.expect_err("no reply of these is an answer");
    assert_eq!(error.charge() == Charge::Unknown, call == "number", "{error:?}");
    assert!(error.to_string().len() < 1000);
    let growth = resident("VmHWM").saturating_sub(before);
    let millis = start.elapsed().as_millis();
    println!("RESULT {growth} {millis} {:?} {}", error.kind(), error.fault().unwrap_or("-"));
}

/// Memory of this process in bytes, as the system counts it.
fn resident(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("memory is measured on Linux");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(what)?.strip_prefix(':'))
        .expect("it is counted");
    1024 * line.trim().strip_suffix(" kB").and_then(|kib| kib.parse::<u64>().ok()).expect("in KiB")
}

fn body(conn: &mut Conn, body: impl AsRef<[u8]>) {
    let body = body.as_ref();
    conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()));
    conn.send(body);
}

/// Sends a beginning, and then the same again and again.
fn endless(conn: &mut Conn, head: &str, more: &str) {
    let more = more.repeat(8192 / more.len().max(1));
    if conn.send(head) {
        while conn.send(&more) {}
    }
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

/// A gigabyte of blanks: a thousand members of gzip, one after the other, as the format allows.
fn gzip_bomb(conn: &mut Conn) {
    let bomb = gzip(&vec![b' '; 1 << 20]).repeat(1024);
    assert!((900_000..1_200_000).contains(&bomb.len()), "{}", bomb.len());
    gzipped_body(conn, &bomb);
}

/// Nothing, 800,000 times.
fn empty_members(conn: &mut Conn) {
    let member = gzip(b"");
    gzipped_body(conn, &member.repeat(16_000_000 / member.len()));
}

/// As large as what it becomes, and both at once would be twice the limit. The check sum, at its end, is wrong.
fn stored_gzip(conn: &mut Conn) {
    let block = [&[0, 0, 0x20, 0xff, 0xdf][..], &[b' '; 0x2000]].concat();
    gzipped_body(
        conn,
        &[&GZIP_HEADER[..], &block.repeat(16_000_000 / block.len()), &[3, 0], &[0; 8]].concat(),
    );
}

/// Blocks that hold nothing but the table that they are written with, which takes long to read: eight of them are 90 bytes.
fn empty_blocks(conn: &mut Conn) {
    // Of the lengths of codes, two are used: "zero, many times" and "one". The table: 256 zeros, "end of block", one distance.
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
