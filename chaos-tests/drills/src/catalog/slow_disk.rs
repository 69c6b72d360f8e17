//! A disk takes its time for each barrier.

use crate::act::Act;
use crate::drill::{Aim, Drill, Plan};

pub(super) const DRILL: Drill = Drill {
    name: "slow-disk",
    about: "each fdatasync of the leading node takes 200 ms longer",
    aim: Aim::Leader,
    plan: |scene| Plan::simple(scene, Act::SlowDisk { delay_ms: 200 }),
    from_previous_version: false,
};
