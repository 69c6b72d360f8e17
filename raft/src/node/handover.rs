//! A leadership that goes in good order: proposals wait at the door for the moment that it takes, and then learn who
//! leads, instead of wandering from node to node while nobody does.

use super::{GroupStatus, Node, Pulses, group::Group};
use crate::limits::{
    HANDOVER_CATCH_UP_MAX, HANDOVER_HOLD_MAX, HANDOVERS_AT_ONCE_MAX, LEARNER_LAG_ENTRIES_MAX, NEW_LEADER_WAIT_MAX,
};
use crate::types::TypeConfig;
use dialogue::ports::Owner;
use futures::StreamExt;
use openraft::{RaftMetrics, ServerState};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

/// How often it is looked at whether the next leader has caught up.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The door of a group: while the leadership goes, proposals and reads wait in front of it.
#[derive(Default)]
pub(super) struct Door {
    /// How many keep it closed.
    closed: Arc<watch::Sender<u32>>,
}

/// Keeps a door closed for as long as it lives.
pub(super) struct Closed(Arc<watch::Sender<u32>>);

impl Door {
    /// Waits while the door is closed, [`HANDOVER_HOLD_MAX`] at most. Who proposes holds a permit, so that not more wait
    /// than may be in flight. Says whether it had to wait.
    pub(super) async fn pass(&self) -> bool {
        if *self.closed.borrow() == 0 {
            return false;
        }
        // Whoever waited too long is refused by openraft.
        drop(timeout(HANDOVER_HOLD_MAX, self.closed.subscribe().wait_for(|n| *n == 0)).await);
        true
    }

    pub(super) fn close(&self) -> Closed {
        self.closed.send_modify(|n| *n += 1);
        Closed(self.closed.clone())
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        self.0.send_modify(|n| *n -= 1);
    }
}

impl Group {
    /// Gives the leadership to a voter, once that has come near. Returns when another leads, or when that did not come
    /// about; then things go on as after any loss of a leader.
    pub(super) async fn hand_over(&self, to: u64) -> bool {
        self.sleep.wake();
        // The target takes over only with the whole log: what it lacks would be a pause.
        let begun = Instant::now();
        while self.lag_of(to).is_some_and(|lag| lag > LEARNER_LAG_ENTRIES_MAX)
            && begun.elapsed() < HANDOVER_CATCH_UP_MAX
        {
            sleep(LOOK_AGAIN).await;
        }
        self.hand_over_now(to).await
    }

    async fn hand_over_now(&self, to: u64) -> bool {
        let begun = Instant::now();
        if !self.leads() {
            return matches!(self.owner(), Owner::Remote(_));
        }
        // What is under way goes with the log: the target waits for all of it before it asks for votes, and this node
        // answers it when it is applied here, as leader or as follower.
        let _closed = self.door.close();
        if let Err(e) = self.raft.trigger().transfer_leader(to).await {
            tracing::warn!(group = %self.id, error = %e, "the leadership cannot be moved");
            return false;
        }
        let mut owner = self.owner.subscribe();
        let moved = timeout(HANDOVER_HOLD_MAX, owner.wait_for(|o| matches!(o, Owner::Remote(_)))).await;
        let moved = matches!(moved, Ok(Ok(_)));
        let took_ms = begun.elapsed().as_millis() as u64;
        tracing::info!(group = %self.id, to, moved, took_ms, "the leadership was handed over");
        moved
    }

    /// Gives the leadership to the first of these that takes it.
    pub(super) async fn hand_over_to_first(&self, heirs: &[u64]) {
        for heir in heirs {
            if self.hand_over(*heir).await {
                return;
            }
        }
    }

    /// The same where waiting is a pause already: whoever proposes waits at the door from the first moment on.
    pub(super) async fn make_way(&self, heirs: &[u64]) {
        self.sleep.wake();
        let _closed = self.door.close();
        for heir in heirs {
            if self.hand_over_now(*heir).await {
                return;
            }
        }
    }

    /// The entries that a follower lacks, as its leader sees it.
    fn lag_of(&self, node: u64) -> Option<u64> {
        GroupStatus::new(None, &self.metrics()).followers.iter().find(|f| f.node == node).map(|f| f.entries)
    }

    /// The voters that could lead: those that would do it best first, and of these the nearest.
    pub(super) fn heirs(&self, pulses: &Pulses) -> Vec<u64> {
        let metrics = self.metrics();
        // A learner cannot lead.
        let votes: Vec<u64> = metrics.membership_config.membership().voter_ids().collect();
        let mut followers = GroupStatus::new(None, &metrics).followers;
        followers.retain(|f| votes.contains(&f.node));
        followers.sort_by_key(|f| (pulses.reluctance(f.node), f.entries, f.heard_ms_ago.unwrap_or(u64::MAX)));
        followers.iter().map(|f| f.node).collect()
    }

    /// A new leader takes no proposals before a majority has answered it once: waits for that, and says whether it is
    /// worth to propose again.
    pub(super) async fn wait_for_first_answers(&self) -> bool {
        let is_new = |m: &RaftMetrics<TypeConfig>| m.state == ServerState::Leader && m.last_quorum_acked.is_none();
        let wait = self.raft.wait(Some(NEW_LEADER_WAIT_MAX));
        let answered = wait.metrics(|m| !is_new(m), "a majority has answered the new leader").await;
        answered.is_ok_and(|m| m.state == ServerState::Leader)
    }
}

impl Node {
    /// Moves all leaderships to other members, and goes on serving as a follower. Says whether there were any that
    /// could be moved.
    pub(super) async fn hand_all_over(&self) -> bool {
        let led = self.all_groups().into_iter().filter(|g| g.leads()).map(|g| (g.heirs(&self.pulses), g));
        let led: Vec<(Vec<u64>, Arc<Group>)> = led.filter(|(heirs, _)| !heirs.is_empty()).collect();
        let any = !led.is_empty();
        let each = futures::stream::iter(led);
        each.for_each_concurrent(HANDOVERS_AT_ONCE_MAX, async |(heirs, group)| group.hand_over_to_first(&heirs).await)
            .await;
        any
    }
}
