//! Twin of `wgsl/attention.wgsl`: softmax(Q·Kᵀ/√d)·V inside each sequence of a packed batch.

use crate::cpu::{
    Threads,
    gemm::{Finish, Rows, product},
    math::exp_of_negative,
    panels::{Numbers, Right, VECTORS},
};
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// Fewest queries that a thread is worth waking for.
const QUERIES_MIN: usize = 16;

/// Memory that attention works in; kept, it is not allocated again.
#[derive(Debug, Default)]
pub struct AttentionScratch {
    /// `[queries, keys up to a multiple of SUMS]`.
    scores: Vec<f32>,
    /// The keys of one head, transposed into panels.
    keys: Vec<f32>,
    /// The values of one head in panels, where they cannot be read from their place.
    values: Vec<f32>,
}

/// `context` (`[T, H]`) from `qkv` (`[T, 3H]`): each sequence attends only to itself.
///
/// `offsets` are the S + 1 bounds of the sequences, of which the first is where `qkv` begins (Vaswani et al. 2017, section 3.2). Several threads share the queries of a
/// sequence; `scratch` has one place for each.
pub fn attention(
    threads: &Threads,
    qkv: &[f32],
    offsets: &[u32],
    heads: usize,
    scratch: &mut [AttentionScratch],
    context: &mut [f32],
) {
    let begin = offsets.first().map_or(0, |t| *t as usize);
    let tokens = offsets.last().map_or(0, |t| *t as usize) - begin;
    if tokens == 0 {
        return;
    }
    let h = context.len() / tokens;
    for pair in offsets.windows(2) {
        let (first, end) = (pair[0] as usize - begin, pair[1] as usize - begin);
        let (qkv, context) = (&qkv[first * 3 * h..end * 3 * h], &mut context[first * h..end * h]);
        threads.rows_with(context, h, QUERIES_MIN, scratch, |first, context, scratch| {
            let queries = first..first + context.len() / h;
            Arch::new().dispatch(Sequence { qkv, h, heads, queries, scratch, context });
        });
    }
}

/// Some queries of one sequence with all of its keys and values: `qkv` is `[n, 3H]`, `context` `[queries, H]`.
struct Sequence<'a> {
    qkv: &'a [f32],
    h: usize,
    heads: usize,
    queries: Range<usize>,
    scratch: &'a mut AttentionScratch,
    context: &'a mut [f32],
}

impl WithSimd for Sequence<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Sequence { qkv, h, heads, queries, scratch: AttentionScratch { scores, keys, values }, context } = self;
        let (n, d) = (qkv.len() / (3 * h), h / heads);
        let width = VECTORS * S::F32_LANES;
        let scale = 1.0 / (d as f32).sqrt();
        // Whole vectors of scores: what stands behind the keys never wins.
        let row = n.next_multiple_of(SUMS);
        scores.resize(queries.len() * row, 0.0);
        keys.resize(n.div_ceil(width) * d * width, 0.0);
        for head in 0..heads {
            // A head's query, key and value are columns of the packed rows.
            let part = |first: usize| &qkv[first + head * d..];
            transpose(part(h), n, d, 3 * h, width, keys);
            let query = Rows { data: &part(0)[queries.start * 3 * h..], t: queries.len(), stride: 3 * h };
            let right = Right { data: Numbers::F32(keys), k: d, n, panel: d * width, row: width };
            product(simd, query, right, 0..n.div_ceil(width), scores, row, Finish::Replace);
            for row in scores.chunks_exact_mut(row) {
                row[n..].fill(f32::MIN);
                softmax(simd, row, scale);
            }
            let probabilities = Rows { data: scores, t: queries.len(), stride: row };
            let right = match d % width {
                // Where a head is whole panels wide, its values lie as a panel's rows do, only further apart.
                0 => Right { data: Numbers::F32(part(2 * h)), k: n, n: d, panel: width, row: 3 * h },
                _ => {
                    pack(part(2 * h), n, d, 3 * h, width, values);
                    Right { data: Numbers::F32(values), k: n, n: d, panel: n * width, row: width }
                }
            };
            product(simd, probabilities, right, 0..d.div_ceil(width), &mut context[head * d..], h, Finish::Replace);
        }
    }
}

/// The transpose of `n` rows of `d` numbers in panels: `[n / width][d][width]`, zero behind the last row.
#[inline(always)]
fn transpose(rows: &[f32], n: usize, d: usize, stride: usize, width: usize, panels: &mut [f32]) {
    for (p, panel) in panels.chunks_exact_mut(d * width).enumerate() {
        let here = p * width..n.min((p + 1) * width);
        if here.len() < width {
            panel.fill(0.0);
        }
        for (column, i) in here.enumerate() {
            let row = &rows[i * stride..][..d];
            for (target, x) in panel.chunks_exact_mut(width).zip(row) {
                target[column] = *x;
            }
        }
    }
}

/// `n` rows of `d` numbers in panels: `[d / width][n][width]`, zero behind the last column.
#[inline(always)]
fn pack(rows: &[f32], n: usize, d: usize, stride: usize, width: usize, panels: &mut Vec<f32>) {
    panels.clear();
    panels.resize(d.div_ceil(width) * n * width, 0.0);
    for (p, panel) in panels.chunks_exact_mut(n * width).enumerate() {
        let columns = p * width..d.min((p + 1) * width);
        for (i, target) in panel.chunks_exact_mut(width).enumerate() {
            target[..columns.len()].copy_from_slice(&rows[i * stride..][columns.clone()]);
        }
    }
}

/// Numbers that are added up side by side, whatever the width of vectors: so a sum has one order on every processor.
const SUMS: usize = 16;

/// Turns a row of scores, a multiple of [`SUMS`] of them, times `scale`, into probabilities.
#[inline(always)]
fn softmax<S: Simd>(simd: S, row: &mut [f32], scale: f32) {
    let (vectors, _) = S::as_mut_simd_f32s(row);
    let highest = vectors.iter().fold(simd.splat_f32s(f32::MIN), |max, s| simd.max_f32s(max, *s));
    let highest = simd.splat_f32s(simd.reduce_max_f32s(highest));
    let scale = simd.splat_f32s(scale);
    let mut sums = [0.0_f32; SUMS];
    let (side_by_side, _) = S::as_mut_simd_f32s(&mut sums);
    for chunk in vectors.chunks_exact_mut(side_by_side.len()) {
        for (s, sum) in chunk.iter_mut().zip(side_by_side.iter_mut()) {
            *s = exp_of_negative(simd, simd.mul_f32s(simd.sub_f32s(*s, highest), scale));
            *sum = simd.add_f32s(*sum, *s);
        }
    }
    let factor = simd.splat_f32s(1.0 / sums.iter().sum::<f32>());
    let (vectors, _) = S::as_mut_simd_f32s(row);
    vectors.iter_mut().for_each(|s| *s = simd.mul_f32s(*s, factor));
}
