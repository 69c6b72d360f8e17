//! The index of the sessions that want to be woken: whatever is done, it is what the headers say.

use super::*;

fn wakes(state: &GroupState, at: u64) -> Vec<(u64, String)> {
    state.due(TimestampMs(at), usize::MAX).into_iter().map(|(at, session)| (at.0, session.to_string())).collect()
}

fn command(index: u64, command: &Command) -> Entry {
    let log_id = LogId::new(LeaderId { term: 1, node_id: 1 }, index);
    Entry { log_id, payload: EntryPayload::Normal(Proposal(codec::encode(command).into())) }
}

fn waking(session: &str, seq: u64, wake_at: u64) -> Command {
    Command::WakingTurn { turn: Box::new(turn(session, seq, &format!("k{seq}"))), wake_at: TimestampMs(wake_at) }
}

fn plain(session: &str, seq: u64) -> Command {
    Command::Turn(Box::new(turn(session, seq, &format!("k{seq}"))))
}

fn wake(session: &str, expected_seq: u64, wake_at: Option<u64>) -> Command {
    Command::Wake { session: SessionId::new(session).unwrap(), expected_seq, wake_at: wake_at.map(TimestampMs) }
}

fn apply(state: &Opened, commands: impl IntoIterator<Item = Command>) -> Vec<CommitOutcome> {
    let first = state.applied().0.map_or(0, |last| last.index + 1);
    let entries = (first..).zip(commands).map(|(index, c)| command(index, &c)).collect();
    let answers = state.apply(entries).unwrap().into_iter();
    answers.map(|a| if let Applied::Turn(outcome) = a { outcome } else { panic!("{a:?}") }).collect()
}

fn at(times: &[(u64, &str)]) -> Vec<(u64, String)> {
    times.iter().map(|(at, session)| (*at, (*session).to_owned())).collect()
}

#[test]
fn each_turn_says_anew_when_its_session_wants_to_be_woken() {
    let folder = TempDir::new().unwrap();
    let store = MemoryStore::new(1);
    let state = open(folder.path(), "state", &store);
    apply(&state, [waking("a", 1, 500), waking("b", 1, 300), plain("c", 1), waking("d", 1, 500)]);
    assert_eq!(wakes(&state, 499), at(&[(300, "b")]));
    assert_eq!(wakes(&state, 500), at(&[(300, "b"), (500, "a"), (500, "d")]));
    assert_eq!(state.due(TimestampMs(500), 2).len(), 2, "the earliest first, and no more than asked for");
    apply(&state, [waking("b", 2, 900), plain("a", 2)]);
    assert_eq!(wakes(&state, 1_000), at(&[(500, "d"), (900, "b")]));
    assert_eq!(state.wakes_pending(), 2);
    // What is fenced or replayed changes nothing.
    let outcomes = apply(&state, [waking("b", 2, 1), waking("d", 3, 1)]);
    assert!(matches!(outcomes[..], [CommitOutcome::Replayed(_), CommitOutcome::Fenced { actual_seq: 1 }]));
    assert_eq!(wakes(&state, 1_000), at(&[(500, "d"), (900, "b")]));
}

#[test]
fn it_is_said_anew_without_a_turn_only_of_a_session_as_it_is() {
    let folder = TempDir::new().unwrap();
    let store = MemoryStore::new(1);
    let state = open(folder.path(), "state", &store);
    apply(&state, [waking("a", 1, 500), plain("b", 1)]);
    let commands = [wake("a", 1, None), wake("b", 1, Some(700)), wake("b", 2, Some(1)), wake("never", 0, Some(1))];
    let outcomes = apply(&state, commands);
    let [
        CommitOutcome::Committed { seq: 1 },
        CommitOutcome::Committed { seq: 1 },
        CommitOutcome::Fenced { actual_seq: 1 },
        CommitOutcome::Fenced { actual_seq: 0 },
    ] = outcomes[..]
    else {
        panic!("{outcomes:?}")
    };
    assert_eq!(wakes(&state, 1_000), at(&[(700, "b")]));
    assert_eq!(state.turns(&SessionId::new("b").unwrap(), 0, 9).unwrap().len(), 1);
    // The next turn goes on from there.
    assert_eq!(apply(&state, [plain("b", 2)]), [CommitOutcome::Committed { seq: 2 }]);
    assert_eq!(state.wakes_pending(), 0);
}

#[test]
fn the_index_is_built_anew_by_an_open_and_by_a_snapshot() {
    let folder = TempDir::new().unwrap();
    let store = MemoryStore::new(1);
    let state = open(folder.path(), "state", &store);
    // Sessions that want this and that, some of them again and again.
    let commands = (0..600_u64).map(|i| {
        let (session, seq) = (format!("s{}", i % 50), i / 50 + 1);
        if i % 7 == 0 { plain(&session, seq) } else { waking(&session, seq, 1_000 + i * 7_919 % 500) }
    });
    apply(&state, commands);
    apply(&state, [wake("s1", 12, Some(5)), wake("s2", 12, None)]);
    state.writer.barrier_blocking().unwrap();
    let expected = wakes(&state, u64::MAX);
    assert!((35..50).contains(&expected.len()) && expected[0] == (5, "s1".into()), "{expected:?}");

    let again = open(folder.path(), "again", &store);
    assert_eq!(wakes(&again, u64::MAX), expected);
    let (meta, file) = state.copy().unwrap();
    let other = open(folder.path(), "other", &MemoryStore::new(1));
    apply(&other, [waking("of-before", 1, 1)]);
    other.install(&meta, file).unwrap();
    assert_eq!(wakes(&other, u64::MAX), expected);
}

#[test]
fn a_header_without_a_time_is_what_every_version_reads() {
    let folder = TempDir::new().unwrap();
    let store = MemoryStore::new(1);
    let state = open(folder.path(), "state", &store);
    apply(&state, [waking("a", 1, 500), plain("a", 2)]);
    state.writer.barrier_blocking().unwrap();
    let stored = store.contents().remove(&keys::header(GroupId(0), &SessionId::new("a").unwrap())).unwrap();
    let header: codec::HeaderRecord = codec::decode(&stored).unwrap();
    assert_eq!((header.seq, header.context_begins_seq), (2, 1));
}
