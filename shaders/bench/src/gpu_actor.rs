//! The GPU actor under an open load: requests come when they come, whatever the device does.
//!
//! First its capacity, then the latency of a quiet device, then twice the capacity: interactive requests of mixed lengths with a deadline
//! of twice the quiet P99, and bulk work beside them.

use crate::bare::Bare;
use actors::{Class, GpuHandle, InferError, ModelHandle};
use anyhow::{Context, Result, ensure};
use cluster_config::{Device, InferenceOptions};
use dialogue::ports::Scorer;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use results::{Results, Row};
use serde_json::json;
use shaders::Encoder;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Share of the capacity that a quiet device is offered.
const QUIET: f64 = 0.15;
/// How much more is offered than the device can do.
const OVERLOAD: f64 = 2.0;
/// Share of bulk work in the overload.
const BULK: f64 = 0.25;
/// What bulk work may wait.
const BULK_DEADLINE: Duration = Duration::from_secs(5);
/// Texts that the load is drawn from.
const TEXTS: usize = 512;

/// How the bench runs.
#[derive(Debug, clap::Args)]
pub struct GpuActorOptions {
    /// The model's folder; the one in the cache when left out
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Run on the best adapter, software ones included, instead of the CPU path
    #[arg(long)]
    gpu: bool,
    /// Weights on the CPU path
    #[arg(long, default_value = "auto", value_parser = ["auto", "f32", "bf16"])]
    precision: String,
    /// Rounds, at least 1
    #[arg(long)]
    rounds: Option<usize>,
}

/// What came of the requests of a class.
#[derive(Debug, Default)]
struct Outcome {
    /// Of those that were answered, in milliseconds.
    latencies: Vec<f64>,
    refused: usize,
    expired: usize,
}

impl Outcome {
    fn percentile(&self, p: f64) -> f64 {
        let mut sorted = self.latencies.clone();
        sorted.sort_by(f64::total_cmp);
        let at = ((sorted.len() as f64 * p).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
        sorted.get(at).copied().unwrap_or(f64::NAN)
    }

    fn asked(&self) -> usize {
        self.latencies.len() + self.refused + self.expired
    }
}

/// An open load: requests of a class, so many a second, for so long.
struct Load {
    class: Class,
    per_second: f64,
    lasts: Duration,
    deadline: Duration,
}

/// Runs it.
pub fn run(options: &GpuActorOptions, small: bool) -> Result<Results> {
    let model = options.model.clone().map_or_else(crate::encoder::cached_model, Ok)?;
    let device = if options.gpu { Device::Gpu } else { Device::Cpu };
    let cpu_precision = crate::encoder::cpu_precision(&options.precision);
    let inference = InferenceOptions { device, cpu_precision, cache_bytes_max: 0, ..InferenceOptions::default() };
    let encoder = Encoder::load(&model, &inference).with_context(|| format!("cannot load {}", model.display()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(encoder, inference, options.rounds, small))
}

async fn measure(encoder: Encoder, inference: InferenceOptions, rounds: Option<usize>, small: bool) -> Result<Results> {
    let rounds = rounds.unwrap_or(if small { 1 } else { 5 }).max(1);
    let lasts = Duration::from_secs(if small { 1 } else { 10 });
    let texts = Arc::new(mixed_texts());
    let scorer: Arc<dyn Scorer> = Arc::new(Bare(encoder));
    let patient = InferenceOptions { wait_ms_max: 60_000, ..inference.clone() };
    let model = GpuHandle::start(&patient).await?.model(scorer.clone());
    let (mut capacities, mut quiets, mut loaded, mut goodput, mut refused, mut bulk) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut detail = Vec::new();
    for round in 0..rounds {
        let capacity = capacity(&model, &texts, lasts / 4).await?;
        let quiet_load =
            Load { class: Class::Interactive, per_second: QUIET * capacity, lasts, deadline: BULK_DEADLINE };
        let quiet = offer(&model, &texts, vec![quiet_load], round as u64).await.remove(0);
        let quiet_p99 = quiet.percentile(0.99);
        ensure!(quiet.expired + quiet.refused == 0, "a quiet device answers everybody: {quiet:?}");

        // Nobody waits for longer than the quiet P99 once more.
        let deadline = Duration::from_secs_f64(2.0 * quiet_p99 / 1e3);
        let strict = InferenceOptions {
            wait_ms_max: (quiet_p99 as u64).max(1),
            batch_ms_max: (quiet_p99 / 2.0) as u64 + 1,
            ..inference.clone()
        };
        let busy = GpuHandle::start(&strict).await?.model(scorer.clone());
        // It learns its pace before it is judged.
        offer(
            &busy,
            &texts,
            vec![Load { class: Class::Interactive, per_second: capacity, lasts: lasts / 5, deadline: BULK_DEADLINE }],
            7,
        )
        .await;
        let loads = vec![
            Load { class: Class::Interactive, per_second: OVERLOAD * (1.0 - BULK) * capacity, lasts, deadline },
            Load { class: Class::Bulk, per_second: OVERLOAD * BULK * capacity, lasts, deadline: BULK_DEADLINE },
        ];
        let outcomes = offer(&busy, &texts, loads, round as u64 + 100).await;
        let [interactive, background] = &outcomes[..] else { unreachable!("one outcome a load") };
        let served = (interactive.latencies.len() + background.latencies.len()) as f64 / lasts.as_secs_f64();
        capacities.push(capacity);
        quiets.push(quiet_p99);
        loaded.push(interactive.percentile(0.99));
        goodput.push(served);
        refused.push(100.0 * (interactive.refused + interactive.expired) as f64 / interactive.asked().max(1) as f64);
        bulk.push(background.latencies.len() as f64 / lasts.as_secs_f64());
        detail.push(json!({
            "capacity_per_s": capacity,
            "quiet_ms": { "p50": quiet.percentile(0.5), "p99": quiet_p99 },
            "interactive": { "asked": interactive.asked(), "answered": interactive.latencies.len(), "refused": interactive.refused,
                "expired": interactive.expired, "p50_ms": interactive.percentile(0.5), "p99_ms": interactive.percentile(0.99) },
            "bulk": { "asked": background.asked(), "answered": background.latencies.len(), "refused": background.refused,
                "expired": background.expired, "p50_ms": background.percentile(0.5) },
        }));
        busy.gpu().stop();
    }
    model.gpu().stop();
    let rows = vec![
        Row::of_rounds("capacity, closed loop".to_owned(), "1/s", &capacities, &[]),
        // Ours is the loaded device, beside it the quiet one: their ratio is what admission promises.
        Row::of_rounds("interactive P99 at 2x overload, beside the quiet device".to_owned(), "ms", &loaded, &quiets),
        Row::of_rounds("answered at 2x overload, beside the capacity".to_owned(), "1/s", &goodput, &capacities),
        Row::of_rounds("interactive requests refused".to_owned(), "%", &refused, &[]),
        Row::of_rounds("bulk work at 2x overload".to_owned(), "1/s", &bulk, &[]),
    ];
    Ok(Results { rows, detail: json!({ "model": scorer.describe(), "rounds": detail }), ..Results::default() })
}

/// Texts of 4 to 64 tokens or so, short ones more often, as people write to an assistant.
fn mixed_texts() -> Vec<String> {
    const WORDS: [&str; 12] =
        ["please", "card", "account", "transfer", "why", "not", "the", "money", "today", "balance", "show", "my"];
    let mut rng = SmallRng::seed_from_u64(1);
    let text = |_| {
        let length = 2.0 * 31.0_f64.powf(rng.random::<f64>().powi(2));
        (0..length as usize).map(|_| WORDS[rng.random_range(0..WORDS.len())]).collect::<Vec<_>>().join(" ")
    };
    (0..TEXTS).map(text).collect()
}

/// Requests a second with always more of them than the device takes at once.
async fn capacity(model: &ModelHandle, texts: &Arc<Vec<String>>, lasts: Duration) -> Result<f64> {
    const CLIENTS: usize = 64;
    let begun = Instant::now();
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (model, texts) = (model.clone(), texts.clone());
        clients.spawn(async move {
            let mut answered = 0;
            while begun.elapsed() < lasts {
                let text = &texts[(client * 31 + answered) % texts.len()];
                model.understand(text, Instant::now() + BULK_DEADLINE).await?;
                answered += 1;
            }
            Ok::<usize, InferError>(answered)
        });
    }
    let mut answered = 0;
    while let Some(client) = clients.join_next().await {
        answered += client??;
    }
    Ok(answered as f64 / begun.elapsed().as_secs_f64())
}

/// Offers loads side by side and waits for what comes of each.
async fn offer(model: &ModelHandle, texts: &Arc<Vec<String>>, loads: Vec<Load>, seed: u64) -> Vec<Outcome> {
    let tasks: Vec<_> = loads
        .into_iter()
        .enumerate()
        .map(|(i, load)| tokio::spawn(offer_one(model.clone(), texts.clone(), load, seed * 10 + i as u64)))
        .collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.expect("a load does not panic"));
    }
    outcomes
}

/// Poisson arrivals: nobody waits for the answer before the next one asks.
async fn offer_one(model: ModelHandle, texts: Arc<Vec<String>>, load: Load, seed: u64) -> Outcome {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut requests = JoinSet::new();
    let (begun, mut next) = (Instant::now(), Duration::ZERO);
    while next < load.lasts {
        tokio::time::sleep_until(begun + next).await;
        // The timer has steps of a millisecond: all that are due by now go at once, each with its own time of arrival.
        while next <= begun.elapsed() && next < load.lasts {
            let (model, texts, class) = (model.clone(), texts.clone(), load.class);
            // From when it was due, not from when the load came to it.
            let (text, arrival) = (rng.random_range(0..texts.len()), begun + next);
            let deadline = arrival + load.deadline;
            requests.spawn(async move {
                let result = model.understand_as(class, &texts[text], deadline).await;
                (result.map(drop), arrival.elapsed().as_secs_f64() * 1e3)
            });
            next += Duration::from_secs_f64(-(1.0 - rng.random::<f64>()).ln() / load.per_second);
        }
    }
    let mut outcome = Outcome::default();
    while let Some(done) = requests.join_next().await {
        match done.expect("a request does not panic") {
            (Ok(()), ms) => outcome.latencies.push(ms),
            (Err(InferError::Expired), _) => outcome.expired += 1,
            (Err(_), _) => outcome.refused += 1,
        }
    }
    outcome
}
