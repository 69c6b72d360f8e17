//! Every bound that the core enforces, by name.

/// Longest session id, in bytes.
pub const SESSION_ID_BYTES_MAX: usize = 128;
/// Longest idempotency key, in bytes.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 128;
/// Longest user message, in bytes of UTF-8.
pub const UTTERANCE_BYTES_MAX: usize = 16 * 1024;
/// How many turns back an idempotency key is remembered in a session.
pub const IDEMPOTENCY_WINDOW_TURNS: u64 = 1024;
/// Most actions that one turn may execute before the engine stops it (Rasa's `MAX_NUMBER_OF_PREDICTIONS` is 10).
pub const ACTIONS_PER_TURN_MAX: usize = 10;
/// Largest encoded `CommitTurn`, in bytes; sled keeps larger values in files that it never syncs.
pub const COMMIT_BYTES_MAX: usize = 60 * 1024;
/// Most reminders of a session that may be pending at once; an action that schedules more fails.
pub const PENDING_REMINDERS_MAX: usize = 64;
/// Most events that an activation folds; a session restarts its context past that.
pub const EVENTS_PER_ACTIVATION_MAX: usize = 8192;
/// Most places with personal data that the analysis of a text names: it is recorded with the turn. All that are found are masked.
pub const PII_SPANS_MAX: usize = 64;
/// How deep a [`Value`](crate::Value) may be nested where it is read. More than JSON's 128, so that whatever came in as
/// JSON can be read back.
pub const VALUE_DEPTH_MAX: usize = 256;
