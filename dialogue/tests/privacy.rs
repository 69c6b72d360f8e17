//! Personal data: what a turn writes down, says and sends holds none of what is masked, and its places are right.
#![allow(clippy::unwrap_used)] // Helpers of tests may fail as tests do.

use proptest::prelude::*;
use std::sync::LazyLock;
use tertulia_dialogue::{
    Entity, Event, IdempotencyKey, PiiKind, ScoredIntent, SessionId, TextAnalysis, TimestampMs, Understanding, Value,
    engine::{Engine, Step, TurnInput, TurnOutcome},
    format::{Assistant, SourceFile},
    ports::ActionResult,
    tracker::Tracker,
};

const DOMAIN: &str = r#"
intents: [tell]
entities: [email, phone-number, number, who, order]
slots:
  email: {type: text, mappings: [{type: from_entity, entity: email}]}
  phone: {type: text, mappings: [{type: from_entity, entity: phone-number}]}
  words: {type: text, mappings: [{type: from_text}]}
responses:
  utter_told: [{text: "I have {email}, {phone} and: {words}"}]
actions: [action_look]
nlu:
- lookup: who
  examples: |
    - me@example.com
- synonym: the boss
  examples: |
    - me@example.com
rules:
- rule: tell
  steps: [{intent: tell}, {action: action_look}, {action: utter_told}]
"#;

fn engine(analyzer: &str) -> Engine {
    let config = format!(
        "pipeline:\n- {{name: RegexEntityExtractor}}\n- {{name: EntitySynonymMapper}}\n- {{name: DucklingEntityExtractor, dimensions: [email, \
         phone-number, number]}}\n- {{name: TextAnalyzer{analyzer}}}\n"
    );
    let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
    let loaded = Assistant::load(&[file("config.yml", &config), file("domain.yml", DOMAIN)]);
    let assistant = loaded.map_err(|e| e.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")).unwrap();
    Engine::new(assistant.assistant).unwrap()
}

/// A turn, all that went out to the action server, and the tracker behind it.
fn turn(engine: &Engine, text: &str, metadata: Value) -> (TurnOutcome, String, Tracker) {
    let understanding = match engine.shortcut(text) {
        Some(read) => read.unwrap(),
        None => {
            let intent = ScoredIntent { name: "tell".into(), confidence: 1.0 };
            engine.understand(Understanding { text: text.into(), intent, ..Understanding::default() }, TimestampMs(0))
        }
    };
    let input = TurnInput {
        session: SessionId::new("s").unwrap(),
        key: IdempotencyKey::new("k").unwrap(),
        text: text.into(),
        message_id: None,
        input_channel: None,
        metadata,
        understanding,
        at: TimestampMs(0),
        last_at: None,
        seed: 0,
    };
    let mut tracker = Tracker::new(engine.assistant());
    let mut run = engine.begin(&tracker, input);
    let mut sent = String::new();
    let outcome = loop {
        match run.step() {
            Step::Act(call) => {
                sent.push_str(&call.tracker.to_string());
                run.acted(Ok(ActionResult::default()));
            }
            Step::Done(outcome) => break outcome,
        }
    };
    outcome.events.iter().for_each(|event| tracker.apply(event));
    (outcome, sent, tracker)
}

fn heard(outcome: &TurnOutcome) -> (&str, &[Entity], &Value) {
    let found = outcome.events.iter().find_map(|event| match event {
        Event::UserUttered { text, entities, metadata, .. } => Some((text.as_str(), entities.as_slice(), metadata)),
        _ => None,
    });
    found.unwrap()
}

/// Each entity with the words of the text at its place.
fn placed<'t>(text: &'t str, entities: &'t [Entity]) -> Vec<(&'t str, String, String)> {
    let words = |e: &Entity| text.chars().skip(e.start as usize).take((e.end - e.start) as usize).collect();
    entities.iter().map(|e| (e.entity.as_str(), words(e), e.value.display())).collect()
}

const TEXT: &str = "né: me@example.com, +1 650-283-4757, 4242 4242 4242 4242 and 3 more";
const SECRETS: [&str; 4] = ["me@example.com", "650-283-4757", "16502834757", "4242 4242 4242 4242"];

#[test]
fn nothing_that_is_masked_is_kept_said_or_sent() {
    let engine = engine(", mask: true");
    let copy =
        serde_json::json!({"channel": {"raw": TEXT, "parts": ["ask me@example.com"]}, "shop": "shop@example.com"});
    let (outcome, sent, tracker) = turn(&engine, TEXT, Value::from_json(&copy));
    let masked = "né: [email], [phone], [credit-card] and 3 more";
    assert_eq!((outcome.text.as_str(), heard(&outcome).0), (masked, masked));
    // What the turn says, keeps, sends and makes known, word for word.
    let session = SessionId::new("s").unwrap();
    for kept in
        [format!("{outcome:?}"), sent.clone(), format!("{tracker:?}"), tracker.to_rasa_json(&session).to_string()]
    {
        for secret in SECRETS {
            assert!(!kept.contains(secret), "{secret} stands in {kept}");
        }
    }
    assert!(sent.contains("[credit-card]"), "the action server got the message: {sent}");
    // The channel's own copy is masked where it repeats the message; what else it holds is the channel's.
    let metadata = heard(&outcome).2.to_json();
    assert_eq!(metadata["channel"]["raw"], masked);
    assert_eq!(
        (&metadata["channel"]["parts"][0], &metadata["shop"]),
        (&"ask [email]".into(), &"shop@example.com".into())
    );
    assert_eq!(outcome.replies[0].text.as_deref(), Some(format!("I have [email], [phone] and: {masked}").as_str()));
    // Entities lie where their words now are, and their values are the placeholders; one that is not masked is as it was.
    let (text, entities, _) = heard(&outcome);
    let of = |entity, words: &str| (entity, words.to_owned(), words.to_owned());
    let found = placed(text, entities);
    for expected in [of("email", "[email]"), of("who", "[email]"), of("phone-number", "[phone]"), of("number", "3")] {
        assert!(found.contains(&expected), "{expected:?} is not in {found:?}");
    }
    // So do the places that the analysis names.
    let analysis = TextAnalysis::from_metadata(heard(&outcome).2).unwrap();
    let at = |start: u32, end: u32| text.chars().skip(start as usize).take((end - start) as usize).collect::<String>();
    let named: Vec<_> = analysis.pii.unwrap().iter().map(|p| (p.kind, at(p.start, p.end))).collect();
    let kinds = [PiiKind::Email, PiiKind::Phone, PiiKind::CreditCard];
    assert_eq!(named, kinds.map(|kind| (kind, format!("[{}]", kind.name()))));
}

#[test]
fn only_what_is_asked_for_is_masked() {
    let (outcome, ..) = turn(&engine(", mask: [phone]"), TEXT, Value::Null);
    assert_eq!(outcome.text, "né: me@example.com, [phone], 4242 4242 4242 4242 and 3 more");
    let (text, entities, _) = heard(&outcome);
    let found = placed(text, entities);
    assert!(found.contains(&("who", "me@example.com".into(), "the boss".into())), "{found:?}");
    let (outcome, ..) = turn(&engine(""), TEXT, Value::Null);
    assert_eq!(outcome.text, TEXT);
}

#[test]
fn an_entity_is_kept_for_its_slot_where_author_and_operator_agree() {
    let text = TEXT.replace("me@example.com", "ann@example.com");
    let slots = |engine: &Engine, text: &str| {
        let (outcome, _, tracker) = turn(engine, text, Value::Null);
        assert!(!outcome.text.contains("ann@example.com"), "the words are masked all the same");
        [tracker.slot("email").display(), tracker.slot("phone").display()]
    };
    let author = engine(", mask: [email, phone], keep_entities: [email]");
    assert_eq!(slots(&author, &text), ["ann@example.com", "[phone]"]);
    assert_eq!(slots(&author, r#"/tell{"email": "ann@example.com"}"#)[0], "ann@example.com");
    // The operator masks on top of it: what the author keeps is kept only where the operator allows it.
    for (allowed, kept) in [(true, "ann@example.com"), (false, "[email]")] {
        let mut both = engine(", mask: [phone], keep_entities: [email]");
        both.require_masks(&PiiKind::ALL, allowed);
        assert_eq!(slots(&both, &text), [kept, "[phone]"], "{allowed}");
        assert_eq!(slots(&both, r#"/tell{"email": "ann@example.com"}"#)[0], kept, "{allowed}");
    }
    // Without the component of its own an assistant is masked as well.
    let mut plain = engine(", pii: false");
    plain.require_masks(&[PiiKind::Email], false);
    assert_eq!(slots(&plain, &text)[0], "[email]");
}

#[test]
fn messages_that_say_their_own_meaning_are_masked() {
    let engine = engine(", mask: true");
    let said = r#" /tell{"email": ["me@example.com", "a@b.com"], "phone-number": "call 6502834757", "order": 4242424242424242} "#;
    let (outcome, sent, tracker) = turn(&engine, said, Value::Null);
    let all = format!("{outcome:?} {sent} {tracker:?}");
    for secret in ["me@example.com", "a@b.com", "6502834757", "4242424242424242"] {
        assert!(!all.contains(secret), "{secret} stands in {all}");
    }
    let values: Vec<String> = heard(&outcome).1.iter().map(|e| e.value.display()).collect();
    assert_eq!(values, ["[email]", "[credit-card]", "call [phone]"]);
    // What is wrong with one is told without them.
    let error = engine.shortcut(r#"/tel{"email": "me@example.com"}"#).unwrap().unwrap_err();
    assert!(error.contains("[email]") && error.contains("unknown intent `tel`") && !error.contains("me@"), "{error}");
    let error = engine.shortcut(r#"/tell{"order": 4242424242424242,}"#).unwrap().unwrap_err();
    assert!(error.contains("[credit-card]") && !error.contains("4242"), "{error}");
}

#[test]
fn a_retry_is_known_by_its_masked_words_however_masks_change() {
    let [all, one, none] = [", mask: true", ", mask: [phone]", ""].map(engine);
    let records = [&all, &one, &none].map(|engine| turn(engine, TEXT, Value::Null).0.text);
    let others = [
        "né: me@example.com, +1 650-283-4757, 4242 4242 4242 4242 and 4 more",
        "né: me@example.com, +1 650-283-4757 and 3 more",
        "",
    ];
    for engine in [&all, &one, &none] {
        for record in &records {
            assert!(engine.is_record_of(record, TEXT), "{record}");
            assert!(others.iter().all(|other| !engine.is_record_of(record, other)), "{record}");
        }
    }
    assert!(!none.is_record_of("né: [phone], [email], [credit-card] and 3 more", TEXT), "the kinds are in order");
    assert!(!none.is_record_of("né: you@example.com, [phone], [credit-card] and 3 more", TEXT));
}

#[test]
fn the_tracker_shows_the_analysis_and_metadata_without_a_place_stay() {
    let engine = engine(", mask: true");
    let (outcome, sent, tracker) = turn(&engine, "I am very happy", Value::Null);
    let analysis = tracker.latest_understanding().unwrap().analysis.clone().unwrap();
    assert_eq!(
        (analysis.sentiment.unwrap().label.as_str(), analysis.language.unwrap().code.as_str()),
        ("positive", "en")
    );
    assert_eq!(analysis.pii, Some(Vec::new()));
    let sent: serde_json::Value = serde_json::from_str(&sent).unwrap();
    assert_eq!(sent["latest_message"]["analysis"]["sentiment"]["label"], "positive");
    assert_eq!(heard(&outcome).2.to_json()["analysis"], sent["latest_message"]["analysis"]);
    let list = Value::List(vec![Value::from("from the channel")]);
    assert_eq!(*heard(&turn(&engine, "hello", list.clone()).0).2, list);
}

static ALL_MASKED: LazyLock<Engine> = LazyLock::new(|| engine(", mask: true"));

proptest! {
    /// Whatever surrounds them: no secret is left, places lie inside of the text, and the record is known again.
    #[test]
    fn places_are_those_of_the_masked_text(pieces in prop::collection::vec(prop::sample::select(&[
        "me@example.com", " ", "né ", "call +1 650-283-4757", "4242 4242 4242 4242", "卡", ", ", "3", "x", "😀", "at 5pm ",
    ][..]), 1..12)) {
        let text = pieces.concat();
        prop_assume!(!text.trim().is_empty());
        let (outcome, ..) = turn(&ALL_MASKED, &text, Value::Null);
        let (masked, entities, metadata) = heard(&outcome);
        let length = masked.chars().count() as u32;
        for entity in entities {
            prop_assert!(entity.start < entity.end && entity.end <= length, "{entity:?} in {masked:?}");
        }
        for place in TextAnalysis::from_metadata(metadata).unwrap().pii.unwrap() {
            let words: String = masked.chars().skip(place.start as usize).take((place.end - place.start) as usize).collect();
            prop_assert_eq!(words, format!("[{}]", place.kind.name()));
        }
        prop_assert!(ALL_MASKED.is_record_of(masked, &text), "{} of {}", masked, text);
    }
}
