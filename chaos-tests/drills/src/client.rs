//! One client of the HTTP interface: says a turn, reads a session, and sorts what can go wrong.

use crate::history::{Ack, LoggedTurn, Outcome, Seen};
use crate::limits::{BODY_BYTES_MAX, EVENTS_PAGE, EVENTS_PAGES_MAX, POLL_PAUSE, READ_DEADLINE, RETRY_AFTER_MAX};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How the service is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Protocol {
    /// `POST /v1/sessions/{id}/turns` with an idempotency key.
    Tertulia,
    /// Rasa's REST channel, which has no keys and no numbers: a retry may say a thing twice.
    Rasa,
}

/// What an attempt came to, and whether the service asked for patience.
#[derive(Debug)]
pub struct Said {
    /// The outcome.
    pub outcome: Outcome,
    /// How long the service asks to wait before the next attempt, where it does.
    pub retry_after: Option<Duration>,
}

/// What a read asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// The turns behind a number, one page of them.
    Turns {
        /// Turns up to here are not asked for.
        after_seq: u64,
    },
    /// How many there are.
    Count,
}

/// A client that keeps its connections. Clones share them.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    protocol: Protocol,
    timeout: Duration,
}

impl Client {
    /// `timeout` bounds each attempt.
    pub fn new(protocol: Protocol, timeout: Duration) -> Result<Self> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::limited(2))
            .build()
            .context("cannot build an HTTP client")?;
        Ok(Self { http, protocol, timeout })
    }

    /// Says one thing in a session. Never fails: what went wrong is an outcome.
    pub async fn say(&self, base: &str, session: &str, key: &str, text: &str) -> Said {
        let request = match self.protocol {
            Protocol::Tertulia => self
                .http
                .post(format!("{base}/v1/sessions/{session}/turns"))
                .header("Idempotency-Key", key)
                .json(&json!({ "text": text })),
            Protocol::Rasa => self
                .http
                .post(format!("{base}/webhooks/rest/webhook"))
                .json(&json!({ "sender": session, "message": text })),
        };
        let response = match request.timeout(self.timeout).send().await {
            Ok(response) => response,
            // Nobody listened, so nothing was said.
            Err(e) if e.is_connect() => return Outcome::Refused { why: chain(&e) }.into(),
            Err(e) => return Outcome::Unknown { why: chain(&e) }.into(),
        };
        let status = response.status();
        let retry_after = retry_after(&response);
        let body = match read_body(response).await {
            Ok(body) => body,
            Err(e) => return Said { outcome: Outcome::Unknown { why: format!("{status}: {e:#}") }, retry_after },
        };
        let outcome = if status.is_success() {
            let ack = match self.protocol {
                Protocol::Tertulia => read_ack(&body, session),
                Protocol::Rasa => read_rasa(&body),
            };
            ack.map_or_else(|e| Outcome::Unknown { why: format!("{status}: {e:#}") }, Outcome::Acknowledged)
        } else {
            let why = format!("{status}: {}", String::from_utf8_lossy(&body[..body.len().min(300)]));
            // What a client did wrong, and what admission turned away, was never taken up. The rest may have been.
            match status.as_u16() {
                400 | 401 | 403 | 404 | 405 | 413 | 415 | 422 | 429 => Outcome::Refused { why },
                _ => Outcome::Unknown { why },
            }
        };
        Said { outcome, retry_after }
    }

    /// All turns of a session by linearizable reads; repeats what failed until its deadline.
    pub async fn turns(&self, base: &str, session: &str) -> Result<Vec<LoggedTurn>> {
        let deadline = Instant::now() + READ_DEADLINE;
        let mut turns: Vec<LoggedTurn> = Vec::new();
        for _ in 0..EVENTS_PAGES_MAX {
            let after = turns.last().map_or(0, |t| t.seq);
            let url = format!("{base}/v1/sessions/{session}/events?after_seq={after}&limit={EVENTS_PAGE}");
            let page = loop {
                match self.get(&url).await {
                    // A session that the log does not know holds no turns.
                    Ok((404, _)) => return Ok(turns),
                    Ok((200, page)) => break page,
                    Ok((status, _)) if Instant::now() > deadline => bail!("{url}: status {status} until the deadline"),
                    Err(e) if Instant::now() > deadline => return Err(e),
                    Ok(_) | Err(_) => tokio::time::sleep(POLL_PAUSE).await,
                }
            };
            let page = read_page(&page).with_context(|| url.clone())?;
            let full = page.len() >= EVENTS_PAGE;
            if page.last().is_some_and(|t| t.seq <= after) {
                bail!("{url}: the page does not go on after {after}");
            }
            turns.extend(page);
            if !full {
                return Ok(turns);
            }
        }
        bail!("session {session} has more than {EVENTS_PAGES_MAX} pages");
    }

    /// One linearizable read. `Err` where nothing can be said: a session that the log does not know holds no turns.
    pub async fn read(&self, base: &str, session: &str, ask: Ask) -> Result<Seen> {
        let url = format!("{base}/v1/sessions/{session}");
        let (url, nothing) = match ask {
            Ask::Count => (url, Seen::Count(0)),
            Ask::Turns { after_seq } => (
                format!("{url}/events?after_seq={after_seq}&limit={EVENTS_PAGE}"),
                Seen::Turns { after_seq, turns: Vec::new(), more: false },
            ),
        };
        let body = match self.get(&url).await? {
            (200, body) => body,
            (404, _) => return Ok(nothing),
            (status, _) => bail!("{url}: status {status}"),
        };
        match ask {
            Ask::Count => Ok(Seen::Count(body["seq"].as_u64().with_context(|| format!("{url}: no seq"))?)),
            Ask::Turns { after_seq } => {
                let page = read_page(&body).with_context(|| url.clone())?;
                let more = page.len() >= EVENTS_PAGE;
                Ok(Seen::Turns { after_seq, turns: page.into_iter().map(|t| (t.seq, t.key)).collect(), more })
            }
        }
    }

    /// Fetches JSON. `Err` where nothing came back, or no JSON under a 200.
    pub async fn get(&self, url: &str) -> Result<(u16, Value)> {
        let response = self.http.get(url).timeout(self.timeout).send().await.with_context(|| url.to_owned())?;
        let status = response.status().as_u16();
        let body = read_body(response).await?;
        if status != 200 {
            return Ok((status, Value::Null));
        }
        Ok((status, serde_json::from_slice(&body).with_context(|| format!("{url}: no JSON"))?))
    }

    /// Fetches text, whatever the status.
    pub async fn get_text(&self, url: &str) -> Result<(u16, String)> {
        let response = self.http.get(url).timeout(self.timeout).send().await.with_context(|| url.to_owned())?;
        let status = response.status().as_u16();
        Ok((status, String::from_utf8_lossy(&read_body(response).await?).into_owned()))
    }
}

impl From<Outcome> for Said {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, retry_after: None }
    }
}

fn retry_after(response: &reqwest::Response) -> Option<Duration> {
    let seconds: u64 = response.headers().get("retry-after")?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

async fn read_body(mut response: reqwest::Response) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > BODY_BYTES_MAX {
            bail!("the answer is longer than {BODY_BYTES_MAX} bytes");
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn read_ack(body: &[u8], session: &str) -> Result<Ack> {
    let answer: Value = serde_json::from_slice(body).context("the answer is no JSON")?;
    if answer["session"] != session {
        bail!("the answer is for session {}", answer["session"]);
    }
    Ok(Ack {
        seq: answer["seq"].as_u64().context("the answer has no seq")?,
        replies: answer.get("replies").cloned().context("the answer has no replies")?,
        replayed: answer["replayed"].as_bool().context("the answer has no replayed")?,
        node: answer["served_by"]["node"].as_u64(),
        shard: answer["served_by"]["shard"].as_u64().and_then(|n| u32::try_from(n).ok()),
    })
}

fn read_rasa(body: &[u8]) -> Result<Ack> {
    let replies: Value = serde_json::from_slice(body).context("the answer is no JSON")?;
    if !replies.is_array() {
        bail!("the answer is no list of messages: {replies}");
    }
    Ok(Ack { seq: 0, replies, replayed: false, node: None, shard: None })
}

fn read_page(page: &Value) -> Result<Vec<LoggedTurn>> {
    let turns = page["turns"].as_array().context("the page has no turns")?;
    let text = |turn: &Value, field: &'static str| {
        turn[field].as_str().map(str::to_owned).with_context(|| format!("a turn without {field}"))
    };
    let read = |turn: &Value| {
        Ok(LoggedTurn {
            seq: turn["seq"].as_u64().context("a turn without seq")?,
            key: text(turn, "key")?,
            text: text(turn, "text")?,
            replies: turn.get("replies").cloned().context("a turn without replies")?,
        })
    };
    turns.iter().map(read).collect()
}

/// The whole chain of causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
