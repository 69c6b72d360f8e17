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
/// Bytes of durable entries that a group keeps in memory for its followers and its state machine.
pub const LOG_CACHE_BYTES_MAX: usize = 2 << 20;
/// Bytes of entries in one append to a follower; a single entry may be larger.
pub const APPEND_BYTES_MAX: usize = 1 << 20;
/// Entries in one append to a follower.
pub const APPEND_ENTRIES_MAX: u64 = 1_024;
/// Entries that the state machine applies in one batch.
pub const APPLY_ENTRIES_MAX: usize = 256;
/// Bytes that the state machine writes in one batch, roughly.
pub const APPLY_BYTES_MAX: usize = 1 << 20;
/// Bytes of state in one record of a snapshot file, roughly; one record more than fills it is allowed.
pub const SNAPSHOT_RECORD_BYTES: usize = 256 << 10;
/// Bytes of a snapshot in one gRPC message.
pub const SNAPSHOT_CHUNK_BYTES: usize = 512 << 10;
/// Largest gRPC message between peers, in bytes.
pub const PEER_MESSAGE_BYTES_MAX: usize = 8 << 20;
/// Largest payload of any record, in bytes: what the decoder allocates at most.
pub const RECORD_BYTES_MAX: usize = 2 << 20;
/// sled's segment. A leaf of its tree holds up to some 20 values and is written whole; whatever exceeds a quarter
/// of a segment goes to a blob file that sled never syncs. 8 MiB keeps 34 of our largest values inside.
pub const SLED_SEGMENT_BYTES: usize = 8 << 20;
/// Largest value that is put into sled, in bytes.
pub const STORE_VALUE_BYTES_MAX: usize = 62 * 1024;
/// Most streams on one connection between peers: two for each group and some for the node's own services.
pub const PEER_STREAMS_MAX: u32 = 16_384;
/// Appends of a group that are under way to one follower.
pub const APPENDS_IN_FLIGHT_MAX: usize = 32;
/// Most keys that `turns` reads at once.
pub const TURNS_READ_MAX: usize = 10_000;
/// Pause before a stream to a peer that did not open is tried again; doubled each time…
pub const PEER_REOPEN_PAUSE_MIN: std::time::Duration = std::time::Duration::from_millis(25);
/// …up to this.
pub const PEER_REOPEN_PAUSE_MAX: std::time::Duration = std::time::Duration::from_millis(400);
