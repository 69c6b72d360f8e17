//! What a zone sends arrives, what it is sent is lost.

use crate::act::Act;
use crate::drill::{Aim, Drill, Plan};

pub(super) const DRILL: Drill = Drill {
    name: "cut-incoming",
    about: "one-way partition: nothing passes from the others to the leading zone",
    aim: Aim::Leader,
    plan: |scene| Plan::simple(scene, Act::CutIncoming),
    from_previous_version: false,
};
