//! Runs custom actions on an action server, by Rasa's webhook protocol.
//!
//! `POST` `{next_action, sender_id, tracker, domain, version}` → `{events, responses}`; HTTP 400 with
//! `{action_name, error}` means that the action refused to run. The call's key travels as `Idempotency-Key`, the same in each
//! attempt and after a failover: a server that does something that must happen once knows a call by it.

mod answer;

use answer::{Answer, Rejection};
use backon::{ExponentialBuilder, Retryable};
use cluster_config::ActionOptions;
use dialogue::format::Assistant;
use dialogue::ports::{ActionCall, ActionError, ActionResult, ActionRunner, BoxFuture};
use reqwest::StatusCode;
use serde::Serialize;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// Largest answer of an action server, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// The version of Rasa whose protocol this is: servers compare it with their own.
const RASA_VERSION: &str = "3.6.21";
/// The pause before a second attempt; twice as long before each further one, and each some random part longer…
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// …up to this.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// What is left of a turn's time for the commit behind its actions: at most this…
const COMMIT_TIME_MAX: Duration = Duration::from_secs(1);
/// …and no more than one part of so many.
const COMMIT_TIME_SHARE: u32 = 4;

/// A client of one action server; without an address every call fails and says so.
pub struct ActionClient {
    endpoint: Option<String>,
    /// How long one attempt may take.
    timeout: Duration,
    attempts_max: u32,
    domain: serde_json::Value,
    /// The actions that are sent the domain; all where none are named.
    with_domain: Option<BTreeSet<String>>,
    http: reqwest::Client,
}

#[derive(Serialize)]
struct Body<'a> {
    next_action: &'a str,
    sender_id: &'a str,
    tracker: &'a serde_json::Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<&'a serde_json::Value>,
    version: &'a str,
}

/// Why an attempt came to nothing.
enum Failure {
    /// It may be tried again.
    Passing(String),
    /// It may not.
    Final(ActionError),
}

impl ActionClient {
    /// `endpoint` is the full address of the webhook; without one the assistant's own `endpoints.yml` counts.
    pub fn new(
        assistant: &Assistant,
        endpoint: Option<String>,
        options: &ActionOptions,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self {
            endpoint: endpoint.or_else(|| assistant.config.action_endpoint.clone()),
            timeout: Duration::from_millis(options.timeout_ms),
            attempts_max: options.attempts_max,
            domain: assistant.domain.to_rasa_json(),
            with_domain: assistant.config.selective_domain.then(|| assistant.domain.actions_with_domain.clone()),
            http: reqwest::Client::builder().build()?,
        })
    }

    /// All attempts at a call, until it succeeds, fails for good, or no time is left.
    async fn call(&self, call: &ActionCall, within: Duration) -> Result<ActionResult, ActionError> {
        let failed = |reason: String| ActionError::Failed { action: call.action.clone(), reason };
        let Some(endpoint) = &self.endpoint else {
            return Err(failed("no action server: set action_endpoint in the node's configuration".into()));
        };
        let deadline = Instant::now() + within.saturating_sub(COMMIT_TIME_MAX.min(within / COMMIT_TIME_SHARE));
        let pauses = ExponentialBuilder::default()
            .with_min_delay(PAUSE_MIN)
            .with_max_delay(PAUSE_MAX)
            .with_max_times(self.attempts_max.saturating_sub(1) as usize)
            .with_jitter();
        let mut last = None;
        let attempts = (async || self.attempt(call, endpoint, deadline).await)
            .retry(pauses)
            .when(|failure| matches!(failure, Failure::Passing(_)))
            .notify(|failure, pause| {
                let Failure::Passing(why) = failure else { return };
                tracing::info!(action = call.action, session = %call.session, why, ?pause, "an action is tried again");
                metrics::counter!("tertulia_action_retries_total").increment(1);
                last = Some(why.clone());
            });
        let ended = tokio::time::timeout_at(deadline, attempts).await;
        match ended {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(Failure::Final(error))) => Err(error),
            Ok(Err(Failure::Passing(why))) => Err(failed(why)),
            Err(_) => {
                let why = last.map(|why| format!("; before: {why}")).unwrap_or_default();
                Err(failed(format!("{endpoint}: no answer in the time that the turn has{why}")))
            }
        }
    }

    async fn attempt(&self, call: &ActionCall, endpoint: &str, deadline: Instant) -> Result<ActionResult, Failure> {
        let failed = |what: String| {
            let reason = format!("{endpoint}: {what}");
            Failure::Final(ActionError::Failed { action: call.action.clone(), reason })
        };
        let passing = |what: &dyn std::error::Error| Failure::Passing(format!("{endpoint}: {}", chain(what)));
        let body = Body {
            next_action: &call.action,
            sender_id: call.session.as_str(),
            tracker: &call.tracker,
            domain: self.sends_domain(&call.action).then_some(&self.domain),
            version: RASA_VERSION,
        };
        let timeout = self.timeout.min(deadline.saturating_duration_since(Instant::now()));
        let request = self.http.post(endpoint).timeout(timeout).header("Idempotency-Key", &call.key).json(&body);
        let mut answer = match request.send().await {
            Ok(answer) => answer,
            // An address that cannot be read does not become a better one.
            Err(e) if e.is_builder() => return Err(failed(chain(&e))),
            Err(e) => return Err(passing(&e)),
        };
        let status = answer.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|e| passing(&e))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > ANSWER_BYTES_MAX {
                return Err(failed(format!("the answer is longer than {ANSWER_BYTES_MAX} bytes")));
            }
        }
        match status {
            StatusCode::BAD_REQUEST => {
                let reason = serde_json::from_slice::<Rejection>(&bytes).map_or_else(|e| e.to_string(), |r| r.error);
                Err(Failure::Final(ActionError::Rejected { action: call.action.clone(), reason }))
            }
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                Err(Failure::Passing(format!("{endpoint}: HTTP {status}")))
            }
            status if !status.is_success() => {
                let said = serde_json::from_slice::<Rejection>(&bytes).map(|r| format!(": {}", r.error));
                Err(failed(format!("HTTP {status}{}", said.unwrap_or_default())))
            }
            _ => {
                let answer: Answer =
                    serde_json::from_slice(&bytes).map_err(|e| failed(format!("the answer is not understood: {e}")))?;
                answer.into_result().map_err(failed)
            }
        }
    }

    fn sends_domain(&self, action: &str) -> bool {
        self.with_domain.as_ref().is_none_or(|some| some.contains(action))
    }
}

impl ActionRunner for ActionClient {
    fn run(&self, call: ActionCall, within: Duration) -> BoxFuture<'_, Result<ActionResult, ActionError>> {
        Box::pin(async move {
            let started = std::time::Instant::now();
            let result = self.call(&call, within).await;
            metrics::histogram!("tertulia_action_seconds").record(started.elapsed().as_secs_f64());
            if let Err(error) = &result {
                tracing::warn!(%error, session = %call.session, "a custom action did not run");
                metrics::counter!("tertulia_action_failures_total").increment(1);
            }
            result
        })
    }
}

/// An error with all its causes: reqwest's own line leaves out the interesting half.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
