//! Twin of `wgsl/matmul.wgsl`: y = x·W + b, with an optional GELU behind it.

use crate::cpu::{
    Threads,
    math::{gelu, vectorised},
};
use faer::{Accum, MatMut, MatRef, Par, linalg::matmul::matmul};

/// What happens to a product before it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Epilogue {
    /// Only the bias is added.
    Bias,
    /// The bias is added, then the exact GELU.
    BiasGelu,
}

/// `y` (`[T, N]`) = `x` (`[T, K]`) · `weight` (`[K, N]`) + `bias` (`[N]`), then the epilogue.
pub fn linear(threads: &Threads, x: &[f32], weight: &[f32], bias: &[f32], epilogue: Epilogue, y: &mut [f32]) {
    let n = bias.len();
    let k = weight.len() / n;
    let t = y.len() / n;
    assert_eq!((x.len(), weight.len(), y.len()), (t * k, k * n, t * n), "the shapes of a linear layer fit");
    multiply(threads, x, weight, y, (t, k, n));
    threads.rows(y, n, 32, |_, rows| {
        vectorised(|| {
            for row in rows.chunks_exact_mut(n) {
                match epilogue {
                    Epilogue::Bias => row.iter_mut().zip(bias).for_each(|(y, b)| *y += b),
                    Epilogue::BiasGelu => row.iter_mut().zip(bias).for_each(|(y, b)| *y = gelu(*y + b)),
                }
            }
        });
    });
}

/// `y` (`[t, n]`) = `x` (`[t, k]`) · `w` (`[k, n]`).
fn multiply(threads: &Threads, x: &[f32], w: &[f32], y: &mut [f32], (t, k, n): (usize, usize, usize)) {
    let par = if threads.count() == 1 { Par::Seq } else { Par::rayon(threads.count()) };
    matmul(
        MatMut::from_row_major_slice_mut(y, t, n),
        Accum::Replace,
        MatRef::from_row_major_slice(x, t, k),
        MatRef::from_row_major_slice(w, k, n),
        1.0,
        par,
    );
}
