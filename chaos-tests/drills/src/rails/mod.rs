//! Guard rails: whether every group of a cluster can do without some nodes, and when a drill must stop.

mod refusal;
mod status;
mod stop;
#[cfg(test)]
mod tests;

pub use refusal::{Gone, GroupName, Refusal};
pub use status::{FollowerView, GroupView, MemberView, NodeView};
pub use stop::{Sample, Stop, StopWatcher, StopWhen};

use crate::client::Client;
use crate::hands::Target;
use crate::limits::{LAG_ENTRIES_MAX, NODES_ASKED_MAX, READS_IN_FLIGHT};
use anyhow::{Result, bail, ensure};
use futures::{StreamExt, stream};
use std::collections::{BTreeMap, BTreeSet};

/// Who votes in each group of a cluster, who of them is there, and how far each is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    groups: BTreeMap<GroupName, Group>,
    /// Every node that is known, with its zone.
    zones: BTreeMap<u64, String>,
    ready: BTreeSet<u64>,
}

/// A group, as the replica has it that knows most.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    voters: BTreeSet<u64>,
    leader: Option<u64>,
    /// Entries that each follower lacks; empty where the leader cannot be asked.
    lag: BTreeMap<u64, u64>,
}

impl Groups {
    /// Puts together what nodes say of themselves. `ready` are those of them that may serve.
    pub fn merge(views: &[NodeView], ready: BTreeSet<u64>) -> Self {
        let mut zones: BTreeMap<u64, String> = BTreeMap::new();
        let mut best: BTreeMap<GroupName, (&NodeView, &GroupView)> = BTreeMap::new();
        for view in views {
            zones.extend(view.members.iter().map(|m| (m.node, m.zone.clone())));
            zones.insert(view.node, view.zone.clone());
            // A node that stands apart may count terms up for itself: one that serves knows better.
            let rank = |v: &NodeView, g: &GroupView| (ready.contains(&v.node), g.term, g.leads(), g.committed);
            for group in view.groups() {
                let kept = best.entry(GroupName(group.shard)).or_insert((view, group));
                if rank(view, group) > rank(kept.0, kept.1) {
                    *kept = (view, group);
                }
            }
        }
        let groups = best.into_iter().map(|(name, (view, group))| (name, Group::new(view.node, group))).collect();
        Self { groups, zones, ready }
    }

    /// Asks the targets, and the other nodes that these know. A node that does not answer, or is not who it should be,
    /// counts as not ready.
    pub async fn fetch(client: &Client, targets: &[Target]) -> Result<Self> {
        let asked = targets.iter().map(|t| (t.node, t.url.clone()));
        let mut heard = ask(client, asked.collect()).await;
        let known: BTreeSet<u64> = targets.iter().map(|t| t.node).collect();
        let others: BTreeMap<u64, String> = heard
            .iter()
            .flat_map(|(view, _)| &view.members)
            .filter(|m| !known.contains(&m.node))
            .map(|m| (m.node, m.http.trim_end_matches('/').to_owned()))
            .collect();
        ensure!(others.len() <= NODES_ASKED_MAX, "the cluster has more than {NODES_ASKED_MAX} nodes");
        heard.extend(ask(client, others).await);
        let clusters: BTreeSet<&str> = heard.iter().map(|(view, _)| view.cluster.as_str()).collect();
        if clusters.len() != 1 {
            bail!("the nodes answer for {} clusters, expected one: {clusters:?}", clusters.len());
        }
        let ready = heard.iter().filter(|(_, ready)| *ready).map(|(view, _)| view.node).collect();
        let views: Vec<NodeView> = heard.into_iter().map(|(view, _)| view).collect();
        Ok(Self::merge(&views, ready))
    }

    /// May all these nodes be gone at once, together with those that are not ready now? Only if of the voters of every
    /// group a majority stays that has what its leader has, but for a few entries: it holds every acknowledged turn, and
    /// can go on at once.
    pub fn permits(&self, away: &BTreeSet<u64>) -> Result<(), Refusal> {
        self.all_are_seen()?;
        let refused: Vec<Refusal> = self.groups.iter().filter_map(|(name, g)| self.refuses(*name, g, away)).collect();
        let count = refused.len();
        match refused.into_iter().next() {
            None => Ok(()),
            Some(Refusal::Minority { group, voters, left, places_left, places, gone, .. }) => {
                Err(Refusal::Minority { group, voters, left, places_left, places, gone, others: count - 1 })
            }
            Some(other) => Err(other),
        }
    }

    /// A group that no answering node holds is not among the groups. It has a voter in every zone, none of which answered.
    fn all_are_seen(&self) -> Result<(), Refusal> {
        let silent: Vec<u64> = self.zones.keys().copied().filter(|node| !self.ready.contains(node)).collect();
        let all: BTreeSet<&String> = self.zones.values().collect();
        let with_silent: BTreeSet<&String> = silent.iter().map(|node| &self.zones[node]).collect();
        if self.groups.is_empty() || with_silent.len() == all.len() {
            return Err(Refusal::Unseen { silent });
        }
        Ok(())
    }

    fn refuses(&self, name: GroupName, group: &Group, away: &BTreeSet<u64>) -> Option<Refusal> {
        let gone: BTreeMap<u64, Gone> =
            group.voters.iter().filter_map(|voter| Some((*voter, self.gone(group, *voter, away)?))).collect();
        // A group has one voter a zone. Where two of a zone are named, one takes over from the other, and which of them
        // counts cannot be told from here: the zone is there if both are. So old and new voters keep their majorities.
        let place = |voter: &u64| self.zones.get(voter).cloned().unwrap_or_else(|| format!("node {voter}"));
        let places: BTreeSet<String> = group.voters.iter().map(place).collect();
        let broken: BTreeSet<String> = gone.keys().map(place).collect();
        let places_left = places.len() - broken.len();
        (places_left <= places.len() / 2).then(|| Refusal::Minority {
            group: name,
            voters: group.voters.clone(),
            left: group.voters.iter().filter(|v| !gone.contains_key(v)).copied().collect(),
            places_left,
            places: places.len(),
            gone,
            others: 0,
        })
    }

    /// Why a voter does not count, if it does not.
    fn gone(&self, group: &Group, voter: u64, away: &BTreeSet<u64>) -> Option<Gone> {
        if away.contains(&voter) {
            return Some(Gone::Away);
        }
        if !self.ready.contains(&voter) {
            return Some(Gone::NotReady);
        }
        if group.leader == Some(voter) {
            return None;
        }
        match group.lag.get(&voter) {
            None => Some(Gone::LagUnknown),
            Some(entries) => (*entries > LAG_ENTRIES_MAX).then_some(Gone::Behind { entries: *entries }),
        }
    }
}

impl Group {
    fn new(node: u64, view: &GroupView) -> Self {
        // Only a leader knows how far the others are, itself included.
        let leads = view.leads();
        Self {
            voters: view.voters.iter().copied().collect(),
            leader: leads.then_some(node),
            lag: view.followers.iter().filter(|_| leads).map(|f| (f.node, f.entries)).collect(),
        }
    }
}

/// What nodes answer, and whether they may serve. Who does not answer or answers for another is left out.
async fn ask(client: &Client, nodes: BTreeMap<u64, String>) -> Vec<(NodeView, bool)> {
    let asks = nodes.into_iter().map(|(node, url)| async move {
        let view = NodeView::fetch(client, &url).await.ok().filter(|view| view.node == node)?;
        let ready = matches!(client.get_text(&format!("{url}/readyz")).await, Ok((200, _)));
        Some((view, ready))
    });
    stream::iter(asks).buffer_unordered(READS_IN_FLIGHT).filter_map(|heard| async move { heard }).collect().await
}
