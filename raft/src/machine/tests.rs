//! Snapshots of a state that moves, installs that are cut off at every step, and the window of idempotency keys.

use super::*;
use crate::{
    Applied,
    codec::{self, Command},
    store::{MemoryStore, Store, Survivors, Writer, keys},
    types::{LeaderId, Proposal},
};
use dialogue::{
    CommitOutcome, CommitTurn, IdempotencyKey, ScoredIntent, SessionId, TimestampMs, TurnRecord,
    limits::IDEMPOTENCY_WINDOW_TURNS,
};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
};
use tempfile::TempDir;

mod wakes;

/// A state with its writer.
struct Opened {
    state: Arc<GroupState>,
    writer: Writer,
}

impl std::ops::Deref for Opened {
    type Target = Arc<GroupState>;
    fn deref(&self) -> &Arc<GroupState> {
        &self.state
    }
}

impl Opened {
    /// A copy of the state as of now.
    fn copy(&self) -> io::Result<(SnapshotMeta, SnapshotFile)> {
        let (meta, data) = self.state.snapshot()?.expect("the state is not empty");
        Ok((meta, data.file()?))
    }

    fn apply(&self, entries: Vec<Entry>) -> io::Result<Vec<Applied>> {
        let work = entries.into_iter().map(|e| Work::decode(GroupId(0), e)).collect::<io::Result<_>>()?;
        let applied = self.state.apply(work)?;
        self.state.flush(None)?;
        Ok(applied)
    }
}

fn open(folder: &Path, name: &str, store: &Arc<MemoryStore>) -> Opened {
    let opened = open_as_it_was(folder, name, store);
    opened.pack_turns();
    opened
}

/// As before every node understood turns that share records.
fn open_as_it_was(folder: &Path, name: &str, store: &Arc<MemoryStore>) -> Opened {
    let folder = folder.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let (writer, _thread) = Writer::start(store.clone()).unwrap();
    let place = SnapshotPlace { cluster: "c".into(), folder, group: GroupId(0) };
    let state = GroupState::open(place, store.clone(), writer.clone()).unwrap();
    Opened { state: Arc::new(state), writer }
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

#[test]
fn a_snapshot_is_the_state_at_its_index_while_entries_go_on() {
    let folder = TempDir::new().unwrap();
    let store = MemoryStore::new(1);
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
            let built = state.copy();
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
    let expected = MemoryStore::new(1);
    let replayed = open(folder.path(), "replayed", &expected);
    replayed.apply((0..=last).map(entry_at).collect()).unwrap();
    replayed.writer.barrier_blocking().unwrap();

    let other = MemoryStore::new(1);
    let installed = open(folder.path(), "installed", &other);
    installed.apply((0..10).map(entry_at).collect()).unwrap();
    installed.install(&meta, file).unwrap();
    assert_eq!(installed.applied(), replayed.applied());
    // Which turns share records depends on when they were written.
    let by_turn = |store: &MemoryStore| -> BTreeMap<Vec<u8>, Vec<u8>> {
        let one_by_one = |(key, value): (Vec<u8>, bytes::Bytes)| match keys::session_of_turn(&key) {
            Some(session) => unpack(&value)
                .unwrap()
                .iter()
                .map(|turn| ([session, &turn.seq.to_be_bytes()].concat(), codec::encode(turn)))
                .collect(),
            None => vec![(key, value.to_vec())],
        };
        store.contents().into_iter().flat_map(one_by_one).collect()
    };
    assert!(by_turn(&other) == by_turn(&expected), "the snapshot at {last} is another state");
    assert_eq!(installed.snapshot().unwrap().unwrap().0, meta);
    assert_eq!(std::fs::read_dir(folder.path().join("installed")).unwrap().count(), 0, "it has done its work");
}

#[test]
fn a_copy_is_shared_and_kept_while_the_log_goes_on_from_it() {
    let folder = TempDir::new().unwrap();
    let store = MemoryStore::new(1);
    let state = open(folder.path(), "state", &store);
    assert!(state.snapshot().unwrap().is_none(), "nothing is applied");
    let files = || std::fs::read_dir(folder.path().join("state")).unwrap().count();
    let purge = |index| {
        let at = codec::LogIdRecord { term: 1, node: 1, index };
        let mark = codec::encode(&codec::MarkRecord { at: Some(at) });
        store.apply(vec![(keys::purged(GroupId(0)), Some(mark.into()))]).unwrap();
    };
    let mut next = 0;
    let mut apply = |count| {
        (0..count).for_each(|_| {
            state.apply(vec![entry_at(next)]).unwrap();
            next += 1;
        });
    };
    let index = |found: &Option<(SnapshotMeta, SnapshotData)>| found.as_ref().unwrap().0.last_log_id.unwrap().index;
    apply(500);
    // Asked for and dropped, as openraft does when it starts: nothing is written, nothing is kept aside.
    drop(state.snapshot().unwrap());
    assert!(state.moving.lock().copying.is_none() && files() == 0 && !state.serves_copy());
    // Two followers share one, whatever is applied meanwhile.
    let first = state.snapshot().unwrap();
    apply(100);
    let second = state.snapshot().unwrap();
    assert_eq!((index(&first), index(&second)), (499, 499));
    assert!(state.serves_copy(), "the log behind it is needed");
    let (file, same) = (first.unwrap().1.file().unwrap(), second.unwrap().1.file().unwrap());
    assert_eq!((file.name(), files()), (same.name(), 1));
    assert!(state.moving.lock().copying.is_none());
    // The next one who asks gets it, too, until the log is purged behind it.
    apply(100);
    purge(499);
    assert_eq!(index(&state.snapshot().unwrap()), 499);
    state.tidy_copies(Some(499), false);
    purge(500);
    assert_eq!((index(&state.snapshot().unwrap()), files()), (699, 1), "it is there, and of no use");
    state.tidy_copies(Some(500), false);
    assert_eq!(files(), 0);
    assert!(file.foot().is_ok(), "whoever reads it reads on");
    assert_eq!(index(&state.snapshot().unwrap()), 699);
    // One that the log has left behind gives way, and says so.
    let outdated = state.snapshot().unwrap();
    apply(10);
    purge(705);
    let newer = state.snapshot().unwrap();
    assert_eq!((index(&outdated), index(&newer)), (699, 709));
    assert!(outdated.unwrap().1.file().is_err());
    assert_eq!(files(), 0, "nothing is left of it");
    let newer = newer.unwrap().1.file().unwrap();
    // A restart needs none; what is left over goes.
    let again = open(folder.path(), "state", &store);
    assert!(files() == 0 && again.applied() == state.applied());
    assert!(newer.foot().is_ok());
}

#[test]
fn a_copy_of_a_state_that_is_replaced_meanwhile_is_given_up() {
    let folder = TempDir::new().unwrap();
    let (source, store) = (MemoryStore::new(1), MemoryStore::new(1));
    let leader = open(folder.path(), "leader", &source);
    leader.apply((0..300).map(entry_at).collect()).unwrap();
    let (meta, file) = leader.copy().unwrap();
    let state = open(folder.path(), "state", &store);
    state.apply((0..200).map(entry_at).collect()).unwrap();
    let copy = state.snapshot().unwrap().unwrap().1;
    state.install(&meta, file).unwrap();
    let error = copy.file().unwrap_err().to_string();
    assert!(error.starts_with("the copy was given up"), "{error}");
    assert_eq!(state.snapshot().unwrap().unwrap().0, meta);
}

#[test]
fn a_full_disk_ends_a_copy_and_takes_away_one_that_nobody_reads() {
    let folder = TempDir::new().unwrap();
    let store = MemoryStore::new(1);
    let state = open(folder.path(), "state", &store);
    state.apply((0..200).map(entry_at).collect()).unwrap();
    let files = || std::fs::read_dir(folder.path().join("state")).unwrap().count();
    let copy = state.snapshot().unwrap().unwrap().1;
    state.tidy_copies(None, true);
    assert!(copy.file().is_err() && files() == 0);
    let (_, file) = state.copy().unwrap();
    state.tidy_copies(None, true);
    assert_eq!(files(), 1, "it is in use");
    drop(file);
    state.tidy_copies(None, false);
    assert_eq!(files(), 1, "there is room");
    state.tidy_copies(None, true);
    assert_eq!(files(), 0);
}

#[test]
fn an_install_that_is_cut_off_anywhere_is_redone_at_the_next_open() {
    let folder = TempDir::new().unwrap();
    let source = MemoryStore::new(1);
    let leader = open(folder.path(), "leader", &source);
    leader.apply((0..1_500).map(entry_at).collect()).unwrap();
    let (meta, file) = leader.copy().unwrap();

    let whole = source.contents();
    let mut runs = 0;
    for survivors in [Survivors::Synced, Survivors::AllButLast, Survivors::All, Survivors::Seeded] {
        for cut_off_at in 0.. {
            let store = MemoryStore::new(cut_off_at);
            let name = format!("follower-{cut_off_at}-{survivors:?}");
            let follower = open(folder.path(), &name, &store);
            follower.apply((0..200).map(entry_at).collect()).unwrap();
            follower.writer.barrier_blocking().unwrap();
            let before = store.contents();

            store.stop_at(store.steps() + cut_off_at);
            let installed = follower.install(&meta, file.clone());
            drop(follower);
            let store = store.crash(survivors);
            let reopened = open(folder.path(), &name, &store);
            if installed.is_err() && store.contents() == before {
                assert!(cut_off_at < 4, "the install had begun for good after {cut_off_at} steps");
                assert_eq!(reopened.applied().0.unwrap().index, 199);
            } else {
                assert!(store.contents() == whole, "cut off after {cut_off_at} steps, {survivors:?} survived");
                assert_eq!(reopened.applied(), leader.applied());
            }
            runs += 1;
            if installed.is_ok() {
                break;
            }
        }
    }
    assert!(runs > 30, "the installs took only {runs} steps: nothing was cut in the middle");
}

#[test]
fn a_snapshot_that_was_cut_off_goes_on_where_its_whole_records_end() {
    let folder = TempDir::new().unwrap();
    let source = MemoryStore::new(1);
    let leader = open(folder.path(), "leader", &source);
    leader.apply((0..3_000).map(entry_at).collect()).unwrap();
    let (meta, file) = leader.copy().unwrap();
    let whole = file.read_at(0, usize::MAX).unwrap();
    let announced = Announced { length: whole.len() as u64, crc: file.foot().unwrap().crc };
    let send = |incoming: &mut Incoming, to: usize| {
        let data = &whole[incoming.at() as usize..to];
        incoming.take(incoming.at(), data, crc32c::crc32c(data))
    };
    let incoming_files = || {
        let names = std::fs::read_dir(folder.path().join("follower")).unwrap().map(|f| f.unwrap().path());
        names.filter(|p| p.extension().is_some_and(|e| e == "incoming")).collect::<Vec<_>>()
    };

    // Cut in the middle of a record: that record comes again, and no other.
    let store = MemoryStore::new(2);
    let follower = open(folder.path(), "follower", &store);
    let mut first = follower.receive(&meta, announced).unwrap();
    assert_eq!(first.at(), 0);
    let middle = whole.len() * 2 / 3;
    send(&mut first, middle).unwrap();
    assert!(first.take(0, &whole[..9], 0).is_err(), "a wrong chunk");
    let mut second = follower.receive(&meta, announced).unwrap();
    let again = middle as u64 - second.at();
    assert!(again > 0 && again < 400_000 && second.at() > 0, "{again} bytes come again");
    assert_eq!(send(&mut first, middle + 1).unwrap_err().kind(), io::ErrorKind::Interrupted, "the old stream is over");

    // A crash of the receiver leaves it; bytes that did not survive, or not as they were, come again.
    send(&mut second, middle).unwrap();
    drop(follower);
    let follower = open(folder.path(), "follower", &store);
    let path = incoming_files().remove(0);
    let mut bytes = std::fs::read(&path).unwrap();
    let flipped = bytes.len() / 2;
    bytes[flipped] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let mut third = follower.receive(&meta, announced).unwrap();
    assert!(third.at() <= flipped as u64 && third.at() > 0, "{}", third.at());
    assert!(third.finish(&meta).is_err(), "it is not whole yet");
    third = follower.receive(&meta, announced).unwrap();
    send(&mut third, whole.len()).unwrap();
    let received = third.finish(&meta).unwrap();
    follower.install(&meta, received).unwrap();
    assert!(store.contents() == source.contents() && incoming_files().is_empty());

    // A leftover of another snapshot goes, and one that turns out to be another is not kept.
    let mut other = follower.receive(&meta, announced).unwrap();
    send(&mut other, middle).unwrap();
    let announced_other = Announced { crc: announced.crc ^ 1, ..announced };
    let mut other = follower.receive(&meta, announced_other).unwrap();
    assert_eq!((other.at(), incoming_files().len()), (0, 1));
    send(&mut other, whole.len()).unwrap();
    assert!(other.finish(&meta).is_err() && incoming_files().is_empty());
    // And a newer state of its own takes away what was to become an older one.
    let mut older = follower.receive(&meta, announced).unwrap();
    send(&mut older, middle).unwrap();
    follower.apply((3_000..3_010).map(entry_at).collect()).unwrap();
    follower.mark().unwrap();
    assert!(incoming_files().is_empty());
}

#[test]
fn a_state_that_is_not_of_its_log_is_found() {
    let folder = TempDir::new().unwrap();
    let store = MemoryStore::new(1);
    let state = open(folder.path(), "state", &store);
    state.apply((0..10).map(entry_at).collect()).unwrap();
    state.writer.barrier_blocking().unwrap();
    let encoded = |e: &Entry| codec::encode(&codec::EntryRecord::from(e));
    let log = (0..20).map(|i| (keys::entry(GroupId(0), i), Some(encoded(&entry_at(i)).into())));
    store.apply(log.collect()).unwrap();
    let id = |term, index| Some(LogId::new(LeaderId { term, node_id: 1 }, index));
    let check = |purged, last| {
        let ends = crate::store::LogScan { purged, last, ..Default::default() };
        state.check_log(&*store, &ends).map_err(|e| e.to_string())
    };
    assert_eq!(check(None, id(1, 19)), Ok(()));
    assert_eq!(check(id(1, 9), id(1, 9)), Ok(()));
    // A snapshot was installed and the log not purged yet.
    assert_eq!(check(id(1, 2), id(1, 5)), Ok(()));
    let damage = check(id(1, 10), id(1, 19)).unwrap_err();
    let key = "shard-0, log index 9, key shard-0/state/applied";
    assert_eq!(damage, format!("{key}: T1-N1.9 applied, expected at least T1-N1.10, up to which the log is purged"));
    let damage = check(id(2, 9), id(2, 12)).unwrap_err();
    assert_eq!(damage, format!("{key}: T1-N1.9 applied, expected T2-N1.9, as in the log"));
    let mut other = entry_at(9);
    other.log_id = id(2, 9).unwrap();
    store.apply(vec![(keys::entry(GroupId(0), 9), Some(encoded(&other).into()))]).unwrap();
    let damage = check(None, id(2, 19)).unwrap_err();
    assert_eq!(damage, format!("{key}: T1-N1.9 applied, expected T2-N1.9, as in the log"));
}

#[test]
fn a_damaged_snapshot_is_refused_before_anything_changes() {
    let folder = TempDir::new().unwrap();
    let source = MemoryStore::new(1);
    let leader = open(folder.path(), "leader", &source);
    leader.apply((0..500).map(entry_at).collect()).unwrap();
    let (meta, file) = leader.copy().unwrap();
    let whole = file.read_at(0, usize::MAX).unwrap();

    let store = MemoryStore::new(1);
    let follower = open(folder.path(), "follower", &store);
    follower.apply((0..5).map(entry_at).collect()).unwrap();
    follower.writer.barrier_blocking().unwrap();
    let before = store.contents();
    let damaged = folder.path().join("damaged.snap");
    for cut in [0, 3, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&damaged, &whole[..cut]).unwrap();
        assert!(follower.install(&meta, SnapshotFile::open(&damaged).unwrap()).is_err(), "{cut} bytes");
    }
    for flip in [20, whole.len() / 2, whole.len() - 6] {
        let mut bytes = whole.clone();
        bytes[flip] ^= 1;
        std::fs::write(&damaged, bytes).unwrap();
        assert!(follower.install(&meta, SnapshotFile::open(&damaged).unwrap()).is_err(), "bit at {flip}");
    }
    follower.writer.barrier_blocking().unwrap();
    assert!(store.contents() == before && follower.applied().0.unwrap().index == 4);
}

#[test]
fn a_key_is_remembered_for_its_window_and_then_forgotten() {
    let folder = TempDir::new().unwrap();
    let store = MemoryStore::new(1);
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

#[test]
fn a_batch_is_applied_command_by_command_and_answered_so() {
    let folder = TempDir::new().unwrap();
    let store = MemoryStore::new(1);
    let state = open(folder.path(), "state", &store);
    let commands = [turn("a", 1, "k1"), turn("a", 2, "k2"), turn("a", 2, "k3"), turn("b", 1, "k1"), turn("a", 2, "k2")];
    let encoded = commands.map(|c| codec::encode(&Command::Turn(Box::new(c))).into());
    let batch = |commands| {
        let log_id = LogId::new(LeaderId { term: 1, node_id: 1 }, 0);
        let command = codec::encode(&Command::Batch(commands));
        Entry { log_id, payload: EntryPayload::Normal(Proposal(command.into())) }
    };
    let answer = state.apply(vec![batch(encoded.to_vec())]).unwrap().remove(0);
    let Applied::Batch(answers) = answer else { panic!("{answer:?}") };
    let [
        Applied::Turn(CommitOutcome::Committed { seq: 1 }),
        Applied::Turn(CommitOutcome::Committed { seq: 2 }),
        Applied::Turn(CommitOutcome::Fenced { actual_seq: 2 }),
        Applied::Turn(CommitOutcome::Committed { seq: 1 }),
        Applied::Turn(CommitOutcome::Replayed(again)),
    ] = &answers[..]
    else {
        panic!("{answers:?}")
    };
    assert_eq!((again.seq, again.key.as_str()), (2, "k2"));
    // A batch in a batch is damage, and nothing of a damaged entry reaches the store.
    state.writer.barrier_blocking().unwrap();
    let before = store.contents();
    let nested = codec::encode(&Command::Batch(vec![])).into();
    let next = codec::encode(&Command::Turn(Box::new(turn("a", 3, "k4")))).into();
    let refused = state.apply(vec![batch(vec![next, nested])]).unwrap_err();
    assert!(refused.to_string().contains("a batch in a batch"), "{refused}");
    state.writer.barrier_blocking().unwrap();
    assert!(store.contents() == before);
}

#[test]
fn effects_that_wait_are_seen_and_a_crash_before_they_are_written_is_made_good_from_the_log() {
    let folder = TempDir::new().unwrap();
    let store = MemoryStore::new(1);
    let state = open(folder.path(), "state", &store);
    let work = |range: std::ops::Range<u64>| range.map(|i| Work::decode(GroupId(0), entry_at(i)).unwrap()).collect();
    state.apply((0..500).map(entry_at).collect()).unwrap();
    state.state.apply(work(500..800)).unwrap();
    let session = SessionId::new("s3").unwrap();
    let key = IdempotencyKey::new("k8").unwrap();
    let seen = state.load(&session).unwrap();
    assert_eq!((seen.seq, seen.turns.len()), (9, 9));
    assert_eq!(state.recorded(&session, &key).unwrap().map(|t| t.seq), Some(8));
    state.writer.barrier_blocking().unwrap();

    let survived = Arc::new(store.crash(Survivors::Synced));
    let again = open(folder.path(), "state", &survived);
    assert_eq!(again.applied().0.map(|id| id.index), Some(499));
    assert_eq!(again.recorded(&session, &key).unwrap(), None);
    again.apply((500..800).map(entry_at).collect()).unwrap();
    assert_eq!(again.load(&session).unwrap(), seen);
}

#[test]
fn keys_are_remembered_across_a_restart_and_after_the_session_was_forgotten() {
    let folder = TempDir::new().unwrap();
    let store = MemoryStore::new(1);
    let state = open(folder.path(), "state", &store);
    let mut index = 0;
    let mut commit = |state: &Opened, session: &str, seq: u64, key: &str| {
        let answer = state.apply(vec![entry(index, turn(session, seq, key))]).unwrap().remove(0);
        index += 1;
        let Applied::Turn(outcome) = answer else { panic!("{answer:?}") };
        outcome
    };
    assert_eq!(commit(&state, "s", 1, "k1"), CommitOutcome::Committed { seq: 1 });
    // More sessions than are known by heart.
    for other in 0..crate::limits::KNOWN_KEYS_MAX * 3 / 2 {
        commit(&state, &format!("other-{other}"), 1, "k1");
    }
    assert!(state.known.lock().peek(&SessionId::new("s").unwrap()).is_none());
    assert!(matches!(commit(&state, "s", 2, "k1"), CommitOutcome::Replayed(turn) if turn.seq == 1));
    let again = open(folder.path(), "state", &store);
    assert!(matches!(commit(&again, "s", 2, "k1"), CommitOutcome::Replayed(turn) if turn.seq == 1));
}

#[test]
fn turns_share_records_once_every_node_understands_that_and_all_of_them_are_read() {
    let folder = TempDir::new().unwrap();
    let store = MemoryStore::new(1);
    let state = open_as_it_was(folder.path(), "state", &store);
    let (session, records) = (SessionId::new("s").unwrap(), |store: &MemoryStore| {
        store.contents().into_keys().filter(|key| keys::session_of_turn(key).is_some()).count()
    });
    let apply = |range: std::ops::Range<u64>| {
        let entries = range.map(|i| entry(i, turn("s", i + 1, &format!("k{}", i + 1)))).collect();
        state.apply(entries).unwrap();
        state.writer.barrier_blocking().unwrap();
    };
    apply(0..40);
    assert_eq!(records(&store), 40, "each has its own");
    state.pack_turns();
    apply(40..100);
    let packed = records(&store) - 40;
    assert!((2..10).contains(&packed), "60 turns in {packed} records");
    // Some of the last ones are not in the store yet.
    state.state.apply(vec![Work::decode(GroupId(0), entry(100, turn("s", 101, "k"))).unwrap()]).unwrap();

    let seqs = |from: u64, limit: usize| -> Vec<u64> {
        state.turns(&session, from, limit).unwrap().iter().map(|turn| turn.seq).collect()
    };
    assert_eq!(seqs(0, 1_000), (1..=101).collect::<Vec<_>>());
    for (from, limit) in [(0, 1), (38, 5), (40, 1), (44, 3), (57, 40), (99, 5)] {
        assert_eq!(seqs(from, limit), (from + 1..=(from + limit as u64).min(101)).collect::<Vec<_>>());
    }
    // By key: of a record alone, out of the middle of one that is shared, and of one that is not written yet.
    let again = open(folder.path(), "again", &store);
    for key in [7, 63, 100] {
        let found = again.recorded(&session, &IdempotencyKey::new(format!("k{key}")).unwrap()).unwrap();
        assert_eq!(found.map(|turn| turn.seq), Some(key));
    }
    assert_eq!(state.recorded(&session, &IdempotencyKey::new("k").unwrap()).unwrap().map(|turn| turn.seq), Some(101));
}
