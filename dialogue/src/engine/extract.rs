//! What the extractors of `config.yml` find by rules, without examples: quantities, times, addresses.
//!
//! The values are those of Rasa's DucklingEntityExtractor, the rules those of `tertulia-analysis`.

use crate::{
    Entity, TimestampMs, Value,
    format::{Assistant, ExtractorConfig},
};
use analysis::{Dimension, Language, Reference};

/// All finds of types that the domain declares. Relative times count from `at`, in UTC.
pub(super) fn extract(assistant: &Assistant, text: &str, at: TimestampMs) -> Vec<Entity> {
    let reference = Reference::new(i64::try_from(at.0).unwrap_or(i64::MAX), 0);
    let mut entities: Vec<Entity> = Vec::new();
    for extractor in &assistant.config.extractors {
        let Some(language) = language(extractor, &assistant.config.language) else { continue };
        let declared = |d: &Dimension| assistant.domain.entities.contains_key(d.name());
        let dimensions: Vec<Dimension> = dimensions(extractor).into_iter().filter(declared).collect();
        for found in analysis::extract(text, language, &dimensions, reference) {
            let entity = Entity {
                entity: found.dimension.name().to_owned(),
                value: Value::from_json(&found.value.json()),
                start: found.start as u32,
                end: found.end as u32,
                confidence: 1.0,
                extractor: extractor.component.clone(),
                ..Entity::default()
            };
            // The same dimension may be asked for twice.
            if !entities.contains(&entity) {
                entities.push(entity);
            }
        }
    }
    entities
}

/// The language whose rules an extractor uses: its locale's, else the assistant's.
pub(crate) fn language(extractor: &ExtractorConfig, of_assistant: &str) -> Option<Language> {
    Language::from_code(extractor.locale.as_deref().unwrap_or(of_assistant))
}

/// What it looks for: all that there are rules for where it names nothing.
fn dimensions(extractor: &ExtractorConfig) -> Vec<Dimension> {
    if extractor.dimensions.is_empty() {
        return Dimension::ALL.to_vec();
    }
    extractor.dimensions.iter().filter_map(|name| Dimension::from_name(name)).collect()
}

/// Is a dimension of Duckling's one that there are rules for?
pub(crate) fn is_known(dimension: &str) -> bool {
    Dimension::from_name(dimension).is_some()
}
