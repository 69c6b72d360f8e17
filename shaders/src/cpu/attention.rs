//! Twin of `wgsl/attention.wgsl`: softmax(Q·Kᵀ/√d)·V inside each sequence of a packed batch.

use crate::cpu::{
    Threads,
    gemm::{Finish, Panels, Rows, gemm},
    math::{exp, vectorised},
    norm::sum,
};
use rayon::prelude::*;

/// `context` (`[T, H]`) from `qkv` (`[T, 3H]`): each sequence attends only to itself.
///
/// `offsets` are the S + 1 bounds of the sequences (Vaswani et al. 2017, section 3.2).
pub fn attention(threads: &Threads, qkv: &[f32], offsets: &[u32], heads: usize, context: &mut [f32]) {
    let tokens = offsets.last().map_or(0, |t| *t as usize);
    if tokens == 0 {
        return;
    }
    let h = context.len() / tokens;
    let mut parts = Vec::with_capacity(offsets.len());
    let mut rest = context;
    for pair in offsets.windows(2) {
        let (part, behind) = rest.split_at_mut((pair[1] - pair[0]) as usize * h);
        parts.push((&qkv[pair[0] as usize * 3 * h..pair[1] as usize * 3 * h], part));
        rest = behind;
    }
    if threads.count() == 1 || parts.len() == 1 {
        parts.into_iter().for_each(|(qkv, part)| sequence(qkv, heads, h, part));
    } else {
        parts.into_par_iter().for_each(|(qkv, part)| sequence(qkv, heads, h, part));
    }
}

/// All heads of one sequence of n tokens: `qkv` is `[n, 3H]`, `context` `[n, H]`.
fn sequence(qkv: &[f32], heads: usize, h: usize, context: &mut [f32]) {
    let n = context.len() / h;
    let d = h / heads;
    let scale = 1.0 / (d as f32).sqrt();
    let mut scores = vec![0.0_f32; n * n];
    let (mut keys, mut values) = (Panels::default(), Panels::default());
    for head in 0..heads {
        // A head's query, key and value are columns of the packed rows.
        let part = |first: usize| &qkv[first + head * d..];
        let query = Rows { data: part(0), t: n, strides: (3 * h, 1) };
        keys.pack(part(h), (d, n), (1, 3 * h));
        gemm(query, &keys, 0..keys.count(), &mut scores, n, Finish::Replace);
        vectorised(
            #[inline(always)]
            || scores.chunks_exact_mut(n).for_each(|row| softmax(row, scale)),
        );
        values.pack(part(2 * h), (n, d), (3 * h, 1));
        let probabilities = Rows { data: &scores, t: n, strides: (n, 1) };
        gemm(probabilities, &values, 0..values.count(), &mut context[head * d..], h, Finish::Replace);
    }
}

/// Turns the scores of one row, times `scale`, into probabilities.
#[inline(always)]
fn softmax(row: &mut [f32], scale: f32) {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter_mut().for_each(|s| *s = exp((*s - max) * scale));
    let factor = 1.0 / sum(row, |x| x);
    row.iter_mut().for_each(|s| *s *= factor);
}
