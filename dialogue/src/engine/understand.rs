//! What rules add to a model's understanding: extractors, synonyms, the domain's limits, fallback.

use crate::{
    Entity, ScoredIntent, Understanding, Value,
    format::{Assistant, DEFAULT_INTENTS, FallbackConfig, NLU_FALLBACK, Threshold},
};
use regex::{Regex, RegexBuilder};

/// The compiled extractors.
#[derive(Debug, Default)]
pub(super) struct Extractors {
    /// Entity and pattern.
    patterns: Vec<(String, Regex)>,
}

const EXTRACTOR: &str = "RegexEntityExtractor";
/// Largest compiled pattern, in bytes: lookup tables may be long.
const PATTERN_BYTES_MAX: usize = 64 << 20;

impl Extractors {
    /// Regular expressions and lookup tables that bear an entity's name, as far as the settings use them.
    pub(super) fn compile(assistant: &Assistant) -> Result<Self, String> {
        let config = assistant.config.regexes;
        let mut patterns = Vec::new();
        let build = |name: &str, pattern: &str| {
            let built = RegexBuilder::new(pattern)
                .case_insensitive(!config.case_sensitive)
                .size_limit(PATTERN_BYTES_MAX)
                .build();
            built.map_err(|e| format!("the patterns of `{name}` do not compile: {e}"))
        };
        let is_entity = |name: &str| assistant.domain.entities.contains_key(name);
        for found in assistant.regexes.iter().filter(|r| config.use_regexes && is_entity(&r.name)) {
            patterns.push((found.name.clone(), build(&found.name, &found.pattern)?));
        }
        let tables = assistant.lookups.iter().filter(|l| is_entity(&l.name) && !l.values.is_empty());
        for table in tables.filter(|_| config.use_lookup_tables) {
            // The longest value first, so that `new york city` is not taken for `new york`.
            let mut values: Vec<&String> = table.values.iter().collect();
            values.sort_by_key(|v| std::cmp::Reverse(v.chars().count()));
            let values: Vec<String> = values.into_iter().map(|v| regex::escape(v)).collect();
            let boundary = if config.use_word_boundaries { r"\b" } else { "" };
            let pattern = format!("{boundary}(?:{}){boundary}", values.join("|"));
            patterns.push((table.name.clone(), build(&table.name, &pattern)?));
        }
        Ok(Extractors { patterns })
    }

    fn find(&self, text: &str) -> Vec<Entity> {
        let mut out: Vec<Entity> = Vec::new();
        for (entity, pattern) in &self.patterns {
            for found in pattern.find_iter(text).filter(|m| !m.is_empty()) {
                let start = text[..found.start()].chars().count() as u32;
                let entity = Entity {
                    entity: entity.clone(),
                    value: Value::Text(found.as_str().to_owned()),
                    start,
                    end: start + found.as_str().chars().count() as u32,
                    role: None,
                    group: None,
                    confidence: 1.0,
                    extractor: EXTRACTOR.into(),
                };
                let covered = |other: &Entity| other.entity == entity.entity && overlaps(other, &entity);
                if !out.iter().any(covered) {
                    out.push(entity);
                }
            }
        }
        out
    }
}

fn overlaps(a: &Entity, b: &Entity) -> bool {
    a.start < b.end && b.start < a.end
}

pub(super) fn complete(
    assistant: &Assistant,
    extractors: &Extractors,
    raw: Understanding,
    extracted: Vec<Entity>,
) -> Understanding {
    let mut entities = raw.entities;
    entities.extend(extracted);
    entities.retain(|e| assistant.domain.entities.contains_key(&e.entity));
    for mut found in extractors.find(&raw.text) {
        // A pattern knows the bounds better than a model; the model knows the role.
        let same = |e: &Entity, found: &Entity| e.entity == found.entity && overlaps(e, found);
        if let Some(learned) = entities.iter().find(|e| same(e, &found)) {
            found.role.clone_from(&learned.role);
            found.group.clone_from(&learned.group);
        }
        entities.retain(|e| !same(e, &found));
        entities.push(found);
    }
    entities.sort_by_key(|e| (e.start, e.end));
    if assistant.config.synonyms {
        for entity in &mut entities {
            let shown = entity.value.display().to_lowercase();
            if let Some(value) = assistant.synonyms.get(&shown) {
                entity.value = Value::Text(value.clone());
            }
        }
    }
    let mut ranking = raw.ranking;
    if ranking.is_empty() {
        ranking.push(raw.intent);
    }
    let known =
        |i: &ScoredIntent| assistant.domain.intents.contains_key(&i.name) || DEFAULT_INTENTS.contains(&i.name.as_str());
    ranking.retain(known);
    if let Some(fallback) = fallback(assistant, &ranking) {
        ranking.insert(0, fallback);
    }
    let mut selections = raw.selections;
    selections.iter_mut().for_each(|s| s.ranking.retain(|key| assistant.domain.is_response_key(&key.name)));
    selections.retain(|s| !s.ranking.is_empty());
    Understanding {
        text: raw.text,
        intent: ranking.first().cloned().unwrap_or_default(),
        ranking,
        entities,
        selections,
        analysis: None,
    }
}

/// `nlu_fallback`, if the best intent is too weak or too close to the second; as sure as the best one is not.
fn fallback(assistant: &Assistant, ranking: &[ScoredIntent]) -> Option<ScoredIntent> {
    let config = assistant.config.fallback?;
    let best = ranking.first().map_or(0.0, |i| i.confidence);
    let gap = ranking.get(1).map(|second| best - second.confidence);
    let threshold = match config.threshold {
        Threshold::At(threshold) => threshold,
        Threshold::Learned => FallbackConfig::THRESHOLD,
    };
    let doubt = if best < threshold {
        1.0 - best
    } else if gap.is_some_and(|gap| gap < config.ambiguity_threshold) {
        1.0 - gap.unwrap_or(0.0)
    } else {
        return None;
    };
    Some(ScoredIntent { name: NLU_FALLBACK.into(), confidence: doubt })
}
