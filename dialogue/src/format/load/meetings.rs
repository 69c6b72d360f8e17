//! What skills and the assistant do to one another without naming it: by the names of responses and actions, by values in
//! texts, by checkpoints, and by examples that two of them claim.

use super::{Gathered, refs::Checker, skills::Kind};
use crate::{
    ReplyButton,
    format::{Place, Story, StoryStep, Variation},
};
use std::collections::BTreeMap;

impl Checker<'_> {
    /// Uses that no field spells out: `utter_ask_city` speaks for the slot, `{city}` says its value.
    pub(super) fn unspoken(&mut self) {
        let domain = self.domain;
        for (name, variations) in &domain.responses {
            let field = format!("responses.{name}");
            if let Some(first) = variations.first() {
                self.speaks_for(&first.place, &field, name);
            }
            variations.iter().for_each(|variation| self.said(&field, variation));
        }
        for (name, place) in &domain.actions {
            let field = format!("actions.{name}");
            self.speaks_for(place, &field, name);
            // It runs in their place.
            if !name.starts_with("utter_") {
                self.used(place, &field, Kind::Response, name);
                self.used(place, &field, Kind::Form, name);
            }
        }
    }

    fn speaks_for(&mut self, place: &Place, field: &str, name: &str) {
        let domain = self.domain;
        let asked = name.strip_prefix("utter_ask_").or_else(|| name.strip_prefix("action_ask_"));
        if let Some(asked) = asked {
            let of_form = domain.forms.keys().find_map(|form| {
                let slot = asked.strip_prefix(form.as_str())?.strip_prefix('_')?;
                domain.slots.contains_key(slot).then_some((form, slot))
            });
            match of_form {
                _ if domain.slots.contains_key(asked) => self.used(place, field, Kind::Slot, asked),
                Some((form, slot)) => {
                    self.used(place, field, Kind::Form, form);
                    self.used(place, field, Kind::Slot, slot);
                }
                None => {}
            }
        }
        if let Some(form) = name.strip_prefix("validate_") {
            self.used(place, field, Kind::Form, form);
        }
        let retrieval = name.strip_prefix("utter_").and_then(|key| key.split_once('/'));
        if let Some((intent, _)) = retrieval {
            self.used(place, field, Kind::Intent, intent);
        }
    }

    fn said(&mut self, field: &str, variation: &Variation) {
        let place = &variation.place;
        let of_elements = variation.elements.iter().flat_map(|e| [&e.title, &e.subtitle]);
        for text in variation.text.iter().chain(&variation.image).chain(of_elements) {
            for slot in values(text) {
                self.used(place, field, Kind::Slot, slot);
            }
        }
        let buttons = variation.buttons.iter().chain(variation.elements.iter().flat_map(|e| &e.buttons));
        for ReplyButton { title, payload } in buttons {
            for slot in values(title) {
                self.used(place, field, Kind::Slot, slot);
            }
            if let Some(intent) = payload.strip_prefix('/') {
                let intent = intent.split(['{', '/']).next().unwrap_or_default().trim();
                self.used(place, field, Kind::Intent, intent);
            }
        }
    }

    /// What may not meet by chance: checkpoints of one name, and one message that two take for different things.
    pub(super) fn meetings(&mut self, all: &Gathered) {
        let mut seen: BTreeMap<&str, &Place> = BTreeMap::new();
        for (story, name, place) in all.stories.iter().flat_map(checkpoints) {
            let first = *seen.entry(name).or_insert(place);
            if self.cx.skills.apart(first, place) {
                let whose = self.cx.skills.whose(first);
                let message = format!(
                    "the checkpoint `{name}` is one of {whose}, too, at {first}; checkpoints join stories of one owner: rename one of them"
                );
                self.cx.error(place, &format!("stories.{}", story.name), message);
            }
        }
        let mut seen: BTreeMap<String, (&str, &Place)> = BTreeMap::new();
        for (example, place) in &all.nlu.examples {
            let intent = example.response_key.as_deref().unwrap_or(&example.intent);
            let (first, at) = *seen.entry(example.text.to_lowercase()).or_insert((intent, place));
            if first != intent && self.cx.skills.apart(at, place) {
                let whose = self.cx.skills.whose(at);
                let message = format!(
                    "{:?} is an example of `{first}` in {whose}, at {at}; found it for `{intent}`",
                    example.text
                );
                self.cx.error(place, "nlu.examples", message);
            }
        }
        let tables = all.nlu.lookups_at.iter().map(|(name, at)| ("lookup", name, at));
        let regexes = all.nlu.regexes_at.iter().map(|(name, at)| ("regex", name, at));
        for (kind, name, at) in tables.chain(regexes) {
            self.used(at, &format!("nlu.{kind}"), Kind::Entity, name);
        }
    }
}

fn checkpoints(story: &Story) -> impl Iterator<Item = (&Story, &str, &Place)> {
    story.steps.iter().filter_map(move |step| match step {
        StoryStep::Checkpoint { name, place, .. } => Some((story, name.as_str(), place)),
        _ => None,
    })
}

/// The names between single braces.
fn values(text: &str) -> impl Iterator<Item = &str> {
    let begins = text.split('{').skip(1);
    begins.filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}
