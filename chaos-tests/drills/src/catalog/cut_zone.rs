//! A zone is cut off from the others; clients still reach it.

use crate::act::Act;
use crate::drill::{Aim, Drill, Plan};

pub(super) const DRILL: Drill = Drill {
    name: "cut-zone",
    about: "nothing passes between the leading zone and the others, both ways; clients still reach all of them",
    aim: Aim::Leader,
    plan: |scene| Plan::simple(scene, Act::Cut),
    from_previous_version: false,
};
