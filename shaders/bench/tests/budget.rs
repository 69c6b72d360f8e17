//! Three models, memory for one and a half of them, and four times the load that they can take: the ledger holds, and everybody hears.

#[path = "../../tests/common/tiny.rs"]
#[allow(dead_code, reason = "the tests of the encoder use the rest")]
mod tiny;

use actors::{GpuHandle, InferError, ModelHandle};
use cluster_config::{Device, InferenceOptions, MemoryLimit, Precision};
use dialogue::ports::{ScoreError, Scorer};
use safetensors::Dtype;
use shaders::gpu::Gpu;
use shaders::{Compute, Encoder, MemoryKind};
use std::sync::Arc;
use std::time::Duration;
use tertulia_shaders_bench::bare::Bare;
use tiny::Tiny;
use tokio::task::JoinSet;
use tokio::time::Instant;

const REQUESTS: usize = 10_000;
const SIZES: (usize, usize, usize, usize) = (64, 4, 4, 256);
/// What uploads go through, and what wgpu keeps for itself.
const COMMON: u64 = (1 << 20) + (1 << 19);

fn options(limit_bytes: u64) -> InferenceOptions {
    InferenceOptions {
        device: Device::Gpu,
        precision: Precision::F32,
        cpu_threads: 1,
        device_memory_max: MemoryLimit::Bytes(limit_bytes),
        cache_entries: 0,
        queue_requests_max: 512,
        ..InferenceOptions::default()
    }
}

/// From 3 to 16 tokens.
fn text(i: usize) -> String {
    (0..1 + i * 7 % 14).map(|j| ["good", "morning", "world", "query"][(i + j) % 4]).collect::<Vec<_>>().join(" ")
}

/// Memory of this process that is in use, in bytes.
fn rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").trim().parse::<u64>().ok()).unwrap_or(0) * 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_holds_at_four_times_the_load_and_everybody_is_answered_or_refused() {
    if Gpu::find(true).is_none() {
        println!("did not run: no Vulkan, Metal or DX12 adapter (Debian: install mesa-vulkan-drivers)");
        return;
    }
    let dirs: Vec<_> = (1..=3).map(|_| tempfile::tempdir().unwrap()).collect();
    for (seed, dir) in dirs.iter().enumerate() {
        Tiny::new(SIZES, seed as u64 + 1).write_safetensors(dir.path(), Dtype::F32, "");
    }
    // How much one takes at least.
    let roomy = Compute::open(&options(1 << 30)).unwrap();
    let alone = Encoder::load_on(&roomy, dirs[0].path()).unwrap();
    alone.forward(&[alone.encode(&text(13)).unwrap()]).unwrap();
    let one = roomy.report().device.unwrap().usage.total_bytes() - COMMON;
    drop((alone, roomy));

    let limit = COMMON + one * 3 / 2;
    let compute = Compute::open(&options(limit)).unwrap();
    let gpu = GpuHandle::start(&options(limit)).await.unwrap();
    let load = |dir: &tempfile::TempDir| -> ModelHandle {
        let scorer: Arc<dyn Scorer> = Arc::new(Bare(Encoder::load_on(&compute, dir.path()).unwrap()));
        gpu.model(scorer)
    };
    let models: Vec<ModelHandle> = dirs.iter().map(load).collect();
    let far = Duration::from_secs(60);

    // What the device can do: more clients than it takes at once, all models in turn.
    let (begun, mut clients) = (Instant::now(), JoinSet::new());
    for client in 0..48 {
        let models = models.clone();
        clients.spawn(async move {
            for i in 0..20 {
                let answer =
                    models[(client + i / 7) % 3].understand(&text(client * 20 + i), Instant::now() + far).await;
                assert!(matches!(answer, Ok(_) | Err(InferError::Busy { .. })), "{answer:?}");
            }
        });
    }
    clients.join_all().await;
    let capacity = 48.0 * 20.0 / begun.elapsed().as_secs_f64();

    // Four times as much, come what may.
    let (begun, mut requests) = (Instant::now(), JoinSet::new());
    let (mut worst, mut rss_early) = (0.0_f64, 0);
    for i in 0..REQUESTS {
        tokio::time::sleep_until(begun + Duration::from_secs_f64(i as f64 / (4.0 * capacity))).await;
        let model = models[(i / 5) % 3].clone();
        let deadline = Instant::now() + Duration::from_secs(2);
        requests.spawn(async move { model.understand(&text(i), deadline).await.map(drop) });
        if i % 100 == 0 {
            let report = compute.report().device.unwrap();
            assert!(report.usage.total_bytes() <= limit && report.usage.peak_bytes <= limit, "{report:?}");
            if let Some(both) = report.reconciled {
                let apart = both.allocator_bytes.abs_diff(both.ledger_bytes) as f64 / both.ledger_bytes as f64;
                worst = worst.max(apart);
            }
        }
        if i == REQUESTS / 5 {
            rss_early = rss_bytes();
        }
    }
    let (mut answered, mut refused, mut expired) = (0, 0, 0);
    while let Some(done) = requests.join_next().await {
        match done.unwrap() {
            Ok(()) => answered += 1,
            Err(
                InferError::Full { .. } | InferError::Busy { .. } | InferError::Score(ScoreError::OverBudget { .. }),
            ) => {
                refused += 1;
            }
            Err(InferError::Expired) => expired += 1,
            Err(other) => panic!("{other}"),
        }
    }
    let (report, rss_late) = (compute.report(), rss_bytes());
    let device = report.device.unwrap();
    println!(
        "capacity {capacity:.0}/s; {answered} answered, {refused} refused, {expired} expired; ledger's peak {} of {limit} bytes; allocator \
         within {:.2} % of the ledger; {} evictions; RSS {} to {} kB",
        device.usage.peak_bytes,
        100.0 * worst,
        device.evictions,
        rss_early / 1024,
        rss_late / 1024
    );
    assert_eq!(answered + refused + expired, REQUESTS);
    // How many of each depends on how long a model takes to be brought, now and when the capacity was measured.
    assert!(answered > REQUESTS / 100 && refused > REQUESTS / 100, "{answered} answered, {refused} refused");
    assert!(worst <= 0.05, "the allocator is {worst} off the ledger");
    assert!(device.evictions > 0 && device.losses == 0 && report.fallbacks == 0, "{device:?}");
    assert!(device.usage.used_bytes[MemoryKind::Scratch as usize] == 0, "{device:?}");
    assert!(rss_late < rss_early + rss_early / 10 + (16 << 20), "from {rss_early} to {rss_late} bytes");
}
