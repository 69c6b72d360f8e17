//! The device under several models: memory that is short, models that take turns, and a device that is lost.

mod common;

use cluster_config::{Device, InferenceOptions, MemoryLimit, Precision};
use common::tiny::{Tiny, WORDS};
use dialogue::EncodedUtterance;
use safetensors::Dtype;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tertulia_shaders::{Compute, DeviceReport, Encoder, MemoryKind, ModelError, gpu::Gpu};

/// Hidden size, layers, heads, feed-forward size: 800 kB of weights.
const SIZES: (usize, usize, usize, usize) = (64, 4, 4, 256);

/// Folders of tiny models with other weights each.
fn models(count: u64) -> Vec<TempDir> {
    let folder = |seed| {
        let dir = tempfile::tempdir().expect("a temporary folder");
        Tiny::new(SIZES, seed).write_safetensors(dir.path(), Dtype::F32, "");
        dir
    };
    (1..=count).map(folder).collect()
}

fn options(device: Device, limit_bytes: u64) -> InferenceOptions {
    InferenceOptions {
        device,
        precision: Precision::F32,
        cpu_threads: 1,
        device_memory_max: MemoryLimit::Bytes(limit_bytes),
        ..InferenceOptions::default()
    }
}

/// Somewhere to compute on any adapter; without one the test says what it missed.
fn device(options: &InferenceOptions) -> Option<Compute> {
    if Gpu::find(true).is_none() {
        println!("did not run: no Vulkan, Metal or DX12 adapter (Debian: install mesa-vulkan-drivers)");
        return None;
    }
    Some(Compute::open(options).expect("an adapter that is there opens"))
}

fn report(compute: &Compute) -> DeviceReport {
    compute.report().device.expect("there is a device")
}

fn utterance(tokens: usize) -> EncodedUtterance {
    let ids = (0..tokens as u32).map(|i| i % WORDS.len() as u32).collect();
    EncodedUtterance { text: String::new(), token_ids: ids, offsets: vec![(0, 0); tokens] }
}

fn close(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-3)
}

/// What uploads go through, for all models together, and what wgpu keeps for itself.
const UPLOAD: u64 = (1 << 20) + (1 << 19);

/// Bytes that one of the tiny models takes on the device, with what it works in.
fn bytes_of_one(dir: &TempDir) -> Option<u64> {
    let compute = device(&options(Device::Gpu, 1 << 30))?;
    let encoder = Encoder::load_on(&compute, dir.path()).expect("it loads");
    encoder.forward(&[utterance(16)]).expect("it runs");
    Some(report(&compute).usage.total_bytes() - UPLOAD)
}

#[test]
fn models_take_turns_where_not_all_fit() {
    let dirs = models(3);
    let Some(one) = bytes_of_one(&dirs[0]) else { return };
    let limit = UPLOAD + one * 3 / 2;
    let compute = device(&options(Device::Gpu, limit)).expect("there is an adapter");
    let encoders: Vec<_> = dirs.iter().map(|d| Encoder::load_on(&compute, d.path()).expect("it fits alone")).collect();
    assert_eq!(encoders.iter().map(Encoder::is_loaded).collect::<Vec<_>>(), [false, false, true]);
    let on_cpu = |dir: &TempDir| Encoder::load(dir.path(), &options(Device::Cpu, 1 << 30)).expect("it loads");
    let cpus: Vec<_> = dirs.iter().map(on_cpu).collect();
    for round in 0..6 {
        let (encoder, cpu) = (&encoders[round % 3], &cpus[round % 3]);
        let batch: Vec<_> = (0..1 + round).map(|i| utterance(3 + i * 2)).collect();
        let got = encoder.forward(&batch).expect("the others make room");
        assert!(close(&got.tokens, &cpu.forward(&batch).expect("it runs").tokens), "round {round}");
        assert!(encoder.is_loaded());
        let report = report(&compute);
        assert!(report.usage.peak_bytes <= limit, "{report:?}");
        let both = report.reconciled.expect("Vulkan's allocator reports");
        assert!(both.allocator_bytes.abs_diff(both.ledger_bytes) * 20 <= both.ledger_bytes, "{both:?}");
    }
    let report = report(&compute);
    assert_eq!((report.evictions, report.loads, report.losses), (8, 9, 0));
    // Those that nobody wants any more go without being counted.
    drop(encoders);
    assert!(Encoder::load_on(&compute, dirs[0].path()).expect("there is room").is_loaded());
    assert_eq!(compute.report().device.expect("there is a device").evictions, 8);
}

#[test]
fn whoever_was_used_least_lately_goes_first() {
    let dirs = models(4);
    let Some(one) = bytes_of_one(&dirs[0]) else { return };
    let compute = device(&options(Device::Gpu, UPLOAD + one * 3)).expect("there is an adapter");
    let load = |dir: &TempDir| Encoder::load_on(&compute, dir.path()).expect("it fits");
    let mut encoders: Vec<_> = dirs[..3].iter().map(load).collect();
    let loaded = |encoders: &[Encoder]| encoders.iter().map(Encoder::is_loaded).collect::<Vec<_>>();
    assert_eq!(loaded(&encoders), [true, true, true], "three fit");
    encoders[0].forward(&[utterance(16)]).expect("it runs");
    // The fourth takes the place of the one that waits for longer than the others, then that one the next one's.
    encoders.push(load(&dirs[3]));
    assert_eq!(loaded(&encoders), [true, false, true, true]);
    encoders[1].forward(&[utterance(16)]).expect("it comes back");
    assert_eq!(loaded(&encoders), [true, true, false, true]);
    assert_eq!((report(&compute).evictions, report(&compute).loads), (2, 5));
}

#[test]
fn what_a_model_works_in_goes_before_the_model() {
    let dirs = models(2);
    let Some(one) = bytes_of_one(&dirs[0]) else { return };
    let roomy = device(&options(Device::Gpu, 1 << 30)).expect("there is an adapter");
    let alone = Encoder::load_on(&roomy, dirs[0].path()).expect("it loads");
    let weights = report(&roomy).usage.used_bytes[MemoryKind::Weights as usize];
    drop(alone);
    // Both models, and what one of them works in.
    let compute = device(&options(Device::Gpu, UPLOAD + one + weights)).expect("there is an adapter");
    let load = |dir: &TempDir| Encoder::load_on(&compute, dir.path()).expect("it fits");
    let both = [load(&dirs[0]), load(&dirs[1])];
    for round in 0..4 {
        both[round % 2].forward(&[utterance(16)]).expect("it runs");
        assert!(both.iter().all(Encoder::is_loaded), "round {round}");
    }
    assert_eq!(report(&compute).evictions, 0);
}

#[test]
fn a_floor_keeps_a_model_where_it_is() {
    let dirs = models(2);
    let Some(one) = bytes_of_one(&dirs[0]) else { return };
    let name = |dir: &TempDir| dir.path().file_name().expect("a name").to_string_lossy().into_owned();
    let limit = UPLOAD + one * 3 / 2;
    let mut options = options(Device::Gpu, limit);
    options.device_memory_floors.insert(name(&dirs[0]), one);
    let compute = device(&options).expect("there is an adapter");
    let first = Encoder::load_on(&compute, dirs[0].path()).expect("it fits");
    let refused = Encoder::load_on(&compute, dirs[1].path()).expect_err("what is left is too little");
    assert!(matches!(refused, ModelError::OverBudget(o) if o.limit_bytes == limit), "{refused}");
    assert!(first.is_loaded() && report(&compute).evictions == 0);
    assert!(first.forward(&[utterance(16)]).is_ok());
}

#[test]
fn a_limit_may_be_a_share_of_the_adapters_memory() {
    let Some(found) = Gpu::find(true) else { return };
    // lavapipe calls the machine's memory its own.
    let Some(bytes) = adapter::device_local_bytes(&found) else {
        println!("did not run: the adapter does not say how much memory it has");
        return;
    };
    for percent in [5, 50] {
        let options =
            InferenceOptions { device_memory_max: MemoryLimit::Percent(percent), ..options(Device::Gpu, 1 << 30) };
        let compute = device(&options).expect("there is an adapter");
        assert_eq!(report(&compute).usage.limit_bytes, bytes / 100 * u64::from(percent));
    }
}

#[test]
fn a_batch_that_does_not_fit_runs_in_shorter_passes() {
    let dirs = models(1);
    let Some(one) = bytes_of_one(&dirs[0]) else { return };
    let batch: Vec<_> = (0..200).map(|i| utterance(1 + i % 16)).collect();
    let roomy = device(&options(Device::Gpu, 1 << 30)).expect("there is an adapter");
    let want = Encoder::load_on(&roomy, dirs[0].path()).expect("it loads").forward(&batch).expect("it fits");
    assert!(report(&roomy).usage.total_bytes() > UPLOAD + one * 5 / 4, "or this test shows nothing");
    let limit = UPLOAD + one * 5 / 4;
    let tight = device(&options(Device::Gpu, limit)).expect("there is an adapter");
    let got = Encoder::load_on(&tight, dirs[0].path()).expect("it loads").forward(&batch).expect("in parts it fits");
    assert!(close(&got.tokens, &want.tokens) && got.offsets == want.offsets);
    assert!(report(&tight).usage.peak_bytes <= limit);
}

#[test]
fn a_lost_device_costs_no_request_and_comes_back_by_itself() {
    let dirs = models(2);
    let Some(compute) = device(&options(Device::Gpu, 1 << 30)) else { return };
    let encoders: Vec<_> = dirs.iter().map(|d| Encoder::load_on(&compute, d.path()).expect("it loads")).collect();
    let batch: Vec<_> = (0..64).map(|i| utterance(1 + i % 16)).collect();
    let want: Vec<_> = encoders.iter().map(|e| e.forward(&batch).expect("it runs").tokens).collect();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Batches without a pause, so that each loss comes in the middle of one.
        let ask = |which: usize| {
            let (encoders, batch, want, stop) = (&encoders, &batch, &want, &stop);
            move || {
                let mut runs = 0;
                while !stop.load(Ordering::Relaxed) {
                    let got = encoders[which].forward(batch).expect("the CPU path could serve it");
                    assert!(close(&got.tokens, &want[which]), "run {runs} of model {which}");
                    runs += 1;
                }
                runs
            }
        };
        let asking = [scope.spawn(ask(0)), scope.spawn(ask(1))];
        for loss in 1..=3 {
            std::thread::sleep(Duration::from_millis(150));
            compute.device().expect("there is a device").destroy_device();
            let begun = Instant::now();
            let back = || {
                let report = report(&compute);
                report.losses >= loss && report.open
            };
            while !back() && begun.elapsed() < Duration::from_secs(30) {
                std::thread::sleep(Duration::from_millis(5));
            }
            assert!(back(), "{:?}", report(&compute));
        }
        stop.store(true, Ordering::Relaxed);
        assert!(asking.into_iter().all(|a| a.join().expect("no request fails") > 10));
    });
    let (before, whole) = (report(&compute), compute.report());
    assert!(whole.fallbacks >= 3, "{whole:?}");
    // On the device again: it is the device that works.
    encoders[0].forward(&batch).expect("it runs");
    assert!(report(&compute).passes > before.passes && compute.report().fallbacks == whole.fallbacks);
    assert_eq!(before.losses, 3);
}
