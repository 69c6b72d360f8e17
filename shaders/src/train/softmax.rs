//! Multinomial logistic regression over dense numbers and sparse features: what both heads are fitted by.

use crate::{
    cpu::{
        gemm::{Finish, Panels, Rows, gemm},
        math::vectorised,
    },
    heads::{FeatureTable, LinearHead, SparseVector, softmax},
    train::lbfgs::minimise,
};

/// Examples that go through the matrices at once.
const ROWS: usize = 2_048;

/// What to learn from: N rows of D dense numbers and of sparse features, each with a class and a weight.
pub struct Design<'a> {
    /// D.
    pub width: usize,
    /// `[N, D]`.
    pub dense: &'a [f32],
    /// `[N]`.
    pub sparse: &'a [SparseVector],
    /// `[N]`.
    pub targets: Vec<u32>,
    /// `[N]`.
    pub weights: Vec<f32>,
    /// Number of classes C.
    pub classes: usize,
}

/// How strongly weights are pulled to zero (half the factor of their squares), against a loss summed over examples.
#[derive(Debug, Clone, Copy)]
pub struct Penalty {
    /// On weights of dense numbers.
    pub dense: f32,
    /// On weights of features.
    pub sparse: f32,
}

/// Fits a head; `step_done` hears of every iteration.
pub fn fit(
    design: &Design<'_>,
    table: FeatureTable,
    penalty: Penalty,
    iterations_max: usize,
    step_done: impl FnMut(usize),
) -> LinearHead {
    let (d, c) = (design.width, design.classes);
    let rows = Csr::new(design.sparse, &table);
    let mut parameters = vec![0.0_f32; (d + table.len() + 1) * c];
    let mut pass = Pass::new(design, &rows, penalty);
    minimise(&mut parameters, iterations_max, |p, g| pass.loss(p, g), step_done);
    let bias = parameters.split_off((d + table.len()) * c);
    let sparse = parameters.split_off(d * c);
    LinearHead { classes: c, dense: parameters, bias, table, sparse, temperature: 1.0 }
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

/// `[N, d]`, each [`ROWS`] rows transposed.
fn transposed_chunks(dense: &[f32], d: usize) -> Vec<f32> {
    let mut columns = Vec::with_capacity(dense.len());
    for chunk in dense.chunks((ROWS * d).max(1)) {
        (0..d).for_each(|j| columns.extend(chunk.iter().skip(j).step_by(d)));
    }
    columns
}

struct Pass<'a> {
    design: &'a Design<'a>,
    rows: &'a Csr,
    /// The dense numbers again, each chunk of [`ROWS`] examples column by column: `[D, chunk]`.
    columns: Vec<f32>,
    penalty: Penalty,
    /// `[ROWS, C]`: logits, then probabilities less the truth.
    gaps: Vec<f32>,
}

impl<'a> Pass<'a> {
    fn new(design: &'a Design<'a>, rows: &'a Csr, penalty: Penalty) -> Self {
        let columns = transposed_chunks(design.dense, design.width);
        Self { design, rows, columns, penalty, gaps: vec![0.0; ROWS * design.classes] }
    }

    /// The loss and its gradient. Everything runs in one fixed order: the same examples give the same bytes.
    fn loss(&mut self, parameters: &[f32], gradient: &mut [f32]) -> f64 {
        let (d, c) = (self.design.width, self.design.classes);
        let (dense, rest) = parameters.split_at(d * c);
        let (sparse, bias) = rest.split_at(rest.len() - c);
        let mut loss = 0.0;
        for (strength, range) in [(self.penalty.dense, 0..d * c), (self.penalty.sparse, d * c..d * c + sparse.len())] {
            for (g, p) in gradient[range.clone()].iter_mut().zip(&parameters[range]) {
                *g = strength * p;
                loss += 0.5 * f64::from(strength * p * p);
            }
        }
        let (dense_gradient, rest) = gradient.split_at_mut(d * c);
        let (sparse_gradient, bias_gradient) = rest.split_at_mut(sparse.len());
        bias_gradient.fill(0.0);
        let weights = Panels::new(dense, d, c);
        for first in (0..self.design.targets.len()).step_by(ROWS) {
            let count = ROWS.min(self.design.targets.len() - first);
            let x = &self.design.dense[first * d..(first + count) * d];
            let rows = Rows { data: x, t: count, stride: d };
            gemm(rows, &weights, 0..weights.count(), &mut self.gaps, c, Finish::Bias(bias));
            loss += vectorised(
                #[inline(always)]
                || self.chunk(first..first + count, sparse, sparse_gradient, bias_gradient),
            );
            // The transpose of x, times the gaps.
            let columns = Rows { data: &self.columns[first * d..(first + count) * d], t: d, stride: count };
            let gaps = Panels::new(&self.gaps[..count * c], count, c);
            gemm(columns, &gaps, 0..gaps.count(), dense_gradient, c, Finish::Add);
        }
        loss
    }

    /// Turns the dense logits of a chunk into gaps, adds them to the gradients and answers the loss.
    #[inline(always)]
    fn chunk(
        &mut self,
        range: std::ops::Range<usize>,
        sparse: &[f32],
        sparse_gradient: &mut [f32],
        bias_gradient: &mut [f32],
    ) -> f64 {
        let c = self.design.classes;
        let mut loss = 0.0;
        for (i, gaps) in range.zip(self.gaps.chunks_exact_mut(c)) {
            for (row, value) in self.rows.row(i) {
                let weights = &sparse[*row as usize * c..(*row as usize + 1) * c];
                gaps.iter_mut().zip(weights).for_each(|(l, w)| *l += w * value);
            }
            softmax(gaps);
            let (target, weight) = (self.design.targets[i] as usize, self.design.weights[i]);
            loss -= f64::from(weight) * f64::from(gaps[target].max(1e-30)).ln();
            gaps[target] -= 1.0;
            gaps.iter_mut().for_each(|g| *g *= weight);
            for (row, value) in self.rows.row(i) {
                let target = &mut sparse_gradient[*row as usize * c..(*row as usize + 1) * c];
                target.iter_mut().zip(&*gaps).for_each(|(t, g)| *t += g * value);
            }
            bias_gradient.iter_mut().zip(&*gaps).for_each(|(t, g)| *t += g);
        }
        loss
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let dense = [0.5, -1.0, 0.25, 2.0, 1.0, -0.5];
        let sparse = vec![vec![(7, 1.0)], vec![(7, 0.5), (9, 1.0)], vec![(11, 1.0)]];
        let table = FeatureTable::build(sparse.iter(), 1, 8);
        let design = Design {
            width: 2,
            dense: &dense,
            sparse: &sparse,
            targets: vec![0, 1, 2],
            weights: vec![1.0, 2.0, 0.5],
            classes: 3,
        };
        let rows = Csr::new(&sparse, &table);
        let mut pass = Pass::new(&design, &rows, Penalty { dense: 0.1, sparse: 0.2 });
        let at: Vec<f32> = (0..(2 + table.len() + 1) * 3).map(|i| ((i * 7 % 5) as f32 - 2.0) * 0.3).collect();
        let (mut gradient, mut unused) = (vec![0.0; at.len()], vec![0.0; at.len()]);
        pass.loss(&at, &mut gradient);
        for i in 0..at.len() {
            let mut shifted = at.clone();
            shifted[i] += 1e-2;
            let above = pass.loss(&shifted, &mut unused);
            shifted[i] -= 2e-2;
            let slope = (above - pass.loss(&shifted, &mut unused)) / 2e-2;
            assert!((slope - f64::from(gradient[i])).abs() < 2e-3, "parameter {i}: {slope} {}", gradient[i]);
        }
    }
}
