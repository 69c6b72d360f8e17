//! Which nodes hold which shard: a pure function of the nodes and their zones.
//!
//! In each zone a shard goes to the node with the highest rendezvous weight (Thaler and Ravishankar, *Using
//! name-based mappings to increase hit rates*, 1998) that still has room: no node of a zone holds more than its even
//! share, rounded up. Few shards then spread evenly, and another node takes little more than its share.

use crate::{
    ControlState,
    control::{Assignment, Placement, Refused},
};
use cluster_config::planted_bug;
use std::collections::BTreeMap;

/// The weight of a node for a shard: two rounds of the finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
fn weight(shard: u32, node: u64) -> u64 {
    fn mix(mut z: u64) -> u64 {
        z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    mix(mix(node) ^ u64::from(shard))
}

/// Places all shards over the nodes, each with its zone.
pub(crate) fn place_all(nodes: &[(u64, &str)], shards: u32) -> Vec<Assignment> {
    let mut zones: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (node, zone) in nodes {
        zones.entry(zone).or_default().push(*node);
    }
    let mut held: BTreeMap<u64, usize> = BTreeMap::new();
    let voters = |shard: u32| {
        let mut voters: Vec<u64> = Vec::new();
        for nodes in zones.values() {
            let room = (shards as usize).div_ceil(nodes.len());
            let free = nodes.iter().filter(|n| held.get(n).is_none_or(|h| *h < room));
            let chosen = free.max_by_key(|n| (weight(shard, **n), **n)).expect("the rooms of a zone hold all shards");
            *held.entry(*chosen).or_default() += 1;
            voters.push(*chosen);
        }
        voters.sort_unstable();
        voters
    };
    let mut leads = BTreeMap::new();
    let voters: Vec<Vec<u64>> = (0..shards).map(voters).collect();
    (0..shards).zip(voters).map(|(shard, voters)| with_leader(&mut leads, shard, voters)).collect()
}

/// Lets the voter lead that leads least so far.
fn with_leader(leads: &mut BTreeMap<u64, usize>, shard: u32, voters: Vec<u64>) -> Assignment {
    let leader = *voters.iter().min_by_key(|v| (leads.get(v).copied().unwrap_or(0), **v)).expect("there is a zone");
    *leads.entry(leader).or_default() += 1;
    Assignment { shard, voters, leader }
}

/// What changes when all shards are placed anew over the nodes that are up.
pub(crate) fn balanced(state: &ControlState) -> Vec<Assignment> {
    let up: Vec<(u64, &str)> =
        state.zones().iter().flat_map(|z| state.up_in(z).map(|m| (m.node, m.zone.as_str()))).collect();
    let same = |a: &Assignment| state.placed(a.shard).is_some_and(|p| p.voters == a.voters && p.leader == a.leader);
    place_all(&up, state.shards).into_iter().filter(|a| !same(a)).collect()
}

/// What must change so that no node holds a shard that is not up: each of its shards goes to the node of its zone
/// that holds least. Nothing else moves.
pub(crate) fn vacated(state: &ControlState) -> Vec<Assignment> {
    let mut held: BTreeMap<u64, usize> = state.members.iter().map(|m| (m.node, state.shards_of(m.node))).collect();
    let is_up = |node: u64| state.node(node).is_some_and(|m| m.state == crate::control::NodeState::Up);
    let mut leads: BTreeMap<u64, usize> = BTreeMap::new();
    for placement in state.placement.iter().filter(|p| is_up(p.leader)) {
        *leads.entry(placement.leader).or_default() += 1;
    }
    let mut out = Vec::new();
    for Placement { shard, voters, leader, .. } in &state.placement {
        if voters.iter().all(|v| is_up(*v)) {
            continue;
        }
        let successor = |old: u64| {
            let zone = &state.node(old)?.zone;
            let heir =
                state.up_in(zone).min_by_key(|m| (held.get(&m.node).copied().unwrap_or(0), !weight(*shard, m.node)));
            let heir = heir?.node;
            *held.entry(heir).or_default() += 1;
            Some(heir)
        };
        let mut successor = successor;
        let mut next: Vec<u64> =
            voters.iter().map(|v| if is_up(*v) { *v } else { successor(*v).unwrap_or(*v) }).collect();
        next.sort_unstable();
        out.push(if is_up(*leader) {
            Assignment { shard: *shard, voters: next, leader: *leader }
        } else {
            with_leader(&mut leads, *shard, next)
        });
    }
    out
}

/// Moves one shard from a node to another of its zone.
pub(crate) fn moved(state: &ControlState, shard: u32, from: u64, to: u64) -> Result<Assignment, Refused> {
    let wrong = |reason: String| Refused::Placement { shard, reason };
    let Some(placed) = state.placed(shard) else {
        return Err(wrong(format!("there are {} shards", state.shards)));
    };
    if !placed.voters.contains(&from) {
        return Err(wrong(format!("node {from} does not hold it: nodes {:?} do", placed.voters)));
    }
    if placed.voters.contains(&to) {
        return Err(wrong(format!("node {to} holds it already")));
    }
    let zone = |node: u64| state.node(node).map(|m| m.zone.clone()).ok_or(Refused::UnknownNode { node });
    let (found, expected) = (zone(to)?, zone(from)?);
    if found != expected && !planted_bug("two-voters-a-zone") {
        return Err(wrong(format!("node {to} stands in zone {found:?}, node {from} in {expected:?}")));
    }
    let mut voters: Vec<u64> = placed.voters.iter().map(|v| if *v == from { to } else { *v }).collect();
    voters.sort_unstable();
    let leader = if placed.leader == from { to } else { placed.leader };
    Ok(Assignment { shard, voters, leader })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZONES: [(u64, &str); 5] = [(1, "a"), (2, "b"), (3, "c"), (4, "a"), (5, "b")];

    fn count(placed: &[Assignment], node: u64) -> usize {
        placed.iter().filter(|a| a.voters.contains(&node)).count()
    }

    #[test]
    fn every_shard_has_one_voter_a_zone_and_the_shares_are_even() {
        let placed = place_all(&ZONES, 16);
        for a in &placed {
            let zones: std::collections::BTreeSet<&str> =
                a.voters.iter().map(|v| ZONES.iter().find(|(n, _)| n == v).unwrap().1).collect();
            assert_eq!((zones.len(), a.voters.len()), (3, 3), "{a:?}");
            assert!(a.voters.contains(&a.leader));
        }
        assert_eq!([1, 4, 2, 5, 3].map(|n| count(&placed, n)), [8, 8, 8, 8, 16]);
        let leads: Vec<usize> = (1..=5).map(|n| placed.iter().filter(|a| a.leader == n).count()).collect();
        assert!(leads.iter().all(|l| (2..=4).contains(l)), "{leads:?}");
    }

    #[test]
    fn three_nodes_lead_in_turn() {
        let placed = place_all(&ZONES[..3], 7);
        assert_eq!(placed.iter().map(|a| a.leader).collect::<Vec<_>>(), [1, 2, 3, 1, 2, 3, 1]);
    }

    #[test]
    fn another_node_takes_little_more_than_its_share() {
        let (three, four) = (place_all(&ZONES[..3], 64), place_all(&ZONES[..4], 64));
        let moved = three.iter().zip(&four).filter(|(a, b)| a.voters != b.voters).count();
        assert_eq!(count(&four, 4), 32);
        assert_eq!(moved, 32, "only what the new node takes has moved");
    }
}
