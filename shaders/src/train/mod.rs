//! Training of the heads: examples in, [`Heads`] out.

mod background;
mod calibrate;
mod corpus;
mod crf;
mod fingerprints;
mod intents;
mod labels;
mod lbfgs;
mod linear;
mod policy;
mod rng;
mod sigmoid;
mod softmax;
mod tags;

use crate::{
    encoder::Encoder,
    error::TrainError,
    heads::{Heads, Selector},
    limits,
};
pub use corpus::{Corpus, Kept};
use dialogue::NluExample;
pub use fingerprints::Fingerprints;
pub use policy::train_policy;

/// How to train.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainOptions {
    /// Decides the held-out examples and the gibberish; the same seed gives the same bytes.
    pub seed: u64,
    /// Most iterations of the optimiser for one head; it stops earlier when nothing improves.
    pub epochs: usize,
    /// Response selectors: names of retrieval intents, or `default` for one over all of them.
    pub selectors: Vec<String>,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self { seed: 42, epochs: 100, selectors: vec![Selector::OF_ALL.to_owned()] }
    }
}

/// How far training is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrainProgress {
    /// `encode`, `intents`, `calibrate`, `entities` or `policy`.
    pub stage: &'static str,
    /// Steps done of this stage.
    pub done: usize,
    /// Steps of this stage.
    pub total: usize,
}

type Progress<'a> = &'a (dyn Fn(TrainProgress) + Sync);

/// Trains an intent head on all examples and, where any is annotated, an entity tagger.
///
/// The same examples in the same order, seed and encoder give the same bytes on the CPU path. An example without an
/// intent teaches only the tagger.
pub fn train(
    encoder: &Encoder,
    examples: &[NluExample],
    options: &TrainOptions,
    progress: Progress<'_>,
) -> Result<Heads, TrainError> {
    train_rest(encoder, examples, Kept::default(), options, progress)
}

/// Trains only the parts that are not kept from earlier heads; where all are, the examples are checked and nothing is encoded.
pub fn train_rest(
    encoder: &Encoder,
    examples: &[NluExample],
    mut kept: Kept,
    options: &TrainOptions,
    progress: Progress<'_>,
) -> Result<Heads, TrainError> {
    check(examples)?;
    if let Some(heads) = kept.take_heads(encoder) {
        return Ok(heads);
    }
    let corpus = Corpus::encode(encoder, examples.to_vec(), options, progress)?;
    let all: Vec<usize> = (0..examples.len()).collect();
    Ok(corpus.train_rest(&all, kept, options, progress))
}

fn check(examples: &[NluExample]) -> Result<(), TrainError> {
    if examples.is_empty() {
        return Err(TrainError::NoExamples);
    }
    let limit =
        |what, found, limit| if found > limit { Err(TrainError::TooMany { what, found, limit }) } else { Ok(()) };
    limit("training examples", examples.len(), limits::EXAMPLES_MAX)?;
    let intents: std::collections::BTreeSet<&str> = examples.iter().map(|e| e.intent.as_str()).collect();
    limit("intents", intents.len(), limits::LABELS_MAX)?;
    limit("kinds of entities", tags::kinds(examples.iter()).len(), limits::LABELS_MAX)?;
    for example in examples {
        let length = example.text.chars().count();
        if let Some(e) = example.entities.iter().find(|e| e.start >= e.end || e.end as usize > length) {
            return Err(TrainError::Span {
                text: example.text.clone(),
                entity: e.entity.clone(),
                start: e.start,
                end: e.end,
                length,
            });
        }
    }
    Ok(())
}
