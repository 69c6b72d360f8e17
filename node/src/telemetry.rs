//! Logs as JSON, one object a line, and the Prometheus recorder.

use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::ChronoUtc;

/// UTC with nanoseconds.
const TIMESTAMP: &str = "%Y-%m-%dT%H:%M:%S.%9fZ";

/// Buckets of every histogram in seconds: from a cache hit to a turn's deadline, with an edge at the alert's 500 ms.
const SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Starts logging to standard error: JSON in a server, plain lines for people. `RUST_LOG` changes what is logged.
pub fn start_logs(json: bool, default_filter: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default_filter));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start (in a test, say) keeps the first subscriber.
    let _ = if json {
        builder.json().flatten_event(true).with_timer(ChronoUtc::new(TIMESTAMP.into())).try_init()
    } else {
        builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init()
    };
}

/// Installs the recorder behind `GET /metrics`.
pub fn start_metrics() -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)
        .and_then(|b| {
            b.set_buckets_for_metric(
                Matcher::Suffix("_requests".into()),
                &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0],
            )
        })
        .and_then(PrometheusBuilder::install_recorder)
        .context("cannot start the metrics recorder")?;
    metrics_process::Collector::default().describe();
    metrics::describe_histogram!("tertulia_turn_seconds", "Time from a turn's arrival to its reply, by outcome");
    metrics::describe_counter!("tertulia_turns_total", "Turns by outcome");
    Ok(handle)
}
