//! `tertulia serve`: one node, from its configuration to its last goodbye.

use crate::action_client::ActionClient;
use crate::brain::LoadedRelease;
use crate::http::{App, routes};
use crate::peers::{PeerTurns, TurnService};
use actors::{Brain, GpuHandle, Router, Sessions, Timers};
use anyhow::Context;
use cluster_config::{NodeConfig, PrivacyOptions};
use dialogue::ports::{Clock, Journal};
use dialogue::{PiiKind, TimestampMs, Zone};
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// How long turns in work may take to end when the node stops.
const DRAIN: Duration = Duration::from_secs(5);

/// The system's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> TimestampMs {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        TimestampMs(since.as_millis() as u64)
    }
}

/// How long requests may take to be answered when the node has failed.
const FAILED_DRAIN: Duration = Duration::from_millis(500);

/// Runs the node until SIGINT or SIGTERM, or until its log cannot be written any more: that is an error.
pub async fn serve(config: NodeConfig, metrics: PrometheusHandle) -> anyhow::Result<()> {
    // Listen first: a port in use is the commonest mistake, and the cheapest to tell.
    let listener = TcpListener::bind(config.http.listen)
        .await
        .with_context(|| format!("http.listen: cannot listen on {}", config.http.listen))?;
    let encoder = match &config.encoder {
        Some(name) => name.to_string_lossy().into_owned(),
        None => crate::brain::encoder_of(&config.release)?,
    };
    let encoder = crate::model_store::encoder_at(&encoder).context("encoder")?;
    let (release_dir, inference) = (config.release.clone(), config.inference.clone());
    let LoadedRelease { mut engine, scorer, compute, id: release } =
        tokio::task::spawn_blocking(move || crate::brain::load_release(&release_dir, &encoder, &inference)).await??;
    engine.require_masks(&masked_kinds(&config.privacy), config.privacy.keep_entity_values);
    let engine = Arc::new(engine);
    tracing::info!(release = release.as_str(), encoder = scorer.describe(), "the release is loaded");
    // Until the node ends.
    let _cache_memory = crate::brain::reserve_cache(&compute, &config.inference)?;
    let gpu = GpuHandle::start(&config.inference).await.context("cannot start the GPU actor")?;
    let nlu = gpu.model(scorer);

    let turns = TurnService::default();
    let raft = raft::Node::start(&config, turns.routes()).await.context("cannot start the log")?;
    let journal: Arc<dyn Journal> = raft.clone();
    let brain = Brain { engine: engine.clone(), nlu: nlu.clone(), release: Some(release.clone()) };
    let me = (raft.id(), Zone::new(&*config.zone)?);
    let actions = Arc::new(ActionClient::new(engine.assistant(), config.action_endpoint.clone(), &config.actions)?);
    let sessions = Sessions::start(journal.clone(), actions, Arc::new(SystemClock), brain, me, config.sessions.clone())
        .await
        .context("cannot start the sessions")?;
    let peers = Arc::new(PeerTurns::new(raft.clone()));
    let router = Router::new(journal, sessions.clone(), peers.clone(), config.limits.turns_in_flight_max);
    turns.open(router.clone(), raft.clone());
    let patience = Duration::from_millis(config.http.turn_deadline_ms);
    let timers = Timers::start(raft.clone(), sessions.clone(), Arc::new(SystemClock), patience).await;
    let timers = timers.context("cannot start the timers")?;

    let app = Arc::new(App {
        config,
        router,
        sessions: sessions.clone(),
        raft: raft.clone(),
        peers,
        engine,
        nlu: nlu.clone(),
        compute,
        release,
        metrics,
        stopping: AtomicBool::new(false),
    });
    tracing::info!(listen = %listener.local_addr()?, node = %raft.id(), zone = app.config.zone, "serving");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(
        axum::serve(listener, routes(app.clone()))
            .with_graceful_shutdown(async move {
                let _ = stopped.await;
            })
            .into_future(),
    );
    let failure = tokio::select! {
        signal = wait_for_signal() => signal.map(|()| None)?,
        why = raft.over() => Some(why.to_owned()),
    };
    if let Some(why) = failure {
        // A new process finds out what is on the disk; whatever restarts this one waits until there is room.
        app.stopping.store(true, Ordering::Relaxed);
        let _ = stop.send(());
        drop(tokio::time::timeout(FAILED_DRAIN, serving).await);
        anyhow::bail!("{why}; the node ends, so that it can be started again");
    }

    // Leadership goes first, while turns can still be forwarded to the next leader; then the door closes.
    tracing::info!("stopping: moving leadership away");
    app.stopping.store(true, Ordering::Relaxed);
    timers.stop();
    raft.resign().await;
    let _ = stop.send(());
    if tokio::time::timeout(DRAIN, serving).await.is_err() {
        tracing::warn!(turns = app.router.turns_in_flight(), "turns were cut off; their clients will ask again");
    }
    sessions.stop();
    raft.shutdown().await;
    gpu.stop();
    tracing::info!("stopped");
    Ok(())
}

/// The kinds of personal data that the configuration names.
fn masked_kinds(options: &PrivacyOptions) -> Vec<PiiKind> {
    options.kinds().map(|kind| PiiKind::from_name(kind.name()).expect("the kinds are those of the analysis")).collect()
}

async fn wait_for_signal() -> anyhow::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_can_name_every_kind_of_personal_data() {
        let options = PrivacyOptions { mask_pii: vec![cluster_config::MaskedData::All], ..PrivacyOptions::default() };
        assert_eq!(masked_kinds(&options), PiiKind::ALL);
        assert_eq!(masked_kinds(&PrivacyOptions::default()), []);
    }
}
