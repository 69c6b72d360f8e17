//! What a zone sends is lost, what it is sent arrives.

use crate::act::Act;
use crate::drill::{Aim, Drill, Plan};

pub(super) const DRILL: Drill = Drill {
    name: "cut-outgoing",
    about: "one-way partition: nothing passes from the leading zone to the others",
    aim: Aim::Leader,
    plan: |scene| Plan::simple(scene, Act::CutOutgoing),
    from_previous_version: false,
};
