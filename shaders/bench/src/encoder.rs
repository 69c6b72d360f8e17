//! The whole encoder: latency alone and throughput in batches, round by round beside a peer.

use crate::peer::{Peer, PeerKind};
use anyhow::{Context, Result, ensure};
use cluster_config::{CpuPrecision, Device, InferenceOptions};
use dialogue::EncodedUtterance;
use results::{Results, Row, median};
use serde_json::json;
use shaders::Encoder;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Utterances of a batch, tokens of each, and batches of a round.
const SHAPES: [(usize, usize, usize); 4] = [(1, 16, 200), (1, 64, 80), (32, 16, 30), (32, 64, 10)];
/// What both sides rest before they are measured: threads of the other may still be spinning.
const REST: Duration = Duration::from_millis(50);
/// Least cosine of both sides' embeddings: they run the same weights.
const COSINE_MIN: f64 = 0.999;

/// How the bench runs.
#[derive(Debug, clap::Args)]
pub struct EncoderOptions {
    /// Measure a peer in the same run
    #[arg(long)]
    peer: Option<PeerKind>,
    /// Where the peer's virtual environment lies; beside the results when left out
    #[arg(long, value_name = "DIR")]
    peer_home: Option<PathBuf>,
    /// The model's folder; the one in the cache when left out
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Run on the best adapter, software ones included, instead of the CPU path
    #[arg(long)]
    gpu: bool,
    /// Weights of our side on the CPU path
    #[arg(long, default_value = "auto", value_parser = ["auto", "f32", "bf16"])]
    precision: String,
    /// Threads of both sides; as many as there are cores when left out
    #[arg(long)]
    threads: Option<usize>,
    /// Rounds, at least 1
    #[arg(long)]
    rounds: Option<usize>,
}

/// Runs it.
pub fn run(options: &EncoderOptions, small: bool, out: &Path) -> Result<Results> {
    let model = options.model.clone().map_or_else(cached_model, Ok)?;
    let threads = options.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get()));
    let device = if options.gpu { Device::Gpu } else { Device::Cpu };
    let cpu_precision = cpu_precision(&options.precision);
    let inference = InferenceOptions { device, cpu_threads: threads, cpu_precision, ..InferenceOptions::default() };
    let encoder = Encoder::load(&model, &inference).with_context(|| format!("cannot load {}", model.display()))?;
    let home = options.peer_home.clone().unwrap_or_else(|| out.with_file_name("peers"));
    let mut peer = options.peer.map(|kind| Peer::start(kind, &home, &model, threads)).transpose()?;
    let rounds = options.rounds.unwrap_or(if small { 1 } else { 7 }).max(1);
    let (mut rows, mut detail) = (Vec::new(), Vec::new());
    for (count, tokens, batches) in SHAPES {
        let batches = if small { 2 } else { batches };
        let batch = vec![utterance(tokens); count];
        // Once before the clock runs, on both sides.
        let hidden = encoder.forward(&batch)?;
        if let Some(peer) = &mut peer {
            let cosine = cosine(hidden.embedding(0), &peer.run(count, tokens, 1)?.embedding);
            ensure!(cosine >= COSINE_MIN, "{count} × {tokens} tokens: the sides differ, cosine {cosine}");
        }
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            std::thread::sleep(REST);
            let times = (0..batches).map(|_| {
                let begun = Instant::now();
                encoder.forward(&batch).map(|_| begun.elapsed().as_secs_f64() * 1e3)
            });
            ours.push(median(&times.collect::<Result<Vec<f64>, _>>()?).unwrap_or(0.0));
            if let Some(peer) = &mut peer {
                std::thread::sleep(REST);
                theirs.push(median(&peer.run(count, tokens, batches)?.ms).unwrap_or(0.0));
            }
        }
        let name = format!("{tokens} tokens, batch {count}");
        if count == 1 {
            rows.push(Row::of_rounds(format!("{name}: P50"), "ms", &ours, &theirs));
        } else {
            let rate = |ms: &[f64]| ms.iter().map(|ms| count as f64 / ms * 1e3).collect::<Vec<_>>();
            rows.push(Row::of_rounds(format!("{name}: sequences"), "1/s", &rate(&ours), &rate(&theirs)));
        }
        detail.push(json!({ "count": count, "tokens": tokens, "ours_ms": ours, "peer_ms": theirs }));
    }
    let sides = json!({ "ours": encoder.describe(), "peer": options.peer.map(PeerKind::name), "threads": threads });
    Ok(Results { rows, detail: json!({ "sides": sides, "shapes": detail }), ..Results::default() })
}

/// What `--precision` names.
pub(crate) fn cpu_precision(name: &str) -> CpuPrecision {
    match name {
        "f32" => CpuPrecision::F32,
        "bf16" => CpuPrecision::Bf16,
        _ => CpuPrecision::Auto,
    }
}

/// The ids that the peer's side makes too.
fn utterance(tokens: usize) -> EncodedUtterance {
    let ids = std::iter::once(101).chain((0..tokens - 2).map(|i| 2000 + 37 * i as u32)).chain([102]);
    EncodedUtterance { text: String::new(), token_ids: ids.collect(), offsets: vec![(0, 0); tokens] }
}

/// Cosine of the angle between two vectors.
pub(crate) fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// The encoder's folder in the cache, as `tertulia model pull` leaves it.
pub(crate) fn cached_model() -> Result<PathBuf> {
    let models =
        shaders::model::models_folder().context("no cache folder: set TERTULIA_CACHE (or HOME), or give --model")?;
    let model = models.join("all-minilm-l6-v2");
    let weights = model.join("model.safetensors");
    ensure!(weights.is_file(), "{} is not there: `cargo run --release -- model pull` fetches it", weights.display());
    Ok(model)
}
