//! The load generator against a small service in this process: a correct one that loses answers on the way, and broken
//! ones. The broken ones must be found out by the checker, the correct one must not.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that goes wrong")]

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use drills::checker::{Verdict, check};
use drills::client::{Client, Protocol};
use drills::drill::{conclude, read_views};
use drills::history::{History, LoggedTurn, Outcome};
use drills::load::{Load, LoadOptions, LoadOutcome};
use drills::stopwatch::Stopwatch;
use drills::violation::Kind;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Clone, Copy, PartialEq)]
enum Bug {
    None,
    /// Every retry is a new turn.
    IgnoreKey,
    /// Some turns are answered and forgotten.
    ForgetSome,
    /// Answers a replay with other replies than were recorded.
    ReplayWrongly,
    /// Every tenth request that reads is shown what was there one turn ago.
    ReadStale,
}

struct Service {
    bug: Bug,
    /// Every so many requests the answer is lost behind the commit.
    lose_every: usize,
    requests: usize,
    reads: usize,
    sessions: BTreeMap<String, Vec<Value>>,
    /// What was said on the REST channel.
    said: Vec<String>,
}

type Shared = Arc<Mutex<Service>>;

async fn turn(
    State(service): State<Shared>,
    Path(session): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let key = headers["Idempotency-Key"].to_str().unwrap().to_owned();
    let mut service = service.lock().unwrap();
    service.requests += 1;
    let (bug, request) = (service.bug, service.requests);
    let turns = service.sessions.entry(session.clone()).or_default();
    let known = turns.iter().find(|t| t["key"] == key.as_str() && bug != Bug::IgnoreKey).cloned();
    let replayed = known.is_some();
    let mut record = known.unwrap_or_else(|| {
        let replies = json!([{"text": format!("turn {}", turns.len() + 1), "image": null, "buttons": []}]);
        let record = json!({"seq": turns.len() + 1, "key": key, "text": body["text"], "replies": replies});
        if !(bug == Bug::ForgetSome && request % 10 == 0) {
            turns.push(record.clone());
        }
        record
    });
    if replayed && bug == Bug::ReplayWrongly {
        record["replies"] = json!([]);
    }
    if service.lose_every > 0 && request % service.lose_every == 0 {
        return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "0")]).into_response();
    }
    record["session"] = json!(session);
    record["replayed"] = json!(replayed);
    record["served_by"] = json!({"node": 1, "zone": "a", "shard": 0});
    Json(record).into_response()
}

/// A session's turns as a read shows them.
fn shown(service: &Shared, session: &str) -> Vec<Value> {
    let mut service = service.lock().unwrap();
    service.reads += 1;
    let mut turns = service.sessions.get(session).cloned().unwrap_or_default();
    if service.bug == Bug::ReadStale && service.reads.is_multiple_of(10) {
        turns.pop();
    }
    turns
}

async fn session(State(service): State<Shared>, Path(session): Path<String>) -> Response {
    match shown(&service, &session).len() {
        0 => StatusCode::NOT_FOUND.into_response(),
        seq => Json(json!({"session": session, "seq": seq})).into_response(),
    }
}

async fn events(
    State(service): State<Shared>,
    Path(session): Path<String>,
    Query(page): Query<HashMap<String, usize>>,
) -> Json<Value> {
    let turns = shown(&service, &session);
    let turns: Vec<Value> = turns.into_iter().skip(page["after_seq"]).take(page["limit"]).collect();
    Json(json!({"session": session, "turns": turns}))
}

async fn webhook(State(service): State<Shared>, Json(body): Json<Value>) -> Json<Value> {
    service.lock().unwrap().said.push(body["message"].as_str().unwrap().to_owned());
    Json(json!([{"recipient_id": body["sender"], "text": "Hey!"}]))
}

async fn serve(bug: Bug, lose_every: usize) -> (String, Shared) {
    let service = Arc::new(Mutex::new(Service {
        bug,
        lose_every,
        requests: 0,
        reads: 0,
        sessions: BTreeMap::new(),
        said: Vec::new(),
    }));
    let router = Router::new()
        .route("/v1/sessions/{id}", get(session))
        .route("/v1/sessions/{id}/turns", post(turn))
        .route("/v1/sessions/{id}/events", get(events))
        .route("/webhooks/rest/webhook", post(webhook))
        .with_state(service.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, service)
}

/// 400 turns of 8 clients in 6 shared sessions, a fifth of them sent twice, and a hundred reads; then the verdict.
async fn run(bug: Bug, lose_every: usize) -> (LoadOutcome, Verdict) {
    let (url, service) = serve(bug, lose_every).await;
    // Twice the same service: a second "node".
    let options = LoadOptions {
        turns: Some(400),
        sessions: 6,
        resend: 0.2,
        reads: 0.2,
        record: true,
        ..LoadOptions::new(vec![url.clone(), url.clone()], "run")
    };
    let mut outcome = Load::start(options, Stopwatch::start()).unwrap().finish().await.unwrap();
    // The end is told truly: what it lacks is missing.
    service.lock().unwrap().bug = Bug::None;
    let client = Client::new(Protocol::Tertulia, Duration::from_secs(5)).unwrap();
    let mut history = outcome.take_history();
    history.views = read_views(&client, &[url], &history.attempts).await.unwrap();
    let verdict = check(&history);
    (outcome, verdict)
}

#[tokio::test]
async fn a_correct_service_that_loses_answers_passes() {
    let (outcome, verdict) = run(Bug::None, 7).await;
    assert!(verdict.holds(), "{verdict}");
    // Every turn was acknowledged once, whatever was lost on the way, and both kinds of repetition took place.
    assert_eq!((outcome.report.turns, outcome.report.errors), (400, 0));
    assert_eq!(verdict.acknowledged, 400);
    assert_eq!(verdict.logged, 400);
    assert!(outcome.report.retries > 0 && outcome.report.resends > 0 && verdict.replayed > 0, "{}", outcome.report);
    assert_eq!(outcome.acknowledged_ns.len(), 400);
}

#[tokio::test]
async fn a_service_that_ignores_keys_is_found_out() {
    let (_, verdict) = run(Bug::IgnoreKey, 0).await;
    assert!(verdict.count(Kind::Doubled) > 0, "{verdict}");
}

#[tokio::test]
async fn a_service_that_forgets_is_found_out() {
    let (_, verdict) = run(Bug::ForgetSome, 0).await;
    assert!(verdict.count(Kind::Lost) > 0, "{verdict}");
}

#[tokio::test]
async fn a_service_that_shows_old_states_is_found_out_by_the_order_alone() {
    let (outcome, verdict) = run(Bug::ReadStale, 0).await;
    assert!(outcome.report.reads > 50, "{}", outcome.report);
    assert_eq!(verdict.counts.keys().collect::<Vec<_>>(), [&Kind::NotLinearizable], "{verdict}");
    let text = verdict.to_string();
    assert!(text.contains("\n    cannot  ") && text.contains(": read"), "what was read is shown: {text}");
}

#[tokio::test]
async fn neighbours_share_every_few_dialogues_where_the_checker_is_to_judge() {
    let (url, _service) = serve(Bug::None, 0).await;
    let options = LoadOptions { turns: Some(400), record: true, reads: 0.1, ..LoadOptions::new(vec![url], "run") };
    let outcome = Load::start(options, Stopwatch::start()).unwrap().finish().await.unwrap();
    let mut clients: BTreeMap<&str, std::collections::BTreeSet<u32>> = BTreeMap::new();
    for attempt in &outcome.attempts {
        clients.entry(&attempt.session).or_default().insert(attempt.client);
    }
    let together = clients.values().filter(|c| c.len() > 1).count();
    assert!(together > 0 && clients.values().all(|c| c.len() <= 3), "{clients:?}");
    assert!(clients.len() > 4 * together, "most clients talk alone: {together} of {}", clients.len());
}

#[tokio::test]
async fn a_service_that_replays_something_else_is_found_out() {
    let (_, verdict) = run(Bug::ReplayWrongly, 0).await;
    assert!(verdict.count(Kind::Doubled) > 0, "{verdict}");
}

#[tokio::test]
async fn a_history_that_was_written_down_is_judged_by_the_command() {
    let (url, service) = serve(Bug::None, 0).await;
    let options =
        LoadOptions { turns: Some(40), record: true, reads: 0.2, ..LoadOptions::new(vec![url.clone()], "run") };
    let mut outcome = Load::start(options, Stopwatch::start()).unwrap().finish().await.unwrap();
    service.lock().unwrap().sessions.values_mut().for_each(|turns| drop(turns.pop()));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.history.json");
    let judge = || {
        let output = Command::new(env!("CARGO_BIN_EXE_tertulia-load")).arg("check").arg(&file).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, _) = judge();
    assert_eq!(code, Some(1), "there is no such file yet");

    // A service that forgets: the drill's judge leaves the evidence, and the command says the same of it.
    let judgement = conclude(std::slice::from_ref(&url), &mut outcome, &file).await.unwrap();
    assert!(judgement.verdict.count(Kind::Lost) > 0, "{}", judgement.verdict);
    assert_eq!(judgement.evidence.as_ref(), Some(&file));
    let (code, text) = judge();
    assert_eq!((code, text.trim_end()), (Some(2), &*judgement.verdict.to_string()));

    // Nothing is found in a history to which the end is added as the clients saw it.
    let mut history = History::load(&file).unwrap();
    for view in &mut history.views {
        view.sessions.clear();
        for attempt in &history.attempts {
            let Outcome::Acknowledged(ack) = &attempt.outcome else { panic!("{attempt:?}") };
            let (key, text, replies) = (attempt.key.clone(), attempt.text.clone(), ack.replies.clone());
            let turns = view.sessions.entry(attempt.session.clone()).or_default();
            turns.push(LoggedTurn { seq: ack.seq, key, text, replies });
        }
        view.sessions.values_mut().for_each(|turns| turns.sort_by_key(|turn| turn.seq));
    }
    history.save(&file).unwrap();
    let (code, text) = judge();
    assert!(code == Some(0) && text.starts_with("40 turns acknowledged"), "{code:?} {text}");
}

#[tokio::test]
async fn a_turn_is_given_up_when_its_time_is_over_and_counted() {
    let options = LoadOptions {
        clients: 2,
        turns: Some(4),
        give_up_after: Duration::from_millis(30),
        record: true,
        // Nobody listens on port 1.
        ..LoadOptions::new(vec!["http://127.0.0.1:1".into()], "run")
    };
    let outcome = Load::start(options, Stopwatch::start()).unwrap().finish().await.unwrap();
    assert_eq!((outcome.report.turns, outcome.report.errors), (0, 4));
    let verdict = check(&History { attempts: outcome.attempts, ..History::default() });
    assert_eq!((verdict.acknowledged, verdict.unknown), (0, 0), "a refused connection is no unknown outcome");
}

#[tokio::test]
async fn clients_rest_before_their_turns_where_they_are_told_to() {
    let (url, _service) = serve(Bug::None, 0).await;
    let options = LoadOptions {
        clients: 1,
        turns: Some(20),
        think_time: Duration::from_millis(10),
        ..LoadOptions::new(vec![url], "run")
    };
    let turns = Load::start(options, Stopwatch::start()).unwrap().finish().await.unwrap().turns;
    // Drawn between none and 20 ms: no sleep is shorter than it was asked for, and the seed is fixed.
    let rests: Vec<u64> = turns.windows(2).map(|pair| pair[1].start_ns - pair[0].end_ns).collect();
    assert_eq!(rests.len(), 19);
    assert!(rests.iter().sum::<u64>() > 100_000_000, "half of what is meant, at least: {rests:?}");
    assert!(rests.iter().any(|rest| *rest > 10_000_000), "some are longer than the mean: {rests:?}");
}

#[tokio::test]
async fn the_same_clients_speak_the_rest_channel() {
    let (url, service) = serve(Bug::None, 0).await;
    let options =
        LoadOptions { turns: Some(40), protocol: Protocol::Rasa, cold: true, ..LoadOptions::new(vec![url], "run") };
    let outcome = Load::start(options, Stopwatch::start()).unwrap().finish().await.unwrap();
    assert_eq!((outcome.report.turns, outcome.report.silent), (40, 0));
    let said = std::mem::take(&mut service.lock().unwrap().said);
    assert_eq!(said.len(), 40);
    let unique: std::collections::BTreeSet<&String> = said.iter().collect();
    assert_eq!(unique.len(), 40, "a cold run says nothing twice: {said:?}");
    assert!(said.iter().any(|s| s.trim() == "I am sad"), "and means what the script says: {said:?}");
    assert!(outcome.attempts.is_empty(), "nothing is kept unless the run records");
}
