//! A run in figures: stories, and how well actions were predicted.

use super::{Mode, TestRun};
use dialogue::check::ActionCheck;
use dialogue::evaluate::Score;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How well actions were predicted, as Rasa counts: the mean over actions, each weighted by how often stories tell it.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionScores {
    /// How many actions stories tell.
    pub told: usize,
    /// How many of them came.
    pub right: usize,
    /// Precision, recall and F1.
    pub weighted: Score,
    /// Every action that was told or came.
    pub by_action: BTreeMap<String, Score>,
}

impl ActionScores {
    /// Of a run.
    pub fn of(run: &TestRun<'_>) -> Self {
        let checks: Vec<&ActionCheck> = run.stories.iter().flat_map(|s| &s.report.actions).collect();
        let names: BTreeSet<&String> = checks.iter().flat_map(|c| [&c.expected, &c.predicted]).collect();
        let score = |name: &String| {
            let count = |fits: &dyn Fn(&ActionCheck) -> bool| checks.iter().filter(|c| fits(c)).count();
            Score::of(
                count(&|c| c.expected == *name),
                count(&|c| c.predicted == *name),
                count(&|c| c.expected == *name && c.predicted == *name),
            )
        };
        let by_action: BTreeMap<String, Score> = names.into_iter().map(|name| (name.clone(), score(name))).collect();
        let weighted = Score::mean(by_action.values().filter(|s| s.support > 0), |s| s.support as f64);
        let right = checks.iter().filter(|c| c.expected == c.predicted).count();
        Self { told: checks.len(), right, weighted, by_action }
    }

    /// The share of actions that came as told; 1 where none is told.
    pub fn accuracy(&self) -> f64 {
        if self.told == 0 { 1.0 } else { self.right as f64 / self.told as f64 }
    }
}

impl fmt::Display for ActionScores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Score { precision, recall, f1, .. } = self.weighted;
        write!(
            f,
            "actions: {} of {} right ({:.1} %), precision {precision:.3}, recall {recall:.3}, F1 {f1:.3}",
            self.right,
            self.told,
            100.0 * self.accuracy()
        )
    }
}

/// The same and more for programs.
pub fn json(run: &TestRun<'_>) -> Value {
    let scores = ActionScores::of(run);
    let story = |s: &super::StoryRun<'_>| {
        let failures = s.report.failures.iter().map(|m| json!({"file": m.path, "line": m.line, "what": m.what}));
        json!({
            "name": s.report.name,
            "file": s.report.place.path,
            "line": s.report.place.line,
            "passed": s.report.passed,
            "seconds": s.time.as_secs_f64(),
            "failures": failures.collect::<Vec<_>>(),
        })
    };
    json!({
        "mode": match run.mode { Mode::Predicted => "predicted", Mode::Played => "played" },
        "passed": run.passed(),
        "failed": run.failed(),
        "not_run": run.not_run,
        "seconds": run.time().as_secs_f64(),
        "actions": {
            "told": scores.told,
            "right": scores.right,
            "accuracy": scores.accuracy(),
            "weighted_avg": scores.weighted,
            "by_action": scores.by_action,
        },
        "stories": run.stories.iter().map(story).collect::<Vec<_>>(),
    })
}
