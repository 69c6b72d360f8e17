use super::*;
use crate::brain::load_assistant;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use dialogue::SessionId;
use dialogue::format::SourceFile;
use parking_lot::Mutex;
use serde_json::json;
use std::sync::Arc;

/// What the server answers next, and what it was asked.
#[derive(Default)]
struct Script {
    /// Status codes; 0 stands for no answer at all. Then 200.
    statuses: Mutex<Vec<u16>>,
    asked: Mutex<Vec<(String, serde_json::Value)>>,
}

async fn answer(
    State(script): State<Arc<Script>>,
    headers: HeaderMap,
    axum::Json(body): axum::Json<serde_json::Value>,
) -> impl IntoResponse {
    let key = headers["idempotency-key"].to_str().unwrap().to_owned();
    script.asked.lock().push((key, body));
    let next = script.statuses.lock().pop();
    if next == Some(0) {
        std::future::pending::<()>().await;
    }
    let status = StatusCode::from_u16(next.unwrap_or(200)).unwrap();
    let body = match status {
        StatusCode::OK => {
            json!({"events": [{"event": "slot", "name": "a", "value": 1}], "responses": [{"text": "hi"}]})
        }
        _ => json!({"action_name": "action_a", "error": "as the script says"}),
    };
    (status, axum::Json(body))
}

async fn server(mut statuses: Vec<u16>) -> (Arc<Script>, String) {
    statuses.reverse();
    let script = Arc::new(Script { statuses: Mutex::new(statuses), ..Script::default() });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/webhook", listener.local_addr().unwrap());
    let routes = axum::Router::new().route("/webhook", axum::routing::post(answer)).with_state(script.clone());
    tokio::spawn(axum::serve(listener, routes).into_future());
    (script, address)
}

fn assistant(endpoints: &str) -> Assistant {
    let domain = "version: '3.1'\nintents: [greet]\nactions: [action_a, {action_b: {send_domain: true}}]\n\
                  slots: {a: {type: any, mappings: [{type: custom}]}}\n";
    let files = [("domain.yml", domain), ("endpoints.yml", endpoints)];
    let files = files.map(|(path, text)| SourceFile { path: path.into(), text: text.into() });
    load_assistant(&files).unwrap().assistant
}

async fn ask(client: &ActionClient, action: &str) -> Result<ActionResult, ActionError> {
    let call = ActionCall {
        key: "s/k/1".into(),
        action: action.into(),
        session: SessionId::new("s").unwrap(),
        tracker: json!({"sender_id": "s"}),
    };
    client.run(call, Duration::from_secs(20)).await
}

async fn run(statuses: Vec<u16>, options: ActionOptions) -> (Result<ActionResult, ActionError>, usize) {
    let (script, address) = server(statuses).await;
    let client = ActionClient::new(&assistant("tracker_store: {type: sql}\n"), Some(address), &options).unwrap();
    let result = ask(&client, "action_a").await;
    let asked = script.asked.lock();
    assert!(asked.iter().all(|(key, _)| key == "s/k/1"), "each attempt has the same key");
    (result, asked.len())
}

fn reason(result: Result<ActionResult, ActionError>) -> String {
    match result {
        Err(ActionError::Failed { reason, .. }) => reason,
        other => panic!("it did not fail: {other:?}"),
    }
}

#[tokio::test]
async fn what_may_pass_is_tried_again_under_the_same_key_and_no_more_often_than_allowed() {
    let (result, attempts) = run(vec![503, 502], ActionOptions::default()).await;
    assert_eq!((result.unwrap().events.len(), attempts), (1, 3));
    let (result, attempts) = run(vec![504; 9], ActionOptions::default()).await;
    assert!(reason(result).contains("HTTP 504"));
    assert_eq!(attempts, 3);
    let (result, attempts) = run(vec![503; 9], ActionOptions { attempts_max: 1, ..Default::default() }).await;
    assert!(reason(result).contains("HTTP 503"));
    assert_eq!(attempts, 1);
    // No answer in the time of an attempt.
    let (result, attempts) = run(vec![0, 0], ActionOptions { timeout_ms: 50, attempts_max: 3 }).await;
    assert_eq!((result.unwrap().replies.len(), attempts), (1, 3));
}

#[tokio::test]
async fn what_the_server_means_is_not_tried_again() {
    let (result, attempts) = run(vec![400], ActionOptions::default()).await;
    let rejected = ActionError::Rejected { action: "action_a".into(), reason: "as the script says".into() };
    assert_eq!((result, attempts), (Err(rejected), 1));
    for status in [404, 500] {
        let (result, attempts) = run(vec![status], ActionOptions::default()).await;
        let reason = reason(result);
        assert!(reason.contains(&format!("HTTP {status}")) && reason.ends_with("as the script says"), "{reason}");
        assert_eq!(attempts, 1);
    }
}

#[tokio::test]
async fn all_attempts_end_with_the_time_of_the_turn() {
    let (script, address) = server(vec![0; 9]).await;
    let options = ActionOptions { timeout_ms: 60_000, attempts_max: 9 };
    let client = ActionClient::new(&assistant("tracker_store: {type: sql}\n"), Some(address), &options).unwrap();
    let call = ActionCall {
        key: "k".into(),
        action: "action_a".into(),
        session: SessionId::new("s").unwrap(),
        tracker: json!({}),
    };
    assert!(client.run(call, Duration::from_millis(400)).await.is_err());
    assert_eq!(script.asked.lock().len(), 1);
}

#[tokio::test]
async fn nobody_there_is_said_and_so_is_no_address() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = Some(format!("http://{unused}/webhook"));
    let client =
        ActionClient::new(&assistant("tracker_store: {type: sql}\n"), endpoint, &ActionOptions::default()).unwrap();
    let why = reason(ask(&client, "action_a").await);
    assert!(why.contains(&unused.to_string()), "{why}");
    let client =
        ActionClient::new(&assistant("tracker_store: {type: sql}\n"), None, &ActionOptions::default()).unwrap();
    assert!(reason(ask(&client, "action_a").await).contains("set action_endpoint"));
}

#[tokio::test]
async fn the_domain_is_sent_and_where_it_is_selective_only_to_those_that_ask_for_it() {
    for (selective, expected) in [("", [true, true]), ("\n  enable_selective_domain: true", [false, true])] {
        let (script, address) = server(vec![]).await;
        // The address of the assistant's own file counts where the node has none.
        let assistant = assistant(&format!("action_endpoint:\n  url: {address}{selective}\n"));
        let client = ActionClient::new(&assistant, None, &ActionOptions::default()).unwrap();
        for action in ["action_a", "action_b"] {
            ask(&client, action).await.unwrap();
        }
        let asked = script.asked.lock();
        let sent: Vec<bool> = asked.iter().map(|(_, body)| body.get("domain").is_some()).collect();
        assert_eq!(sent, expected);
        let domain = &asked[1].1["domain"];
        assert_eq!(domain["actions"], json!(["action_a", {"action_b": {"send_domain": true}}]));
        assert_eq!(domain["slots"]["a"]["mappings"], json!([{"type": "custom"}]));
    }
}
