//! From a release and an encoder to something that answers.

use anyhow::{Context, anyhow};
use cluster_config::InferenceOptions;
use dialogue::ReleaseId;
use dialogue::engine::Engine;
use dialogue::format::{Assistant, Diagnostic, Loaded, SourceFile};
use dialogue::ports::Scorer;
use shaders::{Compute, Encoder, MemoryKind, NluModel, Reservation, TrainOptions};
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

/// How an assistant is trained: its response selectors, and one over all retrieval intents where it names none.
pub fn train_options(assistant: &Assistant, seed: u64) -> TrainOptions {
    let or = TrainOptions { seed, ..TrainOptions::default() };
    let named = assistant.config.selectors.iter().map(|s| s.retrieval_intent.clone());
    let selectors: Vec<String> = named.map(|name| name.unwrap_or_else(|| or.selectors[0].clone())).collect();
    if selectors.is_empty() { or } else { TrainOptions { selectors, ..or } }
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
    pub engine: Engine,
    /// Its understanding.
    pub scorer: Arc<dyn Scorer>,
    /// Where that runs.
    pub compute: Compute,
    /// Its name.
    pub id: ReleaseId,
}

/// Loads a release and the encoder under it.
pub fn load_release(release: &Path, encoder: &Path, options: &InferenceOptions) -> anyhow::Result<LoadedRelease> {
    let crate::release::Release { id, trained } = crate::release::Release::read(release)?;
    let mut assistant = load_assistant(&trained.sources)?.assistant;
    assistant.config.settle_threshold(trained.heads.threshold());
    let engine = compile(assistant).with_context(|| format!("{}: the release does not load", release.display()))?;
    let engine = trained.policy.into_iter().fold(engine, Engine::with_policy);
    let encoder = load_encoder(encoder, options)?;
    let compute = encoder.compute().clone();
    let model = NluModel::load(encoder, trained.heads, options)?;
    Ok(LoadedRelease { engine, scorer: Arc::new(model), compute, id })
}

/// The host's memory for the cache of understandings, which is held for as long as there may be one; refused where it does not fit beside
/// the weights.
pub fn reserve_cache(compute: &Compute, options: &InferenceOptions) -> anyhow::Result<Reservation> {
    let reserved = compute.host_budget().reserve(MemoryKind::Caches, options.cache_bytes_max);
    reserved.context("inference.cache_bytes_max does not fit into inference.host_memory_bytes_max")
}

/// Loads the encoder; says how to get it where it is missing.
pub fn load_encoder(dir: &Path, options: &InferenceOptions) -> anyhow::Result<Encoder> {
    Encoder::load(dir, options).with_context(|| {
        format!("{}: the encoder does not load (`tertulia model pull` fetches models, --force anew)", dir.display())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster_config::Device;

    #[test]
    fn a_cache_that_does_not_fit_is_refused_with_the_numbers() {
        let options = |cache_bytes_max| InferenceOptions {
            device: Device::Cpu,
            cpu_threads: 1,
            host_memory_bytes_max: 1 << 20,
            cache_bytes_max,
            ..InferenceOptions::default()
        };
        let compute = Compute::open(&options(0)).unwrap();
        let weights = compute.host_budget().reserve(MemoryKind::Weights, 600_000).unwrap();
        let refused = reserve_cache(&compute, &options(448_577)).unwrap_err();
        assert_eq!(
            format!("{refused:#}"),
            "inference.cache_bytes_max does not fit into inference.host_memory_bytes_max: 448577 bytes are needed, 448576 of 1048576 are free"
        );
        let held = reserve_cache(&compute, &options(448_576)).unwrap();
        assert_eq!(compute.report().host.used_bytes[MemoryKind::Caches as usize], 448_576);
        drop((weights, held));
        assert_eq!(compute.report().host.total_bytes(), 0);
    }
}
