//! Bugs that the tests must find: in builds with the feature `planted-bugs` only, and never in one that serves.

/// All of them, each with what it breaks. A new one is a line here and a question where it is planted.
pub const PLANTED_BUGS: &[(&str, &str)] = &[
    ("reply-before-commit", "a turn is answered before the log has it"),
    ("ignore-key", "an idempotency key is not looked up, and not recorded"),
    ("stale-read", "a read is answered from any replica, whoever leads"),
    ("blind-leader", "a leader answers reads without asking whether it still leads"),
    ("skip-fsync", "the log is acknowledged without a barrier"),
    ("forget-vote", "a vote is not made durable"),
    ("snapshot-hole", "a snapshot lacks some of the state"),
    ("no-fence", "a turn is taken whatever the session's number is"),
    ("two-voters-a-zone", "shards move to nodes of other zones"),
    ("double-reminder", "a timer tries again under a key of its own, whether or not the reminder was triggered"),
    ("purge-ahead", "a log is purged before the state is written"),
];

/// Is this bug planted? The environment variable `TERTULIA_PLANT_BUG` names it.
#[cfg(feature = "planted-bugs")]
pub fn planted_bug(name: &str) -> bool {
    use std::sync::OnceLock;
    static PLANTED: OnceLock<Option<String>> = OnceLock::new();
    debug_assert!(PLANTED_BUGS.iter().any(|(known, _)| *known == name), "{name} is not among the planted bugs");
    PLANTED.get_or_init(|| std::env::var("TERTULIA_PLANT_BUG").ok()).as_deref() == Some(name)
}

/// Is this bug planted? In this build none is.
#[cfg(not(feature = "planted-bugs"))]
#[inline(always)]
pub fn planted_bug(_name: &str) -> bool {
    false
}

/// Does this node speak and write as the version before? Drills of upgrades ask for it with `TERTULIA_PREVIOUS_VERSION`.
#[cfg(feature = "planted-bugs")]
pub fn is_previous_version() -> bool {
    use std::sync::OnceLock;
    static PREVIOUS: OnceLock<bool> = OnceLock::new();
    *PREVIOUS.get_or_init(|| std::env::var_os("TERTULIA_PREVIOUS_VERSION").is_some())
}

/// Does this node speak and write as the version before? In this build it does not.
#[cfg(not(feature = "planted-bugs"))]
#[inline(always)]
pub fn is_previous_version() -> bool {
    false
}
