//! A node comes back with a certificate of another authority: nobody may let it in, and nobody may suffer for it.

use crate::act::Act;
use crate::drill::{Aim, Drill, HOLD, Plan, Step};

pub(super) const DRILL: Drill = Drill {
    name: "wrong-certificate",
    about: "a node is started again with a certificate of another authority, and is given its own back while it runs",
    aim: Aim::InTurn,
    plan: |scene| Plan {
        strike: vec![
            Step::Act(scene.victim, Act::Stop),
            Step::Act(scene.victim, Act::WrongCertificate),
            Step::Act(scene.victim, Act::Start),
        ],
        hold: HOLD,
        heal: vec![Step::Act(scene.victim, Act::RightCertificate)],
        ..Plan::default()
    },
    from_previous_version: false,
};
