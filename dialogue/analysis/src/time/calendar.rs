//! Days of the calendar that a reference picks: the next Friday, the next 28th of November, Christmas.

use super::value::{Grain, Moment, Resolved};
use crate::Reference;
use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Weekday};

/// A day; None where the calendar has none.
pub(crate) fn day(year: i32, month: u32, day: u32) -> Option<Moment> {
    let date = Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    (1..=9999).contains(&date.year()).then(|| at_day(date))
}

/// A month.
pub(crate) fn month(year: i32, month: u32) -> Option<Moment> {
    Some(Moment { grain: Grain::Month, ..day(year, month, 1)? })
}

/// A year.
pub(crate) fn year(year: i32) -> Option<Moment> {
    Some(Moment { grain: Grain::Year, ..day(year, 1, 1)? })
}

pub(crate) fn at_day(date: Date) -> Moment {
    Moment { at: date.to_datetime(jiff::civil::Time::midnight()), grain: Grain::Day }
}

/// The day on which the reference lies, shifted.
pub(crate) fn today(reference: Reference, days: i64) -> Option<Moment> {
    current(reference, Grain::Day, days)
}

/// The unit in which the reference lies, shifted.
pub(crate) fn current(reference: Reference, grain: Grain, count: i64) -> Option<Moment> {
    Some(Moment::new(grain.shift(grain.floor(reference.local()), count)?, grain))
}

/// The first day of that name after the reference's.
pub(crate) fn weekday_after(reference: Reference, weekday: Weekday) -> Option<Moment> {
    let ahead = i64::from(weekday.since(reference.local().weekday()));
    today(reference, if ahead == 0 { 7 } else { ahead })
}

/// The last day of that name before the reference's.
pub(crate) fn weekday_before(reference: Reference, weekday: Weekday) -> Option<Moment> {
    let behind = i64::from(reference.local().weekday().since(weekday));
    today(reference, -(if behind == 0 { 7 } else { behind }))
}

/// The day of that name in the week of the reference, or so many weeks later.
pub(crate) fn weekday_in_week(reference: Reference, weekday: Weekday, weeks: i64) -> Option<Moment> {
    let monday = current(reference, Grain::Week, weeks)?;
    let at = Grain::Day.shift(monday.at, i64::from(weekday.to_monday_zero_offset()))?;
    Some(Moment::new(at, Grain::Day))
}

/// A day without a year: the first that is not before the reference's. The 29th of February waits for a leap year.
pub(crate) fn next_day(reference: Reference, month: u32, number: u32) -> Option<Moment> {
    let today = reference.local().date();
    let this_year = i32::from(today.year());
    (this_year..=this_year + 8).filter_map(|year| day(year, month, number)).find(|found| found.at.date() >= today)
}

/// A day without month and year: the first that is not before the reference's.
pub(crate) fn next_day_of_month(reference: Reference, number: u32) -> Option<Moment> {
    let first = Grain::Month.floor(reference.local());
    (0..=12)
        .filter_map(|months| Grain::Month.shift(first, months))
        .filter_map(|at| day(i32::from(at.year()), u32::from(at.month().unsigned_abs()), number))
        .find(|found| found.at.date() >= reference.local().date())
}

/// A month without a year: the first that is not over.
pub(crate) fn next_month(reference: Reference, number: u32) -> Option<Moment> {
    let now = reference.local();
    let this_year = i32::from(now.year());
    let passed = u32::from(now.month().unsigned_abs()) > number;
    month(if passed { this_year + 1 } else { this_year }, number)
}

/// The first, second, … day of that name in a month, or the last (-1).
pub(crate) fn nth_weekday(month: Moment, weekday: Weekday, nth: i8) -> Option<Moment> {
    Some(at_day(month.at.date().nth_weekday_of_month(nth, weekday).ok()?))
}

/// Friday at 18 to Monday, in the week of the reference or so many later: Duckling's weekend.
pub(crate) fn weekend(reference: Reference, weeks: i64) -> Option<Resolved> {
    let friday = weekday_in_week(reference, Weekday::Friday, weeks)?;
    let from = Moment::new(Grain::Hour.shift(friday.at, 18)?, Grain::Hour);
    let to = Moment::new(Grain::Day.shift(friday.at, 3)?, Grain::Day);
    Some(Resolved::Interval(Some(from), Some(Moment { grain: Grain::Hour, ..to })))
}

/// Which part of a unit: of a month in thirds of days, of a year in months, as Duckling cuts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Third {
    Begin,
    Middle,
    End,
}

/// The begin, middle or end of a week, month or year.
pub(crate) fn third(whole: Moment, third: Third) -> Option<Resolved> {
    let end = whole.after()?.at;
    let (grain, first, second) = match whole.grain {
        Grain::Month => (Grain::Day, 10, 20),
        Grain::Year => (Grain::Month, 3, 8),
        Grain::Week => (Grain::Day, 2, 4),
        Grain::Day => (Grain::Hour, 9, 17),
        _ => return None,
    };
    let first = grain.shift(whole.at, first)?;
    let second = grain.shift(whole.at, second)?;
    let side = |at: DateTime| Some(Moment { at, grain });
    Some(match third {
        Third::Begin => Resolved::Interval(side(whole.at), side(first)),
        Third::Middle => Resolved::Interval(side(first), side(second)),
        Third::End => Resolved::Interval(side(second), side(end)),
    })
}

/// So many units that end or begin with the reference's unit: "the last three days" do not include today.
pub(crate) fn run(reference: Reference, grain: Grain, count: i64) -> Option<Resolved> {
    let now = Grain::floor(grain, reference.local());
    let (from, to) = if count < 0 {
        (grain.shift(now, count)?, now)
    } else {
        let next = grain.shift(now, 1)?;
        (next, grain.shift(next, count)?)
    };
    Some(Resolved::Interval(Some(Moment { at: from, grain }), Some(Moment { at: to, grain })))
}

/// Easter Sunday of a year, by the Anonymous Gregorian algorithm.
pub(crate) fn easter(year: i32) -> Option<Moment> {
    let (a, b, c) = (year % 19, year / 100, year % 100);
    let g = (8 * b + 13) / 25;
    let h = (19 * a + b - b / 4 - g + 15) % 30;
    let l = (32 + 2 * (b % 4) + 2 * (c / 4) - h - c % 4) % 7;
    let m = (a + 11 * h + 19 * l) / 433;
    let month = (h + l - 7 * m + 90) / 25;
    let number = (h + l - 7 * m + 33 * month + 19) % 32;
    day(year, u32::try_from(month).ok()?, u32::try_from(number).ok()?)
}

/// What a moment of a year is in the first year in which it is not over.
pub(crate) fn first_of_years(reference: Reference, of: impl Fn(i32) -> Option<Moment>) -> Option<Moment> {
    let today = reference.local().date();
    let this_year = i32::from(today.year());
    (this_year..=this_year + 1).filter_map(of).find(|found| found.at.date() >= today)
}

/// So many days from a day on.
pub(crate) fn days_from(from: Moment, days: i64) -> Option<Moment> {
    Some(at_day(from.at.date().checked_add(days.days()).ok()?))
}
