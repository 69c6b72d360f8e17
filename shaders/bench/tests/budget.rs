//! The trial of `bench budget` with tiny models: the ledger holds, and everybody is answered or refused.

#[path = "../../tests/common/tiny.rs"]
#[allow(dead_code, reason = "the tests of the encoder use the rest")]
mod tiny;

use safetensors::Dtype;
use shaders::MemoryKind;
use shaders::gpu::Gpu;
use tertulia_shaders_bench::budget::Trial;
use tiny::Tiny;

const REQUESTS: usize = 10_000;
const SIZES: (usize, usize, usize, usize) = (64, 4, 4, 256);

/// From 3 to 16 tokens, the longest first.
fn text(i: usize) -> String {
    (0..1 + (13 + i * 7) % 14).map(|j| ["good", "morning", "world", "query"][(i + j) % 4]).collect::<Vec<_>>().join(" ")
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
    let models: Vec<_> = dirs.iter().map(|dir| dir.path().to_owned()).collect();
    let o = Trial { models: &models, text, warm_up: 20, requests: REQUESTS }.run().await.unwrap();
    println!("{o:?}");
    assert_eq!(o.answered + o.refused + o.expired, REQUESTS);
    assert!(o.device.usage.peak_bytes <= o.limit, "{o:?}");
    // How many of each depends on how long a model takes to be brought, now and when the capacity was measured.
    assert!(o.answered > REQUESTS / 100 && o.refused > REQUESTS / 100, "{o:?}");
    assert!(o.apart <= 0.05, "the allocator is off the ledger: {o:?}");
    assert!(o.device.evictions > 0 && o.device.losses == 0 && o.fallbacks == 0, "{o:?}");
    assert!(o.device.usage.used_bytes[MemoryKind::Scratch as usize] == 0, "{o:?}");
    let (early, late) = o.rss;
    assert!(late < early + early / 10 + (16 << 20), "from {early} to {late} bytes");
}
