//! `Chain`: how probable each class of each word is, given the words around it.

use crate::cpu::{math::exp, math::vectorised, norm::sum};

/// A linear-chain conditional random field (Lafferty, McCallum and Pereira 2001) over C classes: the sum over all
/// sequences that its rule allows, by the forward-backward recursion (Rabiner 1989).
#[derive(Debug, Clone)]
pub struct Chain {
    classes: usize,
    /// `[C, C]`: e^transition from a class (row) to the next, 0 where the rule forbids it.
    steps: Vec<f32>,
    /// Of one sentence: `[T, C]` forward variables, each row with the sum 1, and `[T, C]` of e^logit.
    forward: Vec<f32>,
    factors: Vec<f32>,
    /// `[T]`: what the rows were divided by.
    scales: Vec<f32>,
    /// `[C]` twice: backward variables of a word, times its factors.
    behind: Vec<f32>,
    weighted: Vec<f32>,
}

/// A class less probable than this adds nothing to what other words are.
const NEGLIGIBLE: f32 = 1e-9;

impl Chain {
    /// A chain whose sentences begin behind class 0. `transitions` is `[C, C]`, in logits.
    pub fn new(classes: usize, transitions: &[f32], may_follow: impl Fn(usize, usize) -> bool) -> Self {
        let step = |i: usize| if may_follow(i / classes, i % classes) { exp(transitions[i]) } else { 0.0 };
        Self {
            classes,
            steps: (0..classes * classes).map(step).collect(),
            forward: Vec::new(),
            factors: Vec::new(),
            scales: Vec::new(),
            behind: vec![0.0; classes],
            weighted: vec![0.0; classes],
        }
    }

    /// Turns a sentence's logits (`[T, C]`) into each word's probabilities, and answers the logarithm of the sum over
    /// all sequences. `pairs` (`[C, C]`) gets, for every pair of neighbours, what is to be multiplied by
    /// [`Chain::step`] to be the probability of that pair.
    pub fn run(&mut self, logits: &mut [f32], mut pairs: Option<&mut [f32]>) -> f64 {
        vectorised(
            #[inline(always)]
            || self.run_inline(logits, pairs.as_deref_mut()),
        )
    }

    /// e^transition from a class to the next; 0 where that is forbidden.
    pub fn step(&self, from: usize, to: usize) -> f32 {
        self.steps[from * self.classes + to]
    }

    #[inline(always)]
    fn run_inline(&mut self, logits: &mut [f32], mut pairs: Option<&mut [f32]>) -> f64 {
        let c = self.classes;
        let mut log_sum = self.forward_pass(logits);
        self.behind.fill(1.0);
        for (t, out) in logits.chunks_exact_mut(c).enumerate().rev() {
            let (forward, factors) = (&self.forward[t * c..(t + 1) * c], &self.factors[t * c..(t + 1) * c]);
            let scale = self.scales[t];
            log_sum += f64::from(scale).ln();
            out.iter_mut().zip(forward).zip(&self.behind).for_each(|((o, f), b)| *o = f * b);
            let weighted = self.weighted.iter_mut().zip(factors).zip(&self.behind);
            weighted.for_each(|((w, f), b)| *w = f * b / scale);
            let Some(before) = t.checked_sub(1).map(|t| &self.forward[t * c..(t + 1) * c]) else {
                // The first word stands behind class 0.
                if let Some(pairs) = pairs.as_deref_mut() {
                    pairs[..c].iter_mut().zip(&self.weighted).for_each(|(p, w)| *p += w);
                }
                break;
            };
            for (from, probability) in before.iter().enumerate() {
                if *probability < NEGLIGIBLE {
                    self.behind[from] = 0.0;
                    continue;
                }
                let steps = &self.steps[from * c..(from + 1) * c];
                self.behind[from] = dot(steps, &self.weighted);
                if let Some(pairs) = pairs.as_deref_mut() {
                    let row = &mut pairs[from * c..(from + 1) * c];
                    row.iter_mut().zip(&self.weighted).for_each(|(p, w)| *p += probability * w);
                }
            }
        }
        log_sum
    }

    /// Fills forward variables, factors and scales; answers the part of the logarithm that the factors leave out.
    #[inline(always)]
    fn forward_pass(&mut self, logits: &[f32]) -> f64 {
        let c = self.classes;
        self.forward.clear();
        self.forward.resize(logits.len(), 0.0);
        self.factors.clear();
        self.factors.resize(logits.len(), 0.0);
        self.scales.clear();
        let mut left_out = 0.0;
        for (t, logits) in logits.chunks_exact(c).enumerate() {
            let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            left_out += f64::from(max);
            let factors = &mut self.factors[t * c..(t + 1) * c];
            factors.iter_mut().zip(logits).for_each(|(f, l)| *f = exp(l - max));
            let (before, rest) = self.forward.split_at_mut(t * c);
            let row = &mut rest[..c];
            match t.checked_sub(1) {
                None => row.copy_from_slice(&self.steps[..c]),
                Some(t) => {
                    for (from, probability) in before[t * c..].iter().enumerate().filter(|(_, p)| **p >= NEGLIGIBLE) {
                        let steps = &self.steps[from * c..(from + 1) * c];
                        row.iter_mut().zip(steps).for_each(|(r, s)| *r += probability * s);
                    }
                }
            }
            row.iter_mut().zip(&*factors).for_each(|(r, f)| *r *= f);
            // Where only forbidden classes were probable at all, the allowed ones are what there is.
            let scale = sum(row, |r| r).max(f32::MIN_POSITIVE);
            row.iter_mut().for_each(|r| *r /= scale);
            self.scales.push(scale);
        }
        left_out
    }
}

/// In eight lanes, in a fixed order.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a8.remainder().iter().zip(b8.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a8.zip(b8) {
        for i in 0..8 {
            lanes[i] += x[i] * y[i];
        }
    }
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All sequences, one by one: the twin of the recursion.
    fn by_hand(
        c: usize,
        transitions: &[f32],
        logits: &[f32],
        may: &dyn Fn(usize, usize) -> bool,
    ) -> (f64, Vec<f64>, Vec<f64>) {
        let words = logits.len() / c;
        let (mut total, mut single, mut pairs) = (0.0, vec![0.0; logits.len()], vec![0.0; c * c]);
        for code in 0..c.pow(words as u32) {
            let path: Vec<usize> = (0..words).map(|t| code / c.pow(t as u32) % c).collect();
            let before: Vec<usize> = std::iter::once(0).chain(path.iter().copied()).collect();
            if before.iter().zip(&path).any(|(from, to)| !may(*from, *to)) {
                continue;
            }
            let steps = before.iter().zip(&path);
            let score: f32 =
                steps.clone().enumerate().map(|(t, (f, to))| transitions[f * c + to] + logits[t * c + to]).sum();
            let weight = f64::from(score).exp();
            total += weight;
            path.iter().enumerate().for_each(|(t, to)| single[t * c + to] += weight);
            steps.for_each(|(from, to)| pairs[from * c + to] += weight);
        }
        single.iter_mut().chain(&mut pairs).for_each(|w| *w /= total);
        (total.ln(), single, pairs)
    }

    #[test]
    fn it_sums_over_every_sequence_that_the_rule_allows() {
        let c = 3;
        let may = |from: usize, to: usize| to != 2 || from != 0;
        let transitions: Vec<f32> = (0..c * c).map(|i| (i * 5 % 7) as f32 * 0.3 - 0.8).collect();
        let logits: Vec<f32> = (0..4 * c).map(|i| (i * 11 % 13) as f32 * 0.4 - 2.0).collect();
        let (log_sum, single, pairs) = by_hand(c, &transitions, &logits, &may);
        let mut chain = Chain::new(c, &transitions, may);
        let (mut found, mut found_pairs) = (logits.clone(), vec![0.0; c * c]);
        let found_sum = chain.run(&mut found, Some(&mut found_pairs));
        assert!((found_sum - log_sum).abs() < 1e-5, "{found_sum} {log_sum}");
        for (i, (a, b)) in found.iter().zip(&single).enumerate() {
            assert!((f64::from(*a) - b).abs() < 1e-5, "word {}, class {}: {a} {b}", i / c, i % c);
        }
        for (i, (a, b)) in found_pairs.iter().zip(&pairs).enumerate() {
            let a = f64::from(a * chain.step(i / c, i % c));
            assert!((a - b).abs() < 1e-5, "pair {} {}: {a} {b}", i / c, i % c);
        }
    }

    #[test]
    fn long_sentences_and_great_logits_stay_finite() {
        let (c, words) = (5, 256);
        let mut logits: Vec<f32> = (0..words * c).map(|i| if i % 3 == 0 { 60.0 } else { -60.0 }).collect();
        let log_sum = Chain::new(c, &vec![0.5; c * c], |_, _| true).run(&mut logits, None);
        assert!(log_sum.is_finite() && logits.iter().all(|p| (0.0..=1.0001).contains(p)));
        let row: f32 = logits[..c].iter().sum();
        assert!((row - 1.0).abs() < 1e-4, "{row}");
    }
}
