//! What a command does to a state: a function from what is stored and the command to changes and an answer.

use super::{
    GroupState,
    header::Header,
    sessions::{Known, window_begins},
    state::Moving,
};
use crate::{
    Applied, ControlCommand, ControlState,
    codec::{self, Command},
    store::{Damage, keys},
    types::Proposal,
};
use bytes::Bytes;
use cluster_config::planted_bug;
use dialogue::{CommitOutcome, CommitTurn, IdempotencyKey, SessionId, TimestampMs, TurnRecord};
use std::io;

/// The commands of an entry, in order.
pub(super) enum Commands {
    One(Command),
    Batch(Vec<Command>),
}

impl Commands {
    pub(super) fn decode(proposal: &Proposal) -> io::Result<Self> {
        match codec::decode(&proposal.0)? {
            Command::Batch(commands) => {
                let decode = |bytes: &bytes::Bytes| match codec::decode(bytes)? {
                    Command::Batch(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "a batch in a batch")),
                    command => Ok(command),
                };
                commands.iter().map(decode).collect::<io::Result<_>>().map(Self::Batch)
            }
            command => Ok(Self::One(command)),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Command> {
        match self {
            Self::One(command) => std::slice::from_ref(command).iter(),
            Self::Batch(commands) => commands.iter(),
        }
    }
}

impl GroupState {
    /// Applies the commands of one entry. An error means that log or state is damaged: a bad command is answered, not
    /// an error.
    pub(super) fn apply_commands(&self, moving: &mut Moving, commands: Commands) -> io::Result<Applied> {
        match commands {
            Commands::One(command) => self.apply_command(moving, command),
            Commands::Batch(commands) => {
                let applied = commands.into_iter().map(|c| self.apply_command(moving, c)).collect::<io::Result<_>>();
                applied.map(Applied::Batch)
            }
        }
    }

    fn apply_command(&self, moving: &mut Moving, command: Command) -> io::Result<Applied> {
        match command {
            Command::Turn(turn) => self.apply_turn(moving, *turn, None).map(Applied::Turn),
            Command::WakingTurn { turn, wake_at } => self.apply_turn(moving, *turn, Some(wake_at)).map(Applied::Turn),
            Command::Wake { session, expected_seq, wake_at } => {
                self.apply_wake(moving, &session, expected_seq, wake_at).map(Applied::Turn)
            }
            Command::Control(command) => self.apply_control(moving, command),
            Command::Batch(_) => unreachable!("decoding refuses a batch in a batch"),
        }
    }

    /// Is all in memory that these commands need, so that they are applied without reading the disk?
    pub(super) fn knows(&self, commands: &Commands) -> bool {
        let known = self.known.lock();
        commands.iter().all(|c| c.session().is_some_and(|session| known.peek(session).is_some()))
    }

    fn apply_turn(
        &self,
        moving: &mut Moving,
        command: CommitTurn,
        wake_at: Option<TimestampMs>,
    ) -> io::Result<CommitOutcome> {
        let CommitTurn { session, mut expected_seq, mut turn } = command;
        let group = self.group();
        let (mut header, key, same) = self.end_of(&session, &turn.key)?;
        if let Some(recorded) = self.turn_with_key(&session, &turn.key, &same)? {
            return Ok(CommitOutcome::Replayed(Box::new(recorded)));
        }
        if planted_bug("no-fence") {
            (expected_seq, turn.seq) = (header.seq, header.seq + 1);
        }
        if expected_seq != header.seq || turn.seq != expected_seq + 1 {
            return Ok(CommitOutcome::Fenced { actual_seq: header.seq });
        }
        let before = header;
        (header.seq, header.wake_at) = (turn.seq, wake_at);
        if turn.begins_context() || header.context_begins_seq == 0 {
            header.context_begins_seq = turn.seq;
        }
        self.stage_header(moving, &session, before, header);
        self.stage(moving, keys::turn(group, &session, turn.seq), codec::encode(&turn).into(), || None);
        self.known.lock().advance(&session, header, key);
        Ok(CommitOutcome::Committed { seq: turn.seq })
    }

    fn apply_wake(
        &self,
        moving: &mut Moving,
        session: &SessionId,
        expected_seq: u64,
        wake_at: Option<TimestampMs>,
    ) -> io::Result<CommitOutcome> {
        let known = self.known.lock().get(session).map(|known| known.header);
        let before = known.map_or_else(|| self.header(session).map(Option::unwrap_or_default), Ok)?;
        // Nothing was ever said in it: there is nobody to wake.
        if before.seq != expected_seq || before.seq == 0 {
            return Ok(CommitOutcome::Fenced { actual_seq: before.seq });
        }
        let header = Header { wake_at, ..before };
        self.stage_header(moving, session, before, header);
        if let Some(known) = self.known.lock().get(session) {
            known.header = header;
        }
        Ok(CommitOutcome::Committed { seq: header.seq })
    }

    /// A header that changes, and with it when the session wants to be woken.
    fn stage_header(&self, moving: &mut Moving, session: &SessionId, before: Header, now: Header) {
        let was = || (before.seq > 0).then(|| before.encode());
        self.stage(moving, keys::header(self.group(), session), now.encode(), was);
        self.wakes.lock().change(session, before.wake_at, now.wake_at);
    }

    /// A session's header, the hash of a key, and the turns whose keys have the same one. Learns a session that it did
    /// not know.
    fn end_of(&self, session: &SessionId, key: &IdempotencyKey) -> io::Result<(Header, u32, Vec<u64>)> {
        let found = |known: &Known, hash: u32| (known.header, hash, known.turns_with(hash));
        {
            let mut known = self.known.lock();
            let hash = known.hash(key);
            if let Some(known) = known.get(session) {
                return Ok(found(known, hash));
            }
        }
        // Entries are applied one at a time: nobody else changes the session meanwhile.
        let header = self.header(session)?.unwrap_or_default();
        let first = window_begins(header.seq);
        let turns = self.turns_between(session, first, header.seq)?;
        if !turns.iter().map(|t| t.seq).eq(first..=header.seq) {
            let found = format!("the turns {first} to {} of {session} are not all there", header.seq);
            return Err(Damage::new(self.group(), None, found).into());
        }
        let mut known = self.known.lock();
        known.learn(session.clone(), header, turns.iter().map(|t| &t.key));
        let hash = known.hash(key);
        let learned = known.get(session).expect("it was just learned");
        Ok(found(learned, hash))
    }

    /// The one of these turns that has the key itself.
    pub(super) fn turn_with_key(
        &self,
        session: &SessionId,
        key: &IdempotencyKey,
        turns: &[u64],
    ) -> io::Result<Option<TurnRecord>> {
        for seq in turns {
            let turn = self.turns_between(session, *seq, *seq)?.pop();
            let missing = || Damage::new(self.group(), None, format!("turn {seq} of {session} is missing"));
            let turn = turn.ok_or_else(missing)?;
            if turn.key == *key {
                return Ok(Some(turn));
            }
        }
        Ok(None)
    }

    fn apply_control(&self, moving: &mut Moving, command: ControlCommand) -> io::Result<Applied> {
        let key = keys::control(self.group());
        let before = self.read::<ControlState>(&key)?;
        let mut state = before.clone().unwrap_or_default();
        let outcome = state.apply(command);
        let was = || before.as_ref().map(|before| codec::encode(before).into());
        self.stage(moving, key, codec::encode(&state).into(), was);
        Ok(Applied::Control(outcome))
    }

    /// A change that everybody sees from now on, and what was there before.
    fn stage(&self, moving: &mut Moving, key: Vec<u8>, value: Bytes, before: impl FnOnce() -> Option<Bytes>) {
        if let Some(copying) = &mut moving.copying {
            copying.keep(&key, before);
        }
        self.fresh.lock().stage((key, Some(value)));
    }
}
