//! Runs an evaluation: splits, training, questions.

use super::Evaluation;
use crate::brain;
use anyhow::{Context, ensure};
use cluster_config::{CpuPrecision, Device, InferenceOptions};
use dialogue::engine::Engine;
use dialogue::evaluate::{Judged, Split, few, folds, holdout};
use dialogue::format::SourceFile;
use dialogue::ports::Scorer;
use dialogue::{NluExample, TimestampMs, Understanding};
use shaders::{Corpus, TrainOptions, TrainProgress};
use std::path::Path;

/// Relative times of examples count from here, so that an evaluation gives the same each time.
const SPOKEN_AT: TimestampMs = TimestampMs(0);

/// How an assistant's own examples are divided.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Every example is asked once, by heads that learned from the other parts; or only one share of them is asked.
    pub folds: usize,
    /// The share that is asked, instead of folds.
    pub held_out: Option<f64>,
    /// At most so many examples of an intent are learned from.
    pub per_intent: Option<usize>,
    /// The first seed.
    pub seed: u64,
    /// How many seeds; each divides anew.
    pub seeds: u64,
}

impl Plan {
    fn splits(&self, labels: &[&str], seed: u64) -> Vec<Split> {
        let mut splits = match self.held_out {
            Some(share) => vec![holdout(labels, share, seed)],
            None => folds(labels, self.folds, seed),
        };
        if let Some(per_intent) = self.per_intent {
            splits.iter_mut().for_each(|split| split.train = few(&split.train, labels, per_intent, seed));
        }
        splits
    }

    /// In words, for the report.
    pub fn describe(&self) -> String {
        let how = match self.held_out {
            Some(share) => format!("{:.0} % of every intent's examples held out", 100.0 * share),
            None => format!("{}-fold cross-validation", self.folds),
        };
        let few = self.per_intent.map_or_else(String::new, |n| format!(", {n} examples of an intent learned from"));
        format!("{how}{few}, seeds {} to {}", self.seed, self.seed + self.seeds - 1)
    }
}

/// Divides an assistant's examples, learns from one part and asks the other.
pub fn cross_validate(
    sources: &[SourceFile],
    encoder: &Path,
    plan: &Plan,
    progress: &(dyn Fn(TrainProgress) + Sync),
) -> anyhow::Result<Evaluation> {
    let assistant = brain::load_assistant(sources)?.assistant;
    let examples: Vec<NluExample> = assistant.nlu.iter().filter(|e| !e.intent.is_empty()).cloned().collect();
    ensure!(!examples.is_empty(), "nlu: there is no example with an intent to learn from");
    let train = brain::train_options(&assistant, plan.seed);
    let engine = brain::compile(assistant)?;
    // As `train` does, so that the figures are those of its releases.
    let options = InferenceOptions { device: Device::Cpu, cpu_precision: CpuPrecision::F32, ..Default::default() };
    let encoder = brain::load_encoder(encoder, &options)?;
    let corpus = Corpus::encode(&encoder, examples, &train, progress)?;
    let labels: Vec<&str> = corpus.examples().iter().map(|e| e.intent.as_str()).collect();
    let mut evaluation = Evaluation::new(plan.describe(), encoder.describe());
    for seed in plan.seed..plan.seed + plan.seeds {
        let splits = plan.splits(&labels, seed);
        let total = splits.len();
        let mut asked: Vec<(usize, Understanding)> = Vec::new();
        for (done, split) in splits.iter().enumerate() {
            progress(TrainProgress { stage: "evaluate", done, total });
            let heads = corpus.train(&split.train, &TrainOptions { seed, ..train.clone() }, &|_| {});
            let understand = |i: &usize| (*i, engine.understand(corpus.understand(&heads, *i), SPOKEN_AT));
            asked.extend(split.held_out.iter().map(understand));
        }
        progress(TrainProgress { stage: "evaluate", done: total, total });
        ensure!(!asked.is_empty(), "nothing is held out: give every intent at least two examples");
        asked.sort_by_key(|(place, _)| *place);
        let judged = asked.iter().map(|(i, heard)| Judged { example: &corpus.examples()[*i], heard });
        evaluation.add(seed, &judged.collect::<Vec<_>>());
    }
    Ok(evaluation)
}

/// Asks a trained assistant the examples of another file.
pub fn of_release(engine: &Engine, scorer: &dyn Scorer, nlu: &Path) -> anyhow::Result<Evaluation> {
    let text = std::fs::read_to_string(nlu).with_context(|| format!("{}: cannot read", nlu.display()))?;
    let path = nlu.to_string_lossy().into_owned();
    let examples = dialogue::format::read_nlu(&SourceFile { path: path.clone(), text }).map_err(|errors| {
        anyhow::anyhow!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })?;
    ensure!(!examples.is_empty(), "{path}: nlu: there is no example");
    let mut heard = Vec::with_capacity(examples.len());
    let mut batch = Vec::new();
    let mut tokens = 0;
    let mut flush = |batch: &mut Vec<dialogue::EncodedUtterance>| -> anyhow::Result<()> {
        heard.extend(scorer.score(batch)?.into_iter().map(|raw| engine.understand(raw, SPOKEN_AT)));
        batch.clear();
        Ok(())
    };
    for example in &examples {
        let utterance = scorer.encode(&example.text)?;
        tokens += utterance.token_ids.len();
        if tokens > scorer.batch_tokens_max() && !batch.is_empty() {
            flush(&mut batch)?;
            tokens = utterance.token_ids.len();
        }
        batch.push(utterance);
    }
    flush(&mut batch)?;
    let mut evaluation = Evaluation::new(format!("the examples of {path}"), scorer.describe());
    let judged: Vec<Judged<'_>> =
        examples.iter().zip(&heard).map(|(example, heard)| Judged { example, heard }).collect();
    evaluation.add(0, &judged);
    Ok(evaluation)
}
