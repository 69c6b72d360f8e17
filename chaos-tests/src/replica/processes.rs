//! Three child processes of one side: started, killed by pid, started again, never left behind.

use anyhow::{Context, Result, bail};
use drills::limits::{POLL_PAUSE, STOP_DEADLINE};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::OpenOptions,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Instant,
};

/// The processes of one side. Dropping them kills them.
pub(crate) struct Processes {
    nodes: Vec<Process>,
}

struct Process {
    program: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
    child: Option<Child>,
    /// Of earlier processes in this place.
    cpu_seconds: f64,
}

impl Processes {
    /// Nothing is started yet. One `(program, arguments, log file)` each.
    pub(super) fn new(commands: Vec<(PathBuf, Vec<String>, PathBuf)>) -> Self {
        let process = |(program, arguments, log)| Process { program, arguments, log, child: None, cpu_seconds: 0.0 };
        Self { nodes: commands.into_iter().map(process).collect() }
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn start(&mut self, i: usize) -> Result<()> {
        let node = &mut self.nodes[i];
        let log = OpenOptions::new().create(true).append(true).open(&node.log);
        let log = log.with_context(|| format!("cannot write {}", node.log.display()))?;
        let child = Command::new(&node.program)
            .args(&node.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("cannot share the log's descriptor")?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot run {}", node.program.display()))?;
        node.child = Some(child);
        Ok(())
    }

    pub(crate) fn kill(&mut self, i: usize) -> Result<()> {
        let node = &mut self.nodes[i];
        let mut child = node.child.take().with_context(|| format!("process {i} does not run"))?;
        node.cpu_seconds += cpu_seconds(child.id());
        child.kill().context("cannot kill a process")?;
        child.wait().context("cannot reap a process")?;
        Ok(())
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, i: usize, signal: Signal) -> Result<()> {
        let child = self.nodes[i].child.as_ref().with_context(|| format!("process {i} does not run"))?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("no process id")?;
        kill_process(pid, signal).context("cannot signal a process")
    }

    /// Asks a process to end, and waits for it.
    pub(crate) async fn stop(&mut self, i: usize) -> Result<()> {
        let node = &mut self.nodes[i];
        let mut child = node.child.take().with_context(|| format!("process {i} does not run"))?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("no process id")?;
        kill_process(pid, Signal::TERM).context("cannot signal a process")?;
        let deadline = Instant::now() + STOP_DEADLINE;
        while child.try_wait().context("cannot reap a process")?.is_none() {
            if Instant::now() > deadline {
                drop(child.kill());
                drop(child.wait());
                bail!("process {i} does not end within {STOP_DEADLINE:?}");
            }
            tokio::time::sleep(POLL_PAUSE).await;
        }
        Ok(())
    }

    pub(super) fn cpu_seconds(&self) -> f64 {
        self.nodes.iter().map(|n| n.cpu_seconds + n.child.as_ref().map_or(0.0, |c| cpu_seconds(c.id()))).sum()
    }

    /// The most memory that a process has taken: `VmHWM` of `/proc/PID/status` (proc(5)), in bytes; 0 if it does not run.
    pub(super) fn peak_memory_bytes(&self, i: usize) -> u64 {
        let status = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let status = self.nodes[i].child.as_ref().map(|c| status(c.id())).unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
    }

    pub(crate) fn is_running(&mut self, i: usize) -> bool {
        self.nodes[i].child.as_mut().is_some_and(|c| matches!(c.try_wait(), Ok(None)))
    }

    pub(super) fn log_tail(&self, i: usize) -> String {
        let text = std::fs::read_to_string(&self.nodes[i].log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }
}

/// User and system time of a process, in seconds: fields 14 and 15 of `/proc/PID/stat` (proc(5)), in ticks of 1/100 s.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The second field is the name in parentheses and may hold spaces.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: f64 = fields.skip(11).take(2).filter_map(|f| f.parse::<f64>().ok()).sum();
    ticks / 100.0
}

impl Drop for Processes {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            if let Some(mut child) = node.child.take() {
                drop(child.kill());
                drop(child.wait());
            }
        }
    }
}
