//! The assistants' own test stories, said over HTTP to three real processes: each line goes to another node, and what comes
//! back must be what the story's actions and the domain's texts say.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that goes wrong")]

mod common;

use dialogue::format::{Assistant, SourceFile, StoryStep, TestStory, Variation};
use drills::client::{Client, Protocol};
use drills::cluster::{Cluster, ClusterOptions};
use drills::history::Outcome;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tertulia_chaos_tests::bench::release_of;
use tertulia_chaos_tests::binary::{Binary, assistant};

/// Fewest test stories that an assistant must bring: an empty folder proves nothing.
const STORIES_MIN: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moodbot_keeps_its_test_stories_over_three_processes() {
    run("moodbot").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tienda_keeps_its_test_stories_over_three_processes() {
    run("tienda").await;
}

async fn run(name: &str) {
    let _turn = common::turn().await;
    let Some(folder) = assistant(name) else {
        println!("this test did not run: no assistant {name} under bots/ or ../shared/bots");
        return;
    };
    let assistant = Assistant::load(&read(&folder)).expect("the assistant loads").assistant;
    assert!(assistant.tests.len() >= STORIES_MIN, "{name} has {} test stories", assistant.tests.len());
    let binary = Binary::find().unwrap();
    let (_home, release) = release_of(&binary, name).unwrap();
    let mut options = ClusterOptions::new(binary.path(), release);
    options.action_endpoint = Some(common::action_server().await);
    let cluster = Cluster::start(options).await.unwrap();
    let client = Client::new(Protocol::Tertulia, Duration::from_secs(20)).unwrap();

    let mut failures = Vec::new();
    for (n, story) in assistant.tests.iter().enumerate() {
        failures.extend(tell(&client, &cluster.urls(), &assistant, story, n).await);
    }
    println!("{name}: {} test stories over HTTP", assistant.tests.len());
    assert!(failures.is_empty(), "{}\n{}", failures.join("\n"), cluster.log_tails());
}

/// What one user line of a story is to bring about.
#[derive(Default)]
struct Expected {
    said: String,
    intent: Option<String>,
    actions: Vec<String>,
    words: Vec<String>,
}

/// Says one story in a session of its own; gives back what differs.
async fn tell(client: &Client, urls: &[String], assistant: &Assistant, story: &TestStory, n: usize) -> Vec<String> {
    let session = format!("story-{n}");
    let expected = expectations(story);
    let mut replies = Vec::new();
    for (i, turn) in expected.iter().enumerate() {
        let key = format!("{session}-{i}");
        let url = &urls[(n + i) % urls.len()];
        match client.say(url, &session, &key, &turn.said).await.outcome {
            Outcome::Acknowledged(ack) => replies.push(ack.replies),
            other => return vec![format!("{}: {:?} was not answered: {other:?}", story.name, turn.said)],
        }
    }
    // What was done and understood is read from yet another node.
    let url = &urls[(n + expected.len()) % urls.len()];
    let (status, page) =
        client.get(&format!("{url}/v1/sessions/{session}/events?after_seq=0&limit=100")).await.unwrap();
    assert_eq!(status, 200, "the turns of {session} can be read");
    let turns = page["turns"].as_array().expect("a page has turns");
    assert_eq!(turns.len(), expected.len(), "{}: one turn in the log for each line", story.name);

    let mut failures = Vec::new();
    for ((turn, replies), logged) in expected.iter().zip(&replies).zip(turns) {
        let mut differs = |what: &str, expected: String, found: String| {
            failures.push(format!(
                "{} ({}), {:?}: {what}: expected {expected}, found {found}",
                story.name, story.place, turn.said
            ));
        };
        if let Some(intent) = &turn.intent
            && logged["intent"]["name"] != intent.as_str()
        {
            differs("intent", intent.clone(), logged["intent"].to_string());
        }
        let done = actions(logged);
        if done != turn.actions {
            differs("actions", format!("{:?}", turn.actions), format!("{done:?}"));
        }
        if let Err(missing) = check_replies(assistant, turn, replies) {
            differs("replies", missing, replies.to_string());
        }
        if *replies != logged["replies"] {
            differs("replies in the log", replies.to_string(), logged["replies"].to_string());
        }
    }
    failures
}

fn expectations(story: &TestStory) -> Vec<Expected> {
    let mut turns: Vec<Expected> = Vec::new();
    for step in &story.steps {
        match (step, turns.last_mut()) {
            (StoryStep::User(user), _) => {
                let said = user.text.clone().unwrap_or_else(|| format!("/{}", user.intent.as_deref().unwrap_or("")));
                turns.push(Expected { said, intent: user.intent.clone(), ..Expected::default() });
            }
            (StoryStep::Action { name, .. }, Some(turn)) => turn.actions.push(name.clone()),
            (StoryStep::Bot { text, .. }, Some(turn)) => turn.words.push(text.clone()),
            // Slots and loops are consequences that the actions stand for.
            _ => {}
        }
    }
    turns
}

/// The actions of a turn in the log, without those that a story never names.
fn actions(turn: &Value) -> Vec<String> {
    let events = turn["events"].as_array().expect("a turn has events");
    let names = events.iter().filter(|e| e["event"] == "action").filter_map(|e| e["name"].as_str());
    let unnamed = ["action_listen", "action_session_start", "action_extract_slots"];
    names.filter(|name| !unnamed.contains(name)).map(str::to_owned).collect()
}

/// Every response that an action names must be among the replies, in order, in one of the domain's variations; where no
/// other action ran, there must be nothing else.
fn check_replies(assistant: &Assistant, turn: &Expected, replies: &Value) -> Result<(), String> {
    let replies = replies.as_array().ok_or("a list")?;
    let mut rest = replies.iter();
    let mut responses = 0;
    for action in &turn.actions {
        let Some(variations) = assistant.domain.responses.get(action) else { continue };
        responses += 1;
        if !rest.any(|reply| variations.iter().any(|variation| is_variation(variation, reply))) {
            return Err(format!("one of {action}'s texts, in its place"));
        }
    }
    for words in &turn.words {
        if !replies.iter().any(|reply| reply["text"] == words.as_str()) {
            return Err(format!("{words:?}"));
        }
    }
    if responses == turn.actions.len() && replies.len() != responses {
        return Err(format!("{responses} messages"));
    }
    Ok(())
}

fn is_variation(variation: &Variation, reply: &Value) -> bool {
    let text = match (&variation.text, reply["text"].as_str()) {
        (Some(template), Some(text)) => fits(template, text),
        (None, None) => true,
        _ => false,
    };
    text && (variation.image.is_none() || variation.image.as_deref() == reply["image"].as_str())
}

/// Does a text come from a template? A `{slot}` stands for anything.
fn fits(template: &str, text: &str) -> bool {
    let Some((before, rest)) = template.split_once('{') else { return template == text };
    let Some((_, after)) = rest.split_once('}') else { return template == text };
    let Some(text) = text.strip_prefix(before) else { return false };
    let ends = text.char_indices().map(|(i, _)| i).chain([text.len()]);
    ends.into_iter().any(|end| fits(after, &text[end..]))
}

#[test]
fn a_template_fits_its_fillings_only() {
    assert!(fits("Hello {name}, bye", "Hello Ada Lovelace, bye"));
    assert!(fits("{a} and {b}", "one and two"));
    assert!(fits("plain", "plain"));
    assert!(!fits("Hello {name}, bye", "Hello Ada"));
    assert!(!fits("plain", "plainer"));
}

/// The assistant's YAML files below `folder`.
fn read(folder: &Path) -> Vec<SourceFile> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "yml" || e == "yaml") {
                let text = std::fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(folder).unwrap().to_string_lossy().replace('\\', "/");
                files.push(SourceFile { path, text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}
