//! Weights in f16 and int8 on the device: embeddings stay those of the CPU path in f32.

mod common;

use common::{cosine, cpu_encoder, model_dir, shared};
use std::path::Path;
use tertulia_shaders::{
    MemoryBudget,
    gpu::{Gpu, GpuEncoder, Precision},
    model::{BertConfig, Weights},
    packed::PackedBatch,
};

/// Sentences of the comparison.
const SENTENCES: usize = 200;
/// Least cosine of an embedding with that of the CPU path.
const COSINE_MIN: f64 = 0.999;

/// Every so many lines one sentence, from all over the file: `text,label`, the text in quotes where it has commas.
fn sentences(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).expect("the file is there");
    let lines: Vec<&str> = text.lines().skip(1).filter(|line| !line.is_empty()).collect();
    let step = (lines.len() / SENTENCES).max(1);
    let sentence = |line: &&str| line.rsplit_once(',').map(|(text, _)| text.trim_matches('"').to_owned());
    lines.iter().step_by(step).take(SENTENCES).filter_map(sentence).collect()
}

#[test]
fn narrow_weights_keep_the_embeddings() {
    let Some(file) = shared("data/banking77/train.csv") else { return };
    let budget = MemoryBudget::new(1 << 30);
    let cpu = cpu_encoder();
    let batch: Vec<_> = sentences(&file).iter().map(|s| cpu.encode(s).expect("it tokenizes")).collect();
    assert!(batch.len() > SENTENCES / 2, "{} sentences", batch.len());
    let want = cpu.forward(&batch).expect("it runs");
    let config = BertConfig::load(&model_dir().join("config.json")).expect("the config of the cache loads");
    let weights = Weights::load(&model_dir().join("model.safetensors"), &config, &budget).expect("the weights load");
    let packed = PackedBatch::new(&batch, config.vocab_size);
    for precision in [Precision::F16, Precision::Int8] {
        let Some(gpu) = Gpu::open(true, budget.clone()).expect("an adapter that is there opens") else {
            println!("did not run: no Vulkan, Metal or DX12 adapter (Debian: install mesa-vulkan-drivers)");
            return;
        };
        let before = budget.used_bytes();
        let encoder = GpuEncoder::with_precision(config.clone(), &weights, gpu, precision).expect("it loads");
        let bytes = budget.used_bytes() - before;
        let got = encoder.forward(&packed).expect("it runs");
        let cosines = (0..batch.len()).map(|i| cosine(got.embedding(i), want.embedding(i)));
        let least = cosines.fold(f64::INFINITY, f64::min);
        let pairs = got.embeddings.iter().zip(&want.embeddings);
        let largest = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("{}: least cosine {least:.6}, largest error {largest:.2e}, {bytes} bytes", precision.name());
        // Written so that NaN fails too.
        assert!(least >= COSINE_MIN, "{}: least cosine {least}", precision.name());
    }
}
