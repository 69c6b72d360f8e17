//! Brings the memberships of the groups that this node leads to where the control state wants them.
//!
//! It has no memory. Each time it compares what a group has with what it should have, and takes the next step; a
//! leader that dies at any step leaves a membership from which the next leader goes on.

use super::{
    Node,
    group::Group,
    steps::{self, Progress, Seen, Step},
};
use crate::{
    ControlState,
    limits::{GROUP_MOVES_MAX, LEARNER_LAG_ENTRIES_MAX, PEER_SILENCE_MIN},
    types::GroupId,
};
use openraft::{BasicNode, ChangeMembers, Instant};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::task::JoinSet;

/// How often it is looked at; a change of the control state is seen at once.
const EVERY: Duration = Duration::from_millis(100);
/// How long one step may take. It is looked at again then; what was proposed may still happen.
const STEP: Duration = Duration::from_secs(5);

/// Takes steps for as long as the node runs.
pub(super) async fn run(node: Weak<Node>) {
    let Some(mut view) = node.upgrade().map(|n| n.view.subscribe()) else { return };
    // Not what to do, only what is being done: no group takes two steps at once.
    let mut busy: BTreeSet<GroupId> = BTreeSet::new();
    let mut steps: JoinSet<GroupId> = JoinSet::new();
    loop {
        while let Some(done) = steps.try_join_next() {
            finish(&mut busy, done);
        }
        {
            let Some(node) = node.upgrade().filter(|n| !n.is_stopping()) else { return };
            view.borrow_and_update();
            let state = node.view();
            for (group, step) in node.due(&state) {
                if busy.len() < GROUP_MOVES_MAX && busy.insert(group.id) {
                    let (state, id) = (state.clone(), group.id);
                    steps.spawn(async move {
                        if tokio::time::timeout(STEP, take(&group, &step, &state)).await.is_err() {
                            tracing::warn!(group = %id, ?step, "a change of the membership takes long");
                        }
                        id
                    });
                }
            }
        }
        tokio::select! {
            changed = view.changed() => if changed.is_err() { return },
            Some(done) = steps.join_next(), if !steps.is_empty() => {
                finish(&mut busy, done);
            }
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

fn finish(busy: &mut BTreeSet<GroupId>, done: Result<GroupId, tokio::task::JoinError>) {
    match done {
        Ok(group) => drop(busy.remove(&group)),
        // A step that panicked would otherwise hold its group for ever.
        Err(_) => busy.clear(),
    }
}

async fn take(group: &Group, step: &Step, state: &ControlState) {
    let raft = &group.raft;
    group.sleep.wake();
    let done = match step {
        Step::Settled | Step::WaitFor(_) => return,
        Step::HandOver(to) => {
            tracing::info!(group = %group.id, to, "the leader is to leave the group: it hands over");
            // Whether it went through shows in who leads.
            if !group.hand_over(*to).await {
                tokio::time::sleep(EVERY).await;
            }
            return;
        }
        Step::AddLearners(nodes) => {
            let address =
                |n: &u64| (*n, BasicNode { addr: state.node(*n).map(|m| m.peer.clone()).unwrap_or_default() });
            let nodes: BTreeMap<u64, BasicNode> = nodes.iter().map(address).collect();
            raft.change_membership(ChangeMembers::AddNodes(nodes), true).await
        }
        Step::Change(voters) => raft.change_membership(ChangeMembers::ReplaceAllVoters(voters.clone()), true).await,
        Step::RemoveLearners(nodes) => raft.change_membership(ChangeMembers::RemoveNodes(nodes.clone()), true).await,
    };
    match done {
        Ok(_) => tracing::info!(group = %group.id, ?step, "the membership has changed"),
        Err(e) => {
            tracing::info!(group = %group.id, ?step, error = %e, "the membership did not change; it is looked at again");
            tokio::time::sleep(EVERY).await;
        }
    }
}

impl Node {
    /// The groups that this node leads and that need a step: first those that are under way, then as many others as
    /// may move at once.
    fn due(&self, state: &ControlState) -> Vec<(Arc<Group>, Step)> {
        if !state.is_founded() {
            return Vec::new();
        }
        let (mut begun, mut fresh, mut control) = (Vec::new(), Vec::new(), Vec::new());
        // A group that sleeps has all it should have; it wakes when the control state changes.
        for group in self.all_groups().into_iter().filter(|g| g.leads() && !g.sleep.is_asleep()) {
            let Some((seen, step)) = self.next_step(&group, state) else { continue };
            let step = match step {
                Step::Settled => continue,
                // Who is not there holds up nobody else: it is let in when it is heard of.
                Step::WaitFor(node) if !self.is_alive(node) => continue,
                Step::AddLearners(mut nodes) => {
                    nodes.retain(|n| self.is_alive(*n));
                    if nodes.is_empty() {
                        continue;
                    }
                    Step::AddLearners(nodes)
                }
                step => step,
            };
            // Every node waits for the control group.
            if group.id == GroupId::CONTROL {
                control.push((group, step));
            } else if seen.configs.len() > 1 || seen.nodes != seen.configs[0] {
                // It holds its place among those that move at once, with or without something to do now.
                begun.push((group, step));
            } else {
                fresh.push((group, step));
            }
        }
        let room = GROUP_MOVES_MAX.saturating_sub(begun.len());
        let all = control.into_iter().chain(begun).chain(fresh.into_iter().take(room));
        all.filter(|(_, step)| !matches!(step, Step::WaitFor(_))).collect()
    }

    fn next_step(&self, group: &Group, state: &ControlState) -> Option<(Seen, Step)> {
        let seen = see(group, self.id);
        let (voters, learners) = wanted(state, group.id, &seen)?;
        let step = steps::next(&seen, &voters, &learners, LEARNER_LAG_ENTRIES_MAX);
        Some((seen, step))
    }

    /// The version of its placement that the membership of a group has reached, as its leader sees it.
    pub(super) fn settled_here(&self, group: &Group) -> u64 {
        let state = self.view();
        let metrics = group.metrics();
        let committed = metrics.membership_config == metrics.committed_membership_config;
        match (self.next_step(group, &state), group.id.shard().and_then(|s| state.placed(s.0))) {
            (Some((_, Step::Settled)), placed) if committed => placed.map_or(1, |p| p.version),
            _ => 0,
        }
    }
}

/// Who should vote in a group, and who should learn.
fn wanted(state: &ControlState, group: GroupId, seen: &Seen) -> Option<(BTreeSet<u64>, BTreeSet<u64>)> {
    let Some(shard) = group.shard() else {
        let now: BTreeSet<u64> = seen.configs.iter().flatten().copied().collect();
        let voters = state.control_voters(&now);
        let learners = state.present().map(|m| m.node).filter(|n| !voters.contains(n)).collect();
        return Some((voters, learners));
    };
    let placed = state.placed(shard.0)?;
    Some((placed.voters.iter().copied().collect(), BTreeSet::new()))
}

fn see(group: &Group, me: u64) -> Seen {
    let metrics = group.metrics();
    let membership = metrics.membership_config.membership();
    let next = metrics.last_log_index.map_or(0, |i| i + 1);
    let heard = |node: &u64| metrics.heartbeat.as_ref().and_then(|h| h.get(node)).and_then(|at| at.as_ref());
    let followers = metrics.replication.iter().flatten().filter(|(node, _)| **node != me);
    let progress = |node: &u64, matched: &Option<crate::types::LogId>| Progress {
        lag: next.saturating_sub(matched.as_ref().map_or(0, |m| m.index + 1)),
        alive: heard(node).is_some_and(|at| at.elapsed() < PEER_SILENCE_MIN),
    };
    Seen {
        me,
        configs: membership.get_joint_config().clone(),
        nodes: membership.nodes().map(|(node, _)| *node).collect(),
        followers: followers.map(|(node, matched)| (*node, progress(node, matched))).collect(),
    }
}
