//! Leaderships go back to a node that was away, and just then another zone is lost.

use crate::act::Act;
use crate::drill::{Aim, Drill, HOLD, Plan, Step};
use std::time::Duration;

pub(super) const DRILL: Drill = Drill {
    name: "lose-zone-in-a-move",
    about: "kill -9 of another zone at the moment in which leaderships move back to a node that was away",
    aim: Aim::Leader,
    plan: |scene| {
        let Some(other) = scene.other else { return Plan::default() };
        Plan {
            prepare: vec![
                Step::Act(scene.victim, Act::Stop),
                Step::Wait(Duration::from_millis(500)),
                Step::Act(scene.victim, Act::Start),
                Step::Ready(scene.victim),
                Step::Leads(scene.victim),
            ],
            strike: vec![Step::Act(other, Act::Kill)],
            hold: HOLD,
            heal: vec![Step::Act(other, Act::Start)],
        }
    },
    from_previous_version: false,
};
