//! The drill must be able to fail: with a bug planted in the nodes, the checker finds it.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that goes wrong")]

mod common;

use tertulia_chaos_tests::binary::PLANT_BUG;
use tertulia_chaos_tests::checker::Verdict;
use tertulia_chaos_tests::drill::{DrillOptions, kill_leader};
use tertulia_chaos_tests::violation::Kind;

/// How often the drill is repeated until the bug shows: a kill has to fall between a reply and its commit.
const DRILLS_MAX: u64 = 4;

/// Runs drills on nodes with a bug until the checker names one of `kinds`.
async fn find(bug: &str, rounds: usize, kinds: &[Kind]) {
    let _turn = common::turn().await;
    let Some((binary, _release)) = common::moodbot().await else { return };
    if !binary.can_plant_bugs().unwrap() {
        println!(
            "this test did not run: the binary was built without the feature planted-bugs (cargo xtask test builds it)"
        );
        return;
    }
    let mut last: Option<Verdict> = None;
    for seed in 1..=DRILLS_MAX {
        let mut cluster = common::moodbot_cluster(&[(PLANT_BUG, bug)]).await.expect("the assistant was there just now");
        let options = DrillOptions { seed, ..DrillOptions::rounds(rounds) };
        let report = kill_leader(&mut cluster, &options).await.unwrap();
        println!("{bug}, drill {seed}: {}", report.verdict);
        if kinds.iter().any(|kind| report.verdict.count(*kind) > 0) {
            return;
        }
        last = Some(report.verdict);
    }
    panic!("{bug} was planted and the checker found nothing in {DRILLS_MAX} drills: {last:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_before_its_commit_is_found() {
    find("reply-before-commit", 3, &[Kind::Lost, Kind::Altered]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ignored_key_is_found() {
    find("ignore-key", 1, &[Kind::Doubled]).await;
}
