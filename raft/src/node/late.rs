//! A leader whose majority answers too late. openraft takes no writes from it, as its lease has run out; and since its
//! heartbeats arrive, nobody else is elected. That lasts as long as its link is slow: so it hands over.

use super::{Node, group::Group};
use crate::{limits::LATE_FOR, types::GroupId};
use openraft::Instant as _;
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep},
};

/// Groups that wait to be looked after; one that finds no place is soon named again.
const WAITING_MAX: usize = 64;
/// How often it is looked at whether a lease holds again, in a longest election timeout.
const LOOKS: u32 = 4;

/// Takes note of writes that are refused because the lease has run out, or that take longer than it lasts.
pub(super) struct Late {
    suspects: mpsc::Sender<GroupId>,
    /// When a leadership of this node was found late last.
    found: Mutex<Option<Instant>>,
}

/// The other end of [`Late`].
pub(super) struct Suspects(mpsc::Receiver<GroupId>);

impl Late {
    pub(super) fn new() -> (Self, Suspects) {
        let (suspects, inbox) = mpsc::channel(WAITING_MAX);
        (Self { suspects, found: Mutex::default() }, Suspects(inbox))
    }

    /// A write of the group went as it does where the majority answers too late.
    pub(super) fn may_be(&self, group: GroupId) {
        _ = self.suspects.try_send(group);
    }

    /// Was a leadership of this node found late a short while ago? Then others lead better.
    pub(super) fn is_recent(&self) -> bool {
        self.found.lock().is_some_and(|at| at.elapsed() < LATE_FOR)
    }
}

/// Looks after the groups of which that was said, each for the longest election timeout: if its lease has not come back
/// by then, the leadership goes to another.
pub(super) async fn run(node: Weak<Node>, Suspects(mut inbox): Suspects) {
    let (mut watched, mut watches) = (BTreeMap::new(), JoinSet::new());
    loop {
        tokio::select! {
            group = inbox.recv() => {
                let Some((group, node)) = group.zip(node.upgrade()) else { return };
                watched.entry(group).or_insert_with(|| watches.spawn(watch(node, group)));
            }
            Some(_) = watches.join_next() => watched.retain(|_, watch| !watch.is_finished()),
        }
    }
}

async fn watch(node: Arc<Node>, id: GroupId) {
    let lease = Duration::from_millis(node.config.raft.election_timeout_ms_max);
    let Some(group) = node.find(id) else { return };
    for _ in 0..LOOKS {
        sleep(lease / LOOKS).await;
        if !group.lacks_lease(lease) {
            return;
        }
    }
    let heirs = node.heirs_of(&group);
    if !heirs.is_empty() {
        tracing::warn!(group = %id, "the majority answers too late: another takes over");
        *node.late.found.lock() = Some(Instant::now());
        node.says_its_reluctance();
        group.make_way(&heirs).await;
    }
}

impl Group {
    /// Does this node lead, and has no majority answered what it was asked within the lease?
    fn lacks_lease(&self, lease: Duration) -> bool {
        self.leads() && self.metrics().last_quorum_acked.is_none_or(|asked| asked.elapsed() > lease)
    }
}
