//! What a drill is: whom it aims at, and what it does to them, as data.

use crate::act::Act;
use std::time::Duration;

/// A drill. The catalogue has one file for each.
#[derive(Debug, Clone, Copy)]
pub struct Drill {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub about: &'static str,
    /// Whom it hits.
    pub aim: Aim,
    /// What a round does.
    pub plan: fn(&Scene) -> Plan,
    /// Does each round want a cluster of its own, whose nodes are of the version before? Only the lab has that.
    pub from_previous_version: bool,
}

/// Whom a drill hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// The node that leads most shards.
    Leader,
    /// One after another, a round each.
    InTurn,
}

/// What a round is played on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    /// The node that is hit, as a position among the targets.
    pub victim: usize,
    /// Another that may be hit, too, where there is one.
    pub other: Option<usize>,
    /// How many targets there are.
    pub targets: usize,
    /// The round, from 0.
    pub round: usize,
}

/// A round: the fault lasts from `strike` to `heal`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// What must have happened before.
    pub prepare: Vec<Step>,
    /// The fault.
    pub strike: Vec<Step>,
    /// How long it lasts.
    pub hold: Duration,
    /// What undoes it.
    pub heal: Vec<Step>,
}

/// One step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// An act on a target.
    Act(usize, Act),
    /// Nothing for a while.
    Wait(Duration),
    /// Until a target is ready.
    Ready(usize),
    /// Until a target leads a shard.
    Leads(usize),
}

/// How long a fault lasts, unless its drill says otherwise: far longer than an election.
pub const HOLD: Duration = Duration::from_millis(2_500);

impl Plan {
    /// An act on the victim, undone by its counterpart after a while.
    pub fn simple(scene: &Scene, act: Act) -> Self {
        Self {
            strike: vec![Step::Act(scene.victim, act)],
            hold: HOLD,
            heal: act.undo().map(|undo| Step::Act(scene.victim, undo)).into_iter().collect(),
            ..Self::default()
        }
    }

    /// All steps, in order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.prepare.iter().chain(&self.strike).chain(&self.heal)
    }

    /// All acts, in order, with the target of each.
    pub fn acts(&self) -> impl Iterator<Item = (usize, Act)> {
        self.steps().filter_map(|step| match step {
            Step::Act(target, act) => Some((*target, *act)),
            Step::Wait(_) | Step::Ready(_) | Step::Leads(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simple_fault_is_undone_by_its_counterpart() {
        let scene = Scene { victim: 1, other: None, targets: 3, round: 0 };
        let plan = Plan::simple(&scene, Act::Freeze);
        assert_eq!(plan.acts().collect::<Vec<_>>(), [(1, Act::Freeze), (1, Act::Thaw)]);
    }
}
