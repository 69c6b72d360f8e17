//! Every drill of the catalogue on three real processes, for a round or two: every promise must hold.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that goes wrong")]

mod common;

use drills::catalog;
use drills::drill::{Drill, DrillOptions, run};
use drills::lab::Lab;
use drills::record::DrillRecord;
use std::time::Duration;

async fn hold(drill: &Drill, lab: &mut Lab, options: &DrillOptions) -> DrillRecord {
    let record = run(lab, drill, options, None).await.unwrap();
    println!("{}: {}\n{}", drill.name, record.load, record.verdict);
    for round in &record.rounds {
        println!("{round:?}");
    }
    let tails = lab.cluster().log_tails();
    assert!(record.verdict.holds(), "{}\nevidence: {:?}\n{tails}", record.verdict, record.evidence);
    assert_eq!(record.stopped, None, "{tails}");
    // The run must have been one: turns before, during and after the faults, repetitions and reads.
    assert_eq!(record.rounds.len(), options.rounds);
    assert_eq!(record.load.errors, 0, "a turn was given up: {}", record.load);
    assert!(record.load.reads > record.load.reads_failed, "{}", record.load);
    assert!(record.load.resends > 0 && record.verdict.replayed > 0, "{}", record.load);
    record
}

fn options(rounds: usize) -> DrillOptions {
    let whole = Duration::from_millis(800);
    DrillOptions { whole, evidence: common::evidence(), ..DrillOptions::rounds(rounds) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_doubled_whatever_happens_to_the_leading_zone() {
    let _turn = common::turn().await;
    let kill = catalog::find("kill-leader").unwrap();
    // One cluster for all drills that need nothing of their own.
    let Some(mut lab) = common::lab(kill, false, &[]).await else { return };
    for drill in catalog::DRILLS.iter().filter(|d| d.name != "full-disk" && !d.from_previous_version) {
        if common::can_run(drill, false).await {
            let record = hold(drill, &mut lab, &options(1)).await;
            let led = record.rounds.iter().map(|r| r.led).sum::<usize>();
            assert!(led > 0 || drill.name == "wrong-certificate", "{}: a node that leads nothing was hit", drill.name);
        }
    }
    // Whole again: each node ends cleanly when it is asked to.
    for i in 0..lab.cluster().len() {
        let status = lab.cluster().stop(i).await.unwrap();
        assert!(status.success(), "node {i} ended with {status}\n{}", lab.cluster().log_tails());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_takes_nobody_else_down() {
    let _turn = common::turn().await;
    let drill = catalog::find("full-disk").unwrap();
    let Some(mut lab) = common::lab(drill, false, &[]).await else { return };
    hold(drill, &mut lab, &options(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_upgraded_while_it_serves_and_loses_its_leader() {
    let _turn = common::turn().await;
    let drill = catalog::find("previous-version").unwrap();
    let Some(mut lab) = common::lab(drill, true, &[]).await else { return };
    hold(drill, &mut lab, &options(1)).await;
}
