//! One group over a store: performs operations, and reads back what it holds.

use super::script::{At, Model, Op, Spec};
use openraft::{
    EntryPayload, RaftLogReader, RaftSnapshotBuilder,
    storage::{IOFlushed, RaftLogStorage, RaftStateMachine},
    type_config::TypeConfigExt,
};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};
use tertulia_raft::{
    GroupId, Proposal, TypeConfig,
    codec::{self, Command},
    machine::{GroupState, SnapshotData, SnapshotFile, SnapshotPlace, StateMachine, unpack},
    store::{LogStore, MemoryStore, Store, Writer, keys, scan_group},
};

type LogId = openraft::alias::LogIdOf<TypeConfig>;
type LeaderId = openraft::alias::LeaderIdOf<TypeConfig>;
type Vote = openraft::alias::VoteOf<TypeConfig>;
type Entry = openraft::alias::EntryOf<TypeConfig>;
type Meta = openraft::alias::SnapshotMetaOf<TypeConfig>;
/// Says when an append is durable.
pub type Durable = openraft::alias::OneshotReceiverOf<TypeConfig, io::Result<()>>;

fn log_id((term, index): At) -> LogId {
    LogId::new(LeaderId { term, node_id: 1 }, index)
}

fn at(id: LogId) -> At {
    (id.leader_id.term, id.index)
}

fn entry(spec: Spec) -> Entry {
    let command = codec::encode(&Command::Turn(Box::new(spec.turn())));
    Entry { log_id: log_id((spec.term, spec.index)), payload: EntryPayload::Normal(Proposal(command.into())) }
}

fn place(folder: &Path, group: GroupId) -> SnapshotPlace {
    SnapshotPlace { cluster: "crash".into(), folder: folder.to_owned(), group }
}

/// A group that runs.
pub struct Machine {
    pub group: GroupId,
    log: LogStore,
    state: StateMachine,
    opened: Arc<GroupState>,
}

impl Machine {
    pub async fn open(store: &Arc<dyn Store>, writer: &Writer, folder: &Path, group: GroupId) -> io::Result<Self> {
        let ends = scan_group(&**store, group)?;
        let (place, in_store, into) = (place(folder, group), store.clone(), writer.clone());
        // It blocks where it redoes an install.
        let state = tokio::task::spawn_blocking(move || GroupState::open(place, in_store, into));
        let state = state.await.map_err(io::Error::other)??;
        state.pack_turns();
        let log = LogStore::new(group, store.clone(), writer.clone(), ends);
        log.purge_by_and_by();
        let opened = Arc::new(state);
        Ok(Self { group, log, state: StateMachine::new(opened.clone(), writer.clone()), opened })
    }

    /// Performs an operation. Says when it is durable if somebody is to know; an append that waits, a vote, a snapshot
    /// and an install are durable when this returns.
    pub async fn perform(&mut self, op: &Op, references: &References) -> io::Result<Option<Durable>> {
        match op {
            Op::Vote { term, node } => self.log.save_vote(&Vote::new(*term, *node)).await?,
            Op::Append { entries, waits } => {
                let (tx, rx) = TypeConfig::oneshot();
                self.log.append(entries.iter().copied().map(entry), IOFlushed::signal(tx)).await?;
                if !waits {
                    return Ok(Some(rx));
                }
                rx.await.unwrap_or_else(|_| Err(io::Error::other("nobody will ever say")))?;
            }
            Op::Truncate { keep } => self.log.truncate_after(keep.map(log_id)).await?,
            Op::Committed(at) => self.log.save_committed(Some(log_id(*at))).await?,
            Op::Apply(to) => {
                let from = self.state.applied_state().await?.0.map_or(0, |id| id.index + 1);
                let entries = self.log.try_get_log_entries(from..=to.1).await?;
                assert_eq!(entries.len() as u64, to.1 + 1 - from, "the log does not have what is to be applied");
                self.state.apply(futures::stream::iter(entries.into_iter().map(|e| Ok((e, None))))).await?;
                self.state.flush().await?;
            }
            Op::Snapshot => {
                self.state.build_snapshot().await?;
                // And a copy, as for a follower.
                self.copy().await?;
            }
            Op::Purge(to) => self.log.purge(log_id(*to)).await?,
            Op::Install(to) => {
                let (meta, file) = references.snapshot(self.group, *to).await?;
                self.state.install_snapshot(&meta, SnapshotData::File(file)).await?;
            }
        }
        Ok(None)
    }

    async fn copy(&mut self) -> io::Result<()> {
        copy(&mut self.state).await.map(|_| ())
    }
}

async fn copy(state: &mut StateMachine) -> io::Result<(Meta, SnapshotFile)> {
    let found = state.get_current_snapshot().await?.expect("something is applied");
    let file = tokio::task::spawn_blocking(move || found.snapshot.file()).await.map_err(io::Error::other)??;
    Ok((found.meta, file))
}

/// Does returning from the operation mean that it, and all before it, are durable?
impl Op {
    pub fn is_durable_when_done(&self) -> bool {
        matches!(self, Op::Vote { .. } | Op::Append { waits: true, .. } | Op::Snapshot | Op::Install(_))
    }
}

type Contents = Arc<BTreeMap<Vec<u8>, bytes::Bytes>>;

/// States that were never in a crash: the entries applied in order.
pub struct References {
    folder: PathBuf,
    contents: parking_lot::Mutex<BTreeMap<(u32, u64), Contents>>,
}

impl References {
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), contents: Default::default() }
    }

    /// The state of a group after all entries up to `to`, the last of which has the given term.
    async fn replay(&self, group: GroupId, to: At) -> io::Result<(Arc<MemoryStore>, StateMachine, Writer)> {
        let store = MemoryStore::new(0);
        let (writer, _thread) = Writer::start(store.clone())?;
        std::fs::create_dir_all(&self.folder)?;
        let state = GroupState::open(place(&self.folder, group), store.clone(), writer.clone())?;
        let mut state = StateMachine::new(Arc::new(state), writer.clone());
        let specs = (0..=to.1).map(|index| Spec { term: if index == to.1 { to.0 } else { 1 }, index, lost: false });
        state.apply(futures::stream::iter(specs.map(|s| Ok((entry(s), None))))).await?;
        state.flush().await?;
        writer.write_durably(Vec::new()).await?;
        Ok((store, state, writer))
    }

    async fn snapshot(&self, group: GroupId, to: At) -> io::Result<(Meta, SnapshotFile)> {
        let (_store, mut state, _writer) = self.replay(group, to).await?;
        copy(&mut state).await
    }

    /// Keys and values of the state, without how far it is: terms differ.
    async fn contents(&self, group: GroupId, to: u64) -> io::Result<Contents> {
        if let Some(known) = self.contents.lock().get(&(group.0, to)) {
            return Ok(known.clone());
        }
        let (store, ..) = self.replay(group, (1, to)).await?;
        let mut contents = BTreeMap::new();
        for (key, value) in store.contents() {
            by_turn(&mut contents, &key, &value)?;
        }
        contents.remove(&keys::applied(group));
        let contents = Arc::new(contents);
        self.contents.lock().insert((group.0, to), contents.clone());
        Ok(contents)
    }
}

/// Takes a record in; turns one by one, because which of them share a record depends on when they were written.
fn by_turn(contents: &mut BTreeMap<Vec<u8>, bytes::Bytes>, key: &[u8], value: &[u8]) -> io::Result<()> {
    match keys::session_of_turn(key) {
        Some(session) => contents.extend(unpack(value)?.into_iter().map(|turn| {
            let key = [session, &turn.seq.to_be_bytes()].concat();
            (key, codec::encode(&turn).into())
        })),
        None => drop(contents.insert(key.to_vec(), bytes::Bytes::copy_from_slice(value))),
    }
    Ok(())
}

/// What a group holds when its store is opened again; an error names what is damaged.
pub async fn found(
    store: &Arc<dyn Store>,
    writer: &Writer,
    folder: &Path,
    group: GroupId,
    references: &References,
) -> Result<Model, String> {
    let mut machine = Machine::open(store, writer, folder, group).await.map_err(|e| e.to_string())?;
    let ends = machine.log.ends();
    machine.opened.check_log(&**store, &ends).map_err(|e| e.to_string())?;
    let entries = machine.log.try_get_log_entries(..).await.map_err(|e| e.to_string())?;
    let spec = |e: &Entry| {
        let (term, index) = at(e.log_id);
        let specs = [false, true].map(|lost| Spec { term, index, lost });
        let spec = specs.into_iter().find(|s| entry(*s).payload == e.payload);
        spec.ok_or_else(|| format!("{group}, index {index}: an entry that nobody appended"))
    };
    let entries = entries.iter().map(spec).collect::<Result<Vec<_>, _>>()?;

    let applied = machine.state.applied_state().await.map_err(|e| e.to_string())?.0.map(at);
    let mut state = BTreeMap::new();
    let prefix = keys::state_prefix(group);
    let mut take = |key: &[u8], value: &[u8]| {
        by_turn(&mut state, key, value)?;
        Ok(true)
    };
    store.scan(&prefix, &keys::after_prefix(&prefix), &mut take).map_err(|e| e.to_string())?;
    state.remove(&keys::applied(group));
    let expected = match applied {
        Some((_, index)) => references.contents(group, index).await.map_err(|e| e.to_string())?,
        None => Contents::default(),
    };
    if state != *expected {
        return Err(format!("{group}: the state is not what the entries up to {applied:?} make"));
    }
    Ok(Model {
        vote: ends.vote.map(|v| (v.leader_id.term, v.leader_id.node_id)),
        purged: ends.purged.map(at),
        committed: ends.committed.map(at),
        entries,
        applied,
    })
}
