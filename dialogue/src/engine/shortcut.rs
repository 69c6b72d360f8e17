//! `/intent{"entity": "value"}`: messages that say their meaning, as buttons send them.

use crate::{
    Entity, ScoredIntent, Selection, Understanding, Value,
    format::{DEFAULT_INTENTS, Domain},
};

/// What the entities of such a message are found by, as in Rasa.
pub(super) const EXTRACTOR: &str = "RegexMessageHandler";

/// Reads such a message, `/faq/ask_name` included; `None` if the text does not begin with a slash.
pub(super) fn read(domain: &Domain, text: &str) -> Option<Result<Understanding, String>> {
    let body = text.trim().strip_prefix('/')?;
    Some(parse(domain, text.trim(), body))
}

fn parse(domain: &Domain, text: &str, body: &str) -> Result<Understanding, String> {
    let (head, json) = match body.find('{') {
        Some(at) => (&body[..at], Some(&body[at..])),
        None => (body, None),
    };
    let (name, confidence) = match head.split_once('@') {
        Some((name, number)) => {
            let confidence: f32 =
                number.trim().parse().map_err(|_| format!("{text:?}: {number:?} behind `@` is not a confidence"))?;
            (name.trim(), confidence)
        }
        None => (head.trim(), 1.0),
    };
    let (full, name) = (name, name.split_once('/').map_or(name, |(base, _)| base));
    if full != name && !domain.is_response_key(full) {
        let keys = domain.retrieval_intents.values().flatten().map(String::as_str);
        let hint = crate::format::did_you_mean(full, keys);
        return Err(format!("{text:?}: unknown retrieval intent `{full}`{hint}"));
    }
    let known = domain.intents.contains_key(name) || DEFAULT_INTENTS.contains(&name);
    if !known {
        let hint = crate::format::did_you_mean(name, domain.intents.keys().map(String::as_str));
        return Err(format!("{text:?}: unknown intent `{name}`{hint}"));
    }
    let mut entities = Vec::new();
    if let Some(json) = json {
        let offset = text.chars().count() - json.chars().count();
        let values: serde_json::Value = serde_json::from_str(json)
            .map_err(|e| format!("{text:?}: expected `/intent{{\"entity\": \"value\"}}`, the JSON is broken: {e}"))?;
        for (entity, value) in values.as_object().into_iter().flatten() {
            let list = value.as_array().map_or_else(|| vec![value], |list| list.iter().collect());
            entities.extend(list.into_iter().map(|value| Entity {
                entity: entity.clone(),
                value: Value::from_json(value),
                start: offset as u32,
                end: text.chars().count() as u32,
                role: None,
                group: None,
                confidence: 1.0,
                extractor: EXTRACTOR.into(),
            }));
        }
    }
    let intent = ScoredIntent { name: name.to_owned(), confidence };
    let selections = if full == name { Vec::new() } else { vec![Selection::of(full, confidence)] };
    Ok(Understanding {
        text: text.to_owned(),
        ranking: vec![intent.clone()],
        intent,
        entities,
        selections,
        analysis: None,
    })
}
