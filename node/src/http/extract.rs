//! Extractors whose rejections are problems with a place and an expectation.

use super::Problem;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use dialogue::{IdempotencyKey, SessionId};
use serde::de::DeserializeOwned;

/// A JSON body.
pub(super) struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = Bytes::from_request(request, state).await.map_err(|e| match e.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body-too-large",
                format!("the body is too large: {}", e.body_text()),
            ),
            status => Problem::new(status, "body-unreadable", e.body_text()),
        })?;
        // serde's message names the field, the line and the column.
        serde_json::from_slice(&bytes)
            .map(Json)
            .map_err(|e| Problem::new(StatusCode::BAD_REQUEST, "bad-json", format!("the body: {e}")))
    }
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
        IdempotencyKey::new(bare).map(|key| Self(Some(key))).map_err(|e| bad(e.to_string()))
    }
}
