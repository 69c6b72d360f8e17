//! A shard has one voter in each zone, so that no zone takes two with it.

use super::{Invariant, Sight};
use std::collections::BTreeSet;

/// Looks at the placement that each node knows.
pub(super) struct OneVoterPerZone;

impl Invariant for OneVoterPerZone {
    fn name(&self) -> &'static str {
        "one voter per zone"
    }

    fn look(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        for control in sight.machines.iter().filter_map(|m| m.control.as_ref()) {
            for placed in &control.placement {
                let zones = placed.voters.iter().map(|v| control.node(*v).map(|n| n.zone.as_str()));
                let different: BTreeSet<_> = zones.collect();
                if different.len() != placed.voters.len() || different.contains(&None) {
                    return Err(format!(
                        "shard {} is placed on {:?}, in zones {different:?}",
                        placed.shard, placed.voters
                    ));
                }
            }
        }
        Ok(())
    }
}
