//! Extractors whose rejections are problems with a place and an expectation.

use super::{App, Problem};
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use dialogue::{IdempotencyKey, SessionId};
use futures::StreamExt as _;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;

/// What is read of a body that is too large before the answer: see [`whole`].
const REST_BYTES_MAX: usize = 16 << 20;
/// How long it is read for.
const REST_TIME_MAX: Duration = Duration::from_secs(2);

/// A JSON body.
pub(super) struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let bytes = whole(request.into_body(), app.config.http.body_bytes_max).await?;
        // serde's message names the field, the line and the column.
        serde_json::from_slice(&bytes)
            .map(Json)
            .map_err(|e| Problem::new(StatusCode::BAD_REQUEST, "bad-json", format!("the body: {e}")))
    }
}

/// The whole body, of at most `max` bytes.
///
/// The rest of one that is too large is read too, in bounds, and dropped: if the connection were closed while the client
/// still sends, the client's system would throw the answer away and report a broken connection instead.
async fn whole(body: Body, max: usize) -> Result<Vec<u8>, Problem> {
    let mut chunks = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|e| Problem::new(StatusCode::BAD_REQUEST, "body-unreadable", e.to_string()))?;
        if bytes.len() + chunk.len() > max {
            let mut rest = REST_BYTES_MAX;
            let drop_rest = async {
                while let (1.., Some(Ok(chunk))) = (rest, chunks.next().await) {
                    rest = rest.saturating_sub(chunk.len());
                }
            };
            // Out of time or not, the answer is the same.
            let _ = tokio::time::timeout(REST_TIME_MAX, drop_rest).await;
            return Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body-too-large",
                format!("the body is too large: expected at most {max} bytes"),
            ));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The session id in the path.
pub(super) struct InPath(pub SessionId);

impl<S: Send + Sync> FromRequestParts<S> for InPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let bad = |detail: String| Problem::new(StatusCode::BAD_REQUEST, "bad-session-id", detail);
        let Path(id) = Path::<String>::from_request_parts(parts, state).await.map_err(|e| bad(e.body_text()))?;
        SessionId::new(id).map(InPath).map_err(|e| bad(e.to_string()))
    }
}

/// Parameters of the query.
pub(super) struct InQuery<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for InQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Query::<T>::from_request_parts(parts, state)
            .await
            .map(|Query(q)| InQuery(q))
            .map_err(|e| Problem::new(StatusCode::BAD_REQUEST, "bad-query", e.body_text()))
    }
}

/// The header `Idempotency-Key`, if it is there.
pub(super) struct KeyHeader(pub Option<IdempotencyKey>);

impl<S: Send + Sync> FromRequestParts<S> for KeyHeader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let bad = |detail: String| Problem::new(StatusCode::BAD_REQUEST, "bad-idempotency-key", detail);
        let Some(value) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        let text = value.to_str().map_err(|_| bad("the header Idempotency-Key is not ASCII text".into()))?;
        // The IETF draft has the key as a structured-field string, in quotes; most clients send it bare.
        let bare = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
        let key = IdempotencyKey::new(bare).map_err(|e| bad(e.to_string()))?;
        if key.is_of_timer() {
            let detail =
                format!("the header Idempotency-Key: {bare:?} begins as the keys of timers do; expected another name");
            return Err(bad(detail));
        }
        Ok(Self(Some(key)))
    }
}
