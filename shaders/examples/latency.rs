//! Latency and throughput of the encoder: `cargo run --release -p tertulia-shaders --example latency -- MODEL_FOLDER [cpu|gpu]`.

use cluster_config::{Device, InferenceOptions};
use dialogue::EncodedUtterance;
use std::time::Instant;
use tertulia_shaders::Encoder;

fn utterance(tokens: usize) -> EncodedUtterance {
    let ids = std::iter::once(101).chain((0..tokens - 2).map(|i| 2000 + 37 * i as u32)).chain([102]);
    EncodedUtterance { text: String::new(), token_ids: ids.collect(), offsets: vec![(0, 0); tokens] }
}

/// Median and 99th percentile in milliseconds.
fn measure(encoder: &Encoder, batch: &[EncodedUtterance], rounds: usize) -> (f64, f64) {
    let mut times: Vec<f64> = (0..rounds + rounds / 10 + 1)
        .map(|_| {
            let start = Instant::now();
            let hidden = encoder.forward(batch).expect("the batch runs");
            assert_eq!(hidden.len(), batch.len());
            start.elapsed().as_secs_f64() * 1e3
        })
        .skip(rounds / 10 + 1)
        .collect();
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

fn main() {
    let mut args = std::env::args().skip(1);
    let dir = args.next().expect("the first argument is the model's folder");
    let device = if args.next().as_deref() == Some("gpu") { Device::Gpu } else { Device::Cpu };
    let threads: &[usize] = if device == Device::Cpu { &[1, 2] } else { &[1] };
    for threads in threads {
        let options = InferenceOptions { device, cpu_threads: *threads, ..InferenceOptions::default() };
        let encoder = Encoder::load(dir.as_ref(), &options).expect("the model loads");
        println!("{}", encoder.describe());
        let rounds = if device == Device::Cpu { 300 } else { 20 };
        for (count, tokens) in [(1, 8), (1, 16), (1, 64), (32, 16), (32, 64)] {
            let batch = vec![utterance(tokens); count];
            let (p50, p99) = measure(&encoder, &batch, if count > 1 { rounds / 5 } else { rounds });
            println!(
                "  {count:>3} x {tokens:>3} tokens: P50 {p50:8.3} ms, P99 {p99:8.3} ms, {:8.0}/s",
                count as f64 / p50 * 1e3
            );
        }
    }
}
