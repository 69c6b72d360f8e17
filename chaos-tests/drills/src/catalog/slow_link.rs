//! The way between a zone and the others is long and narrow.

use crate::act::Act;
use crate::drill::{Aim, Drill, Plan};

pub(super) const DRILL: Drill = Drill {
    name: "slow-link",
    about: "40 ms more each way between the leading zone and the others, and 2 Mbit/s",
    aim: Aim::Leader,
    plan: |scene| Plan::simple(scene, Act::SlowLink { delay_ms: 40, kilobit: 2_000 }),
    from_previous_version: false,
};
