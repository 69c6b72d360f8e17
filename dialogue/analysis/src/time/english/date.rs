//! English days, weeks, months and years.

use super::super::calendar;
use super::super::longest;
use super::super::value::{Grain, Moment, Resolved};
use super::names::{day_number, holiday, month, ordinal, weekday, year};
use super::period::{nth_weekday, quarter, third, week_of};
use super::{Order, numeric};
use crate::Reference;
use crate::text::Cursor;

/// A date. `alone` asks that it says so itself: a bare "may" or "sat" is none.
pub(crate) fn date(
    cursor: Cursor<'_>,
    order: Order,
    reference: Reference,
    alone: bool,
) -> Option<(Resolved, Cursor<'_>)> {
    let at = |found: Option<(Moment, _)>| found.map(|(moment, rest)| (Resolved::At(moment), rest));
    longest([
        at(near(cursor, reference)),
        at(named_weekday(cursor, reference, alone)),
        at(month_day(cursor, reference)),
        at(weekday_with_date(cursor, order, reference)),
        at(of_month(cursor, reference)),
        at(numeric::date(cursor, order, reference)),
        shifted(cursor, reference),
        at(months(cursor, reference, alone)),
        at(nth_weekday(cursor, reference)),
        at(quarter(cursor, reference)),
        at(holiday(cursor, reference)),
        at(week_of(cursor, order, reference)),
        third(cursor, reference),
    ])
}

pub(super) fn near(cursor: Cursor<'_>, reference: Reference) -> Option<(Moment, Cursor<'_>)> {
    const DAYS: &[(&str, i64)] = &[
        ("today", 0),
        ("tomorrow", 1),
        ("tomorow", 1),
        ("tommorow", 1),
        ("tommorrow", 1),
        ("tmrw", 1),
        ("tmr", 1),
        ("yesterday", -1),
        ("the day after tomorrow", 2),
        ("day after tomorrow", 2),
        ("the day before yesterday", -2),
        ("day before yesterday", -2),
        ("the next day", 1),
    ];
    let (days, rest) = DAYS.iter().find_map(|(phrase, days)| Some((*days, cursor.phrase(phrase)?)))?;
    Some((calendar::today(reference, days)?, rest))
}

/// "Friday", "this Friday", "next Friday", "Friday next week", "two Fridays ago".
fn named_weekday(cursor: Cursor<'_>, reference: Reference, alone: bool) -> Option<(Moment, Cursor<'_>)> {
    let (word, named) = match cursor.word() {
        word @ ("this" | "coming" | "upcoming" | "next" | "last" | "past" | "previous" | "following") => {
            (word, cursor.next())
        }
        "the" if matches!(cursor.next().word(), "coming" | "upcoming" | "following" | "next" | "last" | "previous") => {
            (cursor.next().word(), cursor.next().next())
        }
        _ => ("", cursor),
    };
    let (day, rest) = weekday(named)?;
    // "Friday of next week".
    let behind = rest.skip(&["of", "in"]);
    let in_week = [("this week", 0), ("next week", 1), ("last week", -1), ("the following week", 1)];
    if word.is_empty()
        && let Some((weeks, after)) = in_week.iter().find_map(|(p, weeks)| Some((*weeks, behind.phrase(p)?)))
    {
        return Some((calendar::weekday_in_week(reference, day.value, weeks)?, after));
    }
    let found = match word {
        // The day of next week. Duckling said so late: before, it took the next that comes, as it does for "this".
        "next" => calendar::weekday_in_week(reference, day.value, 1)?,
        "last" | "past" | "previous" => calendar::weekday_before(reference, day.value)?,
        "" if alone && !day.alone => return None,
        _ => calendar::weekday_after(reference, day.value)?,
    };
    Some((found, rest))
}

/// "Nov 28", "28 November 2026", "the 28th of November", "November 28th, 2026".
pub(super) fn month_day(cursor: Cursor<'_>, reference: Reference) -> Option<(Moment, Cursor<'_>)> {
    let start = cursor.skip(&["the"]);
    let (number, name, rest) = match month(start) {
        Some((name, rest)) => {
            let (number, rest) = day_number(rest.skip(&["the"]))?;
            (number, name, rest)
        }
        None => {
            let (number, rest) = day_number(start)?;
            let (name, rest) = month(rest.skip(&["of", "-"]))?;
            (number, name, rest)
        }
    };
    let behind = rest.joint(",").unwrap_or(rest);
    let (of, behind) = behind.eat_any(&["of", "in"]).map_or((false, behind), |c| (true, c));
    if let Some((number_of_year, after)) = year(behind) {
        return Some((calendar::day(number_of_year, name.value, number)?, after));
    }
    let this_year = i32::from(reference.local().year());
    for (phrase, years) in [("next year", 1), ("this year", 0), ("last year", -1)] {
        if let Some(after) = behind.phrase(phrase) {
            return Some((calendar::day(this_year + years, name.value, number)?, after));
        }
    }
    // "In" may begin another phrase.
    let _ = of;
    Some((calendar::next_day(reference, name.value, number)?, rest))
}

/// "Sat, Nov 28", "Saturday the 28th", "Sat 28/11": the date decides.
fn weekday_with_date(cursor: Cursor<'_>, order: Order, reference: Reference) -> Option<(Moment, Cursor<'_>)> {
    let (named, rest) = weekday(cursor)?;
    let rest = rest.joint(",").unwrap_or(rest);
    if let Some(found) = longest([month_day(rest, reference), numeric::date(rest, order, reference)]) {
        return Some(found);
    }
    // The first day of that number which bears the name, as "Thu 15th" in Duckling.
    let (number, rest) = ordinal(rest.skip(&["the"])).filter(|(n, _)| (1..=31).contains(n))?;
    let first = Grain::Month.floor(reference.local());
    let found = (0..48)
        .filter_map(|months| Grain::Month.shift(first, months))
        .filter_map(|at| calendar::day(i32::from(at.year()), u32::from(at.month().unsigned_abs()), number))
        .find(|day| day.at.date() >= reference.local().date() && day.at.weekday() == named.value)?;
    Some((found, rest))
}

/// "The 15th", "the 3rd of next month". Without "the" it would be a place in an order.
pub(super) fn of_month(cursor: Cursor<'_>, reference: Reference) -> Option<(Moment, Cursor<'_>)> {
    let (number, rest) = ordinal(cursor.eat("the")?).filter(|(n, _)| (1..=31).contains(n))?;
    for (phrase, months) in [("of next month", 1), ("of this month", 0), ("of the month", 0), ("of last month", -1)] {
        if let Some(after) = rest.phrase(phrase) {
            let month = calendar::current(reference, Grain::Month, months)?;
            let at = Grain::Day.shift(month.at, i64::from(number) - 1).filter(|at| at.month() == month.at.month())?;
            return Some((Moment::new(at, Grain::Day), after));
        }
    }
    // "The first one", "the second card": only digits stand alone for a day, and only where no thing is counted.
    let digits = cursor.next().kind() == Some(crate::text::Kind::Digits);
    let counts = rest.kind() == Some(crate::text::Kind::Word)
        && !matches!(
            rest.word(),
            "at" | "from"
                | "to"
                | "until"
                | "till"
                | "and"
                | "or"
                | "for"
                | "in"
                | "is"
                | "by"
                | "please"
                | "through"
                | "if"
                | "would"
                | "works"
                | "around"
                | "after"
                | "before"
        );
    (digits && !counts).then(|| Some((calendar::next_day_of_month(reference, number)?, rest)))?
}

/// "This week", "last month", "next year", "the weekend".
pub(super) fn shifted(cursor: Cursor<'_>, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    let start = cursor.skip(&["the"]);
    let (by, rest) = match start.word() {
        "this" | "current" => (Some(0), start.next()),
        // "The coming week" is the current one in Duckling; people mean the one that comes.
        "next" | "following" | "coming" | "upcoming" => (Some(1), start.next()),
        "last" | "past" | "previous" => (Some(-1), start.next()),
        _ => (None, start),
    };
    if let Some(after) = rest.eat_any(&["weekend", "weekends"]) {
        // The next weekend is the one that comes first, also for Duckling.
        let weeks = if by == Some(-1) { -1 } else { 0 };
        return Some((calendar::weekend(reference, weeks)?, after));
    }
    let grain = match rest.word() {
        "week" => Grain::Week,
        "month" => Grain::Month,
        "quarter" | "qtr" => Grain::Quarter,
        "year" | "yr" => Grain::Year,
        _ => return None,
    };
    Some((Resolved::At(calendar::current(reference, grain, by?)?), rest.next()))
}

/// "March 2027", "next March", "in March", "in 2027".
pub(super) fn months(cursor: Cursor<'_>, reference: Reference, alone: bool) -> Option<(Moment, Cursor<'_>)> {
    let inside = cursor.eat_any(&["in", "during"]).or_else(|| cursor.phrase("the month of"));
    let start = inside.unwrap_or(cursor);
    let (word, named) = match start.word() {
        word @ ("this" | "next" | "last" | "past" | "coming") => (word, start.next()),
        _ => ("", start),
    };
    let Some((name, rest)) = month(named) else {
        let (number, rest) = year(start.skip(&["year"]))?;
        let said = inside.is_some() || start.word() == "year" || !alone;
        return said.then(|| Some((calendar::year(number)?, rest)))?;
    };
    let behind = rest.skip(&["of", ","]);
    if let Some((number, after)) = year(behind) {
        return Some((calendar::month(number, name.value)?, after));
    }
    let this_year = i32::from(reference.local().year());
    for (phrase, years) in [("next year", 1), ("this year", 0), ("last year", -1)] {
        if let Some(after) = behind.phrase(phrase) {
            return Some((calendar::month(this_year + years, name.value)?, after));
        }
    }
    let said = inside.is_some() || !word.is_empty();
    // "In May I pay": fine; "may I": not.
    if alone && !name.alone && !said {
        return None;
    }
    let next = calendar::next_month(reference, name.value)?;
    let found = match word {
        "last" | "past" => Moment { at: Grain::Year.shift(next.at, -1)?, ..next },
        // Said of the month that lasts, the next is a year off.
        "next" if next == calendar::current(reference, Grain::Month, 0)? => {
            Moment { at: Grain::Year.shift(next.at, 1)?, ..next }
        }
        _ => next,
    };
    Some((found, rest))
}
