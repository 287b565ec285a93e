//! The program `sastaotp-sandbox`: serves the sandbox on a port of 127.0.0.1 until it is stopped.

use std::io::{self, Write};
use std::process::{self, ExitCode};
use std::thread;

use sastaotp::sandbox::Server;

const HELP: &str = "\
Serves a sandbox of the SastaOTP service on 127.0.0.1, for tests and first steps. It needs no
account and costs no money.

Usage: sastaotp-sandbox [--port PORT] [--until-eof]

  --port PORT  listen on this port; 0, the default, picks a free one
  --until-eof  exit when the standard input ends, together with the program that started this one
  --version    print the version
  --help       print this help

When it is ready it prints one line, SASTAOTP_URL=http://127.0.0.1:PORT/stubs/handler_api.php, and
serves until it is stopped. Any API key works; each has its own wallet and orders. Open
http://127.0.0.1:PORT/ in a browser to see them and to send SMS.
";

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, sentence)) => {
            eprintln!("sastaotp-sandbox: {sentence}");
            ExitCode::from(code)
        }
    }
}

fn run(mut arguments: impl Iterator<Item = String>) -> Result<(), (u8, String)> {
    let (mut port, mut until_eof) = (0, false);
    while let Some(argument) = arguments.next() {
        let value = match argument.as_str() {
            "--help" | "-h" => return print(HELP),
            "--version" | "-V" => {
                return print(concat!("sastaotp-sandbox ", env!("CARGO_PKG_VERSION"), "\n"));
            }
            "--until-eof" => {
                until_eof = true;
                continue;
            }
            "--port" => arguments.next().unwrap_or_default(),
            other => match other.strip_prefix("--port=") {
                Some(value) => value.to_string(),
                None => {
                    return Err((2, format!("unknown argument {other:?}: see --help")));
                }
            },
        };
        port = value
            .parse()
            .map_err(|_| (2, format!("invalid --port {value:?}: use a number from 0 to 65535")))?;
    }
    let server = Server::start(port)
        .map_err(|error| (1, format!("listening on 127.0.0.1:{port}: {error}")))?;
    print(&format!("SASTAOTP_URL={}\n", server.url()))?;
    if until_eof {
        thread::spawn(|| {
            // If the input cannot be read, the other program has already exited.
            let _ = io::copy(&mut io::stdin(), &mut io::sink());
            process::exit(0);
        });
    }
    server.join();
    Ok(())
}

fn print(text: &str) -> Result<(), (u8, String)> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| (1, format!("printing: {error}")))
}
