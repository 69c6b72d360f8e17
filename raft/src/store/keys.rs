//! Where things stand in the store: `[tag, group (big endian), rest]`.

use crate::types::GroupId;
use dialogue::{IdempotencyKey, SessionId};

fn key(tag: u8, group: GroupId, rest: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(5 + rest.iter().map(|r| r.len()).sum::<usize>());
    out.push(tag);
    out.extend_from_slice(&group.0.to_be_bytes());
    rest.iter().for_each(|r| out.extend_from_slice(r));
    out
}

/// The vote of a group.
pub fn vote(group: GroupId) -> Vec<u8> {
    key(b'v', group, &[])
}
/// How far a log is purged.
pub fn purged(group: GroupId) -> Vec<u8> {
    key(b'p', group, &[])
}
/// How far a log is known to be committed.
pub fn committed(group: GroupId) -> Vec<u8> {
    key(b'c', group, &[])
}
/// A log entry.
pub fn entry(group: GroupId, index: u64) -> Vec<u8> {
    key(b'l', group, &[&index.to_be_bytes()])
}
/// The index in the key of a log entry.
pub fn entry_index(key: &[u8]) -> Option<u64> {
    key.get(5..)?.try_into().ok().map(u64::from_be_bytes)
}
/// The snapshot that is being installed.
pub fn install(group: GroupId) -> Vec<u8> {
    key(b'i', group, &[])
}
/// In front of every key of a group's state.
pub fn state_prefix(group: GroupId) -> Vec<u8> {
    key(b's', group, &[])
}
/// How far the state machine is.
pub fn applied(group: GroupId) -> Vec<u8> {
    key(b's', group, &[b"a"])
}
/// The state of the control group.
pub fn control(group: GroupId) -> Vec<u8> {
    key(b's', group, &[b"g"])
}
/// A session's header.
pub fn header(group: GroupId, session: &SessionId) -> Vec<u8> {
    key(b's', group, &[b"h", session.as_str().as_bytes()])
}
/// A turn. No session id holds a zero byte.
pub fn turn(group: GroupId, session: &SessionId, seq: u64) -> Vec<u8> {
    key(b's', group, &[b"t", session.as_str().as_bytes(), b"\0", &seq.to_be_bytes()])
}
/// An idempotency key.
pub fn idempotency(group: GroupId, session: &SessionId, idempotency: &IdempotencyKey) -> Vec<u8> {
    key(b's', group, &[b"k", session.as_str().as_bytes(), b"\0", idempotency.as_str().as_bytes()])
}
/// The first key behind all that begin with `prefix`.
pub fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    unreachable!("our tags are below 0xff")
}
