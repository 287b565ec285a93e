//! `sastaotp-doctor journal FOLDER`: the purchases of a journal as a table, and its damaged lines.
//!
//! Of a phone number it shows the last digits, and of the codes their count.

use std::fmt::Write as _;
use std::path::Path;

use sastaotp::{JournalFile, read_journal};

/// How many digits of a phone number are shown.
const SHOWN_DIGITS: usize = 3;

/// Returns the table, and whether all files are intact. The error is a sentence.
pub(crate) fn report(folder: &Path) -> Result<(String, bool), String> {
    let fail = |reason: String| {
        format!("reading {}: {reason}: pass the folder of a journal", folder.display())
    };
    let files = read_journal(folder).map_err(|error| fail(error.kind().to_string()))?;
    if files.is_empty() {
        return Err(fail("no journal".to_owned()));
    }
    let is_intact = files.iter().all(|file| file.problems.is_empty());
    Ok((files.iter().map(table).collect(), is_intact))
}

fn table(file: &JournalFile) -> String {
    let JournalFile { path, purchases, spent, problems, incomplete_bytes, uncounted_lines } = file;
    let mut text = format!("{}\n", path.display());
    let row = |cells: [&str; 6]| {
        let [purchase, state, id, phone, price, operation] = cells;
        let row = format!("  {purchase:>8}  {state:<26}{id:<26}{phone:<8}{price:>10}  {operation}");
        format!("{}\n", row.trim_end())
    };
    if !purchases.is_empty() {
        text += &row(["purchase", "state", "activation", "phone", "spent", "operation"]);
    }
    for purchase in purchases {
        let state = match purchase.codes {
            0 | 1 => purchase.state.to_owned(),
            codes => format!("{} ({codes} codes)", purchase.state),
        };
        text += &row([
            &purchase.number.to_string(),
            &state,
            purchase.activation_id.as_deref().unwrap_or("-"),
            &purchase.phone_number.as_deref().map_or_else(|| "-".to_owned(), masked),
            &purchase.counted.to_string(),
            &purchase.operation,
        ]);
    }
    let plural = if purchases.len() == 1 { "" } else { "s" };
    let _ = writeln!(text, "  {} purchase{plural}, {spent} spent", purchases.len());
    if *incomplete_bytes > 0 {
        let _ = writeln!(text, "  the last {incomplete_bytes} bytes were not written completely");
    }
    if *uncounted_lines > 0 {
        let _ = writeln!(
            text,
            "  {uncounted_lines} lines of a copy that was not completed do not count"
        );
    }
    for problem in problems {
        let _ = writeln!(text, "  damaged: {problem}");
    }
    text
}

/// Hides a phone number except for its last digits.
fn masked(phone: &str) -> String {
    let digits: Vec<char> = phone.chars().filter(char::is_ascii_digit).collect();
    let shown = digits.len().saturating_sub(SHOWN_DIGITS);
    format!("…{}", digits[shown..].iter().collect::<String>())
}
