//! The drill on three real processes: whoever leads is killed under load, or frozen, three times; every promise must hold.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that goes wrong")]

mod common;

use tertulia_chaos_tests::drill::{DrillOptions, kill_leader};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_doubled_when_the_leading_process_is_killed() {
    let _turn = common::turn().await;
    let Some(mut cluster) = common::moodbot_cluster(&[]).await else { return };
    let rounds = std::env::var("TERTULIA_DRILL_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(3);
    let options = DrillOptions { evidence: common::evidence(), ..DrillOptions::rounds(rounds) };
    let report = kill_leader(&mut cluster, &options).await.unwrap();
    println!("{}", report.load);
    println!("{}", report.verdict);
    for round in &report.rounds {
        println!("{round:?}");
    }
    let evidence = &report.evidence;
    assert!(report.verdict.holds(), "{}\nevidence: {evidence:?}\n{}", report.verdict, cluster.log_tails());
    // The run must have been one: turns before, during and after the kills, repetitions and resends.
    assert_eq!(report.rounds.len(), rounds);
    assert!(report.rounds.iter().all(|r| r.led > 0), "a process that leads nothing was killed: {:?}", report.rounds);
    assert_eq!(report.load.errors, 0, "a turn was given up: {}", report.load);
    let looked_at = &report.verdict.linearizable;
    assert!(report.load.reads > report.load.reads_failed && looked_at.overlapping > 0, "{}", report.verdict);
    assert!(report.load.resends > 0 && report.verdict.replayed > 0, "{}", report.load);

    // Whole again: each node ends cleanly when it is asked to, and what the others hold is enough to go on.
    for i in 0..cluster.len() {
        let status = cluster.stop(i).await.unwrap();
        assert!(status.success(), "node {i} ended with {status}\n{}", cluster.log_tails());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_was_frozen_shows_no_old_state_and_commits_nothing_of_its_own() {
    let _turn = common::turn().await;
    let Some(mut cluster) = common::moodbot_cluster(&[]).await else { return };
    let options = DrillOptions { evidence: common::evidence(), ..DrillOptions::frozen(3) };
    let report = kill_leader(&mut cluster, &options).await.unwrap();
    println!("{}\n{}", report.load, report.verdict);
    for round in &report.rounds {
        println!("{round:?}");
    }
    let evidence = &report.evidence;
    assert!(report.verdict.holds(), "{}\nevidence: {evidence:?}\n{}", report.verdict, cluster.log_tails());
    assert!(report.rounds.iter().all(|r| r.led > 0), "a process that leads nothing was frozen: {:?}", report.rounds);
    assert!(report.load.reads > report.load.reads_failed, "{}", report.load);
    assert_eq!(report.load.errors, 0, "a turn was given up: {}", report.load);
}
