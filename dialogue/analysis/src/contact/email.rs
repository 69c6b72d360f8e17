//! Addresses of mail. Written without a library: those take Chinese characters before an address for a part of it.

use super::{TOKENS_MAX, TOP_LEVELS, host};
use crate::text::{Cursor, Kind};

/// An address that begins here: `me@example.com`, or spelled, "alice at example dot com".
pub(crate) fn find(cursor: Cursor<'_>) -> Option<(String, Cursor<'_>)> {
    address(cursor).or_else(|| spelled(cursor))
}

/// An address in its usual form, which must begin here and not before.
pub(crate) fn address(cursor: Cursor<'_>) -> Option<(String, Cursor<'_>)> {
    if !is_local(cursor) || cursor.word() == "." {
        return None;
    }
    if cursor.touches() && cursor.previous().is_some_and(is_local) {
        return None;
    }
    let mut rest = cursor;
    for _ in 0..TOKENS_MAX {
        if rest.word() == "@" || !is_local(rest) || rest.index > cursor.index && !rest.touches() {
            break;
        }
        rest = rest.next();
    }
    let at = rest.joint("@").filter(|c| c.touches())?;
    let (_, end) = host(at)?;
    let span = end.source_since(cursor)?;
    Some((cursor.text.source[span].to_owned(), end))
}

/// Whether a token may stand before the sign.
fn is_local(cursor: Cursor<'_>) -> bool {
    match cursor.kind() {
        Some(Kind::Word | Kind::Digits) => cursor.word().is_ascii(),
        Some(Kind::Symbol) => matches!(cursor.word(), "." | "_" | "%" | "+" | "-"),
        _ => false,
    }
}

/// "Alice at example dot com", as speech recognition writes it.
fn spelled(cursor: Cursor<'_>) -> Option<(String, Cursor<'_>)> {
    let (local, rest) = word(cursor)?;
    let (first, mut rest) = word(rest.eat("at")?)?;
    // "Look at the dot com crash."
    if matches!(first.as_str(), "the" | "a" | "this" | "that" | "my" | "your" | "our") {
        return None;
    }
    let mut domain = first;
    let mut last = String::new();
    for _ in 0..4 {
        let Some((label, after)) = rest.eat("dot").and_then(word) else { break };
        domain = format!("{domain}.{label}");
        last = label;
        rest = after;
    }
    TOP_LEVELS.contains(&last.as_str()).then(|| (format!("{local}@{domain}"), rest))
}

fn word(cursor: Cursor<'_>) -> Option<(String, Cursor<'_>)> {
    let fits = matches!(cursor.kind(), Some(Kind::Word | Kind::Digits)) && cursor.word().is_ascii();
    fits.then(|| (cursor.word().to_owned(), cursor.next()))
}
