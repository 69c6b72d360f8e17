//! Products of matrices in f32: packed panels, one tile in registers, safe Rust.
//!
//! Own code for three reasons: weights are packed once at load and never again; a product's sums run in one order
//! whatever the number of threads and the width of vectors, so results are the same to the bit; and faer 0.24.4, which
//! stood here before, writes outside of its destination for small row-major products (seen with m = n = 10, k = 32: 220
//! floats behind the end).

use crate::cpu::math::gelu;
use half::bf16;
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// Vectors in a row of a panel.
pub(super) const VECTORS: usize = 2;
/// Numbers of the left matrix that stay in the second-level cache while all panels pass by.
const ROWS_NUMBERS: usize = 1 << 16;

/// Numbers of one line of the caches. A vector that lies across two lines costs two loads on some processors.
#[derive(Debug, Clone, Copy, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// A matrix `[k, n]` in panels of two vectors' columns, `[n / width][k][width]`, the last one filled up with zeros.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Panels {
    k: usize,
    n: usize,
    width: usize,
    storage: Storage,
    lines: Vec<Line>,
}

/// How the numbers of a matrix lie in memory; sums are made in f32 whatever it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Storage {
    /// As they are.
    #[default]
    F32,
    /// The upper half of an f32, rounded to nearest. A word holds a number of a row's first vector in its lower half, and the one at the same
    /// place of its second vector in its upper half: one load gives both.
    Bf16,
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
        self.lines.clear();
        self.lines.resize((n.div_ceil(width) * k * width).div_ceil(16), Line::default());
        // What fills up the last line is less than a panel, and zero.
        let numbers: &mut [f32] = bytemuck::cast_slice_mut(&mut self.lines);
        for (p, panel) in numbers.chunks_exact_mut((k * width).max(1)).take(n.div_ceil(width)).enumerate() {
            let columns = p * width..n.min((p + 1) * width);
            for (i, row) in panel.chunks_exact_mut(width).enumerate() {
                for (target, j) in row.iter_mut().zip(columns.clone()) {
                    *target = source[i * strides.0 + j * strides.1];
                }
            }
        }
    }

    /// The matrix as it was before, `[k, n]` row-major.
    pub fn unpack(&self) -> Vec<f32> {
        let mut matrix = vec![0.0; self.k * self.n];
        if self.storage == Storage::Bf16 {
            let lanes = self.width / VECTORS;
            let words: &[u32] = bytemuck::cast_slice(&self.lines);
            for (at, row) in words.chunks_exact(lanes.max(1)).take(self.count() * self.k).enumerate() {
                let (p, i) = (at / self.k, at % self.k);
                let halves = row.iter().map(|w| w << 16).chain(row.iter().map(|w| w & 0xffff_0000));
                for (j, bits) in self.columns(p..p + 1).zip(halves) {
                    matrix[i * self.n + j] = f32::from_bits(bits);
                }
            }
            return matrix;
        }
        for (p, panel) in self.numbers().chunks_exact((self.k * self.width).max(1)).take(self.count()).enumerate() {
            let columns = self.columns(p..p + 1);
            for (i, row) in panel.chunks_exact(self.width).enumerate() {
                matrix[i * self.n..][columns.clone()].copy_from_slice(&row[..columns.len()]);
            }
        }
        matrix
    }

    fn numbers(&self) -> &[f32] {
        bytemuck::cast_slice(&self.lines)
    }

    /// The same matrix in `storage`.
    pub fn stored(self, storage: Storage) -> Self {
        if storage == Storage::F32 {
            return self;
        }
        let lanes = self.width / VECTORS;
        let rows = self.numbers().chunks_exact(self.width);
        let word = |(low, high): (&f32, &f32)| {
            u32::from(bf16::from_f32(*low).to_bits()) | u32::from(bf16::from_f32(*high).to_bits()) << 16
        };
        let words = rows.flat_map(|row| row[..lanes].iter().zip(&row[lanes..]).map(word));
        let mut lines = vec![Line::default(); (self.count() * self.k * lanes).div_ceil(16)];
        let into: &mut [u32] = bytemuck::cast_slice_mut(&mut lines);
        into.iter_mut().zip(words).for_each(|(to, word)| *to = word);
        Self { storage, lines, ..self }
    }

    /// Bytes that it holds.
    pub fn bytes(&self) -> u64 {
        size_of_val(&self.lines[..]) as u64
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
        let (k, n) = (panels.k, panels.n);
        let right = match panels.storage {
            Storage::F32 => Right { data: Numbers::F32(panels.numbers()), k, n, panel: k * columns, row: columns },
            Storage::Bf16 => {
                let (panel, row) = (k * S::F32_LANES, S::F32_LANES);
                Right { data: Numbers::Bf16(bytemuck::cast_slice(&panels.lines)), k, n, panel, row }
            }
        };
        product(simd, rows, right, range, out, width, finish);
    }
}

/// The numbers of a right matrix.
#[derive(Debug, Clone, Copy)]
pub(super) enum Numbers<'a> {
    F32(&'a [f32]),
    /// Words as [`Storage::Bf16`] has them.
    Bf16(&'a [u32]),
}

impl<'a> Numbers<'a> {
    #[inline(always)]
    fn from(self, first: usize) -> Self {
        match self {
            Self::F32(numbers) => Self::F32(&numbers[first..]),
            Self::Bf16(words) => Self::Bf16(&words[first..]),
        }
    }
}

/// A right matrix `[k, n]`: its entry (i, j) is `data[j / width * panel + i * row + j % width]`, for panels of `width` columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Right<'a> {
    pub(super) data: Numbers<'a>,
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
