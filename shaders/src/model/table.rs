//! `Table`: a matrix of which single rows are read, as plain numbers or in blocks of 4 bits.

use half::f16;
use std::ops::Range;

/// Numbers of one block.
pub const Q4_BLOCK: usize = 32;
/// Bytes of one block: the scale as f16, then 16 bytes of two numbers each.
pub const Q4_BLOCK_BYTES: usize = 18;

/// Something with rows of numbers: what the embedding layer reads.
pub trait Rows: Sync {
    /// Writes row `index` to `out`, which is as wide as a row.
    fn row_into(&self, index: usize, out: &mut [f32]);
}

/// Row-major numbers.
impl Rows for Vec<f32> {
    #[inline(always)]
    fn row_into(&self, index: usize, out: &mut [f32]) {
        out.copy_from_slice(&self[index * out.len()..(index + 1) * out.len()]);
    }
}

/// A matrix `[rows, width]`. The word table of a multilingual model is most of its numbers and an utterance reads a
/// few rows of it: it stays as small as it came.
#[derive(Debug)]
pub enum Table {
    /// Row-major.
    F32(Vec<f32>),
    /// In blocks of 32 numbers.
    Q4(Q4Rows),
}

impl Table {
    /// Bytes that it holds.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::F32(numbers) => 4 * numbers.len() as u64,
            Self::Q4(rows) => rows.blocks.len() as u64,
        }
    }

    /// The rows of `range` as plain numbers, row-major; each is `width` wide.
    pub fn to_f32_rows(&self, range: Range<usize>, width: usize) -> Vec<f32> {
        let mut rows = vec![0.0; range.len() * width];
        for (index, row) in range.zip(rows.chunks_exact_mut(width)) {
            self.row_into(index, row);
        }
        rows
    }
}

impl Rows for Table {
    #[inline(always)]
    fn row_into(&self, index: usize, out: &mut [f32]) {
        match self {
            Self::F32(numbers) => numbers.row_into(index, out),
            Self::Q4(rows) => rows.row_into(index, out),
        }
    }
}

/// Rows of blocks as llama.cpp's Q4_0 has them: byte `j` of a block holds number `j` in its low and number `j + 16` in
/// its high four bits, each is (nibble − 8) · scale.
#[derive(Debug)]
pub struct Q4Rows {
    blocks: Box<[u8]>,
}

impl Q4Rows {
    /// Takes whole blocks over; the number of the first block whose scale is not finite is the error.
    pub fn new(blocks: Box<[u8]>) -> Result<Self, usize> {
        assert!(blocks.len().is_multiple_of(Q4_BLOCK_BYTES), "whole blocks");
        match blocks.chunks_exact(Q4_BLOCK_BYTES).position(|b| !scale(b).is_finite()) {
            Some(block) => Err(block),
            None => Ok(Self { blocks }),
        }
    }
}

impl Rows for Q4Rows {
    #[inline(always)]
    fn row_into(&self, index: usize, out: &mut [f32]) {
        let bytes = out.len() / Q4_BLOCK * Q4_BLOCK_BYTES;
        unpack_q4(&self.blocks[index * bytes..(index + 1) * bytes], out);
    }
}

#[inline(always)]
fn scale(block: &[u8]) -> f32 {
    f16::from_le_bytes([block[0], block[1]]).to_f32()
}

/// Whole blocks to plain numbers: `out` has 32 numbers for each.
#[inline(always)]
pub fn unpack_q4(blocks: &[u8], out: &mut [f32]) {
    assert_eq!(blocks.len() / Q4_BLOCK_BYTES, out.len() / Q4_BLOCK, "a block for every 32 numbers");
    for (block, numbers) in blocks.chunks_exact(Q4_BLOCK_BYTES).zip(out.chunks_exact_mut(Q4_BLOCK)) {
        let scale = scale(block);
        let (low, high) = numbers.split_at_mut(Q4_BLOCK / 2);
        for (byte, (low, high)) in block[2..].iter().zip(low.iter_mut().zip(high)) {
            *low = (f32::from(byte & 0x0f) - 8.0) * scale;
            *high = (f32::from(byte >> 4) - 8.0) * scale;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_table_has_the_rows_of_a_plain_one() {
        // Two rows of two blocks; number i of block b is ((i + b) mod 16 − 8) · (b + 1) / 4.
        let scales = [0x3400_u16, 0x3800, 0x3a00, 0x3c00];
        let nibble = |b: usize, i: usize| (i + b) % 16;
        let mut blocks = Vec::new();
        for (b, scale) in scales.iter().enumerate() {
            blocks.extend(scale.to_le_bytes());
            blocks.extend((0..16).map(|j| (nibble(b, j) | nibble(b, j + 16) << 4) as u8));
        }
        // The upper half differs from the lower one, so that halves that were swapped are seen.
        blocks[2] = 0x1f;
        let number = |b: usize, i: usize| (nibble(b, i) as f32 - 8.0) * (b + 1) as f32 / 4.0;
        let mut plain: Vec<f32> = (0..4).flat_map(|b| (0..32).map(move |i| number(b, i))).collect();
        (plain[0], plain[16]) = (7.0 / 4.0, -7.0 / 4.0);
        let packed = Table::Q4(Q4Rows::new(blocks.clone().into()).expect("finite scales"));
        assert_eq!(packed.to_f32_rows(0..2, 64), plain);
        assert_eq!(packed.to_f32_rows(1..2, 64), Table::F32(plain).to_f32_rows(1..2, 64));
        assert_eq!(packed.bytes(), 72);

        blocks[37] = 0x7c;
        assert_eq!(Q4Rows::new(blocks.into()).err(), Some(2), "an infinite scale");
    }
}
