//! Features of the format that conversations alone do not show: what test stories expect, what action servers read, what
//! other crates hand in.
#![allow(clippy::unwrap_used)] // Helpers of tests may fail as tests do.

mod common;

use serde_json::json;
use tertulia_dialogue::{
    Entity, Event, IdempotencyKey, ScoredIntent, Selection, SessionId, TimestampMs, Understanding, Value,
    check::{perfect_parse, play_test_story, run_test_story},
    engine::{Engine, Step, TurnInput, TurnOutcome, TurnTime},
    format::{Assistant, SourceFile},
    ports::ActionResult,
    tracker::Tracker,
};

const FAQ: &str = "
intents: [faq, greet, go]
entities: [city, time]
responses:
  utter_faq/ask_name: [{text: I am Ada.}]
  utter_faq/ask_age: [{text: Two years.}]
nlu:
- intent: faq/ask_name
  examples: |
    - name?
- intent: faq/ask_age
  examples: |
    - age?
rules:
- rule: questions
  steps: [{intent: faq}, {action: utter_faq}]
- rule: go
  steps: [{intent: go}, {action: action_send_text}]
stories:
- story: words
  steps: [{user: hello}, {bot: Hello yourself.}]
";
const TESTS: &str = "
stories:
- story: the right key
  steps: [{user: name?, intent: faq/ask_name}, {action: utter_faq}]
- story: any key
  steps: [{user: name?, intent: faq}, {action: utter_faq}, {bot: I am Ada.}]
- story: another key
  steps: [{user: age?, intent: faq/ask_name}, {action: utter_faq}]
- story: words
  steps: [{user: Hello!}, {bot: Hello yourself.}]
";

fn engine() -> Engine {
    let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
    let loaded = Assistant::load(&[file("domain.yml", FAQ), file("tests/test_faq.yml", TESTS)]);
    Engine::new(loaded.unwrap_or_else(|e| panic!("{}", common::lines(&e))).assistant).unwrap()
}

fn scored(name: &str, confidence: f32) -> ScoredIntent {
    ScoredIntent { name: name.into(), confidence }
}

fn selected(of: &str, keys: &[&str]) -> Selection {
    Selection { retrieval_intent: of.into(), ranking: keys.iter().map(|k| scored(k, 0.5)).collect() }
}

const TIME: TurnTime = TurnTime { at: TimestampMs(60_000), last_at: None, seed: 0 };

fn run(engine: &Engine, tracker: &Tracker, input: TurnInput) -> TurnOutcome {
    match engine.begin(tracker, input).step() {
        Step::Done(outcome) => outcome,
        Step::Act(call) => panic!("{} is called", call.action),
    }
}

#[test]
fn test_stories_name_keys_and_words() {
    let engine = engine();
    let tests = &engine.assistant().tests;
    let name_only = |text: &str| match text {
        "Hello!" => {
            Understanding { text: text.into(), intent: scored("nlu_fallback", 0.7), ..Understanding::default() }
        }
        _ => Understanding {
            text: text.into(),
            intent: scored("faq", 0.9),
            ranking: vec![scored("faq", 0.9)],
            selections: vec![selected("faq", &[if text == "name?" { "faq/ask_name" } else { "faq/ask_age" }])],
            ..Understanding::default()
        },
    };
    let wrong = "expected intent faq/ask_name, predicted faq/ask_age (0.90) for \"age?\" at tests/test_faq.yml:8:11";
    for (i, story) in tests.iter().enumerate() {
        let reports = [
            run_test_story(&engine, story, &name_only),
            play_test_story(&engine, story, &name_only, &mut |_| Ok(ActionResult::default())),
        ];
        for report in reports {
            let failures: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
            let expected = if i == 2 { wrong.rsplit_once(':').unwrap().0 } else { "" };
            assert_eq!(failures.join("\n"), expected, "{}", report.name);
        }
        // A perfect model knows the key that the story names.
        let report = run_test_story(&engine, story, &perfect_parse(tests));
        assert!(report.passed, "{report}");
    }
}

#[test]
fn one_selector_may_rank_the_keys_of_all_retrieval_intents() {
    let engine = engine();
    let raw = Understanding {
        text: "age?".into(),
        ranking: vec![scored("faq", 0.9)],
        selections: vec![selected("default", &["chat/unknown", "faq/ask_age", "faq/ask_name"])],
        ..Understanding::default()
    };
    let understood = engine.understand(raw, TimestampMs(0));
    assert_eq!(understood.full_intent(), "faq/ask_age", "keys that the assistant does not have are left out");
    assert_eq!(understood.selections[0].ranking.len(), 2);
    assert_eq!(understood.to_rasa_json(engine.assistant())["intent"]["full_retrieval_intent_name"], "faq/ask_age");
    let greeting = Understanding { intent: scored("greet", 0.9), ..understood };
    assert_eq!(greeting.full_intent(), "greet");
}

#[test]
fn entities_of_other_extractors_are_taken_if_the_domain_has_them() {
    let of = |entity: &str, start| Entity { entity: entity.into(), start, end: start + 1, ..Entity::default() };
    let raw = Understanding { text: "abc".into(), entities: vec![of("city", 2)], ..Understanding::default() };
    let understood = engine().understand_with(raw, vec![of("time", 0), of("volume", 1)]);
    let found: Vec<&str> = understood.entities.iter().map(|e| e.entity.as_str()).collect();
    assert_eq!(found, ["time", "city"]);
}

#[test]
fn extractors_find_what_the_domain_declares_and_count_from_when_it_was_said() {
    let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
    let extract = |settings: &str, text: &str| {
        let config = format!("pipeline:\n- name: DucklingEntityExtractor\n{settings}");
        let files = [file("config.yml", &config), file("domain.yml", "intents: [go]\nentities: [time, email]\n")];
        let engine = Engine::new(Assistant::load(&files).unwrap().assistant).unwrap();
        let raw = Understanding { text: text.into(), ..Understanding::default() };
        // 2026-11-28T09:00:00Z
        let found = engine.understand(raw, TimestampMs(1_795_856_400_000)).entities;
        found.into_iter().map(|e| (e.entity, e.start, e.end, e.value.display())).collect::<Vec<_>>()
    };
    let text = "é: ann@example.com, 3 apples, tomorrow";
    let mail = ("email".to_owned(), 3, 18, "ann@example.com".to_owned());
    let time = ("time".to_owned(), 30, 38, "2026-11-29T00:00:00.000+00:00".to_owned());
    assert_eq!(extract("", text), [mail.clone(), time.clone()], "numbers are not declared");
    assert_eq!(extract("  dimensions: [email]\n", text), [mail]);
    assert_eq!(extract("  locale: zh_CN\n", "明天")[0].3, time.3);
    assert_eq!(extract("  locale: fi_FI\n", text), [], "there are no rules for it");
}

#[test]
fn an_intent_from_outside_begins_a_turn() {
    let engine = engine();
    let tracker = Tracker::new(engine.assistant());
    let session = SessionId::new("s").unwrap();
    let entities = [Entity { entity: "city".into(), value: "Madrid".into(), ..Entity::default() }];
    let key = IdempotencyKey::new("k").unwrap();
    let mut input = TurnInput::external(&tracker, session, key, ("go", &entities), TIME);
    let Value::Map(metadata) = &mut input.metadata else { panic!("external turns have metadata") };
    metadata.insert("message".into(), Value::from_json(&json!({"text": "The bus comes."})));
    let outcome = run(&engine, &tracker, input);
    assert_eq!(outcome.failure, None);
    assert_eq!(outcome.replies[0].text.as_deref(), Some("The bus comes."));
    let heard = outcome.events.iter().find(|e| matches!(e, Event::UserUttered { .. })).unwrap();
    let json = heard.to_rasa_json(TimestampMs(0));
    assert_eq!(json["text"], "EXTERNAL: go");
    assert_eq!(json["metadata"]["is_external"], true);
    assert_eq!(json["parse_data"]["entities"][0]["value"], "Madrid");
}

#[test]
fn action_servers_read_words_as_rasa_has_them() {
    let engine = engine();
    let mut tracker = Tracker::new(engine.assistant());
    let session = SessionId::new("s").unwrap();
    let mut input = TurnInput::external(&tracker, session.clone(), IdempotencyKey::new("k").unwrap(), ("", &[]), TIME);
    let words = Understanding { text: "HELLO".into(), ..Understanding::default() };
    (input.text, input.understanding) = ("HELLO".into(), words);
    run(&engine, &tracker, input).events.iter().for_each(|e| tracker.apply(e));
    let json = tracker.to_rasa_json(&session);
    let said = json["events"].as_array().unwrap().iter().find(|e| !e["action_text"].is_null()).unwrap();
    assert_eq!((&said["name"], &said["action_text"]), (&json!(null), &json!("Hello yourself.")));
    assert_eq!(said["policy"], "AugmentedMemoizationPolicy");
    assert_eq!(Event::from_rasa_json(said).unwrap().to_rasa_json(TimestampMs(0))["name"], "Hello yourself.");
}

#[test]
fn what_was_understood_goes_with_its_message() {
    let text = "
intents: [order, inform, stop]
slots: {size: {type: text, mappings: [{type: custom}]}}
forms: {f: {required_slots: [size]}}
responses: {utter_ask_size: [{text: Size?}]}
";
    let file = SourceFile { path: "domain.yml".into(), text: text.into() };
    let assistant = Assistant::load(&[file]).unwrap().assistant;
    let uttered = |intent: &str| Event::UserUttered {
        text: intent.into(),
        intent: scored(intent, 1.0),
        entities: vec![],
        message_id: None,
        input_channel: None,
        metadata: Value::Null,
    };
    let executed = |action: &str| Event::ActionExecuted { action: action.into(), policy: None, confidence: 1.0 };
    let parsed =
        Event::UtteranceParsed { ranking: vec![scored("inform", 1.0), scored("stop", 0.5)], selections: vec![] };
    let events = [
        executed("action_listen"),
        uttered("order"),
        executed("f"),
        Event::ActiveLoopChanged { name: Some("f".into()) },
        executed("action_listen"),
        uttered("inform"),
        parsed,
        // The happy path is folded together: the message that is folded away takes along what was understood of it.
        executed("f"),
        executed("action_listen"),
        uttered("stop"),
        Event::UtteranceReverted,
    ];
    let tracker = Tracker::replay(&assistant, &events);
    assert_eq!(tracker.latest_understanding().unwrap().ranking, [scored("order", 1.0)]);
}
