//! Training of the intent head.

use crate::{
    heads::{FeatureTable, IntentHead, LinearHead, SparseVector, intent_features},
    limits,
    train::{
        Corpus, Progress, TrainOptions, TrainProgress, calibrate,
        linear::{Design, Penalty, fit},
        rng::SplitMix64,
        softmax::Softmax,
    },
};
use dialogue::NluExample;

/// Chosen on a validation split of the training data of banking77 and on a small assistant.
const PENALTY: Penalty = Penalty { dense: 0.05, sparse: 0.4 };
/// A background text this near to a training example (cosine) may well be the assistant's business: it is left out.
const BACKGROUND_COSINE_MAX: f32 = 0.45;
/// The background weighs as much as this part of an average intent: little, for every example of it is far away
/// from the assistant, and much of it would swallow what users say in words of their own.
const BACKGROUND_WEIGHT: f32 = 0.2;
/// With more examples than this, features that occur once are noise.
const RARE_FEATURES_EXAMPLES_MAX: usize = 2_000;
/// Up to this many examples every one is held out once; beyond, one part is enough.
const CROSS_VALIDATED_MAX: usize = 1_500;
/// Parts of the examples, one of which is held out at a time.
const FOLDS: usize = 5;

/// Everything about the rows that are learned from.
struct Rows {
    dense: Vec<f32>,
    sparse: Vec<SparseVector>,
    targets: Vec<u32>,
    weights: Vec<f32>,
    width: usize,
    classes: usize,
}

/// Gives the label of an example; none is empty.
type Label<'a> = &'a dyn Fn(&NluExample) -> String;

/// Fits a head on the labels of the chosen examples, then its temperature on held-out ones of them.
pub fn train(
    corpus: &Corpus,
    chosen: &[usize],
    label: Label<'_>,
    options: &TrainOptions,
    progress: Progress<'_>,
) -> IntentHead {
    let labels = chosen.iter().map(|i| label(&corpus.examples[*i])).filter(|label| !label.is_empty());
    let labels: Vec<String> = labels.collect::<std::collections::BTreeSet<_>>().into_iter().collect();
    let rows = rows(&labels, corpus, chosen, label);
    let all: Vec<usize> = (0..rows.targets.len()).collect();
    let total = options.epochs;
    let report = |stage| move |done: usize| progress(TrainProgress { stage, done, total });
    let mut head = fit_rows(&rows, &all, options, report("intents"));
    let held_out = held_out_logits(&rows, options, progress);
    head.temperature = calibrate::temperature(&held_out);
    let threshold = calibrate::threshold(&held_out, head.temperature, labels.len());
    IntentHead { labels, head, threshold }
}

fn rows(labels: &[String], corpus: &Corpus, chosen: &[usize], label: Label<'_>) -> Rows {
    let mut rows = Rows {
        dense: Vec::new(),
        sparse: Vec::new(),
        targets: Vec::new(),
        weights: Vec::new(),
        width: corpus.hidden_size,
        classes: labels.len() + 1,
    };
    for i in chosen {
        let example = &corpus.examples[*i];
        if let Ok(label) = labels.binary_search(&label(example)) {
            rows.push(&example.text, corpus.embedding(*i), label);
        }
    }
    let known = rows.dense.clone();
    let background = corpus.background.iter().zip(corpus.background_embeddings.chunks_exact(rows.width));
    for (text, embedding) in background {
        let cosine = |other: &[f32]| other.iter().zip(embedding).map(|(a, b)| a * b).sum::<f32>();
        if known.chunks_exact(rows.width).all(|other| cosine(other) < BACKGROUND_COSINE_MAX) {
            rows.push(text, embedding, labels.len());
        }
    }
    rows.balance();
    rows
}

impl Rows {
    fn push(&mut self, text: &str, embedding: &[f32], class: usize) {
        self.dense.extend_from_slice(embedding);
        self.sparse.push(intent_features(text));
        self.targets.push(class as u32);
    }

    /// Half-way between "every example counts the same" and "every intent counts the same".
    fn balance(&mut self) {
        let mut counts = vec![0.0_f32; self.classes];
        self.targets.iter().for_each(|t| counts[*t as usize] += 1.0);
        let intents = self.classes - 1;
        let average = counts[..intents].iter().sum::<f32>() / intents.max(1) as f32;
        let weight = |class: usize| match class == intents {
            true => BACKGROUND_WEIGHT * average / counts[class],
            false => (average / counts[class]).sqrt(),
        };
        self.weights = self.targets.iter().map(|t| weight(*t as usize)).collect();
    }
}

fn fit_rows(rows: &Rows, chosen: &[usize], options: &TrainOptions, step_done: impl FnMut(usize)) -> LinearHead {
    let pick = |i: &usize| rows.dense[i * rows.width..(i + 1) * rows.width].iter().copied();
    let dense: Vec<f32> = chosen.iter().flat_map(pick).collect();
    let sparse: Vec<SparseVector> = chosen.iter().map(|i| rows.sparse[*i].clone()).collect();
    let count_min = if chosen.len() > RARE_FEATURES_EXAMPLES_MAX { 2 } else { 1 };
    let table = FeatureTable::build(sparse.iter(), count_min, limits::SPARSE_FEATURES_MAX);
    let design = Design { width: rows.width, dense: &dense, sparse: &sparse, classes: rows.classes };
    let mut loss = Softmax {
        targets: chosen.iter().map(|i| rows.targets[*i]).collect(),
        weights: chosen.iter().map(|i| rows.weights[*i]).collect(),
        classes: rows.classes,
    };
    fit(&design, table, &mut loss, PENALTY, options.epochs, None, step_done).head
}

/// Logits of examples by heads that did not see them, each with its class.
fn held_out_logits(rows: &Rows, options: &TrainOptions, progress: Progress<'_>) -> Vec<(Vec<f32>, usize)> {
    let fold_of = folds(&rows.targets, rows.classes, options.seed);
    let folds = if rows.targets.len() > CROSS_VALIDATED_MAX { 1 } else { FOLDS };
    let mut logits = Vec::new();
    for fold in 0..folds {
        progress(TrainProgress { stage: "calibrate", done: fold, total: folds });
        let (held, kept): (Vec<usize>, Vec<usize>) = (0..rows.targets.len()).partition(|i| fold_of[*i] == fold);
        let head = fit_rows(rows, &kept, options, |_| {});
        let known: std::collections::BTreeSet<u32> = kept.iter().map(|i| rows.targets[*i]).collect();
        // An intent with one example cannot be judged without it.
        for i in held.into_iter().filter(|i| known.contains(&rows.targets[*i])) {
            let dense = &rows.dense[i * rows.width..(i + 1) * rows.width];
            logits.push((head.logits(dense, &rows.sparse[i]), rows.targets[i] as usize));
        }
    }
    progress(TrainProgress { stage: "calibrate", done: folds, total: folds });
    logits
}

/// Deals the examples of every class over the folds.
fn folds(targets: &[u32], classes: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..targets.len()).collect();
    SplitMix64::new(seed).shuffle(&mut order);
    let mut next = vec![0; classes];
    let mut fold_of = vec![0; targets.len()];
    for i in order {
        let class = targets[i] as usize;
        fold_of[i] = next[class] % FOLDS;
        next[class] += 1;
    }
    fold_of
}
