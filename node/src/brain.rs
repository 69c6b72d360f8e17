//! From a release and an encoder to something that answers.

use anyhow::{Context, anyhow};
use cluster_config::InferenceOptions;
use dialogue::ReleaseId;
use dialogue::engine::Engine;
use dialogue::format::{Assistant, Diagnostic, Loaded, SourceFile};
use dialogue::ports::Scorer;
use shaders::{Compute, Encoder, Heads, NluModel};
use std::path::Path;
use std::sync::Arc;

/// Parses an assistant; the error lists every diagnostic, a line each.
pub fn load_assistant(sources: &[SourceFile]) -> anyhow::Result<Loaded> {
    Assistant::load(sources).map_err(|d| listed(&d))
}

/// Compiles the policies; the error lists every diagnostic, a line each.
pub fn compile(assistant: Assistant) -> anyhow::Result<Engine> {
    Engine::new(assistant).map_err(|d| listed(&d))
}

fn listed(diagnostics: &[Diagnostic]) -> anyhow::Error {
    let lines: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
    anyhow!("{}", lines.join("\n"))
}

/// The encoder that a release was trained on, by a name that finds it in the cache.
pub fn encoder_of(release: &Path) -> anyhow::Result<String> {
    let name = crate::release::Release::encoder_of(release)?;
    crate::model_store::ModelName::parse(&name).with_context(|| {
        format!("{}: it was trained on the encoder {name:?}: say where that lies", release.display())
    })?;
    Ok(name)
}

/// A release that was loaded.
pub struct LoadedRelease {
    /// Its compiled assistant.
    pub engine: Arc<Engine>,
    /// Its understanding.
    pub scorer: Arc<dyn Scorer>,
    /// Where that runs.
    pub compute: Compute,
    /// Its name.
    pub id: ReleaseId,
}

/// Loads a release and the encoder under it.
pub fn load_release(release: &Path, encoder: &Path, options: &InferenceOptions) -> anyhow::Result<LoadedRelease> {
    let release_dir = release;
    let release = crate::release::Release::read(release_dir)?;
    let engine = compile(load_assistant(&release.sources)?.assistant)
        .with_context(|| format!("{}: the release does not load", release_dir.display()))?;
    let encoder = load_encoder(encoder, options)?;
    let heads = Heads::from_bytes(&release.heads)
        .with_context(|| format!("{}: the heads do not load", release_dir.display()))?;
    let compute = encoder.compute().clone();
    let model = NluModel::load(encoder, heads, options)?;
    Ok(LoadedRelease { engine: Arc::new(engine), scorer: Arc::new(model), compute, id: release.id })
}

/// Loads the encoder; says how to get it where it is missing.
pub fn load_encoder(dir: &Path, options: &InferenceOptions) -> anyhow::Result<Encoder> {
    Encoder::load(dir, options).with_context(|| {
        format!("{}: the encoder does not load (`tertulia model pull` fetches models, --force anew)", dir.display())
    })
}
