//! Memory has budgets: sessions and turns that a node holds at once.

use super::{Invariant, Sight};

/// Compares what is held with what may be.
pub(super) struct Bounds;

impl Invariant for Bounds {
    fn name(&self) -> &'static str {
        "bounds"
    }

    fn look(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        for seen in sight.machines {
            let held = [
                ("sessions in memory", seen.sessions_active, seen.sessions_active_max),
                ("turns in flight", seen.turns_in_flight, seen.turns_in_flight_max),
            ];
            for (what, held, most) in held {
                if held > most {
                    return Err(format!("node {} has {held} {what}, {most} are allowed", seen.status.node));
                }
            }
        }
        Ok(())
    }
}
