//! The assistants that nobody here wrote, and our own: they load, and their test stories pass.
#![allow(clippy::unwrap_used)] // Helpers of tests may fail as tests do.

mod common;

use common::{load_dir, shared};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};
use tertulia_dialogue::{
    Event, Value,
    check::{perfect_parse, play_test_story, run_test_story},
    engine::Engine,
    format::{Assistant, SourceFile, StoryStep},
    ports::{ActionCall, ActionResult},
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

fn viaje() -> Engine {
    let (engine, warnings) = engine_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../bots/viaje"));
    assert_eq!(warnings, Vec::<String>::new());
    engine
}

/// What a story tells, step by step; the names of cities and dates make no difference.
fn told(steps: &[StoryStep]) -> Vec<String> {
    let step = |step: &StoryStep| match step {
        StoryStep::User(user) => {
            let of = |e: &tertulia_dialogue::format::StepEntity| {
                let role = e.role.clone().unwrap_or_default();
                let value = e.value.as_ref().filter(|_| !["city", "date", "email"].contains(&e.entity.as_str()));
                format!(" {}:{role}={}", e.entity, value.map(|v| v.display()).unwrap_or_default())
            };
            let entities: String = user.entities.iter().map(of).collect();
            Some(format!("> {}{entities}", user.intent.clone().unwrap_or_default()))
        }
        StoryStep::Action { name, .. } => Some(name.clone()),
        StoryStep::ActiveLoop { name, .. } => Some(format!("loop {}", name.clone().unwrap_or_default())),
        StoryStep::SlotWasSet { slots, .. } => Some(format!("slots {slots:?}")),
        _ => None,
    };
    steps.iter().filter_map(step).collect()
}

#[test]
fn viaje_is_large_enough_to_compare_policies_on() {
    let engine = viaje();
    let assistant = engine.assistant();
    assert!(assistant.domain.intents.len() >= 12 && assistant.domain.forms.len() == 2);
    for intent in assistant.domain.intents.keys() {
        let examples = assistant.nlu.iter().filter(|e| e.intent == *intent).count();
        assert!(examples >= 8, "{intent} has {examples} examples");
    }
    assert!(assistant.stories.len() >= 40 && assistant.tests.len() >= 12);
    for story in &assistant.stories {
        let turns = story.steps.iter().filter(|s| matches!(s, StoryStep::User(_))).count();
        assert!((4..=12).contains(&turns), "{} has {turns} turns", story.name);
    }
    let said = |steps: &[StoryStep]| told(steps).into_iter().filter(|s| s.starts_with('>')).collect::<Vec<_>>();
    let learned: BTreeSet<Vec<String>> = assistant.stories.iter().map(|s| said(&s.steps)).collect();
    assert_eq!(learned.len(), assistant.stories.len(), "each story is told once");
    for test in &assistant.tests {
        assert!(!learned.contains(&said(&test.steps)), "{} is a story", test.name);
    }
    // Whatever is told, an answer can say: each response and action has its moment in the stories.
    let done: BTreeSet<String> = assistant.stories.iter().flat_map(|s| told(&s.steps)).collect();
    for test in &assistant.tests {
        for action in told(&test.steps).iter().filter(|s| s.starts_with("utter_") || s.starts_with("action_")) {
            assert!(done.contains(action), "{}: no story says {action}", test.name);
        }
    }
}

#[test]
fn viaje_behaves_in_one_way() {
    let engine = viaje();
    let assistant = engine.assistant();
    let stories = assistant.stories.iter().map(|s| (&s.name, &s.steps));
    let mut after: BTreeMap<Vec<String>, (String, &String)> = BTreeMap::new();
    for (name, steps) in stories.chain(assistant.tests.iter().map(|t| (&t.name, &t.steps))) {
        let told = told(steps);
        for (at, next) in told.iter().enumerate().filter(|(_, s)| !s.starts_with('>')) {
            let (first, of) = after.entry(told[..at].to_vec()).or_insert((next.clone(), name));
            assert_eq!(first, next, "{of} and {name} differ after the same past");
        }
    }
    // What is known by heart is right; what happened too long ago for that is left to a policy that learns.
    let moments: Vec<_> = assistant.stories.iter().flat_map(|story| engine.replay(story)).collect();
    let known = moments.iter().filter(|m| m.predicted != "action_default_fallback");
    let wrong: Vec<_> = known.clone().filter(|m| m.predicted != m.expected).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(known.count() * 10 > moments.len() * 9, "{} moments", moments.len());
}

#[test]
fn viaje_plays_what_its_tests_tell_once_a_policy_knows_them() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bots/viaje");
    let mut files = common::files(&dir);
    let tests = files.iter().find(|f| f.path == "tests/test_held_out.yml").unwrap().text.clone();
    // A policy that knows everything by heart, the tests included: what is left to differ is forms, slots and rules.
    files.push(SourceFile { path: "data/stories_told.yml".into(), text: tests });
    let config = files.iter_mut().find(|f| f.path == "config.yml").unwrap();
    config.text = "policies: [{name: RulePolicy}, {name: MemoizationPolicy, max_history: null}]\n".into();
    let engine = Engine::new(Assistant::load(&files).unwrap().assistant).unwrap();
    let tests = &engine.assistant().tests;
    // What the action server would set.
    let mut act = |call: &ActionCall| {
        let set = match call.action.as_str() {
            "action_book_trip" => Some(("booked", true)),
            "action_cancel_trip" => Some(("booked", false)),
            "action_add_insurance" => Some(("insured", true)),
            _ => None,
        };
        let slot = |(name, value): (&str, bool)| Event::SlotSet { name: name.into(), value: Value::Bool(value) };
        Ok(ActionResult { events: set.map(slot).into_iter().collect(), ..ActionResult::default() })
    };
    for test in tests {
        let report = play_test_story(&engine, test, &perfect_parse(tests), &mut act);
        assert!(report.passed, "{report}");
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
