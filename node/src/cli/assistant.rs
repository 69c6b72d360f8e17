//! `validate` and `parse`.

use super::{Outcome, style};
use crate::server::SystemClock;
use clap::Args;
use cluster_config::{CpuPrecision, Device, InferenceOptions};
use dialogue::ports::Clock;
use std::path::{Path, PathBuf};

/// Check an assistant's files without training.
#[derive(Args)]
pub(crate) struct Validate {
    /// The assistant's folder (domain.yml, data/, config.yml)
    #[arg(default_value = ".")]
    assistant: PathBuf,
    #[command(flatten)]
    skills: SkillArgs,
    /// Warnings count as errors
    #[arg(long)]
    strict: bool,
}

impl Validate {
    pub(crate) fn run(self) -> anyhow::Result<Outcome> {
        let sources = self.skills.compose(&self.assistant)?;
        let (assistant, warnings) = match dialogue::format::Assistant::load(&sources) {
            Ok(loaded) => (loaded.assistant, loaded.warnings),
            Err(errors) => return Ok(report(&self.assistant, &errors)),
        };
        for warning in &warnings {
            eprintln!("{} {warning}", style::yellow("warning:"));
        }
        let (intents, examples) = (assistant.domain.intents.len(), assistant.nlu.len());
        let skills: Vec<String> = assistant.skills.iter().map(|s| format!(", {} {}", s.name, s.version)).collect();
        let (rules, stories, tests) = (assistant.rules.len(), assistant.stories.len(), assistant.tests.len());
        if let Err(errors) = dialogue::engine::Engine::new(assistant) {
            return Ok(report(&self.assistant, &errors));
        }
        println!(
            "{} {}: {intents} intents, {examples} examples, {rules} rules, {stories} stories, {tests} test stories{}",
            style::green("valid"),
            self.assistant.display(),
            skills.concat()
        );
        Ok(if self.strict && !warnings.is_empty() { Outcome::FoundWrong } else { Outcome::Fine })
    }
}

fn report(assistant: &Path, errors: &[dialogue::format::Diagnostic]) -> Outcome {
    for error in errors {
        eprintln!("{} {error}", style::red("error:"));
    }
    eprintln!("{}: {} error(s)", assistant.display(), errors.len());
    Outcome::FoundWrong
}

/// Skills that an assistant is composed with.
#[derive(Args)]
pub(crate) struct SkillArgs {
    /// A skill's folder, from anywhere; may be given several times. What config.yml lists below `skills` is there anyway
    #[arg(long = "skill", value_name = "FOLDER")]
    skills: Vec<PathBuf>,
}

impl SkillArgs {
    /// The files of an assistant with those of its skills; says where skills from elsewhere stand in messages.
    pub(crate) fn compose(&self, assistant: &Path) -> anyhow::Result<Vec<dialogue::format::SourceFile>> {
        composed(assistant, &self.skills)
    }
}

/// The same for a list of folders.
pub(crate) fn composed(assistant: &Path, skills: &[PathBuf]) -> anyhow::Result<Vec<dialogue::format::SourceFile>> {
    let composed = crate::assistant_files::compose(assistant, skills)?;
    for (folder, from) in &composed.from {
        eprintln!("{} {folder} is {}", style::dim("skill:"), from.display());
    }
    Ok(composed.files)
}

/// Where commands find a trained assistant.
#[derive(Args)]
pub(crate) struct ReleaseArgs {
    /// The release that `tertulia train` made
    #[arg(long, value_name = "FILE", default_value = crate::release::DEFAULT)]
    pub release: PathBuf,
    /// The encoder: a known model, owner/name that was pulled, or a folder; the release's own when left out
    #[arg(long, value_name = "MODEL")]
    pub encoder: Option<String>,
}

impl ReleaseArgs {
    /// The engine and the model; fetches the encoder where it is missing.
    pub(crate) async fn load(
        &self,
    ) -> anyhow::Result<(std::sync::Arc<dialogue::engine::Engine>, std::sync::Arc<dyn dialogue::ports::Scorer>)> {
        let encoder = match &self.encoder {
            Some(name) => crate::model_store::encoder_for(name).await?,
            None => crate::model_store::encoder_for(&crate::brain::encoder_of(&self.release)?).await?,
        };
        let release = self.release.clone();
        let loaded =
            tokio::task::spawn_blocking(move || crate::brain::load_release(&release, &encoder, &alone())).await??;
        Ok((std::sync::Arc::new(loaded.engine), loaded.scorer))
    }
}

/// Where one text at a time is understood: the CPU is there at once, and nothing is measured first.
pub(crate) fn alone() -> InferenceOptions {
    InferenceOptions { device: Device::Cpu, cpu_precision: CpuPrecision::F32, ..Default::default() }
}

/// Show what is understood of a text, as JSON.
#[derive(Args)]
pub(crate) struct Parse {
    /// What a user would say
    text: String,
    #[command(flatten)]
    release: ReleaseArgs,
}

impl Parse {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        let (engine, scorer) = self.release.load().await?;
        let understanding = match engine.shortcut(&self.text) {
            Some(read) => read.map_err(anyhow::Error::msg)?,
            None => engine.understand(understand(&*scorer, &self.text)?, SystemClock.now()),
        };
        println!("{}", serde_json::to_string_pretty(&understanding.to_rasa_json(engine.assistant()))?);
        Ok(Outcome::Fine)
    }
}

/// One text through the model, without a queue.
pub(crate) fn understand(scorer: &dyn dialogue::ports::Scorer, text: &str) -> anyhow::Result<dialogue::Understanding> {
    let mut scored = scorer.score(&[scorer.encode(text)?])?;
    anyhow::ensure!(scored.len() == 1, "the scorer answered {} times for one text", scored.len());
    Ok(scored.remove(0))
}
