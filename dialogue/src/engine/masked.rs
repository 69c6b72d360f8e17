//! `Masked`: a text without personal data, and which place of it is which of the text as it was said.

use crate::Value;
use analysis::{PiiKind, PiiSpan};

/// A text without what is masked, and what was where.
pub(super) struct Masked {
    pub(super) text: String,
    /// Where the characters of the masked text begin.
    begins: Vec<usize>,
    pub(super) hidden: Vec<Hidden>,
}

/// What a placeholder stands for.
pub(super) struct Hidden {
    pub(super) kind: PiiKind,
    /// Characters of the text as it was said.
    pub(super) span: (u32, u32),
    /// Characters of the masked text.
    shown: (u32, u32),
    words: String,
}

impl Masked {
    pub(super) fn new(text: &str, spans: Vec<PiiSpan>) -> Self {
        let masked = analysis::mask(text, &spans);
        let words = begins(text);
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
                words: text[words[start]..words[end]].to_owned(),
            });
            moved = begin + length - end as i64;
        }
        Masked { begins: begins(&masked), text: masked, hidden }
    }

    /// The words of the masked text at a place.
    pub(super) fn words(&self, start: u32, end: u32) -> &str {
        let at = |character: u32| self.begins[(character as usize).min(self.begins.len() - 1)];
        &self.text[at(start)..at(end.max(start))]
    }

    /// Where in the masked text a span of the text is; one that begins or ends inside of what is hidden has all of the placeholder.
    pub(super) fn place(&self, start: u32, end: u32) -> (u32, u32) {
        let behind = |at: u32| self.hidden.iter().rev().find(|h| h.span.1 <= at);
        let moved = |at: u32| behind(at).map_or(at, |h| at - h.span.1 + h.shown.1);
        let around = |at: u32| self.hidden.iter().find(|h| h.span.0 < at && at < h.span.1);
        (
            around(start).map_or_else(|| moved(start), |h| h.shown.0),
            around(end).map_or_else(|| moved(end), |h| h.shown.1),
        )
    }

    /// Puts placeholders where a value repeats what was hidden, of the kinds that `hides` names.
    pub(super) fn replace_in(&self, value: &mut Value, hides: impl Fn(PiiKind) -> bool) {
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
pub(super) fn each_leaf(value: &mut Value, change: &mut impl FnMut(&mut Value)) {
    match value {
        Value::List(list) => list.iter_mut().for_each(|value| each_leaf(value, change)),
        Value::Map(map) => map.values_mut().for_each(|value| each_leaf(value, change)),
        leaf => change(leaf),
    }
}

pub(super) fn placeholder(kind: PiiKind) -> String {
    format!("[{}]", kind.name())
}

/// Where the characters of a text begin, in bytes, and where it ends.
pub(super) fn begins(text: &str) -> Vec<usize> {
    text.char_indices().map(|(at, _)| at).chain([text.len()]).collect()
}
