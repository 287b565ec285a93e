//! The sandbox program under load: 8,000 requests, 10,000 invalid requests, its memory, and its
//! arguments. Nothing here depends on the speed of the machine: time limits are reached only by a
//! program that hangs.

#[path = "sandbox/http.rs"]
#[allow(dead_code)] // shared with the other tests of the sandbox
mod http;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use http::{Account, Connection, get};

/// Only a program that hangs takes this long.
const HANG: Duration = Duration::from_secs(300);

/// The program, which ends with the test.
struct Program {
    child: Child,
    port: u16,
}

impl Program {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sastaotp-sandbox"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let url = line.strip_prefix("SASTAOTP_URL=http://127.0.0.1:").expect(&line);
        let port = url.strip_suffix("/stubs/handler_api.php\n").expect(&line).parse().unwrap();
        Self { child, port }
    }

    /// The resident memory in KiB, if the system reports it.
    fn resident_kib(&self) -> Option<u64> {
        // Under Wine the ids of the processes are others.
        if !cfg!(target_os = "linux") {
            return None;
        }
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn memory_stays_small_under_load() {
    let program = Program::start();
    let me = Account::new(program.port, "load");
    me.control_ok("seed", r#"{"wallet":"1000000"}"#);
    let mut connection = Connection::open(program.port);
    for at in 0..8_000 {
        let query = [
            "action=getBalance",
            "action=getStatus&id=1",
            "action=getNumber&service=zz_never&country=22",
            "action=getOrders&limit=1",
        ][at % 4];
        assert_eq!(connection.ask(&get("load", query)).expect("a reply").status, 200);
    }
    assert_eq!(connection.ask(&get("load", "action=getPrices")).unwrap().status, 200);
    if let Some(resident) = program.resident_kib() {
        assert!(resident < 20 << 10, "{resident} KiB");
        println!("8,000 requests on one connection: {resident} KiB");
    }
    me.control_ok("assert", r#"{"charges":2000}"#);
}

#[test]
fn slow_purchases_delay_no_wait() {
    let program = Program::start();
    let me = Account::new(program.port, "slow");
    me.control_ok("seed", r#"{"wallet":"1000000"}"#);
    me.control_ok("clock", r#"{"mode":"manual","now_ms":1700000000000}"#);
    let ids: Vec<String> = (0..1_000).map(|_| me.buy("zz_never")).collect();
    me.control_ok("faults", r#"{"match":{"action":"getNumber"},"times":0,"delay_ms":2000}"#);
    let started = Instant::now();
    let (bought, polled) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                let mut connection = Connection::open(program.port);
                for _ in 0..16 {
                    let query = "action=getNumber&service=zz_never&country=22";
                    let reply = connection.ask(&get("slow", query)).expect("a reply");
                    assert!(reply.body.starts_with("ACCESS_NUMBER:"), "{}", reply.body);
                    bought.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for ids in ids.chunks(125) {
            let (bought, polled) = (&bought, &polled);
            scope.spawn(move || {
                let mut connection = Connection::open(program.port);
                while bought.load(Ordering::Relaxed) < 1_024 {
                    for id in ids {
                        let query = format!("action=getStatus&id={id}");
                        let reply = connection.ask(&get("slow", &query)).expect("a reply");
                        assert_eq!(reply.body, "STATUS_WAIT_CODE");
                        polled.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        // All 64 purchases are in flight, and 1,000 polls are answered, before any of them ends.
        for _ in 0..16 {
            let before = polled.load(Ordering::Relaxed);
            while me.control_ok("ledger", "")["in_flight"] != 64
                || polled.load(Ordering::Relaxed) < before + 1_000
            {
                assert!(started.elapsed() < HANG, "{bought:?} {polled:?}");
                thread::sleep(Duration::from_millis(5));
            }
            me.control_ok("clock", r#"{"advance_ms":2000}"#);
        }
    });
    me.control_ok("assert", r#"{"charges":2024,"in_flight":0,"in_flight_peak":64}"#);
    println!("1,024 purchases and {polled:?} polls in {:?}", started.elapsed());
}

#[test]
fn ten_thousand_invalid_requests_do_no_harm() {
    let program = Program::start();
    let started = Instant::now();
    let big = [b"GET / HTTP/1.1\r\nX: ".as_slice(), &vec![b'a'; 1 << 20]].concat();
    let many = [b"GET / HTTP/1.1\r\n".as_slice(), &b"A: b\r\n".repeat(20_000), b"\r\n"].concat();
    let small: [&[u8]; 14] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0\0\0\0",
        b"GET\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"HEAD / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1000000000000000000\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        b"GET /stubs/handler_api.php?%&=&%zz&api_key=%00&action=\xff HTTP/1.1\r\n\
          Host: localhost\r\n\r\n",
        b"POST /_sandbox/faults?api_key=x HTTP/1.1\r\nHost: localhost\r\n\
          Content-Length: 4\r\n\r\n[[[[",
        b"GET / HTTP/1.1\nHost: localhost\n\n",
    ];
    let port = program.port;
    thread::scope(|scope| {
        for worker in 0..4_usize {
            let (big, many, small) = (&big, &many, &small);
            scope.spawn(move || {
                let mut half_open = Vec::new();
                for at in 0..2_500 {
                    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
                        continue;
                    };
                    let bytes = match at % 50 {
                        0 if worker == 0 => big,
                        1 if worker == 0 => many,
                        at => small[at % small.len()],
                    };
                    let _ = stream.write_all(bytes);
                    if at % 10 == 0 {
                        let _ = stream.write_all(b"GET /half HTTP/1.1\r\nHo");
                        half_open.push(stream);
                    }
                }
                half_open.len()
            });
        }
    });
    // Half-sent requests stay open while this request is answered.
    let held: Vec<TcpStream> = (0..400)
        .filter_map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
            stream.write_all(b"GET /stubs/handler_api.php HTTP/1.1\r\nHost: local").ok()?;
            Some(stream)
        })
        .collect();
    let balance = Account::new(port, "after").plain("action=getBalance");
    assert_eq!(balance, "ACCESS_BALANCE:1000.00");
    drop(held);
    assert!(started.elapsed() < HANG, "{:?}", started.elapsed());
    if let Some(resident) = program.resident_kib() {
        assert!(resident < 20 << 10, "{resident} KiB");
        println!("10,000 invalid requests: {resident} KiB");
    }
}

#[test]
fn the_program_exits_when_its_input_ends() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sastaotp-sandbox"));
    let mut child = command
        .arg("--until-eof")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let input = child.stdin.take();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    thread::sleep(Duration::from_millis(100));
    assert!(child.try_wait().unwrap().is_none(), "it serves while its input is open");
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn invalid_arguments_are_refused_with_the_reason() {
    for (arguments, code, part) in [
        (&["--port", "x"][..], 2, "65535"),
        (&["--port"], 2, "65535"),
        (&["--prot=1"], 2, "--prot=1"),
        (&["--help"], 0, "Usage:"),
        (&["--version"], 0, env!("CARGO_PKG_VERSION")),
    ] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_sastaotp-sandbox")).args(arguments).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(output.status.code() == Some(code) && said.contains(part), "{arguments:?}: {said}");
        assert!(code == 0 || said.lines().count() == 1, "{said}");
    }
}
