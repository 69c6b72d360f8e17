//! What every client saw, and what the log holds in the end: the evidence that the checker judges.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Everything that is known about a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// What the clients saw, in any order.
    pub attempts: Vec<Attempt>,
    /// What the clients read meanwhile, in any order.
    #[serde(default)]
    pub reads: Vec<Read>,
    /// What the log holds, read at the end: one view for each node that was asked.
    pub views: Vec<LogView>,
}

impl History {
    /// Writes it down as JSON.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string(self).context("cannot write a history as JSON")?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Reads what [`History::save`] wrote.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no history", path.display()))
    }
}

/// One request of a client. A retry under the same key is another attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Which client.
    pub client: u32,
    /// Which session.
    pub session: String,
    /// The idempotency key.
    pub key: String,
    /// The user's words.
    pub text: String,
    /// Which of the targets was asked, from 0.
    pub target: usize,
    /// When it was invoked, in nanoseconds of the run's stopwatch.
    pub start_ns: u64,
    /// When its outcome was known, in nanoseconds of the run's stopwatch.
    pub end_ns: u64,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Acknowledged.
    Acknowledged(Ack),
    /// It may have been committed or not: a timeout, a cut connection, a 5xx.
    Unknown {
        /// What was seen.
        why: String,
    },
    /// It cannot have been committed: nobody listened, or the request was refused as such.
    Refused {
        /// What was seen.
        why: String,
    },
}

/// An acknowledgement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ack {
    /// The turn's number in its session.
    pub seq: u64,
    /// The replies as the API gave them.
    pub replies: serde_json::Value,
    /// Does it say that it repeats a recorded turn?
    pub replayed: bool,
    /// The node that served it, by its own account.
    pub node: Option<u64>,
    /// The session's shard, by the node's account.
    pub shard: Option<u32>,
}

/// One read of a client while turns were said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Read {
    /// Which client.
    pub client: u32,
    /// Which session.
    pub session: String,
    /// Which of the targets was asked, from 0.
    pub target: usize,
    /// When it was invoked, in nanoseconds of the run's stopwatch.
    pub start_ns: u64,
    /// When its outcome was known, in nanoseconds of the run's stopwatch.
    pub end_ns: u64,
    /// How fresh it had to be.
    pub consistency: Consistency,
    /// What it saw; `None` where it failed.
    pub seen: Option<Seen>,
}

/// How fresh a read has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consistency {
    /// It sees everything that was acknowledged before it began.
    Linearizable,
    /// It sees something that was true before it ended.
    Local,
}

/// What a read saw of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// The turns behind a number, oldest first.
    Turns {
        /// Turns up to here were not asked for.
        after_seq: u64,
        /// Number and key of each.
        turns: Vec<(u64, String)>,
        /// Was the page full, so that there may be more?
        more: bool,
    },
    /// How many there are.
    Count(u64),
}

/// The log as one node tells it, by linearizable reads.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LogView {
    /// Which node was asked.
    pub node: String,
    /// The turns of each session, in the order in which they were given.
    pub sessions: BTreeMap<String, Vec<LoggedTurn>>,
}

/// A turn in the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoggedTurn {
    /// Its number in the session.
    pub seq: u64,
    /// Its key.
    pub key: String,
    /// The user's words.
    pub text: String,
    /// The replies.
    pub replies: serde_json::Value,
}

impl LoggedTurn {
    /// Did a timer of the cluster take it? Clients may not use such keys.
    pub fn is_of_timer(&self) -> bool {
        ["reminder:", "expired:", "dropped:"].iter().any(|prefix| self.key.starts_with(prefix))
    }
}

/// The same replies without what says nothing: absent, `null` and empty fields mean the same in the API.
pub fn plain(json: &serde_json::Value) -> serde_json::Value {
    use serde_json::Value as J;
    let says_nothing = |v: &J| match v {
        J::Null => true,
        J::Array(a) => a.is_empty(),
        J::Object(o) => o.is_empty(),
        _ => false,
    };
    match json {
        J::Array(a) => J::Array(a.iter().map(plain).collect()),
        J::Object(o) => {
            J::Object(o.iter().map(|(k, v)| (k.clone(), plain(v))).filter(|(_, v)| !says_nothing(v)).collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn replies_compare_by_what_they_say() {
        let answer = json!([{"text": "Bye", "image": null, "buttons": []}]);
        assert_eq!(plain(&answer), plain(&json!([{"text": "Bye"}])));
        assert_ne!(plain(&answer), plain(&json!([{"text": "bye"}])));
        assert_ne!(plain(&answer), plain(&json!([])));
    }

    #[test]
    fn a_history_survives_being_written_down() {
        let history = History {
            attempts: vec![Attempt {
                client: 1,
                session: "s".into(),
                key: "k".into(),
                text: "hi".into(),
                target: 2,
                start_ns: 3,
                end_ns: 4,
                outcome: Outcome::Acknowledged(Ack {
                    seq: 1,
                    replies: json!([{"text": "Hey"}]),
                    replayed: false,
                    node: Some(1),
                    shard: None,
                }),
            }],
            reads: vec![
                read(Some(Seen::Turns { after_seq: 1, turns: vec![(2, "k".into())], more: false })),
                read(Some(Seen::Count(7))),
                read(None),
            ],
            views: vec![LogView { node: "a".into(), sessions: BTreeMap::new() }],
        };
        let text = serde_json::to_string(&history).unwrap();
        assert_eq!(serde_json::from_str::<History>(&text).unwrap(), history);
    }

    fn read(seen: Option<Seen>) -> Read {
        let (session, consistency) = ("s".into(), Consistency::Linearizable);
        Read { client: 1, session, target: 0, start_ns: 5, end_ns: 6, consistency, seen }
    }

    #[test]
    fn a_history_without_reads_is_still_understood() {
        let history: History = serde_json::from_str(r#"{"attempts": [], "views": []}"#).unwrap();
        assert_eq!(history, History::default());
    }
}
