//! Twin of `wgsl/matmul.wgsl`: y = x·W + b, with an optional GELU behind it.

use crate::cpu::{
    Threads,
    gemm::{Finish, PANEL, Panels, Rows, gemm},
};
use rayon::prelude::*;
use std::ops::Range;

/// What happens to a product before it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Epilogue {
    /// Only the bias is added.
    Bias,
    /// The bias is added, then the exact GELU.
    BiasGelu,
}

/// Multiplications below which a hand-over to another thread costs more than it saves.
const PARALLEL_MIN: usize = 1 << 21;

/// `y` (`[T, N]`) = `x` (`[T, K]`) · `weight` (`[K, N]`) + `bias` (`[N]`), then the epilogue.
///
/// With several threads each makes a run of columns; every number is the same whoever makes it.
pub fn linear(threads: &Threads, x: &[f32], weight: &Panels, bias: &[f32], epilogue: Epilogue, y: &mut [f32]) {
    let (k, n) = (weight.k(), weight.n());
    let t = y.len() / n;
    assert_eq!((x.len(), y.len(), bias.len()), (t * k, t * n, n), "the shapes of a linear layer fit");
    let rows = Rows { data: x, t, strides: (k, 1) };
    let finish = match epilogue {
        Epilogue::Bias => Finish::Bias(bias),
        Epilogue::BiasGelu => Finish::BiasGelu(bias),
    };
    let parts = threads.count().min(weight.count());
    if parts <= 1 || t * k * n < PARALLEL_MIN {
        gemm(rows, weight, 0..weight.count(), y, n, finish);
        return;
    }
    // Runs of columns are no runs of memory: each is made apart and then laid into its place.
    let make = |part: usize| -> (Range<usize>, Vec<f32>) {
        let range = weight.count() * part / parts..weight.count() * (part + 1) / parts;
        let columns = range.start * PANEL..n.min(range.end * PANEL);
        let mut out = vec![0.0; t * columns.len()];
        gemm(rows, weight, range, &mut out, columns.len(), finish);
        (columns, out)
    };
    let made: Vec<_> = (0..parts).into_par_iter().map(make).collect();
    for (columns, part) in made {
        for (row, made) in y.chunks_exact_mut(n).zip(part.chunks_exact(columns.len())) {
            row[columns.clone()].copy_from_slice(made);
        }
    }
}
