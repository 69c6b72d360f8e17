//! `Corpus`: examples that went through the encoder once, to be learned from as often as an evaluation wants.

use crate::{
    encoder::{Encoder, EncoderId},
    error::TrainError,
    heads::{Heads, IntentHead, LabelHead, Selector, Tagger, WordStates},
    train::{Fingerprints, Progress, TrainOptions, TrainProgress, background, check, intents, labels, tags},
};
use dialogue::{NluExample, Understanding};

/// Texts that go to the encoder between two reports.
const REPORT_EVERY: usize = 64;

/// Parts of earlier heads that need not be trained again.
#[derive(Debug, Default)]
pub struct Kept {
    intents: Option<IntentHead>,
    selectors: Option<Vec<Selector>>,
    tagger: Option<Option<Tagger>>,
}

impl Kept {
    /// The parts of heads whose fingerprints are those of what is about to be trained.
    pub fn of(heads: Heads, then: &Fingerprints, now: &Fingerprints) -> Self {
        Self {
            intents: (then.intents == now.intents).then_some(heads.intent),
            selectors: (then.selectors == now.selectors).then_some(heads.selectors),
            tagger: (then.entities == now.entities).then_some(heads.tagger),
        }
    }

    /// Names of the parts, as `train` calls them.
    pub fn names(&self) -> Vec<&'static str> {
        let parts = [
            ("intents", self.intents.is_some()),
            ("selectors", self.selectors.as_ref().is_some_and(|s| !s.is_empty())),
            ("entities", self.tagger.as_ref().is_some_and(Option::is_some)),
        ];
        parts.into_iter().filter(|(_, kept)| *kept).map(|(name, _)| name).collect()
    }

    /// Takes whole heads out, if every part is kept.
    pub(super) fn take_heads(&mut self, encoder: &Encoder) -> Option<Heads> {
        if self.intents.is_none() || self.selectors.is_none() || self.tagger.is_none() {
            return None;
        }
        Some(Heads {
            encoder: encoder.id().clone(),
            hidden_size: encoder.hidden_size(),
            intent: self.intents.take()?,
            selectors: self.selectors.take()?,
            tagger: self.tagger.take()?,
        })
    }
}

/// Examples with what the encoder says of them.
#[derive(Debug)]
pub struct Corpus {
    encoder: EncoderId,
    /// H.
    pub(super) hidden_size: usize,
    pub(super) examples: Vec<NluExample>,
    /// `[examples, H]`.
    pub(super) embeddings: Vec<f32>,
    /// For each example; empty where nothing is annotated.
    pub(super) words: Vec<WordStates>,
    /// What no assistant is about.
    pub(super) background: Vec<String>,
    /// `[background, H]`.
    pub(super) background_embeddings: Vec<f32>,
}

impl Corpus {
    /// Checks the examples and runs the encoder over them.
    pub fn encode(
        encoder: &Encoder,
        examples: Vec<NluExample>,
        options: &TrainOptions,
        progress: Progress<'_>,
    ) -> Result<Self, TrainError> {
        check(&examples)?;
        let hidden_size = encoder.hidden_size();
        let annotated = examples.iter().any(|e| !e.entities.is_empty());
        let background = background::texts(options.seed);
        let (mut embeddings, mut background_embeddings, mut words) = (Vec::new(), Vec::new(), Vec::new());
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
                let states = |(s, u)| WordStates::new(u, hidden.states(s), hidden_size);
                words.extend(batch.iter().enumerate().map(states));
            }
            embeddings.extend(hidden.embeddings);
            report(part.len());
        }
        for part in background.chunks(REPORT_EVERY) {
            let batch = part.iter().map(|text| encoder.encode(text)).collect::<Result<Vec<_>, _>>()?;
            background_embeddings.extend(encoder.forward(&batch)?.embeddings);
            report(part.len());
        }
        let encoder = encoder.id().clone();
        Ok(Self { encoder, hidden_size, examples, embeddings, words, background, background_embeddings })
    }

    /// The examples, in the order in which they came.
    pub fn examples(&self) -> &[NluExample] {
        &self.examples
    }

    /// Trains heads on the chosen examples, given by their places, as [`train`](super::train) does on all of them.
    pub fn train(&self, chosen: &[usize], options: &TrainOptions, progress: Progress<'_>) -> Heads {
        self.train_rest(chosen, Kept::default(), options, progress)
    }

    /// Trains a head that may give a text several labels: those that `labels` gives for the example at a place.
    pub fn train_labels(
        &self,
        chosen: &[usize],
        labels: &dyn Fn(usize) -> Vec<String>,
        options: &TrainOptions,
        progress: Progress<'_>,
    ) -> LabelHead {
        labels::train(self, chosen, labels, options, progress)
    }

    /// The same, but for the parts that are kept.
    pub(super) fn train_rest(
        &self,
        chosen: &[usize],
        kept: Kept,
        options: &TrainOptions,
        progress: Progress<'_>,
    ) -> Heads {
        let annotated = chosen.iter().any(|i| !self.examples[*i].entities.is_empty());
        let intents = || intents::train(self, chosen, &|e| e.intent.clone(), options, progress);
        let tagger = || annotated.then(|| tags::train(self, chosen, options, progress));
        Heads {
            encoder: self.encoder.clone(),
            hidden_size: self.hidden_size,
            intent: kept.intents.unwrap_or_else(intents),
            selectors: kept.selectors.unwrap_or_else(|| self.selectors(chosen, options, progress)),
            tagger: kept.tagger.unwrap_or_else(tagger),
        }
    }

    /// One for each name in the options whose retrieval intent has keys among the chosen examples.
    fn selectors(&self, chosen: &[usize], options: &TrainOptions, progress: Progress<'_>) -> Vec<Selector> {
        let mut selectors = Vec::new();
        for name in &options.selectors {
            let of = |e: &NluExample| e.response_key.is_some() && (name == Selector::OF_ALL || *name == e.intent);
            let chosen: Vec<usize> = chosen.iter().copied().filter(|i| of(&self.examples[*i])).collect();
            if !chosen.is_empty() {
                let key = |e: &NluExample| e.response_key.clone().unwrap_or_default();
                let keys = IntentHead { threshold: 0.0, ..intents::train(self, &chosen, &key, options, progress) };
                selectors.push(Selector { name: name.clone(), keys });
            }
        }
        selectors
    }

    /// What heads understand of an example, as [`NluModel`](crate::NluModel) would of its text.
    pub fn understand(&self, heads: &Heads, example: usize) -> Understanding {
        let said: Vec<f32> = heads.of_sentences().flat_map(|head| head.dense_logits(self.embedding(example))).collect();
        let words = heads.tagger.as_ref().zip(self.words.get(example));
        let words = words.map(|(tagger, words)| (tagger.say(words), tagger.head.classes));
        let words = words.as_ref().map(|(said, width)| (said, *width));
        heads.understand(&self.examples[example].text, &said, words)
    }

    /// The sentence embedding of an example, `[H]`.
    pub fn embedding(&self, example: usize) -> &[f32] {
        &self.embeddings[example * self.hidden_size..(example + 1) * self.hidden_size]
    }
}
