//! The environments of real desktops, containers and CI systems: each builds a client, or the error
//! says which variable to change.

use std::process::Command;

use crate::adapter::{Client, ClientBuilder};

type Variables = &'static [(&'static str, &'static str)];

/// A name, the variables, and the text of the error, or none.
const ENVIRONMENTS: &[(&str, Variables, &str)] = &[
    (
        "GNOME with a SOCKS proxy",
        &[
            ("ALL_PROXY", "socks://127.0.0.1:1080/"),
            ("all_proxy", "socks://127.0.0.1:1080/"),
            ("NO_PROXY", "localhost,127.0.0.0/8,::1"),
            ("no_proxy", "localhost,127.0.0.0/8,::1"),
        ],
        "",
    ),
    (
        "GNOME with an automatic configuration",
        &[("auto_proxy", "http://wpad.corp.example/wpad.dat")],
        "",
    ),
    (
        "a PAC file as the proxy",
        &[("https_proxy", "http://wpad.corp.example/proxy.pac")],
        "the proxy in https_proxy is the address of a PAC file: set the URL of a proxy",
    ),
    (
        "Clash",
        &[
            ("http_proxy", "http://127.0.0.1:7890"),
            ("https_proxy", "http://127.0.0.1:7890"),
            ("all_proxy", "socks5://127.0.0.1:7890"),
        ],
        "",
    ),
    ("v2rayN", &[("ALL_PROXY", "socks5h://127.0.0.1:10808")], ""),
    ("ssh -D with a name", &[("ALL_PROXY", "SOCKS5H://localhost:1080")], ""),
    ("Tor", &[("all_proxy", "socks5h://127.0.0.1:9050")], ""),
    (
        "proxychains' SOCKS4",
        &[("ALL_PROXY", "socks4://127.0.0.1:1080")],
        "the proxy in ALL_PROXY is a SOCKS4 proxy, which is not supported: use socks5 or socks5h",
    ),
    (
        "GitHub Actions, self-hosted",
        &[
            ("HTTPS_PROXY", "http://proxy.corp.example:8080"),
            ("https_proxy", "http://proxy.corp.example:8080"),
            ("NO_PROXY", "localhost,127.0.0.1,.corp.example"),
        ],
        "",
    ),
    (
        "GitLab runner",
        &[
            ("HTTP_PROXY", "http://10.0.0.1:3128"),
            ("HTTPS_PROXY", "http://10.0.0.1:3128"),
            ("NO_PROXY", "localhost,.svc,.cluster.local,10.0.0.0/8"),
        ],
        "",
    ),
    (
        "Docker Desktop",
        &[
            ("HTTP_PROXY", "http.docker.internal:3128"),
            ("HTTPS_PROXY", "http.docker.internal:3128"),
            ("NO_PROXY", "hubproxy.docker.internal"),
        ],
        "",
    ),
    (
        "a docker env-file with quotation marks",
        &[("HTTPS_PROXY", "\"http://127.0.0.1:7890\"")],
        "the proxy in HTTPS_PROXY is in quotation marks: remove the quotation marks",
    ),
    (
        "a company's domain, encoded",
        &[("HTTPS_PROXY", "http://CORP%5Cjane:p%40ss%3Aword@proxy.corp.example:8080/")],
        "",
    ),
    (
        "a company's domain, verbatim",
        &[("HTTPS_PROXY", "http://CORP\\jane:p@ssword@proxy.corp.example:8080/")],
        "",
    ),
    (
        "a password with a slash",
        &[("HTTPS_PROXY", "http://jane:s3cret/1@proxy.corp.example:8080/")],
        "the proxy in HTTPS_PROXY has a /, ? or # in its user name or password: write %2F",
    ),
    ("WSL", &[("ALL_PROXY", "http://172.28.16.1:7890"), ("WSLENV", "ALL_PROXY")], ""),
    (
        "Windows' registry",
        &[("HTTPS_PROXY", "http=127.0.0.1:8888;https=127.0.0.1:8888")],
        "the proxy in HTTPS_PROXY is a list for several protocols: set the URL of one proxy",
    ),
    ("Codespaces", &[("NO_PROXY", "127.0.0.1,localhost"), ("CODESPACES", "true")], ""),
    ("no proxy for anything", &[("https_proxy", "nonsense://"), ("no_proxy", "*")], ""),
    ("empty values", &[("https_proxy", ""), ("HTTPS_PROXY", " "), ("ALL_PROXY", "")], ""),
    ("spaces and a line end", &[("HTTPS_PROXY", " http://127.0.0.1:3128\r\n")], ""),
    ("IPv6", &[("https_proxy", "http://[::1]:3128")], ""),
    (
        "IPv6 without brackets",
        &[("https_proxy", "http://::1:3128")],
        "the proxy in https_proxy has an IPv6 address without brackets: use a URL such as",
    ),
    ("a secure proxy", &[("https_proxy", "https://proxy.example/")], ""),
    (
        "another protocol",
        &[("all_proxy", "vmess://127.0.0.1:1")],
        "the proxy in all_proxy has an unknown scheme: use http, https, socks5 or socks5h",
    ),
    (
        "an unset variable in a script",
        &[("HTTPS_PROXY", "http://:")],
        "the proxy in HTTPS_PROXY has no valid host: use a URL such as http://host:3128",
    ),
    (
        "a port that is a name",
        &[("HTTPS_PROXY", "http://jane:s3cret@proxy:http")],
        "the proxy in HTTPS_PROXY has no valid port: use 1 to 65535",
    ),
];

/// Starts this program again with the variables, and returns what the next test prints.
fn outcome(variables: Variables) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "environments::a_client_of_this_environment", "--nocapture"])
        .env_clear()
        .envs(variables.iter().copied())
        .env("SASTAOTP_TEST_CHILD", "1")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find_map(|line| line.split_once("outcome: "));
    line.unwrap_or_else(|| panic!("no outcome: {text}")).1.to_owned()
}

#[test]
fn a_client_of_this_environment() {
    if std::env::var_os("SASTAOTP_TEST_CHILD").is_none() {
        return;
    }
    let build = |builder: ClientBuilder| builder.api_key("stp_canary_environment").build();
    let result = build(Client::builder());
    println!("outcome: {}", result.map_or_else(|error| error.to_string(), |_| "built".to_owned()));
    // The two ways out that the errors name.
    build(Client::builder().proxy("direct")).unwrap();
    build(Client::builder().proxy("socks5://127.0.0.1:1")).unwrap();
}

#[test]
fn each_environment_works_or_is_explained() {
    assert!(ENVIRONMENTS.len() >= 20);
    for (name, variables, error) in ENVIRONMENTS {
        let outcome = outcome(variables);
        if error.is_empty() {
            assert_eq!(outcome, "built", "{name}");
        } else {
            assert!(outcome.starts_with("making a client: "), "{name}: {outcome}");
            assert!(outcome.contains(error), "{name}: {outcome}");
            assert!(outcome.ends_with("or set proxy to \"direct\""), "{name}: {outcome}");
            assert!(!outcome.contains("s3cret"), "{name}: {outcome}");
        }
    }
}
