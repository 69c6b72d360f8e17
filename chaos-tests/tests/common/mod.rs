//! What the tests with real processes share: one at a time, one release a test binary.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use axum::routing::post;
use axum::{Json, Router};
use drills::cluster::{Cluster, ClusterOptions};
use drills::drill::Drill;
use drills::lab::{Lab, LabOptions};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::LazyLock;
use tertulia_chaos_tests::binary::{Binary, assistant};
use tokio::sync::{Mutex, MutexGuard};

/// Three processes at a time are enough for a small machine.
static ONE_AT_A_TIME: LazyLock<Mutex<()>> = LazyLock::new(|| Mutex::new(()));
static MOODBOT: LazyLock<Mutex<Option<PathBuf>>> = LazyLock::new(|| Mutex::new(None));

/// Waits for the other tests of this binary.
pub async fn turn() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().await
}

/// The binary, and a release of moodbot; `None`, with a line that says so, where moodbot is not beside the repository.
pub async fn moodbot() -> Option<(Binary, PathBuf)> {
    let Some(folder) = assistant("moodbot") else {
        println!("this test did not run: no assistant moodbot under bots/ or ../shared/bots");
        return None;
    };
    let binary = Binary::find().unwrap();
    let mut release = MOODBOT.lock().await;
    if release.is_none() {
        // Statics are never dropped, so it lies in the target folder, under one name for each test binary.
        let me = std::env::current_exe().unwrap();
        let name = format!("moodbot-{}.tertulia", me.file_stem().unwrap().to_string_lossy());
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        binary.train(&folder, &path).unwrap();
        *release = Some(path);
    }
    Some((binary, release.clone().expect("it was made just now")))
}

/// Three nodes that serve moodbot.
pub async fn moodbot_cluster(env: &[(&str, &str)]) -> Option<Cluster> {
    let (binary, release) = moodbot().await?;
    let mut options = ClusterOptions::new(binary.path(), release);
    options.env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Some(Cluster::start(options).await.unwrap())
}

async fn lab_options(loopback: bool) -> Option<LabOptions> {
    let (binary, release) = moodbot().await?;
    let program = binary.path().to_owned();
    Some(LabOptions { program, release, loopback, place: std::env::temp_dir(), env: Vec::new() })
}

/// Can this drill be run in a lab here? Else a line says what is missing.
pub async fn can_run(drill: &Drill, loopback: bool) -> bool {
    let Some(options) = lab_options(loopback).await else { return false };
    let lacks = Lab::lacks(&options, drill);
    if let Some(lacks) = &lacks {
        println!("the drill {} did not run: {lacks}", drill.name);
    }
    lacks.is_none()
}

/// A lab whose nodes serve moodbot, made for `drill`, where both can be had.
pub async fn lab(drill: &Drill, loopback: bool, env: &[(&str, &str)]) -> Option<Lab> {
    if !can_run(drill, loopback).await {
        return None;
    }
    let mut options = lab_options(loopback).await?;
    options.env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Some(Lab::start(&options, drill, None).await.unwrap())
}

/// Where a drill of this test leaves its history when it fails.
pub fn evidence() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
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
