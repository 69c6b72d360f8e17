//! Dates in digits: `11/28/2026`, `28.11.2026`, `2026-11-28`, with a time behind it in the form of ISO 8601.

use super::super::calendar;
use super::super::value::{Grain, Moment};
use super::Order;
use crate::Reference;
use crate::number::exact_digits;
use crate::text::{Cursor, Kind};

/// A date in digits.
pub(crate) fn date(cursor: Cursor<'_>, order: Order, reference: Reference) -> Option<(Moment, Cursor<'_>)> {
    if starts_inside(cursor) {
        return None;
    }
    let (first, length, rest) = cursor.digits()?;
    let mark = rest.word();
    if !matches!(mark, "/" | "-" | ".") {
        return None;
    }
    let (second, rest) =
        exact_digits(rest.joint(mark)?, 1..=2).filter(|(_, rest)| rest.text.at(rest.index - 1).touches())?;
    let third = rest.joint(mark).filter(|c| c.touches()).and_then(|c| exact_digits(c, 1..=4));
    let found = match (length, third) {
        (4, Some((third, rest))) if third <= 31 => (calendar::day(first as i32, second, third)?, rest),
        (1 | 2, Some((year, after))) => {
            let digits = rest.next().word().len();
            let year = match digits {
                4 => year as i32,
                // As Duckling: 50 and later belong to the last century.
                2 => year as i32 + if year < 50 { 2000 } else { 1900 },
                _ => return None,
            };
            let ordered = |month, day| calendar::day(year, month, day);
            // Points are how the day comes first. Where one order has no such day, the other is meant.
            let found = if order == Order::DayFirst || mark == "." {
                ordered(second, first).or_else(|| ordered(first, second))
            } else {
                ordered(first, second).or_else(|| ordered(second, first))
            };
            (found?, after)
        }
        // Without a year only the slash is a date for sure: `11-28` and `11.28` are ranges and numbers. And 24/7 is always.
        (1 | 2, None) if mark == "/" && (first, second) != (24, 7) => {
            let (month, day) = if order == Order::DayFirst { (second, first) } else { (first, second) };
            (calendar::next_day(reference, month, day)?, rest)
        }
        _ => return None,
    };
    (!goes_on(found.1)).then_some(found)
}

/// `2026-11-28T09:00:00Z`, `2026-11-28T09:00+08:00`: at the reference's offset, whatever offset it names.
pub(crate) fn iso(cursor: Cursor<'_>, reference: Reference) -> Option<(Moment, Cursor<'_>)> {
    if starts_inside(cursor) {
        return None;
    }
    let (year, rest) = exact_digits(cursor, 4..=4)?;
    let (month, rest) = exact_digits(rest.joint("-")?, 2..=2)?;
    let (day, rest) = exact_digits(rest.joint("-")?, 2..=2)?;
    let day = calendar::day(year as i32, month, day)?;
    let (hour, rest) = exact_digits(rest.joint("t")?, 2..=2)?;
    let (minute, rest) = exact_digits(rest.joint(":")?, 2..=2)?;
    let seconds = rest.joint(":").and_then(|c| exact_digits(c, 2..=2));
    let (second, rest) = seconds.map_or((0, rest), |(second, rest)| {
        let fraction = rest.joint(".").and_then(|c| exact_digits(c, 1..=9));
        (second, fraction.map_or(rest, |(_, rest)| rest))
    });
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let at = Grain::Second.shift(day.at, i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second))?;
    let grain = if seconds.is_some() { Grain::Second } else { Grain::Minute };
    let (at, rest) = match zone(rest) {
        Some((offset, after)) => (reference.localised(at, offset)?, after),
        None => (at, rest),
    };
    Some((Moment::new(at, grain), rest))
}

/// `Z`, `+08:00`, `-0500`, in minutes.
fn zone(cursor: Cursor<'_>) -> Option<(i32, Cursor<'_>)> {
    if let Some(rest) = cursor.joint("z") {
        return Some((0, rest));
    }
    let (sign, after) = cursor.joint("+").map(|c| (1, c)).or_else(|| Some((-1, cursor.joint("-")?)))?;
    if let Some((value, rest)) = exact_digits(after, 4..=4) {
        return Some((sign * (value / 100 * 60 + value % 100) as i32, rest));
    }
    let (hours, rest) = exact_digits(after, 2..=2)?;
    let (minutes, rest) = rest.joint(":").and_then(|c| exact_digits(c, 2..=2)).unwrap_or((0, rest));
    Some((sign * (hours * 60 + minutes) as i32, rest))
}

/// Whether digits belong to something longer on their left: a path, a version, a code.
fn starts_inside(cursor: Cursor<'_>) -> bool {
    cursor.touches()
        && cursor.previous().is_some_and(|before| {
            before.kind() == Some(Kind::Word)
                || matches!(before.word(), "/" | "-" | "." | "_" | "#" | "+" | "$" | "€" | "£")
        })
}

/// Whether they do on their right.
fn goes_on(rest: Cursor<'_>) -> bool {
    let glued = rest.touches() && matches!(rest.kind(), Some(Kind::Word | Kind::Digits)) && rest.word() != "t";
    let marked = ["/", "-", ".", "_"].iter().find_map(|mark| rest.joint(mark));
    glued || marked.is_some_and(|c| c.touches() && c.kind() == Some(Kind::Digits))
}
