//! Products of matrices in f32: packed panels, one tile in registers, safe Rust.
//!
//! Own code for three reasons: weights are packed once at load and never again; a product's sums run in one order
//! whatever the number of threads and the width of vectors, so results are the same to the bit; and faer 0.24.4, which
//! stood here before, writes outside of its destination for small row-major products (seen with m = n = 10, k = 32: 220
//! floats behind the end).

pub use crate::cpu::panels::{Panels, Storage};

use crate::cpu::math::gelu;
use crate::cpu::panels::{Numbers, Right, VECTORS};
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// Numbers of the left matrix that stay in the second-level cache while all panels pass by.
const ROWS_NUMBERS: usize = 1 << 16;

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
    let at_once = (ROWS_NUMBERS / panels.k().max(1)).max(8);
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
        let right = panels.right::<S>();
        product(simd, rows, right, range, out, width, finish);
    }
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
        let panel = right.data.from(p * right.panel);
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
    panel: Numbers<'a>,
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
        match self.panel {
            Numbers::F32(panel) if self.row == panel_width => {
                // End to end, as packed panels are: no row's place is checked by itself.
                let (vectors, _) = S::as_simd_f32s(&panel[..self.k * panel_width]);
                for (j, w) in vectors.as_chunks::<VECTORS>().0.iter().enumerate() {
                    add_products(simd, &mut sums, &x, j, w);
                }
            }
            Numbers::F32(panel) => {
                for j in 0..self.k {
                    let (vectors, _) = S::as_simd_f32s(&panel[j * self.row..][..panel_width]);
                    add_products(simd, &mut sums, &x, j, &vectors.as_chunks::<VECTORS>().0[0]);
                }
            }
            Numbers::Bf16(panel) => {
                let (upper, sixteen) = (simd.splat_u32s(0xffff_0000), simd.splat_u32s(16));
                let (words, _) = S::as_simd_u32s(&panel[..self.k * S::F32_LANES]);
                for (j, words) in words.iter().enumerate() {
                    let first = simd.transmute_f32s_u32s(simd.wrapping_dyn_shl_u32s(*words, sixteen));
                    let second = simd.transmute_f32s_u32s(simd.and_u32s(*words, upper));
                    add_products(simd, &mut sums, &x, j, &[first, second]);
                }
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
    use crate::cpu::panels::panel_width;
    use half::bf16;

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
            assert_eq!(panels.unpack(), w);
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
    fn narrow_numbers_are_rounded_and_multiplied_as_such() {
        for (t, k, n) in [(1, 1, 1), (3, 7, 33), (16, 96, 70), (9, 64, 128)] {
            let x: Vec<f32> = (0..t * k).map(|i| ((i * 37 + 11) % 19) as f32 - 9.0).collect();
            // A third has no end in binary.
            let w: Vec<f32> = (0..k * n).map(|i| ((i * 53 + 7) % 23) as f32 / 3.0 - 4.0).collect();
            let panels = Panels::new(&w, k, n);
            let narrow = panels.clone().stored(Storage::Bf16);
            assert!(narrow.bytes() <= panels.bytes() / 2 + 64);
            let rounded: Vec<f32> = w.iter().map(|w| bf16::from_f32(*w).to_f32()).collect();
            assert_eq!(narrow.unpack(), rounded);
            let product = |panels: &Panels| {
                let mut out = vec![777.0; t * n];
                gemm(Rows { data: &x, t, stride: k }, panels, 0..panels.count(), &mut out, n, Finish::Replace);
                out
            };
            assert_eq!(product(&narrow), product(&Panels::new(&rounded, k, n)), "{t}×{k}×{n}");
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
