//! Elementary functions written so that the compiler turns a loop over them into vector instructions.

/// e^x for x in −87 to 88 (clamped outside); relative error below 2·10⁻⁷.
///
/// x = n·ln 2 + r, a polynomial of degree 6 for e^r and n added to the exponent's bits (Cephes' `expf`).
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Adding 1.5·2²³ rounds to the next whole number and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * 0.693_359_4) + n * 2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let power = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    (p * r * r + r + 1.0) * f32::from_bits(power)
}

/// The exact GELU, x·Φ(x), with erf after Abramowitz and Stegun 7.1.26 (absolute error below 5·10⁻⁷).
#[inline(always)]
pub fn gelu(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let p = ((((1.061_405_4 * t - 1.453_152) * t + 1.421_413_8) * t - 0.284_496_72) * t + 0.254_829_6) * t;
    let tail = 0.5 * p * exp(-z * z);
    // Φ(x) is the tail itself on the left, one minus the tail on the right.
    x * if x < 0.0 { tail } else { 1.0 - tail }
}

/// Runs `work` with the widest vector instructions that the processor has.
///
/// Only what is inlined into `work` is compiled for them: mark the closure and what it calls `#[inline(always)]`.
#[inline(always)]
pub fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_agrees_with_the_standard_library() {
        for i in -8_600..8_800 {
            let x = i as f32 * 0.01;
            let want = f64::from(x).exp();
            assert!((f64::from(exp(x)) - want).abs() <= want * 3e-7, "exp({x})");
        }
        assert!(exp(-1e30) > 0.0 && exp(1e30).is_finite());
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
            assert!((f64::from(gelu(x as f32)) - x * phi(x)).abs() < 2e-6, "gelu({x})");
        }
        assert!(gelu(-40.0).abs() < 1e-30 && gelu(40.0) == 40.0);
    }
}
