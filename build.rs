//! With the feature `header`: generates the C header in `OUT_DIR`, which `tests/header.rs` compares
//! with the committed one.

#[cfg(feature = "header")]
#[path = "src/capi/header/generate.rs"]
mod header;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "header")]
    header::generate();
}
