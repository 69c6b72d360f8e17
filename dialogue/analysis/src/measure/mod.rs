//! Amounts in units: lengths, volumes, weights, temperatures, shares of a hundred; money has its own file.

pub(crate) mod money;
mod units;

use crate::found::{Measure, Value};
use crate::number::{self, Numeral};
use crate::text::{Cursor, Kind};
use crate::{Dimension, Language};
use units::{Unit, unit};

/// An amount of one of the dimensions that have units, or a range of it.
pub(crate) fn find(cursor: Cursor<'_>, language: Language) -> Option<(Dimension, Value, Cursor<'_>)> {
    if let Some((low, high, unit, rest)) = range(cursor, language) {
        let side = |number: Numeral| Some(Measure::new(scaled(number.value, unit), unit.name));
        return Some((unit.dimension, Value::Between(side(low), side(high)), rest));
    }
    let below_zero = if language == Language::Chinese { cursor.han("零下") } else { None };
    let (number, rest) = match below_zero {
        Some(after) => {
            let (number, rest) = number::unsigned(after, language)?;
            (Numeral { value: -number.value, ..number }, rest)
        }
        None => counted(cursor, language)?,
    };
    let (unit, rest) = unit(rest, language).filter(|(_, rest)| !inside_of_word(*rest))?;
    // 五斤 is a weight, 五 alone before 两 would be two.
    let mut measure = Measure::new(scaled(number.value, unit), unit.name);
    // Less than nothing is only so warm.
    if number.value < 0.0 && unit.dimension != Dimension::Temperature {
        return None;
    }
    let (measure, rest) = match unit.dimension {
        Dimension::Distance => compound(measure, unit, rest, language),
        Dimension::Quantity => {
            let (product, rest) = product(rest, language);
            measure.product = product;
            (measure, rest)
        }
        _ => (measure, rest),
    };
    Some((unit.dimension, Value::Measure(measure), rest))
}

/// A share of a hundred.
pub(crate) fn percentage(cursor: Cursor<'_>, language: Language) -> Option<(Value, Cursor<'_>)> {
    let found = |value, rest| Some((Value::Measure(Measure::new(value, "%")), rest));
    if language == Language::Chinese
        && let Some((value, rest)) = number::chinese_percent(cursor)
    {
        return found(value, rest);
    }
    let (number, rest) = number::signed(cursor, language)?;
    let rest = rest.eat_any(&["%", "percent", "pct"]).or_else(|| rest.phrase("per cent"))?;
    let rest = if rest.word() == "age" && rest.touches() { return None } else { rest };
    found(number.value, rest)
}

/// A number, or the article before a unit: "a mile".
fn counted(cursor: Cursor<'_>, language: Language) -> Option<(Numeral, Cursor<'_>)> {
    if let Some(found) = number::signed(cursor, language) {
        return Some(found);
    }
    let one = Numeral { value: 1.0, digits: false };
    let (half, rest) = match cursor.eat("half") {
        Some(rest) => (true, rest),
        None => (false, cursor),
    };
    let rest = rest.eat_any(&["a", "an"])?;
    // "A m", "an l" are no measures.
    (rest.word().len() > 2).then_some((Numeral { value: if half { 0.5 } else { one.value }, ..one }, rest))
}

/// "Between 3 and 5 km", "3-5 km", "from 3 to 5 km", 三到五公里.
fn range(cursor: Cursor<'_>, language: Language) -> Option<(Numeral, Numeral, Unit, Cursor<'_>)> {
    let (low, high, rest) = number_range(cursor, language)?;
    let (unit, rest) = unit(rest, language).filter(|(_, rest)| !inside_of_word(*rest))?;
    Some((low, high, unit, rest))
}

/// Two numbers with "to" between them.
fn number_range(cursor: Cursor<'_>, language: Language) -> Option<(Numeral, Numeral, Cursor<'_>)> {
    let opened = cursor.eat_any(&["from", "between"]).or_else(|| cursor.han("从"));
    let (low, rest) = number::unsigned(opened.unwrap_or(cursor), language)?;
    let joined = rest
        .eat_any(&["-", "~", "to"])
        .or_else(|| (cursor.word() == "between").then(|| rest.eat("and"))?)
        .or_else(|| rest.han_any(&["到", "至"]).map(|(_, rest)| rest))?;
    let (high, rest) = number::unsigned(joined, language)?;
    (low.value <= high.value).then_some((low, high, rest))
}

/// "3 km 20 m" and "5 feet 10 inches", in the smaller unit.
fn compound<'a>(first: Measure, large: Unit, rest: Cursor<'a>, language: Language) -> (Measure, Cursor<'a>) {
    // 1米75, as heights are said.
    if language == Language::Chinese
        && large.name == "metre"
        && let Some((centimetres, after)) = number::exact_digits(rest, 2..=2).filter(|_| rest.touches())
    {
        let value = (first.value * 100.0 + f64::from(centimetres)) / 100.0;
        return (Measure::new(value, large.name), after);
    }
    let small = || {
        let (number, after) = number::unsigned(rest.skip(&["and"]), language)?;
        let (unit, after) = unit(after, language).filter(|(_, rest)| !inside_of_word(*rest))?;
        let per_large = match (large.name, unit.name) {
            ("kilometre", "metre") => 1000.0,
            ("metre", "centimetre") => 100.0,
            ("foot", "inch") => 12.0,
            ("yard", "foot") => 3.0,
            _ => return None,
        };
        let value = first.value * per_large + number.value;
        (number.value < per_large).then(|| (Measure::new(value, unit.name), after))
    };
    small().unwrap_or((first.clone(), rest))
}

/// "Of sugar", or the word right behind a Chinese weight; one word, as nobody knows where a product ends.
fn product(rest: Cursor<'_>, language: Language) -> (Option<String>, Cursor<'_>) {
    if language == Language::Chinese {
        return (None, rest);
    }
    match rest.eat("of").filter(|after| after.kind() == Some(Kind::Word)) {
        Some(after) if !matches!(after.word(), "the" | "a" | "my" | "your" | "it" | "them" | "this" | "that") => {
            (Some(after.word().to_owned()), after.next())
        }
        _ => (None, rest),
    }
}

/// In the named unit, rounded to what a decimal can say.
fn scaled(value: f64, unit: Unit) -> f64 {
    (value * unit.factor * 1e6).round() / 1e6
}

/// A unit that goes on as a longer word or code (`5m2`), or 克 in 克服.
fn inside_of_word(rest: Cursor<'_>) -> bool {
    let digits_follow = rest.touches() && rest.kind() == Some(Kind::Digits);
    let latin_before = rest.previous().is_some_and(|c| c.kind() == Some(Kind::Word));
    digits_follow && latin_before
}
