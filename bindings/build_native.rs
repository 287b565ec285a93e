//! Builds the native library for C, Python and Node, and is the only place that has its link flags,
//! its SONAME, its file names and its package tags. Needs cargo and rustc, which need a C compiler:
//!
//! ```text
//! rustc --edition 2024 -o build_native bindings/build_native.rs
//! ./build_native [OPTIONS] [-- CARGO_ARGUMENTS...]
//!
//!     --print              print the names without building anything
//!     --describe           also print the keys of the second table
//!     --root DIR           the checkout; default: the current folder
//!     --out DIR            also copy the libraries to DIR, with the names that are installed
//!     --target-dir DIR     where cargo builds; default: CARGO_TARGET_DIR, or the folder target
//!     --target TRIPLE      the Rust target; default: the host
//!     --shared, --static   the kinds of library to build; default: both
//!     --debug-symbols      keep the shared library's debug symbols in a separate file; Linux only
//!     --cc PROGRAM         the C compiler that links, unless cargo's variable for the target's
//!                          linker is set; default: cc
//!     --glibc VERSION      the oldest glibc on which the libraries run, which the linker ensures;
//!                          only for the tags
//!     --program NAME       also build this program, such as sastaotp-sandbox; may be repeated
//! ```
//!
//! Prints one `key=value` per line. With `--print`, it prints no paths:
//!
//! | key | value |
//! |---|---|
//! | `shared_file`, `soname`, `shared_link` | names of the shared library and its two links |
//! | `install_name` | the name that programs record when they link to it |
//! | `debug_file` | name of the file with its debug symbols |
//! | `static_file` | name of the static library |
//! | `static_link_options` | linker options of a program or plugin that contains it |
//! | `native_libraries` | libraries that it needs, as linker options |
//! | `import_file` | name of the import library; Windows only |
//! | `shared`, `import`, `static`, `debug`, `program.NAME` | paths of the built files |
//!
//! With `--describe`:
//!
//! | key | value |
//! |---|---|
//! | `target`, `version`, `abi` | the Rust target, the version, the version of the C interface |
//! | `os` | `linux`, `darwin` or `windows` |
//! | `cpu` | `x86_64` or `aarch64` |
//! | `libc`, `glibc` | `gnu` or `musl`, and the value of `--glibc`; empty if there is none |
//! | `wheel_tags` | the platform tags of Python's packages |
//! | `npm_name` | the end of the name of the npm package for the target |
//! | `npm_os`, `npm_cpu`, `npm_libc` | the fields of that package |
//! | `rust_flags` | the flags of rustc that the target itself needs |
//!
//! For Linux, cargo builds only the static library, and this program links it again: rustc would
//! pass its own version script to the linker, which cannot be combined with one that names a symbol
//! version. All symbols of the result are local, except the functions of the header. For other
//! targets both libraries are cargo's, without symbol versions.
//!
//! To link for another target, set the variables that cargo and the `cc` crate use:
//! `CARGO_TARGET_<TARGET>_LINKER`, and `LD_<target>`, `AR_<target>` and `OBJCOPY_<target>`.

use std::collections::BTreeSet;
use std::env;
use std::error::Error;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const CRATE: &str = "sastaotp";
/// The features of the libraries.
const FEATURES: &str = "capi,system-roots";

#[derive(Default)]
struct Options {
    print: bool,
    describe: bool,
    root: PathBuf,
    out: Option<PathBuf>,
    target_dir: Option<PathBuf>,
    target: Option<String>,
    shared: bool,
    r#static: bool,
    debug_symbols: bool,
    cc: Option<PathBuf>,
    glibc: Option<String>,
    programs: Vec<String>,
    cargo_arguments: Vec<String>,
}

/// The names and flags of a target.
struct Names {
    target: String,
    version: String,
    abi: String,
    os: &'static str,
    /// The shared library with the full version, which the other two names link to.
    shared_file: String,
    soname: String,
    /// The name without a version, which is also the name that cargo uses.
    shared_link: String,
    install_name: String,
    /// The import library, and the name that cargo uses for it.
    import: Option<(String, String)>,
    static_file: String,
    /// Flags for all crates.
    rust_flags: Vec<&'static str>,
    /// Linker arguments of the shared library.
    shared_link_arguments: Vec<String>,
    static_link_options: String,
    /// The version of the exported symbols, if this program links the libraries.
    symbol_version: Option<String>,
}

impl Names {
    fn debug_file(&self) -> String {
        format!("{}.debug", self.shared_file)
    }

    /// The name that cargo uses for the static library.
    fn cargo_static_file(&self) -> &str {
        if self.target.contains("msvc") { "sastaotp.lib" } else { &self.static_file }
    }

    /// Prints the keys that only packages need.
    fn describe(&self, glibc: Option<&str>) -> Result<()> {
        let cpu = self.target.split('-').next().unwrap_or_default();
        let npm_cpu = match cpu {
            "x86_64" => "x64",
            "aarch64" => "arm64",
            _ => return Err(format!("{} has no package names", self.target).into()),
        };
        let libc = match self.os {
            "linux" if self.target.contains("musl") => "musl",
            "linux" => "gnu",
            _ => "",
        };
        let glibc = glibc.filter(|_| libc == "gnu").unwrap_or_default();
        // The versions of macOS are those in `cargo_command`.
        let wheel_tags = match (self.os, libc, cpu) {
            // pip before 20.3 reads only the second tag.
            ("linux", "gnu", _) if glibc == "2.17" => {
                format!("manylinux_2_17_{cpu} manylinux2014_{cpu}")
            }
            ("linux", "gnu", _) if glibc.is_empty() => format!("linux_{cpu}"),
            ("linux", "gnu", _) => format!("manylinux_{}_{cpu}", glibc.replace('.', "_")),
            ("linux", ..) => format!("musllinux_1_2_{cpu}"),
            ("darwin", _, "x86_64") => "macosx_10_12_x86_64".to_owned(),
            ("darwin", ..) => "macosx_11_0_arm64".to_owned(),
            (.., "x86_64") => "win_amd64".to_owned(),
            _ => "win_arm64".to_owned(),
        };
        let npm_os = if self.os == "windows" { "win32" } else { self.os };
        let npm_end = if libc.is_empty() { String::new() } else { format!("-{libc}") };
        println!("target={}", self.target);
        println!("version={}", self.version);
        println!("abi={}", self.abi);
        println!("os={}", self.os);
        println!("cpu={cpu}");
        println!("libc={libc}");
        println!("glibc={glibc}");
        println!("wheel_tags={wheel_tags}");
        println!("npm_name={npm_os}-{npm_cpu}{npm_end}");
        println!("npm_os={npm_os}");
        println!("npm_cpu={npm_cpu}");
        println!("npm_libc={}", if libc == "gnu" { "glibc" } else { libc });
        println!("rust_flags={}", self.rust_flags.join(" "));
        Ok(())
    }
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
    let target = match &options.target {
        Some(target) => target.clone(),
        None => host()?,
    };
    let names = names(&options.root, target)?;
    println!("shared_file={}", names.shared_file);
    println!("soname={}", names.soname);
    println!("shared_link={}", names.shared_link);
    println!("install_name={}", names.install_name);
    println!("debug_file={}", names.debug_file());
    if let Some((file, _)) = &names.import {
        println!("import_file={file}");
    }
    println!("static_file={}", names.static_file);
    println!("static_link_options={}", names.static_link_options);
    if options.describe {
        names.describe(options.glibc.as_deref())?;
    }
    if options.print {
        if options.r#static {
            println!("native_libraries={}", native_libraries(&options.root, &names.target)?);
        }
        return Ok(());
    }
    build(&options, &names)
}

fn read_options() -> Result<Options> {
    let mut options = Options::default();
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--print" => options.print = true,
            "--describe" => options.describe = true,
            "--root" => options.root = value()?.into(),
            "--out" => options.out = Some(value()?.into()),
            "--target-dir" => options.target_dir = Some(value()?.into()),
            "--target" => options.target = Some(value()?),
            "--shared" => options.shared = true,
            "--static" => options.r#static = true,
            "--debug-symbols" => options.debug_symbols = true,
            "--cc" => options.cc = Some(value()?.into()),
            "--glibc" => options.glibc = Some(value()?),
            "--program" => options.programs.push(value()?),
            "--" => options.cargo_arguments = arguments.by_ref().collect(),
            _ => return Err(format!("unknown option {argument}").into()),
        }
    }
    options.root = std::path::absolute(if options.root.as_os_str().is_empty() {
        Path::new(".")
    } else {
        &options.root
    })?;
    if !options.shared && !options.r#static {
        (options.shared, options.r#static) = (true, true);
    }
    Ok(options)
}

fn names(root: &Path, target: String) -> Result<Names> {
    let version = value(root, "Cargo.toml", "version = \"", "\"")?;
    let abi = value(root, "src/capi/version.rs", "SASTAOTP_ABI_VERSION: u32 = ", ";")?;
    let static_file = format!("lib{CRATE}.a");
    if target.contains("apple") {
        let soname = format!("lib{CRATE}.{abi}.dylib");
        let install_name = format!("@rpath/{soname}");
        return Ok(Names {
            target,
            os: "darwin",
            shared_file: format!("lib{CRATE}.{version}.dylib"),
            soname,
            shared_link: format!("lib{CRATE}.dylib"),
            import: None,
            rust_flags: vec![],
            shared_link_arguments: vec![format!("-Wl,-install_name,{install_name}")],
            install_name,
            static_file,
            // macOS does not unload a library that has thread-locals.
            static_link_options: String::new(),
            symbol_version: None,
            version,
            abi,
        });
    }
    if target.contains("windows") {
        let file = format!("{CRATE}.dll");
        let is_msvc = target.contains("msvc");
        let import = if is_msvc {
            (format!("{CRATE}.lib"), format!("{CRATE}.dll.lib"))
        } else {
            (format!("lib{CRATE}.dll.a"), format!("lib{CRATE}.dll.a"))
        };
        return Ok(Names {
            os: "windows",
            shared_file: file.clone(),
            soname: file.clone(),
            shared_link: file.clone(),
            install_name: file,
            import: Some(import),
            static_file: if is_msvc { format!("{CRATE}_static.lib") } else { static_file },
            // The file headers contain no time. Not every Windows has the DLL of Visual C++.
            rust_flags: if is_msvc {
                vec!["-Clink-arg=/Brepro", "-Ctarget-feature=+crt-static"]
            } else {
                vec!["-Clink-arg=-Wl,--no-insert-timestamp"]
            },
            // The library itself makes sure that it stays loaded.
            shared_link_arguments: vec![],
            static_link_options: String::new(),
            symbol_version: None,
            target,
            version,
            abi,
        });
    }
    let soname = format!("lib{CRATE}.so.{abi}");
    // After dlclose the library's threads would run code that is gone. The flag keeps the library
    // loaded, and everything that it is linked into.
    let nodelete = "-Wl,-z,nodelete".to_owned();
    Ok(Names {
        symbol_version: target.contains("linux").then(|| format!("SASTAOTP_{abi}")),
        os: "linux",
        // A shared library needs the libc of its program, not one inside.
        rust_flags: if target.contains("musl") {
            vec!["-Ctarget-feature=-crt-static", "-Clink-self-contained=no"]
        } else {
            vec![]
        },
        target,
        shared_file: format!("lib{CRATE}.so.{version}"),
        install_name: soname.clone(),
        shared_link: format!("lib{CRATE}.so"),
        import: None,
        shared_link_arguments: vec![format!("-Wl,-soname,{soname}"), nodelete.clone()],
        soname,
        static_file,
        static_link_options: nodelete,
        version,
        abi,
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

fn build(options: &Options, names: &Names) -> Result<()> {
    let target_dir = match &options.target_dir {
        Some(folder) => std::path::absolute(folder)?,
        None => {
            options.root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
        }
    };
    if options.debug_symbols && names.symbol_version.is_none() {
        return Err(format!("--debug-symbols is only for Linux, not {}", names.target).into());
    }
    let mut kinds = Vec::new();
    if options.shared && names.symbol_version.is_none() {
        kinds.push("cdylib");
    }
    if options.r#static || names.symbol_version.is_some() {
        kinds.push("staticlib");
    }
    // One call for both kinds, because LTO over all crates is slow.
    let mut cargo = cargo_command(options, names, &target_dir, "rustc")?;
    cargo.args(["--lib", "--features", FEATURES, "--crate-type", &kinds.join(","), "--"]);
    if kinds.contains(&"cdylib") {
        cargo.args(names.shared_link_arguments.iter().map(|flag| format!("-Clink-arg={flag}")));
    }
    let probed = native_libraries(&options.root, &names.target);
    let libraries = match probed {
        Ok(libraries) => {
            execute(&mut cargo)?;
            libraries
        }
        // Cargo builds the standard library, too.
        Err(_) if kinds.contains(&"staticlib") => {
            libraries_of_build(cargo.args(["--print", "native-static-libs"]))?
        }
        Err(error) => return Err(error),
    };
    let built = target_dir.join(options.target.as_deref().unwrap_or("")).join("release");
    if let Some(version) = &names.symbol_version {
        link_again(options, names, version, &libraries, &built)?;
    }
    for program in &options.programs {
        let feature = program.strip_prefix("sastaotp-").unwrap_or(program);
        let mut cargo = cargo_command(options, names, &target_dir, "build")?;
        cargo.args(["--features", feature, "--bin", program]);
        execute(&mut cargo)?;
    }
    if options.describe {
        println!("native_libraries={libraries}");
    }

    // Each key, cargo's file, and its name in the output folder.
    let mut others = Vec::new();
    if options.shared {
        println!("shared={}", shared(&built, options.out.as_deref(), names)?.display());
        if let Some((file, cargo_file)) = &names.import {
            others.push(("import", cargo_file.clone(), file.clone()));
        }
    }
    if options.debug_symbols {
        others.push(("debug", names.debug_file(), names.debug_file()));
    }
    if options.r#static {
        others.push(("static", names.cargo_static_file().to_owned(), names.static_file.clone()));
    }
    for (key, cargo_file, file) in others {
        let mut path = built.join(&cargo_file);
        if let Some(out) = &options.out {
            path = copy(&path, &out.join(&file))?;
            if key == "static" && names.target.ends_with("windows-gnu") {
                let tools = Tools::find(options, &names.target, &built)?;
                remove_paths(&tools, &path)?;
            }
        }
        println!("{key}={}", path.display());
    }
    let extension = if names.os == "windows" { ".exe" } else { "" };
    for program in &options.programs {
        println!("program.{program}={}{extension}", built.join(program).display());
    }
    Ok(())
}

/// Replaces cargo's static library with the libraries that `link_libraries` creates.
fn link_again(
    options: &Options,
    names: &Names,
    version: &str,
    libraries: &str,
    built: &Path,
) -> Result<()> {
    // Another process may build in the same folder, so each file is replaced at once.
    let folder = built.join(format!("link-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let tools = Tools::find(options, &names.target, &folder)?;
    let archive = built.join(&names.static_file);
    let linked = link_libraries(options, names, version, libraries, &archive, &tools);
    let replaced = linked.and_then(|files| {
        files.iter().try_for_each(|file| Ok(fs::rename(folder.join(file), built.join(file))?))
    });
    fs::remove_dir_all(&folder)?;
    replaced
}

/// Links an archive to one object, and creates from it the shared library with symbol versions, and
/// a static library without debug symbols whose other symbols are local. Returns the file names.
fn link_libraries(
    options: &Options,
    names: &Names,
    version: &str,
    libraries: &str,
    archive: &Path,
    tools: &Tools,
) -> Result<Vec<String>> {
    let functions = functions(&options.root)?;
    let (mut linker, prefix) = tools.linker();
    linker.args(["-r", "-o", "all.o"]);
    linker.args(functions.iter().map(|name| format!("{prefix}--undefined={name}")));
    // Section groups have names, which would be local symbols that two libraries have in common.
    execute(linker.arg(format!("{prefix}--force-group-allocation")).arg(archive))?;

    let mut files = Vec::new();
    if options.r#static {
        fs::write(tools.folder.join("functions"), functions.join("\n"))?;
        let mut objcopy = tools.program("objcopy")?;
        objcopy.args(["--strip-unneeded", "--keep-global-symbols=functions"]);
        // Bitcode, which would make binutils with an older LLVM plugin fail.
        objcopy.args(["--remove-section=.llvmbc", "--remove-section=.llvmcmd", "all.o"]);
        execute(objcopy.arg("sastaotp.o"))?;
        execute(tools.program("ar")?.args(["rcsD", &names.static_file, "sastaotp.o"]))?;
        files.push(names.static_file.clone());
    }
    if options.shared {
        let (library, debug) = (&names.shared_link, names.debug_file());
        let exported = functions.join("; ");
        let script = format!("{version} {{ global: {exported}; local: *; }};\n");
        fs::write(tools.folder.join("versions"), script)?;
        let mut cc = tools.cc();
        cc.args(["-shared", "-o", library, "all.o", "-Wl,--version-script=versions"]);
        cc.args(&names.shared_link_arguments);
        cc.args(["-Wl,--gc-sections,--eh-frame-hdr,--build-id,--hash-style=gnu"]);
        cc.args(["-Wl,-z,relro,-z,now,-z,defs", "-Wl,--as-needed"]);
        if tools.compiler_uses_lld {
            cc.arg("-Wl,--icf=all");
        } else if tools.lld.is_none() {
            // The default of LLD. Zig has an LLD that warns of the option.
            cc.arg("-Wl,-O1");
        }
        if !options.debug_symbols {
            cc.arg("-Wl,--strip-all");
        }
        execute(cc.args(libraries.split_whitespace()))?;
        if options.debug_symbols {
            execute(tools.program("objcopy")?.args(["--only-keep-debug", library, &debug]))?;
            let debug_link = format!("--add-gnu-debuglink={debug}");
            execute(tools.program("objcopy")?.args(["--strip-all", &debug_link, library]))?;
            files.push(debug);
        }
        files.push(library.clone());
    }
    Ok(files)
}

/// Returns the functions that the C header declares.
fn functions(root: &Path) -> Result<Vec<String>> {
    let file = "include/sastaotp.h";
    let header = fs::read_to_string(root.join(file)).map_err(|error| format!("{file}: {error}"))?;
    let mut names = BTreeSet::new();
    // The text after each end of a comment, up to the next comment.
    for part in format!("*/{header}").split("*/").skip(1) {
        let code = part.split("/*").next().unwrap_or_default();
        for (end, _) in code.match_indices('(') {
            let word = code[..end].rsplit(|c: char| !c.is_alphanumeric() && c != '_').next();
            names.extend(word.filter(|word| word.starts_with("sastaotp_")).map(str::to_owned));
        }
    }
    Ok(names.into_iter().collect())
}

/// The programs that link, in a folder for their files.
struct Tools {
    target: String,
    compiler: PathBuf,
    /// The linker that comes with Rust on most systems, or another LLD: `LD_<target>`.
    lld: Option<PathBuf>,
    /// Whether the compiler links with this LLD, which can fold identical code. Zig has its own.
    compiler_uses_lld: bool,
    folder: PathBuf,
}

impl Tools {
    fn find(options: &Options, target: &str, folder: &Path) -> Result<Self> {
        let target = target.replace('-', "_");
        let compiler = env::var_os(format!("CARGO_TARGET_{}_LINKER", target.to_uppercase()))
            .or_else(|| options.cc.clone().map(PathBuf::into_os_string))
            .unwrap_or_else(|| "cc".into());
        let rust_lld =
            sysroot(&options.root)?.join("lib/rustlib").join(host()?).join("bin/gcc-ld/ld.lld");
        let lld = env::var_os(format!("LD_{target}")).map_or(rust_lld, PathBuf::from);
        let lld = lld.exists().then_some(lld);
        let mut tools = Self {
            target,
            compiler: compiler.into(),
            compiler_uses_lld: lld.is_some(),
            lld,
            folder: folder.to_owned(),
        };
        let version = tools.cc().args(["-Wl,--icf=all", "-Wl,--version"]).output();
        tools.compiler_uses_lld &= version
            .is_ok_and(|output| output.status.success() && output.stdout.starts_with(b"LLD"));
        Ok(tools)
    }

    fn cc(&self) -> Command {
        let mut cc = Command::new(&self.compiler);
        cc.current_dir(&self.folder);
        if let Some(folder) = self.lld.as_deref().and_then(Path::parent) {
            if self.compiler_uses_lld {
                cc.arg(format!("-B{}", folder.display())).arg("-fuse-ld=lld");
            }
        }
        cc
    }

    /// Returns the command that links objects to one object, and the prefix of its options.
    fn linker(&self) -> (Command, &'static str) {
        if let Some(lld) = self.lld.as_ref().filter(|_| !self.compiler_uses_lld) {
            let mut linker = Command::new(lld);
            linker.current_dir(&self.folder);
            return (linker, "");
        }
        let mut cc = self.cc();
        cc.arg("-nostdlib");
        (cc, "-Wl,")
    }

    /// Returns the command of a program of the binutils for the compiler's target.
    fn program(&self, name: &str) -> Result<Command> {
        let variable = format!("{}_{}", name.to_uppercase(), self.target);
        let program = match env::var_os(variable) {
            Some(program) => program,
            None => {
                let output = Command::new(&self.compiler)
                    .arg(format!("-print-prog-name={name}"))
                    .output()?;
                String::from_utf8(output.stdout)?.trim().into()
            }
        };
        let mut program = Command::new(program);
        program.current_dir(&self.folder);
        Ok(program)
    }
}

/// Returns the path of the shared library, after copying it and creating its links if there is an
/// output folder.
fn shared(built: &Path, out: Option<&Path>, names: &Names) -> Result<PathBuf> {
    let path = built.join(&names.shared_link);
    let Some(out) = out else { return Ok(path) };
    let copied = copy(&path, &out.join(&names.shared_file))?;
    if names.os == "windows" {
        return Ok(copied);
    }
    link(&names.shared_file, &out.join(&names.soname))?;
    link(&names.soname, &out.join(&names.shared_link))?;
    Ok(copied)
}

fn cargo_command(
    options: &Options,
    names: &Names,
    target_dir: &Path,
    command: &str,
) -> Result<Command> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(&options.root).args([command, "--release", "--locked", "--target-dir"]);
    cargo.arg(target_dir);
    // The variable RUSTFLAGS replaces these flags.
    let flags = rust_flags(&options.root, names, target_dir)?;
    let quoted: Vec<_> = flags.iter().map(|flag| format!("{flag:?}")).collect();
    cargo.args(["--config", &format!("build.rustflags=[{}]", quoted.join(","))]);
    if options.debug_symbols {
        cargo.args(["--config", "profile.release.debug='line-tables-only'"]);
    }
    if let Some(target) = &options.target {
        cargo.args(["--target", target]);
    }
    if names.os == "darwin" && env::var_os("MACOSX_DEPLOYMENT_TARGET").is_none() {
        let oldest = if names.target.starts_with("x86_64") { "10.12" } else { "11.0" };
        cargo.env("MACOSX_DEPLOYMENT_TARGET", oldest);
    }
    cargo.args(&options.cargo_arguments);
    Ok(cargo)
}

/// The flags for all crates.
fn rust_flags(root: &Path, names: &Names, target_dir: &Path) -> Result<Vec<String>> {
    // Frame pointers shorten the unwind tables by more than they lengthen the code, and let
    // profilers walk the stack.
    let mut flags = vec!["-Cforce-frame-pointers=yes".to_owned()];
    flags.extend(names.rust_flags.iter().map(|&flag| flag.to_owned()));
    // The messages of panics and the debug symbols do not name the folders of the builder. The last
    // prefix that matches counts.
    let home = env::var_os("HOME").map(|home| Path::new(&home).join(".cargo"));
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from).or(home);
    let mut folders = vec![
        (root.to_owned(), "sastaotp"),
        (target_dir.to_owned(), "target"),
        (sysroot(root)?.join("lib/rustlib/src/rust"), "rust"),
    ];
    // cargo's names for the folder of crates.io, from version 1.85 on and before, and the folder of
    // all registries.
    for registry in ["", "index.crates.io-6f17d22bba15001f", "index.crates.io-1949cf8c6b5b557f"] {
        folders.extend(
            cargo_home.iter().map(|home| (home.join("registry/src").join(registry), "crates")),
        );
    }
    for (folder, name) in folders {
        let folder = folder.display().to_string();
        flags.push(format!("--remap-path-prefix={}={name}", folder.trim_end_matches('/')));
    }
    Ok(flags)
}

fn sysroot(root: &Path) -> Result<PathBuf> {
    // In the checkout, because rustup may choose another toolchain there.
    let output = rustc().current_dir(root).args(["--print", "sysroot"]).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().into())
}

/// Removes the builder's folder names from an archive of mingw. Its debug symbols contain them, and
/// the symbols of its import libraries, which rustc makes in a folder with a random name.
fn remove_paths(tools: &Tools, archive: &Path) -> Result<()> {
    const MARK: &str = "_deps_rustc";
    let listed = tools.program("nm")?.arg("--extern-only").arg(archive).output()?;
    let mut folders: Vec<String> = Vec::new();
    let mut renamed = BTreeSet::new();
    for symbol in
        String::from_utf8(listed.stdout)?.lines().filter_map(|line| line.split(' ').last())
    {
        // `_head_FOLDER_deps_rustcRANDOM_kernel32_dll_imports_lib`
        let Some((start, rest)) = symbol.split_once(MARK) else { continue };
        let Some((random, library)) = rest.split_once('_') else { continue };
        let folder = format!("{}{MARK}{random}", start.trim_start_matches("_head_"));
        let folder = folder.trim_start_matches('_').to_owned();
        let index = folders.iter().position(|known| *known == folder).unwrap_or_else(|| {
            folders.push(folder);
            folders.len() - 1
        });
        let kind = if symbol.starts_with("_head_") { "_head_" } else { "__" };
        renamed.insert(format!("{symbol} {kind}rustc{index}_{library}\n"));
    }
    let file = archive.with_extension("symbols");
    fs::write(&file, String::from_iter(renamed))?;
    let mut objcopy = tools.program("objcopy")?;
    objcopy.arg("--strip-debug").arg("--redefine-syms").arg(&file).arg(archive);
    execute(&mut objcopy)?;
    fs::remove_file(&file)?;
    Ok(())
}

/// Runs a command, whose output goes to stderr: stdout is for the keys and values.
fn execute(command: &mut Command) -> Result<()> {
    let program = command.get_program().display().to_string();
    let status = command.stdout(Stdio::from(std::io::stderr())).status().map_err(|error| {
        format!(
            "running {program}: {error}: install Rust (https://rustup.rs), a C compiler and \
             binutils"
        )
    })?;
    if status.success() {
        return Ok(());
    }
    Err(format!("{program} failed: the command was {command:?}").into())
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

/// Returns the libraries that Rust's standard library needs. The crates need no others, except on
/// macOS: tests/c/install links a static program with these alone.
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
    let libraries = libraries_in(&text).map(|mut libraries| {
        if target.contains("apple") {
            // The reader of the system's certificates needs them.
            libraries.push_str(" -framework Security -framework CoreFoundation");
        }
        libraries
    });
    libraries.ok_or_else(|| {
        format!("rustc cannot build for {target}: {text}: `rustup target add {target}` may help")
            .into()
    })
}

/// Runs a build that prints the libraries that its static library needs, and returns them.
fn libraries_of_build(cargo: &mut Command) -> Result<String> {
    let mut process = cargo.stderr(Stdio::piped()).spawn()?;
    let mut text = String::new();
    for line in BufReader::new(process.stderr.take().ok_or("cargo has no output")?).lines() {
        let line = line?;
        eprintln!("{line}");
        text.push_str(&line);
        text.push('\n');
    }
    if !process.wait()?.success() {
        return Err(format!("cargo failed: the command was {cargo:?}").into());
    }
    libraries_in(&text).ok_or_else(|| "cargo does not print which libraries are needed".into())
}

/// Finds the list of libraries in the messages of rustc. Each counts once.
fn libraries_in(messages: &str) -> Option<String> {
    let (_, libraries) = messages.split_once("native-static-libs:")?;
    let mut unique = Vec::new();
    for library in libraries.lines().next().unwrap_or_default().split_whitespace() {
        if !unique.contains(&library) {
            unique.push(library);
        }
    }
    Some(unique.join(" "))
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
