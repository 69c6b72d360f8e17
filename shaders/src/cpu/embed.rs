//! Twin of `wgsl/embed_layernorm.wgsl`: word + position vector, then LayerNorm.

use crate::{
    cpu::{Threads, math::vectorised, norm},
    packed::PackedBatch,
};

/// Fills `x` (`[T, H]`) with the normalised sum of each token's word and position vector.
///
/// `words` is `[vocab, H]`, `positions` `[positions, H]`, scale and shift `[H]`.
pub fn embed_layernorm(
    threads: &Threads,
    batch: &PackedBatch,
    words: &[f32],
    positions: &[f32],
    (scale, shift): (&[f32], &[f32]),
    eps: f32,
    x: &mut [f32],
) {
    let h = scale.len();
    threads.rows(x, h, 64, |first, rows| {
        vectorised(
            #[inline(always)]
            || {
                for (i, row) in rows.chunks_exact_mut(h).enumerate() {
                    let (id, position) = (batch.ids[first + i] as usize, batch.positions[first + i] as usize);
                    let word = &words[id * h..(id + 1) * h];
                    let position = &positions[position * h..(position + 1) * h];
                    row.iter_mut().zip(word.iter().zip(position)).for_each(|(x, (w, p))| *x = w + p);
                    norm::layernorm_row(row, scale, shift, eps);
                }
            },
        );
    });
}
