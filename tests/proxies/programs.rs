//! The proxy programs of Debian, each a process that ends with the test program.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::adapter::ClientBuilder;
use crate::authority::Authority;

/// A kind of proxy: its name, the scheme and the credentials of its URL, and the last of the
/// programs that it needs.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) scheme: &'static str,
    /// Percent-encoded.
    pub(crate) credentials: &'static str,
    pub(crate) program: &'static str,
}

/// The user name and password of the proxies that require them.
const USER: &str = "me";
const PASSWORD: &str = "s3cret";
const CREDENTIALS: &str = "m%65:s3cr%65t@";

pub(crate) const KINDS: [Kind; 6] = [
    kind("http", "http", "", "tinyproxy"),
    kind("http-password", "http", CREDENTIALS, "tinyproxy"),
    kind("https-password", "https", CREDENTIALS, "stunnel4"),
    kind("socks5", "socks5", "", "microsocks"),
    kind("socks5-password", "socks", CREDENTIALS, "microsocks"),
    kind("socks5h-password", "socks5h", CREDENTIALS, "microsocks"),
];

const fn kind(
    name: &'static str,
    scheme: &'static str,
    credentials: &'static str,
    program: &'static str,
) -> Kind {
    Kind { name, scheme, credentials, program }
}

impl Kind {
    /// The kind that this process tests: that of the environment, or the first one.
    pub(crate) fn of_process() -> &'static Self {
        let Ok(name) = std::env::var("SASTAOTP_TEST_KIND") else { return &KINDS[0] };
        let found = KINDS.iter().find(|kind| kind.name == name);
        found.unwrap_or_else(|| panic!("there is no kind {name}"))
    }

    pub(crate) fn has_password(&self) -> bool {
        !self.credentials.is_empty()
    }
}

/// A running proxy.
pub(crate) struct Proxy {
    kind: &'static Kind,
    /// The programs, the one that clients connect to last.
    programs: Vec<Program>,
    authority: Option<Authority>,
    _folder: Folder,
}

impl Proxy {
    /// The proxy that the tests of this process share.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Proxy> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(Kind::of_process()))
    }

    pub(crate) fn start(kind: &'static Kind) -> Self {
        let folder = Folder::new();
        let mut programs = Vec::new();
        let mut authority = None;
        if kind.program == "microsocks" {
            programs.push(Program::start("microsocks", |port| {
                let mut command = Command::new("microsocks");
                command.args(["-i", "127.0.0.1", "-p", &port.to_string()]);
                if kind.has_password() {
                    command.args(["-u", USER, "-P", PASSWORD]);
                }
                command
            }));
        } else {
            programs.push(Program::start("tinyproxy", |port| {
                let access = if kind.has_password() {
                    format!("BasicAuth {USER} {PASSWORD}\n")
                } else {
                    String::new()
                };
                let text = format!(
                    "Port {port}\nListen 127.0.0.1\nTimeout 600\nMaxClients 200\nLogLevel Error\n\
                     {access}"
                );
                let file = folder.write(&format!("tinyproxy-{port}.conf"), &text);
                let mut command = Command::new("tinyproxy");
                command.arg("-d").arg("-c").arg(file);
                command
            }));
        }
        if kind.program == "stunnel4" {
            let issuer = Authority::new();
            let certificate = folder.write("proxy.pem", &issuer.certificate_and_key("127.0.0.1"));
            let behind = programs[0].port;
            programs.push(Program::start("stunnel4", |port| {
                let text = format!(
                    "foreground = yes\npid =\ndebug = err\n[proxy]\naccept = 127.0.0.1:{port}\n\
                     connect = 127.0.0.1:{behind}\ncert = {}\n",
                    certificate.display()
                );
                let file = folder.write(&format!("stunnel-{port}.conf"), &text);
                let mut command = Command::new("stunnel4");
                command.arg(file);
                command
            }));
            authority = Some(issuer);
        }
        Self { kind, programs, authority, _folder: folder }
    }

    /// The address that clients connect to.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.front().port)
    }

    pub(crate) fn url(&self) -> String {
        self.url_with(self.kind.credentials)
    }

    pub(crate) fn url_with(&self, credentials: &str) -> String {
        format!("{}://{credentials}{}", self.kind.scheme, self.address())
    }

    /// Adds the proxy to the settings, and the authority of its certificate.
    pub(crate) fn set(&self, builder: ClientBuilder) -> ClientBuilder {
        self.set_with(builder, &self.url(), b"")
    }

    /// Like [`Self::set`], with another URL and more certificates.
    pub(crate) fn set_with(&self, builder: ClientBuilder, url: &str, pem: &[u8]) -> ClientBuilder {
        let pem = [self.pem(), pem.to_vec()].concat();
        let builder = builder.proxy(url);
        if pem.is_empty() { builder } else { builder.add_ca_pem(pem) }
    }

    /// The authority of the proxy's certificate.
    pub(crate) fn pem(&self) -> Vec<u8> {
        self.authority.as_ref().map(Authority::pem).unwrap_or_default()
    }

    /// Stops the program that clients connect to: it accepts connections and answers nothing.
    pub(crate) fn pause(&self) {
        self.front().signal("STOP");
    }

    /// Ends all programs, and with them their connections.
    pub(crate) fn kill(&self) {
        for program in &self.programs {
            program.signal("KILL");
        }
    }

    fn front(&self) -> &Program {
        self.programs.last().expect("each kind has a program")
    }
}

/// A process that listens on a port.
struct Program {
    /// A shell, which ends the process when its input ends.
    shell: Child,
    process: String,
    port: u16,
}

impl Program {
    /// Starts a program that listens on a port that was free.
    fn start(name: &str, command: impl Fn(u16) -> Command) -> Self {
        let is_installed = std::env::var_os("PATH")
            .is_some_and(|path| std::env::split_paths(&path).any(|at| at.join(name).is_file()));
        assert!(is_installed, "{name} is missing: tests/setup installs it");
        for _ in 0..20 {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = free.local_addr().unwrap().port();
            drop(free);
            if let Some(program) = Self::start_on(port, &command(port)) {
                return program;
            }
        }
        panic!("{name} does not start");
    }

    /// `None` if the program ends at once, because the port is no longer free.
    fn start_on(port: u16, command: &Command) -> Option<Self> {
        // The process that runs the tests may be killed: then its end of the pipe closes.
        let script = "exec 3<&0
            \"$@\" >/dev/null 2>&1 </dev/null 3<&- &
            program=$!
            echo $program
            { cat; kill -KILL $program; } <&3 >/dev/null 2>&1 &
            wait $program";
        let mut shell = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(command.get_program())
            .args(command.get_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh starts");
        let mut process = String::new();
        std::io::BufRead::read_line(
            &mut std::io::BufReader::new(shell.stdout.take().expect("it is piped")),
            &mut process,
        )
        .unwrap();
        let process = process.trim().to_owned();
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if shell.try_wait().unwrap().is_some() {
                return None;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "{command:?} does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(Self { shell, process, port })
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.process]).status();
        assert!(status.unwrap().success(), "kill -{name}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// A temporary folder.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("sastaotp-proxies-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = Path::new(&self.0).join(name);
        fs::write(&file, text).unwrap();
        file
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
