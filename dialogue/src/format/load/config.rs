//! Reads `config.yml`, `endpoints.yml` and `credentials.yml`.

use super::{
    cx::{Cx, get, join},
    yaml::{Data, Key, Node},
};
use crate::format::{Config, Place};

pub(super) const KEYS: [&str; 8] =
    ["recipe", "assistant_id", "language", "pipeline", "policies", "importers", "imports", "spaces"];
pub(super) const ENDPOINT_KEYS: [&str; 7] =
    ["action_endpoint", "tracker_store", "event_broker", "lock_store", "nlg", "models", "model_group"];

pub(super) fn config(cx: &mut Cx, config: &mut Config, key: &Key, node: &Node) {
    let place = cx.key_place(key);
    match key.text.as_str() {
        "recipe" => match cx.text(node, "recipe").as_deref() {
            None | Some("default.v1") => {}
            Some(_) => cx.expected(node, "recipe", "default.v1"),
        },
        "assistant_id" => config.assistant_id = cx.text(node, "assistant_id"),
        "language" => config.language = cx.text(node, "language").unwrap_or_else(|| "en".into()),
        "pipeline" => super::pipeline::pipeline(cx, config, &place, node),
        "policies" => super::policies::policies(cx, config, &place, node),
        // What they mean was found out before any file was read.
        "importers" | "imports" => {}
        other => cx.error(&place, other, "is not supported; put all files into the assistant's folder"),
    }
}

/// An entry of a pipeline or of the policies: its name, its settings and its place.
pub(super) type Component<'n> = (String, &'n [(Key, Node)], Place);

pub(super) fn components<'n>(cx: &mut Cx, field: &str, node: &'n Node) -> Vec<Component<'n>> {
    let mut out = Vec::new();
    for (i, item) in cx.list(node, field, "a list of components").iter().enumerate() {
        let field = format!("{field}[{i}]");
        let place = cx.place(item);
        match &item.data {
            Data::Map(pairs) => match get(pairs, "name").and_then(Node::scalar_text) {
                Some(name) => out.push((own_name(name), pairs.as_slice(), place)),
                None => cx.error(&place, &join(&field, "name"), "is missing"),
            },
            _ => out.extend(cx.text(item, &field).map(|name| (own_name(name), [].as_slice(), place))),
        }
    }
    out
}

/// A component of Rasa's own may be given by its module (`rasa.core.policies.rule_policy.RulePolicy`).
fn own_name(name: String) -> String {
    match name.rsplit_once('.') {
        Some((module, own)) if module.starts_with("rasa.") => own.to_owned(),
        _ => name,
    }
}

/// The number under a key, if it stands between 0 and 1.
pub(super) fn share(cx: &mut Cx, pairs: &[(Key, Node)], field: &str, key: &str, or: f32) -> f32 {
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

pub(super) fn endpoint(cx: &mut Cx, config: &mut Config, key: &Key, node: &Node) {
    let place = cx.key_place(key);
    match key.text.as_str() {
        "action_endpoint" => {
            let pairs = cx.map(node, "action_endpoint", "a mapping with `url`");
            match get(pairs, "url").and_then(Node::scalar_text) {
                Some(url) => config.action_endpoint = Some(url),
                None => cx.error(&place, "action_endpoint.url", "is missing"),
            }
            if let Some(node) = get(pairs, "enable_selective_domain") {
                config.selective_domain = cx.bool(node, "action_endpoint.enable_selective_domain") == Some(true);
            }
            let read = ["url", "enable_selective_domain"];
            for (key, _) in pairs.iter().filter(|(k, _)| !read.contains(&k.text.as_str())) {
                let place = cx.key_place(key);
                cx.warn(
                    &place,
                    &join("action_endpoint", &key.text),
                    "has no effect: calls go to the `url` as it stands",
                );
            }
        }
        "tracker_store" | "lock_store" | "event_broker" => {
            let message = "has no effect: conversations are kept in the cluster's own replicated log";
            cx.warn(&place, &key.text, message);
        }
        other => cx.warn(&place, other, "is not supported and has no effect"),
    }
}
