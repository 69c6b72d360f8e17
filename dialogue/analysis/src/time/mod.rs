//! Dates, times of day and intervals, resolved against the moment in which they were said.

mod calendar;
mod chinese;
mod clock;
mod english;
mod value;

use crate::text::Cursor;
use crate::{Language, Reference};
pub(crate) use english::ordinal as english_ordinal;
pub use value::{Grain, TimeValue};

/// A time that begins at this place.
pub(crate) fn find(cursor: Cursor<'_>, language: Language, reference: Reference) -> Option<(TimeValue, Cursor<'_>)> {
    let (resolved, rest) = match language {
        Language::English => english::time(cursor, english::Order::MonthFirst, reference),
        Language::BritishEnglish => english::time(cursor, english::Order::DayFirst, reference),
        Language::Chinese => chinese::time(cursor, reference),
    }?;
    Some((resolved.value(reference), rest))
}

/// The reading that goes furthest; of equal ones the first.
fn longest<'a, T>(readings: impl IntoIterator<Item = Option<(T, Cursor<'a>)>>) -> Option<(T, Cursor<'a>)> {
    let mut best: Option<(T, Cursor<'a>)> = None;
    for reading in readings.into_iter().flatten() {
        if best.as_ref().is_none_or(|(_, rest)| reading.1.index > rest.index) {
            best = Some(reading);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Text;
    use proptest::prelude::*;

    const ENGLISH: &[&str] = &[
        "a",
        "about",
        "after",
        "afternoon",
        "afternoons",
        "ago",
        "an",
        "and",
        "april",
        "around",
        "as",
        "asap",
        "at",
        "back",
        "before",
        "beginning",
        "between",
        "black",
        "by",
        "christmas",
        "coming",
        "couple",
        "current",
        "day",
        "days",
        "dec",
        "dozen",
        "during",
        "early",
        "easter",
        "eight",
        "end",
        "eod",
        "eom",
        "eve",
        "evening",
        "evenings",
        "exactly",
        "few",
        "fifteen",
        "fifth",
        "first",
        "five",
        "following",
        "for",
        "fortnight",
        "friday",
        "fridays",
        "from",
        "good",
        "half",
        "halloween",
        "hence",
        "hour",
        "hours",
        "hundred",
        "i",
        "immediately",
        "in",
        "independence",
        "is",
        "january",
        "just",
        "last",
        "late",
        "later",
        "lunch",
        "lunchtime",
        "may",
        "mid",
        "midday",
        "middle",
        "midnight",
        "mins",
        "minute",
        "moment",
        "monday",
        "month",
        "months",
        "morning",
        "mornings",
        "negative",
        "new",
        "next",
        "night",
        "nights",
        "nine",
        "noon",
        "now",
        "o'clock",
        "of",
        "oh",
        "on",
        "one",
        "over",
        "past",
        "pm",
        "possible",
        "previous",
        "q",
        "quarter",
        "right",
        "sat",
        "saturday",
        "second",
        "since",
        "six",
        "soon",
        "start",
        "starting",
        "starts",
        "sunday",
        "ten",
        "thanksgiving",
        "the",
        "then",
        "third",
        "thirty",
        "this",
        "three",
        "through",
        "thursday",
        "till",
        "time",
        "to",
        "today",
        "tomorrow",
        "tonight",
        "tuesday",
        "twelve",
        "twenty",
        "two",
        "until",
        "upcoming",
        "week",
        "weekend",
        "weekends",
        "weeks",
        "wed",
        "which",
        "with",
        "within",
        "xmas",
        "year",
        "year's",
        "years",
        "yesterday",
        "zero",
        "3",
        "15",
        "2026",
        "3rd",
        ":30",
        "-",
        ",",
        "/",
        "@",
        "5pm",
    ];
    const CHINESE: &str = "今明昨前后大现在此刻目当眼下刚马上这本周星期礼拜月年日号天第差半一二两三四五六七八九十零百千万点钟分秒时刻整凌晨早清中午正傍晚间夜里深再过去最近之以内外未来接往从自到直截至元旦情人节妇女愚劳动儿童教师国庆平安光棍圣诞底初末旬个的了是我要有每几几乎约大概起开始季度小";

    proptest! {
        #[test]
        fn no_time_begins_with_what_is_not_tried(words in prop::collection::vec(prop::sample::select(ENGLISH), 1..5)) {
            let text = words.join(" ");
            let text = Text::new(&text);
            let reference = Reference::new(0, 0);
            for order in [english::Order::MonthFirst, english::Order::DayFirst] {
                let tried = english::time(text.at(0), order, reference).map(|(found, rest)| (found, rest.index));
                let read = english::read(text.at(0), order, reference).map(|(found, rest)| (found, rest.index));
                prop_assert_eq!(tried, read);
            }
        }

        #[test]
        fn no_chinese_time_does_either(places in prop::collection::vec(0..CHINESE.chars().count(), 1..7)) {
            let text: String = places.iter().filter_map(|place| CHINESE.chars().nth(*place)).collect();
            let text = Text::new(&text);
            let reference = Reference::new(0, 0);
            let tried = chinese::time(text.at(0), reference).map(|(found, rest)| (found, rest.index));
            let read = chinese::read(text.at(0), reference).map(|(found, rest)| (found, rest.index));
            prop_assert_eq!(tried, read);
        }
    }
}
