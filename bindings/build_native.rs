//! Builds the native library for C, Python and Node, and is the only place that has its link flags,
//! its SONAME and its file names. Needs nothing but cargo and rustc:
//!
//! ```text
//! rustc --edition 2024 -o build_native bindings/build_native.rs
//! ./build_native [OPTIONS] [-- CARGO_ARGUMENTS...]
//!
//!     --print              print the names without building anything
//!     --root DIR           the checkout; default: the current folder
//!     --out DIR            also copy the libraries to DIR, with the names that are installed
//!     --target-dir DIR     where cargo builds; default: CARGO_TARGET_DIR, or the folder target
//!     --target TRIPLE      the Rust target; default: the host
//!     --shared, --static   the kinds of library to build; default: both
//!     --program NAME       also build this program, such as sastaotp-sandbox; may be repeated
//! ```
//!
//! Prints one `key=value` per line:
//!
//! | key | value |
//! |---|---|
//! | `shared_file`, `soname`, `shared_link` | names of the shared library and its two links |
//! | `install_name` | the name that programs record when they link to it |
//! | `static_file` | name of the static library |
//! | `static_link_options` | linker options of a program or plugin that contains it |
//! | `native_libraries` | libraries that it needs, as linker options |
//! | `shared`, `static`, `program.NAME` | absolute paths of the built files; not with `--print` |

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const CRATE: &str = "sastaotp";

#[derive(Default)]
struct Options {
    print: bool,
    root: Option<PathBuf>,
    out: Option<PathBuf>,
    target_dir: Option<PathBuf>,
    target: Option<String>,
    shared: bool,
    r#static: bool,
    programs: Vec<String>,
    cargo_arguments: Vec<String>,
}

/// The names and flags of a target.
struct Names {
    /// The shared library with the full version, which the other two names link to.
    shared_file: String,
    soname: String,
    /// The name without a version, which is also the name that cargo uses.
    shared_link: String,
    install_name: String,
    static_file: String,
    /// Linker arguments of the shared library.
    shared_link_arguments: Vec<String>,
    static_link_options: String,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("build_native: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let options = read_options()?;
    let root = std::path::absolute(options.root.as_deref().unwrap_or(Path::new(".")))?;
    let target = match &options.target {
        Some(target) => target.clone(),
        None => host()?,
    };
    let names = names(&root, &target)?;
    println!("shared_file={}", names.shared_file);
    println!("soname={}", names.soname);
    println!("shared_link={}", names.shared_link);
    println!("install_name={}", names.install_name);
    println!("static_file={}", names.static_file);
    println!("static_link_options={}", names.static_link_options);
    if options.print {
        if options.r#static {
            println!("native_libraries={}", native_libraries(&root, &target)?);
        }
        return Ok(());
    }
    build(&options, &root, &names)
}

fn read_options() -> Result<Options> {
    let mut options = Options::default();
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--print" => options.print = true,
            "--root" => options.root = Some(value()?.into()),
            "--out" => options.out = Some(value()?.into()),
            "--target-dir" => options.target_dir = Some(value()?.into()),
            "--target" => options.target = Some(value()?),
            "--shared" => options.shared = true,
            "--static" => options.r#static = true,
            "--program" => options.programs.push(value()?),
            "--" => options.cargo_arguments = arguments.by_ref().collect(),
            _ => return Err(format!("unknown option {argument}").into()),
        }
    }
    if !options.shared && !options.r#static {
        (options.shared, options.r#static) = (true, true);
    }
    Ok(options)
}

fn names(root: &Path, target: &str) -> Result<Names> {
    let version = value(root, "Cargo.toml", "version = \"", "\"")?;
    let abi = value(root, "src/capi/version.rs", "SASTAOTP_ABI_VERSION: u32 = ", ";")?;
    let static_file = format!("lib{CRATE}.a");
    if target.contains("apple") {
        let soname = format!("lib{CRATE}.{abi}.dylib");
        let install_name = format!("@rpath/{soname}");
        return Ok(Names {
            shared_file: format!("lib{CRATE}.{version}.dylib"),
            soname,
            shared_link: format!("lib{CRATE}.dylib"),
            shared_link_arguments: vec![format!("-Wl,-install_name,{install_name}")],
            install_name,
            static_file,
            // macOS does not unload a library that has thread-locals.
            static_link_options: String::new(),
        });
    }
    let soname = format!("lib{CRATE}.so.{abi}");
    // After dlclose the library's threads would run code that is gone. The flag keeps the library
    // loaded, and everything that it is linked into.
    let nodelete = "-Wl,-z,nodelete".to_owned();
    Ok(Names {
        shared_file: format!("lib{CRATE}.so.{version}"),
        install_name: soname.clone(),
        shared_link: format!("lib{CRATE}.so"),
        shared_link_arguments: vec![format!("-Wl,-soname,{soname}"), nodelete.clone()],
        soname,
        static_file,
        static_link_options: nodelete,
    })
}

/// Reads the value between `before` and `after` in the first line of a file that contains `before`.
fn value(root: &Path, file: &str, before: &str, after: &str) -> Result<String> {
    let text = fs::read_to_string(root.join(file)).map_err(|error| format!("{file}: {error}"))?;
    let value = text.lines().find_map(|line| {
        let (_, rest) = line.split_once(before)?;
        rest.split_once(after).map(|(value, _)| value.to_owned())
    });
    value.ok_or_else(|| format!("{file} has no line with {before}").into())
}

fn build(options: &Options, root: &Path, names: &Names) -> Result<()> {
    let target_dir = match &options.target_dir {
        Some(folder) => std::path::absolute(folder)?,
        None => root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into())),
    };
    let mut kinds = Vec::new();
    if options.shared {
        kinds.push("cdylib");
    }
    if options.r#static {
        kinds.push("staticlib");
    }
    // One call for both kinds, because LTO over all crates is slow.
    let mut cargo = cargo_command(options, root, &target_dir, "rustc");
    cargo.args(["--lib", "--features", "capi", "--crate-type", &kinds.join(","), "--"]);
    if options.shared {
        cargo.args(names.shared_link_arguments.iter().map(|flag| format!("-Clink-arg={flag}")));
    }
    execute(cargo)?;
    for program in &options.programs {
        let feature = program.strip_prefix("sastaotp-").unwrap_or(program);
        let mut cargo = cargo_command(options, root, &target_dir, "build");
        cargo.args(["--features", feature, "--bin", program]);
        execute(cargo)?;
    }

    let built = target_dir.join(options.target.as_deref().unwrap_or("")).join("release");
    if options.shared {
        println!("shared={}", shared(&built, options.out.as_deref(), names)?.display());
    }
    if options.r#static {
        let mut path = built.join(&names.static_file);
        if let Some(out) = &options.out {
            path = copy(&path, &out.join(&names.static_file))?;
        }
        println!("static={}", path.display());
    }
    for program in &options.programs {
        println!("program.{program}={}", built.join(program).display());
    }
    Ok(())
}

/// Returns the path of the shared library, after copying it and creating its links if there is an
/// output folder.
fn shared(built: &Path, out: Option<&Path>, names: &Names) -> Result<PathBuf> {
    let path = built.join(&names.shared_link);
    let Some(out) = out else { return Ok(path) };
    let copied = copy(&path, &out.join(&names.shared_file))?;
    link(&names.shared_file, &out.join(&names.soname))?;
    link(&names.soname, &out.join(&names.shared_link))?;
    Ok(copied)
}

fn cargo_command(options: &Options, root: &Path, target_dir: &Path, command: &str) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root).args([command, "--release", "--locked", "--target-dir"]);
    cargo.arg(target_dir);
    if let Some(target) = &options.target {
        cargo.args(["--target", target]);
    }
    cargo.args(&options.cargo_arguments);
    cargo
}

/// Runs a command, whose output goes to stderr: stdout is for the keys and values.
fn execute(mut command: Command) -> Result<()> {
    let status = command.stdout(Stdio::from(std::io::stderr())).status().map_err(|error| {
        format!("{}: {error}: install Rust (https://rustup.rs)", command.get_program().display())
    })?;
    if status.success() {
        return Ok(());
    }
    Err(format!("cargo failed: the command was {command:?}").into())
}

fn rustc() -> Command {
    Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

fn host() -> Result<String> {
    let output = rustc().arg("-vV").output()?;
    let text = String::from_utf8(output.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("rustc -vV prints no host")?.to_owned())
}

/// Returns the libraries that Rust's standard library needs. The crates need no others:
/// tests/c/install links a static program with these alone.
fn native_libraries(root: &Path, target: &str) -> Result<String> {
    let probe = env::temp_dir().join(format!("sastaotp-native-{}", std::process::id()));
    fs::create_dir_all(&probe)?;
    let source = probe.join("native.rs");
    fs::write(&source, "")?;
    // In the checkout, because rustup may choose another toolchain there.
    let output = rustc()
        .current_dir(root)
        .args(["--crate-type", "staticlib", "--print", "native-static-libs", "--target", target])
        .arg("--out-dir")
        .arg(&probe)
        .arg(&source)
        .output()?;
    fs::remove_dir_all(&probe)?;
    let text = String::from_utf8_lossy(&output.stderr);
    let Some((_, libraries)) = text.split_once("native-static-libs:") else {
        return Err(format!(
            "rustc cannot build for {target}: {text}: `rustup target add {target}` may help"
        )
        .into());
    };
    let mut unique = Vec::new();
    for library in libraries.lines().next().unwrap_or_default().split_whitespace() {
        if !unique.contains(&library) {
            unique.push(library);
        }
    }
    Ok(unique.join(" "))
}

/// Copies a file unless the copy has the same content, so that programs are not linked again.
fn copy(from: &Path, to: &Path) -> Result<PathBuf> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    if !fs::read(to).is_ok_and(|old| fs::read(from).is_ok_and(|new| old == new)) {
        fs::copy(from, to).map_err(|error| format!("{}: {error}", from.display()))?;
    }
    Ok(std::path::absolute(to)?)
}

#[cfg(unix)]
fn link(original: &str, link: &Path) -> Result<()> {
    if fs::read_link(link).is_ok_and(|target| target == Path::new(original)) {
        return Ok(());
    }
    if link.symlink_metadata().is_ok() {
        fs::remove_file(link)?;
    }
    Ok(std::os::unix::fs::symlink(original, link)?)
}

#[cfg(not(unix))]
fn link(original: &str, link: &Path) -> Result<()> {
    let folder = link.parent().ok_or("the link has no folder")?;
    copy(&folder.join(original), link).map(|_| ())
}
