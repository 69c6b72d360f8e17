//! The HTTP API of a cluster of one: a conversation, retries, restarts, and what is said of bad requests.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use common::*;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

async fn say(node: &Node, session: &str, key: &str, text: &str) -> (StatusCode, Value) {
    let url = format!("{}/v1/sessions/{session}/turns", node.url);
    let request = Client::new().post(url).header("Idempotency-Key", key).json(&json!({ "text": text }));
    read(request.send().await.unwrap()).await
}

async fn read(response: Response) -> (StatusCode, Value) {
    let (status, kind) = (response.status(), response.headers().get("content-type").cloned());
    let bytes = response.bytes().await.unwrap();
    if !status.is_success() {
        assert_eq!(kind.unwrap(), "application/problem+json", "{}", text(&bytes));
    }
    (status, serde_json::from_slice(&bytes).unwrap())
}

async fn get(node: &Node, path: &str) -> (StatusCode, Value) {
    read(reqwest::get(format!("{}{path}", node.url)).await.unwrap()).await
}

#[tokio::test]
async fn a_conversation_survives_kill_9_and_a_retry_is_not_a_new_turn() {
    let mut node = Node::start("").await;
    let (status, hello) = say(&node, "ana", "k1", "good morning").await;
    assert_eq!(status, 200, "{hello}");
    assert_eq!(hello["replies"], json!([{ "text": "Hello! How can I help?" }]));
    assert_eq!(
        (&hello["seq"], &hello["replayed"], &hello["intent"]["name"]),
        (&json!(1), &json!(false), &json!("greet"))
    );
    assert_eq!((&hello["served_by"]["node"], &hello["served_by"]["zone"]), (&json!(1), &json!("a")));

    // The process dies; the turn does not.
    node.kill_and_restart().await;
    let (_, again) = say(&node, "ana", "k1", "good morning").await;
    assert_eq!((&again["seq"], &again["replayed"], &again["replies"]), (&json!(1), &json!(true), &hello["replies"]));
    let (_, hours) = say(&node, "ana", "k2", "when are you open?").await;
    assert_eq!(hours["seq"], 2);

    let (_, events) = get(&node, "/v1/sessions/ana/events").await;
    let turns = events["turns"].as_array().unwrap();
    assert_eq!(
        turns.iter().map(|t| t["text"].as_str().unwrap()).collect::<Vec<_>>(),
        ["good morning", "when are you open?"]
    );
    let names: Vec<&str> =
        turns[0]["events"].as_array().unwrap().iter().map(|e| e["event"].as_str().unwrap()).collect();
    assert!(names.contains(&"session_started") && names.contains(&"user") && names.contains(&"bot"), "{names:?}");
    let (_, page) = get(&node, "/v1/sessions/ana/events?after_seq=1&limit=5").await;
    assert_eq!(page["turns"].as_array().unwrap().len(), 1);
    let (_, session) = get(&node, "/v1/sessions/ana").await;
    assert_eq!((&session["seq"], &session["sender_id"]), (&json!(2), &json!("ana")));
}

#[tokio::test]
async fn rasas_clients_find_what_they_know() {
    let node = Node::start("").await;
    let client = Client::new();
    let webhook = format!("{}/webhooks/rest/webhook", node.url);
    let send = |body: Value| client.post(&webhook).json(&body).send();
    let (_, replies) = read(send(json!({ "sender": "u1", "message": "hello" })).await.unwrap()).await;
    assert_eq!(replies, json!([{ "recipient_id": "u1", "text": "Hello! How can I help?" }]));
    // The same message id delivered twice is one turn.
    for _ in 0..2 {
        let sent = send(json!({ "sender": "u1", "message": "bye", "message_id": "m-7" })).await.unwrap();
        assert_eq!(read(sent).await.1, json!([{ "recipient_id": "u1", "text": "Goodbye!" }]));
    }
    let (_, session) = get(&node, "/v1/sessions/u1").await;
    assert_eq!(session["seq"], 2);
    let parse = client.post(format!("{}/model/parse", node.url)).json(&json!({ "text": "what time do you open" }));
    let (_, parsed) = read(parse.send().await.unwrap()).await;
    assert_eq!(parsed["intent"]["name"], "ask_hours");
    assert_eq!(parsed["intent_ranking"][0]["name"], "ask_hours");
    assert_eq!(get(&node, "/webhooks/rest/").await.1, json!({ "status": "ok" }));
}

#[tokio::test]
async fn bad_requests_are_named_and_change_nothing() {
    let node = Node::start("").await;
    let client = Client::new();
    let post = |path: &str, body: String| {
        client.post(format!("{}{path}", node.url)).header("content-type", "application/json").body(body).send()
    };
    let cases = [
        ("/v1/sessions/a%2Fb/turns", r#"{"text":"hi"}"#.to_owned(), 400, "the session id holds '/'"),
        ("/v1/sessions/s/turns", "{".into(), 400, "line 1 column"),
        ("/v1/sessions/s/turns", r#"{"txt":"hi"}"#.into(), 400, "unknown field `txt`"),
        ("/v1/sessions/s/turns", r#"{"text":7}"#.into(), 400, "expected a string"),
        ("/v1/sessions/s/turns", r#"{"text":"  "}"#.into(), 400, "expected a message"),
        ("/v1/sessions/s/turns", json!({ "text": "x".repeat(20_000) }).to_string(), 413, "expected at most 16384"),
        ("/v1/sessions/s/turns", json!({ "text": "x".repeat(1 << 20) }).to_string(), 413, "too large"),
        ("/v1/sessions/s/turns", r#"{"text":"/greet{\"a\""}"#.into(), 400, "cannot be read"),
        ("/webhooks/rest/webhook", r#"{"sender":"","message":"hi"}"#.into(), 400, "sender"),
        ("/no/such/path", "{}".into(), 404, "nothing at /no/such/path"),
        ("/healthz", "{}".into(), 405, "does not take this method"),
    ];
    for (path, body, status, words) in cases {
        let (found, problem) = read(post(path, body).await.unwrap()).await;
        assert_eq!(
            (found.as_u16(), problem["status"].as_u64()),
            (status, Some(u64::from(status))),
            "{path}: {problem}"
        );
        assert!(problem["detail"].as_str().unwrap().contains(words), "{path}: {problem}");
    }
    // None of them left a turn.
    assert_eq!(get(&node, "/v1/sessions/s").await.0, 404);
    assert_eq!(get(&node, "/v1/sessions/s/events?limit=0").await.0, 400);

    // A key for other words is refused, and the first words stand.
    assert_eq!(say(&node, "s", "k1", "hello").await.0, 200);
    let (status, problem) = say(&node, "s", "k1", "goodbye").await;
    assert_eq!((status.as_u16(), problem["type"].as_str()), (422, Some("urn:tertulia:problem:key-reused")));
    assert_eq!(say(&node, "s", "k 2", "hello").await.0, 400, "a key with a blank");
}

#[tokio::test]
async fn a_node_tells_how_it_is() {
    let node = Node::start("").await;
    say(&node, "s", "k1", "hello").await;
    let metrics = reqwest::get(format!("{}/metrics", node.url)).await.unwrap().text().await.unwrap();
    for name in ["tertulia_turn_seconds_bucket", "tertulia_turns_total", "process_resident_memory_bytes"] {
        assert!(metrics.contains(name), "{name} is not in\n{metrics}");
    }
    let (_, status) = get(&node, "/v1/status").await;
    assert_eq!((status["shards"].as_array().unwrap().len(), &status["ready"]), (4, &json!(true)));
    let table = succeed(&["status", "--url", &node.url]);
    assert!(table.contains("ready") && table.lines().count() >= 7, "{table}");
    let json: Value = serde_json::from_str(&succeed(&["status", "--json", "--url", &node.url])).unwrap();
    assert_eq!(json["nodes"][0]["node"], 1);
}

#[tokio::test]
async fn a_data_folder_keeps_to_its_cluster_and_a_full_disk_refuses_early() {
    let mut node = Node::start("").await;
    // While it runs, nobody else opens its folder.
    let config = Node::config(node.dir.path(), "test", free_port(), "");
    let said = fail(2, &["serve", "--config", path(&config)]);
    assert!(said.contains("data") && said.contains("another process"), "{said}");
    // When it is down, only a node of the same cluster does.
    node.kill().await;
    let config = Node::config(node.dir.path(), "other", free_port(), "");
    let said = fail(2, &["serve", "--config", path(&config)]);
    assert!(said.contains("test") && said.contains("other"), "{said}");

    // More free space is asked for than there is on any disk: as a full one.
    let full = Node::start("raft:\n  free_disk_bytes_min: 1000000000000000\n").await;
    let (status, problem) = say(&full, "s", "k1", "hello").await;
    assert_eq!(
        (status.as_u16(), problem["type"].as_str()),
        (507, Some("urn:tertulia:problem:storage-full")),
        "{problem}"
    );
    assert_eq!(get(&full, "/v1/sessions/s").await.0, 404);
}
