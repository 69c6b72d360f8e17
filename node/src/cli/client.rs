//! A client of a cluster that does not give up: it asks the next node under the same key.

use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How long one turn is tried for.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long one node is waited for.
const NODE_PATIENCE: Duration = Duration::from_secs(12);
const BACKOFF: Duration = Duration::from_millis(50);

/// One conversation with a cluster.
pub(crate) struct Talker {
    urls: Vec<String>,
    next: usize,
    session: String,
    http: reqwest::Client,
    acknowledged: u64,
}

/// What came back, for people.
pub(crate) struct Answer {
    pub lines: Vec<String>,
    pub details: String,
}

impl Talker {
    pub(crate) fn new(urls: Vec<String>, session: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(NODE_PATIENCE).connect_timeout(Duration::from_secs(1)).build()?;
        Ok(Self { urls, next: 0, session: session.into(), http, acknowledged: 0 })
    }

    /// Turns that were acknowledged.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Says something; retried under one key until a node answers.
    pub(crate) async fn say(&mut self, text: &str) -> anyhow::Result<Answer> {
        let key = uuid::Uuid::new_v4().simple().to_string();
        let started = Instant::now();
        loop {
            let url = format!("{}/v1/sessions/{}/turns", self.urls[self.next], self.session);
            let sent = self.http.post(&url).header("Idempotency-Key", &key).json(&json!({ "text": text })).send().await;
            let error = match sent {
                Ok(response) if response.status().is_success() => {
                    self.acknowledged += 1;
                    return Ok(answer(&response.json().await?, started));
                }
                Ok(response) => {
                    let retryable = response.status().is_server_error() || response.status().as_u16() == 429;
                    let problem: Value = response.json().await.unwrap_or_default();
                    let detail = problem["detail"].as_str().unwrap_or("no reason given").to_owned();
                    if !retryable {
                        bail!("{detail}");
                    }
                    detail
                }
                Err(error) => crate::action_client::chain(&error),
            };
            if started.elapsed() > PATIENCE {
                bail!("no node answered for {PATIENCE:?}: {error}");
            }
            self.next = (self.next + 1) % self.urls.len();
            tokio::time::sleep(BACKOFF).await;
        }
    }

    /// How many turns the log holds.
    pub(crate) async fn turns(&self) -> anyhow::Result<u64> {
        let url = format!("{}/v1/sessions/{}", self.urls[self.next], self.session);
        let body: Value = self.http.get(&url).send().await?.error_for_status()?.json().await?;
        body["seq"].as_u64().context("the session has no seq")
    }
}

fn answer(body: &Value, started: Instant) -> Answer {
    let lines = body["replies"].as_array().into_iter().flatten().flat_map(reply_lines).collect();
    let intent = &body["intent"];
    let entities: Vec<String> = body["entities"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|e| format!(", {}={}", e["entity"].as_str().unwrap_or("?"), e["value"]))
        .collect();
    let served = &body["served_by"];
    let details = format!(
        "{} {:.2}{} · turn {} · zone {} shard {} · {:.1} ms{}",
        intent["name"].as_str().filter(|n| !n.is_empty()).unwrap_or("no intent"),
        intent["confidence"].as_f64().unwrap_or(0.0),
        entities.concat(),
        body["seq"],
        served["zone"].as_str().unwrap_or("?"),
        served["shard"],
        started.elapsed().as_secs_f64() * 1e3,
        if body["replayed"] == json!(true) { " · replayed" } else { "" },
    );
    Answer { lines, details }
}

/// A reply in lines: its text, its picture, its buttons.
pub(crate) fn reply_lines(reply: &Value) -> Vec<String> {
    let text = reply["text"].as_str().map(str::to_owned);
    let image = reply["image"].as_str().map(|i| format!("[picture: {i}]"));
    let buttons = reply["buttons"].as_array().into_iter().flatten().enumerate().map(|(i, b)| {
        format!("  {}. {} ({})", i + 1, b["title"].as_str().unwrap_or(""), b["payload"].as_str().unwrap_or(""))
    });
    let custom = Some(&reply["custom"]).filter(|c| !c.is_null()).map(|c| format!("[custom: {c}]"));
    text.into_iter().chain(image).chain(buttons).chain(custom).collect()
}
