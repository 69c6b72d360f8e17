//! Twin of `wgsl/matmul.wgsl`: y = x·W + b, with an optional GELU behind it.

use crate::cpu::{
    Threads,
    gemm::{Finish, Panels, Rows, gemm},
};
use rayon::prelude::*;

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
/// Rows of each thread from which on it is better that all of them read all weights than that results are copied.
const ROWS_MIN: usize = 24;

/// `y` (`[T, N]`) = `x` (`[T, K]`) · `weight` (`[K, N]`) + `bias` (`[N]`), then the epilogue.
///
/// With several threads each makes a run of rows or, where these are few, of columns, so that it reads a part of the weights only;
/// every number is the same whoever makes it. Runs of columns are no runs of memory: they are made in `apart`, which has a place for
/// each thread, and then laid into their own.
pub fn linear(
    threads: &Threads,
    x: &[f32],
    weight: &Panels,
    bias: &[f32],
    epilogue: Epilogue,
    apart: &mut [Vec<f32>],
    y: &mut [f32],
) {
    let (k, n) = (weight.k(), weight.n());
    let t = y.len() / n;
    assert_eq!((x.len(), y.len(), bias.len()), (t * k, t * n, n), "the shapes of a linear layer fit");
    let rows = Rows { data: x, t, stride: k };
    let finish = match epilogue {
        Epilogue::Bias => Finish::Bias(bias),
        Epilogue::BiasGelu => Finish::BiasGelu(bias),
    };
    let parts = threads.count().min(weight.count());
    if parts <= 1 || t * k * n < PARALLEL_MIN {
        gemm(rows, weight, 0..weight.count(), y, n, finish);
        return;
    }
    let run = t.div_ceil(threads.count());
    if run >= ROWS_MIN {
        y.par_chunks_mut(run * n).zip(x.par_chunks(run * k)).for_each(|(y, x)| {
            let rows = Rows { data: x, t: y.len() / n, stride: k };
            gemm(rows, weight, 0..weight.count(), y, n, finish);
        });
        return;
    }
    let panels = |part: usize| weight.count() * part / parts..weight.count() * (part + 1) / parts;
    apart[..parts].par_iter_mut().enumerate().for_each(|(part, made)| {
        let width = weight.columns(panels(part)).len();
        made.resize(t * width, 0.0);
        gemm(rows, weight, panels(part), made, width, finish);
    });
    for (part, made) in apart[..parts].iter().enumerate() {
        let columns = weight.columns(panels(part));
        for (row, made) in y.chunks_exact_mut(n).zip(made.chunks_exact(columns.len())) {
            row[columns.clone()].copy_from_slice(made);
        }
    }
}
