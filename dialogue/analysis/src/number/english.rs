//! English numbers in words, alone or behind digits: "twenty-three thousand", "1.5 million", "3.5k", "a dozen".

use super::{Numeral, digits};
use crate::text::Cursor;

/// Words of one number; no sensible one has more, and it keeps the work at each place bounded.
const WORDS_MAX: usize = 24;

/// `3.5k`, `1.5 million`, `42`.
pub(crate) fn digits_with_scale(cursor: Cursor<'_>) -> Option<(Numeral, Cursor<'_>)> {
    let (number, rest) = digits::number(cursor)?;
    let scaled = |factor: f64, rest| Some((Numeral { value: number.value * factor, ..number }, rest));
    if rest.touches() {
        // A small `m` would be metres or minutes.
        return match rest.text.source[rest.token()?.source.clone()].as_bytes() {
            b"k" | b"K" => scaled(1e3, rest.next()),
            b"M" | b"mn" | b"mio" => scaled(1e6, rest.next()),
            b"bn" => scaled(1e9, rest.next()),
            _ => Some((number, rest)),
        };
    }
    if let Some(factor) = scale(rest.word()).or((rest.word() == "hundred").then_some(100.0)) {
        return scaled(factor, rest.next());
    }
    match rest.word() {
        "dozen" | "dozens" => scaled(12.0, rest.next()),
        _ => Some((number, rest)),
    }
}

/// A number in words. "A" and "an" count as one only before hundred, dozen and the like.
pub(crate) fn words(cursor: Cursor<'_>) -> Option<(Numeral, Cursor<'_>)> {
    if let Some(found) = vague(cursor) {
        return Some(found);
    }
    let in_words = |value| Numeral { value, digits: false };
    let (article, start) = match cursor.eat_any(&["a", "an"]) {
        Some(after) if after.word() == "hundred" || scale(after.word()).is_some() => (true, after),
        Some(_) => return None,
        None => (false, cursor),
    };
    let mut reading = Reading::default();
    if article {
        reading.group = 1.0;
        reading.open = Open::Hundred;
    }
    let mut rest = start;
    for _ in 0..WORDS_MAX {
        match reading.take(rest) {
            Some(after) => rest = after,
            None => break,
        }
    }
    if rest.index == start.index {
        return None;
    }
    let value = reading.total + reading.group;
    if let Some(after) = rest.eat("dozen") {
        return Some((in_words(value * 12.0), after));
    }
    // "zero point five", "two point one four".
    if let Some(mut after) = rest.eat("point") {
        let (mut fraction, mut place) = (0.0, 0.1);
        let begin = after.index;
        while let Some(digit) = below_twenty(after.word()).filter(|n| *n < 10.0)
            && after.index - begin < WORDS_MAX
        {
            fraction += digit * place;
            place /= 10.0;
            after = after.next();
        }
        if after.index > begin {
            // Rounded to the digits that were said: 0.1 has no exact float.
            let digits = (after.index - begin) as i32;
            let power = 10f64.powi(digits);
            return Some((in_words(((value + fraction) * power).round() / power), after));
        }
    }
    Some((in_words(value), rest))
}

/// "A couple", "a few", "a dozen", "a pair", as many as Duckling takes them for.
fn vague(cursor: Cursor<'_>) -> Option<(Numeral, Cursor<'_>)> {
    let after = cursor.skip(&["a", "an"]);
    let value = match after.word() {
        "couple" | "pair" => 2.0,
        "few" if after.index > cursor.index => 3.0,
        "dozen" => 12.0,
        _ => return None,
    };
    let rest = after.next();
    let rest = if rest.word() == "of" && matches!(after.word(), "couple" | "pair") { rest.next() } else { rest };
    Some((Numeral { value, digits: false }, rest))
}

/// What may follow inside of a group of three digits.
#[derive(Default, PartialEq, Clone, Copy)]
enum Open {
    /// Anything: nothing was read since the last scale.
    #[default]
    All,
    /// A unit, after a multiple of ten.
    Unit,
    /// Hundred or a scale.
    Hundred,
    /// Tens, after hundreds.
    Tens,
    /// A scale only, after tens and units behind hundreds.
    Scale,
}

/// A number that is being put together.
#[derive(Default)]
struct Reading {
    /// What lies before the last scale.
    total: f64,
    /// What was read since.
    group: f64,
    open: Open,
    /// The last scale: the next must be smaller.
    scale: Option<f64>,
    hundreds: bool,
}

impl Reading {
    /// Past the next word that the number goes on with.
    fn take<'a>(&mut self, cursor: Cursor<'a>) -> Option<Cursor<'a>> {
        let joins = matches!(self.open, Open::Tens) || self.open == Open::All && self.scale.is_some();
        if joins && let Some(after) = cursor.eat("and") {
            let next = below_twenty(after.word()).or_else(|| tens(after.word())).filter(|n| *n > 0.0)?;
            // "a hundred and two hundred" is two numbers.
            if after.next().word() == "hundred" {
                return None;
            }
            self.small(next, tens(after.word()).is_some())?;
            return Some(after.next());
        }
        let cursor_word = match cursor.joint("-") {
            // The hyphen in twenty-three.
            Some(after) if self.open == Open::Unit && after.touches() => after,
            _ => cursor,
        };
        let word = cursor_word.word();
        if let Some(small) = below_twenty(word) {
            self.small(small, false)?;
        } else if let Some(many) = tens(word) {
            self.small(many, true)?;
        } else if word == "hundred" {
            let fits = !self.hundreds && matches!(self.open, Open::Hundred | Open::All) && self.group < 100.0;
            // "Hundred" alone is a hundred; behind a scale it needs its number.
            if !fits || self.open == Open::All && self.scale.is_some() {
                return None;
            }
            self.group = if self.group == 0.0 { 100.0 } else { self.group * 100.0 };
            self.open = Open::Tens;
            self.hundreds = true;
        } else {
            let factor = scale(word)?;
            let smaller = self.scale.is_none_or(|last| factor < last);
            if !smaller || self.open == Open::All && self.scale.is_some() {
                return None;
            }
            self.total += if self.group == 0.0 { factor } else { self.group * factor };
            *self = Reading { total: self.total, scale: Some(factor), ..Reading::default() };
        }
        Some(cursor_word.next())
    }

    fn small(&mut self, value: f64, is_tens: bool) -> Option<()> {
        let fits = match self.open {
            Open::All | Open::Tens => true,
            Open::Unit => !is_tens && (1.0..10.0).contains(&value),
            Open::Hundred | Open::Scale => false,
        };
        if !fits || value == 0.0 && (self.scale.is_some() || self.hundreds) {
            return None;
        }
        self.open = match (is_tens, self.hundreds) {
            (true, _) => Open::Unit,
            (false, true) => Open::Scale,
            // "twenty-three hundred" and "nineteen hundred" are said.
            (false, false) => Open::Hundred,
        };
        self.group += value;
        Some(())
    }
}

pub(super) fn below_twenty(word: &str) -> Option<f64> {
    const WORDS: [&str; 20] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    WORDS.iter().position(|w| *w == word).map(|n| n as f64)
}

pub(super) fn tens(word: &str) -> Option<f64> {
    const WORDS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    match word {
        "fourty" => Some(40.0),
        _ => WORDS.iter().position(|w| *w == word).map(|n| (n as f64 + 2.0) * 10.0),
    }
}

fn scale(word: &str) -> Option<f64> {
    match word {
        "thousand" | "thousands" => Some(1e3),
        "million" | "millions" => Some(1e6),
        "billion" | "billions" => Some(1e9),
        "trillion" | "trillions" => Some(1e12),
        _ => None,
    }
}
