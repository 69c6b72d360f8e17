//! The drill must be able to fail: with a bug planted in the nodes, the checker finds it.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that goes wrong")]

mod common;

use drills::catalog;
use drills::checker::{Verdict, check};
use drills::drill::{DrillOptions, calm, run};
use drills::history::History;
use drills::violation::Kind;
use tertulia_chaos_tests::binary::PLANT_BUG;

async fn can_plant_bugs() -> bool {
    let Some((binary, _release)) = common::moodbot().await else { return false };
    let can = binary.can_plant_bugs().unwrap();
    if !can {
        println!(
            "this test did not run: the binary was built without the feature planted-bugs (cargo xtask test builds it)"
        );
    }
    can
}

/// How often the drill is repeated until the bug shows: a kill has to fall between a reply and its commit.
const DRILLS_MAX: u64 = 4;

/// Runs drills on nodes with a bug until the checker names one of `kinds`.
async fn find(bug: &str, drill: &str, options: DrillOptions, kinds: &[Kind]) {
    if !can_plant_bugs().await {
        return;
    }
    let drill = catalog::find(drill).expect("it is in the catalogue");
    let mut last: Option<Verdict> = None;
    for seed in 1..=DRILLS_MAX {
        let mut lab = common::lab(drill, true, &[(PLANT_BUG, bug)]).await.expect("the assistant was there just now");
        let options = DrillOptions { seed, evidence: common::evidence(), ..options.clone() };
        let report = run(&mut lab, drill, &options, None).await.unwrap();
        println!("{bug}, drill {seed}: {}", report.verdict);
        // That it is found is what is wanted here: nobody will look for it.
        report.evidence.map_or(Ok(()), std::fs::remove_file).unwrap();
        if kinds.iter().any(|kind| report.verdict.count(*kind) > 0) {
            return;
        }
        last = Some(report.verdict);
    }
    panic!("{bug} was planted and the checker found nothing in {DRILLS_MAX} drills: {last:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_before_its_commit_is_found() {
    let _turn = common::turn().await;
    find("reply-before-commit", "kill-leader", DrillOptions::rounds(3), &[Kind::Lost, Kind::Altered]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ignored_key_is_found() {
    let _turn = common::turn().await;
    find("ignore-key", "kill-leader", DrillOptions::rounds(1), &[Kind::Doubled]).await;
}

/// It answers reads as long as it believes that it leads, and does not ask whether it still does: nothing is lost, nothing
/// is doubled, and only the search for a linear order can see it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_wakes_up_and_answers_from_memory_is_found() {
    let _turn = common::turn().await;
    find(
        "blind-leader",
        "freeze-leader",
        DrillOptions { sessions: 16, reads: 0.4, ..DrillOptions::rounds(2) },
        &[Kind::NotLinearizable],
    )
    .await;
}

/// Turns of the load in which a stale read must show. Half of what is done in it are reads, so that followers are asked
/// for what was acknowledged just now.
const TURNS_WITH_READS: u64 = 150;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_read_is_found_and_the_same_load_passes_without_it() {
    let _turn = common::turn().await;
    if !can_plant_bugs().await {
        return;
    }
    let options = DrillOptions { reads: 0.5, sessions: 6, evidence: common::evidence(), ..DrillOptions::rounds(0) };
    let cluster = common::moodbot_cluster(&[(PLANT_BUG, "stale-read")]).await.expect("the assistant is there");
    let mut reports = Vec::new();
    for seed in 1..=DRILLS_MAX {
        let options = DrillOptions { seed, ..options.clone() };
        let report = calm(&cluster.targets(), &options, TURNS_WITH_READS).await.unwrap();
        println!("stale-read, drill {seed}: {}\n{}", report.load, report.verdict);
        let found = report.verdict.count(Kind::NotLinearizable) > 0;
        reports.push(report);
        if found {
            break;
        }
    }
    drop(cluster);
    let report = reports.pop().expect("at least one drill ran");
    assert!(
        report.verdict.count(Kind::NotLinearizable) > 0,
        "stale-read was planted and not found: {}",
        report.verdict
    );
    // Nothing but a read was wrong, so that nothing else could have found it; the last look at the log comes too early
    // for a follower now and then.
    let only = [Kind::NotLinearizable, Kind::Lost, Kind::Disagreement];
    assert!(report.verdict.counts.keys().all(|kind| only.contains(kind)), "{}", report.verdict);

    // The history that the drill left gives the same verdict.
    let evidence = report.evidence.expect("a drill that fails leaves its history");
    assert_eq!(check(&History::load(&evidence).unwrap()), report.verdict);
    std::fs::remove_file(evidence).unwrap();

    // The same load on the same binary: what was found above is the bug's doing.
    let cluster = common::moodbot_cluster(&[]).await.expect("the assistant is there");
    let report = calm(&cluster.targets(), &options, TURNS_WITH_READS).await.unwrap();
    println!("without it: {}\n{}", report.load, report.verdict);
    assert!(report.verdict.holds(), "{}\nevidence: {:?}", report.verdict, report.evidence);
    assert!(report.load.reads - report.load.reads_failed > 50, "{}", report.load);
    assert!(report.verdict.linearizable.overlapping > 0, "{}", report.verdict);
}
