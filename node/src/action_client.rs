//! Runs custom actions on an action server, by Rasa's webhook protocol.
//!
//! `POST` `{next_action, sender_id, tracker, domain, version}` → `{events, responses}`; HTTP 400 with
//! `{action_name, error}` means that the action refused to run. The call's key travels as `Idempotency-Key`.

use dialogue::ports::{ActionCall, ActionError, ActionResult, ActionRunner, BoxFuture};
use dialogue::{Event, Reply, ReplyButton, Value};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

/// How long one action may take.
const ACTION_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest answer of an action server, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A client of one action server; without an address every call fails and says so.
pub struct ActionClient {
    endpoint: Option<String>,
    http: reqwest::Client,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    events: Vec<serde_json::Value>,
    #[serde(default)]
    responses: Vec<Response>,
}

#[derive(Deserialize)]
struct Response {
    text: Option<String>,
    image: Option<String>,
    #[serde(default)]
    buttons: Vec<Button>,
    attachment: Option<serde_json::Value>,
    custom: Option<serde_json::Value>,
    /// `response` since Rasa 2; `template` before.
    #[serde(alias = "template")]
    response: Option<String>,
    /// What else the action wants put into the template.
    #[serde(flatten)]
    arguments: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct Button {
    title: String,
    payload: String,
}

#[derive(Deserialize)]
struct Rejection {
    error: String,
}

impl ActionClient {
    /// `endpoint` is the full address of the webhook.
    pub fn new(endpoint: Option<String>) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder().timeout(ACTION_TIMEOUT).build()?;
        Ok(Self { endpoint, http })
    }

    async fn call(&self, call: &ActionCall) -> Result<ActionResult, ActionError> {
        let failed = |reason: String| ActionError::Failed { action: call.action.clone(), reason };
        let endpoint = self
            .endpoint
            .as_ref()
            .ok_or_else(|| failed("no action server: set action_endpoint in the node's configuration".into()))?;
        let body = json!({
            "next_action": call.action,
            "sender_id": call.session.as_str(),
            "tracker": call.tracker,
            "domain": {},
            "version": env!("CARGO_PKG_VERSION"),
        });
        let mut answer = self
            .http
            .post(endpoint)
            .header("Idempotency-Key", &call.key)
            .json(&body)
            .send()
            .await
            .map_err(|e| failed(format!("{endpoint}: {}", chain(&e))))?;
        let status = answer.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|e| failed(format!("{endpoint}: {}", chain(&e))))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > ANSWER_BYTES_MAX {
                return Err(failed(format!("{endpoint}: the answer is longer than {ANSWER_BYTES_MAX} bytes")));
            }
        }
        if status == reqwest::StatusCode::BAD_REQUEST {
            let reason = serde_json::from_slice::<Rejection>(&bytes).map_or_else(|e| e.to_string(), |r| r.error);
            return Err(ActionError::Rejected { action: call.action.clone(), reason });
        }
        if !status.is_success() {
            return Err(failed(format!("{endpoint}: HTTP {status}")));
        }
        let answer: Answer = serde_json::from_slice(&bytes)
            .map_err(|e| failed(format!("{endpoint}: the answer is not understood: {e}")))?;
        let events = read_events(&answer.events).map_err(|e| failed(format!("{endpoint}: events: {e}")))?;
        Ok(ActionResult { events, replies: answer.responses.into_iter().map(Response::into_reply).collect() })
    }
}

/// The events of an answer. One that nothing would act on is refused: a user would wait for it in vain.
fn read_events(json: &[serde_json::Value]) -> Result<Vec<Event>, String> {
    let events = Event::sequence_from_rasa_json(json)?;
    match events.iter().find(|e| matches!(e, Event::ReminderScheduled { .. })) {
        Some(Event::ReminderScheduled { name, .. }) => {
            Err(format!("`reminder`: no timer triggers `{name}` yet; let the action answer at once"))
        }
        _ => Ok(events),
    }
}

impl Response {
    fn into_reply(self) -> Reply {
        let value = |json: Option<serde_json::Value>| {
            json.filter(|j| !j.is_null() && j.as_object().is_none_or(|o| !o.is_empty())).map(|j| Value::from_json(&j))
        };
        // A template is rendered with its arguments; other messages have none.
        let custom = match value(self.custom) {
            None if self.response.is_some() => value(Some(self.arguments.into())),
            custom => custom,
        };
        Reply {
            response: self.response,
            text: self.text,
            image: self.image,
            buttons: self.buttons.into_iter().map(|b| ReplyButton { title: b.title, payload: b.payload }).collect(),
            attachment: value(self.attachment),
            custom,
        }
    }
}

impl ActionRunner for ActionClient {
    fn run(&self, call: ActionCall) -> BoxFuture<'_, Result<ActionResult, ActionError>> {
        Box::pin(async move {
            let started = std::time::Instant::now();
            let result = self.call(&call).await;
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
mod tests {
    use super::*;

    #[test]
    fn a_reminder_that_nothing_would_trigger_is_refused() {
        let slot = json!({"event": "slot", "name": "city", "value": "Rome"});
        let cancel = json!({"event": "cancel_reminder", "name": "tea"});
        assert_eq!(read_events(&[slot.clone(), cancel]).map(|events| events.len()), Ok(2));
        let reminder = json!({
            "event": "reminder", "intent": "EXTERNAL_tea", "name": "tea", "date_time": "2026-11-28T09:00:00", "entities": [], "kill_on_user_msg": true
        });
        let refused = read_events(&[slot, reminder]).unwrap_err();
        assert!(refused.contains("no timer triggers `tea` yet"), "{refused}");
    }
}
