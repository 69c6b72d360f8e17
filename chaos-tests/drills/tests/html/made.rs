//! Records as drills leave them behind, made up.

use drills::linearizable::{Broken, Summary};
use drills::record::{ActRecord, Bucket, DrillRecord, PeerRecord, RoundRecord, Timeline};
use drills::report::LoadReport;
use drills::verdict::Verdict;
use drills::violation::{Kind, Violation};

/// From one round's strike to the next.
const ROUND_MS: f64 = 11_400.0;
const BUCKET_MS: f64 = 250.0;
const ZONES: [&str; 3] = ["a", "b", "c"];

/// Small noise without a generator: from 0 to 1, the same for the same number.
fn noise(n: usize) -> f64 {
    let mixed = (n as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 40) as f64 / f64::from(1 << 24)
}

fn round(n: usize) -> RoundRecord {
    let struck_ms = 4_000.0 + ROUND_MS * n as f64 + 300.0 * noise(n);
    // Most elections are over at once; a few need another one.
    let slow = if noise(n + 5_000) > 0.94 { 900.0 } else { 0.0 };
    let shard_pause_ms = 620.0 + 480.0 * noise(n + 1_000).powi(2) + slow;
    RoundRecord {
        zones: vec![ZONES[n % 3].to_owned()],
        led: 5 + n % 4,
        struck_ms,
        healed_ms: struck_ms + 3_000.0,
        pause_ms: shard_pause_ms * 0.8,
        shard_pause_ms,
        total_pause_ms: 40.0 + 90.0 * noise(n + 2_000),
        worst_turn_ms: shard_pause_ms + 60.0,
        whole_again_ms: 1_500.0 + 700.0 * noise(n + 3_000),
    }
}

fn bucket(at_ms: f64, n: usize, rounds: &[RoundRecord]) -> Bucket {
    let strikes = || rounds.iter().map(|r| (at_ms - r.struck_ms, r.shard_pause_ms));
    let paused = strikes().any(|(since_ms, pause_ms)| since_ms > -BUCKET_MS && since_ms < pause_ms);
    let down = strikes().any(|(since_ms, _)| (0.0..3_000.0).contains(&since_ms));
    let share = if paused { 0.35 } else { 1.0 } * if down { 0.9 } else { 1.0 };
    Bucket {
        turns: (share * (420.0 + 60.0 * noise(n))) as u64,
        failed: if paused { 12 + (30.0 * noise(n + 7)) as u64 } else { 0 },
        p50_ms: 3.5 + 1.5 * noise(n + 11),
        p99_ms: if paused { 300.0 } else { 14.0 } * (1.0 + noise(n + 13)),
        max_ms: if paused { 900.0 } else { 40.0 } * (1.0 + 0.6 * noise(n + 17)),
        rested: false,
    }
}

fn load(turns: u64, seconds: f64) -> LoadReport {
    LoadReport {
        clients: 24,
        turns,
        retries: 3_217,
        resends: turns / 50,
        replayed: turns / 49,
        reads: turns / 9,
        reads_failed: 3,
        seconds,
        turns_per_s: turns as f64 / seconds,
        p50_ms: 4.2,
        p90_ms: 9.6,
        p99_ms: 31.4,
        p999_ms: 880.2,
        max_ms: 2_114.7,
        longest_pause_ms: 131.0,
        first_trouble: Some("http://127.0.0.1:10412: error sending request: connection refused".to_owned()),
        ..LoadReport::default()
    }
}

/// A drill of so many rounds that passed, with a peer beside it.
pub fn passed(rounds: usize) -> DrillRecord {
    let rounds: Vec<RoundRecord> = (0..rounds).map(round).collect();
    let length_ms = 4_000.0 + ROUND_MS * rounds.len() as f64 + 2_000.0;
    let buckets: Vec<Bucket> =
        (0..(length_ms / BUCKET_MS) as usize).map(|n| bucket(n as f64 * BUCKET_MS, n, &rounds)).collect();
    let turns = buckets.iter().map(|b| b.turns).sum();
    let act = |round: &RoundRecord, at_ms, what: &str, undoes| {
        let zone = round.zones[0].clone();
        ActRecord {
            at_ms,
            node: 1 + ZONES.iter().position(|z| *z == zone).unwrap() as u64,
            zone,
            what: what.into(),
            undoes,
        }
    };
    let acts = rounds.iter().flat_map(|r| [act(r, r.struck_ms, "kill", false), act(r, r.healed_ms, "start", true)]);
    DrillRecord {
        drill: "kill-leader".to_owned(),
        about: "Under load, the process that leads most shards is killed and started again, round by round.".to_owned(),
        place: "3 processes on one machine, 8 cores, ext4".to_owned(),
        began: "2026-03-14T09:26:53Z".to_owned(),
        versions: vec![
            ("tertulia".to_owned(), "0.1.0".to_owned()),
            ("etcd".to_owned(), "3.5.17".to_owned()),
            ("linux".to_owned(), "6.12.9".to_owned()),
        ],
        seed: 8_675_309,
        command: format!("tertulia drill kill-leader --rounds {} --seed 8675309 --peer etcd", rounds.len()),
        peer: Some(PeerRecord {
            name: "etcd 3.5.17".to_owned(),
            pause_ms: (0..rounds.len()).map(|n| 1_050.0 + 900.0 * noise(n + 9_000)).collect(),
        }),
        acts: acts.collect(),
        timeline: Timeline { bucket_ms: BUCKET_MS, buckets },
        load: load(turns, length_ms / 1_000.0),
        verdict: Verdict {
            acknowledged: turns as usize,
            unknown: 2,
            logged: turns as usize + 1,
            sessions: 312,
            replayed: turns as usize / 49,
            linearizable: Summary {
                sessions: 312,
                operations: 612_345,
                reads: 58_112,
                overlapping: 140_221,
                visited: 901_334,
            },
            ..Verdict::default()
        },
        stopped: None,
        evidence: None,
        rounds,
    }
}

/// A drill that lost turns.
pub fn failed(rounds: usize) -> DrillRecord {
    let mut record = passed(rounds);
    let lost = |n: u64| Violation::Lost {
        session: format!("session-{n}"),
        key: format!("key-{n}"),
        seq: 40 + n,
        view: "node 2".to_owned(),
    };
    let broken = Broken {
        session: "session-7".to_owned(),
        ordered: 118,
        operations: 121,
        turns: 44,
        last: Some("key-44".to_owned()),
        before: vec![
            "812.113 to 815.004 ms, client 3 at target 1: turn key-44: acknowledged as number 44, new".to_owned(),
        ],
        stuck: vec![
            "in the end, node 2: read behind number 0: 43 turns, the last is number 43 under key key-43".to_owned(),
        ],
    };
    record.verdict.violations = (0..3).map(lost).chain([Violation::NotLinearizable(broken)]).collect();
    record.verdict.counts = [(Kind::Lost, 17), (Kind::NotLinearizable, 1)].into();
    record.evidence = Some("/var/tmp/drills/kill-leader-8675309/history.json".into());
    record
}
