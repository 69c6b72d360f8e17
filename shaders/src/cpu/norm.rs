//! Twin of `wgsl/add_layernorm.wgsl`: residual sum, then LayerNorm (Ba et al. 2016).

use crate::cpu::{Threads, math::vectorised};

/// Replaces every row of `x` (`[T, H]`) by LayerNorm(row + row of `residual`).
pub fn add_layernorm(threads: &Threads, x: &mut [f32], residual: &[f32], (scale, shift): (&[f32], &[f32]), eps: f32) {
    let h = scale.len();
    threads.rows(x, h, 64, |first, rows| {
        let residual = &residual[first * h..first * h + rows.len()];
        vectorised(
            #[inline(always)]
            || {
                for (row, residual) in rows.chunks_exact_mut(h).zip(residual.chunks_exact(h)) {
                    row.iter_mut().zip(residual).for_each(|(x, r)| *x += r);
                    layernorm_row(row, scale, shift, eps);
                }
            },
        );
    });
}

/// LayerNorm of one row in place: the variance is taken around the mean, not from the sum of squares.
#[inline(always)]
pub(crate) fn layernorm_row(row: &mut [f32], scale: &[f32], shift: &[f32], eps: f32) {
    let n = row.len() as f32;
    let mean = sum(row, |x| x) / n;
    let variance = sum(row, |x| (x - mean) * (x - mean)) / n;
    let factor = 1.0 / (variance + eps).sqrt();
    for (x, (s, b)) in row.iter_mut().zip(scale.iter().zip(shift)) {
        *x = (*x - mean) * factor * s + b;
    }
}

/// A sum in eight lanes: the order of additions is fixed and the loop still becomes vector instructions.
#[inline(always)]
pub(crate) fn sum(row: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0_f32; 8];
    let chunks = row.chunks_exact(8);
    let rest: f32 = chunks.remainder().iter().map(|x| f(*x)).sum();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += f(*x);
        }
    }
    lanes.iter().sum::<f32>() + rest
}
