//! English times that count from now or from another time: "in two weeks", "3 days ago", "the last 3 months".

use super::super::calendar;
use super::super::value::{Grain, Moment, Resolved};
use super::Order;
use super::date::date;
use crate::duration::{self, Length};
use crate::text::Cursor;
use crate::{Language, Reference, number};

/// A time that counts from now, or a length before or after a date.
pub(crate) fn relative(cursor: Cursor<'_>, order: Order, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    instant(cursor, reference)
        .or_else(|| ahead(cursor, reference))
        .or_else(|| run(cursor, reference))
        .or_else(|| weekdays_ago(cursor, reference))
        .or_else(|| from_length(cursor, order, reference))
}

/// A moment that lies a length from the reference. What is finer than the length counts for nothing: see
/// `Grain::finer`.
pub(crate) fn shifted(reference: Reference, length: Length, sign: i64) -> Option<Moment> {
    let grain = length.grain.finer();
    let base = grain.floor(reference.local());
    Some(Moment::new(length.grain.shift(base, sign.checked_mul(i64::try_from(length.value).ok()?)?)?, grain))
}

fn instant(cursor: Cursor<'_>, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    let now = Moment::new(reference.local(), Grain::Second);
    for phrase in ["right now", "just now", "now", "at the moment", "immediately"] {
        if let Some(rest) = cursor.phrase(phrase) {
            return Some((Resolved::At(now), rest));
        }
    }
    for phrase in ["as soon as possible", "asap"] {
        if let Some(rest) = cursor.phrase(phrase) {
            return Some((Resolved::Interval(Some(now), None), rest));
        }
    }
    None
}

/// "In two weeks", "in half an hour", "within 3 days".
fn ahead(cursor: Cursor<'_>, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    if let Some(after) = cursor.eat("within").or_else(|| cursor.phrase("in the next")) {
        let (length, rest) = duration::find(after, Language::English)?;
        let end = shifted(reference, length, 1)?;
        let now = Moment::new(reference.local(), Grain::Second);
        return Some((Resolved::Interval(Some(now), Some(end)), rest));
    }
    let (length, rest) = duration::find(cursor.eat("in")?, Language::English)?;
    let rest = rest.phrase("from now").or_else(|| rest.phrase("time")).unwrap_or(rest);
    Some((Resolved::At(shifted(reference, length, 1)?), rest))
}

/// "The last 3 days", "next couple of weeks".
fn run(cursor: Cursor<'_>, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    let start = cursor.skip(&["in", "over", "for", "during"]).skip(&["the"]);
    let sign = match start.word() {
        "last" | "past" | "previous" => -1,
        "next" | "coming" | "following" | "upcoming" => 1,
        _ => return None,
    };
    let (number, rest) = number::unsigned(start.next().skip(&["a"]), Language::English)?;
    let (grain, count, rest) = duration::unit(rest)?;
    let count = i64::from(number.whole().filter(|n| *n > 0)?) * count as i64;
    Some((calendar::run(reference, grain, sign * count)?, rest))
}

/// "Two Fridays ago".
fn weekdays_ago(cursor: Cursor<'_>, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    let (number, rest) = number::unsigned(cursor, Language::English)?;
    let (day, rest) = super::names::weekday(rest)?;
    let weeks = i64::from(number.whole().filter(|n| (1..1000).contains(n))?);
    let last = calendar::weekday_before(reference, day.value)?;
    Some((Resolved::At(calendar::days_from(last, -7 * (weeks - 1))?), rest.eat("ago")?))
}

/// "3 days ago", "a week from now", "two days after tomorrow", "30 minutes before noon".
fn from_length(cursor: Cursor<'_>, order: Order, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    let (length, rest) = duration::find(cursor, Language::English)?;
    let at = |moment, rest| Some((Resolved::At(moment), rest));
    if let Some(after) = rest.eat_any(&["ago", "back"]) {
        return at(shifted(reference, length, -1)?, after);
    }
    for phrase in ["from now", "from right now", "hence", "later"] {
        if let Some(after) = rest.phrase(phrase) {
            return at(shifted(reference, length, 1)?, after);
        }
    }
    let (sign, after) = match rest.word() {
        "after" | "from" => (1, rest.next()),
        "before" => (-1, rest.next()),
        _ => return None,
    };
    let (base, rest) = match date(after, order, reference, false) {
        Some((Resolved::At(moment), rest)) => (moment, rest),
        Some(_) => return None,
        None => {
            let (clock, rest) = super::clock::explicit(after)?;
            (clock.next(reference)?, rest)
        }
    };
    let moved = length.grain.shift(base.at, sign * i64::try_from(length.value).ok()?)?;
    at(Moment::new(moved, base.grain.min(length.grain)), rest)
}
