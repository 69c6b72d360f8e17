//! Checks that the intents, entities and responses which examples name exist.

use super::{Gathered, cx::did_you_mean, refs::Checker};
use std::collections::BTreeSet;

impl Checker<'_> {
    pub(super) fn nlu(&mut self, all: &Gathered) {
        for (key, place) in &all.nlu.keys {
            let response = format!("utter_{key}");
            if !self.domain.responses.contains_key(&response) {
                let names = self.domain.responses.keys().filter(|name| name.contains('/'));
                let hint = did_you_mean(&response, names.map(String::as_str));
                let message = format!("the response `{response}` is missing{hint}; write it below `responses:`");
                self.cx.error(place, "nlu.intent", message);
            }
        }
        let mut keyless: BTreeSet<&str> = BTreeSet::new();
        for (example, place) in &all.nlu.examples {
            let intent = example.intent.as_str();
            let of_retrieval = self.domain.retrieval_intents.contains_key(intent);
            if of_retrieval && example.response_key.is_none() && keyless.insert(intent) {
                let message = format!("no response is selected for an example of `{intent}` alone; write `{intent}/…`");
                self.cx.warn(place, "nlu.intent", message);
            }
        }
        for (example, place) in &all.nlu.examples {
            self.intent(place, "nlu.intent", &example.intent);
            for entity in &example.entities {
                self.entity(place, "nlu.examples", &entity.entity, entity.role.as_deref(), entity.group.as_deref());
            }
        }
    }
}
