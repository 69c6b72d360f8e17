//! Damage that is found while the node runs: it stops taking part, so that those whose data is whole take over.
//!
//! What is read at the start is checked there (logs, marks); what a session holds is read when it is needed. A leader that
//! cannot read a session would refuse its turns for ever, and no other node would know.

use super::Node;
use crate::machine::DamageFound;
use std::{io, sync::Weak};

impl Node {
    /// Runs a read of the state where waiting is allowed; what it finds damaged ends this node's part.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let done = crate::blocking::blocking(read).await.flatten();
        self.shared.damage.note(&done);
        done
    }
}

/// Waits for damage; then leaderships go to others, and all groups end.
pub(super) async fn run(node: Weak<Node>, found: DamageFound) {
    let what = found.wait().await;
    let Some(node) = node.upgrade() else { return };
    let folder = node.config.data_dir.display();
    tracing::error!(error = what, %folder, "damage: this node stops taking part; `tertulia node rejoin` begins anew");
    node.resign().await;
    node.end_groups().await;
}
