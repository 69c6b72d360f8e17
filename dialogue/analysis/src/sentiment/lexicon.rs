//! Looks words up: what a text is made of, as far as it says how somebody feels.

use super::{chinese, english};
use crate::Language;
use crate::text::{Cursor, Kind, Text};
use std::sync::LazyLock;

/// A word, or what scales and turns words.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Item {
    /// With a strength from the lexicon.
    Word {
        strength: f32,
        shouted: bool,
    },
    Negation,
    Stronger,
    Weaker,
    /// But.
    Turn,
    /// The end of a clause.
    Break,
    Exclamation,
    Other,
}

/// Entries in the order of their bytes.
struct Lexicon(Vec<(&'static str, Item)>);

/// Tokens of the longest Chinese entry, and of the longest English phrase.
const TOKENS_MAX: usize = 6;

impl Lexicon {
    fn new(
        words: &[(f32, &'static str)],
        phrases: &[(f32, &'static str)],
        marks: [(Item, &[&'static str]); 4],
    ) -> Self {
        let word = |strength: f32| match strength {
            0.0 => Item::Other,
            strength => Item::Word { strength, shouted: false },
        };
        let single =
            words.iter().flat_map(|(strength, list)| list.split_whitespace().map(move |w| (w, word(*strength))));
        let phrases = phrases.iter().map(|(strength, phrase)| (*phrase, word(*strength)));
        let marks = marks.into_iter().flat_map(|(item, list)| list.iter().map(move |w| (*w, item)));
        let mut entries: Vec<(&str, Item)> = single.chain(phrases).chain(marks).collect();
        // Of two entries for a word the first counts: its strength before what else it does.
        entries.sort_by_key(|(word, _)| *word);
        entries.dedup_by_key(|(word, _)| *word);
        Lexicon(entries)
    }

    fn get(&self, word: &str) -> Option<Item> {
        self.0.binary_search_by_key(&word, |(entry, _)| entry).ok().map(|place| self.0[place].1)
    }
}

static ENGLISH: LazyLock<Lexicon> = LazyLock::new(|| {
    let marks: [(Item, &[&str]); 4] = [
        (Item::Negation, english::NEGATIONS),
        (Item::Stronger, english::STRONGER),
        (Item::Weaker, english::WEAKER),
        (Item::Turn, english::TURNS),
    ];
    Lexicon::new(english::WORDS, &[english::PHRASES, english::EMOTICONS].concat(), marks)
});

static CHINESE: LazyLock<Lexicon> = LazyLock::new(|| {
    let marks: [(Item, &[&str]); 4] = [
        (Item::Negation, chinese::NEGATIONS),
        (Item::Stronger, chinese::STRONGER),
        (Item::Weaker, chinese::WEAKER),
        (Item::Turn, chinese::TURNS),
    ];
    Lexicon::new(chinese::WORDS, &[], marks)
});

/// The items of a text in their order.
pub(super) fn items(text: &Text<'_>, language: Language) -> Vec<Item> {
    let mut items = Vec::with_capacity(text.tokens.len());
    // Capitals mean something only where not everything is in them.
    let mixed = text.source.chars().any(char::is_lowercase);
    let mut cursor = text.at(0);
    while let Some(kind) = cursor.kind() {
        let (item, rest) = match kind {
            Kind::Han if language == Language::Chinese => chinese_item(cursor),
            _ => english_item(cursor, mixed),
        };
        items.push(item);
        cursor = rest;
    }
    items
}

/// The longest entry that begins here.
fn chinese_item(cursor: Cursor<'_>) -> (Item, Cursor<'_>) {
    let mut word = String::new();
    let mut found = (Item::Other, cursor.next());
    let mut rest = cursor;
    for place in 0..TOKENS_MAX {
        if rest.kind() != Some(Kind::Han) || place > 0 && !rest.touches() {
            break;
        }
        word.push_str(rest.word());
        rest = rest.next();
        if let Some(item) = CHINESE.get(&word) {
            found = (item, rest);
        }
    }
    if is_answer(cursor, found.1) { (Item::Other, found.1) } else { found }
}

/// "好" that is a clause by itself says yes, not that something is good.
fn is_answer(cursor: Cursor<'_>, rest: Cursor<'_>) -> bool {
    let is_han = |cursor: Cursor<'_>| cursor.kind() == Some(Kind::Han);
    cursor.word() == "好" && rest.index == cursor.index + 1 && !is_han(rest) && !cursor.previous().is_some_and(is_han)
}

fn english_item(cursor: Cursor<'_>, mixed: bool) -> (Item, Cursor<'_>) {
    // Phrases and emoticons first, the longest of them.
    let mut phrase = cursor.word().to_owned();
    let mut found = None;
    let mut rest = cursor.next();
    for _ in 1..TOKENS_MAX {
        if rest.token().is_none() {
            break;
        }
        // The signs of an emoticon touch, the words of a phrase do not.
        if !rest.touches() {
            phrase.push(' ');
        }
        phrase.push_str(rest.word());
        rest = rest.next();
        if let Some(item) = ENGLISH.get(&phrase) {
            found = Some((item, rest));
        }
    }
    if let Some(found) = found {
        return found;
    }
    let item = match cursor.word() {
        "!" => Item::Exclamation,
        "." | "," | ";" | ":" | "?" | "(" | ")" | "。" | "，" | "、" => Item::Break,
        word if word.ends_with("n't") => Item::Negation,
        word => ENGLISH.get(word).or_else(|| inflected(word)).unwrap_or(Item::Other),
    };
    let item = match item {
        Item::Word { strength, .. } => Item::Word { strength, shouted: mixed && shouted(cursor) },
        item => item,
    };
    (item, cursor.next())
}

/// Without an ending: "crashes", "enjoys", "disappointingly".
fn inflected(word: &str) -> Option<Item> {
    const SHORTEST: usize = 4;
    ["s", "es", "ed", "d", "ly", "ing"].iter().find_map(|ending| {
        let stem = word.strip_suffix(ending).filter(|stem| stem.len() >= SHORTEST)?;
        ENGLISH.get(stem).filter(|item| matches!(item, Item::Word { .. }))
    })
}

fn shouted(cursor: Cursor<'_>) -> bool {
    let Some(token) = cursor.token() else { return false };
    let source = &cursor.text.source[token.source.clone()];
    source.len() > 1 && source.chars().all(|c| !c.is_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_found_and_has_one_strength() {
        for (words, lexicon) in [(english::WORDS, &*ENGLISH), (chinese::WORDS, &*CHINESE)] {
            let mut seen = std::collections::BTreeMap::new();
            for (strength, list) in words {
                for word in list.split_whitespace() {
                    assert!(word.chars().count() <= 16 && lexicon.get(word).is_some(), "{word}");
                    let before = seen.insert(word, strength.signum());
                    assert!(before.is_none_or(|sign| sign == strength.signum()), "{word} is good and bad");
                }
            }
            assert!(seen.len() > 300, "{}", seen.len());
        }
    }
}
