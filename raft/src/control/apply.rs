//! What a command does to the control state: a pure function.

use super::{
    Assignment, ControlCommand, ControlOutcome, ControlState, MemberRecord, NodeRecord, NodeState, Placement, Refused,
};
use cluster_config::planted_bug;
use std::collections::BTreeSet;

/// The level from which on nodes come and go.
const LEVEL_OF_PLACEMENT: u32 = 2;

impl ControlState {
    /// Applies a command: all of it, or nothing.
    pub fn apply(&mut self, command: ControlCommand) -> ControlOutcome {
        let before = self.version;
        match self.change(command) {
            Ok(outcome) => {
                self.version = before + 1;
                outcome
            }
            Err(refused) => ControlOutcome::Refused(refused),
        }
    }

    fn change(&mut self, command: ControlCommand) -> Result<ControlOutcome, Refused> {
        match command {
            ControlCommand::PutMember(member) => self.put_member(member),
            ControlCommand::RaiseFeatureLevel(asked) => {
                let current = self.feature_level;
                if asked < current {
                    return Err(Refused::LevelDown { current, asked });
                }
                self.feature_level = asked;
                Ok(ControlOutcome::Done)
            }
            ControlCommand::Found { members, shards, placement } => self.found(members, shards, placement),
            ControlCommand::AddNode { zone, peer, http, replaces } => self.add_node(zone, peer, http, replaces),
            ControlCommand::Mark { node, state } => self.mark(node, state),
            ControlCommand::Place { based_on, assignments } => self.place(based_on, assignments),
        }
    }

    fn put_member(&mut self, member: MemberRecord) -> Result<ControlOutcome, Refused> {
        if !self.is_founded() {
            match self.members.binary_search_by_key(&member.node, |m| m.node) {
                Ok(at) => self.members[at] = member.into(),
                Err(at) => self.members.insert(at, member.into()),
            }
            self.next_node = self.next_node.max(self.members.last().map_or(0, |m| m.node + 1));
            return Ok(ControlOutcome::Done);
        }
        self.check_address(&member.peer, &[member.node])?;
        let known = self.known(member.node)?;
        if known.zone != member.zone {
            return Err(Refused::OtherZone { node: known.node, found: member.zone, expected: known.zone.clone() });
        }
        if let Some(known) = self.node_mut(member.node) {
            (known.peer, known.http) = (member.peer, member.http);
        }
        Ok(ControlOutcome::Done)
    }

    fn found(
        &mut self,
        members: Vec<MemberRecord>,
        shards: u32,
        placement: Vec<Assignment>,
    ) -> Result<ControlOutcome, Refused> {
        self.check_level()?;
        if self.is_founded() {
            return Err(Refused::Founded { shards: self.shards });
        }
        let mut next = self.clone();
        for member in members {
            next.put_member(member)?;
        }
        next.shards = shards;
        let shards_named: Vec<u32> = placement.iter().map(|a| a.shard).collect();
        if shards == 0 || shards_named != (0..shards).collect::<Vec<_>>() {
            return Err(Refused::Placement {
                shard: shards,
                reason: format!("{} of {shards} shards are placed", shards_named.len()),
            });
        }
        for assignment in placement {
            next.check_assignment(&assignment)?;
            let Assignment { shard, voters, leader } = assignment;
            next.placement.push(Placement { shard, voters, leader, version: 1 });
        }
        *self = next;
        Ok(ControlOutcome::Done)
    }

    fn add_node(
        &mut self,
        zone: String,
        peer: String,
        http: String,
        replaces: Option<u64>,
    ) -> Result<ControlOutcome, Refused> {
        self.check_level()?;
        self.check_founded()?;
        if !self.zones().contains(zone.as_str()) {
            let known = self.zones().into_iter().collect::<Vec<_>>().join(", ");
            return Err(Refused::UnknownZone { zone, known });
        }
        if let Some(old) = replaces {
            let old = self.known(old)?;
            if old.zone != zone {
                return Err(Refused::OtherZone { node: old.node, found: zone, expected: old.zone.clone() });
            }
            if old.state == NodeState::Leaving {
                return Err(Refused::Leaving { node: old.node });
            }
        }
        // Who replaces a node may stand where it stood.
        self.check_address(&peer, replaces.as_slice())?;
        let node = self.next_node;
        self.next_node += 1;
        // Ids only grow: the newest is the last.
        self.members.push(NodeRecord { node, zone, peer, http, state: NodeState::Up, replaces });
        if let Some(old) = replaces {
            for placement in &mut self.placement {
                placement.substitute(old, node);
            }
            if let Some(old) = self.node_mut(old) {
                old.state = NodeState::Leaving;
            }
        }
        Ok(ControlOutcome::Added { node })
    }

    fn mark(&mut self, node: u64, state: NodeState) -> Result<ControlOutcome, Refused> {
        self.check_level()?;
        self.check_founded()?;
        let known = self.known(node)?.clone();
        if known.state == state {
            return Ok(ControlOutcome::Done);
        }
        if known.state == NodeState::Leaving && state != NodeState::Removed {
            return Err(Refused::Leaving { node });
        }
        let holds = self.shards_of(node);
        if state == NodeState::Removed && holds > 0 {
            return Err(Refused::StillHolds { node, shards: holds });
        }
        if state != NodeState::Up && !self.up_in(&known.zone).any(|m| m.node != node) {
            return Err(Refused::OnlyNodeOfZone { node, zone: known.zone });
        }
        if let Some(known) = self.node_mut(node) {
            known.state = state;
        }
        Ok(ControlOutcome::Done)
    }

    fn place(&mut self, based_on: u64, assignments: Vec<Assignment>) -> Result<ControlOutcome, Refused> {
        self.check_level()?;
        self.check_founded()?;
        if based_on != self.version {
            return Err(Refused::Stale { current: self.version, based_on });
        }
        assignments.iter().try_for_each(|a| self.check_assignment(a))?;
        for Assignment { shard, voters, leader } in assignments {
            let placement = &mut self.placement[shard as usize];
            if placement.voters != voters {
                placement.version += 1;
            }
            (placement.voters, placement.leader) = (voters, leader);
        }
        Ok(ControlOutcome::Done)
    }

    fn check_level(&self) -> Result<(), Refused> {
        let (current, needed) = (self.feature_level, LEVEL_OF_PLACEMENT);
        if current < needed { Err(Refused::LevelTooLow { current, needed }) } else { Ok(()) }
    }

    fn check_founded(&self) -> Result<(), Refused> {
        if self.is_founded() { Ok(()) } else { Err(Refused::NotFounded) }
    }

    /// A node that is not removed.
    fn known(&self, node: u64) -> Result<&NodeRecord, Refused> {
        match self.node(node) {
            None => Err(Refused::UnknownNode { node }),
            Some(m) if m.state == NodeState::Removed => Err(Refused::Removed { node }),
            Some(m) => Ok(m),
        }
    }

    fn check_address(&self, address: &str, except: &[u64]) -> Result<(), Refused> {
        match self.present().find(|m| m.peer == address && m.state != NodeState::Leaving && !except.contains(&m.node)) {
            Some(taken) => Err(Refused::AddressTaken { address: address.to_owned(), node: taken.node }),
            None => Ok(()),
        }
    }

    /// One voter a zone, each of them known; who is not up may stay until it is replaced, but not come in.
    fn check_assignment(&self, assignment: &Assignment) -> Result<(), Refused> {
        let Assignment { shard, voters, leader } = assignment;
        let wrong = |reason: String| Refused::Placement { shard: *shard, reason };
        if *shard >= self.shards {
            return Err(wrong(format!("there are {} shards", self.shards)));
        }
        if !voters.is_sorted_by(|a, b| a < b) {
            return Err(wrong(format!("the voters {voters:?} are not in order")));
        }
        if !voters.contains(leader) {
            return Err(wrong(format!("node {leader} should lead but is none of its voters {voters:?}")));
        }
        let mut zones = BTreeSet::new();
        for voter in voters {
            let node = self.known(*voter)?;
            let stays = self.placed(*shard).is_some_and(|p| p.voters.contains(voter));
            if node.state != NodeState::Up && !stays {
                return Err(wrong(format!("node {voter} takes no shards: it is on its way out")));
            }
            if !zones.insert(node.zone.as_str()) && !planted_bug("two-voters-a-zone") {
                return Err(wrong(format!("two of its voters {voters:?} stand in zone {:?}", node.zone)));
            }
        }
        let expected = self.zones();
        if zones != expected && !planted_bug("two-voters-a-zone") {
            return Err(wrong(format!("its voters {voters:?} are not in all of the zones {expected:?}")));
        }
        Ok(())
    }
}

impl Placement {
    fn substitute(&mut self, old: u64, new: u64) {
        let Some(voter) = self.voters.iter_mut().find(|v| **v == old) else { return };
        *voter = new;
        self.voters.sort_unstable();
        self.version += 1;
        if self.leader == old {
            self.leader = new;
        }
    }
}
