//! Events and trackers in the JSON of Rasa's HTTP API and action server protocol (Rasa 3.6).

use crate::{
    Entity, Event, Reply, ReplyButton, ScoredIntent, SessionId, TimestampMs, Value,
    tracker::{RULE_ONLY, Tracker},
};
use serde_json::{Map, Value as Json, json};

impl Event {
    /// The event as the tracker's API shows it. `at` becomes `timestamp`, in seconds.
    pub fn to_rasa_json(&self, at: TimestampMs) -> Json {
        let timestamp = at.0 as f64 / 1000.0;
        let mut json = match self {
            Event::SessionStarted => json!({"event": "session_started"}),
            Event::UserUttered { text, intent, entities, message_id, input_channel, metadata } => json!({
                "event": "user",
                "text": text,
                "parse_data": {
                    "text": text,
                    "intent": intent_json(intent),
                    "entities": entities.iter().map(entity_json).collect::<Vec<_>>(),
                    "message_id": message_id,
                    "metadata": metadata_json(metadata),
                },
                "input_channel": input_channel,
                "message_id": message_id,
                "metadata": metadata_json(metadata),
            }),
            Event::BotUttered { reply } => bot_json(reply),
            Event::ActionExecuted { action, policy, confidence } => {
                let hidden = policy.as_deref() == Some(RULE_ONLY);
                let policy = if hidden { Some("RulePolicy") } else { policy.as_deref() };
                json!({
                    "event": "action",
                    "name": action,
                    "policy": policy,
                    "confidence": number(*confidence),
                    "action_text": null,
                    "hide_rule_turn": hidden,
                })
            }
            Event::SlotSet { name, value } => json!({"event": "slot", "name": name, "value": value.to_json()}),
            Event::SlotsReset => json!({"event": "reset_slots"}),
            Event::Restarted => json!({"event": "restart"}),
            Event::ActiveLoopChanged { name } => json!({"event": "active_loop", "name": name}),
            Event::LoopInterrupted { interrupted } => {
                json!({"event": "loop_interrupted", "is_loop_interrupted": interrupted})
            }
            Event::ActionRejected { action } => {
                json!({"event": "action_execution_rejected", "name": action, "policy": null, "confidence": null})
            }
            Event::FollowupAction { action } => json!({"event": "followup", "name": action}),
            Event::UtteranceReverted => json!({"event": "rewind"}),
            Event::ActionReverted => json!({"event": "undo"}),
            Event::EntitiesAdded { entities } => {
                json!({"event": "entities", "entities": entities.iter().map(entity_json).collect::<Vec<_>>()})
            }
            Event::Paused => json!({"event": "pause"}),
            Event::Resumed => json!({"event": "resume"}),
            Event::AgentUttered { text } => json!({"event": "agent", "text": text, "data": null}),
        };
        if let Json::Object(object) = &mut json {
            object.insert("timestamp".into(), json!(timestamp));
        }
        json
    }

    /// Reads an event that an action server sent.
    ///
    /// # Errors
    /// A sentence that names the event and the field that is missing, wrong or not supported.
    pub fn from_rasa_json(json: &Json) -> Result<Event, String> {
        let object = json.as_object().ok_or_else(|| format!("an event must be an object, found {json}"))?;
        let kind = object.get("event").and_then(Json::as_str).ok_or("an event needs a text field `event`")?;
        let text = |field: &str| {
            let found = object.get(field);
            let found = found.ok_or_else(|| format!("event `{kind}` lacks the field `{field}`"))?;
            found
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| format!("event `{kind}`: field `{field}` must be text, found {found}"))
        };
        let optional = |field: &str| object.get(field).and_then(Json::as_str).map(str::to_owned);
        Ok(match kind {
            "session_started" => Event::SessionStarted,
            "slot" => Event::SlotSet {
                name: text("name")?,
                value: Value::from_json(object.get("value").unwrap_or(&Json::Null)),
            },
            "reset_slots" => Event::SlotsReset,
            "restart" => Event::Restarted,
            "active_loop" | "form" => Event::ActiveLoopChanged { name: optional("name") },
            "loop_interrupted" => Event::LoopInterrupted {
                interrupted: object.get("is_loop_interrupted").and_then(Json::as_bool).unwrap_or(false),
            },
            "form_validation" => {
                Event::LoopInterrupted { interrupted: !object.get("validate").and_then(Json::as_bool).unwrap_or(true) }
            }
            "action_execution_rejected" => Event::ActionRejected { action: text("name")? },
            "followup" => Event::FollowupAction { action: text("name")? },
            "rewind" => Event::UtteranceReverted,
            "undo" => Event::ActionReverted,
            "pause" => Event::Paused,
            "resume" => Event::Resumed,
            "agent" => Event::AgentUttered { text: text("text")? },
            "entities" => Event::EntitiesAdded { entities: entities_from(object.get("entities"))? },
            "action" => Event::ActionExecuted {
                action: text("name")?,
                policy: optional("policy"),
                confidence: object.get("confidence").and_then(Json::as_f64).unwrap_or(1.0) as f32,
            },
            "bot" => Event::BotUttered { reply: bot_from(object) },
            "user" => {
                let parse = object.get("parse_data").and_then(Json::as_object);
                let intent = parse.and_then(|p| p.get("intent"));
                Event::UserUttered {
                    text: text("text")?,
                    intent: ScoredIntent {
                        name: intent.and_then(|i| i["name"].as_str()).unwrap_or_default().to_owned(),
                        confidence: intent.and_then(|i| i["confidence"].as_f64()).unwrap_or(0.0) as f32,
                    },
                    entities: entities_from(parse.and_then(|p| p.get("entities")))?,
                    message_id: optional("message_id"),
                    input_channel: optional("input_channel"),
                    metadata: match Value::from_json(object.get("metadata").unwrap_or(&Json::Null)) {
                        // Nothing at all is shown as an empty object.
                        Value::Map(map) if map.is_empty() => Value::Null,
                        other => other,
                    },
                }
            }
            "reminder" | "cancel_reminder" => {
                return Err(format!(
                    "event `{kind}` is not supported yet; let the action answer at once instead of scheduling"
                ));
            }
            other => return Err(format!("unknown event `{other}`")),
        })
    }
}

impl Tracker {
    /// The tracker in the shape of a live Rasa server, which action servers read. Events carry no times here: the
    /// tracker does not know them, so `events` holds them with `timestamp` 0.
    pub fn to_rasa_json(&self, session: &SessionId) -> Json {
        let slots: Map<String, Json> = self.slots().iter().map(|(k, v)| (k.clone(), v.to_json())).collect();
        let latest = self.latest_understanding();
        let active = match self.active_loop() {
            None => json!({}),
            Some(active) => json!({
                "name": active.name,
                "is_interrupted": active.is_interrupted,
                "rejected": active.rejected,
                "trigger_message": active.trigger.as_ref().map(understanding_json),
            }),
        };
        let channel = self.events().rev().find_map(|e| match e {
            Event::UserUttered { input_channel, .. } => input_channel.clone(),
            _ => None,
        });
        json!({
            "sender_id": session.as_str(),
            "slots": slots,
            "latest_message": latest.map_or_else(
                || json!({"intent": {}, "entities": [], "text": null, "message_id": null, "metadata": {}}),
                understanding_json,
            ),
            "latest_event_time": null,
            "followup_action": self.followup(),
            "paused": self.paused(),
            "events": self.events().map(|e| e.to_rasa_json(TimestampMs(0))).collect::<Vec<_>>(),
            "latest_input_channel": channel,
            "active_loop": active,
            "latest_action": self.latest_action().map_or_else(|| json!({}), |name| json!({"action_name": name})),
            "latest_action_name": self.latest_action(),
        })
    }
}

fn understanding_json(understanding: &crate::Understanding) -> Json {
    json!({
        "text": understanding.text,
        "intent": intent_json(&understanding.intent),
        "entities": understanding.entities.iter().map(entity_json).collect::<Vec<_>>(),
        "intent_ranking": understanding.ranking.iter().map(intent_json).collect::<Vec<_>>(),
    })
}

/// A confidence as people wrote it: 0.7, not 0.699999988079071.
fn number(confidence: f32) -> Json {
    confidence.to_string().parse::<f64>().map_or(Json::Null, |n| json!(n))
}

fn intent_json(intent: &ScoredIntent) -> Json {
    let name = if intent.name.is_empty() { Json::Null } else { json!(intent.name) };
    json!({"name": name, "confidence": number(intent.confidence)})
}

fn entity_json(entity: &Entity) -> Json {
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

fn entities_from(json: Option<&Json>) -> Result<Vec<Entity>, String> {
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

fn metadata_json(metadata: &Value) -> Json {
    if metadata.is_null() { json!({}) } else { metadata.to_json() }
}

fn bot_json(reply: &Reply) -> Json {
    let buttons: Vec<Json> = reply.buttons.iter().map(|b| json!({"title": b.title, "payload": b.payload})).collect();
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

fn bot_from(object: &Map<String, Json>) -> Reply {
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
