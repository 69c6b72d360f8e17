//! `Evaluation`: what came of it, and the files that it leaves.

use super::{charts, markdown};
use anyhow::Context;
use dialogue::evaluate::{EntityReport, IntentReport, Judged};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The figures of every seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// How the examples were divided.
    pub plan: String,
    /// What understood them.
    pub model: String,
    /// One of each seed.
    pub rounds: Vec<Round>,
}

/// One seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Round {
    /// It.
    pub seed: u64,
    /// Examples that were asked.
    pub asked: usize,
    /// Of intents.
    pub intents: IntentReport,
    /// Of entities, where any are annotated or found.
    pub entities: Option<EntityReport>,
}

impl Evaluation {
    /// Of nothing yet.
    pub fn new(plan: String, model: String) -> Self {
        Self { plan, model, rounds: Vec::new() }
    }

    /// Adds what was understood with a seed.
    pub fn add(&mut self, seed: u64, judged: &[Judged<'_>]) {
        let entities = judged.iter().any(|j| !j.example.entities.is_empty() || !j.heard.entities.is_empty());
        self.rounds.push(Round {
            seed,
            asked: judged.len(),
            intents: IntentReport::of(judged),
            entities: entities.then(|| EntityReport::of(judged)),
        });
    }

    /// The mean of a figure over the seeds, with the least and the largest.
    pub fn figure(&self, of: impl Fn(&Round) -> f64) -> (f64, f64, f64) {
        let figures: Vec<f64> = self.rounds.iter().map(of).collect();
        let mean = figures.iter().sum::<f64>() / figures.len().max(1) as f64;
        let bounds = figures.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), f| (a.min(*f), b.max(*f)));
        (mean, bounds.0, bounds.1)
    }

    /// One line for people.
    pub fn summary(&self) -> String {
        let shown = markdown::FIGURES.iter().filter(|(_, of)| self.rounds.iter().all(|r| of(r).is_some()));
        let figures = shown.map(|(name, of)| {
            let (mean, least, most) = self.figure(|r| of(r).unwrap_or(0.0));
            let spread = if self.rounds.len() > 1 {
                format!(" ({} to {})", markdown::percent(least), markdown::percent(most))
            } else {
                String::new()
            };
            format!("{name} {}{spread}", markdown::percent(mean))
        });
        figures.collect::<Vec<_>>().join(", ")
    }

    /// Writes the reports into a folder and gives their names: JSON, Markdown and charts of the first seed.
    pub fn write(&self, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
        std::fs::create_dir_all(folder).with_context(|| format!("{}: cannot make the folder", folder.display()))?;
        let mut written = Vec::new();
        let mut put = |name: &str, text: String| -> anyhow::Result<()> {
            let file = folder.join(name);
            std::fs::write(&file, text).with_context(|| format!("{}: cannot write", file.display()))?;
            written.push(file);
            Ok(())
        };
        let first = self.rounds.first().context("nothing was asked")?;
        put("report.md", markdown::report(self))?;
        put("evaluation.json", serde_json::to_string_pretty(self)?)?;
        put("intent_report.json", serde_json::to_string_pretty(&first.intents)?)?;
        if let Some(entities) = &first.entities {
            put("entity_report.json", serde_json::to_string_pretty(entities)?)?;
        }
        put("confusion_matrix.svg", charts::confusion(&first.intents.confusion)?)?;
        put("confidence_histogram.svg", charts::histogram(&first.intents.confidences)?)?;
        Ok(written)
    }
}
