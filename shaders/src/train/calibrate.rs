//! Temperature scaling (Guo et al. 2017): confidences that mean what they say.

use crate::heads::softmax;

/// Bounds of the temperature: held-out heads of a tiny assistant know too little to be trusted with more.
const TEMPERATURE: (f32, f32) = (0.4, 1.25);
/// Fewer held-out examples than this say nothing.
const EXAMPLES_MIN: usize = 10;
/// Steps of the search; each shrinks the interval by the golden ratio.
const STEPS: usize = 24;

/// The temperature that makes the held-out classes most probable; 1 without enough examples.
pub fn temperature(logits: &[(Vec<f32>, usize)]) -> f32 {
    if logits.len() < EXAMPLES_MIN {
        return 1.0;
    }
    let loss = |log_temperature: f32| -> f64 {
        let scale = (-log_temperature).exp();
        let surprise = |(logits, class): &(Vec<f32>, usize)| {
            let mut p: Vec<f32> = logits.iter().map(|l| l * scale).collect();
            softmax(&mut p);
            -f64::from(p[*class].max(1e-12)).ln()
        };
        logits.iter().map(surprise).sum()
    };
    let ratio = 0.618_034_f32;
    let (mut low, mut high) = (TEMPERATURE.0.ln(), TEMPERATURE.1.ln());
    for _ in 0..STEPS {
        let (a, b) = (high - ratio * (high - low), low + ratio * (high - low));
        if loss(a) < loss(b) {
            high = b;
        } else {
            low = a;
        }
    }
    ((low + high) / 2.0).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overconfident_head_is_cooled_and_a_shy_one_warmed() {
        // Right three times in four: logits of ±ln(3)/2 would say just that.
        let logits = |size: f32| -> Vec<_> { (0..40).map(|i| (vec![size, -size], usize::from(i % 4 == 0))).collect() };
        let exact = 3.0_f32.ln() / 2.0;
        assert!((temperature(&logits(exact)) - 1.0).abs() < 1e-2);
        assert!((temperature(&logits(exact * 1.2)) - 1.2).abs() < 1e-2);
        assert!((temperature(&logits(exact * 0.5)) - 0.5).abs() < 1e-2);
        assert_eq!(temperature(&[]), 1.0);
    }
}
