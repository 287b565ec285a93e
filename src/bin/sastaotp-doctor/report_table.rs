//! The table of findings on the terminal: a row for each question, at most 100 columns wide.

use std::fmt::Write as _;

use crate::findings::{Finding, Question, Verdict};

/// The widths of the columns, which are separated by two blanks.
const WIDTHS: [usize; 5] = [22, 18, 18, 24, 10];
const HEADS: [&str; 5] = ["question", "documented", "family", "observed here", "verdict"];

/// The whole table; `colour` is set only for a terminal.
pub(crate) fn table(rows: &[(&Question, Finding)], colour: bool) -> String {
    let mut text = lines(&HEADS, None);
    text.push_str(&lines(
        &WIDTHS.map(|width| "-".repeat(width)).each_ref().map(String::as_str),
        None,
    ));
    for (question, Finding { observed, verdict }) in rows {
        let cells = [question.text, question.documented, question.family, observed, verdict.word()];
        text.push_str(&lines(&cells, colour.then(|| paint(*verdict))));
    }
    text
}

/// The escape code of a verdict's colour.
fn paint(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Documented => "32",
        Verdict::Family => "36",
        Verdict::New => "33",
        Verdict::Unreadable | Verdict::Unanswered => "31",
        Verdict::Unseen => "2",
    }
}

/// The lines of a row. A cell that is too long continues on the next line.
fn lines(cells: &[&str; 5], paint: Option<&str>) -> String {
    let columns: Vec<Vec<String>> =
        cells.iter().zip(WIDTHS).map(|(cell, width)| wrapped(cell, width)).collect();
    let height = columns.iter().map(Vec::len).max().unwrap_or(0);
    let mut text = String::new();
    for at in 0..height {
        let mut line = String::new();
        for (column, (lines, width)) in columns.iter().zip(WIDTHS).enumerate() {
            let cell = lines.get(at).map_or("", String::as_str);
            let gap = " ".repeat(width - cell.chars().count() + 2);
            match paint {
                Some(paint) if column == 4 && !cell.is_empty() => {
                    let _ = write!(line, "\x1b[{paint}m{cell}\x1b[0m");
                }
                _ => line.push_str(cell),
            }
            line.push_str(&gap);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Wraps a text into lines of at most `width` characters, between words if possible.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        loop {
            let line = lines.last_mut().expect("there is one from the start");
            let used = line.chars().count();
            let gap = usize::from(used > 0);
            if used + gap + word.len() <= width {
                line.extend(std::iter::repeat_n(' ', gap).chain(word));
                break;
            }
            if used > 0 {
                lines.push(String::new());
            } else {
                line.extend(word.drain(..width));
                lines.push(String::new());
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_fit_100_columns_without_loss() {
        let long = "x".repeat(60);
        let cells =
            ["a question of several words that goes on", "-", "-", long.as_str(), "documented"];
        let text = lines(&cells, None);
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert_eq!(text.matches('x').count(), 60);
        assert!(lines(&cells, Some("32")).contains("\x1b[32mdocumented\x1b[0m"));
    }
}
