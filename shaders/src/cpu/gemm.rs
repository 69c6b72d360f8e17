//! Products of matrices in f32: packed panels, one register tile, safe Rust.
//!
//! Own code for three reasons: weights are packed once at load and never again; a product's sums run in one order
//! whatever the number of threads, so results are the same to the bit; and faer 0.24.4, which stood here before, writes
//! outside of its destination for small row-major products (seen with m = n = 10, k = 32: 220 floats behind the end).

use crate::cpu::math::{gelu, vectorised};
use std::ops::Range;

/// Columns of a panel: two vectors of AVX2, four of NEON.
pub const PANEL: usize = 16;
/// Rows of a tile: with a panel's columns they fill 12 of the 16 vector registers.
const TILE: usize = 6;
/// Rows whose packed form stays in the second-level cache while all panels pass by.
const ROWS_AT_ONCE: usize = 192;

/// A matrix `[k, n]` in panels of 16 columns, `[n / 16][k][16]`, the last one filled up with zeros.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Panels {
    k: usize,
    n: usize,
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
        (self.k, self.n) = (k, n);
        self.data.clear();
        self.data.resize(n.div_ceil(PANEL) * k * PANEL, 0.0);
        for (p, panel) in self.data.chunks_exact_mut((k * PANEL).max(1)).enumerate() {
            let columns = p * PANEL..n.min((p + 1) * PANEL);
            for (i, row) in panel.chunks_exact_mut(PANEL).enumerate() {
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
        self.n.div_ceil(PANEL)
    }
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

/// Rows of the left matrix: `t` rows, whose entry (i, j) is `data[i * strides.0 + j * strides.1]`.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// The numbers.
    pub data: &'a [f32],
    /// Number of rows.
    pub t: usize,
    /// Distances of rows and of columns.
    pub strides: (usize, usize),
}

/// `out` = `rows` · the panels of `range`; `out`'s first column is the first of the range, its rows are `width` apart.
pub fn gemm(rows: Rows<'_>, panels: &Panels, range: Range<usize>, out: &mut [f32], width: usize, finish: Finish<'_>) {
    let mut packed = Vec::new();
    for first in (0..rows.t).step_by(ROWS_AT_ONCE) {
        let count = ROWS_AT_ONCE.min(rows.t - first);
        let part = Rows { data: rows.data.get(first * rows.strides.0..).unwrap_or_default(), t: count, ..rows };
        let tiles = pack_rows(part, panels.k, &mut packed);
        let out = &mut out[first * width..];
        vectorised(
            #[inline(always)]
            || all_tiles(&packed, tiles, count, panels, range.clone(), out, width, finish),
        );
    }
}

/// Number of tiles for `t` rows; their heights differ by one at most, for flat tiles waste time.
fn tile_rows(t: usize, tiles: usize, tile: usize) -> Range<usize> {
    t * tile / tiles..t * (tile + 1) / tiles
}

/// Packs rows tile by tile, `[k][height]` each; answers the number of tiles.
fn pack_rows(rows: Rows<'_>, k: usize, packed: &mut Vec<f32>) -> usize {
    let tiles = rows.t.div_ceil(TILE);
    packed.clear();
    packed.reserve(rows.t * k);
    for tile in 0..tiles {
        let of = tile_rows(rows.t, tiles, tile);
        for j in 0..k {
            packed.extend(of.clone().map(|i| rows.data[i * rows.strides.0 + j * rows.strides.1]));
        }
    }
    tiles
}

#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "the one caller is above")]
fn all_tiles(
    packed: &[f32],
    tiles: usize,
    t: usize,
    panels: &Panels,
    range: Range<usize>,
    out: &mut [f32],
    width: usize,
    finish: Finish<'_>,
) {
    let k = panels.k;
    for p in range.clone() {
        let panel = &panels.data[p * k * PANEL..(p + 1) * k * PANEL];
        let columns = p * PANEL..panels.n.min((p + 1) * PANEL);
        let at = columns.start - range.start * PANEL;
        for tile in 0..tiles {
            let rows = tile_rows(t, tiles, tile);
            let x = &packed[rows.start * k..rows.end * k];
            let out = &mut out[rows.start * width + at..];
            match rows.len() {
                6 => one_tile::<6>(x, panel, out, width, columns.clone(), finish),
                5 => one_tile::<5>(x, panel, out, width, columns.clone(), finish),
                4 => one_tile::<4>(x, panel, out, width, columns.clone(), finish),
                3 => one_tile::<3>(x, panel, out, width, columns.clone(), finish),
                2 => one_tile::<2>(x, panel, out, width, columns.clone(), finish),
                1 => one_tile::<1>(x, panel, out, width, columns.clone(), finish),
                height => unreachable!("a tile has 1 to {TILE} rows, not {height}"),
            }
        }
    }
}

/// `R` rows by 16 columns; the sums stay in registers for the whole of k.
#[inline(always)]
fn one_tile<const R: usize>(
    x: &[f32],
    panel: &[f32],
    out: &mut [f32],
    width: usize,
    columns: Range<usize>,
    finish: Finish<'_>,
) {
    let mut sums = [[0.0_f32; PANEL]; R];
    let (x, _) = x.as_chunks::<R>();
    let (panel, _) = panel.as_chunks::<PANEL>();
    for (x, w) in x.iter().zip(panel) {
        for r in 0..R {
            for j in 0..PANEL {
                sums[r][j] = x[r].mul_add(w[j], sums[r][j]);
            }
        }
    }
    let count = columns.len();
    for (r, sums) in sums.iter_mut().enumerate() {
        let out = &mut out[r * width..r * width + count];
        match finish {
            Finish::Replace => {}
            Finish::Add => sums.iter_mut().zip(&*out).for_each(|(s, o)| *s += o),
            Finish::Bias(bias) => sums.iter_mut().zip(&bias[columns.clone()]).for_each(|(s, b)| *s += b),
            Finish::BiasGelu(bias) => {
                sums.iter_mut().zip(&bias[columns.clone()]).for_each(|(s, b)| *s = gelu(*s + b));
            }
        }
        out.copy_from_slice(&sums[..count]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_all_small_shapes_are_right_and_stay_in_their_place() {
        let number = |i: usize| ((i * 37 + 11) % 19) as f32 - 9.0;
        for (t, k, n) in (1..=20)
            .flat_map(|t| [1, 3, 32].map(move |k| (t, k)))
            .flat_map(|(t, k)| [1, 4, 15, 16, 17, 40].map(move |n| (t, k, n)))
        {
            let x: Vec<f32> = (0..t * k).map(number).collect();
            let w: Vec<f32> = (0..k * n).map(|i| number(i + 5)).collect();
            let exact = |i: usize, j: usize| (0..k).map(|l| x[i * k + l] * w[l * n + j]).sum::<f32>();
            let panels = Panels::new(&w, k, n);
            // Wider rows than the product has, with a mark in what must stay as it is.
            let width = n + 3;
            let mut out = vec![777.0; t * width];
            gemm(Rows { data: &x, t, strides: (k, 1) }, &panels, 0..panels.count(), &mut out, width, Finish::Replace);
            for (at, got) in out.iter().enumerate() {
                let (i, j) = (at / width, at % width);
                let want = if j < n { exact(i, j) } else { 777.0 };
                assert_eq!(*got, want, "{t}×{k}×{n} at ({i}, {j})");
            }
        }
    }

    #[test]
    fn strides_ranges_and_sums_work() {
        // xᵀ·w, second panel only, added to what is there; more rows than are packed at once.
        let (t, k, n) = (400, 5, 20);
        let x: Vec<f32> = (0..t * k).map(|i| (i % 7) as f32).collect();
        let w: Vec<f32> = (0..k * n).map(|i| (i % 5) as f32).collect();
        let mut out = vec![1.0; t * 4];
        let rows = Rows { data: &x, t, strides: (1, t) };
        gemm(rows, &Panels::new(&w, k, n), 1..2, &mut out, 4, Finish::Add);
        for (at, got) in out.iter().enumerate() {
            let (i, j) = (at / 4, 16 + at % 4);
            assert_eq!(*got, 1.0 + (0..k).map(|l| x[l * t + i] * w[l * n + j]).sum::<f32>());
        }
    }
}
