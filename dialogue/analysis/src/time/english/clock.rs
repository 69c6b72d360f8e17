//! English times of day: `5:30 pm`, "half past three", "noon", "8 in the evening", "from 3 to 5pm".

use super::super::clock::{Clock, Part};
use super::super::longest;
use crate::Language;
use crate::number;
use crate::text::{Cursor, Kind};

/// A time on the clock that says so itself: by a colon, am or pm, "o'clock", "past", "noon".
pub(crate) fn explicit(cursor: Cursor<'_>) -> Option<(Clock, Cursor<'_>)> {
    let cursor = approximate(cursor);
    let (clock, rest) = longest([
        colon(cursor),
        named(cursor),
        half_of_day(cursor),
        past(cursor),
        words(cursor, false),
        o_clock(cursor),
    ])?;
    Some(part_behind(clock, rest))
}

/// The same behind "at", where a bare hour is enough.
pub(crate) fn at(cursor: Cursor<'_>) -> Option<(Clock, Cursor<'_>)> {
    let after = cursor.eat_any(&["at", "@"])?;
    let start = approximate(after);
    let (clock, rest) = longest([explicit(start), words(start, true), spaced(start), bare(start)])?;
    Some(part_behind(clock, rest))
}

/// An hour as a number alone: one side of an interval. What follows must not make it something else.
pub(crate) fn bare(cursor: Cursor<'_>) -> Option<(Clock, Cursor<'_>)> {
    let (hour, rest) = hour(cursor)?;
    let sign = rest.touches() && matches!(rest.word(), "%" | "$" | "€" | "/" | ":" | "°");
    let fraction = rest.joint(".").is_some_and(|c| c.touches() && c.kind() == Some(Kind::Digits));
    let glued = rest.touches() && rest.kind() == Some(Kind::Word);
    let amount = matches!(rest.word(), "%" | "percent" | "dollars" | "euros" | "pounds" | "cents")
        || crate::duration::unit(rest).is_some();
    let more = cursor.word().len() > 2 && rest.joint("-").is_some_and(|c| c.kind() == Some(Kind::Digits));
    let clock = Clock::hour(hour)?;
    (!sign && !fraction && !glued && !amount && !more).then_some((clock, rest))
}

/// "In the morning", "this afternoon", "tonight" without the day: the part and, before it, what makes it one.
pub(crate) fn part(cursor: Cursor<'_>) -> Option<(Part, Cursor<'_>)> {
    let found = match cursor.word() {
        "morning" | "mornings" => Part::Morning,
        "noon" | "lunch" | "lunchtime" => Part::Noon,
        "afternoon" | "afternoons" => Part::Afternoon,
        "evening" | "evenings" => Part::Evening,
        "night" | "nights" => Part::Night,
        _ => return None,
    };
    Some((found, cursor.next()))
}

/// "In the morning", "at night": a part that says when.
pub(crate) fn part_phrase(cursor: Cursor<'_>) -> Option<(Part, Cursor<'_>)> {
    if let Some(rest) = cursor.phrase("at night") {
        return Some((Part::Night, rest));
    }
    let after = ["in the", "during the", "in"].iter().find_map(|p| cursor.phrase(p))?;
    part(after).filter(|(part, _)| *part != Part::Noon)
}

/// "8 in the evening", "at 3 this afternoon", "8 tonight": the part of the day decides the half. The words of the day
/// itself ("this", "tonight") are left for who reads the day.
fn part_behind(clock: Clock, rest: Cursor<'_>) -> (Clock, Cursor<'_>) {
    match part_phrase(rest) {
        Some((part, after)) => clock.within(part).map_or((clock, rest), |clock| (clock, after)),
        None => (clock, rest),
    }
}

/// Words that make a time less or more exact and are a part of it in Duckling.
fn approximate(cursor: Cursor<'_>) -> Cursor<'_> {
    cursor.skip(&["about", "around", "approximately", "exactly", "precisely"])
}

fn hour(cursor: Cursor<'_>) -> Option<(u32, Cursor<'_>)> {
    if cursor.kind() == Some(Kind::Digits) {
        let inside = cursor.touches()
            && cursor.previous().is_some_and(|c| {
                matches!(c.word(), "." | ":" | "/" | "$" | "€" | "£" | "#") || c.kind() == Some(Kind::Word)
            });
        let (value, rest) = number::exact_digits(cursor, 1..=2)?;
        return (value <= 24 && !inside).then_some((value, rest));
    }
    if matches!(cursor.word(), "a" | "an" | "couple" | "dozen" | "few" | "pair" | "zero" | "minus") {
        return None;
    }
    let (number, rest) = number::unsigned(cursor, Language::English)?;
    let value = number.whole()?;
    ((1..=12).contains(&value) && rest.index == cursor.index + 1).then_some((value, rest))
}

fn half_of_day(cursor: Cursor<'_>) -> Option<(Clock, Cursor<'_>)> {
    // 330 p.m.
    if let Some((value, rest)) = number::exact_digits(cursor, 3..=4)
        && let Some((pm, after)) = am_pm(rest)
    {
        let clock = Clock::hour(value / 100).filter(|_| (100..=1259).contains(&value))?.with_minute(value % 100)?;
        return Some((if pm { clock.pm()? } else { clock.am()? }, after));
    }
    let (value, rest) = hour(cursor)?;
    let rest = rest.skip(&["o'clock", "oclock"]);
    let (pm, after) = am_pm(rest)?;
    let clock = Clock::hour(value)?;
    Some((if pm { clock.pm()? } else { clock.am()? }, after))
}

/// `am`, `pm`, `a.m.`, `p m`; whether it is the second half.
fn am_pm(cursor: Cursor<'_>) -> Option<(bool, Cursor<'_>)> {
    let pm = match cursor.word() {
        "am" | "a" => false,
        "pm" | "p" => true,
        _ => return None,
    };
    if cursor.word().len() == 2 {
        return Some((pm, cursor.next()));
    }
    let spelled = cursor.next().joint(".").unwrap_or(cursor.next()).eat("m");
    match spelled {
        Some(rest) => Some((pm, rest.joint(".").unwrap_or(rest))),
        // `3:18p`.
        None => (cursor.touches()).then(|| (pm, cursor.next())),
    }
}

/// `17:45`, `5:30:15 pm`, `5.30pm`.
fn colon(cursor: Cursor<'_>) -> Option<(Clock, Cursor<'_>)> {
    let (value, rest) = hour(cursor)?;
    let dotted = rest.joint(".");
    let after = rest.joint(":").or(dotted)?;
    let (minute, rest) = number::exact_digits(after, 2..=2).filter(|_| after.touches())?;
    let mut clock = Clock::hour(value)?.with_minute(minute)?;
    let mut rest = rest;
    if let Some((second, after)) = rest.joint(":").and_then(|c| number::exact_digits(c, 2..=2)) {
        (clock, rest) = (clock.with_second(second)?, after);
    }
    match am_pm(rest) {
        Some((pm, after)) if value <= 12 => Some((if pm { clock.pm()? } else { clock.am()? }, after)),
        // 13:30 pm: the clock of 24 hours has said it already.
        Some((true, after)) => Some((clock, after)),
        // With a point alone it would be a number.
        _ if dotted.is_some() => None,
        _ => {
            let glued =
                rest.touches() && matches!(rest.kind(), Some(Kind::Word | Kind::Digits)) || rest.joint(":").is_some();
            // `09:00` is the clock of 24 hours: nobody writes its zero on a dial.
            let clock = if cursor.word().starts_with('0') { Clock { twelve: false, ..clock } } else { clock };
            (!glued).then_some((clock, rest))
        }
    }
}

fn named(cursor: Cursor<'_>) -> Option<(Clock, Cursor<'_>)> {
    match cursor.word() {
        "noon" | "midday" => Some((Clock::exactly(12), cursor.next())),
        "midnight" => Some((Clock::exactly(24), cursor.next())),
        _ => None,
    }
}

fn o_clock(cursor: Cursor<'_>) -> Option<(Clock, Cursor<'_>)> {
    let (value, rest) = hour(cursor)?;
    Some((Clock::hour(value)?, rest.eat_any(&["o'clock", "oclock"]).or_else(|| rest.phrase("o clock"))?))
}

/// "Half past three", "a quarter to five", "ten past 8", "twenty after 3pm", "15 to noon".
fn past(cursor: Cursor<'_>) -> Option<(Clock, Cursor<'_>)> {
    let cursor = if cursor.word() == "a" && cursor.next().word() == "quarter" { cursor.next() } else { cursor };
    let (minutes, rest) = match cursor.word() {
        "half" => (30, cursor.next()),
        "quarter" => (15, cursor.next()),
        _ => {
            let (number, rest) = number::unsigned(cursor, Language::English)?;
            (number.whole().filter(|n| (1..60).contains(n))?, rest.skip(&["minutes", "minute", "mins", "min"]))
        }
    };
    let before = match rest.word() {
        "past" | "after" => false,
        "to" | "till" | "before" | "of" => true,
        _ => return None,
    };
    let (clock, after) = longest([named(rest.next()), half_of_day(rest.next()), o_clock(rest.next()), {
        let said = cursor.kind() == Some(Kind::Word) && rest.word() != "of";
        if said || rest.word() == "past" { bare(rest.next()) } else { None }
    }])?;
    // "3 to 5pm" is an interval; minutes in digits say that they are some.
    let digits = cursor.kind() == Some(Kind::Digits);
    if digits && rest.word() == "to" && named(rest.next()).is_none() && rest.index == cursor.index + 1 {
        return None;
    }
    let clock = if before { clock.before(minutes)? } else { clock.with_minute(minutes)? };
    Some((clock, after))
}

/// "Three thirty pm"; behind "at" also without it ("three twenty" alone is two numbers, as in Duckling).
fn words(cursor: Cursor<'_>, alone: bool) -> Option<(Clock, Cursor<'_>)> {
    if cursor.kind() != Some(Kind::Word) {
        return None;
    }
    let (value, rest) = hour(cursor)?;
    let rest = rest.joint("-").unwrap_or(rest);
    let (minute, rest) = match rest.word() {
        "oh" => {
            let (number, rest) = number::unsigned(rest.next(), Language::English)?;
            (number.whole().filter(|n| *n < 10)?, rest)
        }
        _ => {
            let (number, rest) = number::unsigned(rest, Language::English)?;
            (number.whole().filter(|n| (10..60).contains(n) && !number.digits)?, rest)
        }
    };
    let clock = Clock::hour(value)?.with_minute(minute)?;
    match am_pm(rest) {
        Some((pm, after)) => Some((if pm { clock.pm()? } else { clock.am()? }, after)),
        None => alone.then_some((clock, rest)),
    }
}

/// "At 3 15".
fn spaced(cursor: Cursor<'_>) -> Option<(Clock, Cursor<'_>)> {
    let (value, rest) = hour(cursor).filter(|_| cursor.kind() == Some(Kind::Digits))?;
    let (minute, rest) = number::exact_digits(rest, 2..=2).filter(|_| !rest.touches())?;
    Some((Clock::hour(value)?.with_minute(minute)?, rest))
}
