//! Whatever is decoded takes memory in proportion: a length that is a lie is not believed.

use cap::Cap;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::alloc::System;
use tertulia_raft::{
    ControlState,
    codec::{self, Body, EntryRecord, LogIdRecord, MembershipRecord, SnapshotPairsRecord, exercise},
};

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

/// What serde reserves at most for one list before it has read anything of it, a few times over.
const BYTES_MAX: usize = 12 << 20;

/// Whole records, whose payloads are then changed.
fn samples() -> Vec<Vec<u8>> {
    let log_id = LogIdRecord { term: 3, node: 2, index: 7 };
    let membership =
        MembershipRecord { configs: vec![vec![1, 2, 3]], nodes: vec![(1, "a:1".into()), (2, "b:1".into())] };
    let pairs = (0..20u8).map(|i| (vec![i; 9].into(), vec![i; 50].into())).collect();
    let turn = serde_json::json!({
        "seq": 3, "key": "k", "at": 5, "release": null, "text": "hello", "intent": { "name": "greet", "confidence": 0.5 },
        "entities": [], "events": [], "replies": [],
    });
    let turn: dialogue::TurnRecord = serde_json::from_value(turn).expect("a turn");
    vec![
        codec::encode(&EntryRecord { log_id, body: Body::Membership(membership) }),
        codec::encode(&EntryRecord { log_id, body: Body::Command(vec![1; 100].into()) }),
        codec::encode(&SnapshotPairsRecord { pairs }),
        codec::encode(&turn),
        codec::encode(&ControlState::default()),
    ]
}

/// Beyond the limit the allocator fails, which ends the process, and the test with it.
fn limited(work: impl FnOnce()) {
    MEMORY.set_limit(MEMORY.allocated() + BYTES_MAX).expect("it is above what is there");
    work();
    MEMORY.set_limit(usize::MAX).expect("there is no more than all");
}

#[test]
fn changed_records_and_random_bytes_take_little_memory() {
    let mut chance = SmallRng::seed_from_u64(1);
    let samples = samples();
    for _ in 0..20_000 {
        let sample = &samples[chance.random_range(0..samples.len())];
        let (kind, mut payload) = (sample[3], sample[10..sample.len() - 4].to_vec());
        for _ in 0..chance.random_range(1..4) {
            let at = chance.random_range(0..payload.len());
            match chance.random_range(0..4) {
                0 => payload[at] = chance.random(),
                1 => payload[at] = 0xff,
                2 => payload.truncate(at + 1),
                _ => drop(payload.splice(at..at, [chance.random(), 0xff, 0xff, 0xff])),
            }
        }
        limited(|| _ = exercise::payload(kind, 1, &payload));
    }
    // A length of nearly everything.
    for kind in exercise::KINDS {
        for at in 0..24 {
            let mut payload = vec![0; 64];
            payload[at..at + 8].copy_from_slice(&0x0000_00ff_ffff_fff0u64.to_le_bytes());
            limited(|| _ = exercise::payload(*kind, 1, &payload));
        }
    }
}
