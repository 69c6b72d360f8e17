//! English dates and times: how days, times of day and words such as "before" are put together.

mod begins;
mod clock;
mod date;
mod interval;
mod names;
mod numeric;
mod period;
mod relative;

use super::clock::Part;
use super::longest;
use super::value::{Moment, Resolved};
use super::{calendar, value::Grain};
use crate::Reference;
use crate::text::Cursor;
use date::date;
pub(crate) use names::ordinal;
pub(crate) use numeric::date as numeric_date;
pub(crate) use relative::shifted;

/// Which of day and month comes first in digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    MonthFirst,
    DayFirst,
}

/// A time.
pub(crate) fn time(cursor: Cursor<'_>, order: Order, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    if begins::begins(cursor) { read(cursor, order, reference) } else { None }
}

/// The same, whatever the text begins with.
pub(crate) fn read(cursor: Cursor<'_>, order: Order, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    longest([
        interval::bounded(cursor, order, reference),
        interval::interval(cursor, order, reference),
        point(cursor, order, reference),
    ])
}

/// A time that is no interval by "from" and "to".
fn point(cursor: Cursor<'_>, order: Order, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    let at = |found: Option<(Moment, _)>| found.map(|(moment, rest)| (Resolved::At(moment), rest));
    longest([
        at(numeric::iso(cursor, reference)),
        dated(cursor, order, reference),
        at(clocked(cursor, order, reference)),
        part_of_day(cursor, order, reference),
        relative::relative(cursor, order, reference),
    ])
}

/// A date, with a time of day or a part of the day behind it.
fn dated(cursor: Cursor<'_>, order: Order, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    let on = cursor.eat("on").or_else(|| cursor.eat("around"));
    let (day, rest) = date(on.unwrap_or(cursor), order, reference, false)?;
    let said = on.is_some() || date(cursor, order, reference, true).is_some_and(|(_, alone)| alone.index >= rest.index);
    let found = match day {
        Resolved::At(day) if day.grain == Grain::Day => behind_day(day, rest, reference),
        _ => None,
    };
    match found {
        Some(found) => Some(found),
        None => said.then_some((day, rest)),
    }
}

/// What may follow a day: "at 5pm", "17:45", "morning", "in the evening".
fn behind_day(day: Moment, rest: Cursor<'_>, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    let ahead = rest.eat(",").unwrap_or(rest);
    let ahead = if ahead.word() == "for" { ahead.next() } else { ahead };
    let clock = longest([clock::at(ahead), clock::explicit(ahead)]);
    if let Some((clock, after)) = clock {
        return Some((Resolved::At(clock.on(day, reference)?), after));
    }
    let (part, after) = clock::part(rest).or_else(|| clock::part_phrase(rest))?;
    // "Tomorrow morning at 8".
    match longest([clock::at(after), clock::explicit(after)]).and_then(|(c, rest)| Some((c.within(part)?, rest))) {
        Some((clock, rest)) => Some((Resolved::At(clock.on(day, reference)?), rest)),
        None => Some((part.on(day, false)?, after)),
    }
}

/// A time of day, with a day behind it: "5pm next Friday", "at 8 tonight".
fn clocked(cursor: Cursor<'_>, order: Order, reference: Reference) -> Option<(Moment, Cursor<'_>)> {
    let (mut clock, rest) = longest([clock::at(cursor), clock::explicit(cursor)]).or_else(|| eight_tonight(cursor))?;
    if let Some((part, day, after)) = this_part(rest, reference) {
        clock = clock.within(part)?;
        return Some((clock.on(day, reference)?, after));
    }
    let ahead = rest.eat_any(&["on", ","]).unwrap_or(rest);
    let ahead = ahead.skip(&["on"]);
    if let Some((Resolved::At(day), after)) = date(ahead, order, reference, ahead.index == rest.index)
        && day.grain == Grain::Day
    {
        // "At 8 tomorrow morning".
        if let Some((part, after)) = clock::part(after).or_else(|| clock::part_phrase(after)) {
            return Some((clock.within(part)?.on(day, reference)?, after));
        }
        return Some((clock.on(day, reference)?, after));
    }
    Some((clock.next(reference)?, rest))
}

/// "8 tonight", "8 this evening", "8 in the evening": a bare hour before a part of the day.
fn eight_tonight(cursor: Cursor<'_>) -> Option<(super::clock::Clock, Cursor<'_>)> {
    let (clock, rest) = clock::bare(cursor)?;
    if let Some((part, after)) = clock::part_phrase(rest) {
        return Some((clock.within(part)?, after));
    }
    let named = rest.word() == "tonight" || rest.word() == "this" && clock::part(rest.next()).is_some();
    named.then_some((clock, rest))
}

/// "Tonight", "this morning", "last night", "late tonight": the part and its day.
fn this_part(cursor: Cursor<'_>, reference: Reference) -> Option<(Part, Moment, Cursor<'_>)> {
    if let Some(rest) = cursor.eat_any(&["tonight", "tonite"]) {
        return Some((Part::Evening, calendar::today(reference, 0)?, rest));
    }
    if let Some(rest) = cursor.phrase("last night") {
        return Some((Part::Night, calendar::today(reference, -1)?, rest));
    }
    let (part, rest) = clock::part(cursor.eat("this")?)?;
    Some((part, calendar::today(reference, 0)?, rest))
}

/// "Tonight", "this afternoon at 3", "in the morning", "the morning of November 28".
fn part_of_day(cursor: Cursor<'_>, order: Order, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    if let Some(rest) = cursor.phrase("late tonight").or_else(|| cursor.phrase("late this evening")) {
        let today = calendar::today(reference, 0)?;
        let at = |hours| Some(Moment { at: Grain::Hour.shift(today.at, hours)?, grain: Grain::Hour });
        return Some((Resolved::Interval(Some(at(21)?), Some(at(24)?)), rest));
    }
    if let Some((part, day, rest)) = this_part(cursor, reference) {
        let clock = longest([clock::at(rest), clock::explicit(rest)]);
        if let Some((clock, after)) = clock.and_then(|(clock, after)| Some((clock.within(part)?, after))) {
            return Some((Resolved::At(clock.on(day, reference)?), after));
        }
        return Some((part.on(day, false)?, rest));
    }
    let named = cursor.skip(&["the"]);
    if let Some((part, after)) = clock::part(named)
        && let Some(after) = after.eat_any(&["of", "on"])
        && let Some((Resolved::At(day), rest)) = date(after, order, reference, false)
        && day.grain == Grain::Day
    {
        return Some((part.on(day, false)?, rest));
    }
    let (part, rest) = clock::part_phrase(cursor)?;
    let ahead = rest.skip(&["of", "on"]);
    if let Some((Resolved::At(day), after)) = date(ahead, order, reference, false)
        && day.grain == Grain::Day
    {
        return Some((part.on(day, false)?, after));
    }
    if let Some((clock, after)) = clock::at(rest).and_then(|(clock, after)| Some((clock.within(part)?, after))) {
        return Some((Resolved::At(clock.next(reference)?), after));
    }
    Some((part.on(calendar::today(reference, 0)?, false)?, rest))
}
