//! Generates the C header. cbindgen translates `src/capi`; this file puts its declarations in
//! titled sections, turns the constants of an integer type into an enumeration, and adds the
//! macros.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

/// The sections of the header, each with the files of `src/capi` that it contains.
const SECTIONS: [(&str, &[&str]); 10] = [
    ("Version", &["version"]),
    ("Errors and log", &["error", "log"]),
    ("Configuration", &["config", "cancel_token"]),
    ("Client", &["client"]),
    ("Reading", &["balance", "services", "prices", "offers", "countries", "orders"]),
    ("Buying", &["number_request", "intent", "purchase", "reconcile"]),
    (
        "One number",
        &["activation", "wait_options", "sms", "activation_status", "settlement", "lease"],
    ),
    ("Queue", &["queue", "completion"]),
    ("Lists", &["unclaimed", "settled_leases"]),
    ("Utilities", &["amount"]),
];

/// The file with the type of a `bool` in a struct, which the header does not name.
const BOOL_FILE: &str = "options";

pub(super) fn generate() {
    let root = variable("CARGO_MANIFEST_DIR");
    let capi = Path::new(&root).join("src/capi");
    println!("cargo::rerun-if-changed={}", capi.display());
    let read = |name: &str| {
        fs::read_to_string(capi.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let translated = translate(&capi);
    let mut declarations = declarations(&translated);
    let mut sections = Vec::new();
    for (title, files) in SECTIONS {
        let mut items = Vec::new();
        for file in files {
            items.extend(items_of(&read(&format!("{file}.rs")), &mut declarations));
        }
        sections.push((title, items));
    }
    declarations.retain(|name, _| name != "c_bool");
    assert!(declarations.is_empty(), "in no section: {:?}", declarations.keys());

    let mut header = read("header/intro.h");
    header.push_str("#ifndef SASTAOTP_H\n#define SASTAOTP_H\n\n");
    header.push_str("#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n\n");
    header.push_str(&versions());
    header.push_str(&read("header/macros.h"));
    header.push_str("\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n");
    header.push_str(&written(&sections));
    header.push_str("\n#ifdef __cplusplus\n}  // extern \"C\"\n#endif\n\n#endif  // SASTAOTP_H\n");
    let path = Path::new(&variable("OUT_DIR")).join("sastaotp.h");
    fs::write(path, header).expect("OUT_DIR is writable");
}

fn variable(name: &str) -> String {
    env::var(name).expect("cargo sets the variable")
}

/// Runs cbindgen on the files of all sections.
fn translate(capi: &Path) -> String {
    let config = cbindgen::Config {
        language: cbindgen::Language::C,
        style: cbindgen::Style::Type,
        no_includes: true,
        documentation_style: cbindgen::DocumentationStyle::Doxy,
        usize_is_size_t: true,
        line_length: 100,
        tab_width: 4,
        ..cbindgen::Config::default()
    };
    let files = SECTIONS.iter().flat_map(|(_, files)| *files).chain([&BOOL_FILE]);
    let builder = files.fold(cbindgen::Builder::new().with_config(config), |builder, file| {
        builder.with_src(capi.join(file).with_extension("rs"))
    });
    let mut text = Vec::new();
    builder.generate().expect("cbindgen can read src/capi").write(&mut text);
    let text = String::from_utf8(text).expect("cbindgen writes UTF-8");
    // A SOCKET has the size of a pointer. cbindgen does not wrap a single long parameter.
    let text: Vec<String> = text.lines().map(wrapped).collect();
    let text = text.join("\n");
    text.replace("ptrdiff_t", "intptr_t").replace("c_bool ", "bool ")
}

/// Wraps a prototype with one parameter that is too long for a line.
fn wrapped(line: &str) -> String {
    match line.split_once('(') {
        Some((start, rest)) if line.len() > 100 && line.ends_with(");") => {
            format!("{start}(\n    {rest}")
        }
        _ => line.to_owned(),
    }
}

/// A declaration with its comment.
struct Declaration {
    comment: String,
    code: String,
}

/// Splits cbindgen's output into declarations by name.
fn declarations(text: &str) -> HashMap<String, Declaration> {
    let mut found = HashMap::new();
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).peekable();
    while let Some(line) = lines.next() {
        let (mut comment, mut code) = (String::new(), String::new());
        let mut line = line;
        if line.starts_with("/**") {
            while line != " */" {
                let _ = writeln!(comment, "{line}");
                line = lines.next().expect("a comment ends");
            }
            comment.push_str(" */\n");
            line = lines.next().expect("a comment has a declaration");
        }
        let mut depth = 0;
        loop {
            let _ = writeln!(code, "{line}");
            depth += line.matches('{').count();
            depth -= line.matches('}').count();
            if depth == 0 && (line.ends_with(';') || line.starts_with("#define")) {
                break;
            }
            line = lines.next().expect("a declaration ends");
        }
        let name = declared_name(&code);
        let code =
            short_comments(&code.replace("typedef struct {", &format!("typedef struct {name} {{")));
        let comment = short_comments(&comment);
        found.insert(name, Declaration { comment, code });
    }
    found
}

/// Writes a comment of one sentence in one line if it fits.
fn short_comments(code: &str) -> String {
    let lines: Vec<&str> = code.lines().collect();
    let (mut short, mut at) = (String::new(), 0);
    while at < lines.len() {
        let indent = lines[at].len() - lines[at].trim_start().len();
        let line = lines.get(at + 1).and_then(|line| line.trim().strip_prefix("* "));
        let ends = lines.get(at + 2).is_some_and(|line| line.trim() == "*/");
        let fits = |line: &&str| ends && lines[at].trim() == "/**" && indent + line.len() < 89;
        if let Some(line) = line.filter(fits) {
            let _ = writeln!(short, "{}/** {line} */", &lines[at][..indent]);
            at += 3;
        } else {
            let _ = writeln!(short, "{}", lines[at]);
            at += 1;
        }
    }
    short
}

/// The name that a declaration declares.
fn declared_name(code: &str) -> String {
    let code = code.trim_end().trim_end_matches(';');
    let end = |text: &str| text.rsplit([' ', '*', '\n']).next().unwrap_or_default().to_owned();
    if let Some(definition) = code.strip_prefix("#define ") {
        return definition.split(' ').next().unwrap_or_default().to_owned();
    }
    match (code.find("(*"), code.find('(')) {
        (Some(at), _) => code[at + 2..].split(')').next().unwrap_or_default().to_owned(),
        (None, Some(at)) if !code.starts_with("typedef") => end(&code[..at]),
        _ => end(code),
    }
}

/// The items of a source file in its order: declarations, enumerations and initializers.
fn items_of(source: &str, declarations: &mut HashMap<String, Declaration>) -> Vec<String> {
    let mut items = Vec::new();
    for (at, _) in source.match_indices("pub ") {
        let line_start = source[..at].rfind('\n').map_or(0, |end| end + 1);
        if line_start != at {
            continue;
        }
        let line = source[at..].lines().next().unwrap_or_default();
        let name = line
            .split([' ', '(', ':', ';', '<'])
            .find(|word| word.starts_with("sastaotp_") || word.starts_with("SASTAOTP_"));
        let Some(declaration) = name.and_then(|name| declarations.remove(name)) else { continue };
        let name = name.unwrap_or_default();
        let Declaration { comment, code } = declaration;
        if code.starts_with("typedef int32_t ") {
            items.push(format!("{comment}{}", enumeration(name, source, declarations)));
        } else if code.starts_with("sastaotp_status ") && code.contains("sastaotp_error **error") {
            items.push(format!("{comment}SASTAOTP_MUST_USE\n{code}"));
        } else {
            items.push(format!("{comment}{code}"));
        }
        if code.starts_with("typedef struct") && code.contains("size_t size;") {
            items.push(initializer(name, source));
        }
    }
    items
}

/// The enumeration of an integer type, with the constants of the type.
fn enumeration(
    name: &str,
    source: &str,
    declarations: &mut HashMap<String, Declaration>,
) -> String {
    let mut code = format!("typedef enum {name} SASTAOTP_ENUM_INT32 {{\n");
    // The constants have the type of the enumeration, in one line or two.
    let marker = format!(": {name} =");
    for (at, _) in source.match_indices(&marker) {
        let constant = source[..at].rsplit(' ').next().unwrap_or_default();
        let Declaration { comment, code: definition } =
            declarations.remove(constant).expect("cbindgen translates the constant");
        let value = definition.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        for line in comment.lines() {
            let _ = writeln!(code, "    {line}");
        }
        let value = if value.starts_with('-') { format!("({value})") } else { value };
        let _ = writeln!(code, "    {constant} = {value},");
    }
    let sentinel = format!("{}_MAX_ENUM", name.to_uppercase());
    let _ = writeln!(code, "    /** Not a value: it makes the type 32 bits wide in C99. */");
    let _ = writeln!(code, "    {sentinel} = INT32_MAX");
    let _ = writeln!(code, "}} {name};");
    if name == "sastaotp_status_class" {
        code.push_str(
            "\n/** The class of a status, even if it is newer than the program. */\n\
             #define SASTAOTP_STATUS_CLASS(status) \
             ((sastaotp_status_class)((int32_t)(status) / 100))\n",
        );
    }
    code
}

/// The macro that initializes a struct of options, from its constant `INIT`.
fn initializer(name: &str, source: &str) -> String {
    let (_, rest) = source.split_once("const INIT: Self = Self {").expect("options have INIT");
    let (members, _) = rest.split_once("};").expect("INIT ends");
    let values = members.lines().filter_map(|line| line.trim().split_once(": ")).map(
        |(_, value)| match value.trim_end_matches(',') {
            "size_of::<Self>()" => format!("sizeof({name})"),
            "std::ptr::null()" => "NULL".to_owned(),
            "c_bool::FALSE" => "false".to_owned(),
            "[0; 2]" => "{ 0, 0 }".to_owned(),
            "[0; 6]" => "{ 0, 0, 0, 0, 0, 0 }".to_owned(),
            "[0; 10]" => "{ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }".to_owned(),
            "[0; 8]" => "{ 0, 0, 0, 0, 0, 0, 0, 0 }".to_owned(),
            other => other.to_owned(),
        },
    );
    let mut lines = vec![String::new()];
    for value in values {
        let last = lines.last_mut().expect("there is a line");
        if last.len() + value.len() > 80 {
            lines.push(format!("{value}, "));
        } else {
            let _ = write!(last, "{value}, ");
        }
    }
    let mut code = format!("/** The defaults of {name}. */\n#define {}_INIT", name.to_uppercase());
    let values: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    let _ = write!(code, " \\\n    {{ {} }}\n", values.join(" \\\n      ").trim_end_matches(','));
    code
}

fn versions() -> String {
    let part = |name| variable(&format!("CARGO_PKG_VERSION_{name}"));
    let number = |name| part(name).parse::<u32>().expect("a version has numbers");
    format!(
        "/** The version of the library that this header belongs to. */\n\
         #define SASTAOTP_VERSION \"{}\"\n\
         #define SASTAOTP_VERSION_MAJOR {}\n\
         #define SASTAOTP_VERSION_MINOR {}\n\
         #define SASTAOTP_VERSION_PATCH {}\n\
         /** The version as a number that grows: major * 1000000 + minor * 1000 + patch. */\n\
         #define SASTAOTP_VERSION_NUMBER {}\n\n\
         /** One rupee, in micro-rupees. */\n\
         #define SASTAOTP_RUPEE INT64_C(1000000)\n\n",
        variable("CARGO_PKG_VERSION"),
        part("MAJOR"),
        part("MINOR"),
        part("PATCH"),
        number("MAJOR") * 1_000_000 + number("MINOR") * 1_000 + number("PATCH"),
    )
}

/// Writes the sections. A function may use a type that a later section defines: then the type has
/// the keyword `struct`, and a line before the section declares it.
fn written(sections: &[(&str, Vec<String>)]) -> String {
    let mut text = String::new();
    let items = sections.iter().flat_map(|(_, items)| items);
    let mut later: Vec<String> = items.filter_map(|item| struct_name(item)).collect();
    let mut forward: Vec<String> = Vec::new();
    for (title, items) in sections {
        let mut body = String::new();
        let first_forward = forward.len();
        for item in items {
            let (comment, code) = item.split_at(item.find("*/\n").map_or(0, |at| at + 3));
            if let Some(name) = struct_name(item) {
                later.retain(|other| *other != name);
            }
            let mut code = code.to_owned();
            for name in &later {
                let (used, with_keyword) = (format!("{name} *"), format!("struct {name} *"));
                if code.contains(&used) {
                    code = code.replace(&used, &with_keyword);
                    if !forward.contains(name) {
                        forward.push(name.clone());
                    }
                }
            }
            let _ = write!(body, "\n{comment}{code}");
        }
        let _ = write!(text, "\n/*\n * {title}\n */\n");
        if forward.len() > first_forward {
            text.push('\n');
        }
        for name in &forward[first_forward..] {
            let _ = writeln!(text, "struct {name};");
        }
        text.push_str(&body);
    }
    text
}

/// The name of a struct, if an item declares one.
fn struct_name(item: &str) -> Option<String> {
    let code = &item[item.find("*/\n").map_or(0, |at| at + 3)..];
    let name = code.strip_prefix("typedef struct ")?.split([' ', ';']).next()?;
    Some(name.to_owned())
}
