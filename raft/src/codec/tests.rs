//! What stands on the disk is pinned: a change of these bytes would make stored clusters unreadable.

use super::*;
use crate::{Assignment, ControlCommand, ControlState, MemberRecord, NodeRecord, NodeState, Placement};
use bytes::Bytes;
use dialogue::*;
use proptest::prelude::*;
use std::{collections::BTreeMap, fmt::Debug};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Encodes to exactly these bytes, and back.
fn golden<R: Record + PartialEq + Debug>(record: R, expected: &str) {
    let bytes = encode(&record);
    assert_eq!(hex(&bytes), expected.replace([' ', '\n'], ""), "{record:?}");
    assert_eq!(decode::<R>(&bytes).unwrap(), record);
}

/// The same for records of many fields: their length and checksum.
fn golden_sum<R: Record + PartialEq + Debug>(record: R, length: usize, crc: u32) {
    let bytes = encode(&record);
    let found = crc32c::crc32c(&bytes[..bytes.len() - 4]);
    assert_eq!((bytes.len(), found), (length, crc), "{length}, 0x{found:08x}: {}", hex(&bytes));
    assert_eq!(decode::<R>(&bytes).unwrap(), record);
}

fn at(index: u64) -> LogIdRecord {
    LogIdRecord { term: 3, node: 2, index }
}

fn membership() -> MembershipRecord {
    MembershipRecord { configs: vec![vec![1, 2]], nodes: vec![(1, "a:1".into()), (2, "b:1".into())] }
}

fn full_turn() -> TurnRecord {
    let value = Value::Map(BTreeMap::from([
        ("null".into(), Value::Null),
        ("yes".into(), Value::Bool(true)),
        ("int".into(), Value::Int(-5)),
        ("float".into(), Value::Float(1.5)),
        ("list".into(), Value::List(vec![Value::Text("é".into())])),
    ]));
    let entity = Entity { entity: "city".into(), value: value.clone(), start: 1, end: 5, ..Entity::default() };
    let intent = ScoredIntent { name: "greet".into(), confidence: 0.75 };
    let reply = Reply {
        response: Some("utter_greet".into()),
        text: Some("Hey!".into()),
        image: None,
        buttons: vec![ReplyButton { title: "t".into(), payload: "/p".into() }],
        attachment: Some(Value::Text("a".into())),
        custom: Some(value.clone()),
    };
    let name = || "x".to_owned();
    let events = vec![
        Event::SessionStarted,
        Event::UserUttered {
            text: name(),
            intent: intent.clone(),
            entities: vec![entity.clone()],
            message_id: Some(name()),
            input_channel: None,
            metadata: value.clone(),
        },
        Event::BotUttered { reply: reply.clone() },
        Event::ActionExecuted { action: name(), policy: Some(name()), confidence: 0.5 },
        Event::SlotSet { name: name(), value },
        Event::SlotsReset,
        Event::Restarted,
        Event::ActiveLoopChanged { name: Some(name()) },
        Event::LoopInterrupted { interrupted: true },
        Event::ActionRejected { action: name() },
        Event::FollowupAction { action: name() },
        Event::UtteranceReverted,
        Event::ActionReverted,
        Event::EntitiesAdded { entities: vec![entity.clone()] },
        Event::Paused,
        Event::Resumed,
        Event::AgentUttered { text: name() },
    ];
    TurnRecord {
        seq: 1,
        key: IdempotencyKey::new("k").unwrap(),
        at: TimestampMs(1_700_000_000_000),
        release: Some(ReleaseId::new("r").unwrap()),
        text: "hé".into(),
        intent,
        entities: vec![entity],
        events,
        replies: vec![reply],
    }
}

/// The events that were appended later: the bytes of a turn without them stay as they were.
fn later_turn() -> TurnRecord {
    let turn = full_turn();
    let (name, entities) = ("x".to_owned(), turn.entities.clone());
    let ranking = vec![turn.intent.clone()];
    let selections = vec![Selection { retrieval_intent: name.clone(), ranking: ranking.clone() }];
    let at = TimestampMs(1_700_000_000_000);
    let events = vec![
        Event::UtteranceParsed { ranking, selections },
        Event::ReminderScheduled {
            name: name.clone(),
            intent: name.clone(),
            entities: entities.clone(),
            at,
            kill_on_user_message: true,
        },
        Event::ReminderCancelled { name: Some(name), intent: None, entities: Some(entities) },
    ];
    TurnRecord { events, ..turn }
}

#[test]
fn every_kind_of_record_has_its_bytes() {
    golden(VoteRecord { term: 3, node: 2, committed: true }, VOTE);
    golden(EntryRecord { log_id: at(7), body: Body::Blank }, ENTRY_BLANK);
    golden(EntryRecord { log_id: at(7), body: Body::Command(Bytes::from_static(b"hi")) }, ENTRY_COMMAND);
    golden_sum(
        EntryRecord { log_id: at(0), body: Body::Membership(membership()) },
        ENTRY_MEMBERSHIP.0,
        ENTRY_MEMBERSHIP.1,
    );
    golden(MarkRecord { at: Some(at(9)) }, MARK);
    let stored = StoredMembershipRecord { log_id: Some(at(1)), membership: membership() };
    golden_sum(AppliedRecord { last: Some(at(9)), membership: stored.clone() }, APPLIED.0, APPLIED.1);
    golden(HeaderRecord { seq: 5, context_begins_seq: 4 }, HEADER);
    golden(KeyRecord { seq: 5 }, KEY);
    golden_sum(full_turn(), TURN.0, TURN.1);
    golden_sum(later_turn(), LATER_TURN.0, LATER_TURN.1);
    golden(TurnsRecord { turns: vec![Bytes::from_static(b"hi"), Bytes::from_static(b"you")] }, TURNS);
    let turn = CommitTurn { session: SessionId::new("s").unwrap(), expected_seq: 0, turn: full_turn() };
    golden_sum(Command::Turn(Box::new(turn.clone())), COMMAND_TURN.0, COMMAND_TURN.1);
    let wake_at = TimestampMs(1_700_000_000_000);
    golden_sum(Command::WakingTurn { turn: Box::new(turn), wake_at }, COMMAND_WAKING_TURN.0, COMMAND_WAKING_TURN.1);
    let wake = |wake_at| Command::Wake { session: SessionId::new("s").unwrap(), expected_seq: 5, wake_at };
    golden(wake(Some(wake_at)), COMMAND_WAKE);
    golden(wake(None), COMMAND_WAKE_NEVER);
    golden(WakingHeaderRecord { seq: 5, context_begins_seq: 4, wake_at }, WAKING_HEADER);
    golden(TurnRecord::expiry(3, wake_at, None), EXPIRY_TURN);
    let member = MemberRecord { node: 1, zone: "a".into(), peer: "p:1".into(), http: "h".into() };
    golden(Command::Control(ControlCommand::PutMember(member.clone())), COMMAND_MEMBER);
    golden(Command::Control(ControlCommand::RaiseFeatureLevel(2)), COMMAND_LEVEL);
    let head = SnapshotHeadRecord { cluster: "c".into(), group: 3, last: Some(at(9)), membership: stored };
    golden_sum(head, SNAPSHOT_HEAD.0, SNAPSHOT_HEAD.1);
    golden(SnapshotPairsRecord { pairs: vec![(Bytes::from_static(b"k"), Bytes::from_static(b"v"))] }, SNAPSHOT_PAIRS);
    golden(SnapshotFootRecord { pairs: 1, crc: 0xdead_beef }, SNAPSHOT_FOOT);
    golden(InstallRecord { file: "f".into() }, INSTALL);
    golden(TombstoneRecord { removed_at: at(9), wiped: true }, TOMBSTONE);
    golden_sum(control_state(), CONTROL.0, CONTROL.1);
    let assignment = Assignment { shard: 0, voters: vec![1], leader: 1 };
    let found = ControlCommand::Found { members: vec![member], shards: 1, placement: vec![assignment.clone()] };
    golden_sum(Command::Control(found), COMMAND_FOUND.0, COMMAND_FOUND.1);
    let added = |replaces| ControlCommand::AddNode { zone: "a".into(), peer: "p:1".into(), http: "h".into(), replaces };
    golden(Command::Control(added(Some(1))), COMMAND_ADD);
    golden(Command::Control(ControlCommand::Mark { node: 1, state: NodeState::Removed }), COMMAND_MARK);
    let place = ControlCommand::Place { based_on: 7, assignments: vec![assignment] };
    golden(Command::Control(place), COMMAND_PLACE);
    golden(Command::Batch(vec![Bytes::from_static(b"hi"), Bytes::from_static(b"you")]), COMMAND_BATCH);
    golden(ExportHeadRecord { identity: "{}".into() }, EXPORT_HEAD);
}

include!("golden.rs");

fn control_state() -> ControlState {
    ControlState {
        members: vec![NodeRecord {
            node: 1,
            zone: "a".into(),
            peer: "p:1".into(),
            http: "h".into(),
            state: NodeState::Leaving,
            replaces: Some(7),
        }],
        feature_level: 2,
        next_node: 9,
        shards: 1,
        placement: vec![Placement { shard: 0, voters: vec![1], leader: 1, version: 3 }],
        version: 5,
    }
}

#[test]
fn damage_is_named() {
    let good = encode(&KeyRecord { seq: 5 });
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] ^= byte;
        decode::<KeyRecord>(&bytes).unwrap_err()
    };
    assert_eq!(decode::<KeyRecord>(&good[..9]), Err(DecodeError::Short { found: 9 }));
    assert!(matches!(with(0, 1), DecodeError::Magic { .. }));
    assert!(matches!(with(3, 1), DecodeError::Checksum { .. }));
    assert!(matches!(with(4, 1), DecodeError::Checksum { .. }));
    assert!(matches!(with(6, 1), DecodeError::Length { .. }));
    assert!(matches!(with(12, 1), DecodeError::Checksum { .. }));
    assert!(matches!(decode::<HeaderRecord>(&good), Err(DecodeError::Kind { found: 7, expected: 5 })));
    // A record of a later version says so instead of being read as this one.
    let later = {
        let mut out = Vec::new();
        envelope::begin(&mut out, KeyRecord::KIND, 2);
        out.extend_from_slice(&[0; 8]);
        envelope::seal(&mut out);
        out
    };
    assert_eq!(decode::<KeyRecord>(&later), Err(DecodeError::Version { kind: 7, found: 2, known: 1 }));
}

#[test]
fn a_value_that_is_nested_without_end_is_refused() {
    let nested = |depth: usize| {
        // The variant of a list and its length, again and again; then nothing.
        let mut bytes: Vec<u8> = (0..depth).flat_map(|_| [5, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]).collect();
        bytes.extend_from_slice(&[0; 4]);
        decode_payload::<Value>(6, &bytes)
    };
    assert!(nested(200).is_ok());
    let refused = nested(150_000).unwrap_err().to_string();
    assert!(refused.contains("nested deeper than"), "{refused}");
    assert!(nested(200).is_ok(), "the count of the refused one is gone");
    // What JSON can bring in can be read back.
    let json = "[".repeat(127) + &"]".repeat(127);
    let value = Value::from_json(&serde_json::from_str(&json).unwrap());
    let turn = TurnRecord { events: vec![Event::SlotSet { name: "deep".into(), value }], ..full_turn() };
    assert_eq!(decode::<TurnRecord>(&encode(&turn)).unwrap(), turn);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        exercise::record(&bytes);
    }

    /// Past the checksum: what a wrong, but whole, payload does.
    #[test]
    fn any_payload_is_a_value_or_an_error(
        kind in any::<prop::sample::Index>(),
        version in 1u16..=3,
        payload in prop::collection::vec(any::<u8>(), 0..256),
    ) {
        exercise::payload(exercise::KINDS[kind.index(exercise::KINDS.len())], version, &payload);
    }

    #[test]
    fn a_flipped_bit_never_goes_unseen(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut bytes = encode(&full_turn());
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(decode::<TurnRecord>(&bytes).is_err());
    }

    #[test]
    fn a_cut_record_never_goes_unseen(at in any::<prop::sample::Index>()) {
        let bytes = encode(&full_turn());
        prop_assert!(decode::<TurnRecord>(&bytes[..at.index(bytes.len())]).is_err());
    }
}
