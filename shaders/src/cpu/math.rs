//! Elementary functions, of a vector's numbers for vectors of any width, or for a loop that the compiler turns into vectors.

use pulp::{Simd, WithSimd};

/// Adding 1.5·2²³ rounds to the next whole number and leaves it in the low bits.
const ROUND: f32 = 12_582_912.0;
/// ln 2 in two parts: the first has so few digits that its multiples are exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;
/// e^r = 1 + r + r²·(…) for small r: the coefficients in the brackets, the highest power first (Cephes' `expf`).
const EXP: [f32; 6] = [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];

/// e^x for x in −87 to 88 (clamped outside); relative error below 2·10⁻⁷. A loop over it becomes vector instructions, and without
/// fused operations: its bits are the same on every processor.
///
/// x = n·ln 2 + r, a polynomial for e^r, and n added to the exponent's bits.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    let p = EXP[1..].iter().fold(EXP[0], |p, coefficient| p * r + coefficient);
    let power = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    (p * r * r + r + 1.0) * f32::from_bits(power)
}

/// The exact GELU of a vector's numbers, x·Φ(x), with erf after Abramowitz and Stegun 7.1.26 (absolute error below 5·10⁻⁷).
#[inline(always)]
pub fn gelu<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let number = |value: f32| simd.splat_f32s(value);
    let z = simd.mul_f32s(simd.abs_f32s(x), number(std::f32::consts::FRAC_1_SQRT_2));
    let t = simd.div_f32s(number(1.0), simd.mul_add_f32s(z, number(0.327_591_1), number(1.0)));
    let mut p = number(1.061_405_4);
    for coefficient in [-1.453_152, 1.421_413_8, -0.284_496_72, 0.254_829_6] {
        p = simd.mul_add_f32s(p, t, number(coefficient));
    }
    let power = exp_of_negative(simd, simd.neg_f32s(simd.mul_f32s(z, z)));
    let tail = simd.mul_f32s(simd.mul_f32s(simd.mul_f32s(p, t), number(0.5)), power);
    // Φ(x) is the tail itself on the left, one minus the tail on the right.
    let left = simd.less_than_f32s(x, number(0.0));
    simd.mul_f32s(x, simd.select_f32s(left, tail, simd.sub_f32s(number(1.0), tail)))
}

/// e^x of a vector's numbers, none of which is greater than 0, at least e^−87; relative error below 3·10⁻⁷.
///
/// x = n·ln 2 + r, a polynomial for e^r, and n added to the exponent's bits.
#[inline(always)]
pub(super) fn exp_of_negative<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let number = |value: f32| simd.splat_f32s(value);
    let x = simd.max_f32s(x, number(-87.0));
    let shifted = simd.mul_add_f32s(x, number(std::f32::consts::LOG2_E), number(ROUND));
    let n = simd.sub_f32s(shifted, number(ROUND));
    let r = simd.mul_add_f32s(n, number(-LN_2_HIGH), x);
    let r = simd.mul_add_f32s(n, number(-LN_2_LOW), r);
    let mut p = number(EXP[0]);
    for coefficient in &EXP[1..] {
        p = simd.mul_add_f32s(p, r, number(*coefficient));
    }
    let one_more = simd.add_f32s(simd.mul_add_f32s(simd.mul_f32s(p, r), r, r), number(1.0));
    let exponent = simd.transmute_u32s_f32s(shifted);
    let exponent = simd.add_u32s(exponent, simd.splat_u32s(127_u32.wrapping_sub(ROUND.to_bits())));
    let power = simd.wrapping_dyn_shl_u32s(exponent, simd.splat_u32s(23));
    simd.mul_f32s(one_more, simd.transmute_f32s_u32s(power))
}

/// Runs `work` once, with the widest vector instructions that the processor has.
///
/// Only what is inlined into `work` is compiled for them: mark the closure and what it calls `#[inline(always)]`. It is
/// called by reference, for a closure that is taken by value is called through a function that stays behind.
#[inline(always)]
pub fn vectorised<R>(work: impl FnMut() -> R) -> R {
    struct Work<F>(F);
    impl<R, F: FnMut() -> R> WithSimd for Work<F> {
        type Output = R;
        #[inline(always)]
        fn with_simd<S: Simd>(mut self, _: S) -> R {
            (self.0)()
        }
    }
    pulp::Arch::new().dispatch(Work(work))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A function of vectors, called for one number in the processor's vectors.
    macro_rules! of_one {
        ($name:ident, $function:ident) => {
            pub(crate) fn $name(x: f32) -> f32 {
                struct One(f32);
                impl WithSimd for One {
                    type Output = f32;
                    #[inline(always)]
                    fn with_simd<S: Simd>(self, simd: S) -> f32 {
                        let mut number = [0.0];
                        simd.partial_store_f32s(&mut number, $function(simd, simd.splat_f32s(self.0)));
                        number[0]
                    }
                }
                pulp::Arch::new().dispatch(One(x))
            }
        };
    }
    of_one!(gelu_of, gelu);
    of_one!(exp_of, exp_of_negative);

    #[test]
    fn exp_agrees_with_the_standard_library() {
        for i in -8_600..8_800 {
            let x = i as f32 * 0.01;
            let want = f64::from(x).exp();
            assert!((f64::from(exp(x)) - want).abs() <= want * 3e-7, "exp({x})");
            assert!(x > 0.0 || (f64::from(exp_of(x)) - want).abs() <= want * 3e-7, "exp({x})");
        }
        assert!(exp(-1e30) > 0.0 && exp(1e30).is_finite());
        assert!(exp_of(0.0) == 1.0 && exp_of(-1e30) > 0.0 && exp_of(f32::MIN) < 1e-37);
    }

    #[test]
    fn gelu_agrees_with_the_integral_of_the_bell_curve() {
        // Φ by the midpoint rule in f64: another way to the same number.
        let phi = |x: f64| {
            let steps = 4_000;
            let dx = x / f64::from(steps);
            let area: f64 = (0..steps).map(|i| (-((f64::from(i) + 0.5) * dx).powi(2) / 2.0).exp()).sum();
            0.5 + area * dx / (2.0 * std::f64::consts::PI).sqrt()
        };
        for i in -60..=60 {
            let x = f64::from(i) * 0.1;
            assert!((f64::from(gelu_of(x as f32)) - x * phi(x)).abs() < 2e-6, "gelu({x})");
        }
        assert!(gelu_of(-40.0).abs() < 1e-30 && gelu_of(40.0) == 40.0);
    }
}
