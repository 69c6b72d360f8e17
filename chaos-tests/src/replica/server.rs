//! One bare replica as a process: a node of the replicated log with one call, `Commit`.

use super::proto::{
    CommitReply, CommitRequest, commit_reply::Outcome, replica_server::Replica, replica_server::ReplicaServer,
};
use anyhow::{Context, Result};
use cluster_config::NodeConfig;
use dialogue::{
    CommitOutcome, CommitTurn, IdempotencyKey, ScoredIntent, SessionId, TimestampMs, TurnRecord,
    ports::{Journal, JournalError},
};
use std::{
    path::Path,
    sync::{Arc, OnceLock},
};
use tokio::signal::unix::{SignalKind, signal};
use tonic::{Request, Response, Status, service::Routes};

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

fn turn(request: CommitRequest) -> Result<CommitTurn, Status> {
    let CommitRequest { session, seq, value } = request;
    let bad = |e: &dyn std::fmt::Display| Status::invalid_argument(e.to_string());
    let key = IdempotencyKey::new(format!("k{seq}")).map_err(|e| bad(&e))?;
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
    let session = SessionId::new(session).map_err(|e| bad(&e))?;
    let expected_seq = seq.checked_sub(1).ok_or_else(|| Status::invalid_argument("turns are numbered from 1"))?;
    Ok(CommitTurn { session, expected_seq, turn })
}

#[tonic::async_trait]
impl Replica for Service {
    async fn commit(&self, request: Request<CommitRequest>) -> Result<Response<CommitReply>, Status> {
        let node = self.0.get().ok_or_else(|| Status::unavailable("the replica is starting"))?;
        let reply = |outcome: Outcome, leader: u64| Ok(Response::new(CommitReply { outcome: outcome.into(), leader }));
        match node.commit(turn(request.into_inner())?).await {
            Ok(CommitOutcome::Committed { .. } | CommitOutcome::Replayed(_)) => reply(Outcome::Committed, 0),
            Ok(CommitOutcome::Fenced { actual_seq }) => {
                Err(Status::failed_precondition(format!("the session is at turn {actual_seq}")))
            }
            Err(JournalError::NotLeader { leader, .. }) => reply(Outcome::NotLeader, leader.map_or(0, |l| l.0)),
            Err(e) if e.is_retryable() => reply(Outcome::Again, 0),
            Err(e) => Err(Status::internal(e.to_string())),
        }
    }
}
