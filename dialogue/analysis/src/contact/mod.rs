//! Addresses and numbers by which people are reached.

pub(crate) mod email;
pub(crate) mod phone;
pub(crate) mod url;

use crate::text::{Cursor, Kind};

/// Most tokens of one address: it keeps the work at each place bounded.
const TOKENS_MAX: usize = 64;

/// Ends of host names that count without `http://` or `www.` before them; others are rather two sentences.
const TOP_LEVELS: [&str; 50] = [
    "com", "org", "net", "edu", "gov", "mil", "int", "info", "biz", "io", "ai", "app", "dev", "cloud", "shop", "store",
    "online", "site", "tech", "xyz", "me", "tv", "cc", "co", "eu", "de", "uk", "fr", "es", "it", "nl", "be", "ch",
    "at", "pl", "se", "no", "fi", "dk", "pt", "ru", "cn", "jp", "kr", "in", "au", "nz", "ca", "us", "br",
];

/// Labels with points between them, such as `mail.example.com`: where they end, and whether the last is a known one.
fn host(cursor: Cursor<'_>) -> Option<(bool, Cursor<'_>)> {
    let mut rest = label(cursor, false)?;
    let mut last = None;
    for _ in 0..TOKENS_MAX {
        let Some((begin, after)) = rest.joint(".").and_then(|c| Some((c, label(c, true)?))) else { break };
        rest = after;
        last = Some(begin);
    }
    // The last label has letters only.
    let last = last.filter(|begin| begin.kind() == Some(Kind::Word) && begin.index + 1 == rest.index)?;
    let long_enough = (2..=24).contains(&last.word().len()) && last.word().bytes().all(|b| b.is_ascii_lowercase());
    long_enough.then(|| (TOP_LEVELS.contains(&last.word()), rest))
}

/// Letters and digits of ASCII with hyphens inside.
fn label(cursor: Cursor<'_>, touching: bool) -> Option<Cursor<'_>> {
    if touching && !cursor.touches() {
        return None;
    }
    let mut rest = part(cursor)?;
    for _ in 0..TOKENS_MAX {
        let after = rest.joint("-").unwrap_or(rest);
        match part(after).filter(|_| after.touches()) {
            Some(next) => rest = next,
            None => break,
        }
    }
    Some(rest)
}

fn part(cursor: Cursor<'_>) -> Option<Cursor<'_>> {
    let word = matches!(cursor.kind(), Some(Kind::Word | Kind::Digits)) && cursor.word().is_ascii();
    (word && !cursor.word().contains('\'')).then(|| cursor.next())
}
