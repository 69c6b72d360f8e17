//! Responses: which variation is said, and with which values.

use crate::{Reply, ReplyButton, Value, format::Variation, ids::hash64, tracker::Tracker};
use std::collections::BTreeMap;

/// Renders a response. `ordinal` counts the replies of the turn, so that a response said twice may vary.
pub(super) fn render(
    tracker: &Tracker,
    name: &str,
    channel: Option<&str>,
    extra: &BTreeMap<String, Value>,
    seed: u64,
    ordinal: usize,
) -> Option<Reply> {
    let fitting = fitting(tracker, tracker.domain().responses.get(name)?, channel);
    if fitting.is_empty() {
        return None;
    }
    let mut bytes = seed.to_le_bytes().to_vec();
    bytes.extend_from_slice(&(ordinal as u64).to_le_bytes());
    bytes.extend_from_slice(name.as_bytes());
    let chosen = fitting[(hash64(&bytes) % fitting.len() as u64) as usize];
    let fill = |text: &str| fill(text, tracker, extra);
    Some(Reply {
        response: Some(name.to_owned()),
        text: chosen.text.as_deref().map(fill),
        image: chosen.image.as_deref().map(fill),
        buttons: chosen
            .buttons
            .iter()
            .map(|b| ReplyButton { title: fill(&b.title), payload: fill(&b.payload) })
            .collect(),
        attachment: chosen.attachment.as_ref().map(|v| fill_value(v, &fill)),
        custom: chosen.custom.as_ref().map(|v| fill_value(v, &fill)),
    })
}

/// The variations that may be said: a condition that holds beats none, the channel's own beat those for all.
fn fitting<'v>(tracker: &Tracker, variations: &'v [Variation], channel: Option<&str>) -> Vec<&'v Variation> {
    let holds = |v: &Variation| v.conditions.iter().all(|(slot, wanted)| same(tracker.slot(slot), wanted));
    let of = |conditional: bool, own: bool| -> Vec<&'v Variation> {
        let fits = |v: &&Variation| {
            let of_channel =
                if own { v.channel.is_some() && v.channel.as_deref() == channel } else { v.channel.is_none() };
            of_channel && v.conditions.is_empty() != conditional && holds(v)
        };
        variations.iter().filter(fits).collect()
    };
    let groups = [of(true, true), of(false, true), of(true, false), of(false, false)];
    groups.into_iter().find(|g| !g.is_empty()).unwrap_or_default()
}

fn same(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Text(a), Value::Text(b)) => a.to_lowercase() == b.to_lowercase(),
        (Value::Int(a), Value::Float(b)) | (Value::Float(b), Value::Int(a)) => (*a as f64 - b).abs() < f64::EPSILON,
        (a, b) => a == b,
    }
}

/// Puts values where `{name}` stands. A name that nothing bears stays as it is: people see what is missing.
fn fill(text: &str, tracker: &Tracker, extra: &BTreeMap<String, Value>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        rest = &rest[open..];
        let name = rest[1..].split_once('}').map(|(name, _)| name).filter(|name| !name.contains(['{', '\n']));
        let value = name.and_then(|n| extra.get(n).or_else(|| tracker.slots().get(n)));
        match (name, value) {
            (Some(name), Some(value)) => {
                out.push_str(&value.display());
                rest = &rest[name.len() + 2..];
            }
            _ => {
                out.push('{');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn fill_value(value: &Value, fill: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::Text(text) => Value::Text(fill(text)),
        Value::List(items) => Value::List(items.iter().map(|v| fill_value(v, fill)).collect()),
        Value::Map(map) => Value::Map(map.iter().map(|(k, v)| (k.clone(), fill_value(v, fill))).collect()),
        other => other.clone(),
    }
}
