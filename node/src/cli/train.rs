//! `train`: an assistant's folder → a release.

use super::{Outcome, assistant::SkillArgs, style};
use crate::release::{Release, Trained};
use clap::Args;
use cluster_config::{CpuPrecision, Device, InferenceOptions};
use dialogue::format::SourceFile;
use indicatif::ProgressBar;
use shaders::{Fingerprints, Kept, TrainProgress};
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
    /// Where the release goes, a file; into a folder it goes under its id. An earlier release is replaced, and what did not change since is taken from it
    #[arg(long, value_name = "FILE", default_value = crate::release::DEFAULT)]
    out: PathBuf,
    /// The encoder: a known model, owner/name that was pulled, or a folder (`tertulia model list`); by the assistant's language
    /// when left out
    #[arg(long, value_name = "MODEL")]
    encoder: Option<String>,
    /// Train every part, also what did not change since the release that is replaced
    #[arg(long)]
    force: bool,
    /// Same seed, same release
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Train {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        // Before anything is fetched.
        Trained::may_write(&self.out)?;
        let sources = self.skills.compose(&self.assistant)?;
        let encoder = super::encoder::encoder_of(self.encoder.as_deref(), &sources).await?;
        let started = Instant::now();
        let trained = tokio::task::spawn_blocking(move || {
            let old = if self.force { None } else { Some(self.out.as_path()) };
            train(sources, &self.out, old, &encoder, self.seed)
        });
        let Written { id, path, kept } = trained.await??;
        let kept = if kept.is_empty() { String::new() } else { format!("; unchanged: {}", kept.join(", ")) };
        println!(
            "{} release {} in {} ({:.1} s{kept})",
            style::green("trained"),
            &id.as_str()[..12],
            path.display(),
            started.elapsed().as_secs_f64()
        );
        Ok(Outcome::Fine)
    }
}

/// What training made.
pub(crate) struct Written {
    id: dialogue::ReleaseId,
    path: PathBuf,
    /// Parts that were taken from the old release.
    kept: Vec<&'static str>,
}

/// Trains and writes the release. Parts that did not change since `old` was trained are taken from there.
pub(crate) fn train(
    sources: Vec<SourceFile>,
    out: &Path,
    old: Option<&Path>,
    encoder: &Path,
    seed: u64,
) -> anyhow::Result<Written> {
    // Before minutes are spent on it.
    Trained::may_write(out)?;
    let loaded = crate::brain::load_assistant(&sources)?;
    for warning in &loaded.warnings {
        eprintln!("{} {warning}", style::yellow("warning:"));
    }
    let examples = loaded.assistant.nlu.clone();
    let options = crate::brain::train_options(&loaded.assistant, seed);
    let moments = crate::brain::compile(loaded.assistant)?.policy_examples();
    // Training on the CPU in f32 is the reproducible path: the same seed gives the same release.
    let inference = InferenceOptions { device: Device::Cpu, cpu_precision: CpuPrecision::F32, ..Default::default() };
    let name = crate::model_store::name_of(encoder);
    let encoder = crate::brain::load_encoder(encoder, &inference)?;
    let fingerprints = Fingerprints::of(encoder.id(), &examples, &moments, &options);
    // A release that does not load lends nothing; it will be replaced.
    let old = old.filter(|old| old.is_file()).and_then(|old| Release::read(old).ok()).map(|old| old.trained);
    let (heads, policy) = old.map_or((Kept::default(), None), |old| {
        let policy = old.policy.filter(|_| old.fingerprints.policy == fingerprints.policy);
        (Kept::of(old.heads, &old.fingerprints, &fingerprints), policy)
    });
    let mut kept = heads.names();
    kept.extend(policy.is_some().then_some("policy"));
    let bar = StageBar::default();
    let heads = shaders::train_rest(&encoder, &examples, heads, &options, &|p| bar.show(p))?;
    let policy = policy.or_else(|| shaders::train_policy(&moments, &options, &|p| bar.show(p)));
    bar.finish();
    let trained = Trained { sources, heads, policy, fingerprints, encoder: name };
    let (id, path) = trained.write(out)?;
    Ok(Written { id, path, kept })
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
