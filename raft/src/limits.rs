//! Every bound that this crate enforces, by name.

use std::time::Duration;

/// Places in front of the writer thread of a node: an operation takes one, and one more for each
/// [`WRITER_PLACE_BYTES`]. 8192 operations or 128 MiB, whichever comes first.
pub const WRITER_QUEUE_PLACES_MAX: u32 = 8_192;
/// Bytes of an operation that one place holds.
pub const WRITER_PLACE_BYTES: usize = 16 << 10;
/// Most operations that one barrier makes durable.
pub const WRITER_BATCH_OPS_MAX: usize = 4_096;
/// Bytes of entries that one barrier makes durable before the next operation starts another.
pub const WRITER_BATCH_BYTES_MAX: usize = 8 << 20;
/// How long a change that nobody waits for is held back so that it rides along with one that somebody does.
pub const WRITER_LAZY_WAIT: Duration = Duration::from_millis(50);
/// Entries behind which it is written down again how far a log is committed.
pub const COMMITTED_MARK_EVERY: u64 = 16;
/// Purged entries that are removed together, at least.
pub const PURGE_ENTRIES: u64 = 16;
/// Bytes of durable entries that a group keeps in memory for its followers and its state machine.
pub const LOG_CACHE_BYTES_MAX: usize = 2 << 20;
/// Bytes of entries in one append to a follower; a single entry may be larger.
pub const APPEND_BYTES_MAX: usize = 1 << 20;
/// Entries in one append to a follower.
pub const APPEND_ENTRIES_MAX: u64 = 1_024;
/// Entries that the state machine applies in one batch.
pub const APPLY_ENTRIES_MAX: usize = 256;
/// Bytes of entries that the state machine applies in one batch, roughly.
pub const APPLY_BYTES_MAX: usize = 1 << 20;
/// How long effects of applied entries wait in memory for more, so that what changes often is written once. The log
/// has them: after a crash they are applied again.
pub const STATE_FLUSH_WAIT: Duration = Duration::from_millis(200);
/// Bytes of effects of a group that wait; more go to the store at once. Much more would hold up the log's barriers.
pub const STATE_FLUSH_BYTES: usize = 1 << 20;
/// Records of effects of a group that wait, some 4 µs each in the store; more go there at once.
pub const STATE_FLUSH_RECORDS: usize = 1_024;
/// Bytes of turns of a session that share a record, unless one alone is larger.
pub const PACKED_TURNS_BYTES: usize = 8 << 10;
/// Idempotency keys of sessions at work that a group knows by heart, in each of two generations; 4 bytes each.
pub const KNOWN_KEYS_MAX: usize = 32 << 10;
/// Bytes of state in one record of a snapshot file, roughly; one record more than fills it is allowed.
pub const SNAPSHOT_RECORD_BYTES: usize = 256 << 10;
/// Longest pause between two pieces of a snapshot that is written or read; otherwise it is twice as long as the piece took.
pub const SNAPSHOT_PAUSE_MAX: Duration = Duration::from_millis(50);
/// How long after the last use of a copy the log is kept for whoever got it.
pub const SNAPSHOT_GRACE: Duration = Duration::from_secs(5);
/// How long a copy of a state stays on the disk after its last use, for a follower that was cut off.
pub const SNAPSHOT_KEPT_UNUSED: Duration = Duration::from_secs(600);
/// Bytes of a snapshot in one gRPC message. Sender and receiver hold one such chunk each, besides what the connection's
/// window (2 MiB a stream) lets be under way.
pub const SNAPSHOT_CHUNK_BYTES: usize = 512 << 10;
/// Bytes of a snapshot that are written or received before they are synced, so that no large sync holds up the log's
/// barriers.
pub const SNAPSHOT_SYNC_BYTES: u64 = 1 << 20;
/// Largest gRPC message between peers, in bytes.
pub const PEER_MESSAGE_BYTES_MAX: usize = 8 << 20;
/// Largest payload of any record, in bytes: what the decoder allocates at most.
pub const RECORD_BYTES_MAX: usize = 2 << 20;
/// Bytes that each thread keeps to put records together in; a larger record takes more for as long as it takes.
pub const ENCODE_SCRATCH_BYTES: usize = 64 << 10;
/// sled's segment. A leaf of its tree holds up to some 20 values and is written whole; whatever exceeds a quarter
/// of a segment goes to a blob file that sled never syncs. 8 MiB keeps 34 of our largest values inside.
pub const SLED_SEGMENT_BYTES: usize = 8 << 20;
/// Largest value that is put into sled, in bytes.
pub const STORE_VALUE_BYTES_MAX: usize = 62 * 1024;
/// How long a store that is closed waits for sled's threads to let go of the database's lock.
pub const STORE_CLOSE_WAIT_MAX: Duration = Duration::from_secs(2);
/// Most streams on one connection between peers: two for each group and some for the node's own services.
pub const PEER_STREAMS_MAX: u32 = 16_384;
/// TLS handshakes of callers at once; more wait.
pub const HANDSHAKES_MAX: usize = 64;
/// How long a caller may take for its handshake.
pub const HANDSHAKE_WAIT_MAX: Duration = Duration::from_secs(5);
/// Appends of a group that are under way to one follower.
pub const APPENDS_IN_FLIGHT_MAX: usize = 32;
/// Most keys that `turns` reads at once.
pub const TURNS_READ_MAX: usize = 10_000;
/// Pause before a stream to a peer that did not open is tried again; doubled each time…
pub const PEER_REOPEN_PAUSE_MIN: std::time::Duration = std::time::Duration::from_millis(25);
/// …up to this.
pub const PEER_REOPEN_PAUSE_MAX: std::time::Duration = std::time::Duration::from_millis(400);
/// A group that is idle and could not sleep is looked at again after this long.
pub const SLEEP_LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Proposals of a group that go into its log together.
pub const PROPOSALS_BATCH_MAX: usize = 256;
/// How long a batch of proposals waits for those who were answered just now.
pub const GATHER_WAIT: Duration = Duration::from_millis(1);
/// Proposals under way from which on a batch waits for more.
pub const GATHER_PROPOSALS_MIN: usize = 8;
/// Batches that do not wait after it was in vain again and again.
pub const GATHER_PAUSE_MAX: u32 = 64;
/// Bytes of the commands that share an entry; with its frame the entry stays below [`STORE_VALUE_BYTES_MAX`].
pub const ENTRY_BATCH_BYTES_MAX: usize = 60 * 1024;
/// Groups whose membership a node changes at once: each may send a snapshot.
pub const GROUP_MOVES_MAX: usize = 4;
/// Entries that a learner may lack when it becomes a voter.
pub const LEARNER_LAG_ENTRIES_MAX: u64 = 64;
/// Requests or replies of all groups in one message of a lane.
pub const LANE_BATCH_REQUESTS_MAX: usize = 256;
/// Bytes of entries in one message of a lane; a single request may be larger.
pub const LANE_BATCH_BYTES_MAX: usize = 2 << 20;
/// Messages of a lane that wait for the transport.
pub const LANE_BATCHES_QUEUED_MAX: usize = 2;
/// Requests of one stream of a lane that wait for its group; a caller lets [`APPENDS_IN_FLIGHT_MAX`] in.
pub const LANE_STREAM_REQUESTS_MAX: usize = 2 * APPENDS_IN_FLIGHT_MAX;
/// Lanes to one peer, at most; one for every two worker threads.
pub const LANES_MAX: usize = 4;
/// How long a follower may wait to hear that an entry is committed, so that the next entry can bring the news: half
/// of the messages under load. Nobody who is acknowledged waits for it.
pub const COMMIT_LINGER: Duration = Duration::from_millis(3);
/// A peer is asked for a sign of life on every connection at this interval at least, and may take as long to connect.
pub const PEER_PING_MIN: Duration = Duration::from_millis(500);
/// A peer may leave appends unanswered for this long at least: four election timeouts where they are longer.
pub const PEER_STALL_MIN: Duration = Duration::from_secs(2);
/// A peer without a pulse for this long counts as dead, or for one election timeout where that is longer. Elections
/// do not wait for it: it decides who may be counted on when memberships change.
pub const PEER_SILENCE_MIN: Duration = Duration::from_secs(1);
/// How often a node looks at the free space of its disk; that reads nothing from it.
pub const DISK_EVERY: Duration = Duration::from_millis(100);
/// How long a node whose leaderships were late leaves them to others.
pub const LATE_FOR: Duration = Duration::from_secs(10);
/// Groups that a node hands over at the same time: they share barriers, and contend for cores.
pub const HANDOVERS_AT_ONCE_MAX: usize = 2;
/// How long a leader that is to go waits for its successor to come near while it still serves.
pub const HANDOVER_CATCH_UP_MAX: Duration = Duration::from_millis(500);
/// How long proposals wait for the next leader.
pub const HANDOVER_HOLD_MAX: Duration = Duration::from_millis(500);
/// How long a node that stops tells clients who leads now before it refuses them.
pub const HANDOVER_GRACE: Duration = Duration::from_millis(100);
/// How long a proposal waits for the first answers to a new leader, without which that takes nothing.
pub const NEW_LEADER_WAIT_MAX: Duration = Duration::from_millis(250);
