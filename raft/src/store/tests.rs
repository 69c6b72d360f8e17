//! openraft's own suite over our store, and what it leaves out: crashes, damage, large values.

use super::*;
use crate::{
    machine::{GroupState, SnapshotPlace, StateMachine},
    types::{Entry, GroupId, IOFlushed, LeaderId, LogId, Proposal, TypeConfig, Vote},
};
use openraft::{
    EntryPayload, RaftLogReader, StorageError,
    storage::RaftLogStorage,
    testing::log::{StoreBuilder, Suite},
    type_config::TypeConfigExt,
};
use parking_lot::Mutex;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::TempDir;

const GROUP: GroupId = GroupId(3);

fn open(folder: &Path) -> Arc<dyn Store> {
    Arc::new(SledStore::open(&folder.join("db"), 8 << 20).unwrap())
}

fn log_over(store: &Arc<dyn Store>, writer: &Writer, group: GroupId) -> LogStore {
    LogStore::new(group, store.clone(), writer.clone(), scan_group(&**store, group).unwrap())
}

fn entry(index: u64, bytes: usize) -> Entry {
    let log_id = LogId::new(LeaderId { term: 1, node_id: 1 }, index);
    Entry { log_id, payload: EntryPayload::Normal(Proposal(vec![index as u8; bytes].into())) }
}

type Durable = openraft::alias::OneshotReceiverOf<TypeConfig, io::Result<()>>;

/// Appends and gives what says that it is durable.
async fn append(log: &mut LogStore, entries: Vec<Entry>) -> Durable {
    let (tx, rx) = TypeConfig::oneshot();
    log.append(entries, IOFlushed::signal(tx)).await.unwrap();
    rx
}

/// Builds what openraft's suite tests, over sled or over its twin.
struct Builder {
    memory: bool,
}

impl StoreBuilder<TypeConfig, LogStore, StateMachine, (TempDir, Closer)> for Builder {
    async fn build(&self) -> Result<((TempDir, Closer), LogStore, StateMachine), StorageError<TypeConfig>> {
        let folder = TempDir::new().unwrap();
        let store: Arc<dyn Store> = if self.memory { MemoryStore::new(1) } else { open(folder.path()) };
        let (writer, _thread) = Writer::start(store.clone()).unwrap();
        let snapshots = folder.path().join("snapshots");
        fs::create_dir(&snapshots).unwrap();
        let place = SnapshotPlace { cluster: "suite".into(), folder: snapshots, group: GROUP };
        let state = Arc::new(GroupState::open(place, store.clone(), writer.clone()).unwrap());
        let log = log_over(&store, &writer, GROUP);
        Ok(((folder, Closer(store)), log, StateMachine::new(state, writer)))
    }
}

struct Closer(Arc<dyn Store>);

impl Drop for Closer {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openrafts_storage_suite_passes() {
    Suite::test_all(Builder { memory: false }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openrafts_storage_suite_passes_in_memory() {
    Suite::test_all(Builder { memory: true }).await.unwrap();
}

/// Copies the folder at every barrier, as it is on the disk at that moment. `broken` acknowledges without a barrier.
struct Imaging {
    inner: Arc<dyn Store>,
    from: PathBuf,
    image: Mutex<PathBuf>,
    broken: bool,
}

impl Imaging {
    fn take(&self) -> io::Result<()> {
        let to = self.image.lock();
        let _ = fs::remove_dir_all(&*to);
        for part in ["", "blobs"] {
            fs::create_dir_all(to.join(part))?;
            for file in fs::read_dir(self.from.join(part))? {
                let path = file?.path();
                if path.is_file() {
                    fs::copy(&path, to.join(part).join(path.file_name().unwrap()))?;
                }
            }
        }
        Ok(())
    }
}

impl Store for Imaging {
    fn get(&self, key: &[u8]) -> io::Result<Option<sled::IVec>> {
        self.inner.get(key)
    }
    fn scan(&self, a: &[u8], b: &[u8], f: &mut Visit<'_>) -> io::Result<()> {
        self.inner.scan(a, b, f)
    }
    fn apply(&self, changes: Vec<Change>) -> io::Result<()> {
        self.inner.apply(changes)
    }
    fn apply_in_order(&self, changes: Vec<Change>) -> io::Result<()> {
        self.inner.apply_in_order(changes)
    }
    fn barrier(&self) -> io::Result<()> {
        if !self.broken {
            self.inner.barrier()?;
        }
        self.take()
    }
    fn close(&self) {
        self.inner.close();
    }
}

/// Appends to three groups at once, votes, truncates and purges; what was acknowledged must be in the image that was
/// taken at the last barrier, as if the power had failed right behind it.
async fn what_a_power_failure_leaves(broken: bool) -> Result<(), String> {
    let folder = TempDir::new().unwrap();
    let image = folder.path().join("image");
    fs::create_dir(&image).unwrap();
    let store: Arc<dyn Store> = Arc::new(Imaging {
        inner: open(folder.path()),
        from: folder.path().join("db"),
        image: Mutex::new(image.join("db")),
        broken,
    });
    let (writer, _thread) = Writer::start(store.clone()).unwrap();
    let mut tasks = Vec::new();
    for group in (0..3).map(GroupId) {
        let mut log = log_over(&store, &writer, group);
        tasks.push(tokio::spawn(async move {
            let mut durable = 0;
            for round in 0..8u64 {
                log.save_vote(&Vote::new(round + 1, 1)).await.unwrap();
                let next = round * 10;
                let first = append(&mut log, (next..next + 6).map(|i| entry(i, 300)).collect()).await;
                // An uncommitted tail is replaced before it is durable.
                log.truncate_after(Some(entry(next + 3, 0).log_id)).await.unwrap();
                let second = append(&mut log, (next + 4..next + 10).map(|i| entry(i, 500)).collect()).await;
                if round == 5 {
                    log.purge(entry(20, 0).log_id).await.unwrap();
                }
                first.await.unwrap().unwrap();
                second.await.unwrap().unwrap();
                durable = next + 9;
            }
            (group, durable)
        }));
    }
    let mut acknowledged = Vec::new();
    for task in tasks {
        acknowledged.push(task.await.unwrap());
    }
    store.close();

    let found = open(&image);
    let (writer, _thread) = Writer::start(found.clone()).unwrap();
    for (group, durable) in acknowledged {
        let ends = scan_group(&*found, group).map_err(|e| e.to_string())?;
        let seen = (ends.vote, ends.purged.map(|p| p.index), ends.last.map(|l| l.index));
        if seen != (Some(Vote::new(8, 1)), Some(20), Some(durable)) {
            return Err(format!("{group}: {seen:?}, index {durable} was acknowledged"));
        }
        let mut log = log_over(&found, &writer, group);
        let entries = log.try_get_log_entries(0..=durable).await.map_err(|e| e.to_string())?;
        let expected: Vec<Entry> = (21..=durable).map(|i| entry(i, if i % 10 < 4 { 300 } else { 500 })).collect();
        if entries.len() != expected.len() || entries.iter().zip(&expected).any(|(a, b)| a.payload != b.payload) {
            return Err(format!("{group}: other entries than the acknowledged ones"));
        }
    }
    found.close();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_acknowledged_survives_a_power_failure() {
    what_a_power_failure_leaves(false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_barrier_the_same_check_finds_the_loss() {
    let found = what_a_power_failure_leaves(true).await;
    assert!(found.is_err(), "a check that cannot fail proves nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_of_many_groups_share_a_barrier() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path());
    let (writer, thread) = Writer::start(store.clone()).unwrap();
    log_over(&store, &writer, GroupId(0)).save_vote(&Vote::new(1, 1)).await.unwrap();
    let mut waiting = Vec::new();
    for group in (0..50).map(GroupId) {
        let mut log = log_over(&store, &writer, group);
        for index in 0..10 {
            waiting.push(append(&mut log, vec![entry(index, 100)]).await);
            log.save_committed(Some(entry(index, 0).log_id)).await.unwrap();
        }
    }
    for waiter in waiting {
        waiter.await.unwrap().unwrap();
    }
    let counts = writer.counts();
    assert!(counts.barriers < 500, "500 appends took {counts:?}");
    assert_eq!(counts.records, 1 + 500 + 50, "one mark of what is committed for each log: {counts:?}");

    // What rides along needs no barrier of its own.
    let before = writer.counts().barriers;
    let mut log = log_over(&store, &writer, GroupId(0));
    log.save_committed(Some(entry(20, 0).log_id)).await.unwrap();
    writer.close();
    thread.wait();
    assert_eq!((writer.counts().barriers, writer.counts().records), (before, counts.records + 1));
    assert!(log.save_vote(&Vote::new(1, 1)).await.is_err(), "a closed writer acknowledges nothing");
    store.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_values_never_reach_a_blob_file() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path());
    let (writer, _thread) = Writer::start(store.clone()).unwrap();
    let mut log = log_over(&store, &writer, GROUP);
    let largest = dialogue::limits::COMMIT_BYTES_MAX;
    let blobs = || fs::read_dir(folder.path().join("db").join("blobs")).unwrap().count();
    for index in 0..120 {
        append(&mut log, vec![entry(index, largest)]).await.await.unwrap().unwrap();
        assert_eq!(blobs(), 0, "sled never syncs blob files; index {index}");
    }
    // Merging leaves, which a purge brings about, makes no larger ones.
    log.purge(entry(100, 0).log_id).await.unwrap();
    for index in 120..160 {
        append(&mut log, vec![entry(index, largest)]).await.await.unwrap().unwrap();
        assert_eq!(blobs(), 0, "index {index}");
    }
    // Evicted entries come back from the disk, by pieces where they are many.
    assert_eq!(log.try_get_log_entries(101..160).await.unwrap().len(), 59);
    let piece = log.limited_get_log_entries(101, 160).await.unwrap();
    assert!((1..30).contains(&piece.len()) && piece[0].log_id.index == 101, "{}", piece.len());
    store.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_is_found_at_open_and_named() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path());
    let (writer, _thread) = Writer::start(store.clone()).unwrap();
    let mut log = log_over(&store, &writer, GROUP);
    append(&mut log, (0..10).map(|i| entry(i, 100)).collect()).await.await.unwrap().unwrap();
    log.save_vote(&Vote::new(4, 2)).await.unwrap();
    let found = |key: Vec<u8>, value: Option<Vec<u8>>| {
        let before = store.get(&key).unwrap().map(|v| Bytes::copy_from_slice(&v));
        store.apply(vec![(key.clone(), value.map(Bytes::from))]).unwrap();
        let damage = scan_group(&*store, GROUP).map_err(|d| d.to_string());
        store.apply(vec![(key, before)]).unwrap();
        damage.unwrap_err()
    };

    let at_5 = keys::entry(GROUP, 5);
    let mut flipped = store.get(&at_5).unwrap().unwrap().to_vec();
    flipped[40] ^= 4;
    let damage = found(at_5.clone(), Some(flipped));
    assert!(damage.starts_with("shard-3, log index 5, key shard-3/log/5: checksum "), "{damage}");
    assert_eq!(found(at_5.clone(), None), "shard-3, log index 6, key shard-3/log/6: index 6, expected index 5");
    let other = store.get(keys::entry(GROUP, 4).as_slice()).unwrap().unwrap().to_vec();
    assert_eq!(
        found(at_5, Some(other)),
        "shard-3, log index 5, key shard-3/log/5: an entry of index 4, expected index 5"
    );
    let vote = keys::vote(GROUP);
    assert_eq!(found(vote.clone(), Some(vec![1, 2])), "shard-3, key shard-3/vote: 2 bytes are too short for a record");
    // An entry of a term that nobody here has voted in, a committed mark beyond the log, and one on another entry.
    let no_vote =
        "shard-3, log index 9, key shard-3/vote: a vote of term 0, expected term 1 of the last entry, or a later one";
    assert_eq!(found(vote, None), no_vote);
    let mark = |term, index| {
        let at = Some(crate::codec::LogIdRecord { term, node: 1, index });
        found(keys::committed(GROUP), Some(crate::codec::encode(&crate::codec::MarkRecord { at })))
    };
    let committed = "key shard-3/committed";
    assert_eq!(
        mark(1, 10),
        format!(
            "shard-3, log index 10, {committed}: a log that ends at T1-N1.9, expected entry T1-N1.10, which was committed"
        )
    );
    assert_eq!(
        mark(2, 4),
        format!("shard-3, log index 4, {committed}: entry T1-N1.4, expected entry T2-N1.4, which was committed")
    );
    assert_eq!(scan_group(&*store, GROUP).unwrap().last.unwrap().index, 9, "put back, it is whole");

    // A purge is done when its mark stands: what it covers need not be gone yet, nor be whole.
    let purged = crate::codec::encode(&crate::codec::MarkRecord { at: Some((&entry(2, 0).log_id).into()) });
    store.apply(vec![(keys::purged(GROUP), Some(purged.into())), (keys::entry(GROUP, 1), None)]).unwrap();
    let ends = scan_group(&*store, GROUP).unwrap();
    assert_eq!((ends.remains, ends.purged.map(|p| p.index), ends.last.map(|l| l.index)), (Some(0), Some(2), Some(9)));
    // It goes with the entries that come.
    let mut log = log_over(&store, &writer, GROUP);
    append(&mut log, (10..20).map(|i| entry(i, 100)).collect()).await.await.unwrap().unwrap();
    log.save_vote(&Vote::new(5, 2)).await.unwrap();
    assert_eq!(scan_group(&*store, GROUP).unwrap().remains, None);
    assert!(store.get(&keys::entry(GROUP, 0)).unwrap().is_none());
    store.close();
}

#[test]
fn a_snapshot_that_sled_left_half_written_does_not_block_the_open() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path());
    store.apply(vec![(b"k".to_vec(), Some(Bytes::from_static(b"v")))]).unwrap();
    store.close();
    drop(store);
    fs::write(folder.path().join("db/snap.0000000000000010.generating"), b"half").unwrap();
    let store = open(folder.path());
    assert_eq!(store.get(b"k").unwrap().unwrap(), b"v");
    store.close();
}

/// Writes down when it is woken.
struct Woken {
    number: usize,
    order: Arc<Mutex<Vec<usize>>>,
}

impl std::task::Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.order.lock().push(self.number);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callbacks_fire_in_order_and_only_behind_their_barrier() {
    let store = MemoryStore::new(1);
    let (writer, thread) = Writer::start(store.clone()).unwrap();
    let dyn_store: Arc<dyn Store> = store.clone();
    let mut logs = [1, 2].map(|g| log_over(&dyn_store, &writer, GroupId(g)));
    store.hold_barriers(true);

    // Forty appends of two groups: some in the batch whose barrier hangs, the others behind it.
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut waiting = Vec::new();
    for number in 0..40 {
        let mut durable = append(&mut logs[number % 2], vec![entry(number as u64 / 2, 50)]).await;
        let waker = Arc::new(Woken { number, order: order.clone() }).into();
        let mut context = std::task::Context::from_waker(&waker);
        assert!(std::pin::Pin::new(&mut durable).poll(&mut context).is_pending(), "{number}: no barrier is done");
        waiting.push(durable);
        if number == 10 {
            // The barrier of what is there has begun.
            while store.steps() < 2 {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        }
    }
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    assert!(order.lock().is_empty(), "acknowledged before the barrier: {:?}", order.lock());

    // Nobody polls them meanwhile: that would put another waker in the place of ours.
    store.hold_barriers(false);
    for _ in 0..1_000 {
        if order.lock().len() == 40 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(*order.lock(), (0..40).collect::<Vec<_>>());
    for durable in waiting {
        durable.await.unwrap().unwrap();
    }
    writer.close();
    thread.wait();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_counts_at_once_and_its_entries_go_later_where_every_node_understands_that() {
    for later in [false, true] {
        let store: Arc<dyn Store> = MemoryStore::new(1);
        let (writer, _thread) = Writer::start(store.clone()).unwrap();
        let mut log = log_over(&store, &writer, GROUP);
        if later {
            log.purge_by_and_by();
        }
        append(&mut log, (0..100).map(|i| entry(i, 50)).collect()).await.await.unwrap().unwrap();
        log.purge(entry(79, 0).log_id).await.unwrap();
        let mut remains = Vec::new();
        for (term, next) in [(2, 100), (3, 110), (4, 140)] {
            log.save_vote(&Vote::new(term, 1)).await.unwrap();
            let ends = scan_group(&*store, GROUP).unwrap();
            assert_eq!((ends.purged.map(|p| p.index), ends.last.map(|l| l.index)), (Some(79), Some(next - 1)));
            assert_eq!(log.try_get_log_entries(..).await.unwrap().first().map(|e| e.log_id.index), Some(80));
            remains.push(ends.remains);
            let more = if next == 100 { 10 } else { 30 };
            append(&mut log, (next..next + more).map(|i| entry(i, 50)).collect()).await.await.unwrap().unwrap();
        }
        // 16 at once, then two for each that comes.
        let expected = if later { [Some(16), Some(36), None] } else { [None; 3] };
        assert_eq!(remains, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_appends_do_not_pay_for_large_entries_that_were_purged() {
    let store: Arc<dyn Store> = MemoryStore::new(1);
    let (writer, _thread) = Writer::start(store.clone()).unwrap();
    let mut log = log_over(&store, &writer, GROUP);
    log.purge_by_and_by();
    append(&mut log, (0..64).map(|i| entry(i, 20_000)).collect()).await.await.unwrap().unwrap();
    log.purge(entry(62, 0).log_id).await.unwrap();
    let mut next = 64;
    for _ in 0..2 {
        // Far fewer bytes than one of the large entries has, in more entries than were left.
        for _ in 0..80 {
            append(&mut log, vec![entry(next, 10)]).await.await.unwrap().unwrap();
            next += 1;
        }
        log.save_vote(&Vote::new(next, 1)).await.unwrap();
        assert_eq!(scan_group(&*store, GROUP).unwrap().remains, Some(16));
        // As after a restart.
        log = log_over(&store, &writer, GROUP);
    }
    append(&mut log, vec![entry(next, 45_000)]).await.await.unwrap().unwrap();
    log.save_vote(&Vote::new(next + 1, 1)).await.unwrap();
    assert!(scan_group(&*store, GROUP).unwrap().remains > Some(18), "it goes on with what is large");
}
