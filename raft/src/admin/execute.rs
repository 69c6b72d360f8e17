//! What the leader of the control group does when it is asked.

use super::{AdminError, Answer, Ask, ClusterStatus, ControlStatus, NodeEntry, ShardEntry};
use crate::{ControlCommand, ControlOutcome, ControlState, Node, NodeState, Refused, placement, types::GroupId};
use dialogue::ports::{JournalError, Owner};
use std::collections::BTreeSet;

/// How often a command is made anew when the state has changed under it.
const TRIES: usize = 5;

impl Node {
    /// Answers as the leader of the control group.
    pub(super) async fn execute(&self, ask: &Ask) -> Result<Answer, AdminError> {
        for _ in 0..TRIES {
            let state = self.control_confirmed().await.map_err(|e| failed(&e))?;
            let command = match ask {
                Ask::Status => return Ok(Answer::Status(Box::new(self.cluster_status(&state)))),
                Ask::Add { zone, peer, http, replaces } => {
                    check_address(peer)?;
                    let (zone, peer, http) = (zone.clone(), peer.clone(), http.clone());
                    ControlCommand::AddNode { zone, peer, http, replaces: *replaces }
                }
                Ask::Drain { node, undo } => {
                    let state = if *undo { NodeState::Up } else { NodeState::Draining };
                    ControlCommand::Mark { node: *node, state }
                }
                Ask::Remove { node, force } => {
                    self.check_removal(&state, *node, *force)?;
                    let state = if *force { NodeState::Leaving } else { NodeState::Removed };
                    ControlCommand::Mark { node: *node, state }
                }
                Ask::Move { shard, from, to } => {
                    let moved = placement::moved(&state, *shard, *from, *to).map_err(|r| refused(&r))?;
                    ControlCommand::Place { based_on: state.version, assignments: vec![moved] }
                }
                Ask::Balance => match placement::balanced(&state) {
                    same if same.is_empty() => return Ok(Answer::Placed(0)),
                    assignments => ControlCommand::Place { based_on: state.version, assignments },
                },
            };
            let placed = match (&command, ask) {
                (ControlCommand::Place { assignments, .. }, _) => assignments.len(),
                (_, Ask::Drain { node, undo: false } | Ask::Remove { node, .. }) => state.shards_of(*node),
                _ => 0,
            };
            match self.commit_control(command).await.map_err(|e| failed(&e))? {
                ControlOutcome::Done => return Ok(Answer::Placed(placed as u64)),
                ControlOutcome::Added { node } => return Ok(Answer::Added(node)),
                ControlOutcome::Refused(Refused::Stale { .. }) => {}
                ControlOutcome::Refused(r) => return Err(refused(&r)),
            }
        }
        Err(AdminError::Refused("the control state keeps changing: ask again".into()))
    }

    /// A node goes when it holds nothing any more. A lost one goes as soon as every group can go on without it.
    fn check_removal(&self, state: &ControlState, node: u64, force: bool) -> Result<(), AdminError> {
        let no = |reason: String| Err(AdminError::Refused(reason));
        // Who is removed already, or never was, is told so by the state itself.
        if state.node(node).is_none_or(|m| m.state == NodeState::Removed) {
            return Ok(());
        }
        if !force {
            if !self.is_free_of_replicas(state, node) {
                let shards = state.shards_of(node);
                let still =
                    if shards > 0 { format!("is to hold {shards} shards") } else { "still holds replicas".into() };
                return no(format!("node {node} {still}: drain it first (`tertulia cluster drain {node}`), or wait"));
            }
            return Ok(());
        }
        if node == self.id().0 || self.is_alive(node) {
            return no(format!("node {node} is alive: drain it (`tertulia cluster drain {node}`)"));
        }
        for (group, voters) in self.groups_with(state, node) {
            let alive = voters.iter().filter(|v| **v != node && self.is_alive(**v)).count();
            if alive <= voters.len() / 2 {
                return no(format!("{group} has only {alive} of {} voters alive: it could not go on", voters.len()));
            }
        }
        Ok(())
    }

    /// The groups that a node votes in, each with its voters.
    fn groups_with(&self, state: &ControlState, node: u64) -> Vec<(GroupId, BTreeSet<u64>)> {
        let shards = state.placement.iter().map(|p| (GroupId(p.shard), p.voters.iter().copied().collect()));
        let control = (GroupId::CONTROL, self.control_voters());
        shards.chain([control]).filter(|(_, voters): &(_, BTreeSet<u64>)| voters.contains(&node)).collect()
    }

    /// The cluster as this node sees it.
    pub(crate) fn cluster_status(&self, state: &ControlState) -> ClusterStatus {
        let me = self.id().0;
        let leader = |group: GroupId| match self.owner_of(group) {
            Owner::Local => Some(me),
            Owner::Remote(node) => Some(node.0),
            Owner::Unknown => None,
        };
        let placement: Vec<ShardEntry> = state
            .placement
            .iter()
            .map(|p| ShardEntry {
                shard: p.shard,
                voters: p.voters.clone(),
                preferred: p.leader,
                leader: leader(GroupId(p.shard)),
                settled: self.settled(GroupId(p.shard)) >= p.version,
            })
            .collect();
        let nodes = state.members.iter().map(|m| NodeEntry {
            node: m.node,
            zone: m.zone.clone(),
            peer: m.peer.clone(),
            http: m.http.clone(),
            state: m.state,
            replaces: m.replaces,
            alive: self.is_alive(m.node),
            shards: state.shards_of(m.node),
            leads: placement.iter().filter(|s| s.leader == Some(m.node)).count(),
        });
        ClusterStatus {
            cluster: self.cluster().to_owned(),
            shards: state.shards,
            feature_level: state.feature_level,
            version: state.version,
            nodes: nodes.collect(),
            control: ControlStatus {
                leader: leader(GroupId::CONTROL),
                voters: self.control_voters().into_iter().collect(),
            },
            placement,
        }
    }
}

fn refused(refused: &Refused) -> AdminError {
    AdminError::Refused(refused.to_string())
}

fn failed(error: &JournalError) -> AdminError {
    match error {
        JournalError::StorageFull { .. } | JournalError::Store { .. } => AdminError::Refused(error.to_string()),
        _ => AdminError::NoLeader,
    }
}

fn check_address(peer: &str) -> Result<(), AdminError> {
    let ok = peer.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    let parses = tonic::transport::Endpoint::from_shared(format!("http://{peer}")).is_ok();
    if ok && parses { Ok(()) } else { Err(AdminError::Refused(format!("peer: found {peer:?}, expected host:port"))) }
}
