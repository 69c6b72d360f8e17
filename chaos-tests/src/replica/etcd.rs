//! The peer's side: three etcd processes (Debian's `etcd-server`) and clients that write to their leader.

use super::{
    CLIENTS_PER_CONNECTION, Side, VALUE_BYTES, Writer,
    etcd_proto::{
        MoveLeaderRequest, PutRequest, StatusRequest, kv_client::KvClient, maintenance_client::MaintenanceClient,
    },
    processes::Processes,
};
use anyhow::{Context, Result, bail};
use drills::{
    cluster::free_ports,
    lab::Zones,
    limits::{POLL_PAUSE, READY_DEADLINE},
};
use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

const NODES: usize = 3;
/// How long one look at a member may take.
const LOOK: Duration = Duration::from_secs(1);
/// Pause before a write is tried again elsewhere.
const RETRY: Duration = Duration::from_millis(5);
/// Three etcd members.
pub struct Etcd {
    processes: Processes,
    clients: Vec<String>,
    leader: usize,
    _folder: TempDir,
}

impl Etcd {
    /// Starts three members in a folder under `place`. `timing` is heartbeat and election timeout, in milliseconds.
    pub async fn start(place: &Path, timing: (u64, u64)) -> Result<Self> {
        Self::start_in(place, timing, None).await
    }

    /// The same, each member in a zone of its own.
    pub async fn start_in(place: &Path, timing: (u64, u64), zones: Option<&Zones>) -> Result<Self> {
        let folder =
            tempfile::Builder::new().prefix("tertulia-etcd-").tempdir_in(place).context("no folder for etcd")?;
        let ports = free_ports(2 * NODES)?;
        let host = |i: usize| zones.map_or(Ipv4Addr::LOCALHOST, |zones| zones.address(i));
        let url = |i: usize, port: u16| format!("http://{}:{port}", host(i));
        let cluster: Vec<String> = (0..NODES).map(|i| format!("m{i}={}", url(i, ports[NODES + i]))).collect();
        let mut commands = Vec::new();
        for i in 0..NODES {
            let data = folder.path().join(format!("m{i}"));
            let (client, peer) = (url(i, ports[i]), url(i, ports[NODES + i]));
            let arguments = [
                ("--name", format!("m{i}")),
                ("--data-dir", data.display().to_string()),
                ("--listen-client-urls", client.clone()),
                ("--advertise-client-urls", client),
                ("--listen-peer-urls", peer.clone()),
                ("--initial-advertise-peer-urls", peer),
                ("--initial-cluster", cluster.join(",")),
                ("--initial-cluster-token", "bench".to_owned()),
                ("--initial-cluster-state", "new".to_owned()),
                ("--heartbeat-interval", timing.0.to_string()),
                ("--election-timeout", timing.1.to_string()),
                ("--quota-backend-bytes", (4_u64 << 30).to_string()),
                ("--logger", "zap".to_owned()),
                ("--log-level", "warn".to_owned()),
            ];
            let mut arguments: Vec<String> = arguments.into_iter().flat_map(|(k, v)| [k.to_owned(), v]).collect();
            arguments.push("--pre-vote".to_owned());
            let words = zones.map(|zones| zones.enter(i)).unwrap_or_default();
            let mut words = words.into_iter().chain(["etcd".to_owned()]).chain(arguments);
            let program = PathBuf::from(words.next().context("there is a program")?);
            commands.push((program, words.collect(), folder.path().join(format!("m{i}.log"))));
        }
        let clients = (0..NODES).map(|i| url(i, ports[i])).collect();
        let mut this = Self { processes: Processes::new(commands), clients, leader: 0, _folder: folder };
        for i in 0..NODES {
            this.processes.start(i).context("the peer etcd: apt-get install etcd-server")?;
        }
        this.leader = this.find_leader().await?;
        Ok(this)
    }

    /// Where clients find each member.
    pub fn urls(&self) -> &[String] {
        &self.clients
    }

    /// The processes.
    pub(crate) fn processes(&mut self) -> &mut Processes {
        &mut self.processes
    }

    /// Does the member know a leader?
    pub(crate) async fn is_ready(&self, i: usize) -> bool {
        let Ok(endpoint) = Endpoint::from_shared(self.clients[i].clone()) else { return false };
        let Ok(channel) = endpoint.connect_timeout(LOOK).timeout(LOOK).connect().await else { return false };
        let status = MaintenanceClient::new(channel).status(StatusRequest {}).await;
        status.is_ok_and(|status| status.get_ref().leader != 0)
    }

    async fn find_leader(&self) -> Result<usize> {
        let deadline = Instant::now() + READY_DEADLINE;
        let mut seen = String::new();
        while Instant::now() < deadline {
            for (i, url) in self.clients.iter().enumerate() {
                let endpoint = Endpoint::from_shared(url.clone())?.connect_timeout(LOOK).timeout(LOOK);
                let asked = match endpoint.connect().await {
                    Ok(channel) => MaintenanceClient::new(channel).status(StatusRequest {}).await,
                    Err(e) => Err(tonic::Status::unavailable(e.to_string())),
                };
                match asked.map(tonic::Response::into_inner) {
                    Ok(status) if status.leader != 0 && status.header.is_some_and(|h| h.member_id == status.leader) => {
                        return Ok(i);
                    }
                    Ok(status) => seen = format!("member {i} knows leader {}", status.leader),
                    Err(e) => seen = e.to_string(),
                }
            }
            tokio::time::sleep(POLL_PAUSE).await;
        }
        bail!("etcd has no leader: {seen}\n{}", self.processes.log_tail(0))
    }
}

/// A client: one key after another, each under its own name.
pub struct EtcdWriter {
    nodes: Vec<KvClient<Channel>>,
    at: usize,
    name: String,
    count: u64,
}

impl Writer for EtcdWriter {
    async fn write(&mut self, attempt: Duration, patience: Duration) -> Result<()> {
        let begun = Instant::now();
        self.count += 1;
        let mut last = String::from("no attempt was made");
        while begun.elapsed() < patience {
            let key = format!("{}-{}", self.name, self.count).into_bytes();
            let request = PutRequest { key, value: vec![b'v'; VALUE_BYTES] };
            match tokio::time::timeout(attempt, self.nodes[self.at].put(request)).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(status)) => last = status.to_string(),
                Err(_) => last = "no answer".to_owned(),
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

impl Side for Etcd {
    type Writer = EtcdWriter;

    fn name(&self) -> &'static str {
        "etcd"
    }

    /// All of them write to the leader: the best case, no member forwards.
    fn writers(&self, run: &str, count: usize) -> Result<Vec<EtcdWriter>> {
        let connections = count.div_ceil(CLIENTS_PER_CONNECTION);
        let connect = |url: &String| -> Result<Vec<KvClient<Channel>>> {
            let endpoint = Endpoint::from_shared(url.clone())?.tcp_nodelay(true).connect_timeout(LOOK);
            Ok((0..connections).map(|_| KvClient::new(endpoint.connect_lazy())).collect())
        };
        let pools = self.clients.iter().map(connect).collect::<Result<Vec<_>>>()?;
        let writer = |i: usize| EtcdWriter {
            nodes: pools.iter().map(|pool| pool[i % connections].clone()).collect(),
            at: self.leader,
            name: format!("{run}-{i}"),
            count: 0,
        };
        Ok((0..count).map(writer).collect())
    }

    async fn leader(&mut self) -> Result<usize> {
        self.leader = self.find_leader().await?;
        Ok(self.leader)
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
        loop {
            let endpoint = Endpoint::from_shared(self.clients[node].clone())?;
            if let Ok(channel) = endpoint.connect().await
                && let Ok(status) = MaintenanceClient::new(channel).status(StatusRequest {}).await
                && status.get_ref().leader != 0
            {
                return Ok(());
            }
            if Instant::now() > deadline || !self.processes.is_running(node) {
                bail!("member {node} does not come back\n{}", self.processes.log_tail(node));
            }
            tokio::time::sleep(POLL_PAUSE).await;
        }
    }

    async fn give_back(&mut self, node: usize) -> Result<()> {
        let leader = self.find_leader().await?;
        let member = |i: usize| {
            let endpoint = Endpoint::from_shared(self.clients[i].clone());
            async move { anyhow::Ok(MaintenanceClient::new(endpoint?.connect().await?)) }
        };
        let id =
            member(node).await?.status(StatusRequest {}).await?.into_inner().header.context("no header")?.member_id;
        // A member that has just come back may not be ready for it.
        let deadline = Instant::now() + READY_DEADLINE;
        while let Err(status) = member(leader).await?.move_leader(MoveLeaderRequest { target_id: id }).await {
            if Instant::now() > deadline {
                bail!("etcd does not move its leader: {status}");
            }
            tokio::time::sleep(POLL_PAUSE).await;
        }
        Ok(())
    }

    fn cpu_seconds(&self) -> f64 {
        self.processes.cpu_seconds()
    }
}
