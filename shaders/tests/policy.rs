//! The learned policy against the memoization of stories, on stories that neither of them learned from.

use dialogue::engine::Engine;
use dialogue::format::{Assistant, SourceFile, Story};
use std::path::{Path, PathBuf};
use tertulia_shaders::{TrainOptions, train_policy};

fn sources(root: &Path) -> Vec<SourceFile> {
    let mut folders = vec![root.to_owned()];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of an assistant") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.retain(|f| f.extension().is_some_and(|e| e == "yml"));
    files.sort();
    let source = |file: &PathBuf| SourceFile {
        path: file.strip_prefix(root).expect("inside").to_string_lossy().into_owned(),
        text: std::fs::read_to_string(file).expect("a text"),
    };
    files.iter().map(source).collect()
}

/// Right actions of (moments, the memoization, the learned policy behind it), over all stories, each held out once.
fn held_out(root: &Path) -> (usize, usize, usize) {
    let assistant = Assistant::load(&sources(root)).expect("it loads").assistant;
    assert!(assistant.config.learned.is_some(), "the assistant asks for a learned policy");
    let (mut moments, mut recalled, mut learned) = (0, 0, 0);
    for story in &assistant.stories {
        let mut others = assistant.clone();
        // Stories of one name tell the same conversation in several ways.
        others.stories.retain(|s| s.name != story.name);
        // What only checkpoints lead to cannot stand without the story that leads there.
        let Ok(engine) = Engine::new(others) else { continue };
        let right = |engine: &Engine| {
            let told = engine.replay(story);
            (told.len(), told.iter().filter(|m| m.expected == m.predicted).count())
        };
        let (all, by_memory) = right(&engine);
        let model = train_policy(&engine.policy_examples(), &TrainOptions::default(), &|_| {});
        let engine = engine.with_policy(model.expect("there are stories"));
        for missed in engine.replay(story).iter().filter(|m| m.expected != m.predicted) {
            println!("  {}: {missed:?}", story.name);
        }
        (moments, recalled, learned) = (moments + all, recalled + by_memory, learned + right(&engine).1);
    }
    println!(
        "{}: {moments} moments, {recalled} right by memoization, {learned} with the learned policy",
        root.display()
    );
    (moments, recalled, learned)
}

#[test]
fn it_beats_memoization_on_stories_of_helpdesk_that_it_never_saw() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/bots/helpdesk-assistant");
    if !root.exists() {
        println!("did not run: ../shared is absent");
        return;
    }
    let (moments, recalled, learned) = held_out(&root);
    assert!(moments > 40 && learned > recalled, "{moments} {recalled} {learned}");
}

/// Stories of viaje that are no training stories: what comes next depends on what happened some turns ago.
#[test]
fn it_beats_memoization_on_conversations_of_viaje_that_no_story_tells() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bots/viaje");
    let assistant = Assistant::load(&sources(&root)).expect("it loads").assistant;
    let tests = assistant.tests.clone();
    let engine = Engine::new(assistant).expect("it compiles");
    let right = |engine: &Engine, show: bool| {
        let (mut all, mut right) = (0, 0);
        for test in &tests {
            let story = Story { name: test.name.clone(), steps: test.steps.clone(), ..Story::default() };
            let told = engine.replay(&story);
            for missed in told.iter().filter(|m| show && m.expected != m.predicted) {
                println!("  {}: {missed:?}", test.name);
            }
            all += told.len();
            right += told.iter().filter(|m| m.expected == m.predicted).count();
        }
        (all, right)
    };
    let (moments, recalled) = right(&engine, false);
    let model = train_policy(&engine.policy_examples(), &TrainOptions::default(), &|_| {});
    let (_, learned) = right(&engine.with_policy(model.expect("there are stories")), true);
    println!("viaje: {moments} moments, {recalled} right by memoization, {learned} with the learned policy");
    assert!(moments > 200 && learned > recalled, "{moments} {recalled} {learned}");
    assert!(learned * 100 >= moments * 85, "{moments} {recalled} {learned}");
}

const CONFIG: &str = "policies: [{name: RulePolicy}, {name: MemoizationPolicy}, {name: TEDPolicy}]";
const DOMAIN: &str = "
intents: [greet, vip, book, chat, bye, weather]
responses:
  utter_hi: [{text: Hi}]
  utter_noted: [{text: Noted}]
  utter_suite: [{text: A suite}]
  utter_room: [{text: A room}]
  utter_chat: [{text: Nice}]
";
/// Who said long before that they are a VIP gets a suite.
const STORIES: &str = "
stories:
- story: a vip
  steps: [{intent: greet}, {action: utter_hi}, {intent: vip}, {action: utter_noted}, {intent: book}, {action: utter_suite}]
- story: a vip who chats
  steps: [{intent: vip}, {action: utter_noted}, {intent: chat}, {action: utter_chat}, {intent: book}, {action: utter_suite}]
- story: somebody
  steps: [{intent: greet}, {action: utter_hi}, {intent: book}, {action: utter_room}]
- story: somebody who chats
  steps: [{intent: chat}, {action: utter_chat}, {intent: book}, {action: utter_room}]
- story: straight
  steps: [{intent: book}, {action: utter_room}]
";

fn engine(config: &str) -> Engine {
    let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
    let sources = [file("config.yml", config), file("domain.yml", DOMAIN), file("data/stories.yml", STORIES)];
    Engine::new(Assistant::load(&sources).expect("it loads").assistant).expect("it compiles")
}

fn story(steps: &str) -> Story {
    let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
    let text = format!("stories: [{{story: new, steps: [{steps}]}}]");
    let sources = [file("domain.yml", DOMAIN), file("data/stories.yml", &text)];
    Assistant::load(&sources).expect("it loads").assistant.stories.remove(0)
}

#[test]
fn what_matters_is_learned_from_stories_and_what_they_do_not_know_is_left_to_the_fallback() {
    let model = |engine: &Engine| {
        train_policy(&engine.policy_examples(), &TrainOptions::default(), &|_| {}).expect("there are stories")
    };
    let learned = engine(CONFIG);
    let found = model(&learned);
    assert_eq!(found, model(&learned), "the same stories give the same policy");
    let learned = learned.with_policy(found.clone());
    let told = |engine: &Engine, steps: &str| {
        let told = engine.replay(&story(steps));
        let last = told.iter().rev().find(|m| m.expected != "action_listen").cloned().expect("an action");
        (last.predicted, last.policy.unwrap_or_default())
    };

    // A conversation that no story tells: chatting twice between the words that matter.
    let chats = "{intent: chat}, {action: utter_chat}, {intent: chat}, {action: utter_chat}";
    let vip = format!("{{intent: vip}}, {{action: utter_noted}}, {chats}, {{intent: book}}, {{action: utter_suite}}");
    assert_eq!(told(&learned, &vip), ("utter_suite".into(), "TEDPolicy".into()));
    let other = format!("{{intent: greet}}, {{action: utter_hi}}, {chats}, {{intent: book}}, {{action: utter_room}}");
    assert_eq!(told(&learned, &other).0, "utter_room");

    // An intent that no story knows: whatever would come is a guess.
    let unknown = "{intent: greet}, {action: utter_hi}, {intent: weather}, {action: utter_chat}";
    assert_eq!(told(&learned, unknown), ("action_default_fallback".into(), "RulePolicy".into()));

    // Without TEDPolicy nothing is learned, and a policy that comes all the same has no effect.
    let plain = engine("policies: [{name: RulePolicy}, {name: MemoizationPolicy}]");
    assert!(plain.policy_examples().is_empty());
    assert_eq!(told(&plain.with_policy(found), &vip).0, "action_default_fallback");
}
