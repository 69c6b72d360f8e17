//! Where the tests find the encoder.
#![allow(dead_code, reason = "every test file uses a part of this")]

pub mod tiny;

use cluster_config::{CpuPrecision, Device, InferenceOptions, Precision};
use std::path::{Path, PathBuf};
use tertulia_shaders::{Encoder, gpu::Gpu, model::models_folder};

/// The folder of the encoder in the model cache; fails with the command that fetches it.
pub fn model_dir() -> PathBuf {
    let dir = models_folder().unwrap_or_default().join("all-minilm-l6-v2");
    assert!(
        dir.join("model.safetensors").is_file(),
        "the encoder is not in {}: fetch it with `cargo run -- model pull` (or set TERTULIA_CACHE)",
        dir.display()
    );
    dir
}

/// The folder of the multilingual encoder, where it was fetched.
pub fn multilingual_dir() -> Option<PathBuf> {
    let dir = models_folder().unwrap_or_default().join("multilingual-e5-small");
    if dir.join("model.e5s1").is_file() {
        return Some(dir);
    }
    println!("did not run: {} is not there (`cargo run -- model pull multilingual-e5-small`)", dir.display());
    None
}

/// The CPU path on `threads` threads, in f32.
pub fn cpu_options(threads: usize) -> InferenceOptions {
    InferenceOptions {
        device: Device::Cpu,
        cpu_precision: CpuPrecision::F32,
        cpu_threads: threads,
        ..InferenceOptions::default()
    }
}

/// The encoder on the CPU path.
pub fn cpu_encoder() -> Encoder {
    Encoder::load(&model_dir(), &cpu_options(2)).expect("the encoder of the cache loads")
}

/// The encoder on any adapter, in f32; without one the test says what it missed.
pub fn gpu_encoder() -> Option<Encoder> {
    if Gpu::find(true).is_none() {
        println!("did not run: no Vulkan, Metal or DX12 adapter (Debian: install mesa-vulkan-drivers)");
        return None;
    }
    let options = InferenceOptions { device: Device::Gpu, precision: Precision::F32, ..InferenceOptions::default() };
    Some(Encoder::load(&model_dir(), &options).expect("the encoder of the cache loads"))
}

/// A file of `../shared`, where this checkout has one.
pub fn shared(path: &str) -> Option<PathBuf> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(path);
    if file.exists() {
        return Some(file);
    }
    println!("did not run: {} is not there", file.display());
    None
}

/// Cosine of the angle between two vectors.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
