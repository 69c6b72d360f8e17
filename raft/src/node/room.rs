//! Room on the disk: a node that has none leads nothing that another could lead.

use super::{Node, group::Group};
use crate::{
    limits::{DISK_EVERY, HANDOVERS_AT_ONCE_MAX},
    proto::Reluctance,
};
use futures::StreamExt;
use std::sync::{Arc, Weak};
use tokio::{task::JoinSet, time::interval};

/// Looks at the free space, and makes way for others while there is too little.
pub(super) async fn run(node: Weak<Node>) {
    let mut every = interval(DISK_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut going = JoinSet::new();
    loop {
        every.tick().await;
        while going.try_join_next().is_some() {}
        let Some(node) = node.upgrade().filter(|n| !n.is_stopping()) else { return };
        let free_bytes = match node.disk.look(&node.config.data_dir) {
            Ok(free_bytes) => free_bytes,
            Err(e) => {
                tracing::warn!(error = %e, "the free space of the data folder cannot be read");
                continue;
            }
        };
        if node.disk.is_too_little(free_bytes) && going.is_empty() {
            // First the doors: whoever proposes from now on waits for the next leader instead of being refused.
            let led = node.led_that_others_could().into_iter().map(|(heirs, group)| (group.door.close(), heirs, group));
            let led: Vec<_> = led.collect();
            if !led.is_empty() {
                tracing::warn!(groups = led.len(), free_bytes, "no room: others take over");
                let each = futures::stream::iter(led);
                going.spawn(each.for_each_concurrent(HANDOVERS_AT_ONCE_MAX, async |(closed, heirs, group)| {
                    group.make_way(&heirs).await;
                    drop(closed);
                }));
            }
        }
        node.disk.saw(free_bytes);
        node.says_its_reluctance();
    }
}

impl Node {
    /// Says to the others whether this node leads nothing that they could, and why.
    pub(super) fn says_its_reluctance(&self) {
        self.beat.is_reluctant(if self.disk.refusal().is_some() {
            Reluctance::NoRoom
        } else if self.late.is_recent() {
            Reluctance::Late
        } else {
            Reluctance::None
        });
    }

    /// Who could lead the group instead of this node, the best first: voters that are alive and have room.
    pub(super) fn heirs_of(&self, group: &Group) -> Vec<u64> {
        let mut heirs = group.heirs(&self.pulses);
        heirs.retain(|node| self.is_alive(*node) && self.pulses.reluctance(*node) != Reluctance::NoRoom);
        heirs
    }

    /// The groups that this node leads, with those who could.
    fn led_that_others_could(&self) -> Vec<(Vec<u64>, Arc<Group>)> {
        let mut led = Vec::new();
        for group in self.all_groups().into_iter().filter(|g| g.leads()) {
            let heirs = self.heirs_of(&group);
            if !heirs.is_empty() {
                led.push((heirs, group));
            }
        }
        led
    }
}
