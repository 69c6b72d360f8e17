//! Training of heads that may give a text several labels.

use crate::{
    heads::{FeatureTable, LabelHead, SparseVector, intent_features},
    limits,
    train::{
        Corpus, Progress, TrainOptions, TrainProgress,
        linear::{Design, Penalty, fit},
        sigmoid::Sigmoid,
    },
};

/// Chosen on a validation split of crosswoz.
const PENALTY: Penalty = Penalty { dense: 0.05, sparse: 0.1 };

/// Fits a head on the labels of the chosen examples, which `labels` gives in any order.
pub fn train(
    corpus: &Corpus,
    chosen: &[usize],
    labels: &dyn Fn(usize) -> Vec<String>,
    options: &TrainOptions,
    progress: Progress<'_>,
) -> LabelHead {
    let of: Vec<Vec<String>> = chosen.iter().map(|i| labels(*i)).collect();
    let names: Vec<String> =
        of.iter().flatten().cloned().collect::<std::collections::BTreeSet<_>>().into_iter().collect();
    let place = |label: &String| names.binary_search(label).expect("every label is among them") as u32;
    let targets = of.iter().map(|labels| labels.iter().map(place).collect()).collect();
    let sparse: Vec<SparseVector> = chosen.iter().map(|i| intent_features(&corpus.examples[*i].text)).collect();
    let dense: Vec<f32> = chosen.iter().flat_map(|i| corpus.embedding(*i)).copied().collect();
    let table = FeatureTable::build(sparse.iter(), 2, limits::SPARSE_FEATURES_MAX);
    let classes = names.len().max(1);
    let design = Design { width: corpus.hidden_size, dense: &dense, sparse: &sparse, classes };
    let total = options.epochs;
    let report = |done| progress(TrainProgress { stage: "labels", done, total });
    let head = fit(&design, table, &mut Sigmoid { targets, classes }, PENALTY, options.epochs, None, report).head;
    LabelHead { labels: names, head }
}
