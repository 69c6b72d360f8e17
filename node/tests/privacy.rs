//! Personal data of a turn: nothing of them lies in the store, in the logs or in what the API reads back.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use common::*;
use reqwest::Client;
use serde_json::{Value, json};
use std::path::Path;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const TEXT: &str =
    "hello, call +1 650-283-4757 or write to ann.lee@example.com, my card is 4242 4242 4242 4242, thank you";
const MASKED: &str = "hello, call [phone] or write to [email], my card is [credit-card], thank you";
const SECRETS: [&str; 4] = ["650-283-4757", "ann.lee", "4242 4242", "4242424242424242"];

async fn say(node: &Node, key: &str, text: &str, metadata: Value) -> (u16, Value) {
    let url = format!("{}/v1/sessions/ann/turns", node.url);
    let request = Client::new().post(url).header("Idempotency-Key", key);
    let answer = request.json(&json!({ "text": text, "metadata": metadata })).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Which secrets lie in which files of a folder.
fn leaks(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(leaks(&path));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        for secret in SECRETS {
            if bytes.windows(secret.len()).any(|window| window == secret.as_bytes()) {
                found.push(format!("{secret} in {}", path.display()));
            }
        }
    }
    found
}

/// An assistant with an action that the tests answer, trained once for this file.
fn release_with(config: &str, folder: &Path) -> std::path::PathBuf {
    let (assistant, out) = (folder.join("assistant"), folder.join("release.tertulia"));
    succeed(&["init", path(&assistant)]);
    std::fs::write(assistant.join("config.yml"), config).unwrap();
    std::fs::write(
        assistant.join("look.yml"),
        "intents: [look]\nactions: [action_look]\nrules:\n- rule: look\n  steps: [{intent: look}, {action: action_look}]\n",
    )
    .unwrap();
    succeed(&["train", "--assistant", path(&assistant), "--out", path(&out)]);
    out
}

/// An action server for one call: answers with nothing, and gives back what it was sent.
async fn action_server() -> (String, tokio::task::JoinHandle<String>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/webhook", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = Vec::new();
        loop {
            let mut part = [0; 4096];
            let n = stream.read(&mut part).await.unwrap();
            bytes.extend_from_slice(&part[..n]);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            if length.is_some_and(|l| body.len() >= l.trim().parse().unwrap()) || n == 0 {
                let answer = "{\"events\":[],\"responses\":[]}";
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                    answer.len()
                );
                stream.write_all(format!("{head}{answer}").as_bytes()).await.unwrap();
                return body.to_owned();
            }
        }
    });
    (address, served)
}

#[tokio::test]
async fn what_an_operator_masks_is_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let release = release_with("language: en\n", folder.path());
    let (actions, served) = action_server().await;
    let masks = format!("privacy:\n  mask_pii: [all]\naction_endpoint: {actions}\n");
    let mut node = Node::start_with(&release, &masks).await;
    let (status, said) = say(&node, "k1", TEXT, json!({ "copy": TEXT })).await;
    assert_eq!((status, &said["replayed"]), (200, &json!(false)), "{said}");
    // An action server gets the conversation so far, which holds the message.
    assert_eq!(say(&node, "k2", "/look", Value::Null).await.0, 200);
    let sent = served.await.unwrap();
    assert!(sent.contains("action_look") && sent.contains(MASKED), "{sent}");
    // A message that cannot be read is refused, and the log says why.
    let (status, refused) = say(&node, "k3", "/greet{\"who\": \"ann.lee@example.com\"", Value::Null).await;
    assert_eq!(status, 400);
    assert!(refused["detail"].as_str().unwrap().contains("[email]"), "{refused}");
    let log = || std::fs::read_to_string(node.config.with_file_name("node.log")).unwrap();
    assert!(log().contains("a turn was not taken") && log().contains("[email]"), "{}", log());

    // What the API reads back, from this process and from the next.
    for _ in 0..2 {
        let page = reqwest::get(format!("{}/v1/sessions/ann/events", node.url)).await.unwrap().text().await.unwrap();
        let session = reqwest::get(format!("{}/v1/sessions/ann", node.url)).await.unwrap().text().await.unwrap();
        assert!(page.contains(MASKED) && session.contains(MASKED), "{page} {session}");
        for secret in SECRETS {
            for shown in [&page, &session, &sent] {
                assert!(!shown.contains(secret), "{secret} stands in {shown}");
            }
        }
        // A retry is answered from the record, which does not hold its words.
        let (status, again) = say(&node, "k1", TEXT, Value::Null).await;
        assert_eq!((status, &again["replayed"], &again["seq"]), (200, &json!(true), &json!(1)), "{again}");
        assert_eq!(say(&node, "k1", &format!("{TEXT}!"), Value::Null).await.0, 422, "other words are no retry");
        node.kill_and_restart().await;
    }
    node.kill().await;
    // Store, snapshots and logs lie in this folder.
    assert_eq!(leaks(node.dir.path()), Vec::<String>::new());
}

/// The search above finds what is there: without masks it does.
#[tokio::test]
async fn what_nobody_masks_is_found_in_the_store() {
    let mut node = Node::start("").await;
    assert_eq!(say(&node, "k1", TEXT, Value::Null).await.0, 200);
    node.kill().await;
    let found = leaks(&node.dir.path().join("data"));
    for secret in &SECRETS[..3] {
        assert!(found.iter().any(|leak| leak.starts_with(secret)), "{secret} is not among {found:?}");
    }
}

#[tokio::test]
async fn the_analysis_is_shown_and_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let config = "language: en\npipeline:\n- name: TextAnalyzer\n  mask: [phone, email]\n";
    let release = release_with(config, folder.path());
    let parsed: Value = serde_json::from_str(&succeed(&["parse", "--release", path(&release), TEXT])).unwrap();
    let analysis = &parsed["analysis"];
    assert_eq!((&analysis["language"]["code"], &analysis["sentiment"]["label"]), (&json!("en"), &json!("positive")));
    assert_eq!(analysis["pii"][0], json!({ "kind": "phone", "start": 12, "end": 27 }));
    assert_eq!(parsed["text"], TEXT, "who asks what is understood gets their own words back");

    let node = Node::start_with(&release, "").await;
    let parse = Client::new().post(format!("{}/model/parse", node.url)).json(&json!({ "text": TEXT }));
    let shown: Value = parse.send().await.unwrap().json().await.unwrap();
    assert_eq!(shown["analysis"], *analysis);
    let (_, said) = say(&node, "k1", TEXT, json!({ "shop": 7 })).await;
    assert_eq!(said["analysis"]["sentiment"], analysis["sentiment"]);
    assert_eq!(said["analysis"]["pii"][0], json!({ "kind": "phone", "start": 12, "end": 19 }), "in the masked text");
    let page: Value = reqwest::get(format!("{}/v1/sessions/ann/events", node.url)).await.unwrap().json().await.unwrap();
    let events = page["turns"][0]["events"].as_array().unwrap();
    let heard = events.iter().find(|e| e["event"] == "user").unwrap();
    assert_eq!((&heard["metadata"]["analysis"], &heard["metadata"]["shop"]), (&said["analysis"], &json!(7)));
    assert!(heard["text"].as_str().unwrap().contains("[email]") && heard["text"].as_str().unwrap().contains("4242"));
    // A retry shows what was recorded.
    assert_eq!(say(&node, "k1", TEXT, json!({ "shop": 7 })).await.1["analysis"], said["analysis"]);
}
