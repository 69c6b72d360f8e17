//! The port between a drill and whoever can lay hands on the nodes of a cluster: the lab on this machine, or an operator's
//! commands.

use crate::act::Act;
use anyhow::Result;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// A node that a drill may hit, and where its clients find it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Its id.
    pub node: u64,
    /// Its zone.
    pub zone: String,
    /// Base URL of its client API.
    pub url: String,
}

/// Who can lay hands on nodes.
#[async_trait]
pub trait Hands: Send {
    /// The nodes. A drill names them by their position here, and never touches another.
    fn targets(&self) -> &[Target];

    /// Where this is, in a few words, for reports.
    fn place(&self) -> String;

    /// Why an act on a node cannot be done; `None` if it can.
    fn lacks(&self, target: usize, act: &Act) -> Option<String>;

    /// What would be done, in one line: the command, where there is one.
    fn describe(&self, target: usize, act: &Act) -> String;

    /// Does it. For [`Act::Stop`], returns when the node has ended. An act that undoes one that was not done changes
    /// nothing.
    async fn act(&mut self, target: usize, act: &Act) -> Result<()>;

    /// Starts a node again that has ended as it may, where nobody else watches over it.
    fn tend(&mut self, _target: usize) -> Result<()> {
        Ok(())
    }

    /// Has the node's process ended by itself? `None` if that cannot be told.
    fn has_ended(&mut self, _target: usize) -> Option<bool> {
        None
    }

    /// The ends of the nodes' logs, where they can be seen.
    fn log_tails(&self) -> String {
        String::new()
    }
}
