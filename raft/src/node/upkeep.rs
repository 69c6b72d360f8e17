//! What the leader of the control group does without being asked: it records the beginning, places the shards of
//! nodes that are on their way out, and removes who has left.
//!
//! It has no memory: each time it looks at the control state and takes the next step, so that any leader goes on
//! where another stopped.

use super::Node;
use crate::{
    ControlCommand, ControlOutcome, ControlState, MemberRecord, NodeRecord, NodeState, Refused, control::feature_level,
    placement, types::GroupId,
};
use dialogue::ports::Owner;
use std::{collections::BTreeSet, sync::Weak, time::Duration};

/// How often it is looked at; a change is seen at once.
const EVERY: Duration = Duration::from_millis(500);
/// Pause after a command that did not go through.
const RETRY: Duration = Duration::from_millis(100);

/// Takes steps for as long as this node leads the control group.
pub(super) async fn run(node: Weak<Node>) {
    let Some((mut owner, mut view, mut heard)) =
        node.upgrade().map(|n| (n.group(GroupId::CONTROL).owner.subscribe(), n.view.subscribe(), n.pulses.changes()))
    else {
        return;
    };
    loop {
        let pause = {
            let Some(node) = node.upgrade().filter(|n| !n.is_stopping()) else { return };
            heard.borrow_and_update();
            view.borrow_and_update();
            if *owner.borrow_and_update() == Owner::Local { step(&node).await } else { EVERY }
        };
        if pause.is_zero() {
            continue;
        }
        tokio::select! {
            changed = owner.changed() => if changed.is_err() { return },
            changed = view.changed() => if changed.is_err() { return },
            _ = heard.changed() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Takes the next step; says how long to wait for the one after.
async fn step(node: &Node) -> Duration {
    // What is confirmed wakes the group: not while there is nothing to do.
    if next(node, &node.view()).is_none() {
        return EVERY;
    }
    // The state as of now: an older one would lead to commands that are refused.
    let Ok(state) = node.control_confirmed().await else { return RETRY };
    let Some(command) = next(node, &state) else { return EVERY };
    match node.commit_control(command.clone()).await {
        Ok(ControlOutcome::Done | ControlOutcome::Added { .. }) => {
            tracing::info!(?command, "the control state goes on");
            Duration::ZERO
        }
        Ok(ControlOutcome::Refused(Refused::Stale { .. })) => RETRY,
        Ok(ControlOutcome::Refused(refused)) => {
            tracing::warn!(%refused, ?command, "a step of the control group was refused");
            EVERY
        }
        Err(e) => {
            tracing::debug!(error = %e, "a step of the control group did not go through");
            RETRY
        }
    }
}

fn next(node: &Node, state: &ControlState) -> Option<ControlCommand> {
    let newest = feature_level();
    if state.feature_level < newest && all_understand(node, state, newest) {
        return Some(ControlCommand::RaiseFeatureLevel(newest));
    }
    if state.feature_level < newest {
        return None;
    }
    if !state.is_founded() {
        return found(node);
    }
    let vacated = placement::vacated(state);
    if !vacated.is_empty() {
        return Some(ControlCommand::Place { based_on: state.version, assignments: vacated });
    }
    if let Some(moved) = state.present().find_map(|m| moved(node, m)) {
        return Some(ControlCommand::PutMember(moved));
    }
    let gone = |id: u64| state.shards_of(id) == 0 && node.is_free_of_replicas(state, id);
    let left = state.members.iter().find(|m| m.state == NodeState::Leaving && gone(m.node))?;
    Some(ControlCommand::Mark { node: left.node, state: NodeState::Removed })
}

/// A node whose configuration names another address than the control state.
fn moved(node: &Node, known: &NodeRecord) -> Option<MemberRecord> {
    let configured = node.config.me().filter(|_| known.node == node.id);
    let (peer, http) = match configured {
        Some(me) => (me.peer.clone(), me.http.clone()),
        None => node.pulses.addresses(known.node)?,
    };
    let differs = (&known.peer, &known.http) != (&peer, &http);
    differs.then(|| MemberRecord { node: known.node, zone: known.zone.clone(), peer, http })
}

/// A cluster without a past begins with the newest level. One with a past raises it when every node has said that it
/// understands it: until then an old version may read the log.
fn all_understand(node: &Node, state: &ControlState, level: u32) -> bool {
    let understands = |id: u64| id == node.id || node.pulses.feature_level(id).is_some_and(|l| l >= level);
    state.members.is_empty() || state.present().all(|m| understands(m.node))
}

fn found(node: &Node) -> Option<ControlCommand> {
    let config = &node.config;
    let members: Vec<MemberRecord> = config
        .members
        .iter()
        .map(|m| MemberRecord { node: m.node, zone: m.zone.clone(), peer: m.peer.clone(), http: m.http.clone() })
        .collect();
    let nodes: Vec<(u64, &str)> = config.members.iter().map(|m| (m.node, m.zone.as_str())).collect();
    let placement = placement::place_all(&nodes, config.shards);
    (!members.is_empty()).then_some(ControlCommand::Found { members, shards: config.shards, placement })
}

impl Node {
    /// Has every group gone on without this node? By its leaders' word, which they give for the placement of now.
    pub(crate) fn is_free_of_replicas(&self, state: &ControlState, id: u64) -> bool {
        state.shards_of(id) == 0
            && state.placement.iter().all(|p| self.settled(GroupId(p.shard)) >= p.version)
            && !self.control_voters().contains(&id)
    }

    /// The version of its placement that a group's membership has reached, as its leader says.
    pub(crate) fn settled(&self, group: GroupId) -> u64 {
        let here = self.find(group).filter(|g| g.leads()).map(|g| self.settled_here(&g));
        here.or_else(|| self.pulses.leader(group).map(|l| l.settled)).unwrap_or(0)
    }

    /// Who votes in the control group. Learners are not counted: a node that leaves hears of it until it is removed.
    pub(crate) fn control_voters(&self) -> BTreeSet<u64> {
        self.group(GroupId::CONTROL).metrics().membership_config.membership().voter_ids().collect()
    }
}
