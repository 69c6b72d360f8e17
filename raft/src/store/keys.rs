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
/// Where a wiped replica remembers the membership that excluded it.
pub fn tombstone(group: GroupId) -> Vec<u8> {
    key(b'w', group, &[])
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
/// In front of the headers of all sessions.
pub fn headers(group: GroupId) -> Vec<u8> {
    key(b's', group, &[b"h"])
}
/// A turn. No session id holds a zero byte.
pub fn turn(group: GroupId, session: &SessionId, seq: u64) -> Vec<u8> {
    key(b's', group, &[b"t", session.as_str().as_bytes(), b"\0", &seq.to_be_bytes()])
}
/// The first key behind all turns of a session.
pub fn behind_turns(group: GroupId, session: &SessionId) -> Vec<u8> {
    key(b's', group, &[b"t", session.as_str().as_bytes(), b"\x01"])
}
/// Everything in a turn's key but its number; nothing for other keys.
pub fn session_of_turn(key: &[u8]) -> Option<&[u8]> {
    let is_turn = key.first() == Some(&b's') && key.get(5) == Some(&b't');
    let end = key.len().checked_sub(size_of::<u64>()).filter(|end| is_turn && *end > 6)?;
    Some(&key[..end])
}
/// An idempotency key.
pub fn idempotency(group: GroupId, session: &SessionId, idempotency: &IdempotencyKey) -> Vec<u8> {
    key(b's', group, &[b"k", session.as_str().as_bytes(), b"\0", idempotency.as_str().as_bytes()])
}
/// What a key is, as a path that an operator can read: `shard-3/log/17`, `shard-0/state/turn/alice/2`.
pub fn name(key: &[u8]) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let number = |bytes: &[u8]| match <[u8; 8]>::try_from(bytes) {
        Ok(bytes) => u64::from_be_bytes(bytes).to_string(),
        Err(_) => format!("{bytes:02x?}"),
    };
    let parts = || -> Option<(GroupId, String)> {
        let (tag, rest) = key.split_first()?;
        let (group, rest) = rest.split_at_checked(4)?;
        let group = GroupId(u32::from_be_bytes(group.try_into().ok()?));
        let of_session = |what: &str, rest: &[u8], last: &dyn Fn(&[u8]) -> String| {
            let end = rest.iter().position(|b| *b == 0)?;
            Some(format!("state/{what}/{}/{}", text(&rest[..end]), last(&rest[end + 1..])))
        };
        let what = match (tag, rest) {
            (b'v', []) => "vote".into(),
            (b'p', []) => "purged".into(),
            (b'c', []) => "committed".into(),
            (b'i', []) => "install".into(),
            (b'w', []) => "tombstone".into(),
            (b'l', index) => format!("log/{}", number(index)),
            (b's', b"a") => "state/applied".into(),
            (b's', b"g") => "state/control".into(),
            (b's', [b'h', session @ ..]) => format!("state/header/{}", text(session)),
            (b's', [b't', rest @ ..]) => of_session("turn", rest, &number)?,
            (b's', [b'k', rest @ ..]) => of_session("key", rest, &text)?,
            _ => return None,
        };
        Some((group, what))
    };
    parts().map_or_else(|| format!("{key:02x?}"), |(group, what)| format!("{group}/{what}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_a_name_that_can_be_read() {
        let (group, session) = (GroupId(3), SessionId::new("alice").unwrap());
        let key = IdempotencyKey::new("k1").unwrap();
        let names = [
            (vote(group), "shard-3/vote"),
            (purged(group), "shard-3/purged"),
            (committed(GroupId::CONTROL), "control/committed"),
            (install(group), "shard-3/install"),
            (entry(group, 17), "shard-3/log/17"),
            (applied(group), "shard-3/state/applied"),
            (control(GroupId::CONTROL), "control/state/control"),
            (header(group, &session), "shard-3/state/header/alice"),
            (turn(group, &session, 2), "shard-3/state/turn/alice/2"),
            (idempotency(group, &session, &key), "shard-3/state/key/alice/k1"),
            (b"x".to_vec(), "[78]"),
            (entry(group, 1)[..9].to_vec(), "shard-3/log/[00, 00, 00, 00]"),
        ];
        for (key, expected) in names {
            assert_eq!(name(&key), expected);
        }
    }
}
