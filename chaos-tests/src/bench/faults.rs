//! The catalogue of drills as a bench: rounds of each fault on a lab's cluster, the checker's verdict over each, the pauses,
//! and etcd's beside them in the same zones.

use super::release_of;
use crate::binary::Binary;
use crate::replica::EtcdPeer;
use anyhow::{Context, Result, ensure};
use drills::catalog::{DRILLS, find};
use drills::cluster::ZONES;
use drills::drill::{Drill, DrillOptions, Peer, run};
use drills::html;
use drills::lab::{Lab, LabOptions, Zones};
use drills::pauses::percentile;
use drills::record::{DrillRecord, RoundRecord};
use drills::violation::Kind;
use results::{Plot, Results, Row, Series};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;

/// How the bench runs.
#[derive(Debug, Clone)]
pub struct FaultsOptions {
    /// Names of drills; all of them where there are none.
    pub only: Vec<String>,
    /// How each drill runs.
    pub drill: DrillOptions,
    /// An assistant of bots/, or its folder.
    pub assistant: String,
    /// Measure etcd in the same run, with these timings: heartbeat and election timeout, in milliseconds.
    pub etcd: Option<(u64, u64)>,
    /// Folder for the data of both sides.
    pub place: PathBuf,
    /// Folder for the reports.
    pub reports: PathBuf,
}

/// Runs the drills, one after another; `so_far` is given the results after each. The second value says which were not run,
/// and why.
pub async fn run_all(
    options: &FaultsOptions,
    so_far: impl Fn(&Results) -> Result<()>,
) -> Result<(Results, Vec<String>)> {
    let wanted: Vec<&Drill> = match &options.only[..] {
        [] => DRILLS.iter().collect(),
        names => {
            names.iter().map(|n| find(n).with_context(|| format!("there is no drill {n:?}"))).collect::<Result<_>>()?
        }
    };
    let binary = Binary::find()?;
    let (_home, release) = release_of(&binary, &options.assistant)?;
    let lab = LabOptions {
        program: binary.path().to_owned(),
        release,
        loopback: false,
        place: options.place.clone(),
        env: Vec::new(),
    };
    std::fs::create_dir_all(&options.reports).with_context(|| format!("cannot make {}", options.reports.display()))?;
    let (mut records, mut missed) = (Vec::new(), Vec::new());
    for drill in wanted {
        if let Some(lacks) = Lab::lacks(&lab, drill) {
            missed.push(format!("{} did not run: {lacks}", drill.name));
            continue;
        }
        let record = one(drill, &lab, options).await.with_context(|| drill.name)?;
        eprintln!("{}: {}\n{}", drill.name, record.load, record.verdict);
        if let Some(stopped) = &record.stopped {
            eprintln!("{} was stopped: {stopped}", drill.name);
        }
        html::write(&record, &options.reports.join(format!("{}.html", drill.name)))?;
        records.push(record);
        // A run takes hours: one that is broken off has lost nothing of the drills before.
        so_far(&results(&records))?;
    }
    ensure!(!records.is_empty(), "no drill ran: {missed:?}");
    Ok((results(&records), missed))
}

async fn one(drill: &Drill, lab: &LabOptions, options: &FaultsOptions) -> Result<DrillRecord> {
    let zones = match Zones::lacks() {
        None => Some(Arc::new(Zones::make(ZONES.len() as u8)?)),
        Some(_) => None,
    };
    let mut etcd = match options.etcd {
        Some(timing) if EtcdPeer::can(drill) => {
            Some(EtcdPeer::start(&options.place, timing, options.drill.think_time, zones.clone()).await?)
        }
        _ => None,
    };
    // A drill that wants fresh clusters gets one for each round.
    let clusters = if drill.from_previous_version { options.drill.rounds.max(1) } else { 1 };
    let rounds = options.drill.rounds.div_ceil(clusters);
    let mut merged: Option<DrillRecord> = None;
    for cluster in 0..clusters {
        let seed = options.drill.seed + cluster as u64;
        let options = DrillOptions { rounds, seed, ..options.drill.clone() };
        let mut hands = Lab::start(lab, drill, zones.clone()).await?;
        let peer = etcd.as_mut().map(|peer| peer as &mut dyn Peer);
        let record = run(&mut hands, drill, &options, peer).await?;
        let failed = !record.passed();
        match &mut merged {
            None => merged = Some(record),
            Some(merged) => merged.append(record),
        }
        if failed {
            break;
        }
    }
    merged.context("no round was run")
}

/// A time of a round: its name, and where it stands.
type Time = (&'static str, fn(&RoundRecord) -> f64);
const TIMES: [Time; 2] =
    [("pause of the hit shards", |r| r.pause_ms), ("pause of a single shard", |r| r.shard_pause_ms)];

fn results(records: &[DrillRecord]) -> Results {
    let mut rows = Vec::new();
    for record in records {
        let name = |what: &str| format!("{}: {what}", record.drill);
        let rounds = record.rounds.len();
        let peer = record.peer.as_ref().map(|p| &p.pause_ms[..]).unwrap_or_default();
        for (time, pick) in TIMES {
            let ours: Vec<f64> = record.rounds.iter().map(pick).collect();
            let theirs = if pick as usize == TIMES[0].1 as usize { peer } else { &[] };
            // Round by round, so that the ratios have a spread; then what only all rounds together have.
            rows.push(Row::of_rounds(name(&format!("{time}, median")), "ms", &ours, theirs));
            for (label, quantile) in [("P99", 0.99), ("worst", 1.0)] {
                let of = |values: &[f64]| percentile(values, quantile).into_iter().collect::<Vec<_>>();
                let row = Row::of_rounds(name(&format!("{time}, {label}")), "ms", &of(&ours), &of(theirs));
                rows.push(Row { rounds, ..row });
            }
        }
        let verdict = &record.verdict;
        let count = |what: &str, n: usize| Row::of(name(what), "turns", n as f64, rounds);
        rows.push(count("acknowledged", verdict.acknowledged));
        rows.push(count("lost", verdict.count(Kind::Lost)));
        rows.push(count("doubled", verdict.count(Kind::Doubled)));
        let broken: usize = verdict.counts.values().sum();
        rows.push(count("broken promises of any kind", broken));
    }
    let points = |pick: fn(&RoundRecord) -> f64, record: &DrillRecord| -> Vec<(f64, f64)> {
        (1..).zip(record.rounds.iter().map(pick)).map(|(i, y)| (f64::from(i), y)).collect()
    };
    let plot = Plot {
        title: "Pause of the hit shards".into(),
        x: "round".into(),
        y: "ms".into(),
        series: records.iter().map(|r| Series { name: r.drill.clone(), points: points(|r| r.pause_ms, r) }).collect(),
    };
    let detail = records.iter().map(|r| json!({ "drill": r.drill, "rounds": r.rounds, "peer": r.peer, "load": r.load, "verdict": r.verdict.to_string(), "stopped": r.stopped }));
    Results { rows, plots: vec![plot], detail: detail.collect() }
}
