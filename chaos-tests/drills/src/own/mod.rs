//! An operator's own cluster as the place of a drill: the cluster file says which nodes may be hit, and how.
//!
//! Nothing is done to a node before [`OwnCluster::verify`] has heard from every target that it is what the file says.

mod command;
mod docker;
mod file;
mod kinds;
mod kubernetes;
mod placeholder;
mod read;

pub use docker::Docker;
pub use file::{ClusterFile, FileError, OwnTarget};
pub use kubernetes::Kubernetes;

use crate::act::Act;
use crate::client::Client;
use crate::hands::{Hands, Target};
use crate::rails::NodeView;
use anyhow::{Context, Result, bail, ensure};
use async_trait::async_trait;
use futures::future::join_all;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Hands on the nodes that a cluster file names, and on no others.
#[derive(Debug)]
pub struct OwnCluster {
    cluster: String,
    timeout: Duration,
    nodes: Vec<OwnTarget>,
    targets: Vec<Target>,
    /// By target, what was done and not undone. Also what was tried: a command that failed may have done half of it.
    done: Vec<Vec<Act>>,
    verified: AtomicBool,
}

impl OwnCluster {
    /// Reads a cluster file. Touches nothing.
    pub fn load(path: &Path) -> Result<Self, FileError> {
        Ok(Self::new(ClusterFile::load(path)?))
    }

    /// The cluster that a file describes.
    pub fn new(file: ClusterFile) -> Self {
        let ClusterFile { cluster, timeout, targets: nodes } = file;
        let targets: Vec<Target> = nodes.iter().map(|n| n.target.clone()).collect();
        let done = vec![Vec::new(); nodes.len()];
        Self { cluster, timeout, nodes, targets, done, verified: AtomicBool::new(false) }
    }

    /// Asks every target who it is. A drill begins with this; without it no act but an undoing one is done.
    pub async fn verify(&self, client: &Client) -> Result<()> {
        let asked = join_all(self.targets.iter().map(|target| self.verify_one(client, target))).await;
        let wrong: Vec<String> = asked.into_iter().filter_map(Result::err).map(|e| format!("{e:#}")).collect();
        ensure!(wrong.is_empty(), "the cluster file does not fit the cluster:\n{}", wrong.join("\n"));
        self.verified.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn verify_one(&self, client: &Client, target: &Target) -> Result<()> {
        let who = || format!("node {} at {}", target.node, target.url);
        let view = NodeView::fetch(client, &target.url).await.with_context(who)?;
        let same = [
            ("cluster", view.cluster, self.cluster.clone()),
            ("node", view.node.to_string(), target.node.to_string()),
            ("zone", view.zone, target.zone.clone()),
        ];
        let wrong = same.iter().filter(|(_, found, expected)| found != expected);
        let wrong: Vec<String> =
            wrong.map(|(field, found, expected)| format!("{field}: found {found}, expected {expected}")).collect();
        ensure!(wrong.is_empty(), "{}: {}", who(), wrong.join("; "));
        Ok(())
    }

    /// The command for an act on a target, or why there is none.
    fn argv(&self, target: usize, act: &Act) -> Result<Vec<String>, String> {
        let node = self.nodes.get(target).ok_or_else(|| format!("the cluster file has no target {target}"))?;
        if let Some(argv) = node.commands.get(act.kind()) {
            return placeholder::fill_all(argv, &placeholder::values(&node.target, act));
        }
        let docker = node.docker.as_ref().and_then(|d| d.argv(act, self.timeout));
        let kubernetes = || node.kubernetes.as_ref().and_then(|k| k.argv(act, self.timeout));
        docker.or_else(kubernetes).ok_or_else(|| node.lacks(act))
    }

    async fn carry_out(&self, target: usize, act: &Act) -> Result<()> {
        let argv = self.argv(target, act).map_err(anyhow::Error::msg)?;
        let node = &self.nodes[target];
        if node.commands.contains_key(act.kind()) {
            // Whether a command's effect is there cannot be seen; what this drill has not done it need not undo.
            if kinds::undoes_only(act) && !self.done[target].iter().any(|done| kinds::undoes(act, done)) {
                return Ok(());
            }
            command::run(&argv, self.timeout).await?;
        } else if let Some(docker) = &node.docker {
            docker.carry_out(act, &argv, self.timeout).await?;
        } else if let Some(kubernetes) = &node.kubernetes {
            kubernetes.carry_out(act, &argv, self.timeout).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Hands for OwnCluster {
    fn targets(&self) -> &[Target] {
        &self.targets
    }

    fn place(&self) -> String {
        let nodes: Vec<String> = self.targets.iter().map(|t| format!("{} in {}", t.node, t.zone)).collect();
        format!("the cluster {} (nodes {})", self.cluster, nodes.join(", "))
    }

    fn lacks(&self, target: usize, act: &Act) -> Option<String> {
        self.argv(target, act).err()
    }

    fn describe(&self, target: usize, act: &Act) -> String {
        self.argv(target, act).map_or_else(|lacks| lacks, |argv| command::quote(&argv))
    }

    async fn act(&mut self, target: usize, act: &Act) -> Result<()> {
        let Some(node) = self.nodes.get(target) else { bail!("the cluster file has no target {target}") };
        let who = format!("node {} in zone {}: {act}", node.target.node, node.target.zone);
        if !kinds::undoes_only(act) {
            ensure!(self.verified.load(Ordering::Relaxed), "{who}: nobody has verified yet that the targets are ours");
            self.done[target].push(*act);
        }
        self.carry_out(target, act).await.with_context(|| who)?;
        self.done[target].retain(|done| !kinds::undoes(act, done));
        Ok(())
    }
}
