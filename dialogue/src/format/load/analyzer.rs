//! Reads the `TextAnalyzer` of a pipeline.

use super::{
    cx::{Cx, did_you_mean, get, join},
    yaml::{Data, Key, Node},
};
use crate::format::{AnalyzerConfig, Place};
use analysis::PiiKind;

pub(super) const TEXT_ANALYZER: &str = "TextAnalyzer";

pub(super) fn analyzer(cx: &mut Cx, field: &str, pairs: &[(Key, Node)], place: Place) -> AnalyzerConfig {
    cx.known_keys(pairs, field, &["name", "language", "sentiment", "pii", "mask", "keep_entities"]);
    let flag = |cx: &mut Cx, key: &str| get(pairs, key).and_then(|n| cx.bool(n, &join(field, key))).unwrap_or(true);
    let (language, sentiment) = (flag(cx, "language"), flag(cx, "sentiment"));
    let pii =
        get(pairs, "pii").map_or_else(|| PiiKind::ALL.to_vec(), |n| kinds(cx, n, &join(field, "pii"), &PiiKind::ALL));
    // Without being asked nothing is masked: a form that takes an address would get a placeholder.
    let mask = get(pairs, "mask").map_or_else(Vec::new, |n| kinds(cx, n, &join(field, "mask"), &pii));
    let keep = get(pairs, "keep_entities").map(|n| cx.texts(n, &join(field, "keep_entities"))).unwrap_or_default();
    AnalyzerConfig { language, sentiment, pii, mask, keep_entities: keep.into_iter().collect(), place }
}

/// `true` for all that there are, `false` for none, or a list of names.
fn kinds(cx: &mut Cx, node: &Node, field: &str, all: &[PiiKind]) -> Vec<PiiKind> {
    match &node.data {
        Data::Bool(true) => return all.to_vec(),
        Data::Bool(false) | Data::Null => return Vec::new(),
        Data::List(_) => {}
        _ => {
            cx.expected(node, field, "true, false or a list of kinds of personal data");
            return Vec::new();
        }
    }
    let names = cx.texts(node, field);
    let mut kinds = Vec::with_capacity(names.len());
    for name in names {
        let known = PiiKind::ALL.map(PiiKind::name);
        let place = cx.place(node);
        match PiiKind::from_name(&name) {
            Some(kind) if all.contains(&kind) => kinds.push(kind),
            Some(_) => {
                cx.error(&place, field, format!("`{name}` is masked, but not among `pii`: it is not looked for"))
            }
            None => {
                let hint = did_you_mean(&name, known);
                let message = format!("unknown kind of personal data `{name}`{hint}; known are {}", known.join(", "));
                cx.error(&place, field, message);
            }
        }
    }
    kinds
}
