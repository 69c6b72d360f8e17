//! The words that a time can begin with: most words of a sentence begin none, and need not be tried.

use super::names;
use crate::Language;
use crate::number;
use crate::text::{Cursor, Kind};

/// In the order of their bytes.
const FIRST: [&str; 96] = [
    "@",
    "a",
    "about",
    "after",
    "afternoon",
    "afternoons",
    "an",
    "approximately",
    "around",
    "as",
    "asap",
    "at",
    "before",
    "beginning",
    "between",
    "black",
    "boxing",
    "by",
    "christmas",
    "coming",
    "current",
    "day",
    "during",
    "easter",
    "end",
    "eod",
    "eom",
    "evening",
    "evenings",
    "exactly",
    "father's",
    "following",
    "for",
    "from",
    "good",
    "half",
    "halloween",
    "immediately",
    "in",
    "independence",
    "just",
    "labor",
    "last",
    "late",
    "lunch",
    "lunchtime",
    "memorial",
    "mid",
    "midday",
    "middle",
    "midnight",
    "morning",
    "mornings",
    "mother's",
    "new",
    "next",
    "night",
    "nights",
    "noon",
    "now",
    "on",
    "over",
    "past",
    "precisely",
    "previous",
    "q",
    "quarter",
    "right",
    "since",
    "st",
    "start",
    "starting",
    "thanksgiving",
    "the",
    "this",
    "till",
    "tmr",
    "tmrw",
    "today",
    "tommorow",
    "tommorrow",
    "tomorow",
    "tomorrow",
    "tonight",
    "tonite",
    "until",
    "upcoming",
    "valentine's",
    "valentines",
    "week",
    "weekend",
    "weekends",
    "within",
    "xmas",
    "year",
    "yesterday",
];

/// Whether a time can begin here.
pub(super) fn begins(cursor: Cursor<'_>) -> bool {
    cursor.kind() == Some(Kind::Digits)
        || FIRST.binary_search(&cursor.word()).is_ok()
        || names::month(cursor).is_some()
        || names::weekday(cursor).is_some()
        || names::ordinal(cursor).is_some()
        || number::unsigned(cursor, Language::English).is_some()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_words_are_in_order() {
        assert!(super::FIRST.is_sorted());
    }
}
