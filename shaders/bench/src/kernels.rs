//! The matrix products alone, and every kernel of the encoder in a whole pass.

use anyhow::Result;
use results::{Results, Row, median};
use serde_json::json;
use shaders::budget::MemoryBudget;
use shaders::cpu::gemm::{Finish, Panels, Rows, gemm};
use shaders::gpu::sample::{minilm_config, sample_batch, sample_weights};
use shaders::gpu::{Blocks, Gpu, GpuModel, Kernels, Matmul, Precision, Probe, Tuning};
use shaders::model::BertConfig;
use shaders::packed::PackedBatch;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Rows, depth and columns of a product.
type Shape = (usize, usize, usize);
const SHAPES: [Shape; 5] = [(16, 384, 1536), (64, 384, 1536), (64, 1536, 384), (512, 384, 1536), ROOF];
const SMALL: [Shape; 1] = [(16, 64, 64)];
/// The product that says what the device can do.
const ROOF: Shape = (1024, 1024, 1024);
/// Utterances of a pass and tokens of each.
const PASSES: [(usize, usize); 2] = [(32, 16), (32, 64)];

/// The variants, the most special first.
const SPECIAL_FIRST: [Matmul; 6] = [
    Matmul::Cooperative(Blocks::F16x16),
    Matmul::Cooperative(Blocks::F16x8),
    Matmul::Cooperative(Blocks::F32x8),
    Matmul::Subgroup,
    Matmul::Tile,
    Matmul::Plain,
];
/// What takes longer runs only once: a GPU's kernel on a software adapter.
const SLOW: Duration = Duration::from_millis(300);

/// Runs it; the adapter's part is left out where there is none.
pub fn run(rounds: Option<usize>, small: bool) -> Result<Results> {
    let rounds = rounds.unwrap_or(if small { 1 } else { 7 }).max(1);
    let shapes: &[Shape] = if small { &SMALL } else { &SHAPES };
    let mut rows = Vec::new();
    for shape in shapes {
        let name = format!("CPU, 1 thread, {}", shown(*shape));
        rows.push(Row::of_rounds(name, "GF/s", &on_cpu(*shape, rounds, small), &[]));
    }
    let budget = MemoryBudget::new(2 << 30);
    let gpu = Gpu::open(true, budget.clone())?;
    let mut detail = json!({ "adapter": gpu.as_ref().map(|gpu| gpu.name().to_owned()) });
    if let Some(gpu) = &gpu {
        for shape in shapes {
            for (matmul, precision) in family(gpu, *shape) {
                let name = format!("{matmul:?} {}, {}", precision.name(), shown(*shape));
                rows.push(Row::of_rounds(name, "GF/s", &on_gpu(gpu, matmul, precision, *shape, rounds)?, &[]));
            }
        }
        for precision in if small { &[Precision::F32][..] } else { &Precision::ALL } {
            let precision = *precision;
            let layers = if small { 1 } else { 6 };
            let config = BertConfig { num_hidden_layers: layers, ..minilm_config() };
            let tuning = Tuning::measure(gpu, &config, precision)?;
            detail[precision.name()] = serde_json::to_value(&tuning)?;
            let kernels = Arc::new(Kernels::new(gpu, &config, precision, tuning)?);
            let mut model = GpuModel::new(gpu, &budget, kernels, &sample_weights(&config))?;
            for (count, tokens) in if small { &[(2, 4)][..] } else { &PASSES } {
                let batch = sample_batch(&vec![*tokens; *count], config.vocab_size);
                let mut pass =
                    Pass { config: &config, model: &mut model, budget: &budget, batch: &batch, precision, small };
                rows.extend(pass.rows(gpu, rounds)?);
            }
        }
    }
    Ok(Results { rows, detail, ..Results::default() })
}

fn shown((m, k, n): Shape) -> String {
    format!("{m} × {k} × {n}")
}

fn gflops((m, k, n): Shape, times: usize, seconds: f64) -> f64 {
    2.0 * (m * k * n * times) as f64 / seconds / 1e9
}

fn on_cpu(shape: Shape, rounds: usize, small: bool) -> Vec<f64> {
    let (m, k, n) = shape;
    let (x, w, bias) = (vec![0.5; m * k], Panels::new(&vec![0.25; k * n], k, n), vec![0.1; n]);
    let mut out = vec![0.0; m * n];
    let rows = Rows { data: &x, t: m, stride: k };
    // About 10 ms a round at 100 GF/s.
    let times = if small { 1 } else { (500_000_000 / (m * k * n)).max(1) };
    let mut round = || {
        let begun = Instant::now();
        (0..times).for_each(|_| gemm(rows, &w, 0..w.count(), &mut out, n, Finish::Bias(&bias)));
        gflops(shape, times, begun.elapsed().as_secs_f64())
    };
    round();
    (0..rounds).map(|_| round()).collect()
}

/// What runs on the device: every variant in f32, and the most special one in the other precisions.
fn family(gpu: &Gpu, (_, k, n): Shape) -> Vec<(Matmul, Precision)> {
    let can = gpu.abilities();
    let those = |precision| SPECIAL_FIRST.into_iter().filter(move |m| m.suits(&can, precision, k, n));
    let narrow = [Precision::F16, Precision::Int8].into_iter();
    let narrow = narrow.filter_map(|precision| Some((those(precision).next()?, precision)));
    those(Precision::F32).map(|matmul| (matmul, Precision::F32)).chain(narrow).collect()
}

fn on_gpu(gpu: &Gpu, matmul: Matmul, precision: Precision, shape: Shape, rounds: usize) -> Result<Vec<f64>> {
    let (m, k, n) = shape;
    let probe = Probe::matmul(gpu, matmul, precision, shape, false)?;
    let once = probe.run(gpu, 1)?;
    if once > SLOW {
        return Ok(vec![gflops(shape, 1, once.as_secs_f64())]);
    }
    let times = (200_000_000 / (m * k * n)).clamp(1, 50);
    let round = |_| Ok(gflops(shape, times, probe.run(gpu, times)?.as_secs_f64()));
    (0..rounds).map(round).collect()
}

/// The fastest product in f32 of this shape.
fn roof(gpu: &Gpu, shape: Shape) -> Result<Probe> {
    let suits = |m: &Matmul| m.suits(&gpu.abilities(), Precision::F32, shape.1, shape.2);
    let mut best: Option<(Duration, Probe)> = None;
    for matmul in SPECIAL_FIRST.into_iter().filter(suits) {
        let probe = Probe::matmul(gpu, matmul, Precision::F32, shape, false)?;
        let took = probe.run(gpu, 1)?;
        if best.as_ref().is_none_or(|(least, _)| took < *least) {
            best = Some((took, probe));
        }
    }
    Ok(best.expect("the plain one runs everywhere").1)
}

/// A whole pass and its kernels.
struct Pass<'a> {
    config: &'a BertConfig,
    model: &'a mut GpuModel,
    budget: &'a MemoryBudget,
    batch: &'a PackedBatch,
    precision: Precision,
    small: bool,
}

impl Pass<'_> {
    /// The pass against the roof, round by round, then a row for each kernel.
    fn rows(&mut self, gpu: &Gpu, rounds: usize) -> Result<Vec<Row>> {
        let roof_shape = if self.small { SMALL[0] } else { ROOF };
        let roof = roof(gpu, roof_shape)?;
        let (t, s) = (self.batch.tokens(), self.batch.sequences());
        let name = format!("{} of {} tokens, {}", s, t / s, self.precision.name());
        self.model.run(gpu, self.budget, self.batch, None)?;
        let (mut rates, mut shares, mut kernels) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let best = gflops(roof_shape, 1, roof.run(gpu, 1)?.as_secs_f64());
            let begun = Instant::now();
            self.model.run(gpu, self.budget, self.batch, None)?;
            let rate = self.flops() / begun.elapsed().as_secs_f64() / 1e9;
            rates.push(rate);
            shares.push(100.0 * rate / best);
            kernels.extend(self.model.profile(gpu, self.budget, self.batch)?);
        }
        let mut rows = vec![
            Row::of_rounds(format!("encoder, {name}"), "GF/s", &rates, &[]),
            Row::of_rounds(format!("encoder, of the best product, {name}"), "%", &shares, &[]),
        ];
        for (i, (kernel, _, _)) in kernels.first().map_or(&[][..], |k| &k.kernels).iter().enumerate() {
            let (work, unit) = self.work(kernel);
            let rate = |p: &shaders::gpu::Profile| work / p.kernels[i].1.as_secs_f64().max(1e-9) / 1e9;
            let share =
                |p: &shaders::gpu::Profile| 100.0 * p.kernels[i].1.as_secs_f64() / p.total().as_secs_f64().max(1e-9);
            let shares: Vec<f64> = kernels.iter().map(share).collect();
            let label = format!("{kernel} ({:.1} % of a pass), {name}", median(&shares).unwrap_or(0.0));
            rows.push(Row::of_rounds(label, unit, &kernels.iter().map(rate).collect::<Vec<_>>(), &[]));
        }
        Ok(rows)
    }

    /// Operations of products in a pass.
    fn flops(&self) -> f64 {
        ["qkv", "attention", "out", "up", "down"].iter().map(|kernel| self.work(kernel).0).sum()
    }

    /// What a kernel does in a pass: operations of products, or bytes that it reads and writes at the least.
    fn work(&self, kernel: &str) -> (f64, &'static str) {
        let (h, f) = (self.config.hidden_size as f64, self.config.intermediate_size as f64);
        let (t, layers) = (self.batch.tokens() as f64, self.config.num_hidden_layers as f64);
        let squares: f64 = self.batch.offsets.windows(2).map(|o| f64::from(o[1] - o[0]).powi(2)).sum();
        match kernel {
            "qkv" => (layers * 2.0 * t * h * 3.0 * h, "GF/s"),
            "attention" => (layers * 4.0 * squares * h, "GF/s"),
            "out" => (layers * 2.0 * t * h * h, "GF/s"),
            "up" | "down" => (layers * 2.0 * t * h * f, "GF/s"),
            // Two states in, one out, twice a layer.
            "norm" => (layers * 2.0 * 3.0 * 4.0 * t * h, "GB/s"),
            "embed" => (3.0 * 4.0 * t * h, "GB/s"),
            _ => (4.0 * t * h, "GB/s"),
        }
    }
}
