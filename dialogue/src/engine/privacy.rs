//! `Privacy`: personal data are taken out of a message when it is understood and before anything is written down of it.
//!
//! What a turn does, says, records and sends to an action server comes from the masked message, so that nothing behind this
//! place can leak what it never had.

use super::{
    TurnInput,
    analyze::pii_language,
    masked::{Masked, begins, each_leaf, placeholder},
    shortcut,
};
use crate::{Entity, PersonalData, Value, format::Assistant};
use analysis::{Language, PiiKind, PiiSpan};
use std::collections::BTreeSet;

/// What is masked, and for whom something is kept.
#[derive(Debug)]
pub(super) struct Privacy {
    language: Language,
    /// What is masked.
    kinds: BTreeSet<PiiKind>,
    /// Entities whose values stay.
    keep_entities: BTreeSet<String>,
    /// Of what is masked: where no entity is kept.
    without_exception: BTreeSet<PiiKind>,
}

impl Privacy {
    /// What the assistant's own configuration asks for.
    pub(super) fn of(assistant: &Assistant) -> Self {
        let config = assistant.config.analyzer.as_ref();
        Privacy {
            language: pii_language(assistant),
            kinds: config.map(|c| c.mask.iter().copied().collect()).unwrap_or_default(),
            keep_entities: config.map(|c| c.keep_entities.clone()).unwrap_or_default(),
            without_exception: BTreeSet::new(),
        }
    }

    /// Masks these as well. Entities that the assistant keeps are kept from them only where that is allowed.
    pub(super) fn require(&mut self, kinds: &[PiiKind], keep_entities: bool) {
        self.kinds.extend(kinds);
        if !keep_entities {
            self.without_exception.extend(kinds);
        }
    }

    /// Takes personal data out of all that a message brings along.
    pub(super) fn mask(&self, input: &mut TurnInput) {
        if self.kinds.is_empty() {
            return;
        }
        let message = Masked::new(&input.text, self.spans(&input.text));
        input.text.clone_from(&message.text);
        message.replace_in(&mut input.metadata, |_| true);
        let understanding = &mut input.understanding;
        // A message that says its own meaning is understood without the spaces around it.
        let heard = Masked::new(&understanding.text, self.spans(&understanding.text));
        for entity in &mut understanding.entities {
            self.mask_entity(&heard, entity);
        }
        // Parts of one number are one and the same when it is masked.
        let mut entities: Vec<Entity> = Vec::with_capacity(understanding.entities.len());
        for entity in std::mem::take(&mut understanding.entities) {
            if !entities.contains(&entity) {
                entities.push(entity);
            }
        }
        understanding.entities = entities;
        let found = understanding.analysis.iter_mut().flat_map(|a| &mut a.pii).flatten();
        found.for_each(|PersonalData { start, end, .. }| (*start, *end) = heard.place(*start, *end));
        understanding.text.clone_from(&heard.text);
    }

    /// A text without what is masked.
    pub(super) fn masked(&self, text: &str) -> String {
        analysis::mask(text, &self.spans(text))
    }

    /// Is `recorded` what may have been written down of `text`, whatever was masked at that time?
    pub(super) fn is_record_of(&self, recorded: &str, text: &str) -> bool {
        if recorded == text {
            return true;
        }
        let begins = begins(text);
        let (mut rest, mut at) = (recorded, 0);
        for span in analysis::pii(text, self.language) {
            let (start, end) = (begins[span.start], begins[span.end]);
            let Some(behind) = rest.strip_prefix(&text[at..start]) else { return false };
            let Some(behind) =
                behind.strip_prefix(&*placeholder(span.kind)).or_else(|| behind.strip_prefix(&text[start..end]))
            else {
                return false;
            };
            (rest, at) = (behind, end);
        }
        rest == &text[at..]
    }

    fn spans(&self, text: &str) -> Vec<PiiSpan> {
        if self.kinds.is_empty() {
            return Vec::new();
        }
        analysis::pii(text, self.language).into_iter().filter(|span| self.kinds.contains(&span.kind)).collect()
    }

    fn mask_entity(&self, heard: &Masked, entity: &mut Entity) {
        let kept = self.keep_entities.contains(&entity.entity);
        let hides = |kind: PiiKind| !kept || self.without_exception.contains(&kind);
        let (start, end) = (entity.start, entity.end);
        (entity.start, entity.end) = heard.place(start, end);
        // The span of an entity that a message names itself is the whole of what it names.
        if entity.extractor == shortcut::EXTRACTOR {
            heard.replace_in(&mut entity.value, hides);
            self.mask_texts(&mut entity.value, hides);
        } else if heard.hidden.iter().any(|h| start < h.span.1 && h.span.0 < end && hides(h.kind)) {
            entity.value = Value::from(heard.words(entity.start, entity.end));
        } else {
            heard.replace_in(&mut entity.value, hides);
        }
    }

    /// Texts inside of a value that are personal data by themselves.
    fn mask_texts(&self, value: &mut Value, hides: impl Fn(PiiKind) -> bool + Copy) {
        each_leaf(value, &mut |leaf| {
            if let Value::Text(text) = leaf {
                let spans = self.spans(text).into_iter().filter(|span| hides(span.kind)).collect::<Vec<_>>();
                *text = analysis::mask(text, &spans);
            }
        });
    }
}
