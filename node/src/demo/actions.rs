//! The action server of the sample assistant: a real one, by Rasa's protocol, in the demo's process.
//!
//! `action_order_status` reads `orders.json` beside the assistant. A team's own action server (Python, with `rasa-sdk`, or
//! any other) takes its place by `action_endpoint`.

use anyhow::Context;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

#[derive(Deserialize)]
struct Orders {
    orders: Vec<Order>,
}

#[derive(Deserialize)]
struct Order {
    number: String,
    status: String,
    eta: Option<String>,
    city: String,
}

#[derive(Deserialize)]
struct Call {
    next_action: String,
    tracker: Value,
}

/// Starts the server; an assistant without `orders.json` gets one that knows no order.
pub(super) async fn start(listen: SocketAddr, assistant: &Path) -> anyhow::Result<JoinHandle<()>> {
    let path = assistant.join("orders.json");
    let orders = match std::fs::read(&path) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).with_context(|| format!("{}: not a list of orders", path.display()))?
        }
        Err(_) => Orders { orders: Vec::new() },
    };
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("the action server cannot listen on {listen}; is another demo running?"))?;
    let routes = Router::new()
        .route("/webhook", post(webhook))
        .route("/health", get(async || Json(json!({ "status": "ok" }))))
        .with_state(Arc::new(orders));
    Ok(tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, routes).await {
            eprintln!("the action server stopped: {error}");
        }
    }))
}

async fn webhook(State(orders): State<Arc<Orders>>, Json(call): Json<Call>) -> (StatusCode, Json<Value>) {
    if call.next_action != "action_order_status" {
        let error = format!("no action {} is registered here", call.next_action);
        return (StatusCode::NOT_FOUND, Json(json!({ "action_name": call.next_action, "error": error })));
    }
    let asked = call.tracker["slots"]["order_number"].as_str().unwrap_or_default().to_uppercase();
    let text = match orders.orders.iter().find(|o| o.number == asked) {
        _ if asked.is_empty() => "Which order do you mean? Its number begins with a letter, as in A1234.".into(),
        Some(order) => {
            let eta = order.eta.as_ref().map_or(String::new(), |eta| format!(", expected {eta}"));
            format!("Order {}: {} ({}{eta}).", order.number, order.status, order.city)
        }
        None => format!("I find no order {asked}. Could you check its number?"),
    };
    (StatusCode::OK, Json(json!({ "events": [], "responses": [{ "text": text }] })))
}
