//! `kill-leader` as a bench: the drill over many rounds, its verdict and its pauses.

use super::{Plot, Results, Row, Series, release_of};
use crate::binary::Binary;
use crate::cluster::{Cluster, ClusterOptions};
use crate::drill::{DrillOptions, DrillReport, Round, kill_leader};
use crate::pauses::median;
use crate::violation::Kind;
use anyhow::Result;
use serde_json::json;

/// Runs the drill on a fresh cluster that serves `assistant`.
pub async fn run(assistant: &str, options: &DrillOptions) -> Result<(Results, DrillReport)> {
    let binary = Binary::find()?;
    let (_home, release) = release_of(&binary, assistant)?;
    let mut cluster = Cluster::start(ClusterOptions::new(binary, release)).await?;
    let report = kill_leader(&mut cluster, options).await?;
    Ok((results(&report), report))
}

/// A time of a round: its name, and where it stands.
type Time = (&'static str, fn(&Round) -> f64);

fn results(report: &DrillReport) -> Results {
    let rounds = report.rounds.len();
    let of = |pick: fn(&Round) -> f64| report.rounds.iter().map(pick).collect::<Vec<f64>>();
    let verdict = &report.verdict;
    let count = |name: &str, n: usize| Row::of(name, "turns", n as f64, rounds);
    let mut rows = vec![
        count("acknowledged", verdict.acknowledged),
        count("acknowledged and lost", verdict.count(Kind::Lost)),
        count("acknowledged and altered", verdict.count(Kind::Altered)),
        count("doubled", verdict.count(Kind::Doubled)),
        count("out of order", verdict.count(Kind::Order)),
        count("sent by nobody", verdict.count(Kind::Phantom)),
        count("told differently by two nodes", verdict.count(Kind::Disagreement)),
        Row::of("sessions without a linear order", "sessions", verdict.count(Kind::NotLinearizable) as f64, rounds),
        Row::of("sessions left undecided", "sessions", verdict.count(Kind::Undecided) as f64, rounds),
        Row::of("reads while nodes died", "reads", report.load.reads as f64, rounds),
        count("given up by their clients", report.load.errors as usize),
    ];
    let times: [Time; 4] = [
        ("pause without any acknowledgement", |r| r.pause_ms),
        ("pause of the killed leader's shards", |r| r.pause_of_its_shards_ms),
        ("worst turn around a kill", |r| r.worst_turn_ms),
        ("from restart to ready", |r| r.rejoin_ms),
    ];
    for (name, pick) in times {
        let values = of(pick);
        rows.push(Row::of(format!("{name}, median"), "ms", median(&values).unwrap_or(0.0), rounds));
        rows.push(Row::of(format!("{name}, worst"), "ms", values.iter().copied().fold(0.0, f64::max), rounds));
    }
    rows.push(Row::of("turns per second, kills included", "1/s", report.load.turns_per_s, rounds));
    let line = |name: &str, pick: fn(&Round) -> f64| Series {
        name: name.into(),
        points: (1..).zip(of(pick)).map(|(i, y)| (f64::from(i), y)).collect(),
    };
    let plot = Plot {
        title: "kill -9 of the leading process: pauses".into(),
        x: "round".into(),
        y: "ms".into(),
        series: times[..3].iter().map(|(name, pick)| line(name, *pick)).collect(),
    };
    Results { rows, plots: vec![plot], detail: json!(report) }
}
