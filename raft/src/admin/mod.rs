//! Changes of the cluster itself: nodes come, hand over, go; shards move. Over the peer port, from any node.

mod client;
mod execute;
mod service;
mod status;

pub use client::Client;
pub(crate) use service::AdminService;
pub use status::{ClusterStatus, ControlStatus, NodeEntry, ShardEntry};

use crate::proto;
use serde::{Deserialize, Serialize};

/// What is asked of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// How things are.
    Status,
    /// An id for a new node.
    Add {
        /// Its zone, one of those that the cluster began with.
        zone: String,
        /// `host:port` of its peer transport.
        peer: String,
        /// Base URL of its client API.
        http: String,
        /// The node that it stands in for.
        replaces: Option<u64>,
    },
    /// Let a node hand its shards over and take no others, or take that back.
    Drain {
        /// The node.
        node: u64,
        /// Take it back.
        undo: bool,
    },
    /// Let a drained node go for good; its id is never used again.
    Remove {
        /// The node.
        node: u64,
        /// The node is lost: its shards are placed elsewhere first, as far as every group can go on without it.
        force: bool,
    },
    /// Move a shard's voter from one node of a zone to another.
    Move {
        /// The shard.
        shard: u32,
        /// Who holds it.
        from: u64,
        /// Who shall.
        to: u64,
    },
    /// Place all shards anew over the nodes that are up.
    Balance,
}

/// What the cluster answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// How things are.
    Status(Box<ClusterStatus>),
    /// The new node's id.
    Added(u64),
    /// So many shards were placed anew. That they are to move does not mean that they have.
    Placed(u64),
}

/// Why there is no [`Answer`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    /// It would break a rule; nothing has changed.
    #[error("{0}")]
    Refused(String),
    /// The control group has no leader now, or nobody knows it: ask again.
    #[error("the control group has no leader now")]
    NoLeader,
    /// A configuration that cannot be used to call.
    #[error("{0}")]
    Config(String),
    /// No node has answered.
    #[error("no node answers: {0}")]
    Unreachable(String),
    /// A node has answered something that cannot be read.
    #[error("a node's answer is not understood: {0}")]
    Answer(String),
}

impl AdminError {
    /// May the same be asked again? What was asked may have been done.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::NoLeader | Self::Unreachable(_))
    }
}

impl From<&Ask> for proto::AdminRequest {
    fn from(ask: &Ask) -> Self {
        use proto::admin_request::Ask as To;
        let ask = match ask.clone() {
            Ask::Status => To::Status(proto::StatusAsk {}),
            Ask::Add { zone, peer, http, replaces } => To::Add(proto::AddAsk { zone, peer, http, replaces }),
            Ask::Drain { node, undo } => To::Drain(proto::DrainAsk { node, undo }),
            Ask::Remove { node, force } => To::Remove(proto::RemoveAsk { node, force }),
            Ask::Move { shard, from, to } => To::Move(proto::MoveAsk { shard, from, to }),
            Ask::Balance => To::Balance(proto::BalanceAsk {}),
        };
        Self { ask: Some(ask), forwarded: false }
    }
}

impl TryFrom<&proto::AdminRequest> for Ask {
    type Error = tonic::Status;
    fn try_from(request: &proto::AdminRequest) -> Result<Self, tonic::Status> {
        use proto::admin_request::Ask as From;
        let ask = request.ask.clone();
        Ok(match ask.ok_or_else(|| tonic::Status::unimplemented("this node does not know what is asked"))? {
            From::Status(_) => Self::Status,
            From::Add(a) => Self::Add { zone: a.zone, peer: a.peer, http: a.http, replaces: a.replaces },
            From::Drain(a) => Self::Drain { node: a.node, undo: a.undo },
            From::Remove(a) => Self::Remove { node: a.node, force: a.force },
            From::Move(a) => Self::Move { shard: a.shard, from: a.from, to: a.to },
            From::Balance(_) => Self::Balance,
        })
    }
}

fn to_wire(answer: Result<Answer, AdminError>) -> Result<proto::AdminReply, tonic::Status> {
    use proto::admin_reply::Answer as To;
    let answer = match answer {
        Ok(Answer::Status(status)) => {
            To::Status(serde_json::to_vec(&*status).map_err(|e| tonic::Status::internal(e.to_string()))?.into())
        }
        Ok(Answer::Added(node)) => To::Added(node),
        Ok(Answer::Placed(shards)) => To::Placed(shards),
        Err(AdminError::Refused(reason)) => To::Refused(reason),
        Err(AdminError::NoLeader) => To::NoLeader(true),
        Err(e) => return Err(tonic::Status::unavailable(e.to_string())),
    };
    Ok(proto::AdminReply { answer: Some(answer) })
}

fn from_wire(reply: proto::AdminReply) -> Result<Answer, AdminError> {
    use proto::admin_reply::Answer as From;
    match reply.answer {
        Some(From::Status(json)) => {
            let status = serde_json::from_slice(&json).map_err(|e| AdminError::Answer(e.to_string()))?;
            Ok(Answer::Status(Box::new(status)))
        }
        Some(From::Added(node)) => Ok(Answer::Added(node)),
        Some(From::Placed(shards)) => Ok(Answer::Placed(shards)),
        Some(From::Refused(reason)) => Err(AdminError::Refused(reason)),
        Some(From::NoLeader(_)) => Err(AdminError::NoLeader),
        None => Err(AdminError::Answer("it is empty".into())),
    }
}
