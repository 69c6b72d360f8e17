//! `Fingerprints`: what each trained part was made of, so that what did not change is not trained again.

use crate::{encoder::EncoderId, train::TrainOptions};
use dialogue::{NluExample, engine::PolicyExample};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Which way of training this is. **Raise it with every change of training that changes what comes out**: releases of before
/// then lend nothing.
const RECIPE: u32 = 1;

/// SHA-256 of everything that goes into each part, hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprints {
    /// Of the intent head: texts with their intents.
    pub intents: String,
    /// Of the response selectors: texts with their keys.
    pub selectors: String,
    /// Of the tagger: texts with their spans.
    pub entities: String,
    /// Of the learned policy: moments of stories.
    pub policy: String,
}

impl Fingerprints {
    /// Of what is about to be trained.
    pub fn of(encoder: &EncoderId, examples: &[NluExample], moments: &[PolicyExample], options: &TrainOptions) -> Self {
        let begin = |part: &str| {
            let mut hash = Hash(Sha256::new());
            hash.add(part);
            hash.0.update(RECIPE.to_le_bytes());
            hash.0.update(options.seed.to_le_bytes());
            hash.0.update((options.epochs as u64).to_le_bytes());
            hash
        };
        let on_encoder = |part: &str| {
            let mut hash = begin(part);
            hash.add(&encoder.weights_sha256);
            hash
        };
        let (mut intents, mut selectors, mut entities) =
            (on_encoder("intents"), on_encoder("selectors"), on_encoder("entities"));
        options.selectors.iter().for_each(|name| selectors.add(name));
        for example in examples {
            if !example.intent.is_empty() {
                intents.add(&example.text);
                intents.add(&example.intent);
            }
            if let Some(key) = &example.response_key {
                selectors.add(&example.text);
                selectors.add(&example.intent);
                selectors.add(key);
            }
            entities.add(&example.text);
            for entity in &example.entities {
                entities.0.update(entity.start.to_le_bytes());
                entities.0.update(entity.end.to_le_bytes());
                entities.add(&entity.entity);
                entities.add(entity.role.as_deref().unwrap_or_default());
                entities.add(entity.group.as_deref().unwrap_or_default());
            }
        }
        let mut policy = begin("policy");
        for moment in moments {
            policy.0.update((moment.features.len() as u64).to_le_bytes());
            moment.features.iter().for_each(|f| policy.0.update(f.to_le_bytes()));
            policy.add(&moment.action);
            policy.0.update(moment.weight.to_le_bytes());
        }
        Self { intents: intents.hex(), selectors: selectors.hex(), entities: entities.hex(), policy: policy.hex() }
    }
}

struct Hash(Sha256);

impl Hash {
    /// With its length, so that ("ab", "c") and ("a", "bc") differ.
    fn add(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
    }

    fn hex(self) -> String {
        self.0.finalize().iter().map(|b| format!("{b:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_changes_with_what_it_is_made_of_and_with_nothing_else() {
        let encoder = EncoderId { name: "m".into(), weights_sha256: "00".into() };
        let options = TrainOptions::default();
        let example = |text: &str, intent: &str| NluExample {
            text: text.into(),
            intent: intent.into(),
            response_key: None,
            entities: Vec::new(),
        };
        let examples = vec![example("hi", "greet"), example("to Rome", "go")];
        let moments = vec![PolicyExample { features: vec![1, 2], action: "utter_hi".into(), weight: 1.0 }];
        let of = |examples: &[NluExample], moments: &[PolicyExample], options: &TrainOptions| {
            Fingerprints::of(&encoder, examples, moments, options)
        };
        let changed = |other: Fingerprints| {
            let first = of(&examples, &moments, &options);
            let parts = [
                ("intents", first.intents != other.intents),
                ("selectors", first.selectors != other.selectors),
                ("entities", first.entities != other.entities),
                ("policy", first.policy != other.policy),
            ];
            parts.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(changed(of(&examples, &moments, &options)), "");
        let mut other = examples.clone();
        other[1].entities = vec![dialogue::Entity { entity: "city".into(), start: 3, end: 7, ..Default::default() }];
        assert_eq!(changed(of(&other, &moments, &options)), "entities");
        let mut other = examples.clone();
        other[0].intent = "hello".into();
        assert_eq!(changed(of(&other, &moments, &options)), "intents");
        let mut other = examples.clone();
        other[0].response_key = Some("greet/one".into());
        assert_eq!(changed(of(&other, &moments, &options)), "selectors");
        let mut other = moments.clone();
        other[0].action = "utter_bye".into();
        assert_eq!(changed(of(&examples, &other, &options)), "policy");
        let other = TrainOptions { selectors: vec!["greet".into()], ..options.clone() };
        assert_eq!(changed(of(&examples, &moments, &other)), "selectors");
        let other = TrainOptions { seed: 7, ..options.clone() };
        assert_eq!(changed(of(&examples, &moments, &other)), "intents selectors entities policy");
    }
}
