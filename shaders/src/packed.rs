//! `PackedBatch`: utterances laid end to end, so that no cycle is spent on padding.

use dialogue::EncodedUtterance;

/// Token ids of a batch in one row, with the offsets at which each sequence begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedBatch {
    /// `[T]`: all token ids.
    pub ids: Vec<u32>,
    /// `[T]`: each token's position in its sequence.
    pub positions: Vec<u32>,
    /// `[T]`: the sequence that each token belongs to.
    pub sequence: Vec<u32>,
    /// `[S + 1]`: sequence `s` has the tokens `offsets[s]..offsets[s + 1]`.
    pub offsets: Vec<u32>,
}

impl PackedBatch {
    /// Lays utterances end to end; an id outside of the vocabulary is our own mistake.
    pub fn new(batch: &[EncodedUtterance], vocab: usize) -> Self {
        let tokens = batch.iter().map(|u| u.token_ids.len()).sum();
        let mut packed = Self {
            ids: Vec::with_capacity(tokens),
            positions: Vec::with_capacity(tokens),
            sequence: Vec::with_capacity(tokens),
            offsets: vec![0],
        };
        for (s, utterance) in batch.iter().enumerate() {
            assert!(!utterance.token_ids.is_empty(), "an encoded utterance has its special tokens");
            for (position, id) in utterance.token_ids.iter().enumerate() {
                assert!((*id as usize) < vocab, "token id {id} is outside of the vocabulary of {vocab}");
                packed.ids.push(*id);
                packed.positions.push(position as u32);
                packed.sequence.push(s as u32);
            }
            packed.offsets.push(packed.ids.len() as u32);
        }
        packed
    }

    /// All tokens.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// All sequences.
    pub fn sequences(&self) -> usize {
        self.offsets.len() - 1
    }
}
