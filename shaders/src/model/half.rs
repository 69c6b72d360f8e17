//! Numbers of 16 bits, as weights files hold them, to `f32`.

/// IEEE 754 binary16: 1 sign bit, 5 bits of exponent, 10 of fraction. Every value has its exact `f32`.
pub fn f16_to_f32(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let (exponent, fraction) = (u32::from(bits >> 10) & 0x1f, u32::from(bits) & 0x3ff);
    match exponent {
        // Zero and the numbers below 2⁻¹⁴: multiples of 2⁻²⁴.
        0 => f32::from_bits(sign | (fraction as f32 * f32::from_bits((127 - 24) << 23)).to_bits()),
        31 => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13),
    }
}

/// bfloat16: the upper half of an `f32`.
pub fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_f16_has_the_value_of_its_definition() {
        for bits in 0..=u16::MAX {
            let (sign, exponent) = (if bits >> 15 == 1 { -1.0 } else { 1.0 }, i32::from(bits >> 10 & 0x1f));
            let fraction = f64::from(bits & 0x3ff) / 1024.0;
            let got = f16_to_f32(bits);
            match exponent {
                31 => assert_eq!((got.is_nan(), got.is_infinite()), (fraction != 0.0, fraction == 0.0), "{bits:#x}"),
                0 => assert_eq!(f64::from(got), sign * fraction * 2_f64.powi(-14), "{bits:#x}"),
                e => assert_eq!(f64::from(got), sign * (1.0 + fraction) * 2_f64.powi(e - 15), "{bits:#x}"),
            }
        }
        assert_eq!((bf16_to_f32(0x3f80), bf16_to_f32(0xc040)), (1.0, -3.0));
        assert!(f16_to_f32(0x8000).is_sign_negative());
    }
}
