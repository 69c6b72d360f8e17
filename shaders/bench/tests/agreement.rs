//! Some real sentences of 1 to 256 tokens in two languages: the adapter in every precision against the CPU path. `cargo xtask bench
//! agreement` takes a thousand, and another engine for its reference.

use cluster_config::{CpuPrecision, Device, InferenceOptions, Precision};
use shaders::gpu::Gpu;
use shaders::{Encoder, model::models_folder};
use std::path::Path;
use tertulia_shaders_bench::sentences::{sentences, utterances};

const SENTENCES: usize = 40;

fn check(model: &str, set: &str) {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let dir = models_folder().unwrap_or_default().join(model);
    for needed in [&data, &dir] {
        if !needed.is_dir() {
            println!("did not run: {} is not there", needed.display());
            return;
        }
    }
    if Gpu::find(true).is_none() {
        println!("did not run: no Vulkan, Metal or DX12 adapter (Debian: install mesa-vulkan-drivers)");
        return;
    }
    let load = |device, precision, cpu_precision| {
        let options = InferenceOptions { device, precision, cpu_precision, ..InferenceOptions::default() };
        Encoder::load(&dir, &options).expect("it loads")
    };
    let cpu = load(Device::Cpu, Precision::F32, CpuPrecision::F32);
    let batch = utterances(&cpu, &sentences(&data, set).expect("the data set"), SENTENCES).expect("it tokenizes");
    assert_eq!(batch.iter().map(|u| u.token_ids.len()).min(), Some(1));
    assert!(batch.iter().any(|u| u.token_ids.len() > 64));
    let want = cpu.forward(&batch).expect("it runs");
    let narrow = load(Device::Cpu, Precision::F32, CpuPrecision::Bf16);
    assert!(narrow.describe().ends_with("bf16"), "{}", narrow.describe());
    let device = |precision| load(Device::Gpu, precision, CpuPrecision::F32);
    for (encoder, cosine_min) in [
        (narrow, 0.999),
        (device(Precision::F32), 0.9999),
        (device(Precision::F16), 0.999),
        (device(Precision::Int8), 0.999),
    ] {
        let got = encoder.forward(&batch).expect("it runs");
        for s in 0..batch.len() {
            // Both have the length 1.
            let cosine: f32 = got.embedding(s).iter().zip(want.embedding(s)).map(|(a, b)| a * b).sum();
            assert!(cosine >= cosine_min - 1e-6, "{}, sentence {s}: cosine {cosine}", encoder.describe());
        }
    }
}

#[test]
fn english_sentences_agree() {
    check("all-minilm-l6-v2", "banking77");
}

#[test]
fn chinese_sentences_agree() {
    check("multilingual-e5-small", "crosswoz-zh");
}
