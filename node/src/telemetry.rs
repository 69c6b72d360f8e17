//! Logs as JSON, one object a line, and the Prometheus recorder.

use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use shaders::{ComputeReport, MemoryKind, MemoryUsage};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::ChronoUtc;

/// UTC with nanoseconds.
const TIMESTAMP: &str = "%Y-%m-%dT%H:%M:%S.%9fZ";

/// Buckets of every histogram in seconds: from a cache hit to a turn's deadline, with an edge at the alert's 500 ms.
const SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// How late timers are: from a look at what is due to an outage.
const LATE_SECONDS: [f64; 12] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0, 1_800.0, 7_200.0, 86_400.0];

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
        .and_then(|b| {
            b.set_buckets_for_metric(
                Matcher::Suffix("_tokens".into()),
                &[8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0, 2_048.0, 4_096.0],
            )
        })
        .and_then(|b| b.set_buckets_for_metric(Matcher::Full("tertulia_timers_late_seconds".into()), &LATE_SECONDS))
        .and_then(PrometheusBuilder::install_recorder)
        .context("cannot start the metrics recorder")?;
    metrics_process::Collector::default().describe();
    describe();
    Ok(handle)
}

/// Help texts, with units.
fn describe() {
    use metrics::{describe_counter as counter, describe_gauge as gauge, describe_histogram as histogram};
    histogram!("tertulia_turn_seconds", "Time from a turn's arrival to its reply, by outcome");
    counter!("tertulia_turns_total", "Turns by outcome");
    gauge!(
        "tertulia_timers_pending",
        "Sessions that wait for a reminder or their end, in the shards that this node leads"
    );
    counter!("tertulia_timers_fired_total", "Reminders that were triggered and sessions that expired, by kind");
    counter!("tertulia_timers_failed_total", "Times that what was due could not be done and was put off");
    histogram!(
        "tertulia_timers_late_seconds",
        "How long after its time a reminder or an expiry was committed, by kind"
    );
    histogram!("tertulia_action_seconds", "Time of a custom action, with all its attempts");
    counter!("tertulia_action_retries_total", "Calls of custom actions that were tried again");
    counter!("tertulia_action_failures_total", "Custom actions that did not run");
    counter!("tertulia_nlu_cache_hits_total", "Texts that were understood before");
    counter!("tertulia_nlu_cache_misses_total", "Texts that were not");
    gauge!("tertulia_nlu_cache_bytes", "Bytes that understandings of texts take, of all models together");
    gauge!("tertulia_encoder_queue_requests", "Requests that wait for the device, by class");
    histogram!("tertulia_encoder_queue_seconds", "Time that a request waited for the device, by class");
    histogram!("tertulia_encoder_batch_seconds", "Time of a batch, with what is around the device");
    histogram!("tertulia_encoder_batch_requests", "Requests of a batch");
    histogram!("tertulia_encoder_batch_tokens", "Tokens of a batch");
    counter!("tertulia_encoder_tokens_total", "Tokens that were encoded");
    counter!("tertulia_encoder_refusals_total", "Requests without an answer, by class and reason");
    counter!("tertulia_encoder_dropped_total", "Requests that were taken out of the queue, by class and reason");
    counter!("tertulia_encoder_fallbacks_total", "Passes that the CPU path ran because the device could not");
    histogram!("tertulia_encoder_device_seconds", "Time of a pass on the device, by its own clock where it has one");
    gauge!("tertulia_encoder_memory_bytes", "Bytes in the ledger, by memory (device, host) and kind");
    gauge!("tertulia_encoder_memory_limit_bytes", "The ledger's limit, by memory");
    gauge!("tertulia_encoder_memory_peak_bytes", "The most that was in the ledger at once, by memory");
    gauge!("tertulia_encoder_memory_allocated_bytes", "What the device's allocator says it has handed out");
    counter!("tertulia_encoder_device_passes_total", "Passes that the device ran");
    counter!("tertulia_encoder_model_loads_total", "Models that were brought to the device");
    counter!("tertulia_encoder_evictions_total", "Models that had to leave the device for another");
    counter!("tertulia_encoder_device_losses_total", "Times that the device was lost");
    gauge!("tertulia_encoder_device_up", "Is the device there? With its adapter and the precision of weights");
}

/// Sets the metrics of the encoder's memory and device, which are asked for and not counted.
pub fn record_compute(report: &ComputeReport) {
    record_memory("host", &report.host);
    metrics::counter!("tertulia_encoder_fallbacks_total").absolute(report.fallbacks);
    let Some(device) = &report.device else { return };
    record_memory("device", &device.usage);
    if let Some(both) = device.reconciled {
        metrics::gauge!("tertulia_encoder_memory_allocated_bytes").set(both.allocator_bytes as f64);
    }
    metrics::counter!("tertulia_encoder_device_passes_total").absolute(device.passes);
    metrics::counter!("tertulia_encoder_model_loads_total").absolute(device.loads);
    metrics::counter!("tertulia_encoder_evictions_total").absolute(device.evictions);
    metrics::counter!("tertulia_encoder_device_losses_total").absolute(device.losses);
    let (adapter, precision) = (device.adapter.clone(), device.precision.name());
    metrics::gauge!("tertulia_encoder_device_up", "adapter" => adapter, "precision" => precision)
        .set(f64::from(u8::from(device.open)));
}

fn record_memory(memory: &'static str, usage: &MemoryUsage) {
    for (kind, bytes) in MemoryKind::ALL.into_iter().zip(usage.used_bytes) {
        metrics::gauge!("tertulia_encoder_memory_bytes", "memory" => memory, "kind" => kind.name()).set(bytes as f64);
    }
    metrics::gauge!("tertulia_encoder_memory_limit_bytes", "memory" => memory).set(usage.limit_bytes as f64);
    metrics::gauge!("tertulia_encoder_memory_peak_bytes", "memory" => memory).set(usage.peak_bytes as f64);
}
