//! Every node is asked to end and started again, one after another, as an upgrade does it.

use crate::act::Act;
use crate::drill::{Aim, Drill, Plan, Step};
use std::time::Duration;

pub(super) const DRILL: Drill = Drill {
    name: "rolling-restart",
    about: "SIGTERM and a new start of every node, one after another, each once the last is ready",
    aim: Aim::InTurn,
    plan: |scene| {
        let restart =
            |target: usize| [Step::Act(target, Act::Stop), Step::Act(target, Act::Start), Step::Ready(target)];
        Plan {
            strike: (0..scene.targets).map(|i| (scene.victim + i) % scene.targets).flat_map(restart).collect(),
            hold: Duration::ZERO,
            ..Plan::default()
        }
    },
    from_previous_version: false,
};
