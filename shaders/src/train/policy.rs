//! Training of the policy that is learned from stories.

use crate::{
    heads::{FeatureTable, SparseVector},
    limits,
    train::{
        Progress, TrainOptions, TrainProgress,
        linear::{Design, Penalty, fit},
        softmax::Softmax,
    },
};
use dialogue::engine::{PolicyExample, PolicyModel};

/// Chosen by leaving out one story at a time of two assistants.
const PENALTY: Penalty = Penalty { dense: 0.0, sparse: 0.05 };

/// Fits a policy; the same examples give the same bytes. `None` where there is nothing to learn from.
pub fn train_policy(examples: &[PolicyExample], options: &TrainOptions, progress: Progress<'_>) -> Option<PolicyModel> {
    let actions: std::collections::BTreeSet<&String> = examples.iter().map(|e| &e.action).collect();
    let actions: Vec<String> = actions.into_iter().cloned().collect();
    if actions.is_empty() {
        return None;
    }
    let sparse: Vec<SparseVector> =
        examples.iter().map(|e| e.features.iter().map(|hash| (*hash, 1.0)).collect()).collect();
    let table = FeatureTable::build(sparse.iter(), 1, limits::SPARSE_FEATURES_MAX);
    let classes = actions.len();
    let design = Design { width: 0, dense: &[], sparse: &sparse, classes };
    let place = |e: &PolicyExample| actions.binary_search(&e.action).expect("every action is among them") as u32;
    let mut loss = Softmax {
        targets: examples.iter().map(place).collect(),
        weights: examples.iter().map(|e| e.weight).collect(),
        classes,
    };
    let total = options.epochs;
    let report = |done| progress(TrainProgress { stage: "policy", done, total });
    let head = fit(&design, table, &mut loss, PENALTY, options.epochs, None, report).head;
    Some(PolicyModel { actions, features: head.table.hashes().to_vec(), weights: head.sparse, bias: head.bias })
}
