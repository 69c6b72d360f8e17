//! Places where a test ends the process as `kill -9` does: behind the feature `failpoints`, and nothing without it.
//!
//! `TERTULIA_FAILPOINT=name:count` names the place and how often it is passed before. A killed process leaves what
//! the kernel has in its page cache: what a power failure would take back is a matter of the twin in memory
//! ([`MemoryStore`](crate::store::MemoryStore)).

/// Behind every name that the crate passes; the tests go through all of them.
pub const NAMES: &[&str] = &[
    "writer-popped",
    "writer-applied",
    "store-flushed",
    "writer-synced",
    "state-marked",
    "snapshot-begun",
    "snapshot-written",
    "snapshot-renamed",
    "install-copied",
    "install-recorded",
    "install-wiped",
    "install-filled",
    "log-purged",
];

/// Passes a place.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) fn pass(_name: &'static str) {}

/// Passes a place; the process ends here if this is the one.
#[cfg(feature = "failpoints")]
pub(crate) fn pass(name: &'static str) {
    use rustix::process::{Signal, getpid, kill_process};
    use std::sync::{
        OnceLock,
        atomic::{AtomicI64, Ordering::SeqCst},
    };
    static ARMED: OnceLock<Option<(String, AtomicI64)>> = OnceLock::new();
    let armed = ARMED.get_or_init(|| {
        let text = std::env::var("TERTULIA_FAILPOINT").ok()?;
        let (name, count) = text.split_once(':')?;
        Some((name.to_owned(), AtomicI64::new(count.parse().ok()?)))
    });
    debug_assert!(NAMES.contains(&name), "{name} is not among the names");
    if let Some((at, left)) = armed
        && at == name
        && left.fetch_sub(1, SeqCst) == 0
    {
        let _ = kill_process(getpid(), Signal::KILL);
    }
}
