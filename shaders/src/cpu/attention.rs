//! Twin of `wgsl/attention.wgsl`: softmax(Q·Kᵀ/√d)·V inside each sequence of a packed batch.

use crate::cpu::{
    Threads,
    math::{exp, vectorised},
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
        parts.into_iter().for_each(|(qkv, part)| vectorised(|| sequence(qkv, heads, h, part)));
    } else {
        parts.into_par_iter().for_each(|(qkv, part)| vectorised(|| sequence(qkv, heads, h, part)));
    }
}

/// All heads of one sequence of n tokens: `qkv` is `[n, 3H]`, `context` `[n, H]`.
#[inline(always)]
fn sequence(qkv: &[f32], heads: usize, h: usize, context: &mut [f32]) {
    let n = context.len() / h;
    let d = h / heads;
    let scale = 1.0 / (d as f32).sqrt();
    let mut keys = vec![0.0_f32; d * n];
    let mut scores = vec![0.0_f32; n];
    for head in 0..heads {
        let at = head * d;
        // Keys lie transposed, `[d, n]`: the scores of one query then build up in straight runs over all keys.
        for (j, row) in qkv.chunks_exact(3 * h).enumerate() {
            for (i, key) in row[h + at..h + at + d].iter().enumerate() {
                keys[i * n + j] = *key;
            }
        }
        for (row, out) in qkv.chunks_exact(3 * h).zip(context.chunks_exact_mut(h)) {
            scores.fill(0.0);
            for (q, keys) in row[at..at + d].iter().zip(keys.chunks_exact(n)) {
                let q = q * scale;
                scores.iter_mut().zip(keys).for_each(|(s, k)| *s += q * k);
            }
            let out = &mut out[at..at + d];
            out.fill(0.0);
            let sum = softmax_numerators(&mut scores);
            for (p, row) in scores.iter().zip(qkv.chunks_exact(3 * h)) {
                let value = &row[2 * h + at..2 * h + at + d];
                out.iter_mut().zip(value).for_each(|(o, v)| *o += p * v);
            }
            out.iter_mut().for_each(|o| *o /= sum);
        }
    }
}

/// Replaces scores by e^(score − max) and returns their sum.
#[inline(always)]
fn softmax_numerators(scores: &mut [f32]) -> f32 {
    let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    scores.iter_mut().for_each(|s| *s = exp(*s - max));
    crate::cpu::norm::sum(scores, |x| x)
}
