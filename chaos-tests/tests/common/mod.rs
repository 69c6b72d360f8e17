//! What the tests with real processes share: one at a time, one release a test binary.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use tempfile::TempDir;
use tertulia_chaos_tests::bench::release_of;
use tertulia_chaos_tests::binary::Binary;
use tertulia_chaos_tests::cluster::{Cluster, ClusterOptions};
use tokio::sync::{Mutex, MutexGuard};

/// Three processes at a time are enough for a small machine.
static ONE_AT_A_TIME: LazyLock<Mutex<()>> = LazyLock::new(|| Mutex::new(()));
static MOODBOT: LazyLock<Mutex<Option<Arc<(TempDir, PathBuf)>>>> = LazyLock::new(|| Mutex::new(None));

/// Waits for the other tests of this binary.
pub async fn turn() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().await
}

/// The binary, and a release of moodbot; `None`, with a line that says so, where moodbot is not beside the repository.
pub async fn moodbot() -> Option<(Binary, Arc<(TempDir, PathBuf)>)> {
    if tertulia_chaos_tests::binary::assistant("moodbot").is_none() {
        println!("this test did not run: no assistant moodbot under bots/ or ../shared/bots");
        return None;
    }
    let binary = Binary::find().unwrap();
    let mut release = MOODBOT.lock().await;
    if release.is_none() {
        *release = Some(Arc::new(release_of(&binary, "moodbot").unwrap()));
    }
    Some((binary, release.clone().expect("it was made just now")))
}

/// Three nodes that serve moodbot.
pub async fn moodbot_cluster(env: &[(&str, &str)]) -> Option<Cluster> {
    let (binary, release) = moodbot().await?;
    let mut options = ClusterOptions::new(binary, &release.1);
    options.env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Some(Cluster::start(options).await.unwrap())
}

/// An action server by Rasa's protocol that runs every action: it says which and sets nothing. Its endpoint.
pub async fn action_server() -> String {
    let webhook = async |Json(call): Json<Value>| {
        Json(json!({"events": [], "responses": [{"text": format!("{} ran", call["next_action"])}]}))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/webhook", listener.local_addr().unwrap());
    let routes = Router::new().route("/webhook", post(webhook));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    endpoint
}
