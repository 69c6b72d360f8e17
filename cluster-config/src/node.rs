//! `NodeConfig`: everything that `tertulia serve --config FILE` reads.

use crate::inference::InferenceOptions;
use crate::privacy::PrivacyOptions;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// Why a configuration is refused: which file, which field, what was found and what is allowed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: cannot read the configuration: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// The file is not the YAML that is expected; the message names line, column and field.
    #[error("{}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The parser's words.
        message: String,
    },
    /// A value is out of range.
    #[error("{field}: found {found}, expected {expected}")]
    Value {
        /// Dotted path of the field.
        field: String,
        /// What stands there.
        found: String,
        /// What may stand there.
        expected: String,
    },
}

/// One node of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// The cluster's name; a data folder remembers it and refuses another.
    pub cluster: String,
    /// This node's id, never reused.
    pub node: u64,
    /// The availability zone it stands in.
    pub zone: String,
    /// Where the log and the state are kept.
    pub data_dir: PathBuf,
    /// The trained assistant (a folder that `tertulia train` made).
    pub release: PathBuf,
    /// The encoder: a known name, `owner/name` that was pulled, or a folder; the one that the release was trained on when left out.
    #[serde(default)]
    pub encoder: Option<PathBuf>,
    /// The nodes that the cluster begins with, this node included. Later nodes have `join` instead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Member>,
    /// Peer addresses (`host:port`) of a running cluster that has given this node its id (`tertulia cluster add`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub join: Vec<String>,
    /// Number of shards; recorded at bootstrap, a later change is refused.
    #[serde(default = "default_shards")]
    pub shards: u32,
    /// The API for clients.
    #[serde(default)]
    pub http: HttpOptions,
    /// The transport between nodes.
    #[serde(default)]
    pub peer: PeerOptions,
    /// Timing and sizes of the log.
    #[serde(default)]
    pub raft: RaftOptions,
    /// Session actors.
    #[serde(default)]
    pub sessions: SessionOptions,
    /// The encoder and its queue.
    #[serde(default)]
    pub inference: InferenceOptions,
    /// Admission.
    #[serde(default)]
    pub limits: LimitOptions,
    /// What is masked in what users say.
    #[serde(default)]
    pub privacy: PrivacyOptions,
    /// Where custom actions run (`http://host:port/webhook`); without it a custom action fails with a clear reply.
    /// In place of the assistant's own `endpoints.yml`.
    #[serde(default)]
    pub action_endpoint: Option<String>,
    /// How custom actions are called.
    #[serde(default)]
    pub actions: ActionOptions,
}

/// A node that the cluster begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its id.
    pub node: u64,
    /// Its zone; each shard has one voter a zone.
    pub zone: String,
    /// `host:port` of its peer transport.
    pub peer: String,
    /// Base URL of its client API, for `status` and redirects: `http://host:port`.
    pub http: String,
}

/// The API for clients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpOptions {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Largest request body, in bytes.
    pub body_bytes_max: usize,
    /// How long a turn may take from its arrival, in milliseconds.
    pub turn_deadline_ms: u64,
}

/// The transport between nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PeerOptions {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Mutual TLS; plain text when left out (only for loopback).
    pub tls: Option<TlsOptions>,
}

/// Mutual TLS: PEM files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsOptions {
    /// The authority that signs all nodes.
    pub ca: PathBuf,
    /// This node's certificate; its names hold the cluster's name.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Timing and sizes of the replicated log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RaftOptions {
    /// Leader's heartbeat, in milliseconds.
    pub heartbeat_ms: u64,
    /// Shortest election timeout, in milliseconds.
    pub election_timeout_ms_min: u64,
    /// Longest election timeout, in milliseconds; also the leader's lease.
    pub election_timeout_ms_max: u64,
    /// A shard without reads and writes for so long sends no heartbeats until it is used again, in milliseconds; 0 for
    /// never. Then the nodes' own sign of life, one for all shards, says whether its leader is alive.
    pub idle_sleep_ms: u64,
    /// How long a proposal is waited for before its outcome counts as unknown, in milliseconds.
    pub commit_timeout_ms: u64,
    /// Most proposals in flight on one node.
    pub proposals_in_flight_max: usize,
    /// A shard's log is purged after this many entries; after more, as many times as its state holds
    /// `snapshot_after_bytes` (up to 8).
    pub snapshot_after_entries: u64,
    /// A shard's log is purged, too, when it has grown by so much, in bytes, or as large as the state where that is larger
    /// (up to 8 times this). Who was away for longer gets a snapshot of the state.
    pub snapshot_after_bytes: u64,
    /// Log entries that a purge leaves for followers that lag.
    pub log_entries_kept: u64,
    /// sled's page cache, in bytes.
    pub cache_bytes: u64,
    /// Free space in the data folder below which writes are refused, in bytes. Below half of it a follower takes no
    /// entries and no snapshots from its leader either.
    pub free_disk_bytes_min: u64,
}

/// Session actors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionOptions {
    /// Most session actors in memory.
    pub active_max: usize,
    /// An idle actor is passivated after this long, in milliseconds.
    pub idle_ms: u64,
    /// Most turns that wait for one session.
    pub queue_max: usize,
}

/// Calls of custom actions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ActionOptions {
    /// How long one attempt may take, in milliseconds; all of them together end with the turn's deadline.
    pub timeout_ms: u64,
    /// Most attempts at a call, under one idempotency key: after a connection that failed, a timeout, or HTTP 502, 503 or 504.
    pub attempts_max: u32,
}

/// Admission.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitOptions {
    /// Most turns in this node at once; more are refused with 503 and `Retry-After`.
    pub turns_in_flight_max: usize,
}

fn default_shards() -> u32 {
    16
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self { listen: ([127, 0, 0, 1], 8080).into(), body_bytes_max: 256 * 1024, turn_deadline_ms: 10_000 }
    }
}

impl Default for PeerOptions {
    fn default() -> Self {
        Self { listen: ([127, 0, 0, 1], 7080).into(), tls: None }
    }
}

impl Default for RaftOptions {
    fn default() -> Self {
        Self {
            heartbeat_ms: 30,
            election_timeout_ms_min: 80,
            election_timeout_ms_max: 130,
            idle_sleep_ms: 2_000,
            commit_timeout_ms: 5_000,
            proposals_in_flight_max: 4_096,
            snapshot_after_entries: 10_000,
            snapshot_after_bytes: 64 << 20,
            log_entries_kept: 1_000,
            cache_bytes: 64 << 20,
            free_disk_bytes_min: 256 << 20,
        }
    }
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self { active_max: 10_000, idle_ms: 600_000, queue_max: 32 }
    }
}

impl Default for ActionOptions {
    fn default() -> Self {
        Self { timeout_ms: 5_000, attempts_max: 3 }
    }
}

impl Default for LimitOptions {
    fn default() -> Self {
        Self { turns_in_flight_max: 1_024 }
    }
}

impl NodeConfig {
    /// Reads and validates a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|message| ConfigError::Syntax { path: path.to_owned(), message })?.validate()
    }

    fn parse(text: &str) -> Result<Self, String> {
        serde_saphyr::from_str(text).map_err(|error| match renamed(&error) {
            Some((old, new)) => format!("{error}\n`{old}` is not an option any more: use {new}"),
            None => error.to_string(),
        })
    }

    /// This node's entry among the members, unless it joins.
    pub fn me(&self) -> Option<&Member> {
        self.members.iter().find(|m| m.node == self.node)
    }

    /// Checks every value; the error names the first that is wrong.
    pub fn validate(self) -> Result<Self, ConfigError> {
        self.validate_members()?;
        let name_ok =
            |s: &str| !s.is_empty() && s.len() <= 63 && s.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        check(name_ok(&self.cluster), "cluster", &self.cluster, "1 to 63 letters, digits and dashes")?;
        check(name_ok(&self.zone), "zone", &self.zone, "1 to 63 letters, digits and dashes")?;
        range("shards", self.shards, 1, 1024)?;
        range("http.body_bytes_max", self.http.body_bytes_max, 1024, 16 << 20)?;
        range("http.turn_deadline_ms", self.http.turn_deadline_ms, 100, 120_000)?;
        let raft = &self.raft;
        range("raft.heartbeat_ms", raft.heartbeat_ms, 10, 10_000)?;
        let min = raft.election_timeout_ms_min;
        check(
            min >= 2 * raft.heartbeat_ms,
            "raft.election_timeout_ms_min",
            min,
            format!("at least twice heartbeat_ms ({})", raft.heartbeat_ms),
        )?;
        let max = raft.election_timeout_ms_max;
        check(max > min, "raft.election_timeout_ms_max", max, format!("more than election_timeout_ms_min ({min})"))?;
        let idle = raft.idle_sleep_ms;
        let idle_ok = idle == 0 || (100..=86_400_000).contains(&idle);
        check(idle_ok, "raft.idle_sleep_ms", idle, "0 (never), or 100 to 86400000")?;
        range("raft.commit_timeout_ms", raft.commit_timeout_ms, 100, 120_000)?;
        range("raft.proposals_in_flight_max", raft.proposals_in_flight_max, 1, 1 << 20)?;
        range("raft.snapshot_after_entries", raft.snapshot_after_entries, 10, 100_000_000)?;
        range("raft.snapshot_after_bytes", raft.snapshot_after_bytes, 64 << 10, 1 << 40)?;
        range("raft.cache_bytes", raft.cache_bytes, 1 << 20, 1 << 40)?;
        range("sessions.active_max", self.sessions.active_max, 1, 10_000_000)?;
        range("sessions.queue_max", self.sessions.queue_max, 1, 10_000)?;
        range("actions.timeout_ms", self.actions.timeout_ms, 10, 120_000)?;
        range("actions.attempts_max", self.actions.attempts_max, 1, 100)?;
        self.inference.check()?;
        range("limits.turns_in_flight_max", self.limits.turns_in_flight_max, 1, 1 << 20)?;
        if self.peer.tls.is_none() {
            let listen = self.peer.listen;
            check(
                listen.ip().is_loopback(),
                "peer.tls",
                format!("none, with peer.listen on {listen}"),
                "certificates (ca, cert, key): only loopback goes without",
            )?;
        }
        Ok(self)
    }

    /// Either the nodes that the cluster begins with, or where to ask for the cluster that there is.
    fn validate_members(&self) -> Result<(), ConfigError> {
        check(self.node > 0, "node", self.node, "an id from 1")?;
        if !self.join.is_empty() {
            check(self.members.is_empty(), "members", "both members and join", "one of them")?;
            let address = |a: &String| {
                a.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
            };
            let wrong = self.join.iter().find(|a| !address(a));
            return check(wrong.is_none(), "join", wrong.map_or("", String::as_str), "host:port of a peer");
        }
        check(!self.members.is_empty(), "members", "neither members nor join", "one of them")?;
        let me = self.me();
        check(me.is_some(), "members", format!("no entry for node {}", self.node), "every node, this one included")?;
        let zone = me.map(|m| m.zone.as_str()).unwrap_or_default();
        check(zone == self.zone, "zone", &self.zone, format!("{zone:?}, as in members"))?;
        let zones: BTreeSet<&str> = self.members.iter().map(|m| m.zone.as_str()).collect();
        check(matches!(zones.len(), 1 | 3 | 5), "members", format!("{} zones", zones.len()), "1, 3 or 5 zones")?;
        let ids: BTreeSet<u64> = self.members.iter().map(|m| m.node).collect();
        check(ids.len() == self.members.len(), "members", "a node id twice", "every node id once")?;
        check(!ids.contains(&0), "members", "node id 0", "ids from 1")
    }
}

/// Options of before, and what has taken their place.
const RENAMED: [(&str, &str); 2] = [
    ("cache_entries", "`cache_bytes_max`, in bytes and for all models together"),
    ("memory_budget_bytes", "`device_memory_max` and `host_memory_bytes_max`"),
];

/// Does the file use one of them? Then its old name and what to use instead.
fn renamed(error: &serde_saphyr::Error) -> Option<(&'static str, &'static str)> {
    match error {
        serde_saphyr::Error::WithSnippet { error, .. } => renamed(error),
        serde_saphyr::Error::SerdeUnknownField { field, .. } => RENAMED.into_iter().find(|(old, _)| old == field),
        _ => None,
    }
}

pub(crate) fn check(
    ok: bool,
    field: &str,
    found: impl fmt::Display,
    expected: impl fmt::Display,
) -> Result<(), ConfigError> {
    if ok {
        return Ok(());
    }
    Err(ConfigError::Value { field: field.into(), found: found.to_string(), expected: expected.to_string() })
}

pub(crate) fn range<T: PartialOrd + fmt::Display>(field: &str, found: T, min: T, max: T) -> Result<(), ConfigError> {
    check(found >= min && found <= max, field, &found, format!("{min} to {max}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(change: impl FnOnce(&mut serde_json::Value)) -> Result<NodeConfig, String> {
        let member = |node: u64, zone: &str| serde_json::json!({ "node": node, "zone": zone, "peer": "h:1", "http": "http://h" });
        let members = [member(1, "a"), member(2, "a"), member(3, "b"), member(4, "c")];
        let mut value = serde_json::json!({
            "cluster": "c", "node": 2, "zone": "a", "data_dir": "d", "release": "r", "members": members,
        });
        change(&mut value);
        serde_json::from_value::<NodeConfig>(value).unwrap().validate().map_err(|e| e.to_string())
    }

    #[test]
    fn an_option_of_before_is_refused_with_the_name_that_it_has_now() {
        let file =
            |option: &str| format!("cluster: c\nnode: 1\nzone: a\ndata_dir: d\nrelease: r\ninference:\n  {option}\n");
        let refused = |option| NodeConfig::parse(&file(option)).unwrap_err();
        let error = refused("cache_entries: 64");
        assert!(error.contains("line 7") && error.contains("unknown field `cache_entries`"), "{error}");
        let hint =
            "`cache_entries` is not an option any more: use `cache_bytes_max`, in bytes and for all models together";
        assert!(error.ends_with(hint), "{error}");
        assert!(refused("memory_budget_bytes: 1").ends_with("use `device_memory_max` and `host_memory_bytes_max`"));
        assert!(!refused("cache_byts_max: 1").contains("any more"));
        assert_eq!(NodeConfig::parse(&file("cache_bytes_max: 64")).unwrap().inference.cache_bytes_max, 64);
    }

    #[test]
    fn members_or_seeds_but_not_both() {
        assert!(config(|_| {}).is_ok(), "the same zone may hold several nodes");
        let seeds = serde_json::json!(["a.example:7080", "b.example:7080"]);
        let joins = config(|c| {
            c["join"] = seeds.clone();
            c["members"] = serde_json::json!([]);
            c["node"] = 7.into();
        });
        assert_eq!(joins.unwrap().join.len(), 2);
        let refused = |change: &dyn Fn(&mut serde_json::Value)| config(change).unwrap_err();
        assert_eq!(
            refused(&|c| c["join"] = seeds.clone()),
            "members: found both members and join, expected one of them"
        );
        assert_eq!(
            refused(&|c| c["members"] = serde_json::json!([])),
            "members: found neither members nor join, expected one of them"
        );
        assert_eq!(
            refused(&|c| {
                c["members"] = serde_json::json!([]);
                c["join"] = serde_json::json!(["nowhere"]);
            }),
            "join: found nowhere, expected host:port of a peer"
        );
        assert_eq!(refused(&|c| c["zone"] = "b".into()), "zone: found b, expected \"a\", as in members");
        assert_eq!(
            refused(&|c| c["members"][3]["zone"] = "b".into()),
            "members: found 2 zones, expected 1, 3 or 5 zones"
        );
        assert_eq!(
            refused(&|c| c["members"][3]["node"] = 3.into()),
            "members: found a node id twice, expected every node id once"
        );
        assert!(refused(&|c| c["node"] = 9.into()).starts_with("members: found no entry for node 9"));
    }
}
