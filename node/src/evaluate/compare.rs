//! Two configurations on the same splits.

use super::Evaluation;
use super::markdown::{FIGURES, percent};
use std::fmt::Write;

/// A table of both, with the difference seed by seed: what is right of all seeds is no accident of one split.
pub fn compare(names: [&str; 2], evaluations: [&Evaluation; 2]) -> String {
    let mut out = String::from("# Comparison\n\n");
    for (letter, (name, evaluation)) in ["A", "B"].iter().zip(names.iter().zip(evaluations)) {
        let _ = writeln!(out, "{letter}: `{name}`, {}, {}  ", evaluation.model, evaluation.plan);
    }
    out.push_str("\n| figure | A | B | B − A | least | most | seeds |\n|---|---|---|---|---|---|---|\n");
    for (name, of) in FIGURES {
        let [a, b] = evaluations.map(|e| e.rounds.iter().map(of).collect::<Option<Vec<f64>>>());
        let (Some(a), Some(b)) = (a, b) else { continue };
        let differences: Vec<f64> = a.iter().zip(&b).map(|(a, b)| b - a).collect();
        let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len().max(1) as f64;
        let (least, most) =
            differences.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), d| (a.min(*d), b.max(*d)));
        let [d, least, most] = [mean(&differences), least, most].map(|d| format!("{:+.1}", 100.0 * d));
        let _ = writeln!(
            out,
            "| {name} | {} | {} | {d} | {least} | {most} | {} |",
            percent(mean(&a)),
            percent(mean(&b)),
            differences.len()
        );
    }
    out
}
