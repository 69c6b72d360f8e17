//! The process that leads most shards ends without a word.

use crate::act::Act;
use crate::drill::{Aim, Drill, Plan};

pub(super) const DRILL: Drill = Drill {
    name: "kill-leader",
    about: "kill -9 of the node that leads most shards; it comes back after a while",
    aim: Aim::Leader,
    plan: |scene| Plan::simple(scene, Act::Kill),
    from_previous_version: false,
};
