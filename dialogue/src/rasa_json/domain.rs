//! The domain out, as action servers read it: what stands in `domain.yml`, of all files together (Rasa's `Domain.as_dict`).

use super::parts::variation_json;
use crate::{
    Value,
    format::{Domain, EntityType, Intent, Mapping, MappingSource, Slot, SlotKind},
};
use serde_json::{Map, Value as Json, json};

impl Domain {
    /// The domain as the action server's protocol has it.
    pub fn to_rasa_json(&self) -> Json {
        let action = |name: &String| match self.actions_with_domain.contains(name) {
            true => json!({name.as_str(): {"send_domain": true}}),
            false => json!(name),
        };
        let slots = self.slot_order.iter().filter_map(|name| Some((name.clone(), slot_json(self.slots.get(name)?))));
        let responses = self.responses.iter().map(|(name, variations)| {
            let variations = variations.iter().map(|variation| {
                let mut json = variation_json(variation);
                if let Some(channel) = &variation.channel {
                    json["channel"] = json!(channel);
                }
                if !variation.conditions.is_empty() {
                    let condition =
                        |(slot, value): &(String, Value)| json!({"type": "slot", "name": slot, "value": value.to_json()});
                    json["condition"] = variation.conditions.iter().map(condition).collect();
                }
                json
            });
            (name.clone(), variations.collect::<Json>())
        });
        let forms = self.forms.iter().map(|(name, form)| {
            let mut json = json!({"required_slots": form.required_slots});
            if !form.ignored_intents.is_empty() {
                json["ignored_intents"] = json!(form.ignored_intents);
            }
            (name.clone(), json)
        });
        json!({
            "version": "3.1",
            "session_config": {
                "session_expiration_time": self.session.expiration_minutes,
                "carry_over_slots_to_new_session": self.session.carry_over_slots,
            },
            "intents": self.intents.iter().map(|(name, intent)| intent_json(name, intent)).collect::<Vec<_>>(),
            "entities": self.entities.iter().map(|(name, entity)| entity_json(name, entity)).collect::<Vec<_>>(),
            "slots": slots.collect::<Map<String, Json>>(),
            "responses": responses.collect::<Map<String, Json>>(),
            "actions": self.actions.keys().map(action).collect::<Vec<_>>(),
            "forms": forms.collect::<Map<String, Json>>(),
            "e2e_actions": self.e2e_actions,
        })
    }
}

fn intent_json(name: &str, intent: &Intent) -> Json {
    let mut settings = Map::new();
    if let Some(used) = &intent.use_entities {
        settings.insert("use_entities".into(), json!(used));
    }
    if !intent.ignore_entities.is_empty() {
        settings.insert("ignore_entities".into(), json!(intent.ignore_entities));
    }
    named(name, settings)
}

fn entity_json(name: &str, entity: &EntityType) -> Json {
    let mut settings = Map::new();
    for (key, labels) in [("roles", &entity.roles), ("groups", &entity.groups)] {
        if !labels.is_empty() {
            settings.insert(key.into(), json!(labels));
        }
    }
    if !entity.influences {
        settings.insert("influence_conversation".into(), json!(false));
    }
    named(name, settings)
}

/// A name alone, or with its settings.
fn named(name: &str, settings: Map<String, Json>) -> Json {
    if settings.is_empty() { json!(name) } else { json!({name: settings}) }
}

fn slot_json(slot: &Slot) -> Json {
    let mut json = json!({
        "type": match &slot.kind {
            SlotKind::Text => "text",
            SlotKind::Bool => "bool",
            SlotKind::Float { .. } => "float",
            SlotKind::List => "list",
            SlotKind::Categorical(_) => "categorical",
            SlotKind::Any => "any",
        },
        "influence_conversation": slot.influences,
        "mappings": slot.mappings.iter().map(mapping_json).collect::<Vec<_>>(),
    });
    if !slot.initial.is_null() {
        json["initial_value"] = slot.initial.to_json();
    }
    match &slot.kind {
        SlotKind::Float { min, max } => (json["min_value"], json["max_value"]) = (json!(min), json!(max)),
        SlotKind::Categorical(values) => json["values"] = json!(values),
        _ => {}
    }
    json
}

fn mapping_json(mapping: &Mapping) -> Json {
    let mut json = match &mapping.source {
        MappingSource::Entity { entity, role, group } => {
            let mut json = json!({"type": "from_entity", "entity": entity});
            for (key, label) in [("role", role), ("group", group)] {
                if let Some(label) = label {
                    json[key] = json!(label);
                }
            }
            json
        }
        MappingSource::Text => json!({"type": "from_text"}),
        MappingSource::Intent(value) => json!({"type": "from_intent", "value": value.to_json()}),
        MappingSource::TriggerIntent(value) => json!({"type": "from_trigger_intent", "value": value.to_json()}),
        MappingSource::Custom(None) => json!({"type": "custom"}),
        MappingSource::Custom(Some(action)) => json!({"type": "custom", "action": action}),
    };
    for (key, intents) in [("intent", &mapping.intents), ("not_intent", &mapping.not_intents)] {
        if !intents.is_empty() {
            json[key] = json!(intents);
        }
    }
    if !mapping.conditions.is_empty() {
        let conditions = mapping.conditions.iter().map(|condition| {
            let mut json = json!({"active_loop": condition.active_loop});
            if let Some(slot) = &condition.requested_slot {
                json["requested_slot"] = json!(slot);
            }
            json
        });
        json["conditions"] = conditions.collect();
    }
    json
}
