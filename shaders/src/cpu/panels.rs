//! `Panels`: the right side of a product, in the order in which it is read.

use half::bf16;
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// Vectors in a row of a panel.
pub(super) const VECTORS: usize = 2;

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

    /// What a product reads.
    #[inline(always)]
    pub(super) fn right<S: Simd>(&self) -> Right<'_> {
        let (k, n, columns) = (self.k, self.n, VECTORS * S::F32_LANES);
        assert_eq!(self.width, columns, "panels are packed by the processor that reads them");
        match self.storage {
            Storage::F32 => Right { data: Numbers::F32(self.numbers()), k, n, panel: k * columns, row: columns },
            Storage::Bf16 => {
                let (panel, row) = (k * S::F32_LANES, S::F32_LANES);
                Right { data: Numbers::Bf16(bytemuck::cast_slice(&self.lines)), k, n, panel, row }
            }
        }
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
pub(super) fn panel_width() -> usize {
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

/// The numbers of a right matrix.
#[derive(Debug, Clone, Copy)]
pub(super) enum Numbers<'a> {
    F32(&'a [f32]),
    /// Words as [`Storage::Bf16`] has them.
    Bf16(&'a [u32]),
}

impl<'a> Numbers<'a> {
    #[inline(always)]
    pub(super) fn from(self, first: usize) -> Self {
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
