//! Do all paths and precisions compute what the reference computes? A thousand real sentences of 1 to 256 tokens, against onnxruntime or
//! PyTorch in f32.

use crate::export::export;
use crate::peer::{Peer, PeerKind};
use crate::sentences::{sentences, utterances};
use anyhow::{Context, Result, ensure};
use cluster_config::{CpuPrecision, Device, InferenceOptions, Precision};
use results::{Results, Row};
use serde_json::json;
use shaders::gpu::Gpu;
use shaders::{Encoder, Hidden};
use std::path::{Path, PathBuf};

/// Sentences of the comparison.
const SENTENCES: usize = 1_000;
const SMALL: usize = 50;

/// How the bench runs.
#[derive(Debug, clap::Args)]
pub struct AgreementOptions {
    /// The reference; the CPU path in f32 when left out
    #[arg(long)]
    peer: Option<PeerKind>,
    /// Where the peer's virtual environment lies; beside the results when left out
    #[arg(long, value_name = "DIR")]
    peer_home: Option<PathBuf>,
    /// The model's folder; the one in the cache when left out
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Where the data sets lie
    #[arg(long, value_name = "DIR", default_value = "../shared/data")]
    data: PathBuf,
    /// The data set: banking77 or crosswoz-zh
    #[arg(long, default_value = "banking77", value_parser = ["banking77", "crosswoz-zh"])]
    set: String,
}

/// Runs it.
pub fn run(options: &AgreementOptions, small: bool, out: &Path) -> Result<Results> {
    let model = options.model.clone().map_or_else(crate::encoder::cached_model, Ok)?;
    let load = |device, precision, cpu_precision| {
        let inference = InferenceOptions { device, precision, cpu_precision, ..InferenceOptions::default() };
        Encoder::load(&model, &inference).with_context(|| format!("cannot load {}", model.display()))
    };
    let cpu = load(Device::Cpu, Precision::F32, CpuPrecision::F32)?;
    let count = if small { SMALL } else { SENTENCES };
    let batch = utterances(&cpu, &sentences(&options.data, &options.set)?, count)?;
    let on_cpu = cpu.forward(&batch)?;
    let reference = match options.peer {
        None => on_cpu.embeddings.clone(),
        Some(kind) => {
            let home = options.peer_home.clone().unwrap_or_else(|| out.with_file_name("peers"));
            let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
            // The peers read safetensors.
            let exported = tempfile::tempdir().context("no temporary folder")?;
            export(&model, exported.path())?;
            Peer::start(kind, &home, exported.path(), threads)?.embeddings(&batch)?
        }
    };
    ensure!(reference.len() == on_cpu.embeddings.len(), "the reference has {} numbers", reference.len());
    let mut rows = Vec::new();
    let mut add = |what: String, hidden: &Hidden| {
        let (cosine, error) = apart(&hidden.embeddings, &reference, hidden.hidden_size);
        rows.push(Row::of_rounds(format!("least cosine, {what}"), "", &[cosine], &[]));
        rows.push(Row::of_rounds(format!("largest error, {what}"), "", &[error], &[]));
    };
    add(cpu.describe(), &on_cpu);
    let narrow = load(Device::Cpu, Precision::F32, CpuPrecision::Bf16)?;
    add(narrow.describe(), &narrow.forward(&batch)?);
    if Gpu::find(true).is_some() {
        for precision in [Precision::F32, Precision::F16, Precision::Int8] {
            let gpu = load(Device::Gpu, precision, CpuPrecision::F32)?;
            add(gpu.describe(), &gpu.forward(&batch)?);
        }
    }
    let tokens: Vec<usize> = batch.iter().map(|u| u.token_ids.len()).collect();
    let detail = json!({
        "reference": options.peer.map_or("the CPU path", PeerKind::name), "set": options.set, "sentences": count,
        "tokens": { "least": tokens.iter().min(), "most": tokens.iter().max(), "all": tokens.iter().sum::<usize>() },
    });
    Ok(Results { rows, detail, ..Results::default() })
}

/// The least cosine of two vectors of `width` numbers, and the largest difference of two numbers.
fn apart(ours: &[f32], theirs: &[f32], width: usize) -> (f64, f64) {
    let pairs = ours.chunks_exact(width).zip(theirs.chunks_exact(width));
    let cosine = pairs
        .map(|(a, b)| crate::encoder::cosine(a, b))
        .fold(f64::INFINITY, |least, c| if c < least || c.is_nan() { c } else { least });
    let error = ours
        .iter()
        .zip(theirs)
        .map(|(a, b)| f64::from((a - b).abs()))
        .fold(0.0, |most, e| if e > most || e.is_nan() { e } else { most });
    (cosine, error)
}
