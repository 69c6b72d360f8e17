//! The log of one group: openraft's log storage over the node's store and writer thread.

use super::{Ack, Change, Damage, LogScan, Store, WriteOp, Writer, keys};
use crate::{
    blocking::blocking,
    codec::{self, EntryRecord, LogIdRecord, MarkRecord, VoteRecord},
    failpoints,
    limits::{APPEND_BYTES_MAX, COMMITTED_MARK_EVERY, LOG_CACHE_BYTES_MAX, PURGE_ENTRIES, STORE_VALUE_BYTES_MAX},
    types::{Entry, GroupId, IOFlushed, LogId, TypeConfig, Vote},
};
use cluster_config::planted_bug;
use openraft::{LogState, OptionalSend, RaftLogReader, storage::RaftLogStorage};
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    fmt::Debug,
    io,
    ops::{Bound, Range, RangeBounds},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Acquire, Ordering::Relaxed},
    },
};

/// The log of one group; a cheap handle.
///
/// An appended entry is readable at once from memory and durable when its callback fires. Entries that are in the
/// store already stay in memory up to [`LOG_CACHE_BYTES_MAX`], so that followers and the state machine rarely read
/// the disk.
#[derive(Clone)]
pub struct LogStore(Arc<GroupLog>);

struct GroupLog {
    group: GroupId,
    store: Arc<dyn Store>,
    writer: Writer,
    /// The last operation of this log that is in the store.
    stored: Arc<AtomicU64>,
    /// Bytes that stood in the log when it was opened, and of everything appended since.
    appended_bytes: AtomicU64,
    /// May purged entries be left for later? An earlier version takes that for damage.
    purges_by_and_by: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    ends: LogScan,
    /// The newest entries without a gap, up to the last one.
    cache: VecDeque<Cached>,
    cache_bytes: usize,
    op: u64,
    /// How far the log was committed when that was written down last.
    committed_marked: Option<LogId>,
    /// Entries from here on are in the store, also where they are purged already…
    kept_from: u64,
    /// …up to here; behind a snapshot that went further than the log there are none.
    removable_to: u64,
    /// Bytes of the entries in the store, also of those that are purged already, roughly.
    kept_bytes: u64,
    /// Bytes of purged entries that may be removed now.
    removable_bytes: u64,
    /// Bytes of a purged entry: the mean when they were purged, whatever has come since.
    purged_entry_bytes: u64,
}

struct Cached {
    entry: Entry,
    bytes: usize,
    op: u64,
}

impl LogStore {
    /// The log of a group whose ends were just scanned.
    pub fn new(group: GroupId, store: Arc<dyn Store>, writer: Writer, ends: LogScan) -> Self {
        let appended_bytes = AtomicU64::new(ends.bytes);
        let kept_from = ends.remains.unwrap_or_else(|| ends.purged.map_or(0, |p| p.index + 1));
        let removable_to = ends.purged.map_or(0, |p| p.index + 1);
        let committed_marked = ends.committed;
        let kept_bytes = ends.bytes + ends.remains_bytes;
        let purged_entry_bytes = ends.remains_bytes / (removable_to - kept_from).max(1);
        let inner = Inner {
            committed_marked,
            kept_from,
            kept_bytes,
            removable_to,
            purged_entry_bytes,
            ends,
            ..Inner::default()
        };
        let inner = Mutex::new(inner);
        let (stored, purges_by_and_by) = (Arc::default(), AtomicBool::new(false));
        Self(Arc::new(GroupLog { group, store, writer, stored, appended_bytes, purges_by_and_by, inner }))
    }

    /// From now on a purge leaves most of its entries to be removed later: every node of the cluster is of a version
    /// that understands it, so that none goes back to an earlier one.
    pub fn purge_by_and_by(&self) {
        self.0.purges_by_and_by.store(true, Relaxed);
    }

    /// Bytes that stood in the log when it was opened, and of everything appended since: never less than before.
    pub fn appended_bytes(&self) -> u64 {
        self.0.appended_bytes.load(Relaxed)
    }

    /// Bytes of an entry in the log: the mean.
    pub fn entry_bytes(&self) -> u64 {
        self.0.inner.lock().entry_bytes()
    }

    /// The ends of the log as they are in memory.
    pub fn ends(&self) -> LogScan {
        self.0.inner.lock().ends.clone()
    }

    async fn submit(&self, changes: Vec<Change>, op: u64, ack: Ack) -> io::Result<()> {
        self.0.writer.submit(WriteOp { changes, stored: Some((self.0.stored.clone(), op)), ack }).await
    }

    /// Removes some of the entries that are purged: all at once would hold up the barriers of all groups. It goes on with
    /// the next appends, twice as many bytes as they bring, and after a restart.
    async fn remove_purged(&self, at_least: u64) -> io::Result<()> {
        let (gone, op) = {
            let mut inner = self.0.inner.lock();
            let count = (inner.removable_bytes / inner.purged_entry_bytes.max(1)).max(at_least);
            (inner.remove_purged(count), inner.next_op())
        };
        for index in gone {
            self.submit(vec![(keys::entry(self.0.group, index), None)], op, Ack::None).await?;
        }
        Ok(())
    }

    /// Entries of `from..to` that the log contains, up to `bytes` of them but at least one.
    async fn read(&self, from: u64, to: u64, bytes: usize) -> io::Result<Vec<Entry>> {
        let (from, to, cached) = {
            let inner = self.0.inner.lock();
            let from = from.max(inner.ends.purged.map_or(0, |p| p.index + 1));
            let to = to.min(inner.ends.last.map_or(0, |l| l.index + 1));
            (from, to, inner.cached(from, to, bytes))
        };
        if from >= to {
            return Ok(Vec::new());
        }
        let cached_from = cached.first().map_or(to, |e| e.log_id.index);
        if from == cached_from {
            return Ok(cached);
        }
        // Only a follower that lags or a restart reads what is no longer in memory.
        let this = self.0.clone();
        let (mut entries, used, cut) = blocking(move || this.read_store(from, cached_from, bytes)).await??;
        // Nothing at all is a purge that overtook the reader; a piece that ends early is damage, unless it is full.
        if let Some(next) = entries.last().map(|e| e.log_id.index + 1)
            && next != cached_from
            && !cut
        {
            return Err(Damage::new(self.0.group, Some(next), "the entry is missing").into());
        }
        if !cut && used < bytes {
            entries.extend(cached);
        }
        Ok(entries)
    }
}

impl Inner {
    fn cached(&self, from: u64, to: u64, bytes: usize) -> Vec<Entry> {
        let Some(first) = self.cache.front().map(|c| c.entry.log_id.index) else { return Vec::new() };
        let skip = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
        let take = usize::try_from(to.saturating_sub(from.max(first))).unwrap_or(usize::MAX);
        let mut used = 0;
        let fits = |c: &&Cached| {
            let fits = used == 0 || used + c.bytes <= bytes;
            used += c.bytes;
            fits
        };
        self.cache.iter().skip(skip).take(take).take_while(fits).map(|c| c.entry.clone()).collect()
    }

    /// Forgets the oldest entries that the store holds, down to the limit.
    fn evict(&mut self, stored: u64) {
        while self.cache_bytes > LOG_CACHE_BYTES_MAX && self.cache.front().is_some_and(|c| c.op <= stored) {
            self.cache_bytes -= self.cache.pop_front().map_or(0, |c| c.bytes);
        }
    }

    /// Bytes of an entry in the store: the mean.
    fn entry_bytes(&self) -> u64 {
        let entries = self.ends.last.map_or(0, |l| l.index + 1).saturating_sub(self.kept_from);
        self.kept_bytes / entries.max(1)
    }

    /// Up to `count` purged entries that are to be removed now.
    fn remove_purged(&mut self, count: u64) -> Range<u64> {
        let gone = self.kept_from..self.removable_to.min(self.kept_from.saturating_add(count)).max(self.kept_from);
        let bytes = (gone.end - gone.start) * self.purged_entry_bytes.max(1);
        self.kept_bytes = self.kept_bytes.saturating_sub(bytes);
        if gone.end < self.removable_to {
            self.removable_bytes = self.removable_bytes.saturating_sub(bytes);
            self.kept_from = gone.end;
        } else {
            self.removable_bytes = 0;
            self.kept_from = self.ends.purged.map_or(0, |p| p.index + 1);
        }
        gone
    }

    fn next_op(&mut self) -> u64 {
        self.op += 1;
        self.op
    }
}

impl GroupLog {
    /// Entries, their bytes, and whether more would not have fitted.
    fn read_store(&self, from: u64, to: u64, bytes: usize) -> io::Result<(Vec<Entry>, usize, bool)> {
        let mut entries: Vec<Entry> = Vec::new();
        let (mut used, mut cut) = (0, false);
        self.store.scan(&keys::entry(self.group, from), &keys::entry(self.group, to), &mut |key, value| {
            if used > 0 && used + value.len() > bytes {
                cut = true;
                return Ok(false);
            }
            used += value.len();
            let index = keys::entry_index(key);
            let record: EntryRecord = codec::decode(value).map_err(|e| Damage::new(self.group, index, e))?;
            let entry = record.into_entry()?;
            // Missing at the beginning is a purge that overtook the reader; missing in between is damage.
            let expected = entries.last().map(|e| e.log_id.index + 1);
            if expected.is_some_and(|e| e != entry.log_id.index) || index != Some(entry.log_id.index) {
                return Err(Damage::new(self.group, expected, format!("found index {index:?} there")).into());
            }
            entries.push(entry);
            Ok(true)
        })?;
        Ok((entries, used, cut))
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<Entry>> {
        let from = match range.start_bound() {
            Bound::Included(i) => *i,
            Bound::Excluded(i) => i + 1,
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(i) => i.saturating_add(1),
            Bound::Excluded(i) => *i,
            Bound::Unbounded => u64::MAX,
        };
        self.read(from, to, usize::MAX).await
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.read(start, end, APPEND_BYTES_MAX).await
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.0.inner.lock().ends.vote)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let inner = self.0.inner.lock();
        Ok(LogState { last_purged_log_id: inner.ends.purged, last_log_id: inner.ends.last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let value = codec::encode(&VoteRecord::from(vote));
        if !planted_bug("forget-vote") {
            self.0.writer.write_durably(vec![(keys::vote(self.0.group), Some(value.into()))]).await?;
        }
        // Readers compare it with the leader that they read for: visible only when it counts.
        self.0.inner.lock().ends.vote = Some(*vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        let op = {
            let mut inner = self.0.inner.lock();
            inner.ends.committed = committed;
            let near = |marked: LogId| committed.is_some_and(|c| c.index < marked.index + COMMITTED_MARK_EVERY);
            if inner.committed_marked.is_some_and(near) {
                return Ok(());
            }
            inner.committed_marked = committed;
            inner.next_op()
        };
        let value = codec::encode(&MarkRecord { at: committed.as_ref().map(LogIdRecord::from) });
        // Not every one, and no barrier of its own: it rides on the next one. A mark that a crash takes back, or that was
        // not written, only means that the tail is applied when the next leader commits it; a restarted leader is elected
        // anew before it serves. What is applied counts as committed anyway.
        self.submit(vec![(keys::committed(self.0.group), Some(value.into()))], op, Ack::None).await
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.0.inner.lock().ends.committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let encoded: Vec<(Entry, Vec<u8>)> = entries
            .into_iter()
            .map(|entry| {
                let value = codec::encode(&EntryRecord::from(&entry));
                (entry, value)
            })
            .collect();
        let (changes, op) = {
            let mut inner = self.0.inner.lock();
            let op = inner.next_op();
            let mut changes = Vec::with_capacity(encoded.len());
            for (entry, value) in encoded {
                let index = entry.log_id.index;
                let expected = inner.ends.last.map_or(index, |l| l.index + 1);
                if index != expected || value.len() > STORE_VALUE_BYTES_MAX {
                    let found =
                        format!("an entry of {} bytes was appended where index {expected} is next", value.len());
                    return Err(Damage::new(self.0.group, Some(index), found).into());
                }
                inner.ends.last = Some(entry.log_id);
                self.0.appended_bytes.fetch_add(value.len() as u64, Relaxed);
                inner.kept_bytes += value.len() as u64;
                inner.removable_bytes += 2 * value.len() as u64;
                inner.cache_bytes += value.len();
                inner.cache.push_back(Cached { entry, bytes: value.len(), op });
                changes.push((keys::entry(self.0.group, index), Some(value.into())));
            }
            let stored = self.0.stored.load(Acquire);
            inner.evict(stored);
            (changes, op)
        };
        self.submit(changes, op, Ack::Flushed(callback)).await?;
        self.remove_purged(0).await
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> io::Result<()> {
        let (changes, op) = {
            let mut inner = self.0.inner.lock();
            let keep = last_log_id.or(inner.ends.purged);
            let first = keep.map_or(0, |k| k.index + 1);
            let end = inner.ends.last.map_or(0, |l| l.index + 1);
            while inner.cache.back().is_some_and(|c| c.entry.log_id.index >= first) {
                let gone = inner.cache.pop_back().map_or(0, |c| c.bytes);
                inner.cache_bytes -= gone;
            }
            if first < end {
                inner.ends.last = keep;
            }
            ((first..end).map(|i| (keys::entry(self.0.group, i), None)).collect(), inner.next_op())
        };
        // In the same order as the appends behind it, which is all that a truncation needs.
        self.submit(changes, op, Ack::None).await
    }

    async fn purge(&mut self, log_id: LogId) -> io::Result<()> {
        let at_once = !self.0.purges_by_and_by.load(Relaxed);
        let (mut changes, op) = {
            let mut inner = self.0.inner.lock();
            while inner.cache.front().is_some_and(|c| c.entry.log_id.index <= log_id.index) {
                let gone = inner.cache.pop_front().map_or(0, |c| c.bytes);
                inner.cache_bytes -= gone;
            }
            inner.purged_entry_bytes = inner.entry_bytes();
            inner.removable_to = inner.ends.last.map_or(0, |l| l.index + 1).min(log_id.index + 1);
            inner.ends.purged = inner.ends.purged.max(Some(log_id));
            inner.ends.last = inner.ends.last.max(Some(log_id));
            let mut changes: Vec<Change> = Vec::new();
            if at_once {
                changes.extend(inner.remove_purged(u64::MAX).map(|i| (keys::entry(self.0.group, i), None)));
            }
            (changes, inner.next_op())
        };
        // The state is durable up to there (see `machine`): whoever finds the entries gone finds what they did. The mark is
        // all that counts.
        let mark = codec::encode(&MarkRecord { at: Some((&log_id).into()) });
        changes.push((keys::purged(self.0.group), Some(mark.into())));
        self.submit(changes, op, Ack::None).await?;
        self.remove_purged(PURGE_ENTRIES).await?;
        failpoints::pass("log-purged");
        Ok(())
    }
}
