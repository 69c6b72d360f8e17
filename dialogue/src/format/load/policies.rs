//! Reads `policies:` of `config.yml`.

use super::{
    config::{components, share},
    cx::{Cx, did_you_mean, get, join},
    yaml::{Data, Key, Node},
};
use crate::format::{Config, LearnedConfig, MemoizationConfig, Place, RulePolicyConfig};

const POLICIES: [&str; 5] =
    ["RulePolicy", "MemoizationPolicy", "AugmentedMemoizationPolicy", "TEDPolicy", "UnexpecTEDIntentPolicy"];
/// Policies that Rasa had before 3.0, with what stands in for them.
const REMOVED: [(&str, &str); 7] = [
    (
        "FallbackPolicy",
        "write `FallbackClassifier` into the pipeline, and `core_fallback_threshold` below `RulePolicy`",
    ),
    ("TwoStageFallbackPolicy", "write a rule that answers `nlu_fallback` with `action_two_stage_fallback`"),
    ("MappingPolicy", "write a rule for each intent"),
    ("FormPolicy", "write `RulePolicy`, and the form's slots into the domain"),
    ("KerasPolicy", "write `TEDPolicy`"),
    ("SklearnPolicy", "write `TEDPolicy`"),
    ("EmbeddingPolicy", "write `TEDPolicy`"),
];

pub(super) fn policies(cx: &mut Cx, config: &mut Config, at: &Place, node: &Node) {
    let components = components(cx, "policies", node);
    if components.is_empty() {
        return;
    }
    config.rules = None;
    config.memoization = None;
    config.learned = None;
    let mut unsettled: Vec<String> = Vec::new();
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
            "TEDPolicy" => {
                let or = LearnedConfig::default().max_history;
                config.learned = Some(LearnedConfig { max_history: history_or(cx, &field, pairs, or) });
                let known = ["name", "max_history", "priority"];
                unsettled.extend(pairs.iter().map(|(k, _)| k.text.clone()).filter(|k| !known.contains(&k.as_str())));
            }
            "UnexpecTEDIntentPolicy" => {
                let message = "UnexpecTEDIntentPolicy: is not supported and predicts nothing; a rule or a story says what to do when \
                               a message comes out of turn";
                cx.warn(&place, &field, message.to_owned());
            }
            _ => {
                let removed = REMOVED.iter().find(|(removed, _)| *removed == name);
                let message = match removed {
                    Some((_, way_out)) => format!("`{name}` was removed in Rasa 3.0; {way_out}"),
                    None => format!(
                        "unknown policy `{name}`{}; custom policies are not supported: write rules and stories, or let a \
                         custom action choose the next one with a `followup` event",
                        did_you_mean(&name, POLICIES)
                    ),
                };
                cx.error(&place, &field, message);
            }
        }
    }
    if !unsettled.is_empty() {
        unsettled.sort();
        unsettled.dedup();
        let message = format!("TEDPolicy: served by a policy of our own; no effect have {}", unsettled.join(", "));
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
    history_or(cx, field, pairs, MemoizationConfig::default().max_history)
}

fn history_or(cx: &mut Cx, field: &str, pairs: &[(Key, Node)], or: Option<usize>) -> Option<usize> {
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
