//! Addresses of the Internet Protocol.

use crate::text::{Cursor, Kind};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Tokens of an address of version 6 with an address of version 4 in it.
const TOKENS_MAX: usize = 48;

/// An address of either version.
pub(super) fn address(cursor: Cursor<'_>) -> Option<Cursor<'_>> {
    let glued = cursor.touches()
        && cursor.previous().is_some_and(|c| {
            matches!(c.kind(), Some(Kind::Word | Kind::Digits)) || matches!(c.word(), "." | ":" | "-" | "_" | "@")
        });
    if glued {
        return None;
    }
    version_4(cursor).or_else(|| version_6(cursor))
}

/// Four numbers. Without a reason to think of networks `1.2.3.4` is a version: the first number has two digits at least, or
/// the word before says what it is.
fn version_4(cursor: Cursor<'_>) -> Option<Cursor<'_>> {
    let mut rest = cursor.digits()?.2;
    for _ in 0..3 {
        rest = rest.joint(".").filter(|c| c.touches())?.digits()?.2;
    }
    let more = rest.joint(".").is_some_and(|c| c.touches() && c.kind() == Some(Kind::Digits));
    let glued = rest.touches() && matches!(rest.kind(), Some(Kind::Word | Kind::Digits)) || rest.joint("-").is_some();
    let text = &cursor.text.source[rest.source_since(cursor)?];
    let version = cursor.previous().is_some_and(|c| matches!(c.word(), "version" | "v" | "release" | "版本"));
    let said = cursor.word().len() >= 2
        || cursor.previous().is_some_and(|c| matches!(c.word(), "ip" | "address" | "dns" | "host"));
    (!more && !glued && !version && said && text.parse::<Ipv4Addr>().is_ok()).then_some(rest)
}

/// Groups of hexadecimal digits with colons between them; at least two colons, so that no time of day is meant.
fn version_6(cursor: Cursor<'_>) -> Option<Cursor<'_>> {
    let mut rest = cursor;
    let mut end = None;
    let mut colons = 0;
    for _ in 0..TOKENS_MAX {
        let part = match rest.kind() {
            Some(Kind::Word) => rest.word().len() <= 4 && rest.word().bytes().all(|b| b.is_ascii_hexdigit()),
            Some(Kind::Digits) => rest.word().len() <= 4,
            Some(Kind::Symbol) => matches!(rest.word(), ":" | "."),
            _ => false,
        };
        if !part || rest.index > cursor.index && !rest.touches() {
            break;
        }
        colons += usize::from(rest.word() == ":");
        rest = rest.next();
        // A sign at the end belongs to the sentence, except the two colons of `fe80::`.
        let last = rest.previous()?;
        let double = last.word() == ":" && last.previous().is_some_and(|c| c.word() == ":");
        if last.kind() != Some(Kind::Symbol) || double {
            end = Some(rest);
        }
    }
    let end = end?;
    let glued = end.touches() && matches!(end.kind(), Some(Kind::Word | Kind::Digits));
    let text = &cursor.text.source[end.source_since(cursor)?];
    // `::` and `a::b` are rather punctuation and names in programs.
    let digit = text.bytes().any(|b| b.is_ascii_digit());
    (colons >= 2 && digit && text.len() >= 4 && !glued && text.parse::<Ipv6Addr>().is_ok()).then_some(end)
}
