//! Numbers of cards, accounts, residents and passports.

use super::{Announcing, announced, checksum};
use crate::Language;
use crate::text::{Cursor, Kind};

/// Whether a token goes on something on its left, so that it begins no number of its own.
fn glued_before(cursor: Cursor<'_>) -> bool {
    cursor.touches()
        && cursor.previous().is_some_and(|c| {
            matches!(c.kind(), Some(Kind::Digits | Kind::Word))
                || matches!(c.word(), "-" | "." | "/" | "_" | "$" | "€" | "£")
        })
}

/// Whether something goes on behind.
fn glued_behind(rest: Cursor<'_>) -> bool {
    let more = |c: Cursor<'_>| c.touches() && matches!(c.kind(), Some(Kind::Digits | Kind::Word));
    match rest.word() {
        "-" | "." | "/" | "_" => rest.touches() && more(rest.next()),
        _ => more(rest),
    }
}

/// 13 to 19 digits, alone or in groups by spaces or hyphens, that an issuer's numbers begin like.
pub(super) fn credit_card(cursor: Cursor<'_>) -> Option<Cursor<'_>> {
    if cursor.kind()? != Kind::Digits || glued_before(cursor) {
        return None;
    }
    let mut digits = cursor.word().to_owned();
    let mut lengths = vec![digits.len()];
    let mut rest = cursor.next();
    let mut mark = None;
    // Five groups at most: 4-4-4-4-3.
    while lengths.len() < 5 {
        let after = match rest.joint("-").filter(|c| c.touches()) {
            Some(after) => after,
            None if !rest.touches() => rest,
            None => break,
        };
        let by_hyphen = after.index > rest.index;
        if after.kind() != Some(Kind::Digits)
            || mark.is_some_and(|mark| mark != by_hyphen)
            || digits.len() + after.word().len() > 19
        {
            break;
        }
        mark = Some(by_hyphen);
        digits.push_str(after.word());
        lengths.push(after.word().len());
        rest = after.next();
    }
    let grouped = matches!(lengths.as_slice(), [_] | [4, 6, 5] | [4, 4, 4, 4] | [4, 4, 4, 4, 3]);
    (grouped && issued(&digits) && checksum::luhn(digits.as_bytes()) && !glued_behind(rest)).then_some(rest)
}

/// Whether an issuer's numbers have that begin and that length.
fn issued(digits: &str) -> bool {
    let Some(front) = digits.get(..4).and_then(|front| front.parse::<u32>().ok()) else { return false };
    matches!(
        (front, digits.len()),
        (4000..=4999, 13 | 16 | 19)
            | (5100..=5599 | 2221..=2720, 16)
            | (3400..=3499 | 3700..=3799, 15)
            | (3000..=3059 | 3600..=3699 | 3800..=3999, 14..=19)
            | (3528..=3589 | 6011 | 6200..=6299 | 6440..=6599, 16..=19)
            | (5000..=5099 | 5600..=5899 | 6304 | 6759 | 6761..=6763, 16..=19)
    )
}

/// Country, check digits and account, in one piece or in groups of four.
pub(super) fn iban(cursor: Cursor<'_>) -> Option<Cursor<'_>> {
    let country = cursor.word();
    if cursor.kind()? != Kind::Word || country.len() != 2 || glued_before(cursor) || !cursor.next().touches() {
        return None;
    }
    let length = length(country)?;
    let mut characters = Vec::with_capacity(length);
    let mut rest = cursor;
    while characters.len() < length {
        let alphanumeric = matches!(rest.kind()?, Kind::Word | Kind::Digits) && rest.word().is_ascii();
        // A space stands behind each four characters, or nowhere.
        let parted = rest.index > cursor.index && !rest.touches();
        if !alphanumeric
            || parted && !characters.len().is_multiple_of(4)
            || characters.len() + rest.word().len() > length
        {
            return None;
        }
        characters.extend(rest.word().bytes().map(|b| b.to_ascii_uppercase()));
        rest = rest.next();
    }
    (checksum::iban(&characters) && !glued_behind(rest)).then_some(rest)
}

/// Characters of an account number of a country, from the registry of IBANs.
fn length(country: &str) -> Option<usize> {
    Some(match country {
        "no" => 15,
        "be" => 16,
        "dk" | "fi" | "fo" | "gl" | "nl" => 18,
        "mk" | "si" => 19,
        "at" | "ba" | "ee" | "kz" | "lt" | "lu" | "xk" => 20,
        "ch" | "cr" | "hr" | "li" | "lv" => 21,
        "bg" | "bh" | "de" | "gb" | "ge" | "ie" | "me" | "rs" => 22,
        "ae" | "gi" | "il" | "iq" | "tl" => 23,
        "ad" | "cz" | "es" | "md" | "pk" | "ro" | "sa" | "se" | "sk" | "tn" | "vg" => 24,
        "ao" | "pt" | "st" => 25,
        "is" | "tr" => 26,
        "fr" | "gr" | "it" | "mc" | "sm" => 27,
        "al" | "az" | "by" | "cy" | "do" | "gt" | "hu" | "lb" | "pl" | "sv" => 28,
        "br" | "eg" | "ps" | "qa" | "ua" => 29,
        "jo" | "kw" | "mu" => 30,
        "mt" => 31,
        _ => return None,
    })
}

/// `123-45-6789`, also with spaces: area, group and serial that have been given out.
pub(super) fn social_security(cursor: Cursor<'_>) -> Option<Cursor<'_>> {
    if glued_before(cursor) {
        return None;
    }
    let (area, 3, rest) = cursor.digits()? else { return None };
    let hyphen = rest.joint("-").is_some();
    let apart = |c: Cursor<'_>| match c.touches() {
        true => None,
        false => Some(()),
    };
    let next = |rest| if hyphen { cursor_behind_hyphen(rest) } else { apart(rest).map(|()| rest) };
    let (group, 2, rest) = next(rest)?.digits()? else { return None };
    let (serial, 4, rest) = next(rest)?.digits()? else { return None };
    let given = !matches!(area, 0 | 666 | 900..) && group != 0 && serial != 0;
    (given && !glued_behind(rest)).then_some(rest)
}

fn cursor_behind_hyphen(cursor: Cursor<'_>) -> Option<Cursor<'_>> {
    cursor.joint("-").filter(|c| c.touches())
}

/// 18 digits, the last perhaps an X: a province, a day of birth and a checksum.
pub(super) fn resident_id(cursor: Cursor<'_>) -> Option<Cursor<'_>> {
    if cursor.kind()? != Kind::Digits || glued_before(cursor) {
        return None;
    }
    let word = cursor.word().as_bytes();
    let (check, rest) = match word.len() {
        18 => (word[17], cursor.next()),
        17 => (b'X', cursor.next().joint("x")?),
        _ => return None,
    };
    let number = |range: std::ops::Range<usize>| cursor.word().get(range).and_then(|part| part.parse::<u32>().ok());
    let (province, year, month, day) = (number(0..2)?, number(6..10)?, number(10..12)?, number(12..14)?);
    let known = matches!(province, 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83);
    let born = (1900..=2099).contains(&year)
        && jiff::civil::Date::new(year as i16, i8::try_from(month).ok()?, i8::try_from(day).ok()?).is_ok();
    (known && born && checksum::resident(&word[..17], check) && !glued_behind(rest)).then_some(rest)
}

const PASSPORT_WORDS: Announcing = (&["passport"], &["护照"]);

/// Six to nine letters and digits behind the word "passport". Without it nothing tells a passport from an order.
pub(super) fn passport<'a>(cursor: Cursor<'a>, language: Language) -> Option<Cursor<'a>> {
    if glued_before(cursor) || !announced(cursor, language, PASSPORT_WORDS) {
        return None;
    }
    let letters = cursor.kind()? == Kind::Word && cursor.word().len() <= 2 && cursor.word().is_ascii();
    let digits = if letters { cursor.next() } else { cursor };
    let fits = digits.kind()? == Kind::Digits && (!letters || digits.touches());
    let length = cursor.word().len() * usize::from(letters) + digits.word().len();
    let rest = digits.next();
    (fits && (7..=9).contains(&length) && digits.word().len() >= 6 && !glued_behind(rest)).then_some(rest)
}
