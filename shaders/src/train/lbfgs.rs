//! L-BFGS (Liu and Nocedal 1989) for smooth convex functions: no learning rate to guess, and the same result each time.

use std::collections::VecDeque;

/// Pairs of steps and gradient changes that are remembered.
const MEMORY: usize = 7;
/// Halvings of one step before the search gives up.
const HALVINGS_MAX: usize = 20;
/// The search ends when the gradient is this much shorter than the parameters (or 1).
const GRADIENT_TOLERANCE: f64 = 1e-4;
/// It also ends when an iteration improves the value by less than this part of it.
const VALUE_TOLERANCE: f64 = 1e-6;

/// Minimises `f(parameters, gradient) -> value` from `x` in at most `iterations_max` steps; `step_done` hears of each.
pub fn minimise(
    x: &mut [f32],
    iterations_max: usize,
    mut f: impl FnMut(&[f32], &mut [f32]) -> f64,
    mut step_done: impl FnMut(usize),
) -> f64 {
    let n = x.len();
    let mut gradient = vec![0.0; n];
    let mut value = f(x, &mut gradient);
    let mut history: VecDeque<(Vec<f32>, Vec<f32>, f64)> = VecDeque::new();
    let (mut trial, mut trial_gradient) = (vec![0.0; n], vec![0.0; n]);
    for iteration in 0..iterations_max {
        step_done(iteration);
        if norm(&gradient) <= GRADIENT_TOLERANCE * norm(x).max(1.0) {
            break;
        }
        let mut direction = descent(&gradient, &history);
        let mut slope = dot(&direction, &gradient);
        if slope >= 0.0 {
            // Rounding spoiled the curvature: start over from the steepest descent.
            history.clear();
            direction = gradient.iter().map(|g| -g).collect();
            slope = -dot(&gradient, &gradient);
        }
        let mut step = if history.is_empty() { 1.0 / norm(&gradient).max(1.0) } else { 1.0 };
        let mut found = None;
        for _ in 0..HALVINGS_MAX {
            for i in 0..n {
                trial[i] = x[i] + step as f32 * direction[i];
            }
            let at = f(&trial, &mut trial_gradient);
            if at <= value + 1e-4 * step * slope {
                found = Some(at);
                break;
            }
            step *= 0.5;
        }
        let Some(next) = found else { break };
        let s: Vec<f32> = trial.iter().zip(x.iter()).map(|(a, b)| a - b).collect();
        let y: Vec<f32> = trial_gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        let curvature = dot(&s, &y);
        if curvature > 1e-10 * norm(&s) * norm(&y) {
            if history.len() == MEMORY {
                history.pop_front();
            }
            history.push_back((s, y, 1.0 / curvature));
        }
        x.copy_from_slice(&trial);
        std::mem::swap(&mut gradient, &mut trial_gradient);
        let gain = value - next;
        value = next;
        if gain <= VALUE_TOLERANCE * value.abs().max(1e-12) {
            break;
        }
    }
    step_done(iterations_max);
    value
}

/// The two-loop recursion: −H·g with the inverse Hessian that the history tells of.
fn descent(gradient: &[f32], history: &VecDeque<(Vec<f32>, Vec<f32>, f64)>) -> Vec<f32> {
    let mut q: Vec<f32> = gradient.iter().map(|g| -g).collect();
    let mut alphas = Vec::with_capacity(history.len());
    for (s, y, rho) in history.iter().rev() {
        let alpha = rho * dot(s, &q);
        add(&mut q, y, -alpha);
        alphas.push(alpha);
    }
    if let Some((_, y, rho)) = history.back() {
        let scale = (1.0 / (rho * dot(y, y))) as f32;
        q.iter_mut().for_each(|x| *x *= scale);
    }
    for ((s, y, rho), alpha) in history.iter().zip(alphas.iter().rev()) {
        let beta = rho * dot(y, &q);
        add(&mut q, s, alpha - beta);
    }
    q
}

fn add(x: &mut [f32], y: &[f32], factor: f64) {
    let factor = factor as f32;
    x.iter_mut().zip(y).for_each(|(x, y)| *x += factor * y);
}

/// In eight lanes of f64: precise, in a fixed order, and quick.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    let mut lanes = [0.0_f64; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a8.remainder().iter().zip(b8.remainder()).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
    for (x, y) in a8.zip(b8) {
        for i in 0..8 {
            lanes[i] += f64::from(x[i]) * f64::from(y[i]);
        }
    }
    lanes.iter().sum::<f64>() + rest
}

fn norm(a: &[f32]) -> f64 {
    dot(a, a).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_the_bottom_of_a_long_valley() {
        // (x − 3)² + 100·(y + 1)² + (x·y)²/50, whose minimum is near (2.94, −0.998).
        let f = |p: &[f32], g: &mut [f32]| {
            let (x, y) = (f64::from(p[0]), f64::from(p[1]));
            g[0] = (2.0 * (x - 3.0) + 2.0 * x * y * y / 50.0) as f32;
            g[1] = (200.0 * (y + 1.0) + 2.0 * x * x * y / 50.0) as f32;
            (x - 3.0).powi(2) + 100.0 * (y + 1.0).powi(2) + (x * y).powi(2) / 50.0
        };
        let mut p = [-5.0, 7.0];
        minimise(&mut p, 100, f, |_| {});
        let mut g = [0.0; 2];
        f(&p, &mut g);
        assert!(g[0].abs() < 2e-2 && g[1].abs() < 2e-2, "{p:?} {g:?}");
    }
}
