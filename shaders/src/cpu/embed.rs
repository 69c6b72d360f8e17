//! Twin of `wgsl/embed_layernorm.wgsl`: word + position vector, then LayerNorm.

use crate::{
    cpu::{Threads, math::vectorised, norm},
    model::table::Rows,
    packed::Part,
};

/// Fills `x` (`[T, H]`) with the normalised sum of each token's word and position vector.
///
/// `words` is `[vocab, H]`, plain or packed; `positions` `[positions, H]`, scale and shift `[H]`.
pub fn embed_layernorm(
    threads: &Threads,
    batch: Part<'_>,
    words: &impl Rows,
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
                    words.row_into(id, row);
                    let position = &positions[position * h..(position + 1) * h];
                    row.iter_mut().zip(position).for_each(|(x, p)| *x += p);
                    norm::layernorm_row(row, scale, shift, eps);
                }
            },
        );
    });
}
