//! `Hidden`: what the encoder says about a batch.

/// The encoder's result for a batch of S utterances with T tokens in all, H numbers wide.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Hidden {
    /// H.
    pub hidden_size: usize,
    /// `[T, H]` row-major: the state of every token, special tokens included.
    pub tokens: Vec<f32>,
    /// `[S + 1]`: utterance `s` has the rows `offsets[s]..offsets[s + 1]` of `tokens`.
    pub offsets: Vec<usize>,
    /// `[S, H]` row-major: the mean of each utterance's states, scaled to length 1.
    pub embeddings: Vec<f32>,
}

impl Hidden {
    /// An empty result for states of `hidden_size` numbers.
    pub fn new(hidden_size: usize) -> Self {
        Self { hidden_size, tokens: Vec::new(), offsets: vec![0], embeddings: Vec::new() }
    }

    /// Number of utterances.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Is there no utterance?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sentence embedding of utterance `s`: H numbers of length 1.
    pub fn embedding(&self, s: usize) -> &[f32] {
        &self.embeddings[s * self.hidden_size..(s + 1) * self.hidden_size]
    }

    /// The token states of utterance `s`: one row of H numbers for each token.
    pub fn states(&self, s: usize) -> &[f32] {
        &self.tokens[self.offsets[s] * self.hidden_size..self.offsets[s + 1] * self.hidden_size]
    }

    /// Appends the utterances of `other`.
    pub fn append(&mut self, other: Hidden) {
        assert_eq!(self.hidden_size, other.hidden_size, "both come from one encoder");
        if self.is_empty() {
            *self = other;
            return;
        }
        let base = self.offsets.last().copied().unwrap_or(0);
        self.tokens.extend(other.tokens);
        self.offsets.extend(other.offsets.iter().skip(1).map(|o| base + o));
        self.embeddings.extend(other.embeddings);
    }
}
