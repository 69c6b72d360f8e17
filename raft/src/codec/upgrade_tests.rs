//! What earlier versions wrote is still read.

use super::*;
use crate::{ControlState, MemberRecord};
use serde::Deserialize;

include!("golden_old.rs");

/// Every kind with the version that it is written in today.
const TODAY: &[(u8, u16)] = &[
    (VoteRecord::KIND, VoteRecord::VERSION),
    (EntryRecord::KIND, EntryRecord::VERSION),
    (MarkRecord::KIND, MarkRecord::VERSION),
    (AppliedRecord::KIND, AppliedRecord::VERSION),
    (HeaderRecord::KIND, HeaderRecord::VERSION),
    (dialogue::TurnRecord::KIND, dialogue::TurnRecord::VERSION),
    (TurnsRecord::KIND, TurnsRecord::VERSION),
    (KeyRecord::KIND, KeyRecord::VERSION),
    (Command::KIND, Command::VERSION),
    (SnapshotHeadRecord::KIND, SnapshotHeadRecord::VERSION),
    (SnapshotPairsRecord::KIND, SnapshotPairsRecord::VERSION),
    (SnapshotFootRecord::KIND, SnapshotFootRecord::VERSION),
    (InstallRecord::KIND, InstallRecord::VERSION),
    (ControlState::KIND, ControlState::VERSION),
    (TombstoneRecord::KIND, TombstoneRecord::VERSION),
    (ExportHeadRecord::KIND, ExportHeadRecord::VERSION),
    (WakingHeaderRecord::KIND, WakingHeaderRecord::VERSION),
];

#[test]
fn every_earlier_version_of_every_kind_is_still_read() {
    for (kind, today) in TODAY {
        for version in 1..*today {
            let kept = OLD.iter().filter(|(k, v, ..)| (k, v) == (kind, &version)).count();
            assert!(kept > 0, "kind {kind}: golden_old.rs holds no bytes of version {version}, and {today} is written");
        }
    }
    for (kind, version, text, read) in OLD {
        let text = text.replace([' ', '\n'], "");
        let bytes: Vec<u8> =
            (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect();
        assert_eq!((bytes[3], bytes[4]), (*kind, *version as u8), "these bytes are of another record");
        // The reader asserts what it found; it gives a text so that a failure can show it.
        assert!(!read(&bytes).is_empty());
    }
}

/// A record that has grown a field: how a layout changes.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Grown {
    a: u64,
    b: String,
}

#[derive(Serialize, Deserialize)]
struct GrownV1 {
    a: u64,
}

impl Record for GrownV1 {
    const KIND: u8 = 250;
}

impl Record for Grown {
    const KIND: u8 = 250;
    const VERSION: u16 = 2;

    fn decode_version(version: u16, payload: &[u8]) -> Result<Self, DecodeError> {
        match version {
            1 => decode_payload(Self::KIND, payload).map(|GrownV1 { a }| Self { a, b: "none".into() }),
            found => Err(DecodeError::Version { kind: Self::KIND, found, known: Self::VERSION }),
        }
    }
}

#[test]
fn a_grown_record_reads_its_old_self_and_the_old_one_refuses_the_new() {
    let old = encode(&GrownV1 { a: 7 });
    assert_eq!(decode::<Grown>(&old).unwrap(), Grown { a: 7, b: "none".into() });
    let new = encode(&Grown { a: 7, b: "some".into() });
    assert_eq!(decode::<Grown>(&new).unwrap().b, "some");
    assert_eq!(decode::<GrownV1>(&new).err(), Some(DecodeError::Version { kind: 250, found: 2, known: 1 }));
    // An old payload with bytes behind it is not read as if they were not there.
    let mut long = Vec::new();
    envelope::begin(&mut long, 250, 1);
    long.extend_from_slice(&[0; 9]);
    envelope::seal(&mut long);
    assert!(matches!(decode::<Grown>(&long), Err(DecodeError::Payload { .. })));
}
