//! The domain: what an assistant understands, remembers, says and does.

use super::Place;
use crate::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Everything that `domain.yml` declares, merged over all files.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Domain {
    /// Intents by name.
    pub intents: BTreeMap<String, Intent>,
    /// Entities by name.
    pub entities: BTreeMap<String, EntityType>,
    /// Slots by name, `requested_slot` included where there is a form.
    pub slots: BTreeMap<String, Slot>,
    /// Slot names in the order of the files; mappings are applied in this order.
    pub slot_order: Vec<String>,
    /// Forms by name.
    pub forms: BTreeMap<String, Form>,
    /// The variations of each response, by the response's name.
    pub responses: BTreeMap<String, Vec<Variation>>,
    /// Custom actions by name.
    pub actions: BTreeMap<String, Place>,
    /// Those that are sent the domain also where it is sent to such actions only (`send_domain: true`).
    pub actions_with_domain: BTreeSet<String>,
    /// The keys of each retrieval intent, by their full names (`faq/ask_name`), as the examples name them. The action
    /// `utter_faq` says the response of the one that was selected.
    pub retrieval_intents: BTreeMap<String, BTreeSet<String>>,
    /// Actions that say exactly what their name is: those of `e2e_actions` and of stories (`bot: …`).
    pub e2e_actions: BTreeSet<String>,
    /// When a conversation begins anew.
    pub session: SessionConfig,
}

impl Domain {
    /// Is this the full name of a retrieval intent's key (`faq/ask_name`)?
    pub fn is_response_key(&self, full: &str) -> bool {
        let base = full.split_once('/').map(|(base, _)| base);
        base.and_then(|base| self.retrieval_intents.get(base)).is_some_and(|keys| keys.contains(full))
    }
    /// Does this action say what a response selector chose (`utter_faq`)?
    pub fn is_retrieval_action(&self, action: &str) -> bool {
        action.strip_prefix("utter_").is_some_and(|intent| self.retrieval_intents.contains_key(intent))
    }
}

/// An intent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Intent {
    /// Which entities the policies see with it; all when `None`.
    pub use_entities: Option<Vec<String>>,
    /// Which they do not see.
    pub ignore_entities: Vec<String>,
    /// Where it is declared.
    pub place: Place,
}

/// A type of entity.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EntityType {
    /// Its roles.
    pub roles: Vec<String>,
    /// Its groups.
    pub groups: Vec<String>,
    /// Does it influence the policies?
    pub influences: bool,
    /// Where it is declared.
    pub place: Place,
}

/// A slot.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Slot {
    /// What it holds.
    pub kind: SlotKind,
    /// Do the policies see it?
    pub influences: bool,
    /// Its value before anything sets it.
    pub initial: Value,
    /// How messages fill it, in order.
    pub mappings: Vec<Mapping>,
    /// Where it is declared.
    pub place: Place,
}

/// The type of a slot.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum SlotKind {
    /// Text; the policies see whether it is set.
    #[default]
    Text,
    /// `true` or `false`.
    Bool,
    /// A number between two bounds.
    Float {
        /// Lower bound.
        min: f64,
        /// Upper bound.
        max: f64,
    },
    /// A list; the policies see whether it is empty.
    List,
    /// One of these values, without regard to case.
    Categorical(Vec<String>),
    /// Anything; the policies never see it.
    Any,
}

/// One way to fill a slot from a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping {
    /// Where the value comes from.
    pub source: MappingSource,
    /// Only with these intents, if any are named.
    pub intents: Vec<String>,
    /// Not with these.
    pub not_intents: Vec<String>,
    /// Only under one of these conditions, if any are named.
    pub conditions: Vec<MappingCondition>,
    /// Where it is declared.
    pub place: Place,
}

/// Where a mapping takes its value from.
#[derive(Debug, Clone, PartialEq)]
pub enum MappingSource {
    /// An entity of the message.
    Entity {
        /// Its type.
        entity: String,
        /// Its role; an entity with another role does not fit.
        role: Option<String>,
        /// Its group.
        group: Option<String>,
    },
    /// The message's text.
    Text,
    /// A fixed value when the intent fits.
    Intent(Value),
    /// A fixed value when the intent that activated the form fits.
    TriggerIntent(Value),
    /// Only an action sets it; the named one after every message, if any.
    Custom(Option<String>),
}

/// When a mapping counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingCondition {
    /// The form that must be active; `None` stands for no form.
    pub active_loop: Option<String>,
    /// The slot that it must be asking for, if named.
    pub requested_slot: Option<String>,
}

/// A form: asks until its slots are filled.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Form {
    /// The slots, in the order in which they are asked for.
    pub required_slots: Vec<String>,
    /// Intents whose messages fill no slot of the form.
    pub ignored_intents: Vec<String>,
    /// Where it is declared.
    pub place: Place,
}

/// One way to say a response.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Variation {
    /// The words, with `{slot}` in them.
    pub text: Option<String>,
    /// The address of a picture.
    pub image: Option<String>,
    /// Buttons, in order; quick replies are buttons, too.
    pub buttons: Vec<crate::ReplyButton>,
    /// The elements of a list or a carousel: each is a message of its own, as Rasa's channels say them by default.
    pub elements: Vec<Element>,
    /// An attachment.
    pub attachment: Option<Value>,
    /// Anything else.
    pub custom: Option<Value>,
    /// Only on this channel.
    pub channel: Option<String>,
    /// Only if all these slots have these values.
    pub conditions: Vec<(String, Value)>,
    /// Where it is declared.
    pub place: Place,
}

/// An element of a list or a carousel.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Element {
    /// Its title.
    pub title: String,
    /// What stands below it.
    pub subtitle: String,
    /// Its buttons.
    pub buttons: Vec<crate::ReplyButton>,
}

/// When a conversation begins anew.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionConfig {
    /// Minutes without a message after which a new session begins; 0 never does.
    pub expiration_minutes: f64,
    /// Do slots keep their values in the new session?
    pub carry_over_slots: bool,
}

impl Default for SessionConfig {
    fn default() -> Self {
        SessionConfig { expiration_minutes: 60.0, carry_over_slots: true }
    }
}
