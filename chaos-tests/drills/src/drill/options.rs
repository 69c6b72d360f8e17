//! How a drill runs: what its caller chooses.

use super::run::urls;
use crate::hands::Target;
use crate::limits::READS_SHARE;
use crate::load::LoadOptions;
use crate::rails::StopWhen;
use crate::script::Script;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How a drill runs.
#[derive(Debug, Clone)]
pub struct DrillOptions {
    /// Rounds.
    pub rounds: usize,
    /// Clients of the load.
    pub clients: usize,
    /// Sessions that they share.
    pub sessions: usize,
    /// The share of acknowledged turns that are sent again under the same key.
    pub resend: f64,
    /// The share of operations that are reads.
    pub reads: f64,
    /// What they say.
    pub script: Script,
    /// How long a client rests before each turn, on average.
    pub think_time: Duration,
    /// How long a client waits for a node's answer before it asks the next one.
    pub attempt_timeout: Duration,
    /// How long a fault lasts; the drill's own time where it is `None`.
    pub hold: Option<Duration>,
    /// How long the cluster runs whole before each fault.
    pub whole: Duration,
    /// Seed of the load.
    pub seed: u64,
    /// The folder in which the history is kept where the drill fails.
    pub evidence: PathBuf,
    /// When to break off.
    pub stop_when: StopWhen,
    /// Go on where a quorum would be lost.
    pub force: bool,
    /// The command that runs it again, for the record.
    pub command: String,
    /// Says what is being done.
    pub progress: fn(&str),
}

impl DrillOptions {
    /// Sixteen clients, 48 sessions, every tenth turn sent twice, every tenth operation a read; evidence among the
    /// temporary files.
    pub fn rounds(rounds: usize) -> Self {
        Self {
            rounds,
            clients: 16,
            sessions: 48,
            resend: 0.1,
            reads: READS_SHARE,
            script: Script::moodbot(),
            think_time: Duration::ZERO,
            attempt_timeout: Duration::from_secs(1),
            hold: None,
            whole: Duration::from_millis(1_500),
            seed: 1,
            evidence: std::env::temp_dir(),
            stop_when: StopWhen::default(),
            force: false,
            command: String::new(),
            progress: |_| {},
        }
    }

    pub(super) fn load(&self, targets: &[Target]) -> LoadOptions {
        // Sessions and keys of two drills on one cluster must differ.
        static RUNS: AtomicU64 = AtomicU64::new(1);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        LoadOptions {
            clients: self.clients,
            sessions: self.sessions,
            resend: self.resend,
            reads: self.reads,
            record: true,
            seed: self.seed,
            script: self.script.clone(),
            think_time: self.think_time,
            attempt_timeout: self.attempt_timeout,
            ..LoadOptions::new(urls(targets), format!("drill{}-{}-{run}", self.seed, std::process::id()))
        }
    }
}
