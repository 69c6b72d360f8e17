//! `evaluate`: how well an assistant understands what it did not learn.

use super::train::StageBar;
use super::{Outcome, style};
use crate::evaluate::{Evaluation, Plan, compare, cross_validate, of_release};
use anyhow::Context;
use clap::Args;
use dialogue::format::SourceFile;
use std::path::{Path, PathBuf};

/// Measure how well an assistant understands what it did not learn.
///
/// The examples of the assistant are divided (5-fold cross-validation, or one held-out share), learned from and asked. With
/// --nlu a trained release is asked the examples of another file instead.
#[derive(Args)]
pub(crate) struct Evaluate {
    /// The assistant's folder (domain.yml, data/, config.yml)
    #[arg(long, default_value = ".")]
    assistant: PathBuf,
    /// Parts of the cross-validation
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(2..=100))]
    folds: u16,
    /// Ask this share of every intent's examples once, instead of folds
    #[arg(long, value_name = "SHARE", value_parser = share, conflicts_with = "folds")]
    held_out: Option<f64>,
    /// Learn from at most so many examples of an intent
    #[arg(long, value_name = "N")]
    per_intent: Option<usize>,
    /// The first seed: it decides the division
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds; figures come with their spread
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100))]
    seeds: u64,
    /// Where the reports go
    #[arg(long, default_value = "evaluation")]
    out: PathBuf,
    /// The encoder: a known model, owner/name that was pulled, or a folder; by the assistant's language when left out
    #[arg(long, value_name = "MODEL")]
    encoder: Option<String>,
    /// Two config.yml to compare on the same divisions
    #[arg(long, num_args = 2, value_names = ["A", "B"], conflicts_with = "nlu")]
    compare: Option<Vec<PathBuf>>,
    /// Examples to ask a trained release
    #[arg(long, value_name = "FILE")]
    nlu: Option<PathBuf>,
    /// The release that is asked them
    #[arg(long, default_value = crate::release::DEFAULT, requires = "nlu")]
    release: PathBuf,
}

/// An assistant that is evaluated.
struct Candidate {
    name: String,
    sources: Vec<SourceFile>,
    /// Its folder.
    encoder: PathBuf,
}

fn share(text: &str) -> Result<f64, String> {
    let found = text.parse::<f64>().map_err(|e| e.to_string())?;
    if found > 0.0 && found < 1.0 { Ok(found) } else { Err("expected a share between 0 and 1".into()) }
}

impl Evaluate {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        if let Some(nlu) = self.nlu.clone() {
            let release = super::assistant::ReleaseArgs { release: self.release.clone(), encoder: None };
            let (engine, scorer) = release.load().await?;
            let evaluation = tokio::task::spawn_blocking(move || of_release(&engine, &*scorer, &nlu)).await??;
            return finish(&evaluation, &self.out);
        }
        let mut candidates = Vec::new();
        for (name, sources) in self.candidates()? {
            let encoder = super::encoder::encoder_of(self.encoder.as_deref(), &sources).await.context(name.clone())?;
            candidates.push(Candidate { name, sources, encoder });
        }
        tokio::task::spawn_blocking(move || self.divide(&candidates)).await?
    }

    /// The assistant as it is, or once with each of the configurations that are compared.
    fn candidates(&self) -> anyhow::Result<Vec<(String, Vec<SourceFile>)>> {
        let sources = crate::assistant_files::read(&self.assistant)?;
        let Some(configs) = &self.compare else { return Ok(vec![(self.assistant.display().to_string(), sources)]) };
        let mut candidates = Vec::new();
        for config in configs {
            let text = std::fs::read_to_string(config).with_context(|| format!("{}: cannot read", config.display()))?;
            let mut sources = sources.clone();
            sources.retain(|s| s.path != "config.yml");
            let path = config.to_string_lossy().into_owned();
            sources.push(SourceFile { path: path.clone(), text });
            candidates.push((path, sources));
        }
        Ok(candidates)
    }

    fn plan(&self) -> Plan {
        Plan {
            folds: usize::from(self.folds),
            held_out: self.held_out,
            per_intent: self.per_intent,
            seed: self.seed,
            seeds: self.seeds,
        }
    }

    fn divide(&self, candidates: &[Candidate]) -> anyhow::Result<Outcome> {
        let evaluate = |candidate: &Candidate| {
            let bar = StageBar::default();
            let evaluation = cross_validate(&candidate.sources, &candidate.encoder, &self.plan(), &|p| bar.show(p));
            bar.finish();
            evaluation.with_context(|| candidate.name.clone())
        };
        let evaluations = candidates.iter().map(evaluate).collect::<anyhow::Result<Vec<_>>>()?;
        let ([first, second], [a, b]) = (candidates, evaluations.as_slice()) else {
            return finish(&evaluations[0], &self.out);
        };
        a.write(&self.out.join("a"))?;
        b.write(&self.out.join("b"))?;
        let table = compare([&first.name, &second.name], [a, b]);
        let file = self.out.join("comparison.md");
        std::fs::write(&file, &table).with_context(|| format!("{}: cannot write", file.display()))?;
        style::print_all(&table);
        println!("{}", file.display());
        Ok(Outcome::Fine)
    }
}

fn finish(evaluation: &Evaluation, out: &Path) -> anyhow::Result<Outcome> {
    let files = evaluation.write(out)?;
    println!("{}", evaluation.summary());
    files.iter().for_each(|file| println!("{}", file.display()));
    Ok(Outcome::Fine)
}
