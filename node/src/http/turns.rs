//! `/v1/sessions`: say something, read a session, read its turns.

use super::extract::{InPath, InQuery, Json, KeyHeader};
use super::{App, Problem};
use crate::peers::Part;
use actors::{ServedBy, TurnReply, TurnRequest};
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::IntoResponse;
use dialogue::tracker::Tracker;
use dialogue::{
    Entity, Event, IdempotencyKey, Reply, ScoredIntent, SessionId, TextAnalysis, TurnRecord, Value, limits,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Most turns on one page.
const PAGE_MAX: u32 = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Say {
    text: String,
    #[serde(default)]
    metadata: Option<serde_json::Value>,
}

#[derive(Serialize)]
struct Said {
    session: SessionId,
    seq: u64,
    key: IdempotencyKey,
    replies: Vec<serde_json::Value>,
    intent: ScoredIntent,
    entities: Vec<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    analysis: Option<serde_json::Value>,
    latency_ms: f64,
    served_by: ServedBy,
    replayed: bool,
}

/// `POST /v1/sessions/{id}/turns`.
pub(super) async fn say(
    State(app): State<Arc<App>>,
    InPath(session): InPath,
    KeyHeader(key): KeyHeader,
    Json(body): Json<Say>,
) -> Result<impl IntoResponse, Problem> {
    let started = Instant::now();
    let ask = Ask {
        session: session.clone(),
        key,
        message_id: None,
        channel: "rest",
        text: body.text,
        metadata: body.metadata,
    };
    let TurnReply { turn, replayed, served_by } = take_turn(&app, ask).await?;
    let owner = (
        HeaderName::from_static("x-tertulia-owner"),
        HeaderValue::from_str(&format!("{}/{}", served_by.zone, served_by.node))
            .unwrap_or(HeaderValue::from_static("?")),
    );
    let analysis = app.engine.assistant().config.analyzer.as_ref().and_then(|_| analysis_json(&turn.events));
    let said = Said {
        session,
        seq: turn.seq,
        key: turn.key,
        replies: turn.replies.iter().map(reply_json).collect(),
        intent: turn.intent,
        entities: turn.entities.iter().map(entity_json).collect(),
        analysis,
        latency_ms: (started.elapsed().as_secs_f64() * 1e5).round() / 100.0,
        served_by,
        replayed,
    };
    Ok(([owner], axum::Json(said)))
}

/// A message on its way from a channel to the router.
pub(super) struct Ask {
    pub session: SessionId,
    pub key: Option<IdempotencyKey>,
    pub message_id: Option<String>,
    pub channel: &'static str,
    pub text: String,
    pub metadata: Option<serde_json::Value>,
}

/// Checks the message, names the attempt and takes the turn.
pub(super) async fn take_turn(app: &App, ask: Ask) -> Result<TurnReply, Problem> {
    let started = Instant::now();
    let result = match check_text(&ask.text) {
        Ok(()) => app.router.turn(request(app, ask)).await.map_err(Problem::from),
        Err(problem) => Err(problem),
    };
    let outcome = match &result {
        Ok(reply) if reply.replayed => "replayed",
        Ok(_) => "ok",
        Err(_) => "error",
    };
    metrics::counter!("tertulia_turns_total", "outcome" => outcome).increment(1);
    metrics::histogram!("tertulia_turn_seconds", "outcome" => outcome).record(started.elapsed().as_secs_f64());
    if let Err(problem) = &result {
        tracing::warn!(?problem, "a turn was not taken");
    }
    result
}

fn request(app: &App, ask: Ask) -> TurnRequest {
    let key = ask.key.unwrap_or_else(|| key_for(ask.message_id.as_deref()));
    TurnRequest {
        session: ask.session,
        key,
        text: ask.text,
        message_id: ask.message_id,
        input_channel: Some(ask.channel.into()),
        metadata: ask.metadata.as_ref().map_or(Value::Null, Value::from_json),
        deadline: tokio::time::Instant::now() + Duration::from_millis(app.config.http.turn_deadline_ms),
    }
}

/// The channel's message id names the attempt; without one it gets a name of its own, so that our retries are safe.
fn key_for(message_id: Option<&str>) -> IdempotencyKey {
    let named = message_id.map(|id| {
        let plain = IdempotencyKey::new(format!("m:{id}"));
        plain.unwrap_or_else(|_| hex_key(&crate::release::sha256_hex(id.as_bytes())))
    });
    named.unwrap_or_else(|| hex_key(&uuid::Uuid::new_v4().simple().to_string()))
}

fn hex_key(hex: &str) -> IdempotencyKey {
    IdempotencyKey::new(hex).expect("hexadecimal digits within the limit")
}

/// The bounds of a message.
pub(super) fn check_text(text: &str) -> Result<(), Problem> {
    if text.trim().is_empty() {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "empty-text", "text: found nothing, expected a message"));
    }
    if text.len() > limits::UTTERANCE_BYTES_MAX {
        let detail = format!("text: found {} bytes, expected at most {}", text.len(), limits::UTTERANCE_BYTES_MAX);
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "text-too-long", detail));
    }
    Ok(())
}

/// `GET /v1/sessions/{id}`: where the conversation stands.
pub(super) async fn session(
    State(app): State<Arc<App>>,
    InPath(session): InPath,
) -> Result<axum::Json<serde_json::Value>, Problem> {
    let snapshot = app.peers.read(&session, Part::Context).await?;
    if snapshot.seq == 0 {
        return Err(unknown_session(&session));
    }
    let assistant = app.engine.assistant();
    let tracker = Tracker::replay(assistant, snapshot.turns.iter().flat_map(|t| &t.events));
    let mut body = tracker.to_rasa_json(&session);
    if let Some(fields) = body.as_object_mut() {
        fields.insert("session".into(), json!(session));
        fields.insert("seq".into(), json!(snapshot.seq));
        fields.insert("last_turn_at".into(), json!(snapshot.turns.last().map(|t| t.at)));
    }
    Ok(axum::Json(body))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    #[serde(default)]
    after_seq: u64,
    #[serde(default = "default_page")]
    limit: u32,
}

fn default_page() -> u32 {
    100
}

/// `GET /v1/sessions/{id}/events`: its turns with all their events, oldest first, a page at a time.
pub(super) async fn events(
    State(app): State<Arc<App>>,
    InPath(session): InPath,
    InQuery(page): InQuery<PageQuery>,
) -> Result<axum::Json<serde_json::Value>, Problem> {
    if page.limit == 0 || page.limit > PAGE_MAX {
        let detail = format!("limit: found {}, expected 1 to {PAGE_MAX}", page.limit);
        return Err(Problem::new(StatusCode::BAD_REQUEST, "bad-query", detail));
    }
    let part = Part::Page { after_seq: page.after_seq, limit: page.limit };
    let turns = app.peers.read(&session, part).await?.turns;
    if turns.is_empty() && page.after_seq == 0 {
        return Err(unknown_session(&session));
    }
    let turns: Vec<_> = turns.iter().map(turn_json).collect();
    Ok(axum::Json(json!({ "session": session, "turns": turns })))
}

fn unknown_session(session: &SessionId) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "unknown-session", format!("nobody has spoken in session {session} yet"))
}

fn turn_json(turn: &TurnRecord) -> serde_json::Value {
    json!({
        "seq": turn.seq,
        "key": turn.key,
        "at": turn.at,
        "release": turn.release,
        "text": turn.text,
        "intent": turn.intent,
        "entities": turn.entities.iter().map(entity_json).collect::<Vec<_>>(),
        "replies": turn.replies.iter().map(reply_json).collect::<Vec<_>>(),
        "events": Event::sequence_to_rasa_json(turn.events.iter().map(|e| (turn.at, e))),
    })
}

/// What was read off the message of a turn.
fn analysis_json(events: &[Event]) -> Option<serde_json::Value> {
    let metadata = events.iter().find_map(|event| match event {
        Event::UserUttered { metadata, .. } => Some(metadata),
        _ => None,
    });
    TextAnalysis::from_metadata(metadata?).map(|analysis| analysis.to_json())
}

/// A reply with only what it has, in Rasa's names.
pub(crate) fn reply_json(reply: &Reply) -> serde_json::Value {
    let mut fields = serde_json::Map::new();
    let mut put = |name: &str, value: Option<serde_json::Value>| {
        if let Some(value) = value {
            fields.insert(name.into(), value);
        }
    };
    put("text", reply.text.as_ref().map(|t| json!(t)));
    put("image", reply.image.as_ref().map(|t| json!(t)));
    let buttons: Vec<_> = reply.buttons.iter().map(|b| json!({ "title": b.title, "payload": b.payload })).collect();
    put("buttons", (!buttons.is_empty()).then(|| json!(buttons)));
    put("attachment", reply.attachment.as_ref().map(Value::to_json));
    put("custom", reply.custom.as_ref().map(Value::to_json));
    fields.into()
}

/// An entity in Rasa's names.
pub(crate) fn entity_json(entity: &Entity) -> serde_json::Value {
    let mut json = json!({
        "entity": entity.entity,
        "value": entity.value.to_json(),
        "start": entity.start,
        "end": entity.end,
        "confidence_entity": entity.confidence,
        "extractor": entity.extractor,
    });
    if let Some(role) = &entity.role {
        json["role"] = json!(role);
    }
    if let Some(group) = &entity.group {
        json["group"] = json!(group);
    }
    json
}
