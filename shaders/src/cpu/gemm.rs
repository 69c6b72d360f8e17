//! Products of matrices in f32: packed panels, one tile in registers, safe Rust.
//!
//! Own code for three reasons: weights are packed once at load and never again; a product's sums run in one order
//! whatever the number of threads and the width of vectors, so results are the same to the bit; and faer 0.24.4, which
//! stood here before, writes outside of its destination for small row-major products (seen with m = n = 10, k = 32: 220
//! floats behind the end).

use crate::cpu::math::gelu;
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// Vectors in a row of a panel.
pub(super) const VECTORS: usize = 2;
/// Numbers of the left matrix that stay in the second-level cache while all panels pass by.
const ROWS_NUMBERS: usize = 1 << 16;

/// A matrix `[k, n]` in panels of two vectors' columns, `[n / width][k][width]`, the last one filled up with zeros.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Panels {
    k: usize,
    n: usize,
    width: usize,
    data: Vec<f32>,
}

impl Panels {
    /// Packs a row-major matrix `[k, n]`.
    pub fn new(matrix: &[f32], k: usize, n: usize) -> Self {
        let mut panels = Self::default();
        panels.pack(matrix, (k, n), (n, 1));
        panels
    }

    /// Packs the matrix whose entry (i, j) is `source[i * strides.0 + j * strides.1]`, in the memory held already.
    pub fn pack(&mut self, source: &[f32], (k, n): (usize, usize), strides: (usize, usize)) {
        let width = panel_width();
        (self.k, self.n, self.width) = (k, n, width);
        self.data.clear();
        self.data.resize(n.div_ceil(width) * k * width, 0.0);
        for (p, panel) in self.data.chunks_exact_mut((k * width).max(1)).enumerate() {
            let columns = p * width..n.min((p + 1) * width);
            for (i, row) in panel.chunks_exact_mut(width).enumerate() {
                for (target, j) in row.iter_mut().zip(columns.clone()) {
                    *target = source[i * strides.0 + j * strides.1];
                }
            }
        }
    }

    /// Rows k.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Columns n.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Number of panels.
    pub fn count(&self) -> usize {
        self.n.div_ceil(self.width.max(1))
    }

    /// The columns of a run of panels.
    pub fn columns(&self, panels: Range<usize>) -> Range<usize> {
        panels.start * self.width..self.n.min(panels.end * self.width)
    }
}

/// Columns of a panel on this processor.
fn panel_width() -> usize {
    struct Width;
    impl WithSimd for Width {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            VECTORS * S::F32_LANES
        }
    }
    Arch::new().dispatch(Width)
}

/// What happens to a sum before it is stored.
#[derive(Debug, Clone, Copy)]
pub enum Finish<'a> {
    /// It replaces what stands there.
    Replace,
    /// It is added to what stands there.
    Add,
    /// A bias for each column is added and the sum replaces what stands there.
    Bias(&'a [f32]),
    /// The same, and the exact GELU of it.
    BiasGelu(&'a [f32]),
}

/// Rows of the left matrix: `t` rows, whose entry (i, j) is `data[i * stride + j]`.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// The numbers.
    pub data: &'a [f32],
    /// Number of rows.
    pub t: usize,
    /// Distance of rows.
    pub stride: usize,
}

/// `out` = `rows` · the panels of `range`; `out`'s first column is the first of the range, its rows are `width` apart.
pub fn gemm(rows: Rows<'_>, panels: &Panels, range: Range<usize>, out: &mut [f32], width: usize, finish: Finish<'_>) {
    let at_once = (ROWS_NUMBERS / panels.k.max(1)).max(8);
    for first in (0..rows.t).step_by(at_once) {
        let rows = Rows { data: &rows.data[first * rows.stride..], t: at_once.min(rows.t - first), ..rows };
        Arch::new().dispatch(Product {
            rows,
            panels,
            range: range.clone(),
            out: &mut out[first * width..],
            width,
            finish,
        });
    }
}

/// One product, for vectors of any width.
struct Product<'a> {
    rows: Rows<'a>,
    panels: &'a Panels,
    range: Range<usize>,
    out: &'a mut [f32],
    width: usize,
    finish: Finish<'a>,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Product { rows, panels, range, out, width, finish } = self;
        let columns = VECTORS * S::F32_LANES;
        assert_eq!(panels.width, columns, "panels are packed by the processor that reads them");
        let right = Right { data: &panels.data, k: panels.k, n: panels.n, panel: panels.k * columns, row: columns };
        product(simd, rows, right, range, out, width, finish);
    }
}

/// A right matrix `[k, n]`: its entry (i, j) is `data[j / width * panel + i * row + j % width]`, for panels of `width` columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Right<'a> {
    pub(super) data: &'a [f32],
    pub(super) k: usize,
    pub(super) n: usize,
    /// Distance of panels.
    pub(super) panel: usize,
    /// Distance of rows.
    pub(super) row: usize,
}

/// [`gemm`] inside of code that is compiled for `S` already.
#[inline(always)]
pub(super) fn product<S: Simd>(
    simd: S,
    Rows { data, t, stride }: Rows<'_>,
    right: Right<'_>,
    range: Range<usize>,
    out: &mut [f32],
    width: usize,
    finish: Finish<'_>,
) {
    // With two vectors a row: 16 sums of 32 registers, or 12 of 16.
    let height_max = if S::REGISTER_COUNT >= 32 { 8 } else { 6 };
    let panel_width = VECTORS * S::F32_LANES;
    // Their heights differ by one at most, for flat tiles waste time.
    let tiles = t.div_ceil(height_max);
    for p in range.clone() {
        let columns = p * panel_width..right.n.min((p + 1) * panel_width);
        let at = columns.start - range.start * panel_width;
        let panel = &right.data[p * right.panel..];
        for tile in 0..tiles {
            let (first, end) = (t * tile / tiles, t * (tile + 1) / tiles);
            let (x, out) = (&data[first * stride..], &mut out[first * width + at..]);
            let tile = Tile { x, stride, panel, row: right.row, k: right.k, columns: columns.clone(), finish };
            match end - first {
                8 => tile.run::<S, 8>(simd, out, width),
                7 => tile.run::<S, 7>(simd, out, width),
                6 => tile.run::<S, 6>(simd, out, width),
                5 => tile.run::<S, 5>(simd, out, width),
                4 => tile.run::<S, 4>(simd, out, width),
                3 => tile.run::<S, 3>(simd, out, width),
                2 => tile.run::<S, 2>(simd, out, width),
                1 => tile.run::<S, 1>(simd, out, width),
                height => unreachable!("a tile has 1 to {height_max} rows, not {height}"),
            }
        }
    }
}

/// Adds `x[r][j] * w` to the sums of row `r`. Indices and no iterators: those are not always inlined here, and a call costs
/// more than the sums.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "see above")]
fn add_products<S: Simd, const R: usize>(
    simd: S,
    sums: &mut [[S::f32s; VECTORS]; R],
    x: &[&[f32]; R],
    j: usize,
    w: &[S::f32s; VECTORS],
) {
    for r in 0..R {
        let x = simd.splat_f32s(x[r][j]);
        for v in 0..VECTORS {
            sums[r][v] = simd.mul_add_f32s(x, w[v], sums[r][v]);
        }
    }
}

/// Some rows by the columns of one panel.
struct Tile<'a> {
    x: &'a [f32],
    stride: usize,
    panel: &'a [f32],
    /// Distance of the panel's rows.
    row: usize,
    k: usize,
    columns: Range<usize>,
    finish: Finish<'a>,
}

impl Tile<'_> {
    /// `R` rows; the sums stay in registers for the whole of k.
    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, simd: S, out: &mut [f32], width: usize) {
        let x: [&[f32]; R] = std::array::from_fn(|r| &self.x[r * self.stride..][..self.k]);
        let mut sums = [[simd.splat_f32s(0.0); VECTORS]; R];
        let panel_width = VECTORS * S::F32_LANES;
        if self.row == panel_width {
            // End to end, as packed panels are: no row's place is checked by itself.
            let (vectors, _) = S::as_simd_f32s(&self.panel[..self.k * panel_width]);
            for (j, w) in vectors.as_chunks::<VECTORS>().0.iter().enumerate() {
                add_products(simd, &mut sums, &x, j, w);
            }
        } else {
            for j in 0..self.k {
                let (vectors, _) = S::as_simd_f32s(&self.panel[j * self.row..][..panel_width]);
                add_products(simd, &mut sums, &x, j, &vectors.as_chunks::<VECTORS>().0[0]);
            }
        }
        let count = self.columns.len();
        let lanes = |v: usize| count.min(v * S::F32_LANES)..count.min((v + 1) * S::F32_LANES);
        for (r, sums) in sums.into_iter().enumerate() {
            let out = &mut out[r * width..r * width + count];
            for (v, sum) in sums.into_iter().enumerate() {
                let out = &mut out[lanes(v)];
                let biased =
                    |bias: &[f32]| simd.add_f32s(sum, simd.partial_load_f32s(&bias[self.columns.clone()][lanes(v)]));
                let finished = match self.finish {
                    Finish::Replace => sum,
                    Finish::Add => simd.add_f32s(sum, simd.partial_load_f32s(out)),
                    Finish::Bias(bias) => biased(bias),
                    Finish::BiasGelu(bias) => gelu(simd, biased(bias)),
                };
                simd.partial_store_f32s(out, finished);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::math::tests::gelu_of;

    #[test]
    fn products_of_all_small_shapes_are_right_and_stay_in_their_place() {
        let number = |i: usize| ((i * 37 + 11) % 19) as f32 - 9.0;
        for (t, k, n) in (1..=20)
            .flat_map(|t| [1, 3, 32].map(move |k| (t, k)))
            .flat_map(|(t, k)| [1, 4, 15, 16, 17, 31, 32, 33, 70].map(move |n| (t, k, n)))
        {
            let x: Vec<f32> = (0..t * k).map(number).collect();
            let w: Vec<f32> = (0..k * n).map(|i| number(i + 5)).collect();
            let exact = |i: usize, j: usize| (0..k).map(|l| x[i * k + l] * w[l * n + j]).sum::<f32>();
            let panels = Panels::new(&w, k, n);
            // Wider rows than the product has, with a mark in what must stay as it is.
            let width = n + 3;
            let mut out = vec![777.0; t * width];
            gemm(Rows { data: &x, t, stride: k }, &panels, 0..panels.count(), &mut out, width, Finish::Replace);
            for (at, got) in out.iter().enumerate() {
                let (i, j) = (at / width, at % width);
                let want = if j < n { exact(i, j) } else { 777.0 };
                assert_eq!(*got, want, "{t}×{k}×{n} at ({i}, {j})");
            }
        }
    }

    #[test]
    fn ranges_strides_and_ends_of_sums_work() {
        // The second panel only, of rows that lie in wider ones, more of them than are taken at once.
        let (t, k, n, stride) = (2_000, 70, 2 * panel_width() + 5, 80);
        let x: Vec<f32> = (0..t * stride).map(|i| (i % 7) as f32).collect();
        let w: Vec<f32> = (0..k * n).map(|i| (i % 5) as f32).collect();
        let panels = Panels::new(&w, k, n);
        let bias: Vec<f32> = (0..n).map(|j| j as f32).collect();
        let rows = Rows { data: &x, t, stride };
        for range in [1..2, 1..3] {
            let columns = panels.columns(range.clone());
            for (name, finish) in
                [("add", Finish::Add), ("bias", Finish::Bias(&bias)), ("gelu", Finish::BiasGelu(&bias))]
            {
                let mut out = vec![1.0; t * columns.len()];
                gemm(rows, &panels, range.clone(), &mut out, columns.len(), finish);
                for (at, got) in out.iter().enumerate() {
                    let (i, j) = (at / columns.len(), columns.start + at % columns.len());
                    let sum = (0..k).map(|l| x[i * stride + l] * w[l * n + j]).sum::<f32>();
                    let want = match finish {
                        Finish::Add => 1.0 + sum,
                        Finish::BiasGelu(_) => gelu_of(sum + bias[j]),
                        _ => sum + bias[j],
                    };
                    assert!((got - want).abs() < 1e-3, "{name} at ({i}, {j}): {got}, not {want}");
                }
            }
        }
    }
}
