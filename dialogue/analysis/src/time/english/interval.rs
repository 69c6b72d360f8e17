//! English intervals: "from 3 to 5pm", "Nov 28 - Dec 3", "before Friday", "since Monday".

use super::super::clock::{self as clocks, Clock};
use super::super::value::{Grain, Moment, Resolved};
use super::super::{calendar, longest};
use super::date::date;
use super::{Order, clock, names, point};
use crate::Reference;
use crate::text::{Cursor, Kind};

/// Two ends with "to", "-" or "and" between them.
pub(crate) fn interval(cursor: Cursor<'_>, order: Order, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    longest([
        clock_interval(cursor, order, reference),
        day_then_clocks(cursor, order, reference),
        days_of_month(cursor, reference),
        points(cursor, order, reference),
    ])
}

/// An open interval: "before 5pm", "until tomorrow", "since Monday", "by Friday", "from 5pm".
pub(crate) fn bounded(cursor: Cursor<'_>, order: Order, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    let word = cursor.word();
    let rest = match word {
        "before" | "until" | "till" | "by" | "after" | "since" | "from" => cursor.next(),
        "starting" | "beginning" => cursor.next().skip(&["from", "on"]),
        _ => return None,
    };
    let end = |reference| either_point(rest, order, reference);
    let (found, after) = end(reference)?;
    let start = found.start()?;
    let now = Moment::new(reference.local(), Grain::Second);
    let resolved = match word {
        "before" | "until" | "till" => Resolved::Interval(None, Some(start)),
        "by" => Resolved::Interval(Some(now), Some(Moment { grain: Grain::Second, ..start })),
        // "After" a part of the day is after its end.
        "after" => Resolved::Interval(Some(if let Resolved::Interval(_, Some(to)) = found { to } else { start }), None),
        // Duckling takes the Monday that comes; what lasts since then has begun before.
        "since" => Resolved::Interval(Some(latest_past(start, reference, end, after).unwrap_or(start)), None),
        _ => {
            // "From the 5th" is one; "from May" and "from 5" are rather names and numbers.
            let after = after.eat_any(&["onwards", "onward"]).or_else(|| after.phrase("on")).unwrap_or(after);
            return Some((Resolved::Interval(Some(start), None), after));
        }
    };
    Some((resolved, after))
}

/// The same words as they would have been understood a day, a week or a year ago.
fn latest_past<'a>(
    start: Moment,
    reference: Reference,
    end: impl Fn(Reference) -> Option<(Resolved, Cursor<'a>)>,
    after: Cursor<'a>,
) -> Option<Moment> {
    if start.at <= reference.local() {
        return Some(start);
    }
    [Grain::Day, Grain::Week, Grain::Year].into_iter().find_map(|grain| {
        let earlier = reference.moved_to(grain.shift(reference.local(), -1)?);
        let (found, rest) = end(earlier).filter(|(_, rest)| rest.index == after.index)?;
        found.start().filter(|start| start.at <= reference.local() && rest.index == after.index)
    })
}

/// A point, also one that needs the word before it to be one: a year or a month alone, an hour behind "at".
fn either_point(cursor: Cursor<'_>, order: Order, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    longest([
        point(cursor, order, reference),
        date(cursor, order, reference, false).filter(|(_, rest)| !verb(cursor, *rest)),
    ])
}

/// "Before may I": a month's name that is no month.
fn verb(from: Cursor<'_>, rest: Cursor<'_>) -> bool {
    rest.index == from.index + 1
        && matches!(from.word(), "may" | "march" | "mar" | "sat" | "sun" | "wed" | "mon")
        && matches!(rest.word(), "i" | "we" | "you" | "he" | "she" | "it" | "they")
}

/// "From 3 to 5pm", "9:30 - 11:00 on Thursday", "between 2 and 4pm tomorrow".
fn clock_interval(cursor: Cursor<'_>, order: Order, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    let (from, to, rest, said) = clock_pair(cursor)?;
    let ahead = rest.skip(&["on"]);
    if let Some((Resolved::At(day), after)) = date(ahead, order, reference, ahead.index == rest.index)
        && day.grain == Grain::Day
    {
        return Some((clocks::between(from, to, Some(day), reference)?, after));
    }
    if let Some((part, day, after)) = super::this_part(rest, reference) {
        let (from, to) = (from.within(part)?, to.within(part)?);
        return Some((clocks::between(from, to, Some(day), reference)?, after));
    }
    if let Some((part, after)) = clock::part_phrase(rest) {
        let (from, to) = (from.within(part)?, to.within(part)?);
        return Some((clocks::between(from, to, None, reference)?, after));
    }
    said.then(|| Some((clocks::between(from, to, None, reference)?, rest)))?
}

/// "Tomorrow from 3 to 5pm", "on Saturday 10am-2pm".
fn day_then_clocks(cursor: Cursor<'_>, order: Order, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    let start = cursor.skip(&["on"]);
    let (Resolved::At(day), rest) = date(start, order, reference, false)? else { return None };
    let ahead = rest.eat(",").unwrap_or(rest);
    let opened = matches!(ahead.word(), "from" | "between");
    let (from, to, after, said) = clock_pair(ahead)?;
    (day.grain == Grain::Day && (said || opened))
        .then(|| Some((clocks::between(from, to, Some(day), reference)?, after)))?
}

/// Two times on the clock; and whether one of them says itself that it is one.
fn clock_pair(cursor: Cursor<'_>) -> Option<(Clock, Clock, Cursor<'_>, bool)> {
    let opened = cursor.eat_any(&["from", "between"]);
    let start = opened.unwrap_or(cursor).skip(&["at"]);
    let side = |cursor| {
        let explicit = clock::explicit(cursor);
        let said = explicit.is_some();
        Some((explicit.or_else(|| clock::bare(cursor))?, said))
    };
    let ((from, rest), first) = side(start)?;
    let ((to, rest), second) = side(joined(rest, cursor.word() == "between")?.skip(&["at"]))?;
    Some((from, to, rest, first || second))
}

/// Past what joins two ends.
fn joined(cursor: Cursor<'_>, between: bool) -> Option<Cursor<'_>> {
    if between && let Some(rest) = cursor.eat("and") {
        return Some(rest);
    }
    cursor.eat_any(&["to", "-", "~", "until", "till", "through", "thru"])
}

/// "December 1 to 5", "Dec 1-5, 2026", "28-30 November".
fn days_of_month(cursor: Cursor<'_>, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    let opened = cursor.eat_any(&["from", "between"]).unwrap_or(cursor).skip(&["the"]);
    let pair = |cursor: Cursor<'_>| {
        let (first, rest) = names::day_number(cursor)?;
        let next =
            joined(rest, opened.index > cursor.index || opened.previous().is_some_and(|c| c.word() == "between"))?;
        let index = next.skip(&["the"]).index;
        let (second, rest) = names::day_number(next.skip(&["the"]))?;
        (first < second && index > 0).then_some((first, second, rest.index))
    };
    let (month, first, second, rest) = match names::month(opened) {
        Some((month, rest)) => {
            let (first, second, index) = pair(rest.skip(&["the"]))?;
            (month, first, second, cursor.text.at(index))
        }
        None => {
            let (first, second, index) = pair(opened)?;
            let (month, rest) = names::month(cursor.text.at(index).skip(&["of"]))?;
            (month, first, second, rest)
        }
    };
    let named = names::year(rest.joint(",").unwrap_or(rest));
    let (from, rest) = match named {
        Some((year, after)) => (calendar::day(year, month.value, first)?, after),
        None => (calendar::next_day(reference, month.value, first)?, rest),
    };
    let to = calendar::day(i32::from(from.at.year()), month.value, second)?;
    // "Dec 1 to 5pm" is of another kind.
    (rest.kind() != Some(Kind::Word) || !rest.touches())
        .then(|| Some((Resolved::Interval(Some(from), to.after()), rest)))?
}

/// "Nov 28 - Dec 3", "Monday to Friday", "from tomorrow until Sunday", "from 2019 to 2021".
fn points(cursor: Cursor<'_>, order: Order, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    let opened = cursor.eat_any(&["from", "between"]);
    let start = opened.unwrap_or(cursor);
    let alone = opened.is_none();
    let side = |cursor: Cursor<'_>, reference| {
        let found = if alone { point(cursor, order, reference) } else { either_point(cursor, order, reference) };
        found.map(|(resolved, rest)| (resolved, rest.index))
    };
    let (first, index) = side(start, reference)?;
    let from = first.start()?;
    let to_side = joined(cursor.text.at(index), cursor.word() == "between")?;
    let (mut second, mut index) = side(to_side, reference)?;
    if second.start().is_none_or(|start| start.at <= from.at) {
        // Friday is the one behind Monday: counted from the first end.
        (second, index) = side(to_side, reference.moved_to(from.at))?;
    }
    let to = second.end().filter(|to| to.at > from.at)?;
    Some((Resolved::Interval(Some(from), Some(to)), cursor.text.at(index)))
}
