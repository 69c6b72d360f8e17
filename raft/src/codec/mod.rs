//! The only module that touches bincode: how every persisted record is written and read.
//!
//! A record is an [envelope](envelope) around the bincode form of one of the types in [`record`]. The bincode
//! configuration is frozen (little endian, fixed-width integers, a size limit), enums and structs are append only,
//! and golden bytes in the tests pin every kind. bincode 2.0.1 is unmaintained (RUSTSEC-2025-0141); it is kept as
//! the owner's choice, and isolated here so that one module would have to change.

pub mod envelope;
pub mod exercise;
pub mod record;

pub use envelope::{DecodeError, ENVELOPE_BYTES};
pub use record::{
    AppliedRecord, Body, Command, EntryRecord, ExportHeadRecord, HeaderRecord, InstallRecord, KeyRecord, LogIdRecord,
    MarkRecord, MembershipRecord, SnapshotFootRecord, SnapshotHeadRecord, SnapshotPairsRecord, StoredMembershipRecord,
    TombstoneRecord, TurnsRecord, VoteRecord, WakingHeaderRecord,
};

use crate::limits::{ENCODE_SCRATCH_BYTES, RECORD_BYTES_MAX};
use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use serde::{Serialize, de::DeserializeOwned};
use std::cell::RefCell;

const CONFIG: Configuration<LittleEndian, Fixint, Limit<RECORD_BYTES_MAX>> =
    bincode::config::standard().with_little_endian().with_fixed_int_encoding().with_limit::<RECORD_BYTES_MAX>();

/// A type that is persisted, and the byte that marks it.
pub trait Record: Serialize + DeserializeOwned {
    /// The kind; never reused for another type.
    const KIND: u8;
    /// The version that is written.
    const VERSION: u16 = 1;

    /// Reads the payload of an earlier version. A type whose layout changed raises [`VERSION`](Self::VERSION), keeps
    /// the old layout as a private type, and reads it here with [`decode_payload`]; its old golden bytes move to
    /// `codec/golden_old.rs`.
    fn decode_version(version: u16, payload: &[u8]) -> Result<Self, DecodeError> {
        let _ = payload;
        Err(DecodeError::Version { kind: Self::KIND, found: version, known: Self::VERSION })
    }
}

/// Encodes a record into its envelope.
///
/// # Panics
/// Never for our own types: they hold nothing that bincode cannot write, and memory is the only sink.
pub fn encode<R: Record>(record: &R) -> Vec<u8> {
    thread_local! {
        // A record is put together here and then copied once, into memory of its own size.
        static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    SCRATCH.with_borrow_mut(|out| {
        envelope::begin(out, R::KIND, R::VERSION);
        bincode::serde::encode_into_std_write(record, out, bincode::config::standard().with_fixed_int_encoding())
            .expect("our records hold only what bincode can write");
        envelope::seal(out);
        let record = out.as_slice().to_vec();
        out.clear();
        out.shrink_to(ENCODE_SCRATCH_BYTES);
        record
    })
}

/// Decodes a record out of its envelope; any bytes give a value or an error.
pub fn decode<R: Record>(bytes: &[u8]) -> Result<R, DecodeError> {
    let (version, payload) = envelope::open(R::KIND, bytes)?;
    if version == R::VERSION { decode_payload(R::KIND, payload) } else { R::decode_version(version, payload) }
}

/// The kind that a record says it is.
pub(crate) fn kind(bytes: &[u8]) -> Option<u8> {
    bytes.get(3).copied()
}

/// Checks the envelope of a record of any kind.
pub(crate) fn check(bytes: &[u8]) -> Result<(), DecodeError> {
    let kind = kind(bytes).ok_or(DecodeError::Short { found: bytes.len() })?;
    envelope::open(kind, bytes).map(|_| ())
}

/// Decodes the whole payload of a record of a kind: for [`Record::decode_version`].
pub fn decode_payload<T: DeserializeOwned>(kind: u8, payload: &[u8]) -> Result<T, DecodeError> {
    let (value, used) = bincode::serde::decode_from_slice(payload, CONFIG)
        .map_err(|e| DecodeError::Payload { kind, detail: e.to_string() })?;
    if used != payload.len() {
        let detail = format!("{} bytes behind the record", payload.len() - used);
        return Err(DecodeError::Payload { kind, detail });
    }
    Ok(value)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod upgrade_tests;
