//! The simulator itself: its determinism, what it must find, and a few seeds that nobody has seen yet.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that goes wrong")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tertulia_chaos_tests::simulation::{Fault, Found, Lost, Plan, Planned, Runner, Scope, simulate};

/// Processes at once.
const JOBS: usize = 2;

fn runner(bug: Option<&str>, timing: Option<&str>, seconds: u64) -> Runner {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_tertulia-sim"));
    Runner { binary, bug: bug.map(str::to_owned), seconds, timing: timing.map(str::to_owned) }
}

fn scope(seeds: std::ops::Range<u64>, time: Option<Duration>) -> Scope {
    Scope { seeds, jobs: JOBS, time, runs: None }
}

/// Seeds with snapshots, membership changes, bit flips and restarts among them.
#[test]
fn the_same_seed_gives_the_same_history_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    for (seed, timing) in [(191, "lan"), (5, "wan"), (23, "wan"), (27, "slow")] {
        // At the same time, on two cores.
        let begin = |name: &str| {
            let out = folder.path().join(name);
            let seed = seed.to_string();
            let args = ["run", "--seed", &seed, "--seconds", "20", "--timing", timing, "--out"];
            let run = Command::new(env!("CARGO_BIN_EXE_tertulia-sim")).args(args).arg(&out).spawn().unwrap();
            (run, out)
        };
        let end = |(mut run, out): (Child, PathBuf)| {
            assert!(run.wait().unwrap().success(), "seed {seed} ({timing}) has found something");
            std::fs::read(out).unwrap()
        };
        let both = (begin("one"), begin("other"));
        let (one, other) = (end(both.0), end(both.1));
        assert!(one.len() > 10_000, "there is a history");
        assert!(one == other, "seed {seed} ({timing}) gave two histories");
    }
}

/// A bug, the speed of the clocks and the simulated seconds of a run, and the seeds among which one finds it.
const PLANTED: &[(&str, &str, u64, std::ops::Range<u64>)] = &[
    ("reply-before-commit", "slow", 60, 1..6),
    ("ignore-key", "slow", 60, 1..6),
    ("stale-read", "slow", 60, 1..11),
    // Before the 17th, seeds from 1 on find nothing.
    ("blind-leader", "slow", 120, 11..22),
    ("skip-fsync", "wan", 60, 1..11),
    ("forget-vote", "slow", 60, 1..6),
    ("snapshot-hole", "wan", 60, 10..21),
    ("no-fence", "slow", 120, 1..21),
    ("two-voters-a-zone", "wan", 60, 1..11),
    ("double-reminder", "slow", 60, 1..21),
];

fn finds(bug: &str) {
    if !cfg!(feature = "planted-bugs") {
        println!("this test did not run: it was built without the feature planted-bugs (cargo xtask test builds it)");
        return;
    }
    let (_, timing, seconds, seeds) = PLANTED.iter().find(|(name, ..)| *name == bug).unwrap();
    let first = |found: &Found| !found.broken.is_empty();
    let found = runner(Some(bug), Some(timing), *seconds).search(&scope(seeds.clone(), None), first).unwrap();
    let broken = found.broken.first().unwrap_or_else(|| panic!("{bug} was not found by the seeds {seeds:?}"));
    println!("{bug}: found by seed {} of {seeds:?}: {:?}", broken.seed, broken.broken);
}

macro_rules! finds {
    ($($test:ident: $bug:literal),* $(,)?) => {
        $(#[test] fn $test() { finds($bug) })*
        #[test]
        fn every_planted_bug_has_its_test() {
            let mut tested = vec![$($bug),*, "purge-ahead"];
            let mut planted: Vec<&str> = cluster_config::PLANTED_BUGS.iter().map(|(name, _)| *name).collect();
            tested.sort_unstable();
            planted.sort_unstable();
            assert_eq!(tested, planted);
        }
    };
}

finds! {
    a_reply_before_its_commit_is_found: "reply-before-commit",
    an_ignored_key_is_found: "ignore-key",
    a_stale_read_is_found: "stale-read",
    a_leader_that_does_not_ask_is_found: "blind-leader",
    a_skipped_fsync_is_found: "skip-fsync",
    a_forgotten_vote_is_found: "forget-vote",
    a_hole_in_a_snapshot_is_found: "snapshot-hole",
    a_lost_fence_is_found: "no-fence",
    two_voters_in_a_zone_are_found: "two-voters-a-zone",
    a_double_reminder_is_found: "double-reminder",
}

/// Power that fails a moment after a purge comes too rarely by chance: seeds with these faults instead of their own.
#[test]
fn a_purge_ahead_of_the_state_is_found() {
    if !cfg!(feature = "planted-bugs") {
        println!("this test did not run: it was built without the feature planted-bugs (cargo xtask test builds it)");
        return;
    }
    let plan = |seed: u64| {
        let mut plan = Plan::of(seed, 20, Some("lan"));
        (plan.zones, plan.shards, plan.log_entries_kept) = (vec![0, 1, 2], 1, 1);
        plan.faults.clear();
        for (at_ms, behind_ms) in (2_000..18_000).step_by(2_000).zip((10..).step_by(10)) {
            for machine in 0..3 {
                plan.faults.push(Planned { at_ms, fault: Fault::Purge { machine, shard: 0 } });
            }
            let fault = Fault::AllDown { for_ms: 200, survivors: Lost::Unsynced };
            plan.faults.push(Planned { at_ms: at_ms + behind_ms, fault });
        }
        plan
    };
    let bug = runner(Some("purge-ahead"), Some("lan"), 20);
    let sound = Runner { bug: None, ..bug.clone() };
    let found = (1..6).find(|seed| bug.run_plan(&plan(*seed)).unwrap().broken.is_some());
    let seed = found.expect("purge-ahead was not found by the seeds 1 to 5");
    assert_eq!(sound.run_plan(&plan(seed)).unwrap().broken, None, "without the bug the plan is harmless");
}

/// Seeds of today, so that no two days look at the same ones; `TERTULIA_SEEDS_FROM` names others.
#[test]
fn fresh_seeds_find_nothing() {
    let days = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 86_400;
    let from = std::env::var("TERTULIA_SEEDS_FROM").ok().and_then(|s| s.parse().ok()).unwrap_or(days * 1_000);
    let mut all = Vec::new();
    for (timing, seeds) in [("slow", 16), ("wan", 5), ("lan", 1)] {
        let time = Some(Duration::from_secs(60));
        let found = runner(None, Some(timing), 40).search(&scope(from..from + seeds, time), |_| false).unwrap();
        println!("{} seeds from {from} on, {timing}: {:.2} simulated hours", found.seeds, found.all_hours());
        assert!(found.seeds > 0);
        all.extend(found.broken.into_iter().map(|run| (run.seed, timing, run.broken)));
    }
    assert!(all.is_empty(), "TERTULIA_SEEDS_FROM={from}: {all:#?}");
}

/// A write that fails leaves a process that can do nothing: it ends, and a new one takes its place.
#[test]
fn a_node_that_cannot_write_ends_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = Plan::of(1, 30, Some("lan"));
    // Each holds every shard, so that each has something to write.
    plan.zones = vec![0, 1, 2];
    let for_ms = 1_000_000;
    let fails = |(number, machine): (u64, usize)| Planned {
        at_ms: 2_000 + 8_000 * number,
        fault: Fault::FailWrite { machine, for_ms },
    };
    plan.faults = (0..).zip(0..plan.zones.len()).map(fails).collect();
    let struck = plan.faults.len() as u64;
    let report = simulate(plan, folder.path(), false);
    assert_eq!(report.broken, None);
    assert_eq!((report.faults["failed write"], report.ended), (struck, struck), "{:#?}", report.story);
}

/// The drill slow-link has found that a leader went on to lead whose lease ran out before its majority answered: it took no
/// writes, and as its heartbeats arrived nobody else was elected. Later it found the same where the others had been late
/// before: each in turn must make way, also the third.
#[test]
fn a_leader_whose_majority_answers_too_late_hands_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = Plan::of(1, 14, Some("lan"));
    plan.zones = vec![0, 1, 2];
    plan.shards = 1;
    // Nothing else makes leaderships move.
    (plan.far.loss, plan.far.twice, plan.far.jitter_us, plan.barrier_us) = (0.0, 0.0, 0, (100, 100));
    // There and back takes longer than the longest election timeout.
    let by_us = 80_000;
    assert!(2 * by_us > 1_000 * plan.timing.election_ms_max);
    // Twice around, and faster than it is forgotten who was late: each leads once when it is hit.
    let slow = |machine| Fault::Slow { machine, by_us, for_ms: 1_500 };
    plan.faults = (1..7).map(|n| Planned { at_ms: 2_000 * n as u64, fault: slow((n - 1) % 3) }).collect();
    let report = simulate(plan, folder.path(), false);
    assert_eq!(report.broken, None);
    let number = |line: &str, after: &str| -> Option<usize> {
        line.split_once(after)?.1.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    let (mut leader, mut hit, mut made_way) = (None, None, BTreeSet::new());
    for line in &report.story {
        leader = number(line, "shard 0: node ").or(leader);
        if line.contains("everything heals") || line.contains("fault: ") {
            assert!(hit.is_none() || hit != leader, "node {hit:?} went on to lead: {:#?}", report.story);
            made_way.extend(hit);
            hit = number(line, "machine: ").map(|machine| machine + 1).filter(|node| Some(*node) == leader);
        }
    }
    assert_eq!(made_way, [1, 2, 3].into(), "{:#?}", report.story);
}

#[test]
fn a_failing_plan_is_shrunk_to_what_it_needs() {
    if !cfg!(feature = "planted-bugs") {
        println!("this test did not run: it was built without the feature planted-bugs (cargo xtask test builds it)");
        return;
    }
    let runner = runner(Some("forget-vote"), Some("slow"), 60);
    let plan = Plan::of(3, 60, Some("slow"));
    let before = runner.run_plan(&plan).unwrap().broken.expect("the bug shows in this plan");
    let least = runner.shrink(plan.clone(), |_| {}).unwrap();
    assert!(least.faults.len() < plan.faults.len() / 2, "{} of {} faults", least.faults.len(), plan.faults.len());
    let after = runner.run_plan(&least).unwrap().broken.expect("it shows in what is left of it");
    assert_eq!(after.invariant, before.invariant);
    // Without the bug the plan is harmless: it is not the plan that breaks something.
    let harmless = Runner { bug: None, ..runner };
    assert_eq!(harmless.run_plan(&least).unwrap().broken, None);
}
