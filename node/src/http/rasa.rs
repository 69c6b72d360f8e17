//! Rasa's REST channel and its parse call, for clients that exist.

use super::extract::{InQuery, Json, KeyHeader};
use super::turns::{Ask, check_text, reply_json, take_turn};
use super::{App, Problem};
use crate::server::SystemClock;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use dialogue::SessionId;
use dialogue::ports::Clock;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

#[derive(Deserialize)]
pub(super) struct Message {
    sender: Option<String>,
    message: String,
    message_id: Option<String>,
    /// Rasa takes any name; it is kept with the metadata.
    input_channel: Option<String>,
    metadata: Option<serde_json::Value>,
}

#[derive(Deserialize)]
pub(super) struct Streaming {
    #[serde(default)]
    stream: bool,
}

/// `GET /webhooks/rest/`.
pub(super) async fn rest_health() -> axum::Json<serde_json::Value> {
    axum::Json(json!({ "status": "ok" }))
}

/// `POST /webhooks/rest/webhook`: an array of messages, or with `?stream=true` a JSON object a line.
pub(super) async fn rest_webhook(
    State(app): State<Arc<App>>,
    KeyHeader(key): KeyHeader,
    InQuery(Streaming { stream }): InQuery<Streaming>,
    Json(body): Json<Message>,
) -> Result<Response, Problem> {
    let sender = body.sender.unwrap_or_else(|| "default".into());
    let session = SessionId::new(&*sender)
        .map_err(|e| Problem::new(StatusCode::BAD_REQUEST, "bad-session-id", format!("sender: {e}")))?;
    let mut metadata = body.metadata;
    if let Some(channel) = body.input_channel {
        metadata = Some(json!({ "input_channel": channel, "metadata": metadata }));
    }
    let ask = Ask { session, key, message_id: body.message_id, channel: "rest", text: body.message, metadata };
    let reply = take_turn(&app, ask).await?;
    let messages = reply.turn.replies.iter().map(|r| {
        let mut message = reply_json(r);
        message["recipient_id"] = json!(sender);
        message
    });
    if !stream {
        return Ok(axum::Json(messages.collect::<Vec<_>>()).into_response());
    }
    let lines: String = messages.map(|m| format!("{m}\n")).collect();
    Ok(([(header::CONTENT_TYPE, "application/json")], lines).into_response())
}

#[derive(Deserialize)]
pub(super) struct Parse {
    text: String,
    message_id: Option<String>,
}

/// `POST /model/parse`.
pub(super) async fn model_parse(
    State(app): State<Arc<App>>,
    Json(body): Json<Parse>,
) -> Result<axum::Json<serde_json::Value>, Problem> {
    check_text(&body.text)?;
    let deadline = tokio::time::Instant::now() + Duration::from_millis(app.config.http.turn_deadline_ms);
    let understanding = match app.engine.shortcut(&body.text) {
        Some(Ok(u)) => u,
        Some(Err(detail)) => return Err(Problem::new(StatusCode::BAD_REQUEST, "bad-message", detail)),
        None => app.engine.understand(app.nlu.understand(&body.text, deadline).await?, SystemClock.now()),
    };
    let mut json = understanding.to_rasa_json(app.engine.assistant());
    if let Some(id) = body.message_id {
        json["message_id"] = json!(id);
    }
    Ok(axum::Json(json))
}
