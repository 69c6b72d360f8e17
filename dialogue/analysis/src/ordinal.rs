//! Places in an order: `3rd`, "twenty-first", 第三.

use crate::text::{Cursor, Kind};
use crate::{Language, number, time};

/// A place in an order.
pub(crate) fn find(cursor: Cursor<'_>, language: Language) -> Option<(i64, Cursor<'_>)> {
    match language {
        Language::English | Language::BritishEnglish => {
            let (value, rest) = time::english_ordinal(cursor)?;
            // "A second" is a length; "one second" too.
            let length = cursor.word() == "second"
                && cursor.previous().is_some_and(|c| {
                    matches!(c.word(), "a" | "per" | "every" | "each") || number::unsigned(c, language).is_some()
                });
            (!length).then_some((i64::from(value), rest))
        }
        Language::Chinese => {
            let after = cursor.han("第")?;
            let (number, rest) = number::unsigned(after, language)?;
            Some((i64::from(number.whole()?), rest)).filter(|_| after.touches() || after.kind() == Some(Kind::Digits))
        }
    }
}
