//! Numbers in digits: thousands with commas, decimals with a point.

use super::Numeral;
use crate::text::{Cursor, Kind};

/// Digits of one number; beyond them a float is no longer exact, and what has more is no number but a code.
const DIGITS_MAX: usize = 18;

/// `1,234,567.89`, `3.5`, `.5`, `007`. None where the digits are a part of something longer, such as `1.2.3` or `abc1`.
pub(crate) fn number(cursor: Cursor<'_>) -> Option<(Numeral, Cursor<'_>)> {
    if cursor.word() == "." {
        // `.5`, where no digit or letter stands before the point.
        if cursor.touches() && cursor.previous().is_some_and(|c| c.kind() != Some(Kind::Symbol)) {
            return None;
        }
        let (digits, rest) = run(cursor.next(), true)?;
        return finish(&format!("0.{digits}"), rest);
    }
    if inside(cursor) {
        return None;
    }
    let (first, mut rest) = run(cursor, false)?;
    let mut text = first.to_owned();
    if first.len() <= 3 {
        while let Some((group, after)) = rest.joint(",").and_then(|c| run(c, true)) {
            if group.len() != 3 || text.len() + 3 > DIGITS_MAX {
                break;
            }
            text.push_str(group);
            rest = after;
        }
    }
    if let Some((decimals, after)) = rest.joint(".").and_then(|c| run(c, true)) {
        text.push('.');
        text.push_str(decimals);
        rest = after;
        // A second point: a version, an address or a date.
        if rest.joint(".").is_some_and(|c| c.touches() && c.kind() == Some(Kind::Digits)) {
            return None;
        }
    }
    finish(&text, rest)
}

/// Digits that are exactly so many, as a number.
pub(crate) fn exact_digits(cursor: Cursor<'_>, lengths: std::ops::RangeInclusive<usize>) -> Option<(u32, Cursor<'_>)> {
    let (value, length, rest) = cursor.digits()?;
    lengths.contains(&length).then_some((value, rest))
}

fn run(cursor: Cursor<'_>, touching: bool) -> Option<(&str, Cursor<'_>)> {
    let fits = cursor.kind()? == Kind::Digits && cursor.word().len() <= DIGITS_MAX;
    (fits && (!touching || cursor.touches())).then(|| (cursor.word(), cursor.next()))
}

fn finish<'a>(text: &str, rest: Cursor<'a>) -> Option<(Numeral, Cursor<'a>)> {
    Some((Numeral { value: text.parse().ok()?, digits: true }, rest))
}

/// Whether digits go on something: letters, or digits with a point.
fn inside(cursor: Cursor<'_>) -> bool {
    let Some(before) = cursor.previous().filter(|_| cursor.touches()) else { return false };
    match before.kind() {
        Some(Kind::Word) => true,
        Some(Kind::Symbol) if before.word() == "." => {
            before.touches() && before.previous().is_some_and(|c| c.kind() == Some(Kind::Digits))
        }
        Some(Kind::Symbol) => before.word() == "_",
        _ => false,
    }
}
