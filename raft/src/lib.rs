//! The sharded, replicated log and the state machine of sessions.
