//! Responses: which variation is said, and with which values.

use crate::{Reply, ReplyButton, Value, format::Variation, ids::hash64, tracker::Tracker};
use std::collections::BTreeMap;

/// Renders a response: what it says, then each of its elements. Nothing, where none of its variations may be said.
/// `ordinal` counts the replies of the turn, so that a response said twice may vary.
pub(super) fn render(
    tracker: &Tracker,
    name: &str,
    channel: Option<&str>,
    extra: &BTreeMap<String, Value>,
    seed: u64,
    ordinal: usize,
) -> Vec<Reply> {
    let variations = tracker.domain().responses.get(name).map(Vec::as_slice).unwrap_or_default();
    let fitting = fitting(tracker, variations, channel);
    if fitting.is_empty() {
        return Vec::new();
    }
    let mut bytes = seed.to_le_bytes().to_vec();
    bytes.extend_from_slice(&(ordinal as u64).to_le_bytes());
    bytes.extend_from_slice(name.as_bytes());
    let chosen = fitting[(hash64(&bytes) % fitting.len() as u64) as usize];
    let fill = |text: &str| fill(text, tracker, extra);
    let buttons = |buttons: &[ReplyButton]| -> Vec<ReplyButton> {
        buttons.iter().map(|b| ReplyButton { title: fill(&b.title), payload: fill(&b.payload) }).collect()
    };
    let whole = Reply {
        response: Some(name.to_owned()),
        text: chosen.text.as_deref().map(fill),
        image: chosen.image.as_deref().map(fill),
        buttons: buttons(&chosen.buttons),
        attachment: chosen.attachment.as_ref().map(|v| fill_value(v, &fill)),
        custom: chosen.custom.as_ref().map(|v| fill_value(v, &fill)),
    };
    let nothing = Reply { response: Some(name.to_owned()), ..Reply::default() };
    let elements = chosen.elements.iter().map(|element| Reply {
        text: Some(format!("{} : {}", fill(&element.title), fill(&element.subtitle))),
        buttons: buttons(&element.buttons),
        ..nothing.clone()
    });
    let whole = (whole != nothing || chosen.elements.is_empty()).then_some(whole);
    whole.into_iter().chain(elements).collect()
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

/// Puts values where `{name}` stands; doubled braces are braces. Where a name means nothing the text stays as it is, as in
/// Rasa: people see what is missing.
fn fill(text: &str, tracker: &Tracker, extra: &BTreeMap<String, Value>) -> String {
    filled(text, tracker, extra).unwrap_or_else(|| text.to_owned())
}

fn filled(text: &str, tracker: &Tracker, extra: &BTreeMap<String, Value>) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(behind) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
            out.push_str(&rest[..1]);
            rest = behind;
            continue;
        }
        let (name, behind) = rest.strip_prefix('{')?.split_once('}')?;
        let value = extra.get(name).or_else(|| tracker.slots().get(name))?;
        out.push_str(&said(value));
        rest = behind;
    }
    out.push_str(rest);
    Some(out)
}

/// A value as Rasa's templates say it: as Python prints it, texts inside of lists in quotation marks.
fn said(value: &Value) -> String {
    let inner = |value: &Value| match value {
        Value::Text(text) => {
            let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
            let escaped = text.replace('\\', "\\\\").replace('\n', "\\n");
            let escaped = if quote == '\'' { escaped.replace('\'', "\\'") } else { escaped };
            format!("{quote}{escaped}{quote}")
        }
        other => said(other),
    };
    match value {
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::List(items) => format!("[{}]", items.iter().map(inner).collect::<Vec<_>>().join(", ")),
        Value::Map(map) => {
            let key = |key: &String| inner(&Value::Text(key.clone()));
            let pairs: Vec<String> = map.iter().map(|(k, v)| format!("{}: {}", key(k), inner(v))).collect();
            format!("{{{}}}", pairs.join(", "))
        }
        other => other.display(),
    }
}

fn fill_value(value: &Value, fill: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::Text(text) => Value::Text(fill(text)),
        Value::List(items) => Value::List(items.iter().map(|v| fill_value(v, fill)).collect()),
        Value::Map(map) => Value::Map(map.iter().map(|(k, v)| (k.clone(), fill_value(v, fill))).collect()),
        other => other.clone(),
    }
}
