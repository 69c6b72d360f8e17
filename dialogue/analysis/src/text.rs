//! A text cut into tokens once, so that every rule compares words and none scans characters again.

use std::ops::Range;

/// What a token is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Letters; an apostrophe between two of them belongs to the word (`o'clock`).
    Word,
    /// Decimal digits.
    Digits,
    /// One Chinese character.
    Han,
    /// One character of any other sort.
    Symbol,
}

/// A piece of the text without white space.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// Whether nothing stands between it and the token before it.
    pub(crate) touches: bool,
    /// Bytes of `Text::folded`.
    folded: Range<usize>,
    /// Bytes of `Text::source`.
    pub(crate) source: Range<usize>,
    /// Characters of the source.
    pub(crate) chars: Range<usize>,
}

/// The tokens of a text.
pub(crate) struct Text<'t> {
    pub(crate) source: &'t str,
    /// In lower case, with forms of full width made narrow: one character for each of the source.
    folded: String,
    pub(crate) tokens: Vec<Token>,
}

impl<'t> Text<'t> {
    pub(crate) fn new(source: &'t str) -> Self {
        let mut text = Text { source, folded: String::with_capacity(source.len()), tokens: Vec::new() };
        let mut touches = false;
        let mut characters = source.char_indices().enumerate().peekable();
        while let Some((position, (at, character))) = characters.next() {
            let character = fold(character);
            let begin = text.folded.len();
            text.folded.push(character);
            if character.is_whitespace() {
                touches = false;
                continue;
            }
            let kind = kind_of(character);
            let mut last = (position, at);
            while let Some(&(position, (at, next))) = characters.peek() {
                let next = fold(next);
                let joined = match kind {
                    Kind::Digits => next.is_ascii_digit(),
                    Kind::Word => kind_of(next) == Kind::Word || next == '\'' && apostrophe_inside(&source[at..]),
                    Kind::Han | Kind::Symbol => false,
                };
                if !joined {
                    break;
                }
                text.folded.push(next);
                last = (position, at);
                characters.next();
            }
            let end = source[last.1..].chars().next().map_or(source.len(), |c| last.1 + c.len_utf8());
            text.tokens.push(Token {
                kind,
                touches,
                folded: begin..text.folded.len(),
                source: at..end,
                chars: position..last.0 + 1,
            });
            touches = true;
        }
        text
    }

    /// A cursor before the token at an index.
    pub(crate) fn at(&self, index: usize) -> Cursor<'_> {
        Cursor { text: self, index }
    }
}

/// Lower case and narrow forms; one character for one.
fn fold(character: char) -> char {
    match character {
        // It parts clauses; a narrow one may part thousands.
        '，' => '，',
        // Forms of full width, as Chinese keyboards make them.
        '\u{FF01}'..='\u{FF5E}' => {
            char::from_u32(character as u32 - 0xFEE0).map_or(character, |narrow| narrow.to_ascii_lowercase())
        }
        '\u{3000}' => ' ',
        '￥' => '¥',
        '\u{2018}' | '\u{2019}' => '\'',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        _ => character.to_ascii_lowercase(),
    }
}

fn kind_of(character: char) -> Kind {
    match character {
        '0'..='9' => Kind::Digits,
        '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '〇' => Kind::Han,
        _ if character.is_alphabetic() => Kind::Word,
        _ => Kind::Symbol,
    }
}

/// Whether a text that begins with an apostrophe goes on with a letter.
fn apostrophe_inside(text: &str) -> bool {
    text.chars().nth(1).is_some_and(|next| kind_of(fold(next)) == Kind::Word)
}

/// A place before a token. Rules take one and give back the place behind what they read.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    pub(crate) text: &'a Text<'a>,
    pub(crate) index: usize,
}

impl<'a> Cursor<'a> {
    /// The token ahead.
    pub(crate) fn token(self) -> Option<&'a Token> {
        count_look();
        self.text.tokens.get(self.index)
    }

    /// The token ahead, folded; empty at the end.
    pub(crate) fn word(self) -> &'a str {
        self.token().map_or("", |token| &self.text.folded[token.folded.clone()])
    }

    pub(crate) fn kind(self) -> Option<Kind> {
        self.token().map(|token| token.kind)
    }

    /// Whether the token ahead follows the one before it without a space.
    pub(crate) fn touches(self) -> bool {
        self.token().is_some_and(|token| token.touches)
    }

    pub(crate) fn next(self) -> Self {
        Cursor { index: self.index + 1, ..self }
    }

    /// The place before the token that came last.
    pub(crate) fn previous(self) -> Option<Self> {
        Some(Cursor { index: self.index.checked_sub(1)?, ..self })
    }

    /// Past one token that reads so.
    pub(crate) fn eat(self, word: &str) -> Option<Self> {
        (self.word() == word && !word.is_empty()).then(|| self.next())
    }

    /// Past one token that reads like any of these.
    pub(crate) fn eat_any(self, words: &[&str]) -> Option<Self> {
        (self.token().is_some() && words.contains(&self.word())).then(|| self.next())
    }

    /// Past the words of a phrase, which are parted by single spaces.
    pub(crate) fn phrase(self, phrase: &str) -> Option<Self> {
        phrase.split(' ').try_fold(self, |cursor, word| cursor.eat(word))
    }

    /// Past a phrase if it is there.
    pub(crate) fn skip(self, words: &[&str]) -> Self {
        self.eat_any(words).unwrap_or(self)
    }

    /// Past Chinese characters that touch one another.
    pub(crate) fn han(self, characters: &str) -> Option<Self> {
        let token = self.token()?;
        if token.kind != Kind::Han || !self.text.folded[token.folded.start..].starts_with(characters) {
            return None;
        }
        Some(Cursor { index: self.index + characters.chars().count(), ..self })
    }

    /// Past the first of these that stands here; with its index. Put the longer before the shorter.
    pub(crate) fn han_any(self, choices: &[&str]) -> Option<(usize, Self)> {
        choices.iter().enumerate().find_map(|(i, choice)| Some((i, self.han(choice)?)))
    }

    /// Whether the token ahead is a Chinese character among these.
    pub(crate) fn is_one_of(self, characters: &str) -> bool {
        self.kind() == Some(Kind::Han) && characters.contains(self.word())
    }

    /// A run of digits of at most nine, with its length.
    pub(crate) fn digits(self) -> Option<(u32, usize, Self)> {
        if self.kind()? != Kind::Digits || self.word().len() > 9 {
            return None;
        }
        Some((self.word().parse().ok()?, self.word().len(), self.next()))
    }

    /// A symbol that touches its left neighbour.
    pub(crate) fn joint(self, symbol: &str) -> Option<Self> {
        if self.touches() { self.eat(symbol) } else { None }
    }

    /// The part of the source from another place to this one, without the white space at its ends.
    pub(crate) fn source_since(self, from: Cursor<'a>) -> Option<Range<usize>> {
        let first = self.text.tokens.get(from.index)?;
        let last = self.text.tokens.get(self.index.checked_sub(1)?)?;
        (self.index > from.index).then_some(first.source.start..last.source.end)
    }
}

#[cfg(test)]
thread_local! {
    /// How often rules looked at a token: the measure of work that tests bound.
    pub(crate) static LOOKS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
fn count_look() {
    LOOKS.with(|looks| looks.set(looks.get() + 1));
}

#[cfg(not(test))]
fn count_look() {}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(source: &str) -> Vec<String> {
        let text = Text::new(source);
        text.tokens.iter().map(|t| text.folded[t.folded.clone()].to_owned()).collect()
    }

    #[test]
    fn words_digits_characters_and_symbols_are_apart() {
        assert_eq!(tokens("At 5pm, O’Clock"), ["at", "5", "pm", ",", "o'clock"]);
        assert_eq!(tokens("明天１２：３０ 'tis"), ["明", "天", "12", ":", "30", "'", "tis"]);
        assert_eq!(tokens(" \t"), Vec::<String>::new());
    }

    #[test]
    fn places_are_those_of_the_source() {
        let text = Text::new("né 明天 5pm");
        let spans: Vec<_> = text.tokens.iter().map(|t| (t.source.clone(), t.chars.clone(), t.touches)).collect();
        assert_eq!(
            spans,
            [
                (0..3, 0..2, false),
                (4..7, 3..4, false),
                (7..10, 4..5, true),
                (11..12, 6..7, false),
                (12..14, 7..9, true)
            ]
        );
    }
}
