//! Any bytes are a record or an error: never a panic, an endless loop or a huge allocation.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tertulia_raft::codec::exercise;

fuzz_target!(|data: &[u8]| {
    exercise::record(data);
    // Past the checksum: the first bytes say which kind and version the rest is.
    if let [kind, version, payload @ ..] = data {
        exercise::payload(exercise::KINDS[usize::from(*kind) % exercise::KINDS.len()], u16::from(version % 4), payload);
    }
});
