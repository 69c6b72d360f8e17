//! `Confusion`: which intents are taken for which, and the examples behind it.

use super::Judged;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Examples that are kept of one confused pair.
const EXAMPLES_MAX: usize = 5;

/// What was taken for what.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Confusion {
    /// The names of rows and columns, sorted.
    pub names: Vec<String>,
    /// `[is][said]`: how many.
    pub counts: Vec<Vec<usize>>,
    /// Pairs that are confused, the most frequent first.
    pub pairs: Vec<Confusable>,
}

/// Two intents of which one is taken for the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusable {
    /// One.
    pub one: String,
    /// The other.
    pub other: String,
    /// How often the one is taken for the other.
    pub one_as_other: usize,
    /// And the other way round.
    pub other_as_one: usize,
    /// Some of the texts.
    pub examples: Vec<Mistake>,
}

/// A text that was taken for something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mistake {
    /// The text.
    pub text: String,
    /// Its intent.
    pub intent: String,
    /// What it was taken for.
    pub said: String,
}

impl Confusion {
    /// Of examples.
    pub fn of(judged: &[Judged<'_>]) -> Self {
        let names: BTreeSet<&str> =
            judged.iter().flat_map(|j| [j.example.intent.as_str(), j.heard.intent.name.as_str()]).collect();
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let place = |name: &String| names.binary_search(name).expect("all names are there");
        let mut counts = vec![vec![0; names.len()]; names.len()];
        let mut pairs: BTreeMap<(usize, usize), Vec<Mistake>> = BTreeMap::new();
        for j in judged {
            let (is, said) = (place(&j.example.intent), place(&j.heard.intent.name));
            counts[is][said] += 1;
            if is != said {
                pairs.entry((is.min(said), is.max(said))).or_default().push(Mistake {
                    text: j.example.text.clone(),
                    intent: j.example.intent.clone(),
                    said: j.heard.intent.name.clone(),
                });
            }
        }
        let mut pairs: Vec<Confusable> = pairs
            .into_iter()
            .map(|((one, other), mut examples)| {
                examples.truncate(EXAMPLES_MAX);
                Confusable {
                    one: names[one].clone(),
                    other: names[other].clone(),
                    one_as_other: counts[one][other],
                    other_as_one: counts[other][one],
                    examples,
                }
            })
            .collect();
        pairs.sort_by_key(|p| std::cmp::Reverse(p.one_as_other + p.other_as_one));
        Self { names, counts, pairs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NluExample, ScoredIntent, Understanding};

    #[test]
    fn the_most_confused_pair_comes_first_with_its_texts() {
        let said = [("a", "b"), ("c", "b"), ("b", "c"), ("c", "c"), ("c", "b")];
        let examples = said.map(|(is, _)| NluExample {
            text: "x".into(),
            intent: is.into(),
            response_key: None,
            entities: Vec::new(),
        });
        let heard = said.map(|(_, said)| Understanding {
            intent: ScoredIntent { name: said.into(), confidence: 1.0 },
            ..Understanding::default()
        });
        let judged: Vec<_> = examples.iter().zip(&heard).map(|(example, heard)| Judged { example, heard }).collect();
        let confusion = Confusion::of(&judged);
        assert_eq!(confusion.names, ["a", "b", "c"]);
        assert_eq!(confusion.counts, [[0, 1, 0], [0, 0, 1], [0, 2, 1]]);
        let first = &confusion.pairs[0];
        assert_eq!(
            (first.one.as_str(), first.other.as_str(), first.one_as_other, first.other_as_one),
            ("b", "c", 1, 2)
        );
        assert_eq!(first.examples.len(), 3);
        assert_eq!(confusion.pairs.len(), 2);
    }
}
