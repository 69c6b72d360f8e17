//! The control state as this node knows it: from its replica of the control group, or from a seed before that.

use super::{Node, StartError, join, replica};
use crate::{ControlState, MemberRecord, NodeRecord, types::GroupId};
use dialogue::ports::JournalError;
use openraft::async_runtime::watch::WatchReceiver;
use std::sync::{Arc, Weak};

/// Follows the replica of the control group.
pub(super) async fn follow(node: Weak<Node>) {
    let Some(group) = node.upgrade().map(|n| n.group(GroupId::CONTROL)) else { return };
    let mut changes = group.raft.data_metrics();
    let mut applied = None;
    loop {
        let now = changes.borrow_watched().last_applied;
        if now != applied {
            applied = now;
            let Some(node) = node.upgrade() else { return };
            match node.control().await {
                Ok(state) => node.see(state),
                Err(e) => tracing::warn!(error = %e, "the control state cannot be read"),
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

impl Node {
    /// Notes once why the cluster does not want this node; it serves nothing from now on.
    pub(super) fn is_refused(&self, refused: StartError) {
        if self.fault.set(refused.to_string()).is_ok() {
            tracing::error!(error = %refused, "this node is not one of the cluster: it serves nothing");
        }
    }

    /// Takes over a control state, unless a later one is known.
    pub(super) fn see(&self, state: ControlState) {
        if let Err(refused) = join::check(&state, &self.config, self.id) {
            return self.is_refused(refused);
        }
        let changed = self.view.send_if_modified(|known| {
            let later = state.version >= known.version && state != **known;
            if later {
                *known = Arc::new(state);
            }
            later
        });
        // Before it is founded, the configuration knows more.
        let view = self.view();
        self.all_groups().iter().for_each(|group| replica::understand(view.feature_level, &group.state, &group.log));
        if changed && view.is_founded() {
            self.peers.follow(&view.members);
        }
    }

    /// The control state as of now; only the leader of the control group knows it.
    pub(crate) async fn control_confirmed(&self) -> Result<ControlState, JournalError> {
        self.ensure_linearizable(&self.group(GroupId::CONTROL)).await?;
        self.control().await
    }

    /// The nodes that are not removed, as this node knows them; before the cluster is founded, the configured ones.
    pub fn members(&self) -> Vec<NodeRecord> {
        let view = self.view();
        if view.is_founded() {
            return view.present().cloned().collect();
        }
        let record = |m: &cluster_config::Member| {
            NodeRecord::from(MemberRecord {
                node: m.node,
                zone: m.zone.clone(),
                peer: m.peer.clone(),
                http: m.http.clone(),
            })
        };
        self.config.members.iter().map(record).collect()
    }

    /// The control state as this node knows it.
    pub(super) fn view(&self) -> Arc<ControlState> {
        self.view.borrow().clone()
    }
}
