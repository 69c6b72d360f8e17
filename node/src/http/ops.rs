//! Health, readiness, metrics and the node's status.

use super::{App, Problem};
use axum::extract::State;
use axum::http::StatusCode;
use cluster_config::Member;
use dialogue::ports::Wakes;
use raft::NodeStatus;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// `GET /healthz`: the process answers. It says nothing about a quorum, so that a lost zone restarts nobody.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: every shard has a leader, what was committed is applied, and the node is not stopping.
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    let not_ready = |detail: &str| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", detail);
    if app.stopping.load(Ordering::Relaxed) {
        return Err(not_ready("the node is stopping"));
    }
    if !app.raft.is_ready() {
        return Err(not_ready("a shard has no leader yet, or its log is not applied yet"));
    }
    Ok("ready\n")
}

/// `GET /metrics`.
pub(super) async fn metrics(State(app): State<Arc<App>>) -> String {
    metrics_process::Collector::default().collect();
    metrics::gauge!("tertulia_turns_in_flight").set(app.router.turns_in_flight() as f64);
    metrics::gauge!("tertulia_sessions_active").set(app.sessions.active() as f64);
    metrics::gauge!("tertulia_timers_pending").set(app.raft.pending() as f64);
    metrics::gauge!("tertulia_nlu_cache_bytes").set(app.nlu.gpu().cache_bytes() as f64);
    crate::telemetry::record_compute(&app.compute.report());
    app.metrics.render()
}

/// A node, its log and its release, as `GET /v1/status` has it.
#[derive(Serialize, Deserialize)]
pub struct StatusBody {
    /// The node and its groups.
    #[serde(flatten)]
    pub log: NodeStatus,
    /// The release that answers.
    pub release: String,
    /// The encoder, and what it runs on.
    pub encoder: String,
    /// The node's version.
    pub version: String,
    /// Sessions in memory.
    pub sessions_active: usize,
    /// Turns in the node now.
    pub turns_in_flight: usize,
    /// The nodes of the cluster.
    pub members: Vec<Member>,
}

/// `GET /v1/status`.
pub(super) async fn status(State(app): State<Arc<App>>) -> axum::Json<StatusBody> {
    axum::Json(StatusBody {
        log: app.raft.status(),
        release: app.release.to_string(),
        encoder: app.nlu.describe(),
        version: env!("CARGO_PKG_VERSION").into(),
        sessions_active: app.sessions.active(),
        turns_in_flight: app.router.turns_in_flight(),
        members: app.raft.members().into_iter().map(member).collect(),
    })
}

fn member(node: raft::NodeRecord) -> Member {
    Member { node: node.node, zone: node.zone, peer: node.peer, http: node.http }
}
