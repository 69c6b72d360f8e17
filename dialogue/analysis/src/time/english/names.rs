//! English names of months, days, places in an order, and holidays.

use super::super::calendar;
use super::super::value::{Grain, Moment};
use crate::Reference;
use crate::number;
use crate::text::{Cursor, Kind};
use jiff::civil::Weekday;

/// A name, and whether it means a date also when it stands alone: "may" and "sat" are words of another sort.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Named<T> {
    pub(crate) value: T,
    pub(crate) alone: bool,
}

/// A month, 1 to 12.
pub(crate) fn month(cursor: Cursor<'_>) -> Option<(Named<u32>, Cursor<'_>)> {
    let (value, alone) = match cursor.word() {
        "january" | "jan" => (1, true),
        "february" | "feb" => (2, true),
        "march" | "mar" => (3, false),
        "april" | "apr" => (4, true),
        "may" => (5, false),
        "june" | "jun" => (6, true),
        "july" | "jul" => (7, true),
        "august" | "aug" => (8, true),
        "september" | "sept" | "sep" => (9, true),
        "october" | "oct" => (10, true),
        "november" | "nov" => (11, true),
        "december" | "dec" => (12, true),
        _ => return None,
    };
    let short = cursor.word().len() <= 4;
    Some((Named { value, alone }, if short { dot(cursor.next()) } else { cursor.next() }))
}

/// A day of the week.
pub(crate) fn weekday(cursor: Cursor<'_>) -> Option<(Named<Weekday>, Cursor<'_>)> {
    let (value, alone) = match cursor.word() {
        "monday" | "mondays" => (Weekday::Monday, true),
        "tuesday" | "tuesdays" | "tue" | "tues" => (Weekday::Tuesday, true),
        "wednesday" | "wednesdays" => (Weekday::Wednesday, true),
        "thursday" | "thursdays" | "thu" | "thur" | "thurs" => (Weekday::Thursday, true),
        "friday" | "fridays" | "fri" => (Weekday::Friday, true),
        "saturday" | "saturdays" => (Weekday::Saturday, true),
        "sunday" | "sundays" => (Weekday::Sunday, true),
        "mon" => (Weekday::Monday, false),
        "wed" => (Weekday::Wednesday, false),
        "sat" => (Weekday::Saturday, false),
        "sun" => (Weekday::Sunday, false),
        _ => return None,
    };
    let short = cursor.word().len() <= 5;
    Some((Named { value, alone }, if short { dot(cursor.next()) } else { cursor.next() }))
}

/// The point of an abbreviation, if the sentence goes on behind it.
fn dot(cursor: Cursor<'_>) -> Cursor<'_> {
    match cursor.joint(".") {
        Some(after) if after.token().is_some() => after,
        _ => cursor,
    }
}

/// A place in an order: `21st`, "twenty-first".
pub(crate) fn ordinal(cursor: Cursor<'_>) -> Option<(u32, Cursor<'_>)> {
    if let Some((value, _, rest)) = cursor.digits() {
        let suffix = match (value % 10, value % 100) {
            (_, 11..=13) => "th",
            (1, _) => "st",
            (2, _) => "nd",
            (3, _) => "rd",
            _ => "th",
        };
        let glued = cursor.previous().is_some_and(|c| cursor.touches() && c.kind() != Some(Kind::Symbol));
        return if rest.touches() && !glued { Some((value, rest.eat(suffix)?)) } else { None };
    }
    const SMALL: [&str; 20] = [
        "zeroth",
        "first",
        "second",
        "third",
        "fourth",
        "fifth",
        "sixth",
        "seventh",
        "eighth",
        "ninth",
        "tenth",
        "eleventh",
        "twelfth",
        "thirteenth",
        "fourteenth",
        "fifteenth",
        "sixteenth",
        "seventeenth",
        "eighteenth",
        "nineteenth",
    ];
    const TENS: [(&str, &str); 8] = [
        ("twenty", "twentieth"),
        ("thirty", "thirtieth"),
        ("forty", "fortieth"),
        ("fifty", "fiftieth"),
        ("sixty", "sixtieth"),
        ("seventy", "seventieth"),
        ("eighty", "eightieth"),
        ("ninety", "ninetieth"),
    ];
    let small = |c: Cursor<'_>| SMALL.iter().position(|w| *w == c.word()).filter(|n| *n > 0).map(|n| n as u32);
    if let Some(value) = small(cursor) {
        return Some((value, cursor.next()));
    }
    if let Some(place) = TENS.iter().position(|(_, ordinal)| *ordinal == cursor.word()) {
        return Some((place as u32 * 10 + 20, cursor.next()));
    }
    match cursor.word() {
        "hundredth" => return Some((100, cursor.next())),
        "thousandth" => return Some((1000, cursor.next())),
        _ => {}
    }
    let place = TENS.iter().position(|(cardinal, _)| *cardinal == cursor.word())?;
    let unit = cursor.next().joint("-").unwrap_or(cursor.next());
    let value = small(unit).filter(|value| *value < 10)?;
    Some((place as u32 * 10 + 20 + value, unit.next()))
}

/// The number of a day: `28`, `28th`, "twenty-eighth". `spelled` allows words.
pub(crate) fn day_number(cursor: Cursor<'_>) -> Option<(u32, Cursor<'_>)> {
    if let Some((value, rest)) = ordinal(cursor) {
        return (1..=31).contains(&value).then_some((value, rest));
    }
    let (value, rest) = number::exact_digits(cursor, 1..=2)?;
    // `28` in `28:30`, `28.5` and `28%` is no day.
    let goes_on = rest.touches()
        && match rest.word() {
            ":" | "%" | "$" | "€" => true,
            "." | "," => rest.next().touches() && rest.next().kind() == Some(Kind::Digits),
            _ => rest.kind() == Some(Kind::Word),
        };
    ((1..=31).contains(&value) && !goes_on).then_some((value, rest))
}

/// A year of four digits.
pub(crate) fn year(cursor: Cursor<'_>) -> Option<(i32, Cursor<'_>)> {
    let (value, rest) = number::exact_digits(cursor, 4..=4)?;
    let goes_on = rest.touches() && (rest.kind() == Some(Kind::Word) || matches!(rest.word(), "%" | ":" | "$" | "€"));
    let fraction =
        rest.joint(".").or_else(|| rest.joint(",")).is_some_and(|c| c.touches() && c.kind() == Some(Kind::Digits));
    ((1000..=2999).contains(&value) && !goes_on && !fraction).then_some((value as i32, rest))
}

/// A holiday that falls on a day by a rule, in the first year in which it is not over, or in a named one.
pub(crate) fn holiday(cursor: Cursor<'_>, reference: Reference) -> Option<(Moment, Cursor<'_>)> {
    type Rule = fn(i32) -> Option<Moment>;
    const RULES: &[(&str, Rule)] = &[
        ("christmas eve", |y| calendar::day(y, 12, 24)),
        ("christmas day", |y| calendar::day(y, 12, 25)),
        ("christmas", |y| calendar::day(y, 12, 25)),
        ("xmas", |y| calendar::day(y, 12, 25)),
        ("boxing day", |y| calendar::day(y, 12, 26)),
        ("new year's eve", |y| calendar::day(y, 12, 31)),
        ("new years eve", |y| calendar::day(y, 12, 31)),
        ("new year's day", |y| calendar::day(y, 1, 1)),
        ("new years day", |y| calendar::day(y, 1, 1)),
        ("valentine's day", |y| calendar::day(y, 2, 14)),
        ("valentines day", |y| calendar::day(y, 2, 14)),
        ("st patrick's day", |y| calendar::day(y, 3, 17)),
        ("independence day", |y| calendar::day(y, 7, 4)),
        ("halloween", |y| calendar::day(y, 10, 31)),
        ("good friday", |y| calendar::days_from(calendar::easter(y)?, -2)),
        ("easter monday", |y| calendar::days_from(calendar::easter(y)?, 1)),
        ("easter sunday", calendar::easter),
        ("easter", calendar::easter),
        ("memorial day", |y| calendar::nth_weekday(calendar::month(y, 5)?, Weekday::Monday, -1)),
        ("labor day", |y| calendar::nth_weekday(calendar::month(y, 9)?, Weekday::Monday, 1)),
        ("thanksgiving day", |y| calendar::nth_weekday(calendar::month(y, 11)?, Weekday::Thursday, 4)),
        ("thanksgiving", |y| calendar::nth_weekday(calendar::month(y, 11)?, Weekday::Thursday, 4)),
        ("black friday", |y| {
            calendar::days_from(calendar::nth_weekday(calendar::month(y, 11)?, Weekday::Thursday, 4)?, 1)
        }),
        ("mother's day", |y| calendar::nth_weekday(calendar::month(y, 5)?, Weekday::Sunday, 2)),
        ("father's day", |y| calendar::nth_weekday(calendar::month(y, 6)?, Weekday::Sunday, 3)),
    ];
    let shift = match cursor.word() {
        "last" => -1,
        "next" | "this" => 0,
        _ => i32::MAX,
    };
    let named = if shift == i32::MAX { cursor } else { cursor.next() };
    let (rule, rest) = RULES.iter().find_map(|(name, rule)| Some((rule, named.phrase(name)?)))?;
    if let Some((number, rest)) = year(rest.skip(&["of", "in", ","])) {
        return Some((rule(number)?, rest));
    }
    let next = calendar::first_of_years(reference, rule)?;
    let found = if shift == -1 { rule(i32::from(Grain::Year.floor(next.at).year()) - 1)? } else { next };
    Some((found, rest))
}
