//! Training of the entity tagger.

use crate::{
    heads::{FeatureTable, SparseVector, Tag, Tagger, Word, word_features},
    limits,
    train::{
        Corpus, Progress, TrainOptions, TrainProgress,
        crf::Crf,
        linear::{Design, Penalty, fit},
        softmax::Softmax,
    },
};
use dialogue::{Entity, NluExample};

/// Chosen on a validation split of the snips training data.
const PENALTY: Penalty = Penalty { dense: 1.0, sparse: 0.1 };
/// Most iterations over whole sequences, behind those over words.
const SEQUENCE_STEPS_MAX: usize = 60;
/// With more words than this, features that occur once are noise.
const RARE_FEATURES_WORDS_MAX: usize = 20_000;

/// The kinds of all annotated spans, sorted.
pub fn kinds<'e>(examples: impl Iterator<Item = &'e NluExample>) -> Vec<Tag> {
    let kinds: std::collections::BTreeSet<Tag> = examples.flat_map(|e| &e.entities).map(tag_of).collect();
    kinds.into_iter().collect()
}

fn tag_of(e: &Entity) -> Tag {
    Tag { entity: e.entity.clone(), role: e.role.clone(), group: e.group.clone() }
}

/// Fits the tagger on the words of the chosen examples.
pub fn train(corpus: &Corpus, chosen: &[usize], options: &TrainOptions, progress: Progress<'_>) -> Tagger {
    let kinds = kinds(chosen.iter().map(|i| &corpus.examples[*i]));
    let classes = 2 * kinds.len() + 1;
    let mut targets = Vec::new();
    let mut starts = vec![0];
    let mut sparse: Vec<SparseVector> = Vec::new();
    let mut dense = Vec::new();
    for (example, words) in chosen.iter().map(|i| (&corpus.examples[*i], &corpus.words[*i])) {
        targets.extend(labels(example, &words.words, &kinds));
        starts.push(targets.len());
        sparse.extend(word_features(&example.text, &words.words));
        dense.extend_from_slice(&words.states);
    }
    starts.dedup();
    let h = corpus.hidden_size;
    let (mean, factor) = standardise(&mut dense, h);
    let count_min = if targets.len() > RARE_FEATURES_WORDS_MAX { 2 } else { 1 };
    let table = FeatureTable::build(sparse.iter(), count_min, limits::SPARSE_FEATURES_MAX);
    let design = Design { width: h, dense: &dense, sparse: &sparse, classes };
    let total = options.epochs + SEQUENCE_STEPS_MAX;
    let report = |before| move |done| progress(TrainProgress { stage: "entities", done: before + done, total });
    // Word by word first, which is quick; then whole sequences, from there.
    let mut words = Softmax { targets: targets.clone(), weights: vec![1.0; targets.len()], classes };
    let first = fit(&design, table.clone(), &mut words, PENALTY, options.epochs, None, report(0)).head;
    let mut sequences = Crf { targets, starts, classes };
    let fitted = fit(&design, table, &mut sequences, PENALTY, SEQUENCE_STEPS_MAX, Some(&first), report(options.epochs));
    let mut head = fitted.head;
    // The scaling goes into the weights, so that the tagger takes states as they are.
    for ((row, mean), factor) in head.dense.chunks_exact_mut(classes).zip(&mean).zip(&factor) {
        for (w, b) in row.iter_mut().zip(&mut head.bias) {
            *w *= factor;
            *b -= *w * mean;
        }
    }
    Tagger { kinds, head, transitions: fitted.own }
}

/// The class of every word: a word belongs to the first span that it overlaps.
fn labels(example: &NluExample, words: &[Word], kinds: &[Tag]) -> Vec<u32> {
    let bytes: Vec<usize> = example.text.char_indices().map(|(at, _)| at).chain([example.text.len()]).collect();
    let spans = example.entities.iter().map(|e| (bytes[e.start as usize], bytes[e.end as usize], tag_of(e)));
    let spans: Vec<(usize, usize, Tag)> = spans.collect();
    let mut before = None;
    words
        .iter()
        .map(|word| {
            let span = spans.iter().position(|(start, end, _)| word.start < *end && word.end > *start);
            let begins = span != before;
            before = span;
            span.map_or(0, |i| {
                let kind = kinds.binary_search(&spans[i].2).expect("kinds holds every annotated tag");
                Tagger::class(kind, begins) as u32
            })
        })
        .collect()
}

/// Scales every column of `x` (`[N, width]`) to mean 0 and length 1 of the average row; gives mean and factor back.
fn standardise(x: &mut [f32], width: usize) -> (Vec<f32>, Vec<f32>) {
    let n = (x.len() / width).max(1) as f64;
    let (mut mean, mut square) = (vec![0.0_f64; width], vec![0.0_f64; width]);
    for row in x.chunks_exact(width) {
        for ((m, s), v) in mean.iter_mut().zip(&mut square).zip(row) {
            *m += f64::from(*v);
            *s += f64::from(*v) * f64::from(*v);
        }
    }
    let deviation = |(m, s): (&f64, &f64)| (s / n - (m / n) * (m / n)).max(1e-12).sqrt();
    let scale = DENSE_LENGTH / (width as f64).sqrt();
    let factor: Vec<f32> = mean.iter().zip(&square).map(|p| (scale / deviation(p)) as f32).collect();
    let mean: Vec<f32> = mean.iter().map(|m| (m / n) as f32).collect();
    for row in x.chunks_exact_mut(width) {
        row.iter_mut().zip(mean.iter().zip(&factor)).for_each(|(v, (m, f))| *v = (*v - m) * f);
    }
    (mean, factor)
}

/// Length of an average word's dense vector.
const DENSE_LENGTH: f64 = 4.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heads::features::words;

    #[test]
    fn words_get_the_class_of_their_span() {
        let entity = |entity: &str, start, end| Entity { entity: entity.into(), start, end, ..Entity::default() };
        let example = NluExample {
            text: "é New York to Rome".into(),
            intent: "go".into(),
            response_key: None,
            entities: vec![entity("city", 2, 10), entity("city", 14, 18)],
        };
        let kinds = kinds(std::iter::once(&example));
        assert_eq!(labels(&example, &words(&example.text), &kinds), [0, 1, 2, 0, 1]);
    }

    #[test]
    fn columns_are_scaled_and_the_factors_say_how() {
        let mut x = [1.0, 10.0, 3.0, 10.0];
        let (mean, factor) = standardise(&mut x, 2);
        assert_eq!(mean, [2.0, 10.0]);
        assert!((x[0] + x[2]).abs() < 1e-6 && (x[2] - factor[0]).abs() < 1e-6 && x[1] == 0.0);
    }
}
