//! A leader dies while a custom action runs for a turn of its: the next leader calls the action again under the same key, and the
//! action's events are appended once.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that goes wrong")]

mod common;

use axum::{Json, Router, extract::State, http::HeaderMap, routing::post};
use dialogue::{SessionId, ids::shard_of};
use drills::client::{Client, Protocol};
use drills::cluster::{Cluster, ClusterOptions};
use drills::history::{Ack, Outcome};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tertulia_chaos_tests::bench::release_of;
use tertulia_chaos_tests::binary::{Binary, assistant};
use tokio::sync::watch;

const PATIENCE: Duration = Duration::from_secs(60);
const TEXT: &str = r#"/order_status{"order_number": "A1234"}"#;

/// An action server whose first call never ends; it keeps the keys of all calls.
struct Server {
    keys: Mutex<Vec<String>>,
    called: watch::Sender<usize>,
}

async fn webhook(State(server): State<Arc<Server>>, headers: HeaderMap, Json(call): Json<Value>) -> Json<Value> {
    assert_eq!(call["next_action"], "action_order_status");
    let number = {
        let mut keys = server.keys.lock().unwrap();
        keys.push(headers["idempotency-key"].to_str().unwrap().to_owned());
        keys.len()
    };
    server.called.send_replace(number);
    if number == 1 {
        std::future::pending::<()>().await;
    }
    let marker = json!({"event": "slot", "name": "order_number", "value": format!("call {number}")});
    Json(json!({"events": [marker], "responses": [{"text": format!("answer {number}")}]}))
}

async fn serve() -> (Arc<Server>, String) {
    let server = Arc::new(Server { keys: Mutex::default(), called: watch::channel(0).0 });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/webhook", listener.local_addr().unwrap());
    let routes = Router::new().route("/webhook", post(webhook)).with_state(server.clone());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (server, endpoint)
}

/// Says it to one node after the other until one acknowledges it.
async fn until_acknowledged(client: &Client, urls: &[String]) -> Ack {
    let begun = Instant::now();
    for url in urls.iter().cycle() {
        match client.say(url, "s", "k1", TEXT).await.outcome {
            Outcome::Acknowledged(ack) => return ack,
            other => assert!(begun.elapsed() < PATIENCE, "nobody takes the turn: {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    unreachable!("there are nodes")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_action_whose_leader_dies_is_called_again_under_its_key_and_its_events_are_appended_once() {
    let _turn = common::turn().await;
    assert!(assistant("tienda").is_some(), "it is in this repository");
    let binary = Binary::find().unwrap();
    let (_home, release) = release_of(&binary, "tienda").unwrap();
    let (server, endpoint) = serve().await;
    let mut options = ClusterOptions::new(binary.path(), release);
    options.action_endpoint = Some(endpoint);
    // The first call hangs for longer than it takes to elect another leader: nothing but its death ends it.
    options.adjust = |config| (config.actions.timeout_ms, config.http.turn_deadline_ms) = (60_000, 60_000);
    let mut cluster = Cluster::start(options).await.unwrap();
    let client = Client::new(Protocol::Tertulia, PATIENCE).unwrap();

    // While the action runs, the leader of the session's shard dies.
    let shards = cluster.status(0).await.unwrap()["shards"].as_array().unwrap().len() as u32;
    let shard = u64::from(shard_of(&SessionId::new("s").unwrap(), shards).0);
    let leader = cluster.leaders(PATIENCE).await.unwrap()[&shard];
    let urls = cluster.urls();
    let others: Vec<String> = (0..urls.len()).filter(|i| *i != leader).map(|i| urls[i].clone()).collect();
    let asked = tokio::spawn({
        let (client, others) = (client.clone(), others.clone());
        async move { until_acknowledged(&client, &others).await }
    });
    let mut called = server.called.subscribe();
    tokio::time::timeout(PATIENCE, called.wait_for(|calls| *calls >= 1)).await.unwrap().unwrap();
    cluster.kill(leader).unwrap();

    let ack = asked.await.unwrap();
    assert_eq!(ack.seq, 1, "{}", cluster.log_tails());
    let keys = server.keys.lock().unwrap().clone();
    assert_eq!(keys.len(), 2, "{keys:?}");
    assert!(keys.iter().all(|key| *key == keys[0] && key.starts_with("s/k1/")), "{keys:?}");
    // Once more under the turn's key: what stands in the log, and no further call.
    assert_eq!(until_acknowledged(&client, &others).await.replies, ack.replies);
    for url in &others {
        let (status, page) = client.get(&format!("{url}/v1/sessions/s/events")).await.unwrap();
        assert_eq!((status, page["turns"].as_array().unwrap().len()), (200, 1));
        let events = page["turns"][0]["events"].as_array().unwrap();
        let marks: Vec<&Value> =
            events.iter().filter(|e| e["value"].as_str().is_some_and(|v| v.starts_with("call"))).collect();
        assert_eq!((marks.len(), &marks[0]["value"]), (1, &json!("call 2")));
        let runs = events.iter().filter(|e| e["event"] == "action" && e["name"] == "action_order_status").count();
        assert_eq!(runs, 1);
    }
    assert_eq!(server.keys.lock().unwrap().len(), 2);
}
