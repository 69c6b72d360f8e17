//! Events and trackers out: what the tracker's API and action servers read.

use super::{
    parts::{bot_json, entity_json, intent_json, metadata_json, number, parse_json, parsed_json, reminder_entities},
    time,
};
use crate::{
    Event, SessionId, TimestampMs, Understanding,
    format::{Assistant, Domain},
    tracker::{Marks, Tracker},
};
use serde_json::{Map, Value as Json, json};

impl Event {
    /// Events as the tracker's API shows them: what was understood of a message is a part of its `user` event. Each comes
    /// with its time.
    pub fn sequence_to_rasa_json<'e>(events: impl IntoIterator<Item = (TimestampMs, &'e Event)>) -> Vec<Json> {
        sequence(events, None)
    }

    /// One event as the tracker's API shows it. `at` becomes `timestamp`, in seconds. An `UtteranceParsed` is a part of the
    /// event before it: see [`Event::sequence_to_rasa_json`].
    pub fn to_rasa_json(&self, at: TimestampMs) -> Json {
        let timestamp = at.0 as f64 / 1000.0;
        let mut json = match self {
            Event::SessionStarted => json!({"event": "session_started"}),
            Event::UserUttered { text, intent, entities, message_id, input_channel, metadata } => json!({
                "event": "user",
                "text": text,
                "parse_data": {
                    "text": text,
                    "intent": intent_json(intent, None),
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
                let (policy, marks) = policy.as_deref().map(Marks::split).unzip();
                json!({
                    "event": "action",
                    "name": action,
                    "policy": policy,
                    "confidence": number(*confidence),
                    "action_text": null,
                    "hide_rule_turn": marks.is_some_and(|m| m.rule_only),
                })
            }
            Event::SlotSet { name, value } => json!({"event": "slot", "name": name, "value": value.to_json()}),
            Event::SlotsReset => json!({"event": "reset_slots"}),
            Event::SessionExpired => json!({"event": "session_expired"}),
            Event::Restarted => json!({"event": "restart"}),
            Event::ActiveLoopChanged { name } => json!({"event": "active_loop", "name": name}),
            Event::LoopInterrupted { interrupted } => {
                json!({"event": "loop_interrupted", "is_interrupted": interrupted})
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
            Event::UtteranceParsed { ranking, selections } => {
                json!({"event": "utterance_parsed", "parse_data": parsed_json(ranking, selections, None)})
            }
            Event::ReminderScheduled { name, intent, entities, at, kill_on_user_message } => json!({
                "event": "reminder",
                "name": name,
                "intent": intent,
                "entities": reminder_entities(entities),
                "date_time": time::write(*at),
                "kill_on_user_msg": kill_on_user_message,
            }),
            Event::ReminderCancelled { name, intent, entities } => json!({
                "event": "cancel_reminder",
                "name": name,
                "intent": intent,
                "entities": entities.as_deref().map(reminder_entities),
            }),
        };
        if let Json::Object(object) = &mut json {
            object.insert("timestamp".into(), json!(timestamp));
        }
        json
    }
}

/// See [`Event::sequence_to_rasa_json`]. With the domain, actions that say their own words are told apart.
fn sequence<'e>(events: impl IntoIterator<Item = (TimestampMs, &'e Event)>, domain: Option<&Domain>) -> Vec<Json> {
    let mut out: Vec<Json> = Vec::new();
    for (at, event) in events {
        match (event, out.last_mut()) {
            (Event::UtteranceParsed { ranking, selections }, Some(Json::Object(user))) if user["event"] == "user" => {
                let parse = &mut user["parse_data"];
                let base = parse["intent"]["name"].as_str().unwrap_or_default();
                let full = selections.iter().find(|s| s.retrieval_intent == base).and_then(|s| s.ranking.first());
                if let Some(full) = full {
                    parse["intent"]["full_retrieval_intent_name"] = json!(full.name);
                }
                if let (Json::Object(parse), Json::Object(parsed)) = (parse, parsed_json(ranking, selections, domain)) {
                    parse.extend(parsed);
                }
            }
            (Event::ActionExecuted { action, .. }, _) if domain.is_some_and(|d| d.e2e_actions.contains(action)) => {
                let mut json = event.to_rasa_json(at);
                (json["name"], json["action_text"]) = (Json::Null, json!(action));
                out.push(json);
            }
            _ => out.push(event.to_rasa_json(at)),
        }
    }
    out
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
                "trigger_message": active.trigger.as_ref().map(|u| parse_json(u, Some(self.domain()))),
            }),
        };
        let channel = self.events().rev().find_map(|e| match e {
            Event::UserUttered { input_channel, .. } => input_channel.clone(),
            _ => None,
        });
        // Rasa knows no event of a session that ends: there it shows when the next one begins.
        let events = self.events().filter(|e| **e != Event::SessionExpired);
        json!({
            "sender_id": session.as_str(),
            "slots": slots,
            "latest_message": latest.map_or_else(
                || json!({"intent": {}, "entities": [], "text": null, "message_id": null, "metadata": {}}),
                |u| parse_json(u, Some(self.domain())),
            ),
            "latest_event_time": null,
            "followup_action": self.followup(),
            "paused": self.paused(),
            "events": sequence(events.map(|e| (TimestampMs(0), e)), Some(self.domain())),
            "latest_input_channel": channel,
            "active_loop": active,
            "latest_action": self.latest_action().map_or_else(
                || json!({}),
                |name| match self.domain().e2e_actions.contains(name) {
                    true => json!({"action_text": name}),
                    false => json!({"action_name": name}),
                },
            ),
            "latest_action_name": self.latest_action(),
        })
    }
}

impl Understanding {
    /// What was understood as Rasa's parse call shows it, with the responses that were selected.
    pub fn to_rasa_json(&self, assistant: &Assistant) -> Json {
        parse_json(self, Some(&assistant.domain))
    }
}
