//! Leadership goes back to where it belongs: a zone that was away gets its share of the shards again.

use super::Node;
use crate::{proto::Reluctance, types::GroupId};
use std::{collections::BTreeMap, sync::Weak, time::Duration};
use tokio::time::Instant;

/// How often it is looked at; at most one group moves each time.
const EVERY: Duration = Duration::from_millis(500);
/// How long the preferred member must have been well without a break.
const WELL_FOR: Duration = Duration::from_secs(5);
/// How many entries it may be behind.
const LAG_ENTRIES_MAX: u64 = 64;
/// How long ago it may have been heard of, in milliseconds.
const HEARD_MS_MAX: u64 = 1_000;

/// Moves one leadership at a time to its preferred member.
pub(super) async fn run(node: Weak<Node>) {
    let mut well_since: BTreeMap<GroupId, Instant> = BTreeMap::new();
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let Some(node) = node.upgrade().filter(|n| !n.is_stopping()) else { return };
        let mut move_one = None;
        for group in node.all_groups() {
            let Some(to) = node.preferred(group.id) else { continue };
            let well = group.leads() && to != node.id && is_well(&node, group.id, to);
            if !well {
                well_since.remove(&group.id);
            } else if well_since.entry(group.id).or_insert_with(Instant::now).elapsed() >= WELL_FOR {
                move_one.get_or_insert((group.clone(), to));
            }
        }
        if let Some((group, to)) = move_one {
            tracing::info!(group = %group.id, to, "the leadership goes back to its preferred member");
            well_since.remove(&group.id);
            group.hand_over(to).await;
        }
    }
}

impl Node {
    /// Who should lead a shard while all its voters are well. The control group may be led by anyone.
    pub(super) fn preferred(&self, group: GroupId) -> Option<u64> {
        self.view().placed(group.shard()?.0).map(|p| p.leader)
    }
}

fn is_well(node: &Node, group: GroupId, member: u64) -> bool {
    let status = node.group_status(&node.group(group));
    node.pulses.reluctance(member) == Reluctance::None
        && status.voters.contains(&member)
        && status.followers.iter().any(|f| {
            f.node == member && f.entries <= LAG_ENTRIES_MAX && f.heard_ms_ago.is_some_and(|ms| ms <= HEARD_MS_MAX)
        })
}
