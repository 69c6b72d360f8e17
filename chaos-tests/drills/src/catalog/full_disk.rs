//! A disk has no byte left. A node may end for want of room; it is started again once there is some.

use crate::act::Act;
use crate::drill::{Aim, Drill, Plan};

pub(super) const DRILL: Drill = Drill {
    name: "full-disk",
    about: "the disk of the leading node has no byte left",
    aim: Aim::Leader,
    plan: |scene| Plan::simple(scene, Act::FillDisk),
    from_previous_version: false,
};
