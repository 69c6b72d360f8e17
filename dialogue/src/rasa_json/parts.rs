//! The parts that events are made of, in both directions.

use crate::{
    Entity, Reply, ReplyButton, ScoredIntent, Selection, Understanding, Value,
    format::{Domain, Variation},
};
use serde_json::{Map, Value as Json, json};

/// What was understood, as `parse_data` and the parse call have it.
pub(super) fn parse_json(understanding: &Understanding, domain: Option<&Domain>) -> Json {
    let full = understanding.full_intent();
    let full = (full != understanding.intent.name).then_some(full);
    let mut json = json!({
        "text": understanding.text,
        "intent": intent_json(&understanding.intent, full),
        "entities": understanding.entities.iter().map(entity_json).collect::<Vec<_>>(),
    });
    let parsed = parsed_json(&understanding.ranking, &understanding.selections, domain);
    if let (Json::Object(json), Json::Object(parsed)) = (&mut json, parsed) {
        json.extend(parsed);
    }
    if let Some(analysis) = &understanding.analysis {
        json["analysis"] = analysis.to_json();
    }
    json
}

/// The part of it that comes from the ranking and the response selectors. With the domain, responses stand beside the keys.
pub(super) fn parsed_json(ranking: &[ScoredIntent], selections: &[Selection], domain: Option<&Domain>) -> Json {
    let mut json = json!({"intent_ranking": ranking.iter().map(|i| intent_json(i, None)).collect::<Vec<_>>()});
    if selections.is_empty() {
        return json;
    }
    let names: Vec<&String> = selections.iter().map(|s| &s.retrieval_intent).collect();
    let mut selectors = json!({"all_retrieval_intents": names});
    for selection in selections {
        let best = selection.ranking.first().cloned().unwrap_or_default();
        let utter_action = format!("utter_{}", best.name);
        let responses = domain.and_then(|d| d.responses.get(&utter_action)).map(Vec::as_slice).unwrap_or_default();
        let key = |i: &ScoredIntent| json!({"confidence": number(i.confidence), "intent_response_key": i.name});
        selectors[&selection.retrieval_intent] = json!({
            "response": {
                "responses": responses.iter().map(variation_json).collect::<Vec<_>>(),
                "confidence": number(best.confidence),
                "intent_response_key": best.name,
                "utter_action": utter_action,
            },
            "ranking": selection.ranking.iter().map(key).collect::<Vec<_>>(),
        });
    }
    json["response_selector"] = selectors;
    json
}

/// A response's variation with what it has.
pub(super) fn variation_json(variation: &Variation) -> Json {
    let mut json = Map::new();
    let buttons: Vec<Json> = variation.buttons.iter().map(button_json).collect();
    let fields = [
        ("text", variation.text.clone().map(Json::from)),
        ("image", variation.image.clone().map(Json::from)),
        ("buttons", (!buttons.is_empty()).then_some(Json::Array(buttons))),
        ("attachment", variation.attachment.as_ref().map(Value::to_json)),
        ("custom", variation.custom.as_ref().map(Value::to_json)),
    ];
    json.extend(fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    Json::Object(json)
}

/// What response selectors chose, out of `parse_data`.
pub(super) fn selections_from(parse: &Map<String, Json>) -> Vec<Selection> {
    let selectors = parse.get("response_selector").and_then(Json::as_object);
    let chosen = selectors.into_iter().flatten().filter(|(_, selector)| selector.is_object());
    let scored = |json: &Json| ScoredIntent {
        name: json["intent_response_key"].as_str().unwrap_or_default().to_owned(),
        confidence: json["confidence"].as_f64().unwrap_or(0.0) as f32,
    };
    let of = |(name, selector): (&String, &Json)| {
        let ranking: Vec<ScoredIntent> = match selector["ranking"].as_array() {
            Some(ranking) if !ranking.is_empty() => ranking.iter().map(scored).collect(),
            _ => vec![scored(&selector["response"])],
        };
        Selection { retrieval_intent: name.clone(), ranking }
    };
    chosen.map(of).filter(|s| s.ranking.iter().all(|key| !key.name.is_empty())).collect()
}

/// The ranking of intents, out of `parse_data`.
pub(super) fn ranking_from(parse: &Map<String, Json>) -> Vec<ScoredIntent> {
    let ranking = parse.get("intent_ranking").and_then(Json::as_array);
    let scored = |json: &Json| ScoredIntent {
        name: json["name"].as_str().unwrap_or_default().to_owned(),
        confidence: json["confidence"].as_f64().unwrap_or(0.0) as f32,
    };
    ranking.into_iter().flatten().map(scored).collect()
}

/// A confidence as people wrote it: 0.7, not 0.699999988079071.
pub(super) fn number(confidence: f32) -> Json {
    confidence.to_string().parse::<f64>().map_or(Json::Null, |n| json!(n))
}

pub(super) fn intent_json(intent: &ScoredIntent, full: Option<&str>) -> Json {
    let name = if intent.name.is_empty() { Json::Null } else { json!(intent.name) };
    match full {
        None => json!({"name": name, "confidence": number(intent.confidence)}),
        Some(full) => {
            json!({"name": name, "confidence": number(intent.confidence), "full_retrieval_intent_name": full})
        }
    }
}

fn button_json(button: &ReplyButton) -> Json {
    json!({"title": button.title, "payload": button.payload})
}

/// The entities of a reminder, as they were given.
pub(super) fn reminder_entities(entities: &[Entity]) -> Vec<Json> {
    let of = |entity: &Entity| {
        let mut json = json!({"entity": entity.entity, "value": entity.value.to_json()});
        for (key, label) in [("role", &entity.role), ("group", &entity.group)] {
            if let Some(label) = label {
                json[key] = json!(label);
            }
        }
        json
    };
    entities.iter().map(of).collect()
}

/// Entities as a list, or in short as `{"city": "Madrid"}`.
pub(super) fn entities_or_shorthand(json: Option<&Json>) -> Result<Vec<Entity>, String> {
    match json {
        Some(Json::Object(short)) => {
            let of = |(entity, value): (&String, &Json)| Entity {
                entity: entity.clone(),
                value: Value::from_json(value),
                confidence: 1.0,
                ..Entity::default()
            };
            Ok(short.iter().map(of).collect())
        }
        other => entities_from(other),
    }
}

pub(super) fn entity_json(entity: &Entity) -> Json {
    let mut json = json!({
        "entity": entity.entity,
        "start": entity.start,
        "end": entity.end,
        "value": entity.value.to_json(),
        "confidence_entity": number(entity.confidence),
        "extractor": entity.extractor,
    });
    for (key, label) in [("role", &entity.role), ("group", &entity.group)] {
        if let (Some(label), Json::Object(object)) = (label, &mut json) {
            object.insert(key.into(), json!(label));
        }
    }
    json
}

pub(super) fn entities_from(json: Option<&Json>) -> Result<Vec<Entity>, String> {
    let list = json.and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().map(entity_from).collect()
}

fn entity_from(json: &Json) -> Result<Entity, String> {
    let place = |field: &str| json[field].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    let text = |field: &str| json[field].as_str().map(str::to_owned);
    Ok(Entity {
        entity: text("entity").ok_or_else(|| format!("an entity needs a text field `entity`, found {json}"))?,
        value: Value::from_json(&json["value"]),
        start: place("start"),
        end: place("end"),
        role: text("role"),
        group: text("group"),
        confidence: json["confidence_entity"].as_f64().or(json["confidence"].as_f64()).unwrap_or(1.0) as f32,
        extractor: text("extractor").unwrap_or_default(),
    })
}

pub(super) fn metadata_json(metadata: &Value) -> Json {
    if metadata.is_null() { json!({}) } else { metadata.to_json() }
}

pub(super) fn bot_json(reply: &Reply) -> Json {
    let buttons: Vec<Json> = reply.buttons.iter().map(button_json).collect();
    let metadata = reply.response.as_ref().map_or_else(|| json!({}), |r| json!({"utter_action": r}));
    json!({
        "event": "bot",
        "text": reply.text,
        "data": {
            "elements": null,
            "quick_replies": null,
            "buttons": if buttons.is_empty() { Json::Null } else { Json::Array(buttons) },
            "attachment": reply.attachment.as_ref().map(Value::to_json),
            "image": reply.image,
            "custom": reply.custom.as_ref().map(Value::to_json),
        },
        "metadata": metadata,
    })
}

pub(super) fn bot_from(object: &Map<String, Json>) -> Reply {
    let data = object.get("data").unwrap_or(&Json::Null);
    let value = |field: &str| (!data[field].is_null()).then(|| Value::from_json(&data[field]));
    let button = |b: &Json| {
        let title = b["title"].as_str()?.to_owned();
        let payload = b["payload"].as_str().unwrap_or(&title).to_owned();
        Some(ReplyButton { title, payload })
    };
    Reply {
        response: object.get("metadata").and_then(|m| m["utter_action"].as_str()).map(str::to_owned),
        text: object.get("text").and_then(Json::as_str).map(str::to_owned),
        image: data["image"].as_str().map(str::to_owned),
        buttons: data["buttons"].as_array().into_iter().flatten().filter_map(button).collect(),
        attachment: value("attachment"),
        custom: value("custom"),
    }
}
