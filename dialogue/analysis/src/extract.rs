//! Runs the rules of the dimensions over a text, and decides between finds that overlap.

use crate::contact::{email, phone, url};
use crate::found::{Dimension, Found, Value};
use crate::text::{Cursor, Text};
use crate::{Language, Reference, duration, measure, number, ordinal, time};

/// What rules find in a text, in the order of their start (then of their end, then of their dimension).
///
/// `dimensions` says what is looked for; an empty list finds nothing. Relative times count from `reference`. Inside of a
/// dimension the longest of overlapping finds wins, and of equal ones the first. As in Duckling, what lies inside of a longer find of another requested
/// dimension is dropped: the 5 in "at 5pm" is no number beside that time. Finds of different dimensions with the same span all stay.
///
/// The time that it takes grows with the length of the text, and no text makes it fail.
pub fn extract(text: &str, language: Language, dimensions: &[Dimension], reference: Reference) -> Vec<Found> {
    let text = Text::new(text);
    let wanted: Vec<Dimension> = Dimension::ALL.into_iter().filter(|d| dimensions.contains(d)).collect();
    let mut raw = Vec::new();
    for dimension in &wanted {
        scan(&text, |cursor| find(cursor, *dimension, language, reference), &mut raw);
    }
    raw.sort_by_key(|find| (find.start, std::cmp::Reverse(find.end), find.dimension));
    let raw = undominated(raw);
    let mut found: Vec<Found> = raw.into_iter().map(|raw| raw.resolve(&text)).collect();
    found.sort_by_key(|found| (found.start, found.end, found.dimension));
    found
}

/// A find in tokens.
struct Raw {
    dimension: Dimension,
    start: usize,
    /// One past its last token.
    end: usize,
    value: Value,
}

impl Raw {
    fn resolve(self, text: &Text<'_>) -> Found {
        let (first, last) = (&text.tokens[self.start], &text.tokens[self.end - 1]);
        Found {
            dimension: self.dimension,
            start: first.chars.start,
            end: last.chars.end,
            text: text.source[first.source.start..last.source.end].to_owned(),
            value: self.value,
        }
    }
}

type Step<'a> = Option<(Dimension, Value, Cursor<'a>)>;

/// One dimension at one place.
fn find(cursor: Cursor<'_>, dimension: Dimension, language: Language, reference: Reference) -> Step<'_> {
    let found = |(value, rest)| (dimension, value, rest);
    match dimension {
        Dimension::Number => number::find(cursor, language).map(|(value, rest)| found((Value::Number(value), rest))),
        Dimension::Ordinal => ordinal::find(cursor, language).map(|(value, rest)| found((Value::Ordinal(value), rest))),
        Dimension::Percentage => measure::percentage(cursor, language).map(found),
        Dimension::AmountOfMoney => measure::money::find(cursor, language).map(found),
        Dimension::Temperature | Dimension::Distance | Dimension::Volume | Dimension::Quantity => {
            measure::find(cursor, language).filter(|(which, ..)| *which == dimension)
        }
        Dimension::Duration => duration::find(cursor, language).map(|(length, rest)| {
            found((Value::Duration { value: length.value, grain: length.grain, seconds: length.seconds() }, rest))
        }),
        Dimension::Time => {
            time::find(cursor, language, reference).map(|(value, rest)| found((Value::Time(value), rest)))
        }
        Dimension::Email => email::find(cursor).map(|(value, rest)| found((Value::Text(value), rest))),
        Dimension::PhoneNumber => phone::find(cursor).map(|phone| found((Value::Text(phone.value), phone.rest))),
        Dimension::Url => {
            let found_url = url::find(cursor)?;
            let span = found_url.rest.source_since(cursor)?;
            let value = cursor.text.source[span].to_owned();
            Some((dimension, Value::Url { value, domain: found_url.domain }, found_url.rest))
        }
    }
}

/// Tokens behind the begin of a find in which a longer one is still looked for.
const LOOK_AHEAD_MAX: usize = 8;

/// From left to right; a longer find that begins inside of another takes its place.
fn scan<'a>(text: &'a Text<'a>, find: impl Fn(Cursor<'a>) -> Step<'a>, out: &mut Vec<Raw>) {
    let at = |index: usize| {
        let (dimension, value, rest) = find(text.at(index))?;
        debug_assert!(rest.index > index && rest.index <= text.tokens.len());
        let end = rest.index.min(text.tokens.len());
        (end > index).then_some(Raw { dimension, start: index, end, value })
    };
    let mut index = 0;
    while index < text.tokens.len() {
        let Some(mut best) = at(index) else {
            index += 1;
            continue;
        };
        let mut ahead = best.start + 1;
        let limit = best.start + LOOK_AHEAD_MAX;
        while ahead < best.end && ahead < limit {
            if let Some(other) = at(ahead).filter(|other| other.end - other.start > best.end - best.start) {
                best = other;
            }
            ahead = ahead.max(best.start) + 1;
        }
        index = best.end;
        out.push(best);
    }
}

/// Drops what lies strictly inside of another find. They come sorted by start, the longer first.
fn undominated(sorted: Vec<Raw>) -> Vec<Raw> {
    let mut kept: Vec<Raw> = Vec::with_capacity(sorted.len());
    // The find that reaches furthest so far; with a start before or at that of the next.
    let mut furthest: Option<(usize, usize)> = None;
    for find in sorted {
        let inside = furthest.is_some_and(|(start, end)| find.end <= end && (find.start, find.end) != (start, end));
        if inside {
            continue;
        }
        if furthest.is_none_or(|(_, end)| find.end > end) {
            furthest = Some((find.start, find.end));
        }
        kept.push(find);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::LOOKS;

    /// Looks at tokens for each token of a text that is as bad as texts come: four times what was seen.
    const LOOKS_PER_TOKEN_MAX: u64 = 20_000;

    /// A text in which every rule has come to its own bounds; one of twice the length is compared with it.
    const SHORT_BYTES: usize = 500;

    #[test]
    fn work_grows_with_the_length_of_the_text() {
        // Each piece makes some rule begin, and none end.
        let junk = [
            "1",
            "1 ",
            "1.",
            "1,",
            "1-",
            "1/",
            "a@",
            "@",
            "a.",
            "(",
            "+1",
            "one ",
            "hundred ",
            "at ",
            "from 1 ",
            "the ",
            "next ",
            "in a ",
            "half past ",
            "1 day ",
            "1h",
            "Monday ",
            "Monday - ",
            "from Monday to ",
            "after ",
            "before ",
            "since ",
            "5 to ",
            "http://a:",
            "http://a/",
            "www.a.",
            "一",
            "十",
            "点",
            "下",
            "周",
            "下周五",
            "三天",
            "从周一到",
            "差一刻",
            "1月",
            "百分之",
            "$",
            "$1-",
            "é",
            "😀",
            "x1",
            "-",
            " ",
        ];
        let reference = Reference::new(0, 0);
        let work = |piece: &str, bytes: usize| {
            let text = piece.repeat(bytes / piece.len());
            let before = LOOKS.with(std::cell::Cell::get);
            for language in [Language::English, Language::Chinese] {
                extract(&text, language, &Dimension::ALL, reference);
                crate::pii(&text, language);
                crate::sentiment(&text, language);
            }
            (LOOKS.with(std::cell::Cell::get) - before, Text::new(&text).tokens.len() as u64)
        };
        for piece in junk {
            let (small, tokens) = work(piece, SHORT_BYTES);
            assert!(small <= LOOKS_PER_TOKEN_MAX * tokens.max(1), "{piece:?}: {} looks a token", small / tokens.max(1));
            let (large, _) = work(piece, 2 * SHORT_BYTES);
            // Twice the text is twice the work, and a little for its ends. One more look for each pair of tokens shows.
            assert!(100 * large <= 210 * small, "{piece:?}: {small} looks became {large}");
        }
    }

    #[test]
    fn a_long_text_of_junk_is_read() {
        let text = "1一@.-five/下周".repeat(100_000 / 20);
        assert!(
            !extract(&text, Language::Chinese, &[Dimension::Number, Dimension::Email], Reference::new(0, 0)).is_empty()
        );
    }
}
