//! English parts of months and years: "first Monday of March", "Q3 2027", "the week of November 30", "mid December".

use super::super::calendar::{self, Third};
use super::super::longest;
use super::super::value::{Grain, Moment, Resolved};
use super::date::{month_day, months, near, of_month, shifted};
use super::names::{month, ordinal, weekday, year};
use super::{Order, numeric};
use crate::Reference;
use crate::text::Cursor;

/// "First Monday of March", "last Friday of November 2026".
pub(super) fn nth_weekday(cursor: Cursor<'_>, reference: Reference) -> Option<(Moment, Cursor<'_>)> {
    let start = cursor.skip(&["the"]);
    let (nth, rest) = match start.eat("last") {
        Some(rest) => (-1, rest),
        None => ordinal(start).filter(|(n, _)| (1..=5).contains(n)).map(|(n, rest)| (n as i8, rest))?,
    };
    let of_days = rest.eat("day");
    let (day, rest) = match of_days {
        Some(rest) => (None, rest),
        None => weekday(rest).map(|(day, rest)| (Some(day.value), rest))?,
    };
    let rest = rest.eat_any(&["of", "in"])?;
    let whole = |month: Moment| match day {
        Some(day) => calendar::nth_weekday(month, day, nth),
        None if nth == -1 => Some(calendar::at_day(month.at.date().last_of_month())),
        None => calendar::days_from(month, i64::from(nth) - 1),
    };
    for (phrase, months) in [("next month", 1), ("this month", 0), ("the month", 0), ("last month", -1)] {
        if let Some(after) = rest.phrase(phrase) {
            return Some((whole(calendar::current(reference, Grain::Month, months)?)?, after));
        }
    }
    let (name, rest) = month(rest)?;
    if let Some((number, after)) = year(rest.skip(&["of", ","])) {
        return Some((whole(calendar::month(number, name.value)?)?, after));
    }
    Some((calendar::first_of_years(reference, |y| whole(calendar::month(y, name.value)?))?, rest))
}

/// "Q3 2027", "the third quarter", "4th quarter of 2026".
pub(super) fn quarter(cursor: Cursor<'_>, reference: Reference) -> Option<(Moment, Cursor<'_>)> {
    let start = cursor.skip(&["in"]).skip(&["the"]);
    let (number, rest) = match start.eat("q").filter(|after| after.touches()) {
        Some(after) => crate::number::exact_digits(after, 1..=1)?,
        None => {
            let (number, rest) = ordinal(start)?;
            (number, rest.eat_any(&["quarter", "qtr"])?)
        }
    };
    let (year_of, rest) = match year(rest.skip(&["of", ","])) {
        Some(found) => found,
        None => (i32::from(reference.local().year()), rest),
    };
    let first = (1..=4).contains(&number).then(|| calendar::month(year_of, number * 3 - 2))??;
    Some((Moment { grain: Grain::Quarter, ..first }, rest))
}

/// "The week of November 30".
pub(super) fn week_of(cursor: Cursor<'_>, order: Order, reference: Reference) -> Option<(Moment, Cursor<'_>)> {
    let start = cursor.skip(&["the"]).phrase("week of")?;
    let (day, rest) =
        longest([month_day(start, reference), numeric::date(start, order, reference), of_month(start, reference)])?;
    Some((Moment::new(day.at, Grain::Week), rest))
}

/// "End of the month", "mid December", "beginning of next year".
pub(super) fn third(cursor: Cursor<'_>, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    let start = cursor.skip(&["at", "in", "by"]).skip(&["the"]);
    let part = match start.word() {
        "beginning" | "start" => Third::Begin,
        "middle" | "mid" => Third::Middle,
        "end" => Third::End,
        "eom" => {
            return Some((calendar::third(calendar::current(reference, Grain::Month, 0)?, Third::End)?, start.next()));
        }
        "eod" => return Some((calendar::third(calendar::today(reference, 0)?, Third::End)?, start.next())),
        _ => return None,
    };
    let rest = start.next();
    let rest = match rest.joint("-").or_else(|| rest.eat("of")) {
        Some(rest) => rest,
        None if start.word() == "mid" => rest,
        None => return None,
    };
    let whole = rest.skip(&["the"]);
    let here = match whole.word() {
        "day" => calendar::today(reference, 0),
        "week" => calendar::current(reference, Grain::Week, 0),
        "month" => calendar::current(reference, Grain::Month, 0),
        "year" => calendar::current(reference, Grain::Year, 0),
        _ => None,
    };
    let (whole, rest) = match here {
        Some(here) => (here, whole.next()),
        None => match longest([shifted(whole, reference), near(whole, reference).map(|(m, c)| (Resolved::At(m), c))]) {
            Some((Resolved::At(moment), rest)) => (moment, rest),
            _ => months(whole, reference, false)?,
        },
    };
    Some((calendar::third(whole, part)?, rest))
}
