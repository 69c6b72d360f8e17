//! `Cx`: reads nodes strictly and collects everything that is wrong with them.

use super::{
    skills::Skills,
    yaml::{Data, Key, Node},
};
use crate::format::{Diagnostic, Place};

/// The file being read, and what was found wrong in all files so far.
#[derive(Debug, Default)]
pub(super) struct Cx {
    pub path: String,
    pub errors: Vec<Diagnostic>,
    pub warnings: Vec<Diagnostic>,
    /// The skills that the files belong to.
    pub skills: Skills,
}

impl Cx {
    pub(super) fn place(&self, node: &Node) -> Place {
        Place { path: self.path.clone(), line: node.line, column: node.column }
    }
    pub(super) fn key_place(&self, key: &Key) -> Place {
        Place { path: self.path.clone(), line: key.line, column: key.column }
    }
    pub(super) fn error(&mut self, place: &Place, field: &str, message: impl Into<String>) {
        self.errors.push(Diagnostic::at(place, field, message));
    }
    pub(super) fn warn(&mut self, place: &Place, field: &str, message: impl Into<String>) {
        self.warnings.push(Diagnostic::at(place, field, message));
    }
    /// Reports what stands at a node instead of what was expected.
    pub(super) fn expected(&mut self, node: &Node, field: &str, expected: &str) {
        let place = self.place(node);
        self.error(&place, field, format!("found {}, expected {expected}", node.describe()));
    }

    /// The pairs of a mapping; nothing at all counts as an empty one.
    pub(super) fn map<'n>(&mut self, node: &'n Node, field: &str, expected: &str) -> &'n [(Key, Node)] {
        match &node.data {
            Data::Map(pairs) => pairs,
            Data::Null => &[],
            _ => {
                self.expected(node, field, expected);
                &[]
            }
        }
    }
    /// The items of a list; nothing at all counts as an empty one.
    pub(super) fn list<'n>(&mut self, node: &'n Node, field: &str, expected: &str) -> &'n [Node] {
        match &node.data {
            Data::List(items) => items,
            Data::Null => &[],
            _ => {
                self.expected(node, field, expected);
                &[]
            }
        }
    }
    pub(super) fn text(&mut self, node: &Node, field: &str) -> Option<String> {
        let text = node.scalar_text();
        if text.is_none() {
            self.expected(node, field, "text");
        }
        text
    }
    pub(super) fn bool(&mut self, node: &Node, field: &str) -> Option<bool> {
        match &node.data {
            Data::Bool(b) => Some(*b),
            // YAML 1.1 spellings are still common.
            Data::Text(t) if ["yes", "on", "True"].contains(&t.as_str()) => Some(true),
            Data::Text(t) if ["no", "off", "False"].contains(&t.as_str()) => Some(false),
            _ => {
                self.expected(node, field, "true or false");
                None
            }
        }
    }
    pub(super) fn number(&mut self, node: &Node, field: &str) -> Option<f64> {
        match &node.data {
            Data::Int(i) => Some(*i as f64),
            Data::Float(f) => Some(*f),
            _ => {
                self.expected(node, field, "a number");
                None
            }
        }
    }
    /// One text or a list of texts.
    pub(super) fn texts(&mut self, node: &Node, field: &str) -> Vec<String> {
        match &node.data {
            Data::List(items) => {
                let of = |cx: &mut Self, (i, item): (usize, &Node)| cx.text(item, &format!("{field}[{i}]"));
                items.iter().enumerate().filter_map(|pair| of(self, pair)).collect()
            }
            Data::Null => Vec::new(),
            _ => self.text(node, field).into_iter().collect(),
        }
    }
    /// Reports every key that is not among `known`.
    pub(super) fn known_keys(&mut self, pairs: &[(Key, Node)], field: &str, known: &[&str]) {
        for (key, _) in pairs.iter().filter(|(k, _)| !known.contains(&k.text.as_str())) {
            let place = self.key_place(key);
            let hint = did_you_mean(&key.text, known.iter().copied());
            let message = format!("unknown key `{}`{hint}; allowed are {}", key.text, known.join(", "));
            self.error(&place, field, message);
        }
    }
}

/// The value under a key.
pub(super) fn get<'n>(pairs: &'n [(Key, Node)], key: &str) -> Option<&'n Node> {
    pairs.iter().find(|(k, _)| k.text == key).map(|(_, v)| v)
}

/// `field.key`, or `key` at the top.
pub(super) fn join(field: &str, key: &str) -> String {
    if field.is_empty() { key.to_owned() } else { format!("{field}.{key}") }
}

/// `, did you mean `x`?` for the nearest candidate, if one is near.
pub(crate) fn did_you_mean<'c>(found: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
    let limit = (found.chars().count() / 3).max(2);
    let scored = candidates.into_iter().map(|c| (distance(found, c), c));
    match scored.min() {
        Some((d, near)) if d <= limit => format!(", did you mean `{near}`?"),
        _ => String::new(),
    }
}

/// Levenshtein's edit distance, in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
