//! The assistants that nobody here wrote, and our own: they load, and their test stories pass.
#![allow(clippy::unwrap_used)] // Helpers of tests may fail as tests do.

mod common;

use common::{load_dir, shared};
use std::path::Path;
use tertulia_dialogue::{
    check::{perfect_parse, play_test_story, run_test_story},
    engine::Engine,
    format::Assistant,
    ports::ActionResult,
};

fn engine_of(dir: &Path) -> (Engine, Vec<String>) {
    let loaded = load_dir(dir).unwrap_or_else(|errors| panic!("{}", common::lines(&errors)));
    let warnings = loaded.warnings.iter().map(ToString::to_string).collect();
    let engine = Engine::new(loaded.assistant).unwrap_or_else(|errors| panic!("{}", common::lines(&errors)));
    (engine, warnings)
}

/// Runs all test stories in the way of `rasa test`; answers how many passed and what failed.
fn predicted(engine: &Engine) -> (usize, String) {
    let tests = &engine.assistant().tests;
    let parse = perfect_parse(tests);
    let reports: Vec<_> = tests.iter().map(|t| run_test_story(engine, t, &parse)).collect();
    let failed: Vec<String> = reports.iter().filter(|r| !r.passed).map(ToString::to_string).collect();
    (reports.len() - failed.len(), failed.join("\n"))
}

/// Plays all test stories through real turns; custom actions answer nothing.
fn played(engine: &Engine) -> (usize, String) {
    let tests = &engine.assistant().tests;
    let parse = perfect_parse(tests);
    let reports: Vec<_> =
        tests.iter().map(|t| play_test_story(engine, t, &parse, &mut |_| Ok(ActionResult::default()))).collect();
    let failed: Vec<String> = reports.iter().filter(|r| !r.passed).map(ToString::to_string).collect();
    (reports.len() - failed.len(), failed.join("\n"))
}

#[test]
fn moodbot_passes_its_own_tests() {
    let Some(dir) = shared("bots/moodbot") else { return };
    let (engine, warnings) = engine_of(&dir);
    assert_eq!(warnings, Vec::<String>::new());
    assert!(engine.assistant().config.learned.is_some(), "no policy is named, so one is learned, as in Rasa");
    assert_eq!(predicted(&engine), (7, String::new()));
    assert_eq!(played(&engine), (7, String::new()));
}

#[test]
fn helpdesk_passes_its_own_tests() {
    let Some(dir) = shared("bots/helpdesk-assistant") else { return };
    let (engine, warnings) = engine_of(&dir);
    // The replaced components and TED are told of.
    assert_eq!(warnings.len(), 2, "{warnings:#?}");
    assert_eq!(predicted(&engine), (12, String::new()));
}

#[test]
fn tienda_loads_without_a_warning_and_passes_its_tests() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bots/tienda");
    let (engine, warnings) = engine_of(&dir);
    assert_eq!(warnings, Vec::<String>::new());
    let assistant = engine.assistant();
    assert_eq!(assistant.domain.intents.len(), 19);
    for intent in assistant.domain.intents.keys() {
        let examples = assistant.nlu.iter().filter(|e| e.intent == *intent).count();
        assert!(examples >= 12, "{intent} has {examples} examples");
    }
    assert_eq!(predicted(&engine), (31, String::new()));
    assert_eq!(played(&engine), (31, String::new()));
}

#[test]
fn tienda_tests_use_words_that_are_not_examples() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bots/tienda");
    let (engine, _) = engine_of(&dir);
    not_examples(engine.assistant());
}

fn not_examples(assistant: &Assistant) {
    let texts = assistant.tests.iter().flat_map(|t| &t.steps).filter_map(|s| match s {
        tertulia_dialogue::format::StoryStep::User(user) => user.text.as_ref(),
        _ => None,
    });
    for text in texts {
        assert!(!assistant.nlu.iter().any(|e| e.text == *text), "{text:?} is an example");
    }
}

#[test]
fn chaguan_passes_its_tests_with_words_that_are_not_examples() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bots/chaguan");
    let (engine, warnings) = engine_of(&dir);
    assert_eq!(warnings, Vec::<String>::new());
    let assistant = engine.assistant();
    for intent in assistant.domain.intents.keys() {
        let examples = assistant.nlu.iter().filter(|e| e.intent == *intent).count();
        assert!(examples >= 6, "{intent} has {examples} examples");
    }
    assert_eq!(predicted(&engine), (4, String::new()));
    assert_eq!(played(&engine), (4, String::new()));
    not_examples(assistant);
}
