//! Which certificates a client trusts: those of the web, of the system, of `SSL_CERT_FILE` and
//! `SSL_CERT_DIR`, and added ones. Each row is a process, because the variables are its own.

#[path = "transport/server.rs"]
mod server;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use sastaotp::{Client, Roots};
use server::{Authority, Server};

const REPLY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 27\r\n\r\n\
                       {\"status\":\"OK\",\"balance\":5}";

/// The files of a test, in a temporary folder.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("sastaotp-trust-{name}-{}", std::process::id()));
        fs::create_dir_all(folder.join("certificates")).unwrap();
        fs::create_dir_all(folder.join("empty")).unwrap();
        Self(folder)
    }

    fn write(&self, name: &str, content: &[u8]) -> String {
        fs::write(self.0.join(name), content).unwrap();
        self.path(name)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Starts this program again, and returns what the next test prints.
fn outcome(url: &str, roots: &str, added: &str, variables: &[(&str, &str)]) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_client_with_these_roots", "--nocapture"])
        .env_remove("SSL_CERT_FILE")
        .env_remove("SSL_CERT_DIR")
        .env("SASTAOTP_TEST_URL", url)
        .env("SASTAOTP_TEST_ROOTS", roots)
        .env("SASTAOTP_TEST_ADDED", added)
        .envs(variables.iter().copied())
        .env("RUST_LOG", "warn")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find_map(|line| line.split_once("outcome: "));
    let outcome = line.unwrap_or_else(|| panic!("no outcome: {text}{log}")).1;
    format!("{outcome} {}", log.replace('\n', " "))
}

#[test]
fn a_client_with_these_roots() {
    let Ok(url) = std::env::var("SASTAOTP_TEST_URL") else { return };
    let _ = env_logger::try_init();
    let roots = match std::env::var("SASTAOTP_TEST_ROOTS").unwrap().as_str() {
        "web" => Roots::Web,
        "system" => Roots::System,
        _ => Roots::Both,
    };
    let mut builder = Client::builder().api_key("key").base_url(url).proxy("direct").roots(roots);
    let added = std::env::var("SASTAOTP_TEST_ADDED").unwrap();
    if !added.is_empty() {
        builder = builder.add_ca_pem(fs::read(added).unwrap());
    }
    let result = builder.build().and_then(|client| client.get_balance());
    println!("outcome: {}", result.map_or_else(|error| error.to_string(), |_| "works".to_owned()));
}

/// The roots, the file of added certificates, the variables, and a part of the outcome.
type Row<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

#[test]
fn roots_select_the_trusted_certificates() {
    let authority = Authority::new();
    let server = Server::start_tls(authority.server("localhost"), |conn| conn.serve(REPLY));
    let url = server.https("localhost");
    let files = Files::new("system");
    let file = files.write("ca.pem", &authority.pem());
    files.write("certificates/ca.pem", &authority.pem());
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".as_bytes();
    let partly = files.write("partly.pem", &[damaged, &authority.pem()].concat());
    let damaged = files.write("damaged.pem", damaged);
    let no_file = files.path("missing.pem");
    let der = files.write("certificate.der", b"\x30\x82\x01\x0a");
    let folder = files.path("certificates");
    let empty = files.path("empty");
    let file = [("SSL_CERT_FILE", file.as_str())];
    let folder = [("SSL_CERT_DIR", folder.as_str())];
    let rows: &[Row<'_>] = &[
        ("system", "", &file, "works"),
        ("both", "", &file, "works"),
        ("system", "", &folder, "works"),
        ("both", "", &folder, "works"),
        ("web", file[0].1, &[], "works"),
        ("both", file[0].1, &[], "works"),
        ("system", "", &[("SSL_CERT_FILE", &partly)], "1 of the system's certificates are skipped"),
        ("web", "", &[], "pass its certificate as ca_pem, or set roots to both"),
        ("web", "", &file, "only then SSL_CERT_FILE and SSL_CERT_DIR count"),
        ("both", "", &[], "add it to the certificates of the system"),
        ("system", "", &[("SSL_CERT_FILE", &no_file)], "missing.pem, which cannot be read"),
        // The certificates of the other variable do not hide the mistake.
        (
            "both",
            "",
            &[("SSL_CERT_FILE", &no_file), folder[0]],
            "missing.pem, which cannot be read",
        ),
        (
            "system",
            "",
            &[("SSL_CERT_FILE", &der), folder[0]],
            "contains no certificate in PEM form",
        ),
        ("both", "", &[("SSL_CERT_FILE", &damaged)], "SSL_CERT_FILE leads to no certificate"),
        ("system", "", &[("SSL_CERT_DIR", &empty)], "SSL_CERT_DIR leads to no certificate"),
    ];
    // A server's own certificate, as `openssl req -x509` makes it.
    let mut params = server::validity("localhost", 2000, 2999);
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let own = server::Identity::self_signed(&params);
    let own_file = files.write("own.pem", &own.pem);
    let own_server = Server::start_tls(own.config, |conn| conn.serve(REPLY));
    let own_url = own_server.https("localhost");
    let own_file = [("SSL_CERT_FILE", own_file.as_str())];
    assert!(outcome(&own_url, "system", "", &own_file).starts_with("works"));
    assert!(outcome(&own_url, "system", "", &file).contains("is self-signed and not trusted"));

    for (roots, added, variables, expected) in rows {
        let outcome = outcome(&url, roots, added, variables);
        assert!(outcome.contains(expected), "{roots} {variables:?}: {outcome}");
        let works = *expected == "works" || expected.starts_with("1 of");
        assert_eq!(outcome.starts_with("works"), works, "{roots} {variables:?}: {outcome}");
    }
}
