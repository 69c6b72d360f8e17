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
            super::style::print_all(&format!("{:#}\n", serde_json::json!({ "nodes": nodes })));
        } else {
            super::style::print_all(&table(&nodes));
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

fn table(nodes: &[Heard]) -> String {
    let mut lines = vec![style::bold("node  zone  state    leads  to apply  turns  release       encoder")];
    lines.extend(nodes.iter().map(node_line));
    lines.push(String::new());
    lines.push(style::bold("shard    leader  term  last log  committed  snapshot  entries its followers lack"));
    lines.extend(as_their_leaders_see_them(nodes).into_iter().map(group_line));
    lines.join("\n") + "\n"
}

fn node_line(Heard { member, status, error }: &Heard) -> String {
    let Some(status) = status else {
        let error = error.as_deref().unwrap_or_default();
        return format!("{:<4}  {:<4}  {}  {error}", member.node, member.zone, style::red("down   "));
    };
    let shards = &status.log.shards;
    let leads = shards.iter().filter(|s| s.role == Role::Leader).count();
    let to_apply: u64 = shards.iter().map(|s| count(s.committed).saturating_sub(count(s.applied))).sum();
    let state = if status.log.ready { style::green("ready  ") } else { style::yellow("waiting") };
    format!(
        "{:<4}  {:<4}  {state}  {leads:>5}  {to_apply:>8}  {:>5}  {:<12}  {}",
        member.node,
        member.zone,
        status.turns_in_flight,
        &status.release[..status.release.len().min(12)],
        status.encoder,
    )
}

fn group_line(group: &GroupStatus) -> String {
    let name = group.shard.map_or_else(|| "control".into(), |s| s.to_string());
    let leader = group.leader.map_or_else(|| "none".into(), |n| n.to_string());
    let lag: Vec<String> = group.followers.iter().map(|f| format!("{}: {}", f.node, f.entries)).collect();
    format!(
        "{name:<7}  {leader:>6}  {:>4}  {:>8}  {:>9}  {:>8}  {}",
        group.term,
        count(group.last_log),
        count(group.committed),
        count(group.snapshot),
        style::dim(&lag.join(", ")),
    )
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
