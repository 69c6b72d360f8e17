//! A log that cannot be written any more: the process has to end, for only a new one can find out what is on the disk.

use super::Node;
use crate::store::Writer;
use std::sync::Weak;

/// Waits until the writer has failed; then all groups end, so that others are elected, and the node is
/// [over](Node::over). No leadership is handed over: who leads with a log that it cannot write may not be able to, and
/// waiting for that takes longer than an election.
pub(super) async fn run(node: Weak<Node>, writer: Writer) {
    let why = writer.failed().await;
    let Some(node) = node.upgrade() else { return };
    node.end_groups().await;
    // Only this task sets it.
    drop(node.over.set(why.to_owned()));
}
