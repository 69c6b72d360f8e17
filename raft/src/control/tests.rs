//! What the control state accepts and refuses, and what holds whatever comes.

use super::*;
use crate::placement;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn member(node: u64, zone: &str) -> MemberRecord {
    MemberRecord { node, zone: zone.into(), peer: format!("h{node}:1"), http: format!("http://h{node}") }
}

fn founded(nodes: &[(u64, &str)], shards: u32) -> ControlState {
    let mut state = ControlState::default();
    assert_eq!(state.apply(ControlCommand::RaiseFeatureLevel(2)), ControlOutcome::Done);
    let members = nodes.iter().map(|(n, z)| member(*n, z)).collect();
    let placement = placement::place_all(nodes, shards);
    assert_eq!(state.apply(ControlCommand::Found { members, shards, placement }), ControlOutcome::Done);
    state
}

fn five() -> ControlState {
    founded(&[(1, "a"), (2, "a"), (3, "b"), (4, "b"), (5, "c")], 8)
}

fn add(zone: &str, peer: &str, replaces: Option<u64>) -> ControlCommand {
    ControlCommand::AddNode { zone: zone.into(), peer: peer.into(), http: "http://x".into(), replaces }
}

fn mark(node: u64, state: NodeState) -> ControlCommand {
    ControlCommand::Mark { node, state }
}

fn refused(state: &mut ControlState, command: ControlCommand) -> String {
    let before = state.clone();
    let ControlOutcome::Refused(refused) = state.apply(command) else { panic!("it was not refused") };
    assert_eq!(*state, before, "a refusal changes nothing");
    refused.to_string()
}

#[test]
fn a_feature_level_never_goes_down_and_gates_what_is_new() {
    let mut state = ControlState::default();
    let found = ControlCommand::Found { members: vec![], shards: 1, placement: vec![] };
    assert!(refused(&mut state, found).contains("feature level is 0, this needs 2"));
    assert_eq!(state.apply(ControlCommand::RaiseFeatureLevel(2)), ControlOutcome::Done);
    assert!(refused(&mut state, ControlCommand::RaiseFeatureLevel(1)).contains("never goes down to 1"));
    assert!(refused(&mut state, add("a", "x:1", None)).contains("not founded yet"));
}

#[test]
fn a_cluster_is_founded_once_and_completely() {
    let mut state = five();
    assert_eq!((state.next_node, state.shards, state.placement.len()), (6, 8, 8));
    let again = ControlCommand::Found { members: vec![], shards: 9, placement: vec![] };
    assert!(refused(&mut state, again).contains("founded already, with 8 shards"));
    let mut other = ControlState { feature_level: 2, ..ControlState::default() };
    let mut placement = placement::place_all(&[(1, "a")], 3);
    placement.pop();
    let part = ControlCommand::Found { members: vec![member(1, "a")], shards: 3, placement };
    assert!(refused(&mut other, part).contains("2 of 3 shards are placed"));
}

#[test]
fn a_drained_node_hands_everything_over_and_its_id_is_never_given_again() {
    let mut state = five();
    assert!(refused(&mut state, mark(1, NodeState::Removed)).contains("drain it first"));
    assert!(refused(&mut state, mark(5, NodeState::Draining)).contains("only one in zone \"c\""));
    assert_eq!(state.apply(mark(1, NodeState::Draining)), ControlOutcome::Done);
    assert!(refused(&mut state, mark(2, NodeState::Draining)).contains("only one in zone \"a\""));
    let before = state.clone();
    let assignments = placement::vacated(&state);
    assert!(assignments.iter().all(|a| before.placed(a.shard).unwrap().voters.contains(&1)), "only what must move");
    let place = ControlCommand::Place { based_on: state.version, assignments };
    assert_eq!(state.apply(place.clone()), ControlOutcome::Done);
    assert_eq!((state.shards_of(1), state.shards_of(2)), (0, 8));
    assert!(refused(&mut state, place).contains("ask again"));
    assert_eq!(state.apply(mark(1, NodeState::Removed)), ControlOutcome::Done);
    assert!(refused(&mut state, mark(1, NodeState::Up)).contains("never used again"));
    // The newest id is the tombstone's neighbour, never the tombstone's.
    assert_eq!(state.apply(add("a", "h1:1", None)), ControlOutcome::Added { node: 6 });
    assert_eq!(state.node(1).unwrap().state, NodeState::Removed);
}

#[test]
fn a_node_that_replaces_another_takes_its_shards_and_its_address() {
    let mut state = five();
    assert!(refused(&mut state, add("c", "h5:1", None)).contains("node 5 has the peer address"));
    assert!(refused(&mut state, add("b", "x:1", Some(5))).contains("node 5 stands in zone \"c\", not in \"b\""));
    assert!(refused(&mut state, add("z", "x:1", None)).contains("the zones are a, b, c"));
    assert!(refused(&mut state, add("c", "x:1", Some(9))).contains("there is no node 9"));
    assert_eq!(state.apply(add("c", "h5:1", Some(5))), ControlOutcome::Added { node: 6 });
    assert_eq!((state.shards_of(5), state.shards_of(6)), (0, 8));
    assert!(state.placement.iter().all(|p| p.version == 2 && p.voters.contains(&p.leader)));
    assert!(refused(&mut state, add("c", "y:1", Some(5))).contains("leaving already"));
    assert!(refused(&mut state, mark(5, NodeState::Up)).contains("leaving already"));
}

#[test]
fn a_shard_moves_within_its_zone_only() {
    let mut state = five();
    let shard = state.placement.iter().find(|p| p.voters.contains(&1)).unwrap().shard;
    let wrong = |from, to| placement::moved(&state, shard, from, to).unwrap_err().to_string();
    assert!(wrong(1, 4).contains("stands in zone \"b\"") || wrong(1, 4).contains("holds it already"));
    assert!(wrong(2, 1).contains("does not hold it"));
    let assignment = placement::moved(&state, shard, 1, 2).unwrap();
    let mut two = assignment.clone();
    two.voters = vec![1, 2, 5];
    two.leader = 1;
    let place = |assignment, based_on| ControlCommand::Place { based_on, assignments: vec![assignment] };
    let based_on = state.version;
    assert!(refused(&mut state, place(two, based_on)).contains("stand in zone \"a\""));
    assert_eq!(state.apply(place(assignment, based_on)), ControlOutcome::Done);
    assert_eq!(state.placed(shard).unwrap().version, 2);
    // Balancing undoes it.
    let assignments = placement::balanced(&state);
    assert_eq!(assignments.len(), 1);
    let based_on = state.version;
    assert_eq!(state.apply(ControlCommand::Place { based_on, assignments }), ControlOutcome::Done);
    assert!(placement::balanced(&state).is_empty());
}

#[test]
fn the_control_group_keeps_its_voters_while_they_are_up() {
    let mut state = five();
    let none = BTreeSet::new();
    assert_eq!(state.control_voters(&none), BTreeSet::from([1, 3, 5]));
    assert_eq!(state.control_voters(&BTreeSet::from([2, 3, 5])), BTreeSet::from([2, 3, 5]));
    assert_eq!(state.apply(mark(2, NodeState::Draining)), ControlOutcome::Done);
    assert_eq!(state.control_voters(&BTreeSet::from([2, 3, 5])), BTreeSet::from([1, 3, 5]));
}

/// What holds after every command.
fn check(state: &ControlState, given: &mut BTreeSet<u64>) {
    assert!(state.members.is_sorted_by(|a, b| a.node < b.node), "no id twice");
    for m in &state.members {
        given.insert(m.node);
        assert!(m.node < state.next_node, "an id that was given lies behind the next one");
    }
    assert_eq!(given.len(), state.members.len(), "a record never goes");
    for zone in state.zones() {
        assert!(state.up_in(zone).next().is_some(), "zone {zone} has nobody up");
    }
    let zones: BTreeMap<u64, &str> = state.present().map(|m| (m.node, m.zone.as_str())).collect();
    for p in &state.placement {
        let of: BTreeSet<&str> = p.voters.iter().map(|v| *zones.get(v).expect("only nodes that are there")).collect();
        assert_eq!((of.len(), &of), (p.voters.len(), &state.zones()), "one voter a zone: {p:?}");
        assert!(p.voters.contains(&p.leader));
    }
}

fn any_command() -> impl Strategy<Value = (u8, u64, u64, usize)> {
    (0u8..8, 1u64..14, 1u64..14, 0usize..3)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_commands_breaks_the_rules(commands in prop::collection::vec(any_command(), 1..60)) {
        let mut state = five();
        let mut given = BTreeSet::new();
        for (i, (what, node, other, zone)) in commands.into_iter().enumerate() {
            let zone = ["a", "b", "c"][zone];
            let based_on = state.version;
            let place = |assignments| ControlCommand::Place { based_on, assignments };
            let command = match what {
                0 => add(zone, &format!("n{i}:1"), None),
                1 => add(zone, &format!("n{i}:1"), Some(node)),
                2 => mark(node, NodeState::Draining),
                3 => mark(node, NodeState::Removed),
                4 => mark(node, NodeState::Up),
                5 => place(placement::vacated(&state)),
                6 => place(placement::balanced(&state)),
                _ => place(placement::moved(&state, (other % 8) as u32, node, other).into_iter().collect()),
            };
            let outcome = state.apply(command.clone());
            if matches!(what, 5 | 6) {
                prop_assert_eq!(outcome, ControlOutcome::Done, "what is computed here is taken");
            }
            check(&state, &mut given);
        }
    }
}
