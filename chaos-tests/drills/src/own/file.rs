//! The cluster file: which nodes of an operator's cluster a drill may hit, and how.
//!
//! ```yaml
//! cluster: shop                  # what the nodes' /v1/status say
//! timeout_s: 30                  # for each command
//! targets:                       # no other node is ever touched
//!   - node: 2
//!     zone: b
//!     url: http://10.0.2.5:8080
//!     docker: {container: tertulia-b, network: tertulia_peers}
//!   - node: 3
//!     zone: c
//!     url: http://10.0.3.5:8080
//!     kubernetes: {namespace: chat, pod: tertulia-2, context: prod}
//!   - node: 1
//!     zone: a
//!     url: http://10.0.1.5:8080
//!     commands:                  # no shell; {node}, {zone} and the act's own parameters are replaced
//!       kill: [ssh, zone-a, systemctl, kill, -s, KILL, tertulia]
//!       start: [ssh, zone-a, systemctl, start, tertulia]
//! ```
//!
//! `commands` may stand beside `docker` or `kubernetes`; then a command goes before what they would do. A command has
//! done its work when it ends: `stop` ends when the node has ended. What it leaves running must write elsewhere. Two braces
//! stand for one.

use super::docker::Docker;
use super::kinds;
use super::kubernetes::Kubernetes;
use super::read;
use crate::act::Act;
use crate::hands::Target;
use crate::limits::CLUSTER_FILE_BYTES_MAX;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A cluster file that was read and found right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterFile {
    /// The cluster's name.
    pub cluster: String,
    /// How long each command may take.
    pub timeout: Duration,
    /// The nodes, in the file's order.
    pub targets: Vec<OwnTarget>,
}

/// A node, and who lays hands on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnTarget {
    /// The node.
    pub target: Target,
    /// Its container, if it runs in one.
    pub docker: Option<Docker>,
    /// Its pod, if it runs in one.
    pub kubernetes: Option<Kubernetes>,
    /// Commands by the act's kind: the program and its arguments. They go before container and pod.
    pub commands: BTreeMap<&'static str, Vec<String>>,
}

/// Why a cluster file is refused.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("{}: cannot read the cluster file: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// It is not the YAML that is expected; the message names line, column and field.
    #[error("{}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The parser's words.
        message: String,
    },
    /// A value is not one that can stand there.
    #[error("{}:{line}: {field}: found {found}, expected {expected}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// Dotted path of the field.
        field: String,
        /// What stands there.
        found: String,
        /// What may stand there.
        expected: String,
    },
}

impl ClusterFile {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self, FileError> {
        let failed = |source| FileError::Read { path: path.to_owned(), source };
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(CLUSTER_FILE_BYTES_MAX as u64 + 1).read_to_string(&mut text).map_err(failed)?;
        if text.len() > CLUSTER_FILE_BYTES_MAX {
            return Err(failed(io::Error::other(format!("it is longer than {CLUSTER_FILE_BYTES_MAX} bytes"))));
        }
        read::read(path, &text)
    }
}

impl OwnTarget {
    /// Is there anything that carries out acts of this kind?
    pub(super) fn has(&self, act: &Act) -> bool {
        // Whether there is a command does not depend on how long it may take.
        let any = Duration::from_secs(1);
        self.commands.contains_key(act.kind())
            || self.docker.as_ref().is_some_and(|d| d.argv(act, any).is_some())
            || self.kubernetes.as_ref().is_some_and(|k| k.argv(act, any).is_some())
    }

    /// What the file must say so that an act can be done.
    pub(super) fn lacks(&self, act: &Act) -> String {
        let what = format!("the cluster file has no {} for node {}", act.kind(), self.target.node);
        let by_network = matches!(act, Act::Cut | Act::MendLink);
        if by_network && self.docker.as_ref().is_some_and(|d| d.network.is_none()) && !self.has_link_commands() {
            return format!("{what}: add `network: NAME` to its docker");
        }
        let line = |act: &Act| {
            let parameters = act.parameters().into_iter().map(|(name, _)| format!(", '{{{name}}}'"));
            format!("`{}: [PROGRAM{}]`", act.kind(), parameters.collect::<String>())
        };
        let undo = act.undo().filter(|undo| undo.kind() != act.kind() && !self.has(undo));
        let undo = undo.map(|undo| format!(" and {}", line(&undo))).unwrap_or_default();
        let instead = self.docker.as_ref().is_some_and(|d| d.network.is_some()) && kinds::is_of_link(act);
        let instead = if instead { ", with cut and mend-link as commands too, instead of docker.network" } else { "" };
        format!("{what}: add {}{undo} to its commands{instead}", line(act))
    }

    fn has_link_commands(&self) -> bool {
        self.commands.keys().filter_map(|kind| kinds::of_kind(kind)).any(|act| kinds::is_of_link(&act))
    }
}
