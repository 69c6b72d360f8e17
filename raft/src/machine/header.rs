//! `Header`: what is stored of a session besides its turns. One that wants to be woken has a record of a kind of its own, so that all
//! others stay as every version reads them.

use crate::codec::{self, DecodeError, HeaderRecord, Record, WakingHeaderRecord};
use bytes::Bytes;
use dialogue::TimestampMs;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Header {
    /// Number of turns.
    pub(crate) seq: u64,
    /// The turn in which the context began; 0 before the first.
    pub(crate) context_begins_seq: u64,
    /// When the session wants to be woken.
    pub(crate) wake_at: Option<TimestampMs>,
}

impl Header {
    pub(crate) fn encode(&self) -> Bytes {
        let Self { seq, context_begins_seq, wake_at } = *self;
        match wake_at {
            None => codec::encode(&HeaderRecord { seq, context_begins_seq }).into(),
            Some(wake_at) => codec::encode(&WakingHeaderRecord { seq, context_begins_seq, wake_at }).into(),
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if codec::kind(bytes) == Some(WakingHeaderRecord::KIND) {
            let WakingHeaderRecord { seq, context_begins_seq, wake_at } = codec::decode(bytes)?;
            return Ok(Self { seq, context_begins_seq, wake_at: Some(wake_at) });
        }
        let HeaderRecord { seq, context_begins_seq } = codec::decode(bytes)?;
        Ok(Self { seq, context_begins_seq, wake_at: None })
    }
}
