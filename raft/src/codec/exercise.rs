//! Feeds any bytes to every decoder: for the fuzz target and for the tests.

use super::{
    AppliedRecord, Command, EntryRecord, ExportHeadRecord, HeaderRecord, InstallRecord, KeyRecord, MarkRecord, Record,
    SnapshotFootRecord, SnapshotHeadRecord, SnapshotPairsRecord, TombstoneRecord, TurnsRecord, VoteRecord,
    WakingHeaderRecord, decode, envelope,
};
use crate::{ControlState, types::Membership};
use dialogue::TurnRecord;

macro_rules! every_kind {
    ($($name:ty),* $(,)?) => {
        /// All kinds of records.
        pub const KINDS: &[u8] = &[$(<$name>::KIND),*];

        /// Decodes bytes as every kind of record there is; gives how many they were.
        pub fn record(bytes: &[u8]) -> usize {
            let mut read = 0;
            $(read += usize::from(decode::<$name>(bytes).is_ok());)*
            // These go further, into openraft's types.
            let _ = decode::<EntryRecord>(bytes).map(EntryRecord::into_entry);
            let _ = decode::<AppliedRecord>(bytes).map(|applied| Membership::try_from(applied.membership.membership));
            read
        }
    };
}

every_kind!(
    VoteRecord,
    EntryRecord,
    MarkRecord,
    AppliedRecord,
    HeaderRecord,
    TurnRecord,
    TurnsRecord,
    KeyRecord,
    Command,
    SnapshotHeadRecord,
    SnapshotPairsRecord,
    SnapshotFootRecord,
    InstallRecord,
    ControlState,
    TombstoneRecord,
    ExportHeadRecord,
    WakingHeaderRecord,
);

/// Decodes a payload as a record of a kind and version: past the checksum, which random bytes never pass.
pub fn payload(kind: u8, version: u16, payload: &[u8]) -> usize {
    let mut out = Vec::new();
    envelope::begin(&mut out, kind, version);
    out.extend_from_slice(payload);
    envelope::seal(&mut out);
    record(&out)
}
