//! `Readout`: the dense layers of an assistant's heads, which run in the same pass as the encoder, and what they say.
//!
//! A word's state is the mean of its tokens' states, and a layer of a mean is the mean of the layer: so the device gives a few
//! numbers for each token instead of its whole state, and words are made of them afterwards.

use crate::{
    budget::{MemoryBudget, MemoryKind, OverBudget, Reservation},
    cpu::gemm::Panels,
};

/// Columns of a layer come in whole vectors of so many.
const VECTOR: usize = 4;

/// The layers; both paths read them from here.
#[derive(Debug)]
pub struct Readout {
    sentence: ReadoutLayer,
    token: Option<ReadoutLayer>,
    _reservation: Reservation,
}

/// y = x·W + b for the classes of a head.
#[derive(Debug)]
pub struct ReadoutLayer {
    /// `[H, width]`.
    pub weight: Panels,
    /// `[width]`.
    pub bias: Vec<f32>,
}

/// Numbers in a row of the scores of sentences and of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Widths {
    /// Of a sentence.
    pub sentence: usize,
    /// Of a token; 0 where nothing is asked of tokens.
    pub token: usize,
}

impl ReadoutLayer {
    /// A layer of `dense` (`[H, C]`) and `bias` (`[C]`), filled up to whole vectors with zeros.
    pub fn new(dense: &[f32], bias: &[f32]) -> Self {
        let classes = bias.len();
        let width = classes.next_multiple_of(VECTOR);
        let padded = |row: &[f32]| {
            let mut row = row.to_vec();
            row.resize(width, 0.0);
            row
        };
        let rows: Vec<f32> = dense.chunks_exact(classes).flat_map(padded).collect();
        Self { weight: Panels::new(&rows, dense.len() / classes, width), bias: padded(bias) }
    }

    /// Numbers of a row of scores: the classes, and zeros up to a whole vector.
    pub fn width(&self) -> usize {
        self.bias.len()
    }

    fn bytes(&self) -> u64 {
        self.weight.bytes() + size_of_val(&self.bias[..]) as u64
    }
}

impl Readout {
    /// Layers over sentence embeddings and, where given, over token states; their bytes are taken from `budget`.
    pub fn new(sentence: ReadoutLayer, token: Option<ReadoutLayer>, budget: &MemoryBudget) -> Result<Self, OverBudget> {
        let bytes = sentence.bytes() + token.as_ref().map_or(0, ReadoutLayer::bytes);
        Ok(Self { sentence, token, _reservation: budget.reserve(MemoryKind::Weights, bytes)? })
    }

    /// Over sentence embeddings.
    pub fn sentence(&self) -> &ReadoutLayer {
        &self.sentence
    }

    /// Over token states.
    pub fn token(&self) -> Option<&ReadoutLayer> {
        self.token.as_ref()
    }

    /// How wide its scores are.
    pub fn widths(&self) -> Widths {
        Widths { sentence: self.sentence.width(), token: self.token.as_ref().map_or(0, ReadoutLayer::width) }
    }
}

/// What a [`Readout`] says of a batch of S utterances with T tokens in all.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scores {
    /// How wide the rows are.
    pub widths: Widths,
    /// `[S, sentence]` row-major.
    pub sentences: Vec<f32>,
    /// `[T, token]` row-major, special tokens included.
    pub tokens: Vec<f32>,
    /// `[S + 1]`: utterance `s` has the rows `offsets[s]..offsets[s + 1]` of `tokens`.
    pub offsets: Vec<usize>,
}

impl Scores {
    /// Scores of no utterance.
    pub fn new(widths: Widths) -> Self {
        Self { widths, sentences: Vec::new(), tokens: Vec::new(), offsets: vec![0] }
    }

    /// The row of utterance `s`.
    pub fn sentence(&self, s: usize) -> &[f32] {
        &self.sentences[s * self.widths.sentence..(s + 1) * self.widths.sentence]
    }

    /// The rows of utterance `s`'s tokens.
    pub fn tokens(&self, s: usize) -> &[f32] {
        &self.tokens[self.offsets[s] * self.widths.token..self.offsets[s + 1] * self.widths.token]
    }

    /// Appends the utterances of `other`.
    pub fn append(&mut self, other: Scores) {
        assert_eq!(self.widths, other.widths, "both come from one readout");
        if self.offsets.len() == 1 {
            *self = other;
            return;
        }
        let base = self.offsets.last().copied().unwrap_or(0);
        self.sentences.extend(other.sentences);
        self.tokens.extend(other.tokens);
        self.offsets.extend(other.offsets.iter().skip(1).map(|o| base + o));
    }
}
