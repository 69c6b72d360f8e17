//! Our side of the bench: three replicas and their clients.

use super::{
    CLIENTS_PER_CONNECTION, Side, VALUE_BYTES, Writer,
    link::Link,
    processes::Processes,
    proto::{CommitRequest, commit_reply::Outcome},
};
use anyhow::{Context, Result, bail};
use drills::{
    cluster::{ZONES, free_ports},
    limits::{POLL_PAUSE, READY_DEADLINE},
};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tonic::transport::Endpoint;

/// Pause before a write is tried again elsewhere.
const RETRY: Duration = Duration::from_millis(5);
/// How long one attempt at a write may take.
const ATTEMPT: Duration = Duration::from_secs(5);

/// Three replicas in three processes.
pub struct Replicas {
    processes: Processes,
    addresses: Vec<String>,
    shards: u32,
    /// One node's configuration, to ask the cluster with.
    config: PathBuf,
    folder: TempDir,
}

impl Replicas {
    /// Starts three of `program` (`tertulia-replica`) in a folder under `place`; `raft` overrides the log's options.
    pub async fn start(program: PathBuf, place: &Path, shards: u32, raft: serde_json::Value) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("tertulia-replicas-").tempdir_in(place);
        let folder = folder.context("no folder for the replicas")?;
        let ports = free_ports(ZONES.len())?;
        let address = |i: usize| format!("127.0.0.1:{}", ports[i]);
        let member = |i: usize| serde_json::json!({ "node": i + 1, "zone": ZONES[i], "peer": address(i), "http": format!("http://{}", address(i)) });
        let members: Vec<_> = (0..ZONES.len()).map(member).collect();
        let mut commands = Vec::new();
        for (i, zone) in ZONES.iter().enumerate() {
            let config = serde_json::json!({
                "cluster": "bench", "node": i + 1, "zone": zone, "shards": shards, "members": members,
                "data_dir": folder.path().join(zone), "release": "none", "peer": { "listen": address(i) },
                "raft": raft,
            });
            let path = folder.path().join(format!("{zone}.yml"));
            std::fs::write(&path, config.to_string()).with_context(|| format!("cannot write {}", path.display()))?;
            let arguments = vec!["--config".to_owned(), path.display().to_string()];
            commands.push((program.clone(), arguments, folder.path().join(format!("{zone}.log"))));
        }
        let addresses = (0..ZONES.len()).map(address).collect();
        let config = folder.path().join(format!("{}.yml", ZONES[0]));
        let mut this = Self { processes: Processes::new(commands), addresses, shards, config, folder };
        for i in 0..this.processes.len() {
            this.processes.start(i)?;
        }
        this.wait_writable().await?;
        Ok(this)
    }

    /// Waits until every shard takes a write.
    async fn wait_writable(&mut self) -> Result<()> {
        let run = format!("ready-{}", rand::random::<u64>());
        for mut writer in self.writers(&run, 4 * self.shards as usize)? {
            if let Err(e) = writer.write(ATTEMPT, READY_DEADLINE).await {
                bail!("the replicas do not take writes: {e:#}\n{}", self.processes.log_tail(0));
            }
        }
        Ok(())
    }
}

impl Replicas {
    /// The most memory that a node's process has taken since it started, in bytes.
    pub fn peak_memory_bytes(&self, node: usize) -> u64 {
        self.processes.peak_memory_bytes(node)
    }

    /// Bytes of the snapshot that a follower holds right now because it installs it.
    pub fn installing(&self, node: usize) -> Option<u64> {
        let folder = self.folder.path().join(ZONES[node]).join("snapshots");
        let of_shard = |file: &std::fs::DirEntry| {
            let name = file.file_name();
            let name = name.to_string_lossy();
            name.starts_with("shard-") && name.ends_with(".snap")
        };
        let file = std::fs::read_dir(folder).ok()?.flatten().find(of_shard)?;
        file.metadata().ok().map(|m| m.len())
    }
}

/// A client: one session, one turn after another.
pub struct ReplicaWriter {
    nodes: Vec<Link>,
    at: usize,
    session: String,
    seq: u64,
    value: String,
}

impl Writer for ReplicaWriter {
    async fn write(&mut self, attempt: Duration, patience: Duration) -> Result<()> {
        let begun = Instant::now();
        let seq = self.seq + 1;
        let mut last = String::from("no attempt was made");
        while begun.elapsed() < patience {
            let request = CommitRequest { number: 0, session: self.session.clone(), seq, value: self.value.clone() };
            match tokio::time::timeout(attempt, self.nodes[self.at].call(request)).await {
                Ok(Some(reply)) => match reply.outcome() {
                    Outcome::Committed => {
                        self.seq = seq;
                        return Ok(());
                    }
                    // Positions and ids differ by one.
                    Outcome::NotLeader if reply.leader > 0 => {
                        let leader = reply.leader as usize - 1;
                        last = format!("node {} says that node {} leads", self.at + 1, reply.leader);
                        if leader != self.at {
                            self.at = leader;
                            // A dead leader is named until its successor is known.
                            if begun.elapsed() > RETRY {
                                tokio::time::sleep(RETRY).await;
                            }
                            continue;
                        }
                    }
                    Outcome::Refused => bail!("{}: turn {seq}: {}", self.session, reply.detail),
                    outcome => last = format!("node {}: {outcome:?} {}", self.at + 1, reply.detail),
                },
                Ok(None) => last = format!("node {}: the connection broke", self.at + 1),
                Err(_) => last = format!("node {}: no answer", self.at + 1),
            }
            self.at = (self.at + 1) % self.nodes.len();
            tokio::time::sleep(RETRY).await;
        }
        bail!("not written within {patience:?}: {last}")
    }

    fn node(&self) -> usize {
        self.at
    }
}

impl Side for Replicas {
    type Writer = ReplicaWriter;

    fn name(&self) -> &'static str {
        "tertulia"
    }

    fn writers(&self, run: &str, count: usize) -> Result<Vec<ReplicaWriter>> {
        let connections = count.div_ceil(CLIENTS_PER_CONNECTION);
        let connect = |address: &String| -> Result<Vec<Link>> {
            let endpoint = Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true);
            Ok((0..connections).map(|_| Link::new(endpoint.connect_lazy())).collect())
        };
        let pools = self.addresses.iter().map(connect).collect::<Result<Vec<_>>>()?;
        let writer = |i: usize| ReplicaWriter {
            nodes: pools.iter().map(|pool| pool[i % connections].clone()).collect(),
            at: i % pools.len(),
            session: format!("{run}-{i}"),
            seq: 0,
            value: "v".repeat(VALUE_BYTES),
        };
        Ok((0..count).map(writer).collect())
    }

    /// A node that leads some of the shards: another one each time, most likely.
    async fn leader(&mut self) -> Result<usize> {
        let mut writer = self.writers(&format!("leader-{}", rand::random::<u64>()), 1)?.remove(0);
        writer.write(ATTEMPT, READY_DEADLINE).await?;
        Ok(writer.at)
    }

    fn kill(&mut self, node: usize) -> Result<()> {
        self.processes.kill(node)
    }

    async fn stop(&mut self, node: usize) -> Result<()> {
        self.processes.stop(node).await
    }

    async fn restart(&mut self, node: usize) -> Result<()> {
        self.processes.start(node)?;
        let deadline = Instant::now() + READY_DEADLINE;
        while std::net::TcpStream::connect(&self.addresses[node]).is_err() {
            if Instant::now() > deadline || !self.processes.is_running(node) {
                bail!("replica {node} does not come back\n{}", self.processes.log_tail(node));
            }
            tokio::time::sleep(POLL_PAUSE).await;
        }
        Ok(())
    }

    /// Nodes do it by themselves, some seconds after it has come back.
    async fn give_back(&mut self, node: usize) -> Result<()> {
        // Positions and ids differ by one.
        super::leaders::wait_preferred(&self.config, node as u64 + 1).await
    }

    fn cpu_seconds(&self) -> f64 {
        self.processes.cpu_seconds()
    }
}
