//! Checks that every intent, entity, slot, form, response and action that is named somewhere exists.

use super::{
    Gathered,
    cx::{Cx, did_you_mean},
    skills::Kind,
};
use crate::engine::{analyze, extract};
use crate::{
    Value,
    format::{Domain, MappingSource, Place, SlotKind, Story, StoryStep, UserStep},
    tracker::TWO_STAGE_FALLBACK,
};

/// Intents that need no declaration.
pub(crate) const DEFAULT_INTENTS: [&str; 5] = ["nlu_fallback", "out_of_scope", "restart", "back", "session_start"];
/// Actions that the engine brings along.
pub(crate) const BUILT_IN_ACTIONS: [&str; 13] = [
    "action_listen",
    "action_restart",
    "action_session_start",
    "action_default_fallback",
    "action_deactivate_loop",
    "action_back",
    "action_unlikely_intent",
    "action_extract_slots",
    "action_two_stage_fallback",
    "action_default_ask_affirmation",
    "action_default_ask_rephrase",
    "action_revert_fallback_events",
    "action_send_text",
];
pub(super) fn check(cx: &mut Cx, all: &Gathered) {
    let domain = &all.domain.domain;
    let restrict_rules = all.config.rules.as_ref().is_none_or(|r| r.restrict_rules);
    let mut checker = Checker { cx, domain, restrict_rules, watches: false };
    checker.domain();
    checker.unspoken();
    checker.nlu(all);
    checker.meetings(all);
    for (list, rules) in [("rules", &all.rules), ("stories", &all.stories)] {
        rules.iter().for_each(|story| checker.story(list, story));
    }
    for selector in &all.config.selectors {
        let known = &checker.domain.retrieval_intents;
        let unknown = selector.retrieval_intent.as_ref().filter(|name| !known.contains_key(*name));
        if let Some(name) = unknown {
            checker.unknown(&selector.place, "pipeline", "retrieval intent", name, known.keys());
        }
    }
    for extractor in &all.config.extractors {
        if extract::language(extractor, &all.config.language).is_none() {
            let code = extractor.locale.as_ref().unwrap_or(&all.config.language);
            let message =
                format!("{} has no rules for `{code}` and finds nothing; there are en and zh", extractor.component);
            checker.cx.warn(&extractor.place, "pipeline", message);
        }
    }
    if let Some(analyzer) = &all.config.analyzer {
        for name in analyzer.keep_entities.iter().filter(|name| !domain.entities.contains_key(*name)) {
            checker.unknown(&analyzer.place, "pipeline", "entity", name, domain.entities.keys());
        }
        if analyzer.sentiment && !analyze::has_lexicon(&all.config.language) {
            let message = format!(
                "TextAnalyzer has no lexicon for `{}`: it says how people feel only of texts that are surely English or Chinese",
                all.config.language
            );
            checker.cx.warn(&analyzer.place, "pipeline", message);
        }
    }
    // Test stories tell what happens; that is no use of what others keep to themselves.
    checker.watches = true;
    all.tests.iter().for_each(|test| checker.steps(&format!("tests.{}", test.name), &test.steps));
    if let Some(rules) = &all.config.rules {
        let place = all.config_at.clone().unwrap_or_default();
        checker.action(&place, "policies", &rules.core_fallback_action);
    }
}

pub(super) struct Checker<'c> {
    pub(super) cx: &'c mut Cx,
    pub(super) domain: &'c Domain,
    restrict_rules: bool,
    /// Is it read what only watches?
    watches: bool,
}

impl Checker<'_> {
    fn unknown<'k>(
        &mut self,
        place: &Place,
        field: &str,
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'k String>,
    ) {
        let hint = did_you_mean(name, known.into_iter().map(String::as_str));
        self.cx.error(place, field, format!("unknown {what} `{name}`{hint}"));
    }
    /// Something of the domain is used: is that allowed?
    pub(super) fn used(&mut self, place: &Place, field: &str, kind: Kind, name: &str) {
        if !self.watches
            && let Some(message) = self.cx.skills.misuse(place, kind, name)
        {
            self.cx.error(place, field, message);
        }
    }
    pub(super) fn intent(&mut self, place: &Place, field: &str, name: &str) {
        if !self.domain.intents.contains_key(name) && !DEFAULT_INTENTS.contains(&name) {
            self.unknown(place, field, "intent", name, self.domain.intents.keys());
        }
        self.used(place, field, Kind::Intent, name);
    }
    pub(super) fn entity(&mut self, place: &Place, field: &str, name: &str, role: Option<&str>, group: Option<&str>) {
        let Some(entity) = self.domain.entities.get(name) else {
            self.unknown(place, field, "entity", name, self.domain.entities.keys());
            return;
        };
        self.used(place, field, Kind::Entity, name);
        for (what, label, known) in [("role", role, &entity.roles), ("group", group, &entity.groups)] {
            if let Some(label) = label.filter(|l| !known.iter().any(|k| k == l)) {
                let hint = did_you_mean(label, known.iter().map(String::as_str));
                self.cx.error(place, field, format!("the entity `{name}` has no {what} `{label}`{hint}"));
            }
        }
    }
    fn slot(&mut self, place: &Place, field: &str, name: &str) {
        if !self.domain.slots.contains_key(name) {
            self.unknown(place, field, "slot", name, self.domain.slots.keys());
        }
        self.used(place, field, Kind::Slot, name);
    }
    fn form(&mut self, place: &Place, field: &str, name: &str) {
        if !self.domain.forms.contains_key(name) && name != TWO_STAGE_FALLBACK {
            self.unknown(place, field, "form", name, self.domain.forms.keys());
        }
        self.used(place, field, Kind::Form, name);
    }
    fn action(&mut self, place: &Place, field: &str, name: &str) {
        let domain = self.domain;
        let known = domain.actions.contains_key(name)
            || domain.responses.contains_key(name)
            || domain.forms.contains_key(name)
            || domain.is_retrieval_action(name)
            || domain.e2e_actions.contains(name)
            || BUILT_IN_ACTIONS.contains(&name);
        if !known {
            let names = domain.actions.keys().chain(domain.responses.keys()).chain(domain.forms.keys());
            self.unknown(place, field, "action", name, names);
        }
        for kind in [Kind::Action, Kind::Response, Kind::Form] {
            self.used(place, field, kind, name);
        }
        if let Some(intent) = name.strip_prefix("utter_").filter(|_| domain.is_retrieval_action(name)) {
            self.used(place, field, Kind::Intent, intent);
        }
    }

    fn domain(&mut self) {
        for (name, intent) in &self.domain.intents {
            let named = intent.use_entities.iter().flatten().chain(&intent.ignore_entities);
            named.for_each(|e| self.entity(&intent.place, &format!("intents.{name}"), e, None, None));
            if let Some((base, _)) = name.split_once('/') {
                let message = format!("the domain declares a retrieval intent alone: write `{base}`");
                self.cx.error(&intent.place, &format!("intents.{name}"), message);
            }
        }
        for name in &self.domain.slot_order {
            self.slot_mappings(name);
        }
        for (name, form) in &self.domain.forms {
            let field = format!("forms.{name}.required_slots");
            for slot in &form.required_slots {
                self.slot(&form.place, &field, slot);
                self.can_ask(name, slot, &form.place);
            }
            let field = format!("forms.{name}.ignored_intents");
            form.ignored_intents.iter().for_each(|i| self.intent(&form.place, &field, i));
        }
        for (name, variations) in &self.domain.responses {
            for (i, variation) in variations.iter().enumerate() {
                let field = format!("responses.{name}[{i}].condition");
                variation.conditions.iter().for_each(|(slot, _)| self.slot(&variation.place, &field, slot));
            }
        }
        for (name, variations) in &self.domain.responses {
            let key = name.strip_prefix("utter_").filter(|key| key.contains('/'));
            if let (Some(key), Some(first)) = (key.filter(|key| !self.domain.is_response_key(key)), variations.first())
            {
                let known = self.domain.retrieval_intents.values().flatten();
                let hint = did_you_mean(key, known.map(String::as_str));
                let message = format!("no example of nlu has the intent `{key}`{hint}");
                self.cx.error(&first.place, &format!("responses.{name}"), message);
            }
        }
        for (name, place) in &self.domain.actions {
            let says = self.domain.responses.contains_key(name) || self.domain.is_retrieval_action(name);
            if name.starts_with("utter_") && !says {
                let message = format!("the response `{name}` is missing; write it below `responses:`");
                self.cx.error(place, &format!("actions.{name}"), message);
            }
        }
    }

    fn slot_mappings(&mut self, name: &str) {
        let Some(slot) = self.domain.slots.get(name) else { return };
        for (i, mapping) in slot.mappings.iter().enumerate() {
            let field = format!("slots.{name}.mappings[{i}]");
            let place = &mapping.place;
            match &mapping.source {
                MappingSource::Entity { entity, role, group } => {
                    self.entity(place, &format!("{field}.entity"), entity, role.as_deref(), group.as_deref());
                }
                MappingSource::Custom(Some(action)) => self.action(place, &format!("{field}.action"), action),
                _ => {}
            }
            mapping.intents.iter().for_each(|n| self.intent(place, &format!("{field}.intent"), n));
            mapping.not_intents.iter().for_each(|n| self.intent(place, &format!("{field}.not_intent"), n));
            for condition in &mapping.conditions {
                let field = format!("{field}.conditions");
                condition.active_loop.iter().for_each(|f| self.form(place, &field, f));
                condition.requested_slot.iter().for_each(|s| self.slot(place, &field, s));
            }
        }
    }

    fn can_ask(&mut self, form: &str, slot: &str, place: &Place) {
        let domain = self.domain;
        let ways = [
            format!("action_ask_{form}_{slot}"),
            format!("utter_ask_{form}_{slot}"),
            format!("action_ask_{slot}"),
            format!("utter_ask_{slot}"),
        ];
        let validated = domain.actions.contains_key(&format!("validate_{form}"));
        if !validated && !ways.iter().any(|w| domain.actions.contains_key(w) || domain.responses.contains_key(w)) {
            let message = format!("nothing asks for `{slot}`; write the response `utter_ask_{slot}`");
            self.cx.warn(place, &format!("forms.{form}"), message);
        }
    }

    fn story(&mut self, list: &str, story: &Story) {
        let field = format!("{list}.{}", story.name);
        self.steps(&field, &story.condition);
        self.steps(&field, &story.steps);
        let speaks = |s: &&StoryStep| match s {
            StoryStep::Or(options) => options.iter().any(|o| matches!(o, StoryStep::User(_))),
            other => matches!(other, StoryStep::User(_)),
        };
        let users = story.steps.iter().filter(speaks).count();
        if list == "rules" && self.restrict_rules && users > 1 {
            let message = format!("has {users} user messages, a rule may have one; write a story");
            self.cx.error(&story.place, &field, message);
        }
        let checkpoint = story.steps.iter().find(|s| matches!(s, StoryStep::Checkpoint { .. }));
        if let (true, Some(StoryStep::Checkpoint { place, .. })) = (list == "rules", checkpoint) {
            self.cx.error(place, &field, "a rule cannot hold a checkpoint; write a story");
        }
        let begins = story.steps.iter().take_while(|s| matches!(s, StoryStep::Checkpoint { .. })).count();
        for (i, step) in story.steps.iter().enumerate() {
            let StoryStep::Checkpoint { name, slots, place } = step else { continue };
            if i >= begins && !slots.is_empty() {
                let message = format!("the slots of the checkpoint `{name}` count only where a story begins with it");
                self.cx.warn(place, &field, message);
            }
            for (slot, _) in slots.iter().filter(|(_, value)| value.is_none()) {
                let message = format!("the checkpoint `{name}` needs the value that `{slot}` must have");
                self.cx.error(place, &field, message);
            }
        }
    }

    fn steps(&mut self, name: &str, steps: &[StoryStep]) {
        for step in steps {
            match step {
                StoryStep::User(user) => self.user(name, user),
                StoryStep::Or(options) => self.steps(name, options),
                StoryStep::Action { name: action, place } => self.action(place, name, action),
                StoryStep::ActiveLoop { name: Some(form), place } => self.form(place, name, form),
                StoryStep::SlotWasSet { slots, place } | StoryStep::Checkpoint { slots, place, .. } => {
                    slots.iter().for_each(|(slot, value)| self.slot_value(place, name, slot, value.as_ref()));
                }
                StoryStep::ActiveLoop { name: None, .. } | StoryStep::Bot { .. } | StoryStep::Anything => {}
            }
        }
    }

    fn slot_value(&mut self, place: &Place, story: &str, name: &str, value: Option<&Value>) {
        self.slot(place, story, name);
        let Some(slot) = self.domain.slots.get(name) else { return };
        match (&slot.kind, value) {
            (SlotKind::Categorical(values), Some(value)) if !value.is_null() => {
                let found = value.display();
                if !values.iter().any(|v| v.to_lowercase() == found.to_lowercase()) {
                    self.unknown(place, story, &format!("value of the categorical slot `{name}`"), &found, values);
                }
            }
            (SlotKind::Categorical(_) | SlotKind::Float { .. } | SlotKind::Bool, None) if slot.influences => {
                let message = format!("the slot `{name}` needs a value here, e.g. `{name}: …`");
                self.cx.error(place, story, message);
            }
            _ => {}
        }
    }

    fn user(&mut self, story: &str, user: &UserStep) {
        if let Some(intent) = &user.intent {
            self.intent(&user.place, story, intent);
        }
        if let Some(key) = user.response_key.as_ref().filter(|key| !self.domain.is_response_key(key)) {
            let domain = self.domain;
            self.unknown(&user.place, story, "retrieval intent", key, domain.retrieval_intents.values().flatten());
        }
        for entity in &user.entities {
            self.entity(&user.place, story, &entity.entity, entity.role.as_deref(), entity.group.as_deref());
        }
    }
}
