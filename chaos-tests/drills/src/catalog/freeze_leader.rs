//! The process that leads most shards stands still, with its sockets open, and wakes up as if nothing had happened.

use crate::act::Act;
use crate::drill::{Aim, Drill, Plan};

pub(super) const DRILL: Drill = Drill {
    name: "freeze-leader",
    about: "SIGSTOP of the node that leads most shards, then SIGCONT: it must show and commit nothing of its own",
    aim: Aim::Leader,
    plan: |scene| Plan::simple(scene, Act::Freeze),
    from_previous_version: false,
};
