//! Turns and reads between nodes, over the same connections as the log.

use actors::{Peers, Router, TurnError, TurnReply, TurnRequest};
use cluster_config::planted_bug;
use dialogue::ports::{BoxFuture, Consistency, Journal, JournalError, Owner};
use dialogue::{IdempotencyKey, NodeId, SessionId, SessionSnapshot, Value};
use proto::turns_client::TurnsClient;
use proto::turns_server::{Turns, TurnsServer};
use proto::{ForwardReply, ForwardRequest, LoadReply, LoadRequest, Page, forward_reply, load_reply, load_request};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::Instant;
use tonic::{Code, Request, Response, Status};

#[allow(missing_docs, clippy::all)]
mod proto {
    tonic::include_proto!("tertulia.turns.v1");
}

/// Largest message between nodes, in bytes.
const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// How long a read waits for a leader.
const READ_PATIENCE: Duration = Duration::from_secs(5);
/// Pause between two attempts at a read.
const READ_BACKOFF: Duration = Duration::from_millis(50);

/// What of a session is read.
#[derive(Debug, Clone, Copy)]
pub enum Part {
    /// The turns since the context began.
    Context,
    /// Up to `limit` turns after `after_seq`.
    Page {
        /// The last turn that is known.
        after_seq: u64,
        /// How many.
        limit: u32,
    },
}

/// The client side.
pub struct PeerTurns {
    node: Arc<raft::Node>,
}

impl PeerTurns {
    /// Over the node's connections.
    pub fn new(node: Arc<raft::Node>) -> Self {
        Self { node }
    }

    fn client(&self, to: NodeId) -> Result<TurnsClient<tonic::transport::Channel>, TurnError> {
        let channel = self
            .node
            .peer_channel(to)
            .ok_or_else(|| TurnError::Unavailable { detail: format!("node {to} is not of this cluster") })?;
        Ok(TurnsClient::new(channel)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX))
    }

    async fn forward_turn(&self, to: NodeId, turn: TurnRequest) -> Result<TurnReply, TurnError> {
        let time_left = turn.time_left();
        let mut request = Request::new(ForwardRequest {
            session: turn.session.to_string(),
            key: turn.key.to_string(),
            text: turn.text,
            message_id: turn.message_id,
            input_channel: turn.input_channel,
            metadata: to_bytes(&turn.metadata),
            time_left_ms: time_left.as_millis() as u64,
        });
        request.set_timeout(time_left);
        metrics::counter!("tertulia_turns_forwarded_total").increment(1);
        let reply = self.client(to)?.forward(request).await.map_err(|status| refused(&status, to))?;
        match reply.into_inner().answer {
            Some(forward_reply::Answer::Reply(bytes)) => from_bytes(&bytes),
            Some(forward_reply::Answer::Error(bytes)) => Err(from_bytes(&bytes)?),
            None => Err(TurnError::Unavailable { detail: format!("node {to} gave an empty answer") }),
        }
    }

    /// Reads a session, linearizable, from whichever node leads its shard.
    pub async fn read(&self, session: &SessionId, part: Part) -> Result<SessionSnapshot, TurnError> {
        let deadline = Instant::now() + READ_PATIENCE;
        let shard = self.node.shard_of(session);
        if planted_bug("stale-read") {
            return Ok(read_stale(&*self.node, session, part).await?);
        }
        loop {
            let owner = self.node.owner(shard);
            let result = match owner {
                Owner::Local if planted_bug("blind-leader") => {
                    read_stale(&*self.node, session, part).await.map_err(TurnError::from)
                }
                Owner::Local => read_here(&*self.node, session, part).await.map_err(TurnError::from),
                Owner::Remote(to) => self.read_there(to, session, part).await,
                Owner::Unknown => Err(TurnError::NotOwner { leader: None }),
            };
            match result {
                Err(error) if error.is_retryable() && Instant::now() < deadline => {
                    let changed = self.node.owner_changed(shard, owner);
                    let _ = tokio::time::timeout(READ_BACKOFF, changed).await;
                    if self.node.owner(shard) == owner {
                        tokio::time::sleep(READ_BACKOFF).await;
                    }
                }
                Err(TurnError::NotOwner { .. }) => {
                    return Err(TurnError::NoLeader { shard, waited_ms: READ_PATIENCE.as_millis() as u64 });
                }
                done => return done,
            }
        }
    }

    async fn read_there(&self, to: NodeId, session: &SessionId, part: Part) -> Result<SessionSnapshot, TurnError> {
        let what = match part {
            Part::Context => load_request::What::Context(true),
            Part::Page { after_seq, limit } => load_request::What::Page(Page { after_seq, limit }),
        };
        let mut request = Request::new(LoadRequest { session: session.to_string(), what: Some(what) });
        request.set_timeout(READ_PATIENCE);
        let reply = self.client(to)?.load(request).await.map_err(|status| refused(&status, to))?;
        match reply.into_inner().answer {
            Some(load_reply::Answer::Snapshot(bytes)) => from_bytes(&bytes),
            Some(load_reply::Answer::Error(bytes)) => Err(from_bytes(&bytes)?),
            None => Err(TurnError::Unavailable { detail: format!("node {to} gave an empty answer") }),
        }
    }
}

impl Peers for PeerTurns {
    fn forward(&self, to: NodeId, request: TurnRequest) -> BoxFuture<'_, Result<TurnReply, TurnError>> {
        Box::pin(self.forward_turn(to, request))
    }
}

/// A connection that was cut says nothing about the turn: it may have been taken.
fn refused(status: &Status, to: NodeId) -> TurnError {
    match status.code() {
        Code::Unimplemented | Code::PermissionDenied | Code::Unauthenticated | Code::InvalidArgument => {
            TurnError::Unavailable { detail: format!("node {to} refused: {}", status.message()) }
        }
        _ => TurnError::OutcomeUnknown,
    }
}

async fn read_here(journal: &dyn Journal, session: &SessionId, part: Part) -> Result<SessionSnapshot, JournalError> {
    match part {
        Part::Context => journal.load(session.clone()).await,
        Part::Page { after_seq, limit } => {
            let turns = journal.turns(session.clone(), after_seq, limit as usize, Consistency::Linearizable).await?;
            Ok(SessionSnapshot { seq: turns.last().map_or(after_seq, |t| t.seq), turns })
        }
    }
}

/// The planted bugs: what this replica has applied, whoever leads (`stale-read`), or where it believes that it leads
/// (`blind-leader`).
async fn read_stale(journal: &dyn Journal, session: &SessionId, part: Part) -> Result<SessionSnapshot, JournalError> {
    let (after_seq, limit) = match part {
        Part::Context => (0, usize::MAX),
        Part::Page { after_seq, limit } => (after_seq, limit as usize),
    };
    let turns = journal.turns(session.clone(), after_seq, limit, Consistency::Local).await?;
    Ok(SessionSnapshot { seq: turns.last().map_or(after_seq, |t| t.seq), turns })
}

/// The server side. It is registered before the router exists, and answers "not yet" until then.
#[derive(Clone, Default)]
pub struct TurnService {
    ready: Arc<OnceLock<(Router, Arc<raft::Node>)>>,
}

impl TurnService {
    /// Opens the service.
    pub fn open(&self, router: Router, node: Arc<raft::Node>) {
        // Opened twice it stays with the first.
        let _ = self.ready.set((router, node));
    }

    /// As a route of the peer port.
    pub fn routes(&self) -> tonic::service::Routes {
        let server = TurnsServer::new(self.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        tonic::service::Routes::new(server)
    }

    fn opened(&self) -> Result<&(Router, Arc<raft::Node>), TurnError> {
        self.ready.get().ok_or_else(|| TurnError::Unavailable { detail: "it is starting".into() })
    }

    async fn take(&self, request: ForwardRequest) -> Result<TurnReply, TurnError> {
        let (router, _) = self.opened()?;
        let bad = |e: dialogue::ids::IdError| TurnError::BadMessage { detail: e.to_string() };
        router
            .forwarded(TurnRequest {
                session: SessionId::new(request.session).map_err(bad)?,
                key: IdempotencyKey::new(request.key).map_err(bad)?,
                text: request.text,
                message_id: request.message_id,
                input_channel: request.input_channel,
                metadata: from_bytes::<Value>(&request.metadata)?,
                deadline: Instant::now() + Duration::from_millis(request.time_left_ms),
            })
            .await
    }

    async fn give(&self, request: LoadRequest) -> Result<SessionSnapshot, TurnError> {
        let (_, node) = self.opened()?;
        let session = SessionId::new(request.session).map_err(|e| TurnError::BadMessage { detail: e.to_string() })?;
        let part = match request.what {
            Some(load_request::What::Page(Page { after_seq, limit })) => Part::Page { after_seq, limit },
            Some(load_request::What::Context(_)) | None => Part::Context,
        };
        Ok(read_here(&**node, &session, part).await?)
    }
}

#[tonic::async_trait]
impl Turns for TurnService {
    async fn forward(&self, request: Request<ForwardRequest>) -> Result<Response<ForwardReply>, Status> {
        let answer = match self.take(request.into_inner()).await {
            Ok(reply) => forward_reply::Answer::Reply(to_bytes(&reply)),
            Err(error) => forward_reply::Answer::Error(to_bytes(&error)),
        };
        Ok(Response::new(ForwardReply { answer: Some(answer) }))
    }

    async fn load(&self, request: Request<LoadRequest>) -> Result<Response<LoadReply>, Status> {
        let answer = match self.give(request.into_inner()).await {
            Ok(snapshot) => load_reply::Answer::Snapshot(to_bytes(&snapshot)),
            Err(error) => load_reply::Answer::Error(to_bytes(&error)),
        };
        Ok(Response::new(LoadReply { answer: Some(answer) }))
    }
}

fn to_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("our own types have string keys and no failing serializers")
}

fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, TurnError> {
    serde_json::from_slice(bytes)
        .map_err(|e| TurnError::Unavailable { detail: format!("a node's message is not understood: {e}") })
}
