//! `Privacy`: personal data are taken out of a message when it is understood and before anything is written down of it.
//!
//! What a turn does, says, records and sends to an action server comes from the masked message, so that nothing behind this
//! place can leak what it never had.

use super::{TurnInput, analyze::pii_language, shortcut};
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
        let (mut rest, mut at) = (recorded, 0);
        for span in analysis::pii(text, self.language) {
            let (start, end) = (byte_of(text, span.start), byte_of(text, span.end));
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
            let surface = heard.text.chars().skip(entity.start as usize).take((entity.end - entity.start) as usize);
            entity.value = Value::Text(surface.collect());
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

/// A text without what is masked, and what was where.
struct Masked {
    text: String,
    hidden: Vec<Hidden>,
}

/// What a placeholder stands for.
struct Hidden {
    kind: PiiKind,
    /// Characters of the text as it was said.
    span: (u32, u32),
    /// Characters of the masked text.
    shown: (u32, u32),
    words: String,
}

impl Masked {
    fn new(text: &str, spans: Vec<PiiSpan>) -> Self {
        let masked = analysis::mask(text, &spans);
        // How far what follows has moved; placeholders may be longer or shorter than what they stand for.
        let mut moved = 0_i64;
        let mut hidden = Vec::with_capacity(spans.len());
        for PiiSpan { kind, start, end } in spans {
            let begin = start as i64 + moved;
            let length = placeholder(kind).chars().count() as i64;
            hidden.push(Hidden {
                kind,
                span: (start as u32, end as u32),
                shown: (begin as u32, (begin + length) as u32),
                words: text[byte_of(text, start)..byte_of(text, end)].to_owned(),
            });
            moved = begin + length - end as i64;
        }
        Masked { text: masked, hidden }
    }

    /// Where in the masked text a span of the text is; one that begins or ends inside of what is hidden has all of the placeholder.
    fn place(&self, start: u32, end: u32) -> (u32, u32) {
        let behind = |at: u32| self.hidden.iter().rev().find(|h| h.span.1 <= at);
        let moved = |at: u32| behind(at).map_or(at, |h| at - h.span.1 + h.shown.1);
        let around = |at: u32| self.hidden.iter().find(|h| h.span.0 < at && at < h.span.1);
        (
            around(start).map_or_else(|| moved(start), |h| h.shown.0),
            around(end).map_or_else(|| moved(end), |h| h.shown.1),
        )
    }

    /// Puts placeholders where a value repeats what was hidden, of the kinds that `hides` names.
    fn replace_in(&self, value: &mut Value, hides: impl Fn(PiiKind) -> bool) {
        if self.hidden.is_empty() {
            return;
        }
        each_leaf(value, &mut |leaf| {
            for hidden in self.hidden.iter().filter(|h| hides(h.kind)) {
                match leaf {
                    Value::Text(text) if text.contains(&hidden.words) => {
                        *text = text.replace(&hidden.words, &placeholder(hidden.kind));
                    }
                    Value::Int(_) | Value::Float(_) if leaf.display() == hidden.words => {
                        *leaf = Value::Text(placeholder(hidden.kind));
                    }
                    _ => {}
                }
            }
        });
    }
}

/// Calls `change` with every value that holds no others.
fn each_leaf(value: &mut Value, change: &mut impl FnMut(&mut Value)) {
    match value {
        Value::List(list) => list.iter_mut().for_each(|value| each_leaf(value, change)),
        Value::Map(map) => map.values_mut().for_each(|value| each_leaf(value, change)),
        leaf => change(leaf),
    }
}

fn placeholder(kind: PiiKind) -> String {
    format!("[{}]", kind.name())
}

/// Where a character begins, in bytes; the end of the text for all behind it.
fn byte_of(text: &str, character: usize) -> usize {
    text.char_indices().nth(character).map_or(text.len(), |(at, _)| at)
}
