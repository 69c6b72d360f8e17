//! What a drill leaves behind: all that its report shows, as JSON.

use crate::report::LoadReport;
use crate::verdict::Verdict;
use serde::Serialize;
use std::path::PathBuf;

/// One drill that was run.
#[derive(Debug, Serialize)]
pub struct DrillRecord {
    /// Its name.
    pub drill: String,
    /// What it does, in one sentence.
    pub about: String,
    /// Where it ran.
    pub place: String,
    /// When it began, RFC 3339 in UTC.
    pub began: String,
    /// Names and versions of all that took part.
    pub versions: Vec<(String, String)>,
    /// The seed of the load.
    pub seed: u64,
    /// The command that runs it again.
    pub command: String,
    /// The rounds.
    pub rounds: Vec<RoundRecord>,
    /// The peer's rounds in the same run.
    pub peer: Option<PeerRecord>,
    /// What was done when, in order.
    pub acts: Vec<ActRecord>,
    /// Throughput and latency over time.
    pub timeline: Timeline,
    /// The load's figures.
    pub load: LoadReport,
    /// The judgement of what the clients saw.
    pub verdict: Verdict,
    /// Why the drill ended before its time, if it did.
    pub stopped: Option<String>,
    /// Where the history lies, if the verdict does not hold.
    pub evidence: Option<PathBuf>,
}

impl DrillRecord {
    /// Was every promise kept, and did the drill come to its end?
    pub fn passed(&self) -> bool {
        self.verdict.holds() && self.stopped.is_none()
    }

    /// Puts a record of the same drill on another cluster behind this one.
    pub fn append(&mut self, other: Self) {
        let offset_ms = self.timeline.buckets.len() as f64 * self.timeline.bucket_ms;
        let moved = |mut round: RoundRecord| {
            round.struck_ms += offset_ms;
            round.healed_ms += offset_ms;
            round
        };
        self.rounds.extend(other.rounds.into_iter().map(moved));
        self.acts.extend(other.acts.into_iter().map(|act| ActRecord { at_ms: act.at_ms + offset_ms, ..act }));
        self.timeline.append(other.timeline);
        self.load.append(&other.load);
        self.verdict.append(other.verdict);
        if let (Some(peer), Some(other)) = (&mut self.peer, other.peer) {
            peer.pause_ms.extend(other.pause_ms);
        }
        self.stopped = self.stopped.take().or(other.stopped);
        self.evidence = self.evidence.take().or(other.evidence);
    }
}

/// One round: a fault, how long service paused for it, and how long until all was whole again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RoundRecord {
    /// The zones that were hit.
    pub zones: Vec<String>,
    /// Shards that the hit nodes led.
    pub led: usize,
    /// When it was struck, in milliseconds from the drill's begin.
    pub struck_ms: f64,
    /// When the fault was undone, likewise.
    pub healed_ms: f64,
    /// The longest time without an acknowledgement of any turn of the shards that the hit nodes led, around the fault, in
    /// milliseconds.
    pub pause_ms: f64,
    /// The longest such time of a single one of these shards, in milliseconds.
    pub shard_pause_ms: f64,
    /// The longest time without any acknowledgement at all, in milliseconds.
    pub total_pause_ms: f64,
    /// The worst latency of a turn that was under way meanwhile, in milliseconds.
    pub worst_turn_ms: f64,
    /// From the fault's end until every node was ready, in milliseconds.
    pub whole_again_ms: f64,
}

/// The peer's rounds beside ours.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PeerRecord {
    /// Its name and version.
    pub name: String,
    /// The longest time without an acknowledgement around each fault, in milliseconds.
    pub pause_ms: Vec<f64>,
}

/// Something that was done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ActRecord {
    /// In milliseconds from the drill's begin.
    pub at_ms: f64,
    /// To which zone's node.
    pub zone: String,
    /// Its id.
    pub node: u64,
    /// What: the act, as people read it.
    pub what: String,
    /// Does it undo another?
    pub undoes: bool,
}

/// The load over time, in buckets of equal width.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Timeline {
    /// Width of a bucket, in milliseconds.
    pub bucket_ms: f64,
    /// From the drill's begin on.
    pub buckets: Vec<Bucket>,
}

impl Timeline {
    /// Goes on with another, whose buckets are as wide or are counted as if they were.
    fn append(&mut self, other: Self) {
        self.buckets.extend(other.buckets);
    }
}

/// What happened in a bucket of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Bucket {
    /// Turns acknowledged.
    pub turns: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Median latency of the turns acknowledged, in milliseconds; 0 without turns.
    pub p50_ms: f64,
    /// 99th percentile, likewise.
    pub p99_ms: f64,
    /// Worst, likewise.
    pub max_ms: f64,
    /// Did the load rest in a part of it, while the peer had its round?
    pub rested: bool,
}
