//! One door to the extractors for tables of tests: a row is a text and what is found in it, written in one line.

use tertulia_analysis::{Dimension, Grain, Language, Measure, Reference, TimeValue, Value, extract};

/// Wednesday, 2026-11-25 09:30:00 in UTC.
pub const REFERENCE_MS: i64 = 1_795_599_000_000;

/// Checks all rows and shows every one that differs.
pub fn check(language: Language, dimensions: &[Dimension], rows: &[(&str, &str)]) {
    let reference = Reference::new(REFERENCE_MS, 0);
    let mut wrong = String::new();
    for (text, expected) in rows {
        let found: Vec<String> = extract(text, language, dimensions, reference)
            .iter()
            .map(|found| {
                let slice: String = text.chars().skip(found.start).take(found.end - found.start).collect();
                assert_eq!(slice, found.text, "the span of a find in {text:?}");
                format!("{} = {}", found.text, show(&found.value))
            })
            .collect();
        let found = found.join("; ");
        if found != *expected {
            wrong += &format!("\n{text:?}\n  expected: {expected}\n  found:    {found}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// A value in a form that is short to write; times without what is always the same.
fn show(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Ordinal(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Url { domain, .. } => domain.clone(),
        Value::Measure(measure) => {
            let product = measure.product.as_ref().map_or(String::new(), |product| format!(" of {product}"));
            format!("{} {}{product}", measure.value, measure.unit)
        }
        Value::Between(from, to) => {
            let side =
                |side: &Option<Measure>| side.as_ref().map_or(String::new(), |m| format!("{} {}", m.value, m.unit));
            format!("{}..{}", side(from), side(to))
        }
        Value::Duration { value, grain, .. } => format!("{value} {}", grain.name()),
        Value::Time(TimeValue::At { value, grain }) => format!("{} {}", short(value), grain.name()),
        Value::Time(TimeValue::Interval { from, to }) => {
            let side = |side: &Option<(String, Grain)>| side.as_ref().map_or(String::new(), |(value, _)| short(value));
            let grain = from.as_ref().or(to.as_ref()).map_or("", |(_, grain)| grain.name());
            format!("{}..{} {grain}", side(from), side(to))
        }
    }
}

/// `2026-11-28T09` for nine o'clock sharp at the reference's offset, which is none.
fn short(time: &str) -> String {
    let local = time.strip_suffix(".000+00:00").expect("an offset and milliseconds");
    local.trim_end_matches(":00").to_owned()
}
