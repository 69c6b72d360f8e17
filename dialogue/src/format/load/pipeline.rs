//! Reads `pipeline:` of `config.yml`.

use super::{
    analyzer::{TEXT_ANALYZER, analyzer},
    config::{components, share},
    cx::{Cx, did_you_mean, get, join},
    yaml::{Data, Key, Node},
};
use crate::engine::extract;
use crate::format::{Config, ExtractorConfig, FallbackConfig, Place, RegexExtractorConfig, SelectorConfig, Threshold};

/// Components of Rasa's pipelines that our encoder, heads and extractors stand in for.
const REPLACED: [&str; 20] = [
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
    "MitieNLP",
    "SpacyNLP",
    "ResponseSelector",
];
/// Components that nothing of ours stands in for.
const MISSING: [(&str, &str); 2] = [
    ("SpacyEntityExtractor", "annotate examples or write a lookup table"),
    ("MitieEntityExtractor", "annotate examples or write a lookup table"),
];
const OWN: [&str; 5] = ["FallbackClassifier", "EntitySynonymMapper", "RegexEntityExtractor", DUCKLING, TEXT_ANALYZER];
const DUCKLING: &str = "DucklingEntityExtractor";
/// Names of the only time zone that times are given in.
const UTC: [&str; 4] = ["UTC", "Etc/UTC", "GMT", "Z"];
/// What Duckling knows.
const DIMENSIONS: [&str; 14] = [
    "amount-of-money",
    "credit-card-number",
    "distance",
    "duration",
    "email",
    "number",
    "ordinal",
    "phone-number",
    "quantity",
    "temperature",
    "time",
    "time-grain",
    "url",
    "volume",
];

pub(super) fn pipeline(cx: &mut Cx, config: &mut Config, at: &Place, node: &Node) {
    let components = components(cx, "pipeline", node);
    if components.is_empty() {
        return;
    }
    config.fallback = None;
    config.synonyms = false;
    let mut replaced: Vec<String> = Vec::new();
    for (i, (name, pairs, place)) in components.into_iter().enumerate() {
        let field = format!("pipeline[{i}]");
        match name.as_str() {
            "FallbackClassifier" => config.fallback = Some(fallback(cx, &field, pairs)),
            "EntitySynonymMapper" => config.synonyms = true,
            "RegexEntityExtractor" => config.regexes = regexes(cx, &field, pairs),
            DUCKLING => {
                config.extractors.push(duckling(cx, &field, pairs, place.clone()));
            }
            TEXT_ANALYZER if config.analyzer.is_some() => cx.error(&place, &field, "TextAnalyzer is given twice"),
            TEXT_ANALYZER => config.analyzer = Some(analyzer(cx, &field, pairs, place)),
            _ if REPLACED.contains(&name.as_str()) => {
                if name == "ResponseSelector" {
                    let retrieval_intent = get(pairs, "retrieval_intent").filter(|n| n.data != Data::Null);
                    let retrieval_intent = retrieval_intent.and_then(|n| cx.text(n, &join(&field, "retrieval_intent")));
                    config.selectors.push(SelectorConfig { retrieval_intent, place });
                }
                if !replaced.contains(&name) {
                    replaced.push(name);
                }
            }
            _ => other(cx, &place, &field, &name),
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

fn other(cx: &mut Cx, place: &Place, field: &str, name: &str) {
    if let Some((_, way_out)) = MISSING.iter().find(|(missing, _)| *missing == name) {
        cx.warn(place, field, format!("{name} is not supported and finds nothing; {way_out}"));
        return;
    }
    let known = REPLACED.iter().chain(&OWN).chain(MISSING.iter().map(|(n, _)| n)).copied();
    let hint = did_you_mean(name, known);
    let message = format!(
        "unknown component `{name}`{hint}; custom components are not supported: let a custom action look at the message, or \
         write examples, regexes and lookup tables"
    );
    cx.error(place, field, message);
}

fn fallback(cx: &mut Cx, field: &str, pairs: &[(Key, Node)]) -> FallbackConfig {
    cx.known_keys(pairs, field, &["name", "threshold", "ambiguity_threshold"]);
    let or = FallbackConfig::default();
    let threshold = match get(pairs, "threshold") {
        Some(node) if node.scalar_text().as_deref() == Some("auto") => Threshold::Learned,
        Some(node) => match cx.number(node, &join(field, "threshold")) {
            Some(n) if (0.0..=1.0).contains(&n) => Threshold::At(n as f32),
            Some(_) => {
                cx.expected(node, &join(field, "threshold"), "a number from 0 to 1, or `auto`");
                or.threshold
            }
            None => or.threshold,
        },
        None => or.threshold,
    };
    FallbackConfig {
        threshold,
        ambiguity_threshold: share(cx, pairs, field, "ambiguity_threshold", or.ambiguity_threshold),
    }
}

fn regexes(cx: &mut Cx, field: &str, pairs: &[(Key, Node)]) -> RegexExtractorConfig {
    let known = ["name", "case_sensitive", "use_lookup_tables", "use_regexes", "use_word_boundaries"];
    cx.known_keys(pairs, field, &known);
    let or = RegexExtractorConfig::default();
    let mut flag = |key: &str, or: bool| get(pairs, key).and_then(|n| cx.bool(n, &join(field, key))).unwrap_or(or);
    RegexExtractorConfig {
        case_sensitive: flag("case_sensitive", or.case_sensitive),
        use_lookup_tables: flag("use_lookup_tables", or.use_lookup_tables),
        use_regexes: flag("use_regexes", or.use_regexes),
        use_word_boundaries: flag("use_word_boundaries", or.use_word_boundaries),
    }
}

/// The address of a Duckling server, and how long to wait for it, mean nothing here: there is none.
fn duckling(cx: &mut Cx, field: &str, pairs: &[(Key, Node)], place: Place) -> ExtractorConfig {
    cx.known_keys(pairs, field, &["name", "url", "dimensions", "locale", "timezone", "timeout"]);
    let mut out = ExtractorConfig { component: DUCKLING.into(), place, ..ExtractorConfig::default() };
    if let Some(node) = get(pairs, "dimensions") {
        let field = join(field, "dimensions");
        out.dimensions = cx.texts(node, &field);
        for unknown in out.dimensions.iter().filter(|d| !DIMENSIONS.contains(&d.as_str())) {
            let hint = did_you_mean(unknown, DIMENSIONS);
            let place = cx.place(node);
            cx.error(
                &place,
                &field,
                format!("unknown dimension `{unknown}`{hint}; known are {}", DIMENSIONS.join(", ")),
            );
        }
    }
    let mut text = |key: &str| {
        let node = get(pairs, key).filter(|n| n.data != Data::Null);
        node.and_then(|n| cx.text(n, &join(field, key)))
    };
    out.locale = text("locale");
    out.timezone = text("timezone");
    for unserved in out.dimensions.iter().filter(|d| !extract::is_known(d)) {
        let message = format!("`{unserved}` is not looked for; write a regex of that name");
        cx.warn(&out.place, &join(field, "dimensions"), message);
    }
    if let Some(zone) = out.timezone.as_ref().filter(|zone| !UTC.contains(&zone.as_str())) {
        cx.warn(&out.place, &join(field, "timezone"), format!("`{zone}` has no effect: times are given in UTC"));
    }
    out
}
