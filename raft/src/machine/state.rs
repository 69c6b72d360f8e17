//! The stored state of one group: what reads and applies, and what copies and installs share.

use super::{
    SnapshotPlace,
    apply::Commands,
    copy::{Copies, Copying},
    found::DamageFound,
    fresh::Fresh,
    header::Header,
    packing::{pack, unpack},
    sessions::{Sessions, window_begins},
    wakes::WakeIndex,
};
use crate::{
    Applied, ControlState,
    codec::{self, AppliedRecord, DecodeError, LogIdRecord, Record},
    store::{Ack, Damage, Place, Store, WriteOp, Writer, keys},
    types::{Entry, GroupId, LogId, Membership, SnapshotMeta, StoredMembership},
};
use bytes::Bytes;
use dialogue::{IdempotencyKey, SessionId, SessionSnapshot, TurnRecord};
use openraft::EntryPayload;
use parking_lot::{Mutex, RwLock};
use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Acquire, Ordering::Relaxed},
    },
};

/// The state of one group. All methods block for the length of their store calls.
///
/// An entry is applied in memory and visible at once. Its effects wait there for others for a short while
/// ([`STATE_FLUSH_WAIT`](crate::limits::STATE_FLUSH_WAIT)), and reach the store with the writer thread's next batch
/// then: one batch of the store carries the log and the states of all groups.
pub struct GroupState {
    place: SnapshotPlace,
    pub(super) store: Arc<dyn Store>,
    pub(super) writer: Writer,
    /// The last batch of effects that is in the store.
    stored: Arc<AtomicU64>,
    /// What is applied and visible, but still on its way to the store.
    pub(super) fresh: Mutex<Fresh>,
    /// Sessions that are at work.
    pub(super) known: Mutex<Sessions>,
    /// Those that want to be woken.
    pub(super) wakes: Mutex<WakeIndex>,
    /// Will somebody flush what is staged?
    flush_due: AtomicBool,
    /// May turns share a record? Snapshots carry records as they are: only when every node reads them.
    packs_turns: AtomicBool,
    /// Held to write while a snapshot replaces the state, so that nobody reads half of it.
    pub(super) whole: RwLock<()>,
    /// The newest stream by which a snapshot comes in.
    receiving: Arc<Mutex<u64>>,
    /// Taken for each batch that is applied and for each piece that is copied.
    pub(super) moving: Mutex<Moving>,
    /// Copies of the state for followers.
    pub(super) copies: Mutex<Copies>,
    /// Where damage that is found is told; nowhere outside of a node.
    damage: OnceLock<DamageFound>,
}

/// What changes with every entry.
pub(super) struct Moving {
    /// The replica has left its group: nothing is applied or installed any more.
    retired: bool,
    pub(super) last: Option<LogId>,
    pub(super) membership: StoredMembership,
    /// While the state is copied: what the keys behind the cursor held when that began.
    pub(super) copying: Option<Copying>,
}

/// An entry whose commands are decoded.
pub(super) struct Work {
    log_id: LogId,
    payload: Payload,
}

enum Payload {
    Blank,
    Commands(Commands),
    Membership(Membership),
}

impl Work {
    pub(super) fn decode(group: GroupId, entry: Entry) -> io::Result<Self> {
        let log_id = entry.log_id;
        let payload = match entry.payload {
            EntryPayload::Blank => Payload::Blank,
            EntryPayload::Normal(proposal) => {
                let damaged = |e| Damage::new(group, Some(log_id.index), e);
                Payload::Commands(Commands::decode(&proposal).map_err(damaged)?)
            }
            EntryPayload::Membership(membership) => Payload::Membership(membership),
        };
        Ok(Self { log_id, payload })
    }
}

impl Moving {
    /// The state as of now, as openraft describes it.
    pub(super) fn meta(&self) -> SnapshotMeta {
        SnapshotMeta { last_log_id: self.last, last_membership: self.membership.clone() }
    }

    pub(super) fn check(&self) -> io::Result<()> {
        if self.retired { Err(io::Error::other("the replica has left its group")) } else { Ok(()) }
    }
}

impl GroupState {
    pub(super) fn stop_applying(&self) {
        let mut moving = self.moving.lock();
        (moving.retired, moving.copying) = (true, None);
    }

    /// Opens the state of a group; redoes an install that a crash cut off.
    pub fn open(place: SnapshotPlace, store: Arc<dyn Store>, writer: Writer) -> io::Result<Self> {
        let group = place.group;
        let this = Self {
            store,
            writer,
            stored: Arc::default(),
            fresh: Mutex::default(),
            known: Mutex::default(),
            wakes: Mutex::default(),
            flush_due: AtomicBool::new(false),
            packs_turns: AtomicBool::new(false),
            whole: RwLock::new(()),
            receiving: Arc::default(),
            moving: Mutex::new(Moving {
                retired: false,
                last: None,
                membership: StoredMembership::default(),
                copying: None,
            }),
            copies: Mutex::default(),
            damage: OnceLock::new(),
            place,
        };
        this.end_install()?;
        this.index_wakes()?;
        if let Some(applied) = this.read::<AppliedRecord>(&keys::applied(group))? {
            let mut moving = this.moving.lock();
            moving.last = applied.last.map(LogId::from);
            moving.membership = applied.membership.try_into()?;
        }
        Ok(this)
    }

    /// From now on damage that is found is told there.
    pub(crate) fn tell_damage_to(&self, found: DamageFound) {
        drop(self.damage.set(found));
    }

    pub(super) fn damage(&self) -> &DamageFound {
        self.damage.get_or_init(DamageFound::default)
    }

    /// The group.
    pub fn group(&self) -> GroupId {
        self.place.group
    }

    pub(super) fn read<R: Record>(&self, key: &[u8]) -> io::Result<Option<R>> {
        let decoded = self.get(key)?.map(|v| codec::decode(&v)).transpose();
        decoded.map_err(|e| Damage::new(self.group(), None, format!("the state: {e}")).into())
    }

    /// A session's header, if it ever was.
    pub(super) fn header(&self, session: &SessionId) -> io::Result<Option<Header>> {
        let decoded = self.get(&keys::header(self.group(), session))?.map(|v| Header::decode(&v)).transpose();
        decoded.map_err(|e| Damage::new(self.group(), None, format!("the state: {e}")).into())
    }

    /// What everybody sees. What is no longer fresh is in the store: looking in this order misses nothing.
    pub(super) fn get(&self, key: &[u8]) -> io::Result<Option<Bytes>> {
        if let Some(fresh) = self.fresh.lock().get(key) {
            return Ok(fresh);
        }
        Ok(self.store.get(key)?.map(|v| Bytes::copy_from_slice(&v)))
    }

    /// The last entry applied and the membership as of then.
    pub fn applied(&self) -> (Option<LogId>, StoredMembership) {
        let moving = self.moving.lock();
        (moving.last, moving.membership.clone())
    }

    /// Are the entries applied without reading the disk?
    pub(super) fn is_quick(&self, work: &[Work]) -> bool {
        let quick = |w: &Work| matches!(&w.payload, Payload::Commands(commands) if self.knows(commands));
        work.iter().all(quick)
    }

    /// Applies entries in order. Their effects are visible when this returns, and wait to be [flushed](Self::flush).
    pub(super) fn apply(&self, work: Vec<Work>) -> io::Result<Vec<Applied>> {
        let mut moving = self.moving.lock();
        moving.check()?;
        let applied = self.apply_each(&mut moving, work);
        // What is half applied must never reach the store.
        moving.retired |= applied.is_err();
        applied
    }

    fn apply_each(&self, moving: &mut Moving, work: Vec<Work>) -> io::Result<Vec<Applied>> {
        let mut answers = Vec::with_capacity(work.len());
        for Work { log_id, payload } in work {
            answers.push(match payload {
                Payload::Commands(commands) => {
                    let damaged = |e| Damage::new(self.group(), Some(log_id.index), e);
                    self.apply_commands(moving, commands).map_err(damaged)?
                }
                Payload::Blank => Applied::Nothing,
                Payload::Membership(m) => {
                    moving.membership = StoredMembership::new(Some(log_id), m);
                    Applied::Nothing
                }
            });
            moving.last = Some(log_id);
        }
        Ok(answers)
    }

    /// From now on turns of a session that reach the store together share a record: every node of the cluster
    /// understands that.
    pub fn pack_turns(&self) {
        self.packs_turns.store(true, Relaxed);
    }

    /// Bytes of effects that wait.
    pub(super) fn staged_bytes(&self) -> usize {
        self.fresh.lock().staged_bytes()
    }

    /// Are there so many effects that they go to the store now?
    pub(super) fn is_full(&self) -> bool {
        self.fresh.lock().is_full()
    }

    /// Does the caller have to see to it that effects are flushed later on? Only one is told so.
    pub(super) fn wants_flush(&self) -> bool {
        !self.flush_due.swap(true, Relaxed)
    }

    /// Whoever was told to flush later on is about to: for what is staged from now on, somebody else is told.
    pub(super) fn flushes_now(&self) {
        self.flush_due.store(false, Relaxed);
    }

    /// Hands the effects that wait to the writer, in one batch with `last_applied`.
    pub(super) fn flush(&self, place: Option<Place>) -> io::Result<()> {
        let moving = self.moving.lock();
        if moving.retired { Ok(()) } else { self.flush_all(&moving, place) }
    }

    /// As [`Self::flush`], whether or not the writer's queue has room.
    pub(crate) fn flush_now(&self) -> io::Result<()> {
        self.flush(None)
    }

    pub(super) fn flush_all(&self, moving: &Moving, place: Option<Place>) -> io::Result<()> {
        let applied = AppliedRecord {
            last: moving.last.as_ref().map(LogIdRecord::from),
            membership: (&moving.membership).into(),
        };
        let (op, effects) = {
            let mut fresh = self.fresh.lock();
            fresh.stage((keys::applied(self.group()), Some(codec::encode(&applied).into())));
            fresh.submit(self.stored.load(Acquire))
        };
        let changes = match self.packs_turns.load(Relaxed) {
            true => pack(&effects),
            false => effects.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        };
        // Still under the lock: whoever sees the new `last` and asks the writer for a barrier comes behind it.
        let stored = Some((self.stored.clone(), op));
        self.writer.submit_into(place, WriteOp { changes, stored, ack: Ack::None })
    }

    /// Number of turns of a session and the turns since its context began.
    pub fn load(&self, session: &SessionId) -> io::Result<SessionSnapshot> {
        let _whole = self.whole.read();
        let Some(header) = self.header(session)? else {
            return Ok(SessionSnapshot::default());
        };
        let turns = self.turns_between(session, header.context_begins_seq, header.seq)?;
        Ok(SessionSnapshot { seq: header.seq, turns })
    }

    /// The turn recorded under a key.
    pub fn recorded(&self, session: &SessionId, key: &IdempotencyKey) -> io::Result<Option<TurnRecord>> {
        let _whole = self.whole.read();
        let same = {
            let known = self.known.lock();
            let hash = known.hash(key);
            known.peek(session).map(|known| known.turns_with(hash))
        };
        if let Some(same) = same {
            return self.turn_with_key(session, key, &same);
        }
        let Some(header) = self.header(session)? else { return Ok(None) };
        let turns = self.turns_between(session, window_begins(header.seq), header.seq)?;
        Ok(turns.into_iter().find(|turn| turn.key == *key))
    }

    /// Up to `limit` turns behind `after_seq`.
    pub fn turns(&self, session: &SessionId, after_seq: u64, limit: usize) -> io::Result<Vec<TurnRecord>> {
        let _whole = self.whole.read();
        let Some(header) = self.header(session)? else {
            return Ok(Vec::new());
        };
        let to = header.seq.min(after_seq.saturating_add(limit as u64));
        self.turns_between(session, after_seq.saturating_add(1), to)
    }

    pub(super) fn turns_between(&self, session: &SessionId, first: u64, last: u64) -> io::Result<Vec<TurnRecord>> {
        let group = self.group();
        if first > last {
            return Ok(Vec::new());
        }
        let damaged = |e: DecodeError| io::Error::from(Damage::new(group, None, format!("a turn: {e}")));
        let (from, behind) = (keys::turn(group, session, first), keys::behind_turns(group, session));
        let fresh = self.fresh.lock().range(&from, &behind);
        let mut found: BTreeMap<u64, TurnRecord> = BTreeMap::new();
        // A record stands under the key of its last turn: the first one found may hold earlier turns, too.
        self.store.scan(&from, &behind, &mut |_, value| {
            let turns = unpack(value).map_err(damaged)?;
            let more = turns.last().is_some_and(|turn| turn.seq < last);
            found.extend(turns.into_iter().map(|turn| (turn.seq, turn)));
            Ok(more)
        })?;
        for value in fresh.into_values().flatten() {
            let turn: TurnRecord = codec::decode(&value).map_err(damaged)?;
            found.insert(turn.seq, turn);
        }
        Ok(found.into_iter().filter(|(seq, _)| (first..=last).contains(seq)).map(|(_, turn)| turn).collect())
    }

    /// The state of the control group.
    pub fn control(&self) -> io::Result<ControlState> {
        let _whole = self.whole.read();
        Ok(self.read(&keys::control(self.group()))?.unwrap_or_default())
    }

    pub(super) fn place(&self) -> &SnapshotPlace {
        &self.place
    }

    pub(super) fn receiving(&self) -> &Arc<Mutex<u64>> {
        &self.receiving
    }
}
