//! Cardinal numbers in digits and in words, which all other measures are built on.

mod chinese;
mod digits;
mod english;

use crate::Language;
use crate::text::{Cursor, Kind};

pub(crate) use chinese::{small as chinese_small, year_digits};
pub(crate) use digits::exact_digits;

/// A number that was read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Numeral {
    pub(crate) value: f64,
    /// In digits, not in words.
    pub(crate) digits: bool,
}

impl Numeral {
    /// The value, if it is a whole number that fits.
    pub(crate) fn whole(self) -> Option<u32> {
        (self.value.fract() == 0.0 && (0.0..=999_999_999.0).contains(&self.value)).then_some(self.value as u32)
    }
}

/// A number without a sign. A unit may follow its digits without a space; who asks for a bare number looks at that.
pub(crate) fn unsigned(cursor: Cursor<'_>, language: Language) -> Option<(Numeral, Cursor<'_>)> {
    match language {
        Language::English | Language::BritishEnglish => {
            english::digits_with_scale(cursor).or_else(|| english::words(cursor))
        }
        Language::Chinese => chinese::number(cursor),
    }
}

/// A number with its sign, if there is one.
pub(crate) fn signed(cursor: Cursor<'_>, language: Language) -> Option<(Numeral, Cursor<'_>)> {
    if let Some(after) = sign(cursor, language) {
        let (number, rest) = unsigned(after, language)?;
        return Some((Numeral { value: -number.value, ..number }, rest));
    }
    unsigned(cursor, language)
}

fn sign(cursor: Cursor<'_>, language: Language) -> Option<Cursor<'_>> {
    if cursor.word() == "-" {
        // Between two words or numbers it is a hyphen, and before a space a dash.
        let hyphen = cursor.touches() && cursor.previous().is_some_and(|c| c.kind() != Some(Kind::Symbol));
        return (!hyphen && cursor.next().touches()).then(|| cursor.next());
    }
    match language {
        Language::English | Language::BritishEnglish => cursor.eat_any(&["minus", "negative"]),
        Language::Chinese => cursor.han("负").or_else(|| cursor.han("負")),
    }
}

/// The dimension `number`: as above, and not stuck to letters (`b2b`, `5th`).
pub(crate) fn find(cursor: Cursor<'_>, language: Language) -> Option<(f64, Cursor<'_>)> {
    if language == Language::Chinese {
        if let Some((share, rest)) = chinese::share(cursor) {
            return Some((share, rest));
        }
        // Between a word and a number of one character there is no telling in what they are parts of: 一起, 一下.
        if chinese::inside_of_word(cursor) {
            return None;
        }
    }
    let (number, rest) = signed(cursor, language)?;
    let stuck = number.digits && rest.touches() && rest.kind() == Some(Kind::Word);
    (!stuck).then_some((number.value, rest))
}

/// 百分之五十 as 50.
pub(crate) fn chinese_percent(cursor: Cursor<'_>) -> Option<(f64, Cursor<'_>)> {
    let (number, rest) = chinese::number(cursor.han("百分之")?)?;
    Some((number.value, rest))
}
