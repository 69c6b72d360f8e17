//! Twin of `wgsl/pool_l2.wgsl`: one vector from a sequence's token states, scaled to length 1.

use crate::cpu::{math::vectorised, norm};
use crate::model::Pooling;

/// `embeddings` (`[S, H]`) from the states `x` (`[T, H]`) of the sequences between `offsets`, of which the first is where `x` begins.
///
/// The mean runs over all tokens, special tokens included, as sentence-transformers has it; the length is at least
/// 10⁻¹² as in `torch.nn.functional.normalize`.
pub fn pool_l2(pooling: Pooling, x: &[f32], offsets: &[u32], embeddings: &mut [f32]) {
    let sequences = offsets.len() - 1;
    if sequences == 0 {
        return;
    }
    let h = embeddings.len() / sequences;
    let row = |offset: u32| (offset - offsets[0]) as usize * h;
    vectorised(
        #[inline(always)]
        || {
            for (pair, out) in offsets.windows(2).zip(embeddings.chunks_exact_mut(h)) {
                let states = &x[row(pair[0])..row(pair[1])];
                match pooling {
                    Pooling::Cls => out.copy_from_slice(&states[..h]),
                    Pooling::Mean => {
                        out.fill(0.0);
                        for row in states.chunks_exact(h) {
                            out.iter_mut().zip(row).for_each(|(o, x)| *o += x);
                        }
                        // Dividing by the count would cancel in the next line, but for the floor of the length.
                        let count = (pair[1] - pair[0]) as f32;
                        out.iter_mut().for_each(|o| *o /= count);
                    }
                }
                let length = norm::sum(out, |x| x * x).sqrt().max(1e-12);
                out.iter_mut().for_each(|o| *o /= length);
            }
        },
    );
}
