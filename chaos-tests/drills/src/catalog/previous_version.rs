//! A cluster of the version before is upgraded node by node, and loses its leader when half of it is new.

use crate::act::Act;
use crate::drill::{Aim, Drill, HOLD, Plan, Step};
use std::time::Duration;

pub(super) const DRILL: Drill = Drill {
    name: "previous-version",
    about: "nodes that write the records of the version before: half of them are upgraded, the leader is killed, and \
            comes back with the rest as the new version",
    aim: Aim::Leader,
    plan: |scene| {
        let upgrade =
            |target: usize| [Step::Act(target, Act::Stop), Step::Act(target, Act::Start), Step::Ready(target)];
        let others: Vec<usize> = (0..scene.targets).filter(|i| *i != scene.victim).collect();
        let (new, rest) = others.split_at(others.len().div_ceil(2));
        Plan {
            prepare: new.iter().copied().flat_map(upgrade).chain([Step::Wait(Duration::from_secs(1))]).collect(),
            strike: vec![Step::Act(scene.victim, Act::Kill)],
            hold: HOLD,
            // It comes back as it was, and everything that is old is upgraded then.
            heal: [Step::Act(scene.victim, Act::StartPrevious), Step::Ready(scene.victim)]
                .into_iter()
                .chain(rest.iter().copied().chain([scene.victim]).flat_map(upgrade))
                .chain([Step::Wait(Duration::from_secs(1))])
                .collect(),
        }
    },
    from_previous_version: true,
};
