//! Rasa's own Python action server, unchanged, answers the engine's calls: events and messages of every kind, refusals and mistakes,
//! forms, reminders, and the conversations of an assistant that nobody here wrote.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use cluster_config::ActionOptions;
use common::python::ActionServer;
use common::*;
use dialogue::check::{perfect_parse, play_test_story};
use dialogue::engine::Engine;
use dialogue::format::{Assistant, Place, StoryStep, TestStory, UserStep};
use dialogue::ports::{ActionCall, ActionError, ActionResult, ActionRunner};
use dialogue::tracker::Tracker;
use dialogue::{Event, Reply, SessionId, TimestampMs, Value};
use reqwest::{Client, StatusCode};
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};
use tertulia_node::action_client::ActionClient;
use tertulia_node::{assistant_files, brain};

/// How long something may take that happens by itself.
const PATIENCE: Duration = Duration::from_secs(60);

fn assistant_of(folder: &Path) -> Assistant {
    brain::load_assistant(&assistant_files::read(folder).unwrap()).unwrap().assistant
}

fn own_folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/action_server/assistant")
}

fn client(assistant: &Assistant, server: &ActionServer) -> ActionClient {
    ActionClient::new(assistant, Some(server.endpoint.clone()), &ActionOptions::default()).unwrap()
}

async fn call(client: &ActionClient, assistant: &Assistant, action: &str) -> Result<ActionResult, ActionError> {
    let session = SessionId::new("s").unwrap();
    let tracker = Tracker::new(assistant).to_rasa_json(&session);
    client.run(ActionCall { key: "s/k/1".into(), action: action.into(), session, tracker }, PATIENCE).await
}

#[tokio::test]
async fn events_and_messages_of_every_kind_are_understood_and_so_is_every_refusal() {
    let Some(server) = ActionServer::start("actions").await else { return };
    let assistant = assistant_of(&own_folder());
    let client = client(&assistant, &server);

    let events = call(&client, &assistant, "action_every_event").await.unwrap().events;
    let at = TimestampMs(0);
    let names: Vec<String> = events.iter().map(|e| e.to_rasa_json(at)["event"].as_str().unwrap().into()).collect();
    let expected = [
        "user",
        "bot",
        "slot",
        "restart",
        "session_started",
        "rewind",
        "reset_slots",
        "reminder",
        "cancel_reminder",
        "cancel_reminder",
        "undo",
        "followup",
        "pause",
        "resume",
        "agent",
        "action",
        "active_loop",
        "active_loop",
        "loop_interrupted",
        "loop_interrupted",
        "action_execution_rejected",
    ];
    assert_eq!(names, expected);
    let Event::UserUttered { text, intent, input_channel, .. } = &events[0] else { panic!("{:?}", events[0]) };
    assert_eq!((text.as_str(), intent.name.as_str(), input_channel.as_deref()), ("hello", "greet", Some("test")));
    let Event::BotUttered { reply } = &events[1] else { panic!("{:?}", events[1]) };
    assert_eq!((reply.image.as_deref(), reply.response.as_deref()), (Some("picture"), Some("utter_hi")));
    let Event::ReminderScheduled { name, at, entities, kill_on_user_message: false, .. } = &events[7] else {
        panic!("{:?}", events[7])
    };
    assert_eq!((name.as_str(), at.0, entities[0].value.display().as_str()), ("tea", 1_893_553_445_000, "tea"));
    assert_eq!(events[16], Event::ActiveLoopChanged { name: Some("order_form".into()) });
    assert_eq!(events[18], Event::LoopInterrupted { interrupted: true });

    let replies = call(&client, &assistant, "action_responses").await.unwrap().replies;
    assert_eq!(replies[0], Reply { text: Some("plain".into()), ..Reply::default() });
    assert_eq!(replies[1].buttons[0].payload, "/affirm");
    assert_eq!(replies[2].image.as_deref(), Some("https://example.org/picture.png"));
    assert_eq!(
        replies[3].attachment,
        Some(Value::from_json(&json!({"type": "file", "payload": {"src": "report.pdf"}})))
    );
    assert_eq!(replies[4].custom, Some(Value::from_json(&json!({"card": [1, 2]}))));
    assert_eq!((replies[5].response.as_deref(), replies.len()), (Some("utter_sized"), 7));

    let rejected = call(&client, &assistant, "action_reject").await.unwrap_err();
    assert!(matches!(&rejected, ActionError::Rejected { reason, .. } if reason == "not now"), "{rejected}");
    let raised = call(&client, &assistant, "action_raise").await.unwrap_err().to_string();
    assert!(raised.contains("HTTP 500") && raised.contains("broken on purpose"), "{raised}");
    let unknown = call(&client, &assistant, "action_unknown").await.unwrap_err().to_string();
    assert!(unknown.contains("HTTP 404") && unknown.contains("action_unknown"), "{unknown}");

    // It knows the domain as `domain.yml` has it.
    let told = call(&client, &assistant, "action_tell_domain").await.unwrap().replies;
    assert_eq!(told[0].text.as_deref(), Some("confirmed,requested_slot,size|['size']|It is {size}."));
}

async fn say(node: &Node, key: &str, text: &str) -> Vec<serde_json::Value> {
    let url = format!("{}/v1/sessions/s/turns", node.url);
    let request = Client::new().post(url).header("Idempotency-Key", key).json(&json!({ "text": text }));
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let body: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(status, StatusCode::OK, "{body}");
    body["replies"].as_array().unwrap().clone()
}

fn texts(replies: &[serde_json::Value]) -> Vec<&str> {
    replies.iter().map(|reply| reply["text"].as_str().unwrap_or_default()).collect()
}

#[tokio::test]
async fn a_node_runs_actions_forms_and_reminders_of_the_server() {
    let Some(server) = ActionServer::start("actions").await else { return };
    let dir = tempfile::tempdir().unwrap();
    let release = dir.path().join("release.tertulia");
    succeed(&["train", "--assistant", path(&own_folder()), "--out", path(&release)]);
    let node = Node::start_with(&release, &format!("action_endpoint: {}\n", server.endpoint)).await;

    let said = say(&node, "k1", "/responses").await;
    assert_eq!(texts(&said)[..2], ["plain", "choose"]);
    assert_eq!(texts(&said)[5], "It is small.", "the template with the action's own value");
    let titles = |reply: &serde_json::Value| -> Vec<String> {
        reply["buttons"].as_array().unwrap().iter().map(|b| b["title"].as_str().unwrap().into()).collect()
    };
    assert_eq!(titles(&said[6]), ["One", "Neither"]);
    assert_eq!(texts(&say(&node, "k2", "/follow").await), ["It is huge."]);
    assert_eq!(texts(&say(&node, "k3", "/tell").await), ["confirmed,requested_slot,size|['size']|It is {size}."]);
    for (key, text) in [("k4", "/raise"), ("k5", "/unknown")] {
        assert!(texts(&say(&node, key, text).await)[0].starts_with("Sorry"), "{text}");
    }
    // Nothing else answers it: the conversation goes on with the next message.
    say(&node, "k6", "/reject").await;
    assert_eq!(texts(&say(&node, "k7", "/greet").await), ["Hello!"]);
    assert_eq!(texts(&say(&node, "k8", "/anew").await), ["From the beginning."]);

    // The form asks for what is missing, for what its action adds, and takes no nonsense.
    assert_eq!(texts(&say(&node, "k9", "/order").await), ["Which size?"]);
    let refused = say(&node, "k10", r#"/inform{"size": "tiny"}"#).await;
    assert_eq!(texts(&refused), ["There is no size tiny.", "Which size?"]);
    assert_eq!(texts(&say(&node, "k11", r#"/inform{"size": "LARGE"}"#).await), ["Really?"]);
    assert_eq!(texts(&say(&node, "k12", "/affirm").await), ["Ordered: large."]);

    // A reminder is a turn like any other, which nobody asked for.
    assert_eq!(texts(&say(&node, "k13", "/remind").await), ["In a moment."]);
    let begun = Instant::now();
    let turn = loop {
        let page: serde_json::Value = reqwest::get(format!("{}/v1/sessions/s/events?after_seq=13", node.url))
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        if let Some(turn) = page["turns"].as_array().and_then(|turns| turns.first()) {
            break turn.clone();
        }
        assert!(begun.elapsed() < PATIENCE, "the reminder is not triggered: {page}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!((&turn["text"], &turn["seq"]), (&json!("EXTERNAL: EXTERNAL_tea"), &json!(14)));
    assert_eq!(turn["replies"], json!([{"text": "Your tea is ready."}]));
    let metrics = reqwest::get(format!("{}/metrics", node.url)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains(r#"tertulia_timers_fired_total{kind="reminder"} 1"#), "{metrics}");
    assert!(metrics.contains("tertulia_timers_pending 1"), "the end of the session is left: {metrics}");

    // A client cannot take a timer's key.
    let url = format!("{}/v1/sessions/s/turns", node.url);
    let request = Client::new().post(url).header("Idempotency-Key", "reminder:00:1").json(&json!({"text": "/greet"}));
    assert_eq!(request.send().await.unwrap().status(), StatusCode::BAD_REQUEST);
}

/// The test stories say nothing of what a form asks in between, because `rasa test` runs no action: these are its user's answers.
fn answered(story: &TestStory) -> TestStory {
    let place = &story.place;
    let mut steps: Vec<StoryStep> = Vec::new();
    for step in &story.steps {
        let ends = matches!(step, StoryStep::ActiveLoop { name: None, .. });
        let form = steps.iter().rev().find_map(|s| match s {
            StoryStep::ActiveLoop { name: Some(form), .. } => Some(form.clone()),
            _ => None,
        });
        if let Some(form) = form.filter(|_| ends) {
            let answers: &[&str] = match form.as_str() {
                "open_incident_form" => &[
                    r#"/inform{"email": "nobody@example.com"}"#,
                    r#"/inform{"email": "someone@example.com"}"#,
                    r#"/inform{"priority": "highest"}"#,
                    r#"/inform{"priority": "high"}"#,
                    "It does not work at all",
                    "A title",
                    "/affirm",
                ],
                _ => &[r#"/inform{"email": "someone@example.com"}"#],
            };
            // Intents that name the problem give the incident its title.
            let titled = story.steps.iter().any(|s| {
                matches!(s, StoryStep::User(u) if matches!(u.intent.as_deref(), Some("password_reset" | "problem_email")))
            });
            for answer in answers.iter().filter(|a| !(titled && **a == "A title")) {
                steps.push(user(answer, place));
                steps.push(StoryStep::Action { name: form.clone(), place: place.clone() });
            }
        }
        steps.push(step.clone());
    }
    TestStory { steps, ..story.clone() }
}

fn user(text: &str, place: &Place) -> StoryStep {
    let intent = (!text.starts_with('/')).then(|| "inform".to_owned());
    StoryStep::User(UserStep { text: Some(text.into()), intent, place: place.clone(), ..UserStep::default() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_helpdesk_keeps_its_test_stories_through_real_turns() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/bots/helpdesk-assistant");
    if !folder.is_dir() {
        println!("this test did not run: {} is absent", folder.display());
        return;
    }
    let Some(server) = ActionServer::start("helpdesk").await else { return };
    let assistant = assistant_of(&folder);
    let client = client(&assistant, &server);
    let engine = Engine::new(assistant).unwrap();
    let stories: Vec<TestStory> = engine.assistant().tests.iter().map(answered).collect();
    assert_eq!(stories.len(), 12);
    let parse = perfect_parse(&stories);
    let runtime = tokio::runtime::Handle::current();
    let mut said = Vec::new();
    let failed: Vec<String> = tokio::task::block_in_place(|| {
        let mut act = |action: &ActionCall| {
            let result = runtime.block_on(client.run(action.clone(), PATIENCE));
            said.extend(result.iter().flat_map(|r| &r.replies).filter_map(|r| r.text.clone()));
            result
        };
        let reports = stories.iter().map(|story| play_test_story(&engine, story, &parse, &mut act));
        reports.filter(|report| !report.passed).map(|report| report.to_string()).collect()
    });
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    // The incidents are there, and the status of the last story is theirs.
    let opened = said.iter().filter(|text| text.starts_with("I have opened incident INC")).count();
    assert!(opened >= 4, "{said:?}");
    assert!(said.iter().any(|text| text.ends_with("is open.")), "{said:?}");
}
