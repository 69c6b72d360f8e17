//! Packets between a zone and the others are lost.

use crate::act::Act;
use crate::drill::{Aim, Drill, Plan};

pub(super) const DRILL: Drill = Drill {
    name: "lossy",
    about: "ten of a hundred packets between the leading zone and the others are lost",
    aim: Aim::Leader,
    plan: |scene| Plan::simple(scene, Act::Lossy { percent: 10 }),
    from_previous_version: false,
};
