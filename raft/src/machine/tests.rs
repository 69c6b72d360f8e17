//! Snapshots of a state that moves, installs that are cut off at every step, and the window of idempotency keys.

use super::*;
use crate::{
    Applied,
    codec::{self, Command},
    store::{Change, Store, Visit, Writer},
    types::{LeaderId, Proposal},
};
use dialogue::{
    CommitOutcome, CommitTurn, IdempotencyKey, ScoredIntent, SessionId, TimestampMs, TurnRecord,
    limits::IDEMPOTENCY_WINDOW_TURNS,
};
use parking_lot::RwLock;
use std::{
    collections::BTreeMap,
    path::Path,
    sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst},
};
use tempfile::TempDir;

/// A store in memory that can stop, as if the power had failed, after a number of batches.
#[derive(Default)]
struct Memory {
    map: RwLock<BTreeMap<Vec<u8>, Vec<u8>>>,
    /// Batches until it stops; negative for never.
    batches_left: AtomicI64,
}

impl Memory {
    fn new() -> Arc<Self> {
        Arc::new(Self { batches_left: AtomicI64::new(-1), ..Self::default() })
    }
}

impl Store for Memory {
    fn get(&self, key: &[u8]) -> io::Result<Option<sled::IVec>> {
        Ok(self.map.read().get(key).map(|v| v.as_slice().into()))
    }
    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> io::Result<()> {
        for (key, value) in self.map.read().range(from.to_vec()..to.to_vec()) {
            if !visit(key, value)? {
                break;
            }
        }
        Ok(())
    }
    fn apply(&self, changes: Vec<Change>) -> io::Result<()> {
        if self.batches_left.load(SeqCst) == 0 {
            return Err(io::Error::other("the power is off"));
        }
        self.batches_left.fetch_sub(1, SeqCst);
        let mut map = self.map.write();
        for (key, value) in changes {
            match value {
                Some(value) => drop(map.insert(key, value.to_vec())),
                None => drop(map.remove(&key)),
            }
        }
        Ok(())
    }
    fn barrier(&self) -> io::Result<()> {
        Ok(())
    }
    fn close(&self) {}
}

/// A state with its writer.
struct Opened {
    state: GroupState,
    writer: Writer,
}

impl std::ops::Deref for Opened {
    type Target = GroupState;
    fn deref(&self) -> &GroupState {
        &self.state
    }
}

impl Opened {
    fn apply(&self, entries: Vec<Entry>) -> io::Result<Vec<Applied>> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let place = runtime.block_on(self.writer.reserve(0))?;
        self.state.apply(entries, place)
    }
}

fn open(folder: &Path, name: &str, store: &Arc<Memory>) -> Opened {
    let folder = folder.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let (writer, _thread) = Writer::start(store.clone()).unwrap();
    let place = SnapshotPlace { cluster: "c".into(), folder, group: GroupId(0) };
    let state = GroupState::open(place, store.clone(), writer.clone()).unwrap();
    Opened { state, writer }
}

fn turn(session: &str, seq: u64, key: &str) -> CommitTurn {
    CommitTurn {
        session: SessionId::new(session).unwrap(),
        expected_seq: seq - 1,
        turn: TurnRecord {
            seq,
            key: IdempotencyKey::new(key).unwrap(),
            at: TimestampMs(seq),
            release: None,
            text: "x".repeat(300),
            intent: ScoredIntent::default(),
            entities: vec![],
            events: vec![],
            replies: vec![],
        },
    }
}

fn entry(index: u64, command: CommitTurn) -> Entry {
    let log_id = LogId::new(LeaderId { term: 1, node_id: 1 }, index);
    let command = codec::encode(&Command::Turn(Box::new(command)));
    Entry { log_id, payload: EntryPayload::Normal(Proposal(command.into())) }
}

/// The entry at an index, always the same: 97 sessions in turn.
fn entry_at(index: u64) -> Entry {
    let (session, seq) = (index % 97, index / 97 + 1);
    entry(index, turn(&format!("s{session}"), seq, &format!("k{seq}")))
}

fn contents(store: &Memory) -> BTreeMap<Vec<u8>, Vec<u8>> {
    store.map.read().clone()
}

#[test]
fn a_snapshot_is_the_state_at_its_index_while_entries_go_on() {
    let folder = TempDir::new().unwrap();
    let store = Memory::new();
    let state = open(folder.path(), "moving", &store);
    let mut next = 0;
    let mut apply = |count: u64| {
        for _ in 0..count {
            state.apply(vec![entry_at(next)]).unwrap();
            next += 1;
        }
    };
    apply(4_000);
    let done = AtomicBool::new(false);
    let (meta, file) = std::thread::scope(|scope| {
        let building = scope.spawn(|| {
            let built = state.build_snapshot();
            done.store(true, SeqCst);
            built.unwrap()
        });
        // At least some entries are applied while it is built, whatever the scheduler does.
        apply(50);
        while !done.load(SeqCst) {
            apply(1);
        }
        apply(10);
        building.join().unwrap()
    });

    // The same entries up to the snapshot's index, applied in order.
    let last = meta.last_log_id.unwrap().index;
    let expected = Memory::new();
    let replayed = open(folder.path(), "replayed", &expected);
    replayed.apply((0..=last).map(entry_at).collect()).unwrap();
    replayed.writer.barrier_blocking().unwrap();

    let other = Memory::new();
    let installed = open(folder.path(), "installed", &other);
    installed.apply((0..10).map(entry_at).collect()).unwrap();
    installed.install(meta.clone(), file).unwrap();
    assert_eq!(installed.applied(), replayed.applied());
    assert!(contents(&other) == contents(&expected), "the snapshot at {last} is another state");
    assert_eq!(installed.current_snapshot().unwrap().0, meta);

    // Found again after a restart, and only one is kept.
    let again = open(folder.path(), "installed", &other);
    assert_eq!(again.current_snapshot().unwrap().0, meta);
    assert_eq!(std::fs::read_dir(folder.path().join("installed")).unwrap().count(), 1);
}

#[test]
fn an_install_that_is_cut_off_anywhere_is_redone_at_the_next_open() {
    let folder = TempDir::new().unwrap();
    let source = Memory::new();
    let leader = open(folder.path(), "leader", &source);
    leader.apply((0..3_000).map(entry_at).collect()).unwrap();
    let (meta, file) = leader.build_snapshot().unwrap();

    let mut cut_off_at = 0;
    loop {
        let store = Memory::new();
        let name = format!("follower-{cut_off_at}");
        let follower = open(folder.path(), &name, &store);
        follower.apply((0..500).map(entry_at).collect()).unwrap();
        follower.writer.barrier_blocking().unwrap();
        let before = contents(&store);

        store.batches_left.store(cut_off_at, SeqCst);
        let installed = follower.install(meta.clone(), file.clone());
        store.batches_left.store(-1, SeqCst);
        drop(follower);
        let reopened = open(folder.path(), &name, &store);
        if cut_off_at == 0 {
            assert!(installed.is_err() && contents(&store) == before, "nothing had begun");
        } else {
            assert!(contents(&store) == contents(&source), "cut off after {cut_off_at} batches");
            assert_eq!(reopened.applied(), leader.applied());
        }
        if installed.is_ok() {
            break;
        }
        cut_off_at += 1;
    }
    assert!(cut_off_at > 5, "the install took only {cut_off_at} batches: nothing was cut in the middle");
}

#[test]
fn a_damaged_snapshot_is_refused_before_anything_changes() {
    let folder = TempDir::new().unwrap();
    let source = Memory::new();
    let leader = open(folder.path(), "leader", &source);
    leader.apply((0..500).map(entry_at).collect()).unwrap();
    let (meta, file) = leader.build_snapshot().unwrap();
    let whole = file.read_at(0, usize::MAX).unwrap();

    let store = Memory::new();
    let follower = open(folder.path(), "follower", &store);
    follower.apply((0..5).map(entry_at).collect()).unwrap();
    follower.writer.barrier_blocking().unwrap();
    let before = contents(&store);
    let damaged = folder.path().join("damaged.snap");
    for cut in [0, 3, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&damaged, &whole[..cut]).unwrap();
        assert!(follower.install(meta.clone(), SnapshotFile::open(&damaged).unwrap()).is_err(), "{cut} bytes");
    }
    for flip in [20, whole.len() / 2, whole.len() - 6] {
        let mut bytes = whole.clone();
        bytes[flip] ^= 1;
        std::fs::write(&damaged, bytes).unwrap();
        assert!(follower.install(meta.clone(), SnapshotFile::open(&damaged).unwrap()).is_err(), "bit at {flip}");
    }
    follower.writer.barrier_blocking().unwrap();
    assert!(contents(&store) == before && follower.current_snapshot().is_none());
}

#[test]
fn a_key_is_remembered_for_its_window_and_then_forgotten() {
    let folder = TempDir::new().unwrap();
    let store = Memory::new();
    let state = open(folder.path(), "state", &store);
    let commit = |seq: u64, key: &str| {
        let answer = state.apply(vec![entry(seq, turn("s", seq, key))]).unwrap().remove(0);
        let Applied::Turn(outcome) = answer else { panic!("{answer:?}") };
        outcome
    };
    for seq in 1..=IDEMPOTENCY_WINDOW_TURNS {
        assert_eq!(commit(seq, &format!("k{seq}")), CommitOutcome::Committed { seq });
    }
    assert!(matches!(commit(IDEMPOTENCY_WINDOW_TURNS + 1, "k1"), CommitOutcome::Replayed(turn) if turn.seq == 1));
    let seq = IDEMPOTENCY_WINDOW_TURNS + 1;
    assert_eq!(commit(seq, "new"), CommitOutcome::Committed { seq });
    assert_eq!(commit(seq + 1, "k1"), CommitOutcome::Committed { seq: seq + 1 }, "the first key is forgotten");
    assert!(matches!(commit(seq + 2, "k3"), CommitOutcome::Replayed(turn) if turn.seq == 3));
}
