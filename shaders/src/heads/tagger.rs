//! `Tagger`: which spans of a sentence are entities.

use crate::heads::{Chain, LinearHead, Word, WordStates, word_features};
use dialogue::{Entity, Value};
use serde::{Deserialize, Serialize};

/// A kind of span: role and group are parts of the label, so they are learned with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tag {
    /// Type of the entity.
    pub entity: String,
    /// Its role, where annotated.
    pub role: Option<String>,
    /// Its group, where annotated.
    pub group: Option<String>,
}

/// A conditional random field over words: labels every one as outside (class 0), the begin (2k + 1) or the inside (2k + 2) of kind k.
#[derive(Debug, Clone, PartialEq)]
pub struct Tagger {
    /// Sorted.
    pub kinds: Vec<Tag>,
    /// Over a word's state and features.
    pub head: LinearHead,
    /// `[C, C]`: what a class (row) says about the next one, added to its logit.
    pub transitions: Vec<f32>,
}

impl Tagger {
    /// The class of a word inside or at the begin of a kind.
    pub fn class(kind: usize, begins: bool) -> usize {
        2 * kind + if begins { 1 } else { 2 }
    }

    /// May a word of class `to` follow one of class `from`? An inside follows only its own kind.
    pub fn may_follow(from: usize, to: usize) -> bool {
        to == 0 || to % 2 == 1 || from == to || from + 1 == to
    }

    /// What its readout says of words, from the encoder's states of them.
    pub fn say(&self, words: &WordStates) -> WordStates {
        let width = self.head.dense.len() / self.head.classes;
        let states = words.states.chunks_exact(width).flat_map(|state| self.head.dense_logits(state)).collect();
        WordStates { words: words.words.clone(), states }
    }

    /// The entities of an utterance, in the order of their start, with offsets in characters.
    ///
    /// `words` holds for each word the mean of its tokens' rows of the readout, `width` numbers each.
    pub fn tag(&self, text: &str, words: &WordStates, width: usize) -> Vec<Entity> {
        let features = word_features(text, &words.words);
        let logits = words.states.chunks_exact(width).zip(&features);
        let mut probabilities: Vec<f32> =
            logits.flat_map(|(said, features)| self.head.finish(said, features)).collect();
        let path = self.best_path(&probabilities);
        Chain::new(self.head.classes, &self.transitions, Self::may_follow).run(&mut probabilities, None);
        let probabilities: Vec<&[f32]> = probabilities.chunks_exact(self.head.classes).collect();
        let mut entities = Vec::new();
        let mut at = 0;
        while at < path.len() {
            let class = path[at];
            let length = 1 + path[at + 1..].iter().take_while(|next| class % 2 == 1 && **next == class + 1).count();
            if class != 0 {
                let span = at..at + length;
                entities.push(self.entity(text, &words.words[span.clone()], class, &probabilities[span]));
            }
            at += length;
        }
        entities
    }

    fn entity(&self, text: &str, words: &[Word], class: usize, probabilities: &[&[f32]]) -> Entity {
        let kind = (class - 1) / 2;
        let tag = &self.kinds[kind];
        let (start, end) = (words[0].start, words[words.len() - 1].end);
        // A span is as sure as its least sure word.
        let sure = |p: &&[f32]| p[Self::class(kind, true)] + p[Self::class(kind, false)];
        let first = text[..start].chars().count();
        Entity {
            entity: tag.entity.clone(),
            value: Value::Text(text[start..end].to_owned()),
            start: first as u32,
            end: (first + text[start..end].chars().count()) as u32,
            role: tag.role.clone(),
            group: tag.group.clone(),
            confidence: probabilities.iter().map(sure).fold(1.0, f32::min),
            extractor: "TertuliaTagger".into(),
        }
    }

    /// The most probable sequence of classes that keeps the rule of [`Tagger::may_follow`] (Viterbi 1967), from the
    /// logits of the words.
    fn best_path(&self, logits: &[f32]) -> Vec<usize> {
        let classes = self.head.classes;
        let mut came_from: Vec<Vec<usize>> = Vec::with_capacity(logits.len() / classes);
        // The start of a sentence counts as outside.
        let mut scores = vec![f32::NEG_INFINITY; classes];
        scores[0] = 0.0;
        for logits in logits.chunks_exact(classes) {
            let mut next = vec![f32::NEG_INFINITY; classes];
            let mut from = vec![0; classes];
            for (before, score) in scores.iter().enumerate().filter(|(_, score)| score.is_finite()) {
                for to in (0..classes).filter(|to| Self::may_follow(before, *to)) {
                    let score = score + self.transitions[before * classes + to] + logits[to];
                    if score > next[to] {
                        (next[to], from[to]) = (score, before);
                    }
                }
            }
            came_from.push(from);
            scores = next;
        }
        let mut path = Vec::with_capacity(came_from.len());
        let best = (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]).then(b.cmp(a)));
        let Some(mut class) = best else { return path };
        for from in came_from.iter().rev() {
            path.push(class);
            class = from[class];
        }
        path.reverse();
        path
    }
}
