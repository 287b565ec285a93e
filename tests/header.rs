//! Compares the committed C header with the one generated from src/capi. `SASTAOTP_BLESS=1` writes
//! it.

use std::path::Path;
use std::{env, fs};

const GENERATED: &str = include_str!(concat!(env!("OUT_DIR"), "/sastaotp.h"));

#[test]
fn the_committed_header_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/sastaotp.h");
    if env::var_os("SASTAOTP_BLESS").is_some() {
        fs::write(&path, GENERATED).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let line = GENERATED
        .lines()
        .zip(committed.lines())
        .position(|(generated, committed)| generated != committed);
    assert!(
        GENERATED == committed,
        "include/sastaotp.h differs from src/capi, first at line {:?}: look at the difference, \
         then run the test with SASTAOTP_BLESS=1",
        line.map(|line| line + 1)
    );
}
