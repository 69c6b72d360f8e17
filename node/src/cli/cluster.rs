//! `cluster`: nodes come, hand over and go; shards move.

use super::{Outcome, style};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use cluster_config::NodeConfig;
use raft::NodeState;
use raft::admin::{Answer, Ask, Client, ClusterStatus};
use std::path::PathBuf;
use std::time::Duration;

/// How often progress is asked for.
const LOOK: Duration = Duration::from_millis(300);

/// Show and change the cluster: nodes, zones and where shards are.
#[derive(Args)]
pub(crate) struct Cluster {
    /// The configuration of any node: where the cluster is, and the certificates to ask with
    #[arg(long, env = "TERTULIA_CONFIG")]
    config: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Show nodes, and the shards that are on their way
    Status {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Give a new node its id, and print its configuration
    Add {
        /// Its zone, one of those that the cluster began with
        #[arg(long)]
        zone: String,
        /// `host:port` of its peer transport
        #[arg(long)]
        peer: String,
        /// Base URL of its client API
        #[arg(long)]
        http: String,
        /// The node that it stands in for: it takes over its shards, and the old one leaves
        #[arg(long)]
        replaces: Option<u64>,
    },
    /// Let a node hand its shards over; it stays until it is removed
    Drain {
        /// The node's id
        node: u64,
        /// Take it back: the node may hold shards again
        #[arg(long)]
        undo: bool,
        /// Return when all shards have arrived
        #[arg(long)]
        wait: bool,
    },
    /// Let a drained node go for good; its id is never used again
    Remove {
        /// The node's id
        node: u64,
        /// The node is lost: its shards are placed elsewhere first
        #[arg(long)]
        force: bool,
        /// Return when all shards have arrived
        #[arg(long)]
        wait: bool,
    },
    /// Move a shard from one node of a zone to another
    Move {
        /// The shard
        shard: u32,
        /// The node that holds it
        #[arg(long)]
        from: u64,
        /// The node that shall
        #[arg(long)]
        to: u64,
        /// Return when the shard has arrived
        #[arg(long)]
        wait: bool,
    },
    /// Place all shards anew over the nodes that are up
    Balance {
        /// Return when all shards have arrived
        #[arg(long)]
        wait: bool,
    },
}

impl Cluster {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        let config = NodeConfig::load(&self.config)?;
        let client = Client::new(&config)?;
        let (ask, wait) = match self.what {
            What::Status { json } => return status(&client, json).await,
            What::Add { zone, peer, http, replaces } => {
                return add(&client, &config, Ask::Add { zone, peer, http, replaces }).await;
            }
            What::Drain { node, undo, wait } => (Ask::Drain { node, undo }, wait),
            What::Remove { node, force, wait } => (Ask::Remove { node, force }, wait),
            What::Move { shard, from, to, wait } => (Ask::Move { shard, from, to }, wait),
            What::Balance { wait } => (Ask::Balance, wait),
        };
        let Answer::Placed(shards) = client.ask(&ask).await? else { bail!("the cluster answered something else") };
        println!("{}", done(&ask, shards));
        if wait {
            wait_until_arrived(&client, &ask).await?;
        }
        Ok(Outcome::Fine)
    }
}

fn done(ask: &Ask, shards: u64) -> String {
    let next = "`tertulia cluster status` shows how far they are";
    match ask {
        Ask::Drain { node, undo: true } => {
            format!("node {node} may hold shards again: `tertulia cluster balance` gives it some")
        }
        Ask::Drain { node, .. } => format!("node {node} hands {shards} shards over: {next}"),
        Ask::Remove { node, force: true } => {
            format!("{shards} shards of node {node} are placed elsewhere; it is removed when they have arrived: {next}")
        }
        Ask::Remove { node, .. } => format!("node {node} is removed; its id is never used again"),
        _ if shards == 0 => "every shard is where it belongs".into(),
        _ => format!("{shards} shards are placed anew: {next}"),
    }
}

/// Gives the id, and the lines that a configuration needs.
async fn add(client: &Client, config: &NodeConfig, ask: Ask) -> anyhow::Result<Outcome> {
    let Answer::Added(node) = client.ask(&ask).await? else { bail!("the cluster answered something else") };
    let Ask::Add { zone, peer, replaces, .. } = ask else { bail!("only a node is added") };
    let status = client.status().await.context("the node has its id; how the cluster is cannot be seen")?;
    let seeds = status.nodes.iter().filter(|n| n.state == NodeState::Up && n.node != node).map(|n| &n.peer);
    println!("# node {node}: what its configuration must say, besides data_dir, release and certificates");
    println!("cluster: {}\nnode: {node}\nzone: {zone}\nshards: {}", config.cluster, status.shards);
    println!("join:");
    seeds.for_each(|seed| println!("  - {seed:?}"));
    println!("peer:\n  listen: \"0.0.0.0:{}\"", peer.rsplit_once(':').map_or("7080", |(_, port)| port));
    match replaces {
        Some(old) => eprintln!("When it runs, it takes over the shards of node {old}."),
        None => eprintln!("When it runs, `tertulia cluster balance` gives it its share of the shards."),
    }
    Ok(Outcome::Fine)
}

/// Shows how many shards are left until all have arrived where they belong.
async fn wait_until_arrived(client: &Client, ask: &Ask) -> anyhow::Result<()> {
    let bar = style::bar(0).with_message("shards have arrived");
    let mut most = 0;
    loop {
        let status = client.status().await?;
        let moving = status.moving();
        most = most.max(moving);
        bar.set_length(most as u64);
        bar.set_position((most - moving) as u64);
        if moving == 0 && is_gone(&status, ask) {
            bar.finish_and_clear();
            println!("all shards have arrived");
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// A node that hands over does so in the control group too, and one that is lost is removed at the end.
fn is_gone(status: &ClusterStatus, ask: &Ask) -> bool {
    match ask {
        Ask::Drain { node, undo: false } => {
            let holds = status.nodes.iter().any(|n| n.node == *node && n.shards > 0);
            !holds && !status.control.voters.contains(node)
        }
        Ask::Remove { node, .. } => status.nodes.iter().any(|n| n.node == *node && n.state == NodeState::Removed),
        _ => true,
    }
}

async fn status(client: &Client, json: bool) -> anyhow::Result<Outcome> {
    let status = client.status().await?;
    let present = || status.nodes.iter().filter(|n| n.state != NodeState::Removed);
    let well =
        status.moving() == 0 && present().all(|n| n.alive) && status.placement.iter().all(|s| s.leader.is_some());
    if json {
        style::print_all(&format!("{}\n", serde_json::to_string_pretty(&status)?));
    } else {
        style::print_all(&table(&status));
    }
    Ok(if well { Outcome::Fine } else { Outcome::FoundWrong })
}

fn table(status: &ClusterStatus) -> String {
    let mut lines = vec![style::bold("node  zone  state     alive  shards  leads  control  peer")];
    for n in &status.nodes {
        let state = match n.state {
            NodeState::Up => "up",
            NodeState::Draining => "draining",
            NodeState::Leaving => "leaving",
            NodeState::Removed => "removed",
        };
        let alive = match (n.state, n.alive) {
            (NodeState::Removed, _) => style::dim("-    "),
            (_, true) => style::green("yes  "),
            (_, false) => style::red("no   "),
        };
        let control = match (status.control.leader == Some(n.node), status.control.voters.contains(&n.node)) {
            (true, _) => "leads",
            (_, true) => "votes",
            _ => "",
        };
        let replaces = n.replaces.map(|old| style::dim(&format!("  in place of {old}"))).unwrap_or_default();
        lines.push(format!(
            "{:<4}  {:<4}  {state:<8}  {alive}  {:>6}  {:>5}  {control:<7}  {}{replaces}",
            n.node, n.zone, n.shards, n.leads, n.peer
        ));
    }
    lines.push(String::new());
    let moving: Vec<_> = status.placement.iter().filter(|s| !s.settled).collect();
    if moving.is_empty() {
        lines.push(format!("all {} shards are where they belong", status.shards));
    } else {
        lines.push(style::bold(&format!("{} of {} shards are on their way", moving.len(), status.shards)));
        lines.extend(moving.iter().map(|s| {
            let leader = s.leader.map_or_else(|| "nobody".into(), |n| format!("node {n}"));
            format!("shard {:<4} to nodes {:?}, led by {leader}", s.shard, s.voters)
        }));
    }
    lines.join("\n") + "\n"
}
