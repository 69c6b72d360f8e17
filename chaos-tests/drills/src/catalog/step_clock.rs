//! A wall clock jumps an hour, forward or back.

use crate::act::Act;
use crate::drill::{Aim, Drill, Plan};

/// An hour.
const STEP_MS: i64 = 3_600_000;

pub(super) const DRILL: Drill = Drill {
    name: "step-clock",
    about: "the wall clock of the leading node jumps an hour forward, in the next round back, and is set right again",
    aim: Aim::Leader,
    plan: |scene| {
        let offset_ms = if scene.round.is_multiple_of(2) { STEP_MS } else { -STEP_MS };
        Plan::simple(scene, Act::StepClock { offset_ms })
    },
    from_previous_version: false,
};
