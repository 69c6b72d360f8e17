//! Newtypes for everything that is named by a string or a number.

use crate::limits;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a string is not the id that it was offered as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing there.
    #[error("{what} is empty")]
    Empty {
        /// Which id.
        what: &'static str,
    },
    /// Longer than its limit.
    #[error("{what} is {bytes} bytes long, the limit is {limit}")]
    TooLong {
        /// Which id.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A character that no id holds.
    #[error("{what} holds {found:?} at byte {at}; allowed are letters, digits and - _ . : @ + ~")]
    BadCharacter {
        /// Which id.
        what: &'static str,
        /// The character.
        found: char,
        /// Its place.
        at: usize,
    },
}

fn checked(what: &'static str, s: String, limit: usize) -> Result<String, IdError> {
    if s.is_empty() {
        return Err(IdError::Empty { what });
    }
    if s.len() > limit {
        return Err(IdError::TooLong { what, bytes: s.len(), limit });
    }
    let allowed = |c: char| c.is_alphanumeric() || "-_.:@+~".contains(c);
    match s.char_indices().find(|(_, c)| !allowed(*c)) {
        Some((at, found)) => Err(IdError::BadCharacter { what, found, at }),
        None => Ok(s),
    }
}

macro_rules! string_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $limit:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);
        impl $name {
            /// Checks length and characters.
            pub fn new(s: impl Into<String>) -> Result<Self, IdError> {
                checked($what, s.into(), $limit).map(Self)
            }
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(s: String) -> Result<Self, IdError> {
                Self::new(s)
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

string_id!(
    /// Names one conversation; Rasa's `sender`.
    SessionId, "the session id", limits::SESSION_ID_BYTES_MAX
);
string_id!(
    /// Names one attempt to say something: a retry carries the same key.
    IdempotencyKey, "the idempotency key", limits::IDEMPOTENCY_KEY_BYTES_MAX
);
/// What the key of a turn begins with that a reminder triggers…
pub(crate) const REMINDER_KEY: &str = "reminder:";
/// …of one in which the session expires…
pub(crate) const EXPIRED_KEY: &str = "expired:";
/// …and of one that drops a reminder.
pub(crate) const DROPPED_KEY: &str = "dropped:";

impl IdempotencyKey {
    /// Is it a key of the turns that timers take? Clients may not use them: a reminder under a key that is taken would never be
    /// triggered.
    pub fn is_of_timer(&self) -> bool {
        [REMINDER_KEY, EXPIRED_KEY, DROPPED_KEY].iter().any(|prefix| self.as_str().starts_with(prefix))
    }
}

string_id!(
    /// Names a trained assistant by the SHA-256 of its content (hexadecimal).
    ReleaseId, "the release id", 64
);
string_id!(
    /// An availability zone.
    Zone, "the zone", 64
);

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id!(
    /// One replicated log of many. Sessions map to shards by [`shard_of`].
    ShardId, u32
);
number_id!(
    /// A node of the cluster; never reused.
    NodeId, u64
);
number_id!(
    /// Milliseconds since the Unix epoch, UTC.
    TimestampMs, u64
);

/// The shard of a session: FNV-1a 64 with a final mix (the finaliser of MurmurHash3), scaled to `shard_count`.
///
/// Frozen: a stored cluster finds its sessions by it.
pub fn shard_of(session: &SessionId, shard_count: u32) -> ShardId {
    assert!(shard_count > 0, "a cluster has at least one shard");
    let hash = hash64(session.as_str().as_bytes());
    ShardId(((u128::from(hash) * u128::from(shard_count)) >> 64) as u32)
}

/// A fixed 64-bit hash of bytes, the same on every platform and in every version.
pub fn hash64(bytes: &[u8]) -> u64 {
    let mut h =
        bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3));
    h ^= h >> 33;
    h = h.wrapping_mul(0xff51_afd7_ed55_8ccd);
    h ^= h >> 33;
    h = h.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ (h >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_says_what_is_wrong_with_it() {
        assert_eq!(
            SessionId::new("a/b").unwrap_err().to_string(),
            "the session id holds '/' at byte 1; allowed are letters, digits and - _ . : @ + ~"
        );
        assert!(SessionId::new("").is_err());
        assert!(SessionId::new("x".repeat(129)).is_err());
        assert!(SessionId::new("user-42@web:é").is_ok());
    }

    #[test]
    fn shards_are_frozen_and_even() {
        // Golden values: changing them would lose every stored session.
        let of = |s: &str| shard_of(&SessionId::new(s).unwrap(), 16).0;
        assert_eq!([of("alice"), of("bob"), of("carol"), of("user-42")], GOLDEN);
        let mut counts = [0u32; 16];
        for i in 0..16_000 {
            counts[of(&format!("s{i}")) as usize] += 1;
        }
        assert!(counts.iter().all(|c| (850..1150).contains(c)), "{counts:?}");
    }
    const GOLDEN: [u32; 4] = [3, 15, 2, 10];
}
