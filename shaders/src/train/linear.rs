//! A linear layer over dense numbers and sparse features, fitted to whatever loss is asked of its logits.

use crate::{
    cpu::gemm::{Finish, Panels, Rows, gemm},
    heads::{FeatureTable, LinearHead, SparseVector},
    train::lbfgs::minimise,
};
use std::ops::Range;

/// Examples that go through the matrices at once, less what a whole group of them leaves over.
const ROWS: usize = 2_048;

/// What to learn from: N rows of D dense numbers and of sparse features.
pub struct Design<'a> {
    /// D.
    pub width: usize,
    /// `[N, D]`.
    pub dense: &'a [f32],
    /// `[N]`.
    pub sparse: &'a [SparseVector],
    /// Number of classes C.
    pub classes: usize,
}

/// How strongly weights are pulled to zero (half the factor of their squares), against a loss summed over examples.
#[derive(Debug, Clone, Copy)]
pub struct Penalty {
    /// On weights of dense numbers.
    pub dense: f32,
    /// On weights of features, and on what the loss has of its own.
    pub sparse: f32,
}

/// What is to become small.
pub trait Loss {
    /// Parameters of its own, beside the layer's.
    fn own(&self) -> usize {
        0
    }

    /// The first row that must not go through the matrices together with `first`: at most `most` rows on, where that may be.
    fn chunk(&self, first: usize, most: usize) -> usize;

    /// Turns the logits of rows (`[rows, C]`) into the slope of the loss by them, adds the slope by its own parameters to
    /// `own_slope`, and answers the loss. Everything runs in one fixed order: the same examples give the same bytes.
    fn slope(&mut self, rows: Range<usize>, logits: &mut [f32], own: &[f32], own_slope: &mut [f32]) -> f64;
}

/// What a fit found: the layer's parameters, and the loss's own behind them.
pub struct Fitted {
    /// The layer.
    pub head: LinearHead,
    /// Parameters of the loss.
    pub own: Vec<f32>,
}

/// Fits a head from `start`, or from nothing; `step_done` hears of every iteration.
pub fn fit(
    design: &Design<'_>,
    table: FeatureTable,
    loss: &mut impl Loss,
    penalty: Penalty,
    iterations_max: usize,
    start: Option<&LinearHead>,
    step_done: impl FnMut(usize),
) -> Fitted {
    let (d, c) = (design.width, design.classes);
    let rows = Csr::new(design.sparse, &table);
    let mut parameters = match start {
        Some(head) => [&head.dense[..], &head.sparse, &head.bias].concat(),
        None => vec![0.0; (d + table.len() + 1) * c],
    };
    parameters.resize(parameters.len() + loss.own(), 0.0);
    let mut pass = Pass::new(design, &rows, loss, penalty);
    minimise(&mut parameters, iterations_max, |p, g| pass.run(p, g), step_done);
    let own = parameters.split_off((d + table.len() + 1) * c);
    let bias = parameters.split_off((d + table.len()) * c);
    let sparse = parameters.split_off(d * c);
    Fitted { head: LinearHead { classes: c, dense: parameters, bias, table, sparse, temperature: 1.0 }, own }
}

/// The known features of all rows, end to end.
struct Csr {
    starts: Vec<usize>,
    entries: Vec<(u32, f32)>,
}

impl Csr {
    fn new(vectors: &[SparseVector], table: &FeatureTable) -> Self {
        let mut csr = Self { starts: vec![0], entries: Vec::new() };
        for vector in vectors {
            csr.entries.extend(table.rows(vector).map(|(row, value)| (row as u32, value)));
            csr.starts.push(csr.entries.len());
        }
        csr
    }

    fn row(&self, i: usize) -> &[(u32, f32)] {
        &self.entries[self.starts[i]..self.starts[i + 1]]
    }
}

struct Pass<'a, L> {
    design: &'a Design<'a>,
    rows: &'a Csr,
    loss: &'a mut L,
    chunks: Vec<Range<usize>>,
    /// The dense numbers again, each chunk column by column: `[D, chunk]`.
    columns: Vec<f32>,
    penalty: Penalty,
    /// `[chunk, C]`: logits, then the slope by them.
    gaps: Vec<f32>,
}

impl<'a, L: Loss> Pass<'a, L> {
    fn new(design: &'a Design<'a>, rows: &'a Csr, loss: &'a mut L, penalty: Penalty) -> Self {
        let d = design.width;
        let (mut chunks, mut columns) = (Vec::new(), Vec::with_capacity(design.dense.len()));
        let mut first = 0;
        while first < design.sparse.len() {
            let chunk = first..loss.chunk(first, ROWS);
            let dense = &design.dense[chunk.start * d..chunk.end * d];
            (0..d).for_each(|j| columns.extend(dense.iter().skip(j).step_by(d)));
            first = chunk.end;
            chunks.push(chunk);
        }
        let most = chunks.iter().map(Range::len).max().unwrap_or(0);
        Self { design, rows, loss, chunks, columns, penalty, gaps: vec![0.0; most * design.classes] }
    }

    /// The loss and its gradient.
    fn run(&mut self, parameters: &[f32], gradient: &mut [f32]) -> f64 {
        let (d, c) = (self.design.width, self.design.classes);
        let own = parameters.len() - self.loss.own();
        let (dense, rest) = parameters.split_at(d * c);
        let (sparse, rest) = rest.split_at(own - d * c - c);
        let (bias, own) = rest.split_at(c);
        let mut loss = 0.0;
        let (dense_slope, rest) = gradient.split_at_mut(d * c);
        let (sparse_slope, rest) = rest.split_at_mut(sparse.len());
        let (bias_slope, own_slope) = rest.split_at_mut(c);
        let Penalty { dense: on_dense, sparse: on_sparse } = self.penalty;
        for (strength, weights, slope) in [
            (on_dense, dense, &mut *dense_slope),
            (on_sparse, sparse, &mut *sparse_slope),
            (on_sparse, own, &mut *own_slope),
        ] {
            for (g, p) in slope.iter_mut().zip(weights) {
                *g = strength * p;
                loss += 0.5 * f64::from(strength * p * p);
            }
        }
        bias_slope.fill(0.0);
        let weights = Panels::new(dense, d, c);
        for chunk in &self.chunks {
            let count = chunk.len();
            let x = Rows { data: &self.design.dense[chunk.start * d..chunk.end * d], t: count, stride: d };
            let gaps = &mut self.gaps[..count * c];
            if d > 0 {
                gemm(x, &weights, 0..weights.count(), gaps, c, Finish::Bias(bias));
            } else {
                gaps.chunks_exact_mut(c).for_each(|row| row.copy_from_slice(bias));
            }
            for (i, logits) in chunk.clone().zip(gaps.chunks_exact_mut(c)) {
                for (row, value) in self.rows.row(i) {
                    let weights = &sparse[*row as usize * c..(*row as usize + 1) * c];
                    logits.iter_mut().zip(weights).for_each(|(l, w)| *l += w * value);
                }
            }
            loss += self.loss.slope(chunk.clone(), gaps, own, own_slope);
            for (i, gaps) in chunk.clone().zip(gaps.chunks_exact(c)) {
                for (row, value) in self.rows.row(i) {
                    let slope = &mut sparse_slope[*row as usize * c..(*row as usize + 1) * c];
                    slope.iter_mut().zip(gaps).for_each(|(s, g)| *s += g * value);
                }
                bias_slope.iter_mut().zip(gaps).for_each(|(s, g)| *s += g);
            }
            if d == 0 {
                continue;
            }
            // The transpose of x, times the gaps.
            let columns = Rows { data: &self.columns[chunk.start * d..chunk.end * d], t: d, stride: count };
            let gaps = Panels::new(gaps, count, c);
            gemm(columns, &gaps, 0..gaps.count(), dense_slope, c, Finish::Add);
        }
        loss
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Holds the gradient of a loss over a small design of six rows against its slope, in every parameter.
    pub fn check_gradient(loss: &mut impl Loss, classes: usize) {
        let dense = [0.5, -1.0, 0.25, 2.0, 1.0, -0.5, 0.75, 0.1, -0.3, 0.9, 1.5, -2.0];
        let sparse: Vec<SparseVector> =
            vec![vec![(7, 1.0)], vec![(7, 0.5), (9, 1.0)], vec![(11, 1.0)], vec![], vec![(9, 2.0)], vec![(11, 0.5)]];
        let table = FeatureTable::build(sparse.iter(), 1, 8);
        let design = Design { width: 2, dense: &dense, sparse: &sparse, classes };
        let rows = Csr::new(&sparse, &table);
        let count = (2 + table.len() + 1) * classes + loss.own();
        let at: Vec<f32> = (0..count).map(|i| ((i * 7 % 5) as f32 - 2.0) * 0.3).collect();
        let mut pass = Pass::new(&design, &rows, loss, Penalty { dense: 0.1, sparse: 0.2 });
        let (mut gradient, mut unused) = (vec![0.0; at.len()], vec![0.0; at.len()]);
        pass.run(&at, &mut gradient);
        for i in 0..at.len() {
            let mut shifted = at.clone();
            shifted[i] += 1e-2;
            let above = pass.run(&shifted, &mut unused);
            shifted[i] -= 2e-2;
            let slope = (above - pass.run(&shifted, &mut unused)) / 2e-2;
            assert!((slope - f64::from(gradient[i])).abs() < 2e-3, "parameter {i}: {slope} {}", gradient[i]);
        }
    }
}
