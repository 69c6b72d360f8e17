//! Every record of a folder: decodes, and fits the others.

use super::{DataError, DataFolder, Progress, folder::Opened};
use crate::{
    ControlState,
    codec::{self, AppliedRecord, InstallRecord, KeyRecord, Record, TombstoneRecord},
    machine::{Header, SnapshotFile, SnapshotPlace, check_applied, unpack},
    store::{Damage, Store, keys, scan_group},
    types::{GroupId, LogId},
};
use dialogue::TurnRecord;
use serde::Serialize;
use std::{collections::BTreeMap, io};

/// What a folder holds.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The cluster it belongs to.
    pub cluster: String,
    /// The node it belongs to.
    pub node: u64,
    /// Keys in the database.
    pub keys: u64,
    /// Bytes of keys and values.
    pub payload_bytes: u64,
    /// Bytes that the folder takes on the disk.
    pub disk_bytes: u64,
    /// Group by group.
    pub groups: Vec<GroupReport>,
    /// The first damage, if there is any; counts end there.
    pub damage: Option<String>,
}

/// What a folder holds of one group. Indexes are of log entries.
#[derive(Debug, Clone, Default, Serialize)]
pub struct GroupReport {
    /// `shard-3` or `control`.
    pub group: String,
    /// The term of the vote.
    pub term: Option<u64>,
    /// Entries in the log.
    pub entries: u64,
    /// Index of the last one.
    pub last: Option<u64>,
    /// Index up to which the log is purged.
    pub purged: Option<u64>,
    /// Index up to which the state goes.
    pub applied: Option<u64>,
    /// Sessions.
    pub sessions: u64,
    /// Turns of all of them.
    pub turns: u64,
    /// A snapshot was being installed when the node stopped; the next start ends that.
    pub install_pending: bool,
    /// The replica was being wiped when the node stopped; the next start ends that, and nothing of it is checked here.
    pub wipe_pending: bool,
}

/// Reads everything in a folder. Damage is part of the report; an error means that it could not be looked at.
pub fn verify(folder: &DataFolder, progress: &mut Progress<'_>) -> Result<Report, DataError> {
    let opened = folder.open()?;
    let mut report = Report {
        cluster: folder.cluster().to_owned(),
        node: folder.node(),
        keys: 0,
        payload_bytes: 0,
        disk_bytes: folder.disk_bytes()?,
        groups: Vec::new(),
        damage: None,
    };
    match look(folder, &opened, &mut report, progress) {
        Ok(()) => Ok(report),
        Err(DataError::Damaged { source, .. }) => {
            report.damage = Some(source.to_string());
            Ok(report)
        }
        Err(e) => Err(e),
    }
}

/// As [`verify`], where damage is an error.
pub(super) fn verify_strictly(
    folder: &DataFolder,
    opened: &Opened,
    progress: &mut Progress<'_>,
) -> Result<Report, DataError> {
    let mut report = Report {
        cluster: folder.cluster().to_owned(),
        node: folder.node(),
        keys: 0,
        payload_bytes: 0,
        disk_bytes: 0,
        groups: Vec::new(),
        damage: None,
    };
    look(folder, opened, &mut report, progress)?;
    let pending = folder.groups().zip(&report.groups).find(|(_, found)| found.install_pending);
    if let Some((group, _)) = pending {
        return Err(DataError::InstallPending { path: folder.path().to_owned(), group });
    }
    Ok(report)
}

fn look(
    folder: &DataFolder,
    opened: &Opened,
    report: &mut Report,
    progress: &mut Progress<'_>,
) -> Result<(), DataError> {
    let damaged = |source| DataError::Damaged { path: folder.path().to_owned(), source };
    let groups: Vec<GroupId> = folder.groups().collect();
    for (number, group) in groups.iter().enumerate() {
        progress("logs", number as u64, Some(groups.len() as u64));
        report.groups.push(log(opened, *group).map_err(damaged)?);
    }
    let places: BTreeMap<GroupId, usize> = groups.iter().copied().zip(0..).collect();
    let mut sessions = Sessions { store: &**opened, current: None };
    let (mut seen, mut bytes) = (0, 0);
    let groups_found = &mut report.groups;
    opened.for_each("records", progress, |key, value| {
        seen += 1;
        bytes += (key.len() + value.len()) as u64;
        let group = key.get(1..5).and_then(|b| b.try_into().ok()).map(|b| GroupId(u32::from_be_bytes(b)));
        let Some((group, place)) = group.and_then(|g| Some((g, *places.get(&g)?))) else {
            let group = group.unwrap_or(GroupId(0));
            return Err(damaged(Damage::new(group, None, "a key of no group of this folder").at_key(key)));
        };
        sessions.record(group, key, value, &mut groups_found[place]).map_err(damaged)
    })?;
    (report.keys, report.payload_bytes) = (seen, bytes);
    sessions.end().map_err(damaged)?;
    for (number, group) in groups.iter().enumerate() {
        progress("installs", number as u64, Some(groups.len() as u64));
        pending_install(folder, &**opened, *group)?;
    }
    Ok(())
}

fn read<R: Record>(store: &dyn Store, group: GroupId, key: &[u8]) -> Result<Option<R>, Damage> {
    let damage = |e: String| Damage::new(group, None, e).at_key(key);
    let value = store.get(key).map_err(|e| damage(e.to_string()))?;
    value.map(|v| codec::decode(&v)).transpose().map_err(|e| damage(e.to_string()))
}

fn log(store: &Opened, group: GroupId) -> Result<GroupReport, Damage> {
    let tombstone = read::<TombstoneRecord>(&**store, group, &keys::tombstone(group))?;
    if tombstone.is_some_and(|t| !t.wiped) {
        return Ok(GroupReport { group: group.to_string(), wipe_pending: true, ..GroupReport::default() });
    }
    let ends = scan_group(&**store, group)?;
    let applied = read::<AppliedRecord>(&**store, group, &keys::applied(group))?;
    let applied = applied.and_then(|a| a.last).map(LogId::from);
    let install_pending = read::<InstallRecord>(&**store, group, &keys::install(group))?.is_some();
    if !install_pending {
        check_applied(&**store, group, applied, &ends)?;
    }
    let (last, purged) = (ends.last.map(|l| l.index), ends.purged.map(|p| p.index));
    Ok(GroupReport {
        group: group.to_string(),
        term: ends.vote.map(|v| v.leader_id.term),
        entries: last.map_or(0, |l| l + 1) - purged.map_or(0, |p| p + 1),
        last,
        purged,
        applied: applied.map(|a| a.index),
        install_pending,
        ..GroupReport::default()
    })
}

/// Checks the records of sessions against one another while they go by in the order of their keys: headers, then
/// idempotency keys, then turns.
struct Sessions<'a> {
    store: &'a dyn Store,
    /// Whose turns go by: the group, the session, and the last turn's number.
    current: Option<(GroupId, Vec<u8>, u64)>,
}

impl Sessions<'_> {
    fn record(&mut self, group: GroupId, key: &[u8], value: &[u8], found: &mut GroupReport) -> Result<(), Damage> {
        let damage = |e: String| Damage::new(group, None, e).at_key(key);
        let decode_error = |e: codec::DecodeError| damage(e.to_string());
        match (key[0], key.get(5..).unwrap_or_default()) {
            _ if found.wipe_pending => Ok(()),
            // The scan of the log has read these.
            (b'v' | b'p' | b'c' | b'l', _) => Ok(()),
            (b'w', []) => codec::decode::<TombstoneRecord>(value).map(|_| ()).map_err(decode_error),
            (b'i', []) => codec::decode::<InstallRecord>(value).map(|_| ()).map_err(decode_error),
            // Half of one state and half of another: nothing to check until the install is redone.
            (b's', _) if found.install_pending => Ok(()),
            (b's', b"a") => codec::decode::<AppliedRecord>(value).map(|_| ()).map_err(decode_error),
            (b's', b"g") => codec::decode::<ControlState>(value).map(|_| ()).map_err(decode_error),
            (b's', [b'h', ..]) => {
                found.sessions += 1;
                Header::decode(value).map(|_| ()).map_err(decode_error)
            }
            (b's', [b'k', rest @ ..]) => {
                let known: KeyRecord = codec::decode(value).map_err(decode_error)?;
                let (session, name) = split(rest).ok_or_else(|| damage("a key without its session".into()))?;
                let turn = read::<TurnRecord>(self.store, group, &turn_key(group, session, known.seq))?;
                match turn {
                    Some(turn) if turn.key.as_str().as_bytes() == name => Ok(()),
                    Some(turn) => Err(damage(format!("turn {} has key {}", known.seq, turn.key.as_str()))),
                    None => Err(damage(format!("turn {} is missing", known.seq))),
                }
            }
            (b's', [b't', rest @ ..]) => {
                let (session, number) = split(rest).ok_or_else(|| damage("a key without its session".into()))?;
                let turns = unpack(value).map_err(decode_error)?;
                let last = turns.last().map_or(0, |turn| turn.seq);
                if number != last.to_be_bytes() {
                    return Err(damage(format!("a turn of number {last}")).expected("the number in its key"));
                }
                found.turns += turns.len() as u64;
                turns.iter().try_for_each(|turn| self.turn(group, session, turn.seq))
            }
            _ => Err(damage("a key of no known kind".into())),
        }
    }

    fn turn(&mut self, group: GroupId, session: &[u8], seq: u64) -> Result<(), Damage> {
        let goes_on = matches!(&self.current, Some((g, s, _)) if *g == group && s == session);
        let expected = match &self.current {
            Some((.., last)) if goes_on => last + 1,
            _ => {
                self.end()?;
                1
            }
        };
        if seq != expected {
            let damage = Damage::new(group, None, format!("turn {seq}")).at_key(&turn_key(group, session, seq));
            return Err(damage.expected(format!("turn {expected}")));
        }
        self.current = Some((group, session.to_owned(), seq));
        Ok(())
    }

    /// All turns of a session have gone by: its header says the same.
    fn end(&mut self) -> Result<(), Damage> {
        let Some((group, session, last)) = self.current.take() else { return Ok(()) };
        let key = [&keys::state_prefix(group)[..], b"h", &session].concat();
        let damage = |e: String| Damage::new(group, None, e).at_key(&key);
        let header = self.store.get(&key).map_err(|e| damage(e.to_string()))?;
        let header = header.map(|v| Header::decode(&v)).transpose().map_err(|e| damage(e.to_string()))?;
        let said = header.map_or(0, |h| h.seq);
        if said != last {
            let damage = Damage::new(group, None, format!("a header of {said} turns")).at_key(&key);
            return Err(damage.expected(format!("{last}, which are there")));
        }
        Ok(())
    }
}

fn split(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = rest.iter().position(|b| *b == 0)?;
    Some((&rest[..end], &rest[end + 1..]))
}

fn turn_key(group: GroupId, session: &[u8], seq: u64) -> Vec<u8> {
    [&keys::state_prefix(group)[..], b"t", session, b"\0", &seq.to_be_bytes()].concat()
}

/// The snapshot that is being installed: the state will be what it holds.
fn pending_install(folder: &DataFolder, store: &dyn Store, group: GroupId) -> Result<(), DataError> {
    let damaged = |source| DataError::Damaged { path: folder.path().to_owned(), source };
    let Some(install) = read::<InstallRecord>(store, group, &keys::install(group)).map_err(damaged)? else {
        return Ok(());
    };
    let place = SnapshotPlace { cluster: folder.cluster().to_owned(), folder: folder.snapshots(), group };
    let file = place.folder.join(install.file);
    let checked = SnapshotFile::open(&file).and_then(|f| f.verify(&place));
    checked.map(|_| ()).map_err(|e| match e.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::NotFound => damaged(Damage::new(group, None, e)),
        _ => DataError::at(&file)(e),
    })
}
