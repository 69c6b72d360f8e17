//! Proof of the barrier: strace counts one node's calls of fdatasync while turns are committed; the node counts its own
//! barriers. Both must agree, and one batch must not cost more than one.

use super::{counter, release_of};
use crate::binary::Binary;
use anyhow::{Context, Result, bail};
use drills::cluster::{Cluster, ClusterOptions};
use drills::limits::POLL_PAUSE;
use drills::load::{Load, LoadOptions};
use drills::stopwatch::Stopwatch;
use results::{Results, Row};
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The node's own count of barriers on its log's file.
const BARRIERS: &str = "tertulia_log_barriers_total";
/// How long strace may take to attach and to end.
const STRACE_DEADLINE: Duration = Duration::from_secs(20);

/// What was counted while turns were committed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Counted {
    /// Clients of the load.
    pub clients: usize,
    /// Turns committed.
    pub turns: u64,
    /// Calls of fdatasync, by strace.
    pub fdatasync: u64,
    /// Calls of fsync, by strace: none of them are the barrier's.
    pub fsync: u64,
    /// Barriers, by the node's own metric.
    pub barriers: u64,
}

/// The bench; `None` where strace cannot run.
pub async fn run(small: bool) -> Result<Option<Results>> {
    let binary = Binary::find()?;
    let (_home, release) = release_of(&binary, "moodbot")?;
    let mut cluster = Cluster::start(ClusterOptions::new(binary.path(), release)).await?;
    let turns = if small { 50 } else { 500 };
    let mut rows = Vec::new();
    let mut all = Vec::new();
    for clients in [1, 8, 32] {
        let Some(counted) = count(&mut cluster, clients, turns).await? else { return Ok(None) };
        let name = |what: &str| format!("{what}, {clients} clients");
        rows.push(Row::of(name("fdatasync by strace"), "calls", counted.fdatasync as f64, 1));
        rows.push(Row::of(name("barriers by the node"), "calls", counted.barriers as f64, 1));
        rows.push(Row::of(name("turns"), "turns", counted.turns as f64, 1));
        let per_barrier = counted.turns as f64 / counted.barriers.max(1) as f64;
        rows.push(Row::of(name("turns per barrier"), "turns", per_barrier, 1));
        all.push(counted);
    }
    Ok(Some(Results { rows, plots: Vec::new(), detail: json!(all) }))
}

/// Counts on the first node while `turns` are said by `clients`; `None` where strace cannot run.
pub async fn count(cluster: &mut Cluster, clients: usize, turns: u64) -> Result<Option<Counted>> {
    let pid = cluster.pid(0).context("the first node runs")?;
    let Some(tracer) = Strace::attach(pid, cluster.folder()).await? else { return Ok(None) };
    let before = quiet_barriers(cluster).await?;
    let traced_before = tracer.calls()?;
    let options = LoadOptions {
        clients,
        turns: Some(turns),
        duration: Duration::from_secs(120),
        ..LoadOptions::new(cluster.urls(), format!("fsync{clients}"))
    };
    let outcome = Load::start(options, Stopwatch::start())?.finish().await?;
    let after = quiet_barriers(cluster).await?;
    let traced = tracer.finish().await?;
    Ok(Some(Counted {
        clients,
        turns: outcome.report.turns,
        fdatasync: traced.fdatasync - traced_before.fdatasync,
        fsync: traced.fsync - traced_before.fsync,
        barriers: after - before,
    }))
}

/// The node's count when it has stopped to move: what is acknowledged may still be written on a follower.
async fn quiet_barriers(cluster: &Cluster) -> Result<u64> {
    let deadline = Instant::now() + STRACE_DEADLINE;
    let mut last = barriers(&cluster.metrics(0).await?)?;
    let mut same = 0;
    while same < 20 {
        if Instant::now() > deadline {
            bail!("the node writes its log without anybody asking: {last} barriers and counting");
        }
        tokio::time::sleep(POLL_PAUSE).await;
        let now = barriers(&cluster.metrics(0).await?)?;
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    Ok(last)
}

fn barriers(metrics: &str) -> Result<u64> {
    counter(metrics, BARRIERS).with_context(|| format!("the node tells no {BARRIERS}"))
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Calls {
    fdatasync: u64,
    fsync: u64,
}

/// A strace on a running process. Dropping it lets the process go.
struct Strace {
    child: Child,
    output: PathBuf,
}

impl Strace {
    async fn attach(pid: u32, folder: &Path) -> Result<Option<Self>> {
        let output = folder.join("strace.out");
        let messages = folder.join("strace.err");
        let stderr =
            std::fs::File::create(&messages).with_context(|| format!("cannot write {}", messages.display()))?;
        let spawned = Command::new("strace")
            .args(["-f", "-e", "trace=fdatasync,fsync", "-o"])
            .arg(&output)
            .args(["-p", &pid.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn();
        let Ok(child) = spawned else { return Ok(None) };
        let mut tracer = Self { child, output };
        let deadline = Instant::now() + STRACE_DEADLINE;
        loop {
            // strace names every thread that it attached to; its own end means that it may not.
            let said = std::fs::read_to_string(&messages).unwrap_or_default();
            if said.contains("attached") {
                return Ok(Some(tracer));
            }
            if tracer.child.try_wait().context("cannot look after strace")?.is_some() {
                return Ok(None);
            }
            if Instant::now() > deadline {
                bail!("strace did not attach within {STRACE_DEADLINE:?}: {said}");
            }
            tokio::time::sleep(POLL_PAUSE).await;
        }
    }

    fn calls(&self) -> Result<Calls> {
        let text =
            std::fs::read_to_string(&self.output).with_context(|| format!("cannot read {}", self.output.display()))?;
        Ok(read_calls(&text))
    }

    async fn finish(mut self) -> Result<Calls> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("no process id")?;
        kill_process(pid, Signal::INT).context("cannot end strace")?;
        let deadline = Instant::now() + STRACE_DEADLINE;
        while self.child.try_wait().context("cannot reap strace")?.is_none() {
            if Instant::now() > deadline {
                bail!("strace did not end within {STRACE_DEADLINE:?}");
            }
            tokio::time::sleep(POLL_PAUSE).await;
        }
        self.calls()
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Counts the calls that were begun: one that another thread's line interrupts has a second line, "resumed".
fn read_calls(text: &str) -> Calls {
    let count = |name: &str| {
        let begun = format!(" {name}(");
        text.lines().filter(|line| line.contains(&begun)).count() as u64
    };
    Calls { fdatasync: count("fdatasync"), fsync: count("fsync") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_is_interrupted_counts_once() {
        let text = "12 fdatasync(9)     = 0\n12 fdatasync(9 <unfinished ...>\n13 fsync(4) = 0\n12 <... fdatasync resumed>) = 0\n";
        assert_eq!(read_calls(text), Calls { fdatasync: 2, fsync: 1 });
    }
}
