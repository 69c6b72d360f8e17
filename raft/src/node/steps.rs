//! From the membership that a group has to the one it should have, one step at a time: a pure function.

use std::collections::{BTreeMap, BTreeSet};

/// A group as its leader sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The leader.
    pub(super) me: u64,
    /// One set of voters, or two in a joint configuration.
    pub(super) configs: Vec<BTreeSet<u64>>,
    /// Voters and learners.
    pub(super) nodes: BTreeSet<u64>,
    /// The followers and how they stand.
    pub(super) followers: BTreeMap<u64, Progress>,
}

/// How far a follower is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    /// Entries that it lacks.
    pub(super) lag: u64,
    /// Was it heard of lately?
    pub(super) alive: bool,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing: the membership is what it should be.
    Settled,
    /// Let these nodes learn.
    AddLearners(BTreeSet<u64>),
    /// Wait until this node has caught up, or is there at all.
    WaitFor(u64),
    /// Give the leadership to this voter, which stays.
    HandOver(u64),
    /// Change to these voters, by way of a joint configuration. Who votes no more learns for the moment: a leader that
    /// is in no membership must not append another.
    Change(BTreeSet<u64>),
    /// Let these nodes learn no more.
    RemoveLearners(BTreeSet<u64>),
}

impl Seen {
    fn voters(&self) -> BTreeSet<u64> {
        self.configs.iter().flatten().copied().collect()
    }

    fn has_caught_up(&self, node: u64, lag_max: u64) -> bool {
        node == self.me || self.followers.get(&node).is_some_and(|f| f.alive && f.lag <= lag_max)
    }

    fn is_alive(&self, node: u64) -> bool {
        node == self.me || self.followers.get(&node).is_some_and(|f| f.alive)
    }
}

/// The next step towards `voters` and `learners`.
pub(super) fn next(seen: &Seen, voters: &BTreeSet<u64>, learners: &BTreeSet<u64>, lag_max: u64) -> Step {
    if !seen.nodes.contains(&seen.me) {
        return Step::WaitFor(seen.me);
    }
    // What another leader has begun comes first: only from a single set of voters the way is clear.
    if let [_, target] = &seen.configs[..] {
        return Step::Change(target.clone());
    }
    let wanted: BTreeSet<u64> = voters.union(learners).copied().collect();
    let missing: BTreeSet<u64> = wanted.difference(&seen.nodes).copied().collect();
    if !missing.is_empty() {
        return Step::AddLearners(missing);
    }
    let now = seen.voters();
    if now != *voters {
        let behind = voters.difference(&now).find(|v| !seen.has_caught_up(**v, lag_max));
        if let Some(behind) = behind {
            return Step::WaitFor(*behind);
        }
        // The new voters must be able to go on by themselves.
        let alive = voters.iter().filter(|v| seen.is_alive(**v)).count();
        if alive <= voters.len() / 2 {
            return Step::WaitFor(*voters.iter().find(|v| !seen.is_alive(**v)).unwrap_or(&seen.me));
        }
        let stay: BTreeSet<u64> = voters.intersection(&now).copied().collect();
        if !voters.contains(&seen.me) && !stay.is_empty() {
            return hand_over(seen, &stay, lag_max);
        }
        return Step::Change(voters.clone());
    }
    if !voters.contains(&seen.me) {
        return hand_over(seen, voters, lag_max);
    }
    let extra: BTreeSet<u64> = seen.nodes.difference(&wanted).copied().collect();
    if extra.is_empty() { Step::Settled } else { Step::RemoveLearners(extra) }
}

/// To the nearest of these voters.
fn hand_over(seen: &Seen, to: &BTreeSet<u64>, lag_max: u64) -> Step {
    let well = to.iter().filter(|v| seen.has_caught_up(**v, lag_max));
    let nearest = well.min_by_key(|v| seen.followers.get(v).map_or(u64::MAX, |f| f.lag));
    let first = to.first().copied().unwrap_or(seen.me);
    nearest.map_or(Step::WaitFor(first), |to| Step::HandOver(*to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(ids: &[u64]) -> BTreeSet<u64> {
        ids.iter().copied().collect()
    }

    fn seen(me: u64, configs: &[&[u64]], learners: &[u64], lag: u64) -> Seen {
        let configs: Vec<BTreeSet<u64>> = configs.iter().map(|c| set(c)).collect();
        let nodes: BTreeSet<u64> = configs.iter().flatten().copied().chain(learners.iter().copied()).collect();
        let followers = nodes.iter().filter(|n| **n != me);
        let followers =
            followers.map(|n| (*n, Progress { lag: if learners.contains(n) { lag } else { 0 }, alive: true }));
        Seen { me, followers: followers.collect(), configs, nodes }
    }

    fn step(seen: &Seen, voters: &[u64]) -> Step {
        next(seen, &set(voters), &set(&[]), 10)
    }

    #[test]
    fn a_shard_moves_by_learner_joint_change_and_nothing_else() {
        assert_eq!(step(&seen(1, &[&[1, 2, 3]], &[], 0), &[1, 2, 3]), Step::Settled);
        assert_eq!(step(&seen(1, &[&[1, 2, 3]], &[], 0), &[1, 2, 4]), Step::AddLearners(set(&[4])));
        assert_eq!(step(&seen(1, &[&[1, 2, 3]], &[4], 500), &[1, 2, 4]), Step::WaitFor(4));
        assert_eq!(step(&seen(1, &[&[1, 2, 3]], &[4], 5), &[1, 2, 4]), Step::Change(set(&[1, 2, 4])));
        // Another leader finds the change half done.
        assert_eq!(step(&seen(2, &[&[1, 2, 3], &[1, 2, 4]], &[], 0), &[1, 2, 4]), Step::Change(set(&[1, 2, 4])));
        // Even when something else is wanted by now.
        assert_eq!(step(&seen(2, &[&[1, 2, 3], &[1, 2, 4]], &[], 0), &[1, 2, 3]), Step::Change(set(&[1, 2, 4])));
        assert_eq!(step(&seen(2, &[&[1, 2, 4]], &[3], 0), &[1, 2, 4]), Step::RemoveLearners(set(&[3])));
    }

    #[test]
    fn a_leader_that_leaves_hands_over_first() {
        assert_eq!(step(&seen(3, &[&[1, 2, 3]], &[4], 0), &[1, 2, 4]), Step::HandOver(1));
        let mut stalled = seen(3, &[&[1, 2, 3]], &[4], 0);
        stalled.followers.insert(1, Progress { lag: 99, alive: true });
        assert_eq!(step(&stalled, &[1, 2, 4]), Step::HandOver(2));
        // In a cluster of one zone nobody stays: it hands over when the other votes.
        assert_eq!(step(&seen(1, &[&[1]], &[2], 0), &[2]), Step::Change(set(&[2])));
        assert_eq!(step(&seen(1, &[&[2]], &[1], 0), &[2]), Step::HandOver(2));
        assert_eq!(step(&seen(2, &[&[2]], &[1], 0), &[2]), Step::RemoveLearners(set(&[1])));
        // Who is in no membership any more leaves it alone.
        assert_eq!(step(&seen(9, &[&[2]], &[1], 0), &[2]), Step::WaitFor(9));
    }

    #[test]
    fn no_change_to_voters_that_could_not_go_on() {
        let mut two_down = seen(1, &[&[1, 2, 3]], &[4], 0);
        for node in [2, 3] {
            two_down.followers.insert(node, Progress { lag: 0, alive: false });
        }
        assert_eq!(
            step(&two_down, &[1, 2, 4]),
            Step::Change(set(&[1, 2, 4])),
            "1 and 4 are a majority of the new ones"
        );
        two_down.followers.insert(4, Progress { lag: 0, alive: false });
        assert_eq!(step(&two_down, &[1, 2, 4]), Step::WaitFor(4));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// From any membership, with everybody well, the steps end where they should, whoever leads in between.
        #[test]
        fn the_steps_end(from in prop::collection::btree_set(1u64..6, 3..=3), to in prop::collection::btree_set(1u64..6, 3..=3),
                         learners in prop::collection::btree_set(1u64..6, 0..3)) {
            let learners: BTreeSet<u64> = learners.difference(&to).copied().collect();
            let mut now = Seen { me: *from.first().unwrap(), nodes: from.clone(), configs: vec![from], ..Seen::default() };
            for _ in 0..12 {
                now.followers = now.nodes.iter().map(|n| (*n, Progress { lag: 0, alive: true })).collect();
                match next(&now, &to, &learners, 10) {
                    Step::Settled => break,
                    Step::AddLearners(nodes) => now.nodes.extend(nodes),
                    Step::WaitFor(node) => prop_assert!(false, "waits for {node}, which is well"),
                    Step::HandOver(node) => {
                        prop_assert!(now.configs[0].contains(&node) && to.contains(&node));
                        now.me = node;
                    }
                    // The leader dies between the two halves of the change.
                    Step::Change(voters) if now.configs.len() == 1 => {
                        now.configs.push(voters);
                        now.me = *now.configs[1].last().unwrap();
                    }
                    Step::Change(voters) => now.configs = vec![voters],
                    Step::RemoveLearners(nodes) => {
                        prop_assert!(!nodes.contains(&now.me) && nodes.is_disjoint(&now.configs[0]));
                        now.nodes = now.nodes.difference(&nodes).copied().collect();
                    }
                }
            }
            prop_assert_eq!(&now.configs, &vec![to.clone()]);
            prop_assert_eq!(now.nodes, to.union(&learners).copied().collect::<BTreeSet<_>>());
        }
    }
}
