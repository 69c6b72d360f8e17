//! The report for people.

use super::report::{Evaluation, Round};
use dialogue::evaluate::Score;
use std::fmt::Write;

/// Rows of a table of confused pairs.
const PAIRS_MAX: usize = 20;

/// All of it.
pub fn report(evaluation: &Evaluation) -> String {
    let mut out = String::from("# Evaluation\n\n");
    let _ = writeln!(out, "{}  \n{}\n", evaluation.plan, evaluation.model);
    out.push_str("| figure | mean | least | most | seeds |\n|---|---|---|---|---|\n");
    for (name, of) in FIGURES {
        if evaluation.rounds.iter().all(|r| of(r).is_some()) {
            let (mean, least, most) = evaluation.figure(|r| of(r).unwrap_or(0.0));
            let seeds = evaluation.rounds.len();
            let _ = writeln!(out, "| {name} | {} | {} | {} | {seeds} |", percent(mean), percent(least), percent(most));
        }
    }
    let Some(first) = evaluation.rounds.first() else { return out };
    let _ = writeln!(out, "\nWhat follows is of seed {}: {} examples were asked.", first.seed, first.asked);
    out.push_str("\n## Intents\n\n");
    scores(&mut out, "intent", first.intents.intents.iter().map(|(n, s)| (n.as_str(), s)));
    if let Some(entities) = &first.entities {
        out.push_str("\n## Entities\n\nThe exact span counts, with its type, role and group.\n\n");
        scores(&mut out, "entity", entities.entities.iter().map(|(n, s)| (n.as_str(), s)));
    }
    pairs(&mut out, first);
    out
}

/// Takes a figure from a round; none where it has nothing of the kind.
type Figure = fn(&Round) -> Option<f64>;

/// The figures of the summary.
pub const FIGURES: [(&str, Figure); 5] = [
    ("intent accuracy", |r| Some(r.intents.accuracy)),
    ("intent F1, macro", |r| Some(r.intents.macro_avg.f1)),
    ("intent F1, weighted", |r| Some(r.intents.weighted_avg.f1)),
    ("calibration error", |r| Some(r.intents.confidences.calibration_error)),
    ("entity F1, exact span", |r| r.entities.as_ref().map(|e| e.micro_avg.f1)),
];

/// A share for people.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn scores<'s>(out: &mut String, what: &str, scores: impl Iterator<Item = (&'s str, &'s Score)>) {
    let _ = writeln!(out, "| {what} | precision | recall | F1 | examples |\n|---|---|---|---|---|");
    for (name, score) in scores {
        let [p, r, f] = [score.precision, score.recall, score.f1].map(percent);
        let _ = writeln!(out, "| {} | {p} | {r} | {f} | {} |", cell(name), score.support);
    }
}

fn pairs(out: &mut String, round: &Round) {
    let pairs = &round.intents.confusion.pairs;
    if pairs.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n## Confused pairs\n\n{} in all, the most frequent first.\n", pairs.len());
    for pair in pairs.iter().take(PAIRS_MAX) {
        let (one, other) = (shown(&pair.one), shown(&pair.other));
        let _ = writeln!(
            out,
            "- **{one}** taken for **{other}** {} times, the other way round {} times",
            pair.one_as_other, pair.other_as_one
        );
        for mistake in &pair.examples {
            let (is, said) = (shown(&mistake.intent), shown(&mistake.said));
            let _ = writeln!(out, "  - `{}` is {is}, taken for {said}", mistake.text.replace(['`', '\n'], " "));
        }
    }
}

fn shown(name: &str) -> &str {
    if name.is_empty() { "nothing" } else { name }
}

fn cell(name: &str) -> String {
    shown(name).replace('|', "\\|")
}
