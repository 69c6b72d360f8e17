//! Addresses in the web. Written without a library: those take Chinese characters beside an address for a part of it.

use super::{TOKENS_MAX, host};
use crate::text::{Cursor, Kind};

/// Longest address, in tokens.
const URL_TOKENS_MAX: usize = 16 * TOKENS_MAX;

/// An address and what lies in it.
pub(crate) struct Url<'a> {
    /// The host without `www.`, in lower case.
    pub(crate) domain: String,
    /// Whether a name and a password stand before the host.
    pub(crate) credentials: bool,
    pub(crate) rest: Cursor<'a>,
}

/// An address that begins here, with a scheme, with `www.` or with a known top-level domain.
pub(crate) fn find(cursor: Cursor<'_>) -> Option<Url<'_>> {
    let glued = cursor.touches()
        && cursor.previous().is_some_and(|c| {
            matches!(c.kind(), Some(Kind::Word | Kind::Digits)) || matches!(c.word(), "@" | "." | "-" | "/" | "_")
        });
    if glued || !matches!(cursor.kind()?, Kind::Word | Kind::Digits) {
        return None;
    }
    let scheme = scheme(cursor);
    let start = scheme.unwrap_or(cursor);
    let (authority, credentials) = match scheme.and_then(user) {
        Some((after, password)) => (after, password),
        None => (start, false),
    };
    let local = authority.eat("localhost");
    let (known, after_host) = match local {
        Some(rest) => (false, rest),
        None => host(authority).or_else(|| Some((false, numbers(authority)?)))?,
    };
    let port = after_host.joint(":").filter(|c| c.touches()).and_then(|c| c.digits()).map(|(_, _, rest)| rest);
    let named = scheme.is_some() || authority.word() == "www" || known || local.is_some() && port.is_some();
    // `foo.com@bar` would be a name.
    if !named || after_host.joint("@").is_some() {
        return None;
    }
    let span = after_host.source_since(authority)?;
    let domain = cursor.text.source[span].to_lowercase();
    let rest = path(port.unwrap_or(after_host));
    Some(Url { domain: domain.strip_prefix("www.").unwrap_or(&domain).to_owned(), credentials, rest })
}

/// Past `https://`.
fn scheme(cursor: Cursor<'_>) -> Option<Cursor<'_>> {
    let known =
        ["http", "https", "ftp", "ftps", "ws", "wss", "postgres", "postgresql", "mysql", "redis", "amqp", "mongodb"];
    cursor.eat_any(&known)?.joint(":")?.joint("/")?.joint("/").filter(|c| c.touches())
}

/// Past `name:password@`; and whether there is a password.
fn user(cursor: Cursor<'_>) -> Option<(Cursor<'_>, bool)> {
    let mut rest = cursor;
    let mut password = false;
    for _ in 0..TOKENS_MAX {
        if !rest.touches() || matches!(rest.word(), "/" | "?" | "#") {
            return None;
        }
        if rest.word() == "@" {
            return Some((rest.next(), password));
        }
        password |= rest.word() == ":";
        rest = rest.next();
    }
    None
}

/// An address of four numbers as a host.
fn numbers(cursor: Cursor<'_>) -> Option<Cursor<'_>> {
    let mut rest = cursor.digits()?.2;
    for _ in 0..3 {
        rest = rest.joint(".").filter(|c| c.touches())?.digits()?.2;
    }
    Some(rest)
}

/// Past path, query and fragment; a sign that ends a sentence or closes a bracket is not a part of them.
fn path(cursor: Cursor<'_>) -> Cursor<'_> {
    if !matches!(cursor.word(), "/" | "?" | "#") || !cursor.touches() {
        return cursor;
    }
    let mut rest = cursor;
    let mut depth = 0i32;
    // Behind the last token that may end an address.
    let mut end = cursor.next();
    for _ in 0..URL_TOKENS_MAX {
        let ascii = rest.kind() != Some(Kind::Han) && rest.word().is_ascii();
        if rest.token().is_none() || !rest.touches() || !ascii || matches!(rest.word(), "\"" | "<" | ">") {
            break;
        }
        match rest.word() {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            break;
        }
        rest = rest.next();
        let closes = rest.previous().is_some_and(|c| matches!(c.word(), "." | "," | ";" | ":" | "!" | "?" | "'" | "("));
        if !closes {
            end = rest;
        }
    }
    end
}
