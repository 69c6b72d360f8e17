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

    /// The whole batch as one part.
    pub fn whole(&self) -> Part<'_> {
        Part { ids: &self.ids, positions: &self.positions, offsets: &self.offsets }
    }

    /// Cuts the batch between sequences into at most `parts` parts of about as many tokens each.
    pub fn split(&self, parts: usize) -> Vec<Part<'_>> {
        let mut cut = Vec::with_capacity(parts);
        let mut first = 0;
        for part in 1..=parts {
            let goal = self.tokens() * part / parts;
            // The boundary that is nearest to an equal share.
            let distance = |s: &usize| (self.offsets[*s] as usize).abs_diff(goal);
            let end = (first..=self.sequences()).min_by_key(distance).unwrap_or(first);
            let end = if part == parts { self.sequences() } else { end };
            if end > first {
                let tokens = self.offsets[first] as usize..self.offsets[end] as usize;
                cut.push(Part {
                    ids: &self.ids[tokens.clone()],
                    positions: &self.positions[tokens],
                    offsets: &self.offsets[first..=end],
                });
            }
            first = end;
        }
        cut
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

/// A run of a batch's sequences, read in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<'a> {
    /// `[T]`: token ids.
    pub ids: &'a [u32],
    /// `[T]`: each token's position in its sequence.
    pub positions: &'a [u32],
    /// `[S + 1]`: the bounds of its sequences, counted from the beginning of the batch.
    pub offsets: &'a [u32],
}

impl Part<'_> {
    /// Its tokens.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// Its sequences.
    pub fn sequences(&self) -> usize {
        self.offsets.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_keeps_every_token_and_sequence() {
        let utterance = |n: usize| EncodedUtterance {
            text: String::new(),
            token_ids: (0..n as u32).collect(),
            offsets: vec![(0, 0); n],
        };
        let whole = PackedBatch::new(&[4, 1, 3, 8, 2].map(utterance), 10);
        for parts in 1..8 {
            let split = whole.split(parts);
            assert!(split.len() <= parts && split.iter().all(|b| b.sequences() > 0));
            assert_eq!(split.iter().flat_map(|b| b.ids).copied().collect::<Vec<_>>(), whole.ids);
            assert_eq!(split.iter().flat_map(|b| b.positions).copied().collect::<Vec<_>>(), whole.positions);
            assert_eq!(split.iter().map(Part::sequences).sum::<usize>(), 5);
            let mut end = 0;
            for part in &split {
                assert_eq!(part.offsets[0], end, "one begins where the other ends");
                end = part.offsets[part.sequences()];
                assert_eq!((end - part.offsets[0]) as usize, part.tokens());
            }
        }
        let two = whole.split(2);
        assert_eq!((two[0].tokens(), two[1].tokens()), (8, 10));
    }
}
