//! `status`: the cluster as its nodes see it.

use super::{Outcome, style};
use crate::http::StatusBody;
use clap::Args;
use cluster_config::Member;
use raft::{GroupStatus, Role};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Show nodes, zones, shards, leaders and lag.
#[derive(Args)]
pub(crate) struct Status {
    /// A node's client address; the others are found through it
    #[arg(long, default_value = "http://127.0.0.1:8080", env = "TERTULIA_URL")]
    url: Vec<String>,
    /// For programs
    #[arg(long)]
    json: bool,
}

/// What one member said, or why it said nothing.
#[derive(Serialize)]
struct Heard {
    #[serde(flatten)]
    member: Member,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<StatusBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Status {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(3)).build()?;
        let nodes = gather(&client, &self.url).await?;
        let healthy = nodes.iter().all(|n| n.status.as_ref().is_some_and(|s| s.log.ready));
        if self.json {
            println!("{}", serde_json::to_string_pretty(&serde_json::json!({ "nodes": nodes }))?);
        } else {
            print(&nodes);
        }
        Ok(if healthy { Outcome::Fine } else { Outcome::FoundWrong })
    }
}

/// Asks one node for the members, then every member.
async fn gather(client: &reqwest::Client, urls: &[String]) -> anyhow::Result<Vec<Heard>> {
    let mut errors = Vec::new();
    for url in urls {
        match ask(client, url).await {
            Ok(first) => {
                let mut nodes = Vec::new();
                for member in first.members {
                    let (status, error) = match ask(client, &member.http).await {
                        Ok(status) => (Some(status), None),
                        Err(error) => (None, Some(error.to_string())),
                    };
                    nodes.push(Heard { member, status, error });
                }
                return Ok(nodes);
            }
            Err(error) => errors.push(error.to_string()),
        }
    }
    anyhow::bail!("no node answers: {}", errors.join("; "))
}

async fn ask(client: &reqwest::Client, url: &str) -> anyhow::Result<StatusBody> {
    let url = format!("{}/v1/status", url.trim_end_matches('/'));
    let response = client.get(&url).send().await.and_then(reqwest::Response::error_for_status);
    let response = response.map_err(|e| anyhow::anyhow!("{}", crate::action_client::chain(&e)))?;
    Ok(response.json().await?)
}

fn print(nodes: &[Heard]) {
    println!("{}", style::bold("node  zone  state    leads  to apply  turns  release       encoder"));
    for Heard { member, status, error } in nodes {
        let Some(status) = status else {
            let error = error.as_deref().unwrap_or_default();
            println!("{:<4}  {:<4}  {}  {error}", member.node, member.zone, style::red("down   "));
            continue;
        };
        let shards = &status.log.shards;
        let leads = shards.iter().filter(|s| s.role == Role::Leader).count();
        let to_apply: u64 = shards.iter().map(|s| count(s.committed) - count(s.applied).min(count(s.committed))).sum();
        let state = if status.log.ready { style::green("ready  ") } else { style::yellow("waiting") };
        println!(
            "{:<4}  {:<4}  {state}  {leads:>5}  {to_apply:>8}  {:>5}  {:<12}  {}",
            member.node,
            member.zone,
            status.turns_in_flight,
            &status.release[..status.release.len().min(12)],
            status.encoder,
        );
    }
    println!("\n{}", style::bold("shard    leader  term  last log  committed  snapshot  entries its followers lack"));
    for shard in as_their_leaders_see_them(nodes) {
        let name = shard.shard.map_or_else(|| "control".into(), |s| s.to_string());
        let leader = shard.leader.map_or_else(|| "none".into(), |n| n.to_string());
        let lag: Vec<String> = shard.followers.iter().map(|f| format!("{}: {}", f.node, f.entries)).collect();
        println!(
            "{name:<7}  {leader:>6}  {:>4}  {:>8}  {:>9}  {:>8}  {}",
            shard.term,
            count(shard.last_log),
            count(shard.committed),
            count(shard.snapshot),
            style::dim(&lag.join(", ")),
        );
    }
}

/// Every group once: from its leader where one answers, else from anyone.
fn as_their_leaders_see_them(nodes: &[Heard]) -> Vec<&GroupStatus> {
    let mut groups: BTreeMap<Option<u32>, &GroupStatus> = BTreeMap::new();
    for log in nodes.iter().filter_map(|n| n.status.as_ref()).map(|s| &s.log) {
        for group in log.shards.iter().chain([&log.control]) {
            if group.role == Role::Leader || !groups.contains_key(&group.shard) {
                groups.insert(group.shard, group);
            }
        }
    }
    groups.into_values().collect()
}

/// Entries up to an index: the first index is 0.
fn count(index: Option<u64>) -> u64 {
    index.map_or(0, |i| i + 1)
}
