//! The matrix products alone, in GF/s: two operations for each product of two numbers.

use anyhow::Result;
use results::{Results, Row};
use serde_json::json;
use shaders::budget::MemoryBudget;
use shaders::cpu::gemm::{Finish, Panels, Rows, gemm};
use shaders::gpu::{Gpu, MatmulProbe};
use std::time::Instant;

/// Rows, depth and columns of a product.
type Shape = (usize, usize, usize);
const SHAPES: [Shape; 5] = [(16, 384, 1536), (64, 384, 1536), (64, 1536, 384), (512, 384, 1536), (1024, 1024, 1024)];
const SMALL: [Shape; 1] = [(16, 64, 64)];
/// Kernels of the matrix product.
const FAMILY: [&str; 2] = ["matmul", "matmul_subgroup"];

/// Runs it; the adapter's part is left out where there is none.
pub fn run(rounds: Option<usize>, small: bool) -> Result<Results> {
    let rounds = rounds.unwrap_or(if small { 1 } else { 7 }).max(1);
    let shapes: &[Shape] = if small { &SMALL } else { &SHAPES };
    let mut rows = Vec::new();
    for shape in shapes {
        let name = format!("CPU, 1 thread, {}", shown(*shape));
        rows.push(Row::of_rounds(name, "GF/s", &on_cpu(*shape, rounds, small), &[]));
    }
    let gpu = Gpu::open(true, MemoryBudget::new(1 << 30))?;
    for shape in shapes {
        let Some(gpu) = &gpu else { break };
        for kernel in FAMILY {
            if kernel == "matmul_subgroup" && gpu.subgroup_lanes() != Some(8) {
                continue;
            }
            let name = format!("{kernel}, {}", shown(*shape));
            rows.push(Row::of_rounds(name, "GF/s", &on_gpu(gpu, kernel, *shape, rounds)?, &[]));
        }
    }
    let adapter = gpu.as_ref().map(|gpu| gpu.name().to_owned());
    Ok(Results { rows, detail: json!({ "adapter": adapter }), ..Results::default() })
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

fn on_gpu(gpu: &Gpu, name: &str, shape: Shape, rounds: usize) -> Result<Vec<f64>> {
    let (m, k, n) = shape;
    let probe = MatmulProbe::new(gpu, name, (u32::try_from(m)?, u32::try_from(k)?, u32::try_from(n)?))?;
    let times = (200_000_000 / (m * k * n)).clamp(1, 50);
    let round = |_| Ok(gflops(shape, times, probe.run(gpu, times)?.as_secs_f64()));
    (0..rounds).map(round).collect()
}
