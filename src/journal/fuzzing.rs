//! The entry points of the fuzz target for the lines of a journal. Compiled only for fuzzing.

use super::line;

/// Returns the line of a JSON text.
pub fn encode(text: &str) -> Vec<u8> {
    line::encode(text)
}

/// Returns the texts of the valid lines, the positions of the damaged ones, and the end of the last
/// valid line.
pub fn decode(file: &[u8]) -> (Vec<&str>, Vec<usize>, usize) {
    let line::Lines { texts, bad, end } = line::decode(file);
    (texts, bad, end)
}
