//! The API for clients: our own under `/v1`, Rasa's REST channel and parse call, health, metrics.

mod extract;
mod ops;
mod problem;
pub(crate) mod rasa;
pub(crate) mod turns;

pub use ops::StatusBody;
pub use problem::Problem;

use crate::peers::PeerTurns;
use actors::{ModelHandle, Router, Sessions};
use axum::routing::{get, post};
use cluster_config::NodeConfig;
use dialogue::ReleaseId;
use dialogue::engine::Engine;
use metrics_exporter_prometheus::PrometheusHandle;
use shaders::Compute;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What the handlers share.
pub struct App {
    /// The node's options.
    pub config: NodeConfig,
    /// The way to any session.
    pub router: Router,
    /// The sessions in memory here.
    pub sessions: Sessions,
    /// The replicated log.
    pub raft: Arc<raft::Node>,
    /// Reads from other nodes.
    pub peers: Arc<PeerTurns>,
    /// The compiled assistant.
    pub engine: Arc<Engine>,
    /// Its understanding.
    pub nlu: ModelHandle,
    /// Where that runs.
    pub compute: Compute,
    /// The release that answers.
    pub release: ReleaseId,
    /// `GET /metrics`.
    pub metrics: PrometheusHandle,
    /// Set when the node begins to stop: `/readyz` fails from then on.
    pub stopping: AtomicBool,
}

/// All routes.
pub fn routes(app: Arc<App>) -> axum::Router {
    axum::Router::new()
        .route("/v1/sessions/{id}", get(turns::session))
        .route("/v1/sessions/{id}/turns", post(turns::say))
        .route("/v1/sessions/{id}/events", get(turns::events))
        .route("/v1/status", get(ops::status))
        .route("/webhooks/rest/", get(rasa::rest_health))
        .route("/webhooks/rest/webhook", post(rasa::rest_webhook))
        .route("/model/parse", post(rasa::model_parse))
        .route("/healthz", get(ops::healthz))
        .route("/readyz", get(ops::readyz))
        .route("/metrics", get(ops::metrics))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .with_state(app)
}
