//! One bare replica as a process: a node of the replicated log with one call, `Commit`.

use super::proto::{
    CommitBatch, CommitReply, CommitRequest, ReplyBatch, commit_reply::Outcome, replica_server::Replica,
    replica_server::ReplicaServer,
};
use anyhow::{Context, Result};
use cluster_config::NodeConfig;
use dialogue::{
    CommitOutcome, CommitTurn, IdempotencyKey, ScoredIntent, SessionId, TimestampMs, TurnRecord,
    ports::{Journal, JournalError},
};
use futures::{FutureExt, StreamExt, stream::BoxStream, stream::FuturesUnordered};
use std::{
    path::Path,
    sync::{Arc, OnceLock},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};
use tonic::{Request, Response, Status, Streaming, service::Routes};

/// Batches of replies that wait for the transport.
const REPLIES_QUEUED_MAX: usize = 2;

struct Service(Arc<OnceLock<Arc<raft::Node>>>);

/// Runs the node of a configuration until SIGTERM.
pub async fn serve(config: &Path) -> Result<()> {
    let config = NodeConfig::load(config)?;
    let slot = Arc::new(OnceLock::new());
    let routes = Routes::new(ReplicaServer::new(Service(slot.clone())));
    let node = raft::Node::start(&config, routes).await.context("the replica does not start")?;
    drop(slot.set(node.clone()));
    let mut term = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    term.recv().await;
    node.shutdown().await;
    Ok(())
}

fn turn(request: CommitRequest) -> Result<CommitTurn, String> {
    let CommitRequest { session, seq, value, .. } = request;
    let key = IdempotencyKey::new(format!("k{seq}")).map_err(|e| e.to_string())?;
    let turn = TurnRecord {
        seq,
        key,
        at: TimestampMs(1_700_000_000_000),
        release: None,
        text: value,
        intent: ScoredIntent::default(),
        entities: vec![],
        events: vec![],
        replies: vec![],
    };
    let session = SessionId::new(session).map_err(|e| e.to_string())?;
    let expected_seq = seq.checked_sub(1).ok_or("turns are numbered from 1")?;
    Ok(CommitTurn { session, expected_seq, turn })
}

async fn commit(node: &raft::Node, request: CommitRequest) -> CommitReply {
    let number = request.number;
    let reply =
        |outcome: Outcome, leader: u64, detail: String| CommitReply { number, outcome: outcome.into(), leader, detail };
    let turn = match turn(request) {
        Ok(turn) => turn,
        Err(detail) => return reply(Outcome::Refused, 0, detail),
    };
    match node.commit(turn).await {
        Ok(CommitOutcome::Committed { .. } | CommitOutcome::Replayed(_)) => reply(Outcome::Committed, 0, String::new()),
        Ok(CommitOutcome::Fenced { actual_seq }) => {
            reply(Outcome::Refused, 0, format!("the session is at turn {actual_seq}"))
        }
        Err(JournalError::NotLeader { leader, .. }) => {
            reply(Outcome::NotLeader, leader.map_or(0, |l| l.0), String::new())
        }
        Err(e) if e.is_retryable() => reply(Outcome::Again, 0, e.to_string()),
        Err(e) => reply(Outcome::Refused, 0, e.to_string()),
    }
}

/// Answers one stream until the caller ends it and everything is answered, or leaves.
async fn answer(node: Arc<raft::Node>, mut requests: Streaming<CommitBatch>, replies: mpsc::Sender<ReplyBatch>) {
    let mut open = true;
    let mut running = FuturesUnordered::new();
    loop {
        tokio::select! {
            message = requests.message(), if open => match message {
                Ok(Some(batch)) => running.extend(batch.requests.into_iter().map(|r| commit(&node, r))),
                Ok(None) | Err(_) => open = false,
            },
            Some(reply) = running.next() => {
                let mut ready = vec![reply];
                while let Some(Some(reply)) = running.next().now_or_never() {
                    ready.push(reply);
                }
                if replies.send(ReplyBatch { replies: ready }).await.is_err() {
                    return;
                }
            }
            else => return,
        }
    }
}

#[tonic::async_trait]
impl Replica for Service {
    type CommitStream = BoxStream<'static, Result<ReplyBatch, Status>>;

    async fn commit(&self, request: Request<Streaming<CommitBatch>>) -> Result<Response<Self::CommitStream>, Status> {
        let node = self.0.get().ok_or_else(|| Status::unavailable("the replica is starting"))?;
        let (tx, rx) = mpsc::channel(REPLIES_QUEUED_MAX);
        tokio::spawn(answer(node.clone(), request.into_inner(), tx));
        let replies = futures::stream::unfold(rx, |mut rx| async { rx.recv().await.map(|batch| (Ok(batch), rx)) });
        Ok(Response::new(replies.boxed()))
    }
}
