//! Three real `tertulia serve` processes, zones a, b and c, each with a data folder of its own: on 127.0.0.1, or wherever
//! their sites are.

use crate::client::{Client, Protocol};
use crate::hands::Target;
use crate::limits::{LOG_TAIL_BYTES, POLL_PAUSE, PORTS, READY_DEADLINE, START_TRIES, STOP_DEADLINE};
use anyhow::{Context, Result, bail, ensure};
use cluster_config::{Device, HttpOptions, Member, NodeConfig, PeerOptions, TlsOptions};
use rand::Rng;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The zones, one node each.
pub const ZONES: [&str; 3] = ["a", "b", "c"];

/// How a cluster is started.
#[derive(Clone)]
pub struct ClusterOptions {
    /// The program `tertulia`.
    pub program: PathBuf,
    /// The release that every node serves.
    pub release: PathBuf,
    /// Environment of every node, beyond this process's own.
    pub env: Vec<(String, String)>,
    /// A program and its arguments to run each node under, such as a tracer.
    pub wrapper: Vec<String>,
    /// Where custom actions run.
    pub action_endpoint: Option<String>,
    /// Where each node is; on 127.0.0.1 where there are none.
    pub sites: Vec<Site>,
    /// The last word on each node's configuration.
    pub adjust: fn(&mut NodeConfig),
}

impl ClusterOptions {
    /// Plain nodes.
    pub fn new(program: impl Into<PathBuf>, release: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            release: release.into(),
            env: Vec::new(),
            wrapper: Vec::new(),
            action_endpoint: None,
            sites: Vec::new(),
            adjust: |_| {},
        }
    }
}

/// Where a node is, and with what.
#[derive(Debug, Clone, Default)]
pub struct Site {
    /// Its address, where it has one of its own.
    pub address: Option<Ipv4Addr>,
    /// A program and its arguments to run it under: it must become the node, under its own process id.
    pub enter: Vec<String>,
    /// Its data folder, where it is not among the cluster's own.
    pub data_dir: Option<PathBuf>,
    /// Its environment, beyond the others'.
    pub env: Vec<(String, String)>,
    /// Its certificates.
    pub tls: Option<TlsOptions>,
}

/// A running cluster. Dropping it kills its own processes and removes its folders.
pub struct Cluster {
    options: ClusterOptions,
    nodes: Vec<Node>,
    client: Client,
    folder: TempDir,
}

struct Node {
    id: u64,
    http: String,
    config: PathBuf,
    log: PathBuf,
    child: Option<Child>,
    starts: u32,
}

impl Cluster {
    /// Starts all nodes and waits until each is ready.
    pub async fn start(options: ClusterOptions) -> Result<Self> {
        let mut trouble = None;
        for _ in 0..START_TRIES {
            let mut cluster = Self::prepare(options.clone())?;
            for i in 0..cluster.nodes.len() {
                cluster.spawn(i)?;
            }
            match cluster.wait_ready(READY_DEADLINE).await {
                Ok(()) => return Ok(cluster),
                // Another program may have taken a port since it was found free.
                Err(e) if cluster.log_tails().to_lowercase().contains("in use") => trouble = Some(e),
                Err(e) => return Err(e),
            }
        }
        Err(trouble.unwrap_or_else(|| anyhow::anyhow!("no try to start a cluster was made")))
    }

    fn prepare(options: ClusterOptions) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("tertulia-drill-").tempdir().context("no temporary folder")?;
        let ports = free_ports(2 * ZONES.len())?;
        let mut options = options;
        options.sites.resize_with(ZONES.len(), Site::default);
        let address = |i: usize| options.sites[i].address.unwrap_or(Ipv4Addr::LOCALHOST);
        let at = |i: usize, port: usize| SocketAddr::from((address(i), ports[2 * i + port]));
        let members: Vec<Member> = (0..ZONES.len())
            .map(|i| Member {
                node: i as u64 + 1,
                zone: ZONES[i].to_owned(),
                peer: at(i, 1).to_string(),
                http: format!("http://{}", at(i, 0)),
            })
            .collect();
        let mut nodes = Vec::new();
        for (i, member) in members.iter().enumerate() {
            let site = &options.sites[i];
            let own_folder = || folder.path().join(format!("data-{}", member.zone));
            let mut config = NodeConfig {
                cluster: "drill".into(),
                node: member.node,
                zone: member.zone.clone(),
                data_dir: site.data_dir.clone().unwrap_or_else(own_folder),
                release: options.release.clone(),
                encoder: None,
                members: members.clone(),
                join: Vec::new(),
                shards: 16,
                http: HttpOptions { listen: at(i, 0), ..HttpOptions::default() },
                peer: PeerOptions { listen: at(i, 1), tls: site.tls.clone() },
                raft: Default::default(),
                sessions: Default::default(),
                inference: Default::default(),
                limits: Default::default(),
                privacy: Default::default(),
                action_endpoint: options.action_endpoint.clone(),
                actions: Default::default(),
            };
            // The drills never need a device, and three nodes share the cores.
            config.inference.device = Device::Cpu;
            config.inference.cpu_threads = 1;
            (options.adjust)(&mut config);
            let path = folder.path().join(format!("node-{}.yml", member.zone));
            // JSON is YAML.
            let text = serde_json::to_string_pretty(&config).context("cannot write the configuration")?;
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            nodes.push(Node {
                id: member.node,
                http: member.http.clone(),
                config: path,
                log: folder.path().join(format!("node-{}.log", member.zone)),
                child: None,
                starts: 0,
            });
        }
        let client = Client::new(Protocol::Tertulia, Duration::from_secs(5))?;
        Ok(Self { options, nodes, client, folder })
    }

    fn spawn(&mut self, i: usize) -> Result<()> {
        let node = &mut self.nodes[i];
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&node.log)
            .with_context(|| format!("cannot open {}", node.log.display()))?;
        let program = &self.options.program;
        let site = &self.options.sites[i];
        let wrapper = site.enter.iter().chain(&self.options.wrapper).map(|a| a.replace("{node}", &node.id.to_string()));
        let mut words = wrapper.map(OsString::from).chain([program.into()]);
        let mut command = Command::new(words.next().context("there is a program")?);
        command
            .args(words)
            .arg("serve")
            .arg("--config")
            .arg(&node.config)
            .envs(self.options.env.iter().chain(&site.env).map(|(k, v)| (k, v)))
            .current_dir(self.folder.path())
            // Whoever ends a drill by Ctrl-C does not mean its nodes: they are still to be judged.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("cannot share the log's descriptor")?)
            .stderr(log);
        node.child = Some(command.spawn().with_context(|| format!("cannot run {}", program.display()))?);
        node.starts += 1;
        Ok(())
    }

    /// Another environment for node `i`, beyond the others', from its next start on.
    pub fn set_env(&mut self, i: usize, env: Vec<(String, String)>) {
        self.options.sites[i].env = env;
    }

    /// The nodes, as a drill names them.
    pub fn targets(&self) -> Vec<Target> {
        let target = |(node, zone): (&Node, &str)| Target { node: node.id, zone: zone.into(), url: node.http.clone() };
        self.nodes.iter().zip(ZONES).map(target).collect()
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never: a cluster has three nodes.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Base URLs, in the order of the zones.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(|n| n.http.clone()).collect()
    }

    /// Where the cluster keeps its files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Does the process of node `i` run, as far as is known?
    pub fn is_running(&mut self, i: usize) -> bool {
        self.nodes[i].child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// How the process of node `i` has ended, if it has.
    pub fn ended_with(&mut self, i: usize) -> Option<ExitStatus> {
        self.nodes[i].child.as_mut().and_then(|child| child.try_wait().ok().flatten())
    }

    /// Waits until every node answers `/readyz` with 200; a node that ended on its own is an error at once.
    pub async fn wait_ready(&mut self, deadline: Duration) -> Result<()> {
        let deadline = Instant::now() + deadline;
        for i in 0..self.nodes.len() {
            self.wait_node_ready(i, deadline).await?;
        }
        Ok(())
    }

    async fn wait_node_ready(&mut self, i: usize, deadline: Instant) -> Result<()> {
        let url = format!("{}/readyz", self.nodes[i].http);
        loop {
            let seen = match self.client.get_text(&url).await {
                Ok((200, _)) => return Ok(()),
                Ok((status, body)) => format!("{status} {body}"),
                Err(e) => format!("{e:#}"),
            };
            if !self.is_running(i) {
                bail!("node {} ended on its own\n{}", ZONES[i], self.log_tails());
            }
            if Instant::now() > deadline {
                bail!("node {} is not ready in time ({seen})\n{}", ZONES[i], self.log_tails());
            }
            tokio::time::sleep(POLL_PAUSE).await;
        }
    }

    /// Sends SIGKILL to node `i` and reaps it.
    pub fn kill(&mut self, i: usize) -> Result<()> {
        let child = self.nodes[i].child.as_mut().with_context(|| format!("node {} does not run", ZONES[i]))?;
        child.kill().context("cannot kill a node")?;
        child.wait().context("cannot reap a node")?;
        self.nodes[i].child = None;
        Ok(())
    }

    /// Freezes node `i` (SIGSTOP): its sockets stay open and nobody answers.
    pub fn freeze(&self, i: usize) -> Result<()> {
        self.signal(i, Signal::STOP)
    }

    /// Lets a frozen node go on (SIGCONT).
    pub fn thaw(&self, i: usize) -> Result<()> {
        self.signal(i, Signal::CONT)
    }

    fn signal(&self, i: usize, signal: Signal) -> Result<()> {
        let pid = self.pid(i).with_context(|| format!("node {} does not run", ZONES[i]))?;
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("no process id")?;
        kill_process(pid, signal).context("cannot signal a node")
    }

    /// The process id of node `i`, where it runs.
    pub fn pid(&self, i: usize) -> Option<u32> {
        self.nodes[i].child.as_ref().map(Child::id)
    }

    /// Forgets the process of node `i` if it has ended.
    pub fn reap(&mut self, i: usize) {
        if !self.is_running(i) {
            self.nodes[i].child = None;
        }
    }

    /// Starts node `i` again; the caller waits for its readiness with [`Cluster::wait_ready`].
    pub fn restart(&mut self, i: usize) -> Result<()> {
        ensure!(self.nodes[i].child.is_none(), "node {} still runs", ZONES[i]);
        self.spawn(i)
    }

    /// Asks node `i` to stop (SIGTERM) and waits for its end.
    pub async fn stop(&mut self, i: usize) -> Result<ExitStatus> {
        self.signal(i, Signal::TERM)?;
        let deadline = Instant::now() + STOP_DEADLINE;
        loop {
            let child = self.nodes[i].child.as_mut().context("it was signalled just now")?;
            if let Some(status) = child.try_wait().context("cannot reap a node")? {
                self.nodes[i].child = None;
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!("node {} did not stop within {STOP_DEADLINE:?}\n{}", ZONES[i], self.log_tails());
            }
            tokio::time::sleep(POLL_PAUSE).await;
        }
    }

    /// `/v1/status` of node `i`.
    pub async fn status(&self, i: usize) -> Result<serde_json::Value> {
        match self.client.get(&format!("{}/v1/status", self.nodes[i].http)).await? {
            (200, status) => Ok(status),
            (status, _) => bail!("node {}: status {status}", ZONES[i]),
        }
    }

    /// `/metrics` of node `i`.
    pub async fn metrics(&self, i: usize) -> Result<String> {
        match self.client.get_text(&format!("{}/metrics", self.nodes[i].http)).await? {
            (200, text) => Ok(text),
            (status, _) => bail!("node {}: metrics {status}", ZONES[i]),
        }
    }

    /// Which node (by position) leads each shard, asked of the first node that knows a leader for all of them.
    pub async fn leaders(&mut self, deadline: Duration) -> Result<BTreeMap<u64, usize>> {
        let deadline = Instant::now() + deadline;
        loop {
            for i in 0..self.nodes.len() {
                if self.is_running(i)
                    && let Ok(status) = self.status(i).await
                    && let Some(leaders) = self.read_leaders(&status)
                {
                    return Ok(leaders);
                }
            }
            if Instant::now() > deadline {
                bail!("no node knows a living leader for every shard\n{}", self.log_tails());
            }
            tokio::time::sleep(POLL_PAUSE).await;
        }
    }

    fn read_leaders(&mut self, status: &serde_json::Value) -> Option<BTreeMap<u64, usize>> {
        let shards = status["shards"].as_array()?;
        let mut leaders = BTreeMap::new();
        for shard in shards {
            let leader = shard["leader"].as_u64()?;
            let i = self.nodes.iter().position(|n| n.id == leader)?;
            if !self.is_running(i) {
                return None;
            }
            // The control group has no number.
            if let Some(id) = shard["shard"].as_u64() {
                leaders.insert(id, i);
            }
        }
        (!leaders.is_empty()).then_some(leaders)
    }

    /// The node that leads most shards.
    pub async fn leads_most(&mut self, deadline: Duration) -> Result<usize> {
        let mut counts = vec![0_usize; self.nodes.len()];
        for leader in self.leaders(deadline).await?.into_values() {
            counts[leader] += 1;
        }
        let most = counts.iter().enumerate().max_by_key(|(i, n)| (**n, usize::MAX - i));
        most.map(|(i, _)| i).context("a cluster has nodes")
    }

    /// The ends of all logs, for a failure's message.
    pub fn log_tails(&self) -> String {
        let mut text = String::new();
        for (node, zone) in self.nodes.iter().zip(ZONES) {
            text.push_str(&format!("--- log of node {zone} (started {} times)\n{}\n", node.starts, tail(&node.log)));
        }
        text
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Also on a panic: nobody else knows these processes. A wrapper passes the end on to its child.
        for child in self.nodes.iter_mut().filter_map(|n| n.child.as_mut()) {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn tail(path: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(LOG_TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_or_else(|e| format!("(not readable: {e})"), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Ports that nobody listens on now. All are held until the last is found, so that they differ.
pub fn free_ports(count: usize) -> Result<Vec<u16>> {
    let mut held = Vec::new();
    for _ in 0..1_000 {
        if held.len() == count {
            return held.iter().map(|l: &TcpListener| Ok(l.local_addr()?.port())).collect();
        }
        let port = rand::rng().random_range(PORTS);
        held.extend(TcpListener::bind(("127.0.0.1", port)));
    }
    bail!("found no {count} free ports among {PORTS:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_differ_and_lie_below_the_outgoing_range() {
        let mut ports = free_ports(6).unwrap();
        assert!(ports.iter().all(|p| PORTS.contains(p)));
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 6);
    }
}
