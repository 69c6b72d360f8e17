//! `train`: an assistant's folder → a release.

use super::{Outcome, assistant::SkillArgs, style};
use crate::release::Release;
use clap::Args;
use cluster_config::{CpuPrecision, Device, InferenceOptions};
use dialogue::format::SourceFile;
use indicatif::ProgressBar;
use shaders::TrainProgress;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

/// Train an assistant into a release.
#[derive(Args)]
pub(crate) struct Train {
    /// The assistant's folder (domain.yml, data/, config.yml)
    #[arg(long, default_value = ".")]
    assistant: PathBuf,
    #[command(flatten)]
    skills: SkillArgs,
    /// Where the release goes; an earlier release there is replaced
    #[arg(long, default_value = "release")]
    out: PathBuf,
    /// The encoder: a known model, owner/name that was pulled, or a folder (`tertulia model list`)
    #[arg(long, value_name = "MODEL", default_value = crate::model_store::DEFAULT)]
    encoder: String,
    /// Same seed, same release
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Train {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        let encoder = crate::model_store::encoder_for(&self.encoder).await?;
        let started = Instant::now();
        let out = self.out.clone();
        let sources = self.skills.compose(&self.assistant)?;
        let id = tokio::task::spawn_blocking(move || train(&sources, &self.out, &encoder, self.seed)).await??;
        println!(
            "{} release {} in {} ({:.1} s)",
            style::green("trained"),
            &id.as_str()[..12],
            out.display(),
            started.elapsed().as_secs_f64()
        );
        Ok(Outcome::Fine)
    }
}

/// Trains and writes the release.
pub(crate) fn train(
    sources: &[SourceFile],
    out: &Path,
    encoder: &Path,
    seed: u64,
) -> anyhow::Result<dialogue::ReleaseId> {
    let loaded = crate::brain::load_assistant(sources)?;
    for warning in &loaded.warnings {
        eprintln!("{} {warning}", style::yellow("warning:"));
    }
    let examples = loaded.assistant.nlu.clone();
    let train = crate::brain::train_options(&loaded.assistant, seed);
    crate::brain::compile(loaded.assistant)?;
    // Training on the CPU in f32 is the reproducible path: the same seed gives the same release.
    let options = InferenceOptions { device: Device::Cpu, cpu_precision: CpuPrecision::F32, ..Default::default() };
    let name = crate::model_store::name_of(encoder);
    let encoder = crate::brain::load_encoder(encoder, &options)?;
    let bar = StageBar::default();
    let heads = shaders::train(&encoder, &examples, &train, &|p| bar.show(p))?;
    bar.finish();
    Release::write(out, sources, &heads.to_bytes(), &name)
}

/// One bar for every stage of the training.
pub(super) struct StageBar(Mutex<(ProgressBar, &'static str)>);

impl Default for StageBar {
    fn default() -> Self {
        Self(Mutex::new((style::bar(1), "")))
    }
}

impl StageBar {
    pub(super) fn show(&self, progress: TrainProgress) {
        let Ok(mut guard) = self.0.lock() else { return };
        if guard.1 != progress.stage {
            guard.0.finish_and_clear();
            *guard = (style::bar(progress.total), progress.stage);
            guard.0.set_message(progress.stage);
        }
        guard.0.set_position(progress.done as u64);
    }

    pub(super) fn finish(&self) {
        if let Ok(guard) = self.0.lock() {
            guard.0.finish_and_clear();
        }
    }
}
