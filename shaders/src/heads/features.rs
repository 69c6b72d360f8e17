//! Sparse features of texts and words: names hashed to 64 bits, and a table of those that training saw.
//!
//! They stand beside the dense states, as in DIET (Bunk et al. 2020): the encoder knows meanings, the features know
//! this assistant's own words and spellings. A feature that training never saw has no weight, so there are no
//! collisions to unlearn.

use dialogue::{EncodedUtterance, ids::hash64};

/// A word of a text: a run of letters and digits, or one other character. Bytes of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// First byte.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
}

/// Splits a text into words; scripts without spaces are split into characters.
pub fn words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut joins = false;
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        let letter = c.is_alphanumeric() && !is_unspaced(c);
        match words.last_mut() {
            Some(word) if letter && joins => word.end = end,
            _ if c.is_whitespace() => {}
            _ => words.push(Word { start: at, end }),
        }
        joins = letter;
    }
    words
}

/// Chinese and Japanese characters (the blocks of Unicode), which stand without spaces between words.
fn is_unspaced(c: char) -> bool {
    matches!(u32::from(c), 0x3040..=0x30ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x20000..=0x2ffff)
}

/// What is known of an utterance's words: the encoder's states of them, or what a head says of these.
#[derive(Debug, Clone, PartialEq)]
pub struct WordStates {
    /// The words that have at least one token; those cut off have none.
    pub words: Vec<Word>,
    /// `[words, W]`: the mean of the rows of each word's tokens.
    pub states: Vec<f32>,
}

impl WordStates {
    /// Groups the rows of an utterance's tokens (`[tokens, width]`) by its words.
    pub fn new(utterance: &EncodedUtterance, rows: &[f32], width: usize) -> Self {
        let mut out = Self { words: Vec::new(), states: Vec::new() };
        let mut tokens = utterance.offsets.iter().zip(rows.chunks_exact(width)).peekable();
        for word in words(&utterance.text) {
            let mut sum = vec![0.0_f32; width];
            let mut count = 0;
            while let Some(((start, end), state)) = tokens.peek() {
                if *start as usize >= word.end && end > start {
                    break;
                }
                // Special tokens have no place in the text.
                if end > start && (*start as usize) >= word.start {
                    sum.iter_mut().zip(*state).for_each(|(s, x)| *s += x);
                    count += 1;
                }
                tokens.next();
            }
            if count > 0 {
                out.words.push(word);
                out.states.extend(sum.iter().map(|s| s / count as f32));
            }
        }
        out
    }
}

/// Hashed features with their values, sorted by hash, each once.
pub type SparseVector = Vec<(u64, f32)>;

/// The features of a whole text: its words, pairs of words, and runs of 2 to 4 characters inside of words.
///
/// All have the same value, so that the vector has length 1 whatever the text's length, unknown features included.
pub fn intent_features(text: &str) -> SparseVector {
    let lower = text.to_lowercase();
    let words: Vec<&str> = words(&lower).iter().map(|w| &lower[w.start..w.end]).collect();
    let mut hashes = Vec::new();
    for (i, word) in words.iter().enumerate() {
        hashes.push(hash(&["w", word]));
        if let Some(next) = words.get(i + 1) {
            hashes.push(hash(&["b", word, next]));
        }
        // A script without spaces has its words in runs of characters.
        let run = |n: usize| words.get(i..i + n).filter(|run| run.iter().all(|w| w.chars().all(is_unspaced)));
        for n in 3..=4 {
            if let Some(run) = run(n) {
                hashes.push(hash(&["r", &run.concat()]));
            }
        }
        if run(1).is_some() {
            continue;
        }
        let padded: Vec<char> = std::iter::once(' ').chain(word.chars()).chain([' ']).collect();
        for n in 2..=4 {
            for gram in padded.windows(n) {
                hashes.push(hash(&["c", &gram.iter().collect::<String>()]));
            }
        }
    }
    hashes.sort_unstable();
    hashes.dedup();
    let value = 1.0 / (hashes.len().max(1) as f32).sqrt();
    hashes.into_iter().map(|h| (h, value)).collect()
}

/// The features of every word of an utterance: itself, its spelling, shape and neighbours.
pub fn word_features(text: &str, words: &[Word]) -> Vec<SparseVector> {
    let raw: Vec<&str> = words.iter().map(|w| &text[w.start..w.end]).collect();
    let lower: Vec<String> = raw.iter().map(|w| w.to_lowercase()).collect();
    let shapes: Vec<String> = raw.iter().map(|w| shape(w)).collect();
    let word = |i: usize, step: isize| {
        i.checked_add_signed(step).and_then(|j| lower.get(j)).map_or(if step < 0 { "<" } else { ">" }, |w| w.as_str())
    };
    (0..raw.len())
        .map(|i| {
            let mut hashes = Vec::with_capacity(24);
            for (name, step) in [("-2", -2), ("-1", -1), ("0", 0), ("+1", 1), ("+2", 2)] {
                hashes.push(hash(&["w", name, word(i, step)]));
            }
            hashes.push(hash(&["b-", word(i, -1), word(i, 0)]));
            hashes.push(hash(&["b+", word(i, 0), word(i, 1)]));
            hashes.push(hash(&["t-", word(i, -2), word(i, -1)]));
            hashes.push(hash(&["s0", &shapes[i]]));
            hashes.push(hash(&["s-", if i > 0 { &shapes[i - 1] } else { "<" }]));
            hashes.push(hash(&["s+", shapes.get(i + 1).map_or(">", |s| s.as_str())]));
            let chars: Vec<char> = lower[i].chars().collect();
            for n in 1..=4.min(chars.len()) {
                hashes.push(hash(&["p", &chars[..n].iter().collect::<String>()]));
                hashes.push(hash(&["e", &chars[chars.len() - n..].iter().collect::<String>()]));
            }
            hashes.sort_unstable();
            hashes.dedup();
            hashes.into_iter().map(|h| (h, WORD_FEATURE_VALUE)).collect()
        })
        .collect()
}

/// Keeps about twenty features of a word in balance with its dense state.
const WORD_FEATURE_VALUE: f32 = 0.5;

/// `Berlin` → `Xx`, `iPhone15` → `xXxd`: classes of characters, runs shortened.
fn shape(word: &str) -> String {
    let mut shape = String::new();
    for c in word.chars() {
        let class = match c {
            c if c.is_numeric() => 'd',
            c if c.is_uppercase() => 'X',
            c if c.is_alphabetic() => 'x',
            c => c,
        };
        if !shape.ends_with(class) {
            shape.push(class);
        }
    }
    shape
}

fn hash(parts: &[&str]) -> u64 {
    // A character that no text part holds after splitting keeps ("ab", "c") and ("a", "bc") apart.
    hash64(parts.join("\u{1}").as_bytes())
}

/// The features that training saw, sorted: a feature's place is its row in the weights.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FeatureTable(Vec<u64>);

impl FeatureTable {
    /// A table of sorted hashes, each once; `None` for anything else.
    pub fn from_sorted(hashes: Vec<u64>) -> Option<Self> {
        hashes.windows(2).all(|p| p[0] < p[1]).then_some(Self(hashes))
    }

    /// The features that occur in at least `count_min` of the vectors; of more than `limit` the most frequent.
    pub fn build<'a>(vectors: impl Iterator<Item = &'a SparseVector>, count_min: usize, limit: usize) -> Self {
        let mut all: Vec<u64> = vectors.flatten().map(|(hash, _)| *hash).collect();
        all.sort_unstable();
        let runs = all.chunk_by(|a, b| a == b).filter(|run| run.len() >= count_min);
        let mut counted: Vec<(usize, u64)> = runs.map(|run| (run.len(), run[0])).collect();
        counted.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        counted.truncate(limit);
        let mut hashes: Vec<u64> = counted.into_iter().map(|(_, hash)| hash).collect();
        hashes.sort_unstable();
        Self(hashes)
    }

    /// Number of features.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The hashes, sorted.
    pub fn hashes(&self) -> &[u64] {
        &self.0
    }

    /// The rows of the known features of a vector, with their values.
    pub fn rows<'a>(&'a self, vector: &'a [(u64, f32)]) -> impl Iterator<Item = (usize, f32)> + 'a {
        vector.iter().filter_map(|(hash, value)| self.0.binary_search(hash).ok().map(|row| (row, *value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<&str> {
        words(text).iter().map(|w| &text[w.start..w.end]).collect()
    }

    #[test]
    fn words_are_runs_of_letters_or_single_signs() {
        assert_eq!(split("Bye-bye, São  Paulo!"), ["Bye", "-", "bye", ",", "São", "Paulo", "!"]);
        assert_eq!(split("去北京 now"), ["去", "北", "京", "now"]);
        assert_eq!(split(" \t"), Vec::<&str>::new());
    }

    #[test]
    fn word_states_are_the_mean_of_their_tokens() {
        let utterance = EncodedUtterance {
            text: "hi berlin".into(),
            token_ids: vec![101, 1, 2, 3, 102],
            offsets: vec![(0, 0), (0, 2), (3, 6), (6, 9), (0, 0)],
        };
        let got = WordStates::new(&utterance, &[9.0, 1.0, 2.0, 4.0, 9.0], 1);
        assert_eq!(got.states, [1.0, 3.0]);
        assert_eq!(got.words, [Word { start: 0, end: 2 }, Word { start: 3, end: 9 }]);
    }

    #[test]
    fn the_table_keeps_the_most_frequent_features() {
        let vectors: Vec<SparseVector> = vec![vec![(1, 1.0), (5, 1.0)], vec![(5, 1.0), (9, 1.0)], vec![(9, 1.0)]];
        let table = FeatureTable::build(vectors.iter(), 1, 2);
        assert_eq!(table.hashes(), [5, 9]);
        assert_eq!(table.rows(&[(1, 0.5), (9, 0.25)]).collect::<Vec<_>>(), [(1, 0.25)]);
        assert_eq!(FeatureTable::build(vectors.iter(), 3, 9).len(), 0);
    }

    #[test]
    fn shapes_shorten_runs() {
        assert_eq!([shape("Berlin"), shape("iPhone15"), shape("!")], ["Xx", "xXxd", "!"]);
    }
}
