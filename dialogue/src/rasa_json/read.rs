//! Events in: what action servers send.

use super::{
    parts::{bot_from, entities_from, entities_or_shorthand, ranking_from, selections_from},
    time,
};
use crate::{Entity, Event, ScoredIntent, Value, format::NLU_FALLBACK, ids::hash64};
use serde_json::{Map, Value as Json};

impl Event {
    /// Reads events that an action server sent, or a tracker's. A `user` event that says what response selectors chose
    /// is two of ours.
    ///
    /// # Errors
    /// As [`Event::from_rasa_json`].
    pub fn sequence_from_rasa_json(events: &[Json]) -> Result<Vec<Event>, String> {
        let mut out = Vec::new();
        for json in events {
            // A story is written to a file that the event may name: nothing that a conversation is made of.
            if json["event"] == "export" {
                continue;
            }
            let event = Event::from_rasa_json(json)?;
            let parse = json["parse_data"].as_object().filter(|_| matches!(event, Event::UserUttered { .. }));
            out.push(event);
            let Some(parse) = parse else { continue };
            let (ranking, selections) = (ranking_from(parse), selections_from(parse));
            let in_doubt = parse.get("intent").is_some_and(|i| i["name"] == NLU_FALLBACK) && ranking.len() > 1;
            if in_doubt || !selections.is_empty() {
                out.push(Event::UtteranceParsed { ranking, selections });
            }
        }
        Ok(out)
    }

    /// Reads one event that an action server sent.
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
                interrupted: object.get("is_interrupted").and_then(Json::as_bool).unwrap_or(false),
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
                // An action that says its own words has these in place of a name.
                action: optional("action_text").map_or_else(|| text("name"), Ok)?,
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
            "reminder" => reminder(object, text("intent")?, optional("name"), &text("date_time")?)?,
            "cancel_reminder" => {
                let given = |field: &str| optional(field).filter(|text| !text.is_empty());
                let entities = entities_or_shorthand(object.get("entities"))?;
                Event::ReminderCancelled {
                    name: given("name"),
                    intent: given("intent"),
                    entities: (!entities.is_empty()).then_some(entities),
                }
            }
            // Our own.
            "session_expired" => Event::SessionExpired,
            // Our own: on Rasa's wire it is a part of the `user` event.
            "utterance_parsed" => {
                let parse = object.get("parse_data").and_then(Json::as_object);
                let parse = parse.ok_or_else(|| format!("event `{kind}` lacks the field `parse_data`"))?;
                Event::UtteranceParsed { ranking: ranking_from(parse), selections: selections_from(parse) }
            }
            other => return Err(format!("unknown event `{other}`")),
        })
    }
}

/// A reminder without a name gets one of what it says, so that a replay gives the same one.
fn reminder(
    object: &Map<String, Json>,
    intent: String,
    name: Option<String>,
    date_time: &str,
) -> Result<Event, String> {
    let at = time::read(date_time).ok_or_else(|| {
        format!(
            "event `reminder`: field `date_time`: found {date_time:?}, expected a time such as `2026-11-28T09:30:00+01:00`"
        )
    })?;
    let entities: Vec<Entity> = entities_or_shorthand(object.get("entities"))?;
    let kill_on_user_message = match object.get("kill_on_user_msg") {
        None | Some(Json::Null) => true,
        Some(Json::Bool(kill)) => *kill,
        Some(other) => {
            return Err(format!("event `reminder`: field `kill_on_user_msg` must be true or false, found {other}"));
        }
    };
    let name = name.unwrap_or_else(|| {
        let said = object.get("entities").map(Json::to_string).unwrap_or_default();
        format!("{intent}-{}-{:016x}", at.0, hash64(said.as_bytes()))
    });
    Ok(Event::ReminderScheduled { name, intent, entities, at, kill_on_user_message })
}
