//! Training of the heads: examples in, [`Heads`] out.

mod background;
mod calibrate;
mod intents;
mod lbfgs;
mod rng;
mod softmax;
mod tags;

use crate::{
    encoder::Encoder,
    error::TrainError,
    heads::{Heads, WordStates},
    limits,
};
use dialogue::NluExample;

/// How to train.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainOptions {
    /// Decides the held-out examples and the gibberish; the same seed gives the same bytes.
    pub seed: u64,
    /// Most iterations of the optimiser for one head; it stops earlier when nothing improves.
    pub epochs: usize,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self { seed: 42, epochs: 100 }
    }
}

/// How far training is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrainProgress {
    /// `encode`, `intents`, `calibrate` or `entities`.
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
    check(examples)?;
    let annotated = examples.iter().any(|e| !e.entities.is_empty());
    let background = background::texts(options.seed);
    let encoded = encode(encoder, examples, &background, annotated, progress)?;
    let intent = intents::train(examples, &background, &encoded, options, progress);
    let tagger = if annotated { Some(tags::train(examples, &encoded, options, progress)) } else { None };
    Ok(Heads { encoder: encoder.id().clone(), hidden_size: encoder.hidden_size(), intent, tagger })
}

/// The encoder's view of all texts.
struct Encoded {
    hidden_size: usize,
    /// `[examples, H]`.
    embeddings: Vec<f32>,
    /// `[background, H]`.
    background: Vec<f32>,
    /// For each example; empty where nothing is annotated.
    words: Vec<WordStates>,
}

/// Texts that go to the encoder between two reports.
const REPORT_EVERY: usize = 64;

fn encode(
    encoder: &Encoder,
    examples: &[NluExample],
    background: &[String],
    annotated: bool,
    progress: Progress<'_>,
) -> Result<Encoded, TrainError> {
    let hidden_size = encoder.hidden_size();
    let mut encoded = Encoded { hidden_size, embeddings: Vec::new(), background: Vec::new(), words: Vec::new() };
    let total = examples.len() + background.len();
    let mut done = 0;
    let mut report = |texts: usize| {
        done += texts;
        progress(TrainProgress { stage: "encode", done, total });
    };
    report(0);
    for part in examples.chunks(REPORT_EVERY) {
        let batch = part.iter().map(|e| encoder.encode(&e.text)).collect::<Result<Vec<_>, _>>()?;
        let hidden = encoder.forward(&batch)?;
        if annotated {
            let words = batch.iter().enumerate().map(|(s, u)| WordStates::new(u, hidden.states(s), hidden_size));
            encoded.words.extend(words);
        }
        encoded.embeddings.extend(hidden.embeddings);
        report(part.len());
    }
    for part in background.chunks(REPORT_EVERY) {
        let batch = part.iter().map(|text| encoder.encode(text)).collect::<Result<Vec<_>, _>>()?;
        encoded.background.extend(encoder.forward(&batch)?.embeddings);
        report(part.len());
    }
    Ok(encoded)
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
    limit("kinds of entities", tags::kinds(examples).len(), limits::LABELS_MAX)?;
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
