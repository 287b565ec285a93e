//! With the feature `header`: generates the C header in `OUT_DIR`, which `tests/header.rs` compares
//! with the committed one.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "header")]
    header::generate();
}

#[cfg(feature = "header")]
mod header {
    use std::path::Path;
    use std::{env, fs};

    /// The files of `src/capi`, in the order of the header.
    const FILES: [&str; 19] = [
        "version",
        "error",
        "amount",
        "config",
        "cancel_token",
        "client",
        "balance",
        "services",
        "prices",
        "countries",
        "orders",
        "intent",
        "purchase",
        "status",
        "activation",
        "lease",
        "reconcile",
        "unclaimed",
        "queue",
    ];

    pub(super) fn generate() {
        let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets the variable");
        let capi = Path::new(&root).join("src/capi");
        println!("cargo::rerun-if-changed={}", capi.display());
        let intro = fs::read_to_string(capi.join("header_intro.h"))
            .expect("src/capi/header_intro.h is readable");
        let version =
            |part| env::var(format!("CARGO_PKG_VERSION_{part}")).expect("cargo sets the variable");
        let config = cbindgen::Config {
            language: cbindgen::Language::C,
            style: cbindgen::Style::Type,
            cpp_compat: true,
            header: Some(intro),
            include_guard: Some("SASTAOTP_H".to_owned()),
            no_includes: true,
            sys_includes: ["stdbool.h", "stddef.h", "stdint.h"].map(str::to_owned).to_vec(),
            after_includes: Some(format!(
                "\n/** The version of the library that this header belongs to. */\n\
                 #define SASTAOTP_VERSION \"{}\"\n\
                 #define SASTAOTP_VERSION_MAJOR {}\n\
                 #define SASTAOTP_VERSION_MINOR {}\n\
                 #define SASTAOTP_VERSION_PATCH {}\n\n\
                 /** One rupee, in micro-rupees. */\n\
                 #define SASTAOTP_RUPEE INT64_C(1000000)",
                env::var("CARGO_PKG_VERSION").expect("cargo sets the variable"),
                version("MAJOR"),
                version("MINOR"),
                version("PATCH"),
            )),
            documentation_style: cbindgen::DocumentationStyle::Doxy,
            usize_is_size_t: true,
            line_length: 100,
            ..cbindgen::Config::default()
        };
        let builder =
            FILES.iter().fold(cbindgen::Builder::new().with_config(config), |builder, file| {
                builder.with_src(capi.join(file).with_extension("rs"))
            });
        let header =
            Path::new(&env::var("OUT_DIR").expect("cargo sets the variable")).join("sastaotp.h");
        builder.generate().expect("cbindgen can read src/capi").write_to_file(header);
    }
}
