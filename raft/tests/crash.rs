//! The power fails at every step of a workload of two groups: over the store's twin in memory.
//!
//! This covers what a killed process cannot show (see `kill.rs`): writes that no barrier made durable are lost, at
//! every step, in every number; a batch is torn; the power fails between a batch and its barrier.
// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

mod crash_support;

use crash_support::{Machine, Model, References, Script, found};
use std::{path::Path, sync::Arc};
use tempfile::TempDir;
use tertulia_raft::{
    GroupId,
    store::{MemoryStore, Store, Survivors, Writer, keys, scan_group},
};

const GROUPS: [GroupId; 2] = [GroupId(0), GroupId(7)];
/// Operations of a run, both groups together.
const OPS: usize = 90;

/// What a run did until it ended.
struct Run {
    /// What each group holds after each operation of either, from before the first one on.
    models: Vec<[Model; 2]>,
    /// How many operations were acknowledged.
    acknowledged: usize,
    finished: bool,
}

/// Operations of both groups in turns, until the store fails.
async fn run(store: &Arc<MemoryStore>, folder: &Path, seed: u64, references: &References) -> Run {
    let dyn_store: Arc<dyn Store> = store.clone();
    let (writer, thread) = Writer::start(dyn_store.clone()).unwrap();
    let mut machines = Vec::new();
    for group in GROUPS {
        machines.push(Machine::open(&dyn_store, &writer, folder, group).await.unwrap());
    }
    let mut scripts = GROUPS.map(|g| Script::new(seed, g.0));
    let mut run = Run { models: vec![Default::default()], acknowledged: 0, finished: false };
    let mut flying = Vec::new();
    for number in 1..=OPS {
        let turn = number % 2;
        let op = scripts[turn].next();
        run.models.push([scripts[0].model().clone(), scripts[1].model().clone()]);
        match machines[turn].perform(&op, references).await {
            Ok(None) if op.is_durable_when_done() => run.acknowledged = number,
            Ok(None) => {}
            Ok(Some(durable)) => flying.push((number, durable)),
            Err(_) => break,
        }
        run.finished = number == OPS;
    }
    let mut refused = false;
    for (number, durable) in flying {
        match durable.await {
            Ok(Ok(())) => {
                assert!(!refused, "an append was acknowledged behind one that was not");
                run.acknowledged = run.acknowledged.max(number);
            }
            _ => refused = true,
        }
    }
    writer.close();
    drop(machines);
    tokio::task::spawn_blocking(move || thread.wait()).await.unwrap();
    run
}

/// What both groups hold after a crash must be what they held after some operation, none before the last
/// acknowledged one. `Err` says what else was found.
async fn check(run: &Run, back: Arc<MemoryStore>, folder: &Path, references: &References) -> Result<(), String> {
    // An open may remove files, and the next one looks at the same crash.
    let left = TempDir::new().unwrap();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        std::fs::copy(&path, left.path().join(path.file_name().unwrap())).unwrap();
    }
    let folder = left.path();
    let store: Arc<dyn Store> = back;
    let (writer, _thread) = Writer::start(store.clone()).unwrap();
    let mut holds = <[Model; 2]>::default();
    for (holds, group) in holds.iter_mut().zip(GROUPS) {
        *holds = found(&store, &writer, folder, group, references).await?;
    }
    if run.models[run.acknowledged..].contains(&holds) {
        return Ok(());
    }
    let earlier = run.models.iter().position(|m| *m == holds);
    Err(format!("{} operations were acknowledged, found is {earlier:?}: {holds:?}", run.acknowledged))
}

/// What goes wrong at the step.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// The power fails.
    Power,
    /// As before, on a disk whose barriers lie.
    PowerOfALiar,
    /// The step fails, and the power some time later.
    Error,
    /// The disk is full, and the power fails some time later.
    Full,
}

/// A fault at every step; gives how many crashes were looked at, or the first loss.
async fn crash_everywhere(seed: u64, fault: Fault) -> Result<usize, String> {
    let shared = TempDir::new().unwrap();
    let references = References::new(&shared.path().join("references"));
    let mut crashes = 0;
    for step in 0.. {
        let folder = TempDir::new().unwrap();
        let store = MemoryStore::new(seed + step);
        match fault {
            Fault::Power => store.stop_at(step),
            Fault::Error => store.fail_at(step),
            Fault::Full => store.set_bytes_max(step * 900),
            Fault::PowerOfALiar => {
                store.stop_at(step);
                store.lie_about_barriers();
            }
        }
        let run = run(&store, folder.path(), seed, &references).await;
        for survivors in [Survivors::Synced, Survivors::AllButLast, Survivors::All, Survivors::Seeded] {
            let checked = check(&run, store.crash(survivors), folder.path(), &references).await;
            checked.map_err(|e| format!("seed {seed}, {fault:?} at {step}, {survivors:?}: {e}"))?;
            crashes += 1;
        }
        if run.finished && (store.steps() <= step || fault == Fault::Full) {
            break;
        }
    }
    Ok(crashes)
}

fn seeds() -> std::ops::Range<u64> {
    let count = std::env::var("TERTULIA_CRASH_SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    11..11 + count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_whatever_step_the_power_fails_at() {
    for seed in seeds() {
        let crashes = crash_everywhere(seed, Fault::Power).await.unwrap();
        println!("seed {seed}: {crashes} crashes");
        assert!(crashes > 200, "the workload took only {crashes} steps");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_write_and_a_full_disk_end_the_acknowledgements_for_good() {
    for fault in [Fault::Error, Fault::Full] {
        let crashes = crash_everywhere(21, fault).await.unwrap();
        assert!(crashes > 60, "{fault:?}: only {crashes} crashes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_is_never_taken_for_data() {
    let (shared, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let references = References::new(&shared.path().join("references"));
    let store = MemoryStore::new(5);
    let run = run(&store, folder.path(), 11, &references).await;
    assert!(run.finished);
    // What is purged and not removed yet counts for nothing.
    let counts = |key: &Vec<u8>| {
        let group = GroupId(u32::from_be_bytes(key[1..5].try_into().unwrap()));
        let purged = scan_group(&*store, group).unwrap().purged.map(|p| p.index);
        key[0] != b'l' || keys::entry_index(key) > purged
    };
    let keys: Vec<_> = store.contents().into_keys().filter(counts).collect();
    assert!(keys.len() > 60, "{} keys", keys.len());
    for key in keys {
        let damaged = store.crash(Survivors::All);
        assert!(damaged.flip_bit(&key));
        let checked = check(&run, damaged, folder.path(), &references).await;
        assert!(checked.is_err(), "a flipped bit of {key:02x?} went unseen");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_barrier_that_lies_is_found_out() {
    let found = crash_everywhere(11, Fault::PowerOfALiar).await.unwrap_err();
    assert!(found.contains("operations were acknowledged"), "{found}");
}
