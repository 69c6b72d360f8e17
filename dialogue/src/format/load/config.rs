//! Reads `config.yml`, `endpoints.yml` and `credentials.yml`.

use super::{
    cx::{Cx, did_you_mean, get, join},
    yaml::{Data, Key, Node},
};
use crate::format::{Config, FallbackConfig, MemoizationConfig, Place, RulePolicyConfig};

pub(super) const KEYS: [&str; 7] =
    ["recipe", "assistant_id", "language", "pipeline", "policies", "importers", "spaces"];
pub(super) const ENDPOINT_KEYS: [&str; 7] =
    ["action_endpoint", "tracker_store", "event_broker", "lock_store", "nlg", "models", "model_group"];

/// Components of Rasa's pipelines that our encoder, heads and extractors stand in for.
const REPLACED: [&str; 21] = [
    "WhitespaceTokenizer",
    "JiebaTokenizer",
    "MitieTokenizer",
    "SpacyTokenizer",
    "RegexFeaturizer",
    "LexicalSyntacticFeaturizer",
    "CountVectorsFeaturizer",
    "LanguageModelFeaturizer",
    "ConveRTFeaturizer",
    "MitieFeaturizer",
    "SpacyFeaturizer",
    "DIETClassifier",
    "KeywordIntentClassifier",
    "LogisticRegressionClassifier",
    "SklearnIntentClassifier",
    "MitieIntentClassifier",
    "CRFEntityExtractor",
    "RegexEntityExtractor",
    "MitieNLP",
    "SpacyNLP",
    "ResponseSelector",
];
/// Components that nothing of ours stands in for.
const MISSING: [(&str, &str); 3] = [
    ("DucklingEntityExtractor", "write a regex of the entity's name or annotate examples"),
    ("SpacyEntityExtractor", "annotate examples or write a lookup table"),
    ("MitieEntityExtractor", "annotate examples or write a lookup table"),
];
const OWN: [&str; 2] = ["FallbackClassifier", "EntitySynonymMapper"];
const POLICIES: [&str; 5] =
    ["RulePolicy", "MemoizationPolicy", "AugmentedMemoizationPolicy", "TEDPolicy", "UnexpecTEDIntentPolicy"];

pub(super) fn config(cx: &mut Cx, config: &mut Config, key: &Key, node: &Node) {
    let place = cx.key_place(key);
    match key.text.as_str() {
        "recipe" => match cx.text(node, "recipe").as_deref() {
            None | Some("default.v1") => {}
            Some(_) => cx.expected(node, "recipe", "default.v1"),
        },
        "assistant_id" => config.assistant_id = cx.text(node, "assistant_id"),
        "language" => config.language = cx.text(node, "language").unwrap_or_else(|| "en".into()),
        "pipeline" => pipeline(cx, config, &place, node),
        "policies" => policies(cx, config, &place, node),
        "importers" if node.data == Data::Null => {}
        other => cx.error(&place, other, "is not supported; put all files into the assistant's folder"),
    }
}

/// An entry of a pipeline or of the policies: its name, its settings and its place.
type Component<'n> = (String, &'n [(Key, Node)], Place);

fn components<'n>(cx: &mut Cx, field: &str, node: &'n Node) -> Vec<Component<'n>> {
    let mut out = Vec::new();
    for (i, item) in cx.list(node, field, "a list of components").iter().enumerate() {
        let field = format!("{field}[{i}]");
        let place = cx.place(item);
        match &item.data {
            Data::Map(pairs) => match get(pairs, "name").and_then(Node::scalar_text) {
                Some(name) => out.push((name, pairs.as_slice(), place)),
                None => cx.error(&place, &join(&field, "name"), "is missing"),
            },
            _ => out.extend(cx.text(item, &field).map(|name| (name, [].as_slice(), place))),
        }
    }
    out
}

/// The number under a key, if it stands between 0 and 1.
fn share(cx: &mut Cx, pairs: &[(Key, Node)], field: &str, key: &str, or: f32) -> f32 {
    let Some(node) = get(pairs, key) else { return or };
    match cx.number(node, &join(field, key)) {
        Some(n) if (0.0..=1.0).contains(&n) => n as f32,
        Some(_) => {
            cx.expected(node, &join(field, key), "a number from 0 to 1");
            or
        }
        None => or,
    }
}

fn pipeline(cx: &mut Cx, config: &mut Config, at: &Place, node: &Node) {
    let components = components(cx, "pipeline", node);
    if components.is_empty() {
        return;
    }
    config.fallback = None;
    config.synonyms = false;
    let mut replaced: Vec<String> = Vec::new();
    for (i, (name, pairs, place)) in components.into_iter().enumerate() {
        let field = format!("pipeline[{i}]");
        let missing = MISSING.iter().find(|(n, _)| *n == name);
        match name.as_str() {
            "FallbackClassifier" => {
                cx.known_keys(pairs, &field, &["name", "threshold", "ambiguity_threshold"]);
                let or = FallbackConfig::default();
                config.fallback = Some(FallbackConfig {
                    threshold: share(cx, pairs, &field, "threshold", or.threshold),
                    ambiguity_threshold: share(cx, pairs, &field, "ambiguity_threshold", or.ambiguity_threshold),
                });
            }
            "EntitySynonymMapper" => config.synonyms = true,
            _ if REPLACED.contains(&name.as_str()) => {
                if !replaced.contains(&name) {
                    replaced.push(name);
                }
            }
            _ if missing.is_some() => {
                let way_out = missing.map_or("", |(_, way_out)| way_out);
                cx.warn(&place, &field, format!("{name} is not supported and finds nothing; {way_out}"));
            }
            _ => {
                let known = REPLACED.iter().chain(&OWN).chain(MISSING.iter().map(|(n, _)| n)).copied();
                let hint = did_you_mean(&name, known);
                cx.error(
                    &place,
                    &field,
                    format!("unknown component `{name}`{hint}; custom components are not supported"),
                );
            }
        }
    }
    if !replaced.is_empty() {
        let message = format!(
            "{}: served by the built-in encoder, its heads and the extractors; their settings have no effect",
            replaced.join(", ")
        );
        cx.warn(at, "pipeline", message);
    }
}

fn policies(cx: &mut Cx, config: &mut Config, at: &Place, node: &Node) {
    let components = components(cx, "policies", node);
    if components.is_empty() {
        return;
    }
    config.rules = None;
    config.memoization = None;
    let mut learned: Vec<String> = Vec::new();
    for (i, (name, pairs, place)) in components.into_iter().enumerate() {
        let field = format!("policies[{i}]");
        match name.as_str() {
            "RulePolicy" => config.rules = Some(rule_policy(cx, &field, pairs)),
            "MemoizationPolicy" | "AugmentedMemoizationPolicy" => {
                let augmented = name.starts_with("Augmented");
                let found = MemoizationConfig { max_history: max_history(cx, &field, pairs), augmented };
                // Both may be listed; the augmented one recalls all that the plain one does.
                if config.memoization.is_none_or(|m| !m.augmented) {
                    config.memoization = Some(found);
                }
            }
            "TEDPolicy" | "UnexpecTEDIntentPolicy" => learned.push(name),
            _ => {
                let hint = did_you_mean(&name, POLICIES);
                let message = format!("unknown policy `{name}`{hint}; custom policies are not supported");
                cx.error(&place, &field, message);
            }
        }
    }
    if !learned.is_empty() {
        let memoization = config.memoization.get_or_insert_with(MemoizationConfig::default);
        memoization.augmented |= learned.iter().any(|n| n == "TEDPolicy");
        let message = format!(
            "{}: not learned; the augmented memoization of stories stands in, and what no rule and no story \
             covers goes to the core fallback",
            learned.join(", ")
        );
        cx.warn(at, "policies", message);
    }
}

fn rule_policy(cx: &mut Cx, field: &str, pairs: &[(Key, Node)]) -> RulePolicyConfig {
    const KNOWN: [&str; 9] = [
        "name",
        "core_fallback_threshold",
        "core_fallback_action_name",
        "enable_fallback_prediction",
        "restrict_rules",
        "check_for_contradictions",
        "use_nlu_confidence_as_score",
        "priority",
        "max_history",
    ];
    cx.known_keys(pairs, field, &KNOWN);
    let or = RulePolicyConfig::default();
    let flag = |cx: &mut Cx, key: &str| get(pairs, key).and_then(|n| cx.bool(n, &join(field, key))).unwrap_or(true);
    RulePolicyConfig {
        core_fallback_threshold: share(cx, pairs, field, "core_fallback_threshold", or.core_fallback_threshold),
        core_fallback_action: get(pairs, "core_fallback_action_name")
            .and_then(|n| cx.text(n, &join(field, "core_fallback_action_name")))
            .unwrap_or(or.core_fallback_action),
        enable_fallback: flag(cx, "enable_fallback_prediction"),
        restrict_rules: flag(cx, "restrict_rules"),
    }
}

fn max_history(cx: &mut Cx, field: &str, pairs: &[(Key, Node)]) -> Option<usize> {
    cx.known_keys(pairs, field, &["name", "max_history", "priority", "use_nlu_confidence_as_score"]);
    let or = MemoizationConfig::default().max_history;
    let Some(node) = get(pairs, "max_history") else { return or };
    match &node.data {
        Data::Null => None,
        Data::Int(n) if (1..=100).contains(n) => usize::try_from(*n).ok(),
        _ => {
            cx.expected(node, &join(field, "max_history"), "a whole number from 1 to 100, or null");
            or
        }
    }
}

pub(super) fn endpoint(cx: &mut Cx, config: &mut Config, key: &Key, node: &Node) {
    let place = cx.key_place(key);
    match key.text.as_str() {
        "action_endpoint" => {
            let pairs = cx.map(node, "action_endpoint", "a mapping with `url`");
            match get(pairs, "url").and_then(Node::scalar_text) {
                Some(url) => config.action_endpoint = Some(url),
                None => cx.error(&place, "action_endpoint.url", "is missing"),
            }
        }
        "tracker_store" | "lock_store" | "event_broker" => {
            let message = "has no effect: conversations are kept in the cluster's own replicated log";
            cx.warn(&place, &key.text, message);
        }
        other => cx.warn(&place, other, "is not supported and has no effect"),
    }
}
