//! A stand-in for nodes: answers their status and their readiness.

use drills::client::{Client, Protocol};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A client as drills have it.
pub fn client() -> Client {
    Client::new(Protocol::Tertulia, Duration::from_secs(5)).unwrap()
}

/// What a group of three says of itself at a node, where node 1 leads.
fn group(node: u64, shard: Option<u32>) -> Value {
    let leads = node == 1;
    let follower = |node: u64| json!({ "node": node, "entries": 0, "heard_ms_ago": 1 });
    let followers = if leads { vec![follower(2), follower(3)] } else { Vec::new() };
    json!({
        "shard": shard, "role": if leads { "leader" } else { "follower" }, "term": 2, "leader": 1, "committed": 5,
        "voters": [1, 2, 3], "followers": followers,
    })
}

/// What node `node` of the cluster `shop` answers, in zone a, b or c. `members` are ids and base URLs.
pub fn status(node: u64, members: &[(u64, String)]) -> Value {
    let zone = |node: u64| ["a", "b", "c"][usize::try_from(node - 1).unwrap() % 3];
    let member =
        |(node, http): &(u64, String)| json!({ "node": node, "zone": zone(*node), "peer": "h:1", "http": http });
    json!({
        "cluster": "shop", "node": node, "zone": zone(node), "shards": [group(node, Some(0))],
        "control": group(node, None), "members": members.iter().map(member).collect::<Vec<_>>(), "version": "0.1.0",
    })
}

/// Listens; the address is known before there is an answer.
pub async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// Answers until the test's runtime ends.
pub fn answer(listener: TcpListener, status: Value, ready: bool) {
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            let (code, body) = match String::from_utf8(request).unwrap() {
                request if request.starts_with("GET /v1/status ") => ("200 OK", status.to_string()),
                request if request.starts_with("GET /readyz ") && ready => ("200 OK", "ready\n".to_owned()),
                _ => ("503 Service Unavailable", "{}".to_owned()),
            };
            let head = format!("HTTP/1.1 {code}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        }
    });
}
