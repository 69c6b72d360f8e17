//! `IntentReport`: how well intents are told apart.

use super::{Confidences, Confusion, Judged, Score};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What came of asking for the intents of examples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IntentReport {
    /// How many of the examples got their own intent.
    pub accuracy: f64,
    /// The mean over intents, each counting the same.
    pub macro_avg: Score,
    /// The mean over intents, each counting as often as it occurs.
    pub weighted_avg: Score,
    /// Every intent that an example has or was said to have.
    pub intents: BTreeMap<String, Score>,
    /// What was taken for what.
    pub confusion: Confusion,
    /// How sure it was, and with what right.
    pub confidences: Confidences,
}

impl IntentReport {
    /// Of examples that have an intent.
    pub fn of(judged: &[Judged<'_>]) -> Self {
        let judged: Vec<Judged<'_>> = judged.iter().filter(|j| !j.example.intent.is_empty()).copied().collect();
        let pairs = || judged.iter().map(|j| (j.example.intent.as_str(), j.heard.intent.name.as_str()));
        let names: BTreeSet<&str> = pairs().flat_map(|(is, said)| [is, said]).collect();
        let count = |fits: &dyn Fn(&str, &str) -> bool| pairs().filter(|(is, said)| fits(is, said)).count();
        let score = |name: &str| {
            Score::of(
                count(&|is, _| is == name),
                count(&|_, said| said == name),
                count(&|is, said| is == name && said == name),
            )
        };
        let intents: BTreeMap<String, Score> = names.into_iter().map(|name| (name.to_owned(), score(name))).collect();
        // What no example has is a wrong answer of others: it has no recall of its own to count.
        let real = || intents.values().filter(|s| s.support > 0);
        let right = count(&|is, said| is == said);
        Self {
            accuracy: if judged.is_empty() { 0.0 } else { right as f64 / judged.len() as f64 },
            macro_avg: Score::mean(real(), |_| 1.0),
            weighted_avg: Score::mean(real(), |s| s.support as f64),
            confusion: Confusion::of(&judged),
            confidences: Confidences::of(&judged),
            intents,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NluExample, ScoredIntent, Understanding};

    #[test]
    fn shares_are_taken_over_the_examples_that_there_are() {
        let said = [("greet", "greet"), ("greet", "bye"), ("bye", "bye"), ("thank", "nlu_fallback")];
        let examples = said.map(|(is, _)| NluExample {
            text: is.into(),
            intent: is.into(),
            response_key: None,
            entities: Vec::new(),
        });
        let heard = said.map(|(_, said)| {
            let intent = ScoredIntent { name: said.into(), confidence: 0.5 };
            Understanding { intent, ..Understanding::default() }
        });
        let judged: Vec<_> = examples.iter().zip(&heard).map(|(example, heard)| Judged { example, heard }).collect();
        let report = IntentReport::of(&judged);
        assert_eq!(report.accuracy, 0.5);
        assert_eq!(report.intents["greet"], Score::of(2, 1, 1));
        assert_eq!(report.intents["bye"], Score::of(1, 2, 1));
        assert_eq!(report.intents["nlu_fallback"].support, 0);
        assert!((report.macro_avg.recall - 0.5).abs() < 1e-12 && (report.weighted_avg.recall - 0.5).abs() < 1e-12);
        assert_eq!(report.macro_avg.support, 4);
    }
}
