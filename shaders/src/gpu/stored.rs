//! `Stored`: a matrix of weights in the form that the kernels of a [`Precision`] read.

use crate::gpu::Precision;
use half::f16;

/// A linear layer as it lies on the device.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// `[K, N]`: f32, or two halves, or four numbers of 8 bits in each.
    pub weight: Vec<u32>,
    /// `[N]`, or `[2, N]` where a scale for each column follows the bias.
    pub bias: Vec<f32>,
}

impl Stored {
    /// Packs `weight` (`[K, N]`) with `bias` (`[N]`, a multiple of 4).
    pub fn new(precision: Precision, weight: &[f32], bias: &[f32]) -> Self {
        let plain = bias.to_vec();
        match precision {
            Precision::F32 => Self { weight: weight.iter().map(|x| x.to_bits()).collect(), bias: plain },
            Precision::F16 => Self { weight: halves(weight), bias: plain },
            Precision::Int8 => {
                let scales = column_scales(weight, bias.len());
                Self { weight: bytes(weight, &scales), bias: [plain, scales].concat() }
            }
        }
    }

    /// What the device computes with: the numbers of `weight` after their rounding.
    pub fn rounded(precision: Precision, weight: &[f32], columns: usize) -> Vec<f32> {
        match precision {
            Precision::F32 => weight.to_vec(),
            Precision::F16 => weight.iter().map(|x| of_half(half(*x))).collect(),
            Precision::Int8 => {
                let scales = column_scales(weight, columns);
                let row = |row: &[f32]| -> Vec<f32> {
                    row.iter().zip(&scales).map(|(x, s)| f32::from(byte(*x, *s)) * s).collect()
                };
                weight.chunks_exact(columns).flat_map(row).collect()
            }
        }
    }
}

/// Word vectors in `precision`.
pub fn words(precision: Precision, vectors: &[f32]) -> Vec<u32> {
    match precision.of_words() {
        Precision::F16 => halves(vectors),
        _ => vectors.iter().map(|x| x.to_bits()).collect(),
    }
}

/// Two halves in each; an even count of them.
fn halves(numbers: &[f32]) -> Vec<u32> {
    numbers.chunks_exact(2).map(|p| u32::from(half(p[0])) | u32::from(half(p[1])) << 16).collect()
}

/// The nearest binary16, ties to even; what is too large becomes the largest, for an infinity would spoil every sum.
fn half(x: f32) -> u16 {
    let most = f16::MAX.to_f32();
    f16::from_f32(x.clamp(-most, most)).to_bits()
}

fn of_half(half: u16) -> f32 {
    f16::from_bits(half).to_f32()
}

/// The largest number of each column, over 127.
fn column_scales(weight: &[f32], columns: usize) -> Vec<f32> {
    let mut largest = vec![0.0_f32; columns];
    for row in weight.chunks_exact(columns) {
        largest.iter_mut().zip(row).for_each(|(l, x)| *l = l.max(x.abs()));
    }
    largest.iter().map(|l| l / 127.0).collect()
}

fn byte(x: f32, scale: f32) -> i8 {
    // A column of zeros has the scale zero; the cast of NaN is zero, and it saturates.
    (x / scale).round_ties_even() as i8
}

/// Four numbers of 8 bits in each, the first lowest.
fn bytes(weight: &[f32], scales: &[f32]) -> Vec<u32> {
    let row = |row: &[f32]| -> Vec<u32> {
        let pack = |(xs, ss): (&[f32], &[f32])| u32::from_le_bytes([0, 1, 2, 3].map(|i| byte(xs[i], ss[i]) as u8));
        row.chunks_exact(4).zip(scales.chunks_exact(4)).map(pack).collect()
    };
    weight.chunks_exact(scales.len()).flat_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_the_nearest_ones() {
        // Values of IEEE 754: one, a third, the largest, the smallest normal, half of and one and a half of the smallest.
        for (x, bits) in [
            (1.0, 0x3c00),
            (-2.0, 0xc000),
            (1.0 / 3.0, 0x3555),
            (65_504.0, 0x7bff),
            (1e9, 0x7bff),
            (6.103_515_6e-5, 0x0400),
            (2.980_232_2e-8, 0x0000),
            (8.940_697e-8, 0x0002),
            (0.0, 0),
        ] {
            assert_eq!(half(x), bits, "{x}");
        }
        // Every finite half comes back, and the middle of two goes to the even one.
        for bits in 0..0x7bff_u16 {
            assert_eq!(half(of_half(bits)), bits);
            let middle = (of_half(bits) + of_half(bits + 1)) / 2.0;
            assert_eq!(half(middle), bits + (bits & 1), "{middle}");
        }
    }

    #[test]
    fn bytes_keep_each_column_to_its_own_scale() {
        let weight = [1.0, 100.0, 0.0, -4.0, -0.5, 50.0, 0.0, 8.0];
        let stored = Stored::new(Precision::Int8, &weight, &[0.0; 4]);
        assert_eq!(stored.bias[4..], [1.0 / 127.0, 100.0 / 127.0, 0.0, 8.0 / 127.0]);
        assert_eq!(stored.weight[0].to_le_bytes().map(|b| b as i8), [127, 127, 0, -64]);
        for (rounded, x) in Stored::rounded(Precision::Int8, &weight, 4).iter().zip(weight) {
            assert!((rounded - x).abs() <= x.abs().max(8.0) / 254.0 + 0.3, "{rounded} for {x}");
        }
    }
}
