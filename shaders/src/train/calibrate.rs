//! What held-out examples teach: confidences that mean what they say (Guo et al. 2017), and how low they get.

use crate::{heads::softmax, limits::HELD_OUT_BELOW_THRESHOLD};
use dialogue::format::FallbackConfig;

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

/// Fewer right held-out examples than this do not tell how low confidences get.
const RIGHT_MIN: usize = 50;
/// Bounds of the threshold.
const THRESHOLD: (f32, f32) = (0.15, 0.9);

/// The confidence that all but [`HELD_OUT_BELOW_THRESHOLD`] of the examples reach that were held out and understood right.
///
/// The background, class `labels`, is no intent: it is neither shown nor asked about.
pub fn threshold(logits: &[(Vec<f32>, usize)], temperature: f32, labels: usize) -> f32 {
    let confidence = |(logits, class): &(Vec<f32>, usize)| {
        let mut p: Vec<f32> = logits.iter().map(|l| l / temperature).collect();
        softmax(&mut p);
        let best = p[..labels].iter().copied().fold(0.0, f32::max);
        (*class < labels && p[*class] == best).then_some(best)
    };
    let mut right: Vec<f32> = logits.iter().filter_map(confidence).collect();
    if right.len() < RIGHT_MIN {
        return FallbackConfig::THRESHOLD;
    }
    right.sort_by(f32::total_cmp);
    right[(right.len() as f64 * HELD_OUT_BELOW_THRESHOLD) as usize].clamp(THRESHOLD.0, THRESHOLD.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_is_what_almost_all_right_examples_reach() {
        // 200 right ones from 50 % to almost 100 %, and as many wrong ones and strangers, of which nothing is learned.
        let logits = |p: f32| vec![(p / (1.0 - p)).ln(), 0.0, -90.0];
        let right = (0..200).map(|i| (logits(0.5 + (i as f32 + 0.5) / 400.0), 0));
        let wrong = (0..200).map(|_| (logits(0.505), 1));
        let strangers = (0..200).map(|_| (logits(0.51), 2));
        let found = threshold(&right.chain(wrong).chain(strangers).collect::<Vec<_>>(), 1.0, 2);
        assert!((found - 0.51).abs() < 0.002, "{found}");
        let few: Vec<_> = (0..49).map(|_| (logits(0.9), 0)).collect();
        assert_eq!(threshold(&few, 1.0, 2), 0.3, "too few to tell");
    }

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
