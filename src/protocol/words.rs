//! The words that several parsers know: of success, of failure, and of results.

/// Whether a token is that of a result. The letters may be small.
pub(super) fn is_answer_token(token: &str) -> bool {
    ["STATUS_", "ACCESS_", "REGET_"].iter().any(|start| has_prefix(token, start))
}

/// Whether a text begins with a word, in capital or small letters.
pub(super) fn has_prefix(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(start))
}

/// Whether the text of a `status` field means success.
pub(super) fn is_success(word: &str) -> bool {
    ["ok", "success", "true", "1"].iter().any(|yes| word.eq_ignore_ascii_case(yes))
}

/// Whether the text of a `status` field means failure.
pub(super) fn is_failure(word: &str) -> bool {
    const FAILED: [&str; 6] = ["error", "false", "fail", "failed", "0", "err"];
    FAILED.iter().any(|no| word.eq_ignore_ascii_case(no))
}
