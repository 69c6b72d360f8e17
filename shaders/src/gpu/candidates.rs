//! Every variant of a kernel on this device: is it right, and how fast is it with a model's sizes?

use crate::{
    cpu::{Threads, attention, gemm::Panels, matmul, norm},
    gpu::{
        Attention, Gpu, GpuError, Matmul, Precision, Probe, Rows,
        sample::{numbers, sample_batch},
        stored::Stored,
        tuning::{Fastest, Measured, fastest},
    },
    model::BertConfig,
};
use std::{fmt::Debug, time::Duration};

/// Rows of the products that are timed: a short batch and a full one.
const ROWS: [usize; 2] = [32, 128];
/// Largest difference from the twin for sums of so many products of numbers up to 1; with the square root of their count it grows.
const ERROR_MAX: f32 = 1e-2;
const ERROR_PRODUCTS: f32 = 384.0;
/// A candidate that is so many times slower than the best so far is given up.
const SLOWER_MAX: f64 = 6.0;
/// Rounds of each measurement, and how long one takes.
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_millis(2);

/// The fastest right product of this model's widest matrices.
pub fn matmul(gpu: &Gpu, config: &BertConfig, precision: Precision) -> Result<Option<Fastest<Matmul>>, GpuError> {
    let (h, f) = (config.hidden_size, config.intermediate_size);
    let can = gpu.abilities();
    let suits = |v: &Matmul| v.suits(&can, precision, h, f) && v.suits(&can, precision, f, h);
    let probe = |v, size: usize| Probe::matmul(gpu, v, precision, [(ROWS[0], h, f), (ROWS[1], f, h)][size], size == 0);
    let (x, w, bias) = (numbers(ROWS[0] * h, 1), numbers(h * f, 2), numbers(f, 3));
    let w = Panels::new(&Stored::rounded(precision, &w, f), h, f);
    let mut want = vec![0.0; ROWS[0] * f];
    matmul::linear(&Threads::one(), &x, &w, &bias, matmul::Epilogue::BiasGelu, &mut [], &mut want);
    let error_max = ERROR_MAX * (h as f32 / ERROR_PRODUCTS).sqrt().max(1.0);
    choose(gpu, "matrix product", Matmul::ALL.into_iter().filter(suits), (&want, error_max), 2, probe)
}

/// The fastest right attention for this model's heads.
pub fn attention(gpu: &Gpu, config: &BertConfig) -> Result<Option<Fastest<Attention>>, GpuError> {
    let (h, heads) = (config.hidden_size, config.num_attention_heads);
    let can = gpu.abilities();
    let suits = |v: &Attention| v.suits(&can, config.head_size());
    let lengths: [&[usize]; 2] = [&[1, 16, 5, 12], &[64, 64]];
    let probe = |v, size: usize| Probe::attention(gpu, v, h, heads, lengths[size]);
    let batch = sample_batch(lengths[0], 2);
    let mut want = vec![0.0; batch.tokens() * h];
    let qkv = numbers(batch.tokens() * 3 * h, 5);
    let mut scratch = [attention::AttentionScratch::default()];
    attention::attention(&Threads::one(), &qkv, &batch.offsets, heads, &mut scratch, &mut want);
    choose(gpu, "attention", Attention::ALL.into_iter().filter(suits), (&want, ERROR_MAX), lengths.len(), probe)
}

/// The fastest right LayerNorm; what is best for it is best for the other kernels of rows.
pub fn rows(gpu: &Gpu, config: &BertConfig) -> Result<Option<Fastest<Rows>>, GpuError> {
    let h = config.hidden_size;
    let can = gpu.abilities();
    let suits = |v: &Rows| v.suits(&can);
    let probe = |v, size: usize| Probe::add_norm(gpu, v, ROWS[size], h);
    let (mut want, residual, norms) = (vec![0.0; ROWS[0] * h], numbers(ROWS[0] * h, 6), numbers(2 * h, 7));
    norm::add_layernorm(&Threads::one(), &mut want, &residual, norms.split_at(h), 1e-12);
    choose(gpu, "LayerNorm", Rows::ALL.into_iter().filter(suits), (&want, ERROR_MAX), ROWS.len(), probe)
}

/// Checks each candidate at its first size against `want`, times the right ones at all sizes, and takes the fastest.
fn choose<V: Copy + Debug>(
    gpu: &Gpu,
    what: &str,
    candidates: impl Iterator<Item = V>,
    (want, error_max): (&[f32], f32),
    sizes: usize,
    probe: impl Fn(V, usize) -> Result<Probe, GpuError>,
) -> Result<Option<Fastest<V>>, GpuError> {
    let mut measured: Vec<Measured<V>> = Vec::new();
    for variant in candidates {
        let first = match probe(variant, 0).and_then(|probe| Ok((probe.result(gpu)?, probe))) {
            Ok(first) => first,
            // A driver that cannot compile one variant may compile the next; a lost device runs none.
            Err(error) => {
                gpu.check()?;
                tracing::warn!(%error, ?variant, "this device does not run a {what}: it is not used");
                continue;
            }
        };
        let error = largest_difference(&first.0, want);
        let mut m = Measured { variant, error, seconds: Vec::new() };
        // Written so that NaN is wrong too.
        if error <= error_max {
            m.seconds = time(gpu, first.1, sizes, |size| probe(variant, size), &measured)?;
        } else {
            tracing::warn!(error, ?variant, device = gpu.name(), "a {what} computes wrong numbers: it is not used");
        }
        tracing::debug!(?m, "{what}");
        measured.push(m);
    }
    Ok(fastest(&measured, sizes))
}

/// Seconds at each size, until it is much slower than another.
fn time<V>(
    gpu: &Gpu,
    first: Probe,
    sizes: usize,
    probe: impl Fn(usize) -> Result<Probe, GpuError>,
    others: &[Measured<V>],
) -> Result<Vec<f64>, GpuError> {
    let mut seconds = Vec::new();
    let mut next = Some(first);
    for size in 0..sizes {
        let probe = next.take().map_or_else(|| probe(size), Ok)?;
        let best = others.iter().filter_map(|o| o.seconds.get(size)).copied().fold(f64::INFINITY, f64::min);
        let once = probe.run(gpu, 1)?.as_secs_f64();
        if once > SLOWER_MAX * best {
            break;
        }
        seconds.push(probe.least(gpu, ROUNDS, ROUND)?.as_secs_f64());
    }
    Ok(seconds)
}

fn largest_difference(got: &[f32], want: &[f32]) -> f32 {
    let difference = |(g, w): (&f32, &f32)| (g - w).abs();
    // NaN is larger than everything.
    got.iter().zip(want).map(difference).fold(0.0, |a, b| if b > a || b.is_nan() { b } else { a })
}
