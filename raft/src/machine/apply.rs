//! What a command does to a state: a function from what is stored and the command to changes and an answer.

use crate::{
    Applied, ControlCommand, ControlState,
    codec::{self, Command, HeaderRecord, KeyRecord, Record},
    store::{Change, Damage, keys},
    types::GroupId,
};
use bytes::Bytes;
use dialogue::{CommitOutcome, CommitTurn, TurnRecord, limits::IDEMPOTENCY_WINDOW_TURNS};
use std::{collections::BTreeMap, io};

/// Changes that nobody sees yet, over what everybody sees.
pub(super) struct Draft<'a> {
    group: GroupId,
    base: &'a dyn Fn(&[u8]) -> io::Result<Option<Bytes>>,
    changes: BTreeMap<Vec<u8>, Option<Bytes>>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(group: GroupId, base: &'a dyn Fn(&[u8]) -> io::Result<Option<Bytes>>) -> Self {
        Self { group, base, changes: BTreeMap::new() }
    }

    pub(super) fn read<R: Record>(&self, key: &[u8]) -> io::Result<Option<R>> {
        let decoded = match self.changes.get(key) {
            Some(value) => value.as_deref().map(codec::decode),
            None => (self.base)(key)?.map(|v| codec::decode(&v)),
        };
        decoded.transpose().map_err(|e| Damage::new(self.group, None, format!("the state: {e}")).into())
    }

    pub(super) fn put<R: Record>(&mut self, key: Vec<u8>, record: &R) {
        self.changes.insert(key, Some(codec::encode(record).into()));
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.changes.keys()
    }

    pub(super) fn into_changes(self) -> Vec<Change> {
        self.changes.into_iter().collect()
    }
}

/// Applies one encoded command. An error means that log or state is damaged: a bad command is answered, not an error.
pub(super) fn apply(draft: &mut Draft<'_>, command: &[u8]) -> io::Result<Applied> {
    match codec::decode::<Command>(command)? {
        Command::Turn(turn) => apply_turn(draft, *turn).map(Applied::Turn),
        Command::Control(command) => apply_control(draft, command),
    }
}

fn apply_turn(draft: &mut Draft<'_>, command: CommitTurn) -> io::Result<CommitOutcome> {
    let CommitTurn { session, expected_seq, turn } = command;
    let group = draft.group;
    let key = keys::idempotency(group, &session, &turn.key);
    if let Some(known) = draft.read::<KeyRecord>(&key)? {
        let recorded = draft.read::<TurnRecord>(&keys::turn(group, &session, known.seq))?;
        let missing = || Damage::new(group, None, format!("turn {} of {session} is missing", known.seq));
        return Ok(CommitOutcome::Replayed(Box::new(recorded.ok_or_else(missing)?)));
    }
    let header_key = keys::header(group, &session);
    let mut header = draft.read::<HeaderRecord>(&header_key)?.unwrap_or_default();
    if expected_seq != header.seq || turn.seq != expected_seq + 1 {
        return Ok(CommitOutcome::Fenced { actual_seq: header.seq });
    }

    header.seq = turn.seq;
    if turn.begins_context() || header.context_begins_seq == 0 {
        header.context_begins_seq = turn.seq;
    }
    draft.put(header_key, &header);
    draft.put(key, &KeyRecord { seq: turn.seq });
    draft.put(keys::turn(group, &session, turn.seq), &turn);

    if let Some(old) = turn.seq.checked_sub(IDEMPOTENCY_WINDOW_TURNS).filter(|old| *old > 0)
        && let Some(old_turn) = draft.read::<TurnRecord>(&keys::turn(group, &session, old))?
    {
        let old_key = keys::idempotency(group, &session, &old_turn.key);
        // The key may have been used again since: then it belongs to the newer turn.
        if draft.read::<KeyRecord>(&old_key)?.is_some_and(|k| k.seq == old) {
            draft.changes.insert(old_key, None);
        }
    }
    Ok(CommitOutcome::Committed { seq: turn.seq })
}

fn apply_control(draft: &mut Draft<'_>, command: ControlCommand) -> io::Result<Applied> {
    let key = keys::control(draft.group);
    let mut state = draft.read::<ControlState>(&key)?.unwrap_or_default();
    let outcome = state.apply(command);
    draft.put(key, &state);
    Ok(Applied::Control(outcome))
}
