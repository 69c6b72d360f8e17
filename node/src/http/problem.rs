//! Errors as `application/problem+json` (RFC 9457).

use actors::{InferError, TurnError};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// What an API call answers when it did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    /// The last part of the problem's type; stable, for programs.
    kind: &'static str,
    detail: String,
    retry_after_s: Option<u32>,
}

impl Problem {
    /// Nothing will make the same request succeed.
    pub fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind, detail: detail.into(), retry_after_s: None }
    }

    fn later(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind, detail: detail.into(), retry_after_s: Some(1) }
    }
}

impl From<TurnError> for Problem {
    fn from(error: TurnError) -> Self {
        let detail = error.to_string();
        match error {
            TurnError::Overloaded { .. } => Self::later(StatusCode::TOO_MANY_REQUESTS, "overloaded", detail),
            // In whole seconds, as the header has it, and never at once.
            TurnError::Busy { estimate_ms, .. } => Self {
                retry_after_s: Some(estimate_ms.div_ceil(1_000).clamp(1, 60) as u32),
                ..Self::later(StatusCode::TOO_MANY_REQUESTS, "busy", detail)
            },
            TurnError::NotOwner { .. } | TurnError::NoLeader { .. } => {
                Self::later(StatusCode::SERVICE_UNAVAILABLE, "no-leader", detail)
            }
            TurnError::OutcomeUnknown => Self::later(StatusCode::SERVICE_UNAVAILABLE, "outcome-unknown", detail),
            TurnError::KeyReused { .. } => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "key-reused", detail),
            TurnError::TooLarge { .. } => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "turn-too-large", detail),
            TurnError::BadMessage { .. } => Self::new(StatusCode::BAD_REQUEST, "bad-message", detail),
            TurnError::Inference { .. } => Self::later(StatusCode::SERVICE_UNAVAILABLE, "inference-failed", detail),
            TurnError::StorageFull { .. } => Self::later(StatusCode::INSUFFICIENT_STORAGE, "storage-full", detail),
            TurnError::Unavailable { .. } => Self::later(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail),
        }
    }
}

impl From<InferError> for Problem {
    fn from(error: InferError) -> Self {
        TurnError::from(error).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": format!("urn:tertulia:problem:{}", self.kind),
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

pub(super) async fn not_found(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not-found", format!("there is nothing at {}", uri.path()))
}

pub(super) async fn method_not_allowed(uri: Uri) -> Problem {
    let detail = format!("{} does not take this method", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
}
