//! A minimal HTTP client for the tests of the sandbox: it returns the bytes of the connection
//! without correcting them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// A connection to the sandbox.
pub(crate) struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

/// A reply with a valid length.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Connection {
    pub(crate) fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the sandbox listens");
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, read: Vec::new() }
    }

    /// Sends a request and reads the reply; `None` if the connection ends before the reply is
    /// complete.
    pub(crate) fn ask(&mut self, request: &str) -> Option<Reply> {
        self.stream.write_all(request.as_bytes()).ok()?;
        let (mut head_end, mut whole) = (0, usize::MAX);
        while self.read.len() < whole {
            if whole == usize::MAX
                && let Some(at) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n")
            {
                let head = String::from_utf8_lossy(&self.read[..at]).to_ascii_lowercase();
                let length = head
                    .split("content-length: ")
                    .nth(1)
                    .and_then(|rest| rest.lines().next()?.parse().ok());
                head_end = at + 4;
                whole = head_end + length.unwrap_or(0);
                continue;
            }
            let mut buffer = [0; 16 << 10];
            match self.stream.read(&mut buffer) {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.read.extend_from_slice(&buffer[..count]),
            }
        }
        let bytes: Vec<u8> = self.read.drain(..whole).collect();
        let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Some(Reply { status, head, body: String::from_utf8_lossy(&bytes[head_end..]).into_owned() })
    }

    /// Sends bytes, and reads until the connection ends or is silent for `patience`.
    pub(crate) fn raw(mut self, bytes: &[u8], patience: Duration) -> Vec<u8> {
        self.stream.set_read_timeout(Some(patience)).unwrap();
        // The sandbox may close the connection before everything is written.
        let _ = self.stream.write_all(bytes);
        let mut buffer = [0; 16 << 10];
        while let Ok(count @ 1..) = self.stream.read(&mut buffer) {
            self.read.extend_from_slice(&buffer[..count]);
            if self.read.len() > 1 << 20 {
                break;
            }
        }
        self.read
    }
}

/// The text of a request to the service.
pub(crate) fn get(key: &str, query: &str) -> String {
    format!(
        "GET /stubs/handler_api.php?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {key}\r\n\r\n"
    )
}

/// One API key of a sandbox.
pub(crate) struct Account {
    pub(crate) port: u16,
    pub(crate) key: String,
}

impl Account {
    pub(crate) fn new(port: u16, key: &str) -> Self {
        Self { port, key: key.into() }
    }

    /// Sends a request on a new connection.
    pub(crate) fn reply(&self, query: &str) -> Option<Reply> {
        Connection::open(self.port).ask(&get(&self.key, query))
    }

    /// Returns the plain reply.
    pub(crate) fn plain(&self, query: &str) -> String {
        self.reply(query).expect("a whole reply").body
    }

    /// Returns the JSON reply.
    pub(crate) fn json(&self, query: &str) -> Value {
        let body = self.plain(&format!("{query}&format=json"));
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{query}: {error}: {body}"))
    }

    /// Buys a number and returns its id.
    pub(crate) fn buy(&self, service: &str) -> String {
        let bought = self.json(&format!("action=getNumber&service={service}&country=22"));
        bought["activation_id"]
            .as_str()
            .unwrap_or_else(|| panic!("{service}: {bought}"))
            .to_string()
    }

    pub(crate) fn status(&self, id: &str) -> String {
        self.plain(&format!("action=getStatus&id={id}"))
    }

    pub(crate) fn set(&self, id: &str, status: &str) -> String {
        self.plain(&format!("action=setStatus&id={id}&status={status}"))
    }

    /// Makes a control call: a POST if there is a body, else a GET.
    pub(crate) fn control(&self, call: &str, body: &str) -> (u16, Value) {
        let method = if body.is_empty() { "GET" } else { "POST" };
        let (key, length) = (&self.key, body.len());
        let request = format!(
            "{method} /_sandbox/{call} HTTP/1.1\r\nHost: localhost\r\n\
             Authorization: Bearer {key}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let reply = Connection::open(self.port).ask(&request).expect("a whole reply");
        (
            reply.status,
            serde_json::from_str(&reply.body).unwrap_or_else(|_| panic!("{call}: {}", reply.body)),
        )
    }

    /// Makes a control call that must be accepted.
    pub(crate) fn control_ok(&self, call: &str, body: &str) -> Value {
        let (status, value) = self.control(call, body);
        assert_eq!(status, 200, "{call} {body}: {value}");
        value
    }
}
