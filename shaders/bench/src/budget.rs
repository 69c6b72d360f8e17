//! Three models, memory for one and a half of them, and four times the load that they can take: does the ledger hold, and does everybody
//! hear?

use crate::bare::Bare;
use actors::{GpuHandle, InferError, ModelHandle};
use anyhow::{Context, Result, ensure};
use cluster_config::{Device, InferenceOptions, MemoryLimit, Precision};
use dialogue::ports::{ScoreError, Scorer};
use results::{Results, Row};
use serde_json::json;
use shaders::gpu::Gpu;
use shaders::{Compute, ComputeReport, DeviceReport, Encoder};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What uploads go through, and what wgpu keeps for itself.
const COMMON: u64 = (1 << 20) + (1 << 19);
/// Models that share the device.
const MODELS: usize = 3;
/// How much more is offered than the device can do.
const OVERLOAD: f64 = 4.0;
/// What a request may wait: about as long as a turn may.
const DEADLINE: Duration = Duration::from_secs(2);
/// Clients that find out what the device can do, and the requests of each.
const CLIENTS: usize = 48;

/// How the bench runs.
#[derive(Debug, clap::Args)]
pub struct BudgetOptions {
    /// The folder of the model that is loaded three times; the one in the cache when left out
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Requests of the overload
    #[arg(long)]
    requests: Option<usize>,
}

/// What is tried.
pub struct Trial<'a> {
    /// The models' folders.
    pub models: &'a [PathBuf],
    /// The text of each request.
    pub text: fn(usize) -> String,
    /// Requests of each client while the capacity is measured.
    pub warm_up: usize,
    /// Requests of the overload.
    pub requests: usize,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Requests a second with always more of them than the device takes at once.
    pub capacity: f64,
    /// Requests that were answered.
    pub answered: usize,
    /// Requests that were refused with a typed error.
    pub refused: usize,
    /// Requests that waited until their deadline.
    pub expired: usize,
    /// The device's limit in bytes.
    pub limit: u64,
    /// The largest difference between the ledger and the driver's allocator, as a part of the ledger.
    pub apart: f64,
    /// The device at the end.
    pub device: DeviceReport,
    /// Passes that the CPU path had to run.
    pub fallbacks: u64,
    /// The process's memory after a fifth of the requests, and at the end, in bytes.
    pub rss: (u64, u64),
}

/// Runs it with a model of full size; nothing where there is no adapter.
pub fn run(options: &BudgetOptions, small: bool) -> Result<Results> {
    ensure!(
        Gpu::find(true).is_some(),
        "no adapter was found, not even a software one (Debian: install mesa-vulkan-drivers)"
    );
    let model = options.model.clone().map_or_else(crate::encoder::cached_model, Ok)?;
    let folder = std::env::temp_dir().join(format!("tertulia-budget-{}", std::process::id()));
    let models: Vec<PathBuf> = (1..=MODELS).map(|i| folder.join(format!("model-{i}"))).collect();
    let copied = models.iter().try_for_each(|to| copy(&model, to));
    let requests = options.requests.unwrap_or(if small { 200 } else { 10_000 });
    let trial = Trial { models: &models, text: mixed_text, warm_up: if small { 2 } else { 20 }, requests };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let outcome = copied.and_then(|()| runtime.block_on(trial.run()));
    std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    let o = outcome?;
    let percent = |count: usize| 100.0 * count as f64 / trial.requests as f64;
    let row = |name: &str, unit: &str, ours: f64, peer: &[f64]| Row::of_rounds(name.to_owned(), unit, &[ours], peer);
    let rows = vec![
        row("capacity with models that take turns", "1/s", o.capacity, &[]),
        row("answered at 4x overload", "%", percent(o.answered), &[]),
        row("refused with a typed error", "%", percent(o.refused), &[]),
        row("waited until the deadline", "%", percent(o.expired), &[]),
        row("ledger's peak beside the limit", "bytes", o.device.usage.peak_bytes as f64, &[o.limit as f64]),
        row("allocator off the ledger, at most", "%", 100.0 * o.apart, &[]),
        row("models that had to go", "evictions", o.device.evictions as f64, &[]),
        row("memory of the process, beside a fifth of the way", "bytes", o.rss.1 as f64, &[o.rss.0 as f64]),
    ];
    let detail = json!({ "adapter": o.device.adapter, "losses": o.device.losses, "fallbacks": o.fallbacks, "requests": trial.requests });
    Ok(Results { rows, detail, ..Results::default() })
}

impl Trial<'_> {
    /// Loads the models under a limit that one and a half of them take, finds the capacity and offers four times as much.
    pub async fn run(&self) -> Result<Outcome> {
        // How much one takes at least.
        let roomy = Compute::open(&options(4 << 30))?;
        let alone = Encoder::load_on(&roomy, &self.models[0])?;
        alone.forward(&[alone.encode(&(self.text)(0))?])?;
        let one = device(&roomy.report())?.usage.total_bytes() - COMMON;
        drop((alone, roomy));

        let limit = COMMON + one * 3 / 2;
        let compute = Compute::open(&options(limit))?;
        let gpu = GpuHandle::start(&options(limit)).await?;
        let load = |dir: &PathBuf| -> Result<ModelHandle> {
            let scorer: Arc<dyn Scorer> = Arc::new(Bare(Encoder::load_on(&compute, dir)?));
            Ok(gpu.model(scorer))
        };
        let models: Vec<ModelHandle> = self.models.iter().map(load).collect::<Result<_>>()?;
        let capacity = self.capacity(&models).await?;

        let (begun, mut requests) = (Instant::now(), JoinSet::new());
        let (mut apart, mut rss_early) = (0.0_f64, 0);
        for i in 0..self.requests {
            tokio::time::sleep_until(begun + Duration::from_secs_f64(i as f64 / (OVERLOAD * capacity))).await;
            let (model, text) = (models[(i / 5) % models.len()].clone(), (self.text)(i));
            let deadline = Instant::now() + DEADLINE;
            requests.spawn(async move { model.understand(&text, deadline).await.map(drop) });
            if i % 100 == 0
                && let Some(both) = device(&compute.report())?.reconciled
            {
                apart = apart.max(both.allocator_bytes.abs_diff(both.ledger_bytes) as f64 / both.ledger_bytes as f64);
            }
            if i == self.requests / 5 {
                rss_early = rss_bytes();
            }
        }
        let (mut answered, mut refused, mut expired) = (0, 0, 0);
        while let Some(done) = requests.join_next().await {
            use InferError::{Busy, Expired, Full, Score};
            match done? {
                Ok(()) => answered += 1,
                Err(Full { .. } | Busy { .. } | Score(ScoreError::OverBudget { .. })) => refused += 1,
                Err(Expired) => expired += 1,
                Err(other) => return Err(other.into()),
            }
        }
        gpu.stop();
        let report = compute.report();
        let rss = (rss_early, rss_bytes());
        let device = device(&report)?.clone();
        Ok(Outcome { capacity, answered, refused, expired, limit, apart, device, fallbacks: report.fallbacks, rss })
    }

    /// Requests a second of more clients than the device takes at once, all models in turn.
    async fn capacity(&self, models: &[ModelHandle]) -> Result<f64> {
        const FAR: Duration = Duration::from_secs(60);
        let (begun, mut clients) = (Instant::now(), JoinSet::new());
        for client in 0..CLIENTS {
            let (models, text, count) = (models.to_vec(), self.text, self.warm_up);
            clients.spawn(async move {
                for i in 0..count {
                    let model = &models[(client + i / 7) % models.len()];
                    match model.understand(&text(client * count + i), Instant::now() + FAR).await {
                        Ok(_) | Err(InferError::Busy { .. }) => {}
                        Err(other) => return Err(other),
                    }
                }
                Ok(())
            });
        }
        while let Some(client) = clients.join_next().await {
            client??;
        }
        Ok((CLIENTS * self.warm_up) as f64 / begun.elapsed().as_secs_f64())
    }
}

fn options(limit_bytes: u64) -> InferenceOptions {
    InferenceOptions {
        device: Device::Gpu,
        precision: Precision::F32,
        cpu_threads: 1,
        device_memory_max: MemoryLimit::Bytes(limit_bytes),
        cache_bytes_max: 0,
        queue_requests_max: 512,
        ..InferenceOptions::default()
    }
}

fn device(report: &ComputeReport) -> Result<&DeviceReport> {
    report.device.as_ref().context("there is no device")
}

/// Texts of 4 to 40 tokens.
fn mixed_text(i: usize) -> String {
    const WORDS: [&str; 6] = ["please", "show", "my", "balance", "of", "today"];
    (0..2 + i * 7 % 37).map(|j| WORDS[(i + j) % WORDS.len()]).collect::<Vec<_>>().join(" ")
}

/// A model's folder under another name.
fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in walkdir::WalkDir::new(from).min_depth(1) {
        let entry = entry?;
        let target = to.join(entry.path().strip_prefix(from)?);
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(&target)?;
        } else {
            std::fs::copy(entry.path(), &target).with_context(|| format!("cannot copy {}", entry.path().display()))?;
        }
    }
    Ok(())
}

/// Memory of this process that is in use, in bytes; 0 where the system does not say.
fn rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").trim().parse::<u64>().ok()).unwrap_or(0) * 1024
}
