//! The catalogue of drills. A new one is a file here and a line in [`DRILLS`].

mod cut_incoming;
mod cut_outgoing;
mod cut_zone;
mod freeze_leader;
mod full_disk;
mod kill_leader;
mod lose_zone_in_a_move;
mod lossy;
mod previous_version;
mod rolling_restart;
mod slow_disk;
mod slow_link;
mod step_clock;
mod wrong_certificate;

use crate::drill::Drill;

/// All of them.
pub const DRILLS: &[Drill] = &[
    kill_leader::DRILL,
    freeze_leader::DRILL,
    cut_zone::DRILL,
    cut_outgoing::DRILL,
    cut_incoming::DRILL,
    lossy::DRILL,
    slow_link::DRILL,
    slow_disk::DRILL,
    full_disk::DRILL,
    step_clock::DRILL,
    wrong_certificate::DRILL,
    rolling_restart::DRILL,
    lose_zone_in_a_move::DRILL,
    previous_version::DRILL,
];

/// The drill of that name.
pub fn find(name: &str) -> Option<&'static Drill> {
    DRILLS.iter().find(|drill| drill.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::Scene;
    use std::collections::BTreeSet;

    #[test]
    fn every_drill_undoes_what_it_does_and_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = DRILLS.iter().map(|d| d.name).collect();
        assert_eq!(names.len(), DRILLS.len());
        for drill in DRILLS {
            for round in 0..4 {
                let scene = Scene { victim: round % 3, other: Some((round + 1) % 3), targets: 3, round };
                let plan = (drill.plan)(&scene);
                let mut open = Vec::new();
                for (target, act) in plan.acts() {
                    assert!(target < scene.targets, "{}: target {target}", drill.name);
                    let act = if act == crate::act::Act::StartPrevious { crate::act::Act::Start } else { act };
                    match act.undo() {
                        Some(undo) => open.push((target, undo)),
                        None => open.retain(|left| *left != (target, act)),
                    }
                }
                assert_eq!(open, [], "{} leaves this undone", drill.name);
                assert!(plan.acts().next().is_some(), "{} does nothing", drill.name);
            }
        }
    }
}
