//! The assistant of the simulation: what it answers depends on all that was said before, so that an answer that was worked
//! out from an old state shows.

use dialogue::{
    EncodedUtterance, Entity, Event, Reply, ScoredIntent, TimestampMs, Understanding,
    engine::Engine,
    format::{Assistant, SourceFile},
    ports::{ActionCall, ActionError, ActionResult, ActionRunner, BoxFuture, ScoreError, Scorer},
};
use raft::simulation;
use std::{sync::Arc, time::Duration};

const DOMAIN: &str = r#"
version: "3.1"
intents: [note, recall, greet, remind, EXTERNAL_due]
entities: [thing, reminder]
actions: [action_remind]
slots:
  thing:
    type: text
    influence_conversation: false
    mappings: [{type: from_entity, entity: thing}]
responses:
  utter_noted: [{text: "Noted: {thing}."}]
  utter_recalled: [{text: "It was {thing}."}]
  utter_greet: [{text: "Hello."}]
  utter_due: [{text: "It is time."}]
"#;

const RULES: &str = r#"
version: "3.1"
rules:
  - rule: note
    steps: [{intent: note}, {action: utter_noted}]
  - rule: recall
    steps: [{intent: recall}, {action: utter_recalled}]
  - rule: greet
    steps: [{intent: greet}, {action: utter_greet}]
  - rule: remind
    steps: [{intent: remind}, {action: action_remind}]
  - rule: due
    steps: [{intent: EXTERNAL_due}, {action: utter_due}]
"#;

const NLU: &str = r#"
version: "3.1"
nlu:
  - intent: note
    examples: "- note [w1](thing)\n- note [w2](thing)\n"
  - intent: recall
    examples: "- recall\n- what was it\n"
  - intent: greet
    examples: "- hello\n- hi\n"
"#;

/// What is said of a reminder that was scheduled.
const WILL_REMIND: &str = "I will remind you.";

/// The compiled assistant, whose sessions last so long.
pub(super) fn engine(expiry_ms: u64) -> Arc<Engine> {
    let minutes = expiry_ms as f64 / 60_000.0;
    let session =
        format!("session_config: {{session_expiration_time: {minutes:?}, carry_over_slots_to_new_session: true}}\n");
    let domain = [DOMAIN, &session].concat();
    let files = [("domain.yml", domain.as_str()), ("data/rules.yml", RULES), ("data/nlu.yml", NLU)];
    let files = files.map(|(path, text)| SourceFile { path: path.into(), text: text.into() });
    let assistant = Assistant::load(&files).unwrap_or_else(|e| panic!("the simulation's assistant: {e:?}")).assistant;
    Arc::new(Engine::new(assistant).unwrap_or_else(|e| panic!("the simulation's assistant: {e:?}")))
}

/// What its user says next: the `number`th thing of a client, or something about the last one.
pub(super) fn words(kind: u64, client: usize, number: u64) -> String {
    match kind {
        0 => "recall".into(),
        1 => "hello".into(),
        _ => format!("note w{client}-{number}"),
    }
}

/// What its user says to be reminded of something, by a name of its own, after so many milliseconds.
pub(super) fn reminder(client: usize, number: u64, after_ms: u64) -> String {
    format!("remind r{client}-{number} {after_ms}")
}

/// What it must answer to a text after others, in order; `None` where nothing is said about it.
pub(super) fn expected(before: &[&str], text: &str) -> Option<String> {
    let thing = |text: &str| text.strip_prefix("note ").map(str::to_owned);
    if let Some(thing) = thing(text) {
        return Some(format!("Noted: {thing}."));
    }
    if text.starts_with("remind ") {
        return Some(WILL_REMIND.into());
    }
    match text {
        "EXTERNAL: EXTERNAL_due" => Some("It is time.".into()),
        "hello" => Some("Hello.".into()),
        "recall" => {
            let last = before.iter().rev().find_map(|said| thing(said));
            Some(format!("It was {}.", last.unwrap_or_else(|| "None".into())))
        }
        _ => None,
    }
}

/// Understands what the clients say, without a model.
pub(super) struct PlainWords;

impl Scorer for PlainWords {
    fn encode(&self, text: &str) -> Result<EncodedUtterance, ScoreError> {
        let tokens = text.split_whitespace().count().max(1);
        Ok(EncodedUtterance { text: text.into(), token_ids: vec![0; tokens], offsets: vec![(0, 0); tokens] })
    }

    fn score(&self, batch: &[EncodedUtterance]) -> Result<Vec<Understanding>, ScoreError> {
        Ok(batch.iter().map(|utterance| understand(&utterance.text)).collect())
    }

    fn batch_tokens_max(&self) -> usize {
        256
    }

    fn describe(&self) -> String {
        "plain words".into()
    }
}

fn understand(text: &str) -> Understanding {
    let (name, entities) = match text.split_once(' ') {
        Some(("note", thing)) => {
            // Plain ASCII: bytes and characters are the same.
            let entity = Entity {
                entity: "thing".into(),
                value: thing.into(),
                start: (text.len() - thing.len()) as u32,
                end: text.len() as u32,
                confidence: 1.0,
                extractor: "plain words".into(),
                ..Default::default()
            };
            ("note", vec![entity])
        }
        Some(("remind", _)) => ("remind", Vec::new()),
        _ if text == "recall" => ("recall", Vec::new()),
        _ => ("greet", Vec::new()),
    };
    let intent = ScoredIntent { name: name.into(), confidence: 1.0 };
    Understanding { text: text.into(), ranking: vec![intent.clone()], intent, entities, ..Understanding::default() }
}

/// The one custom action: a reminder, as the last message asks for it.
pub(super) struct Reminds;

impl ActionRunner for Reminds {
    fn run(&self, call: ActionCall, _within: Duration) -> BoxFuture<'_, Result<ActionResult, ActionError>> {
        let text = call.tracker["latest_message"]["text"].as_str().unwrap_or_default();
        let asked = text.strip_prefix("remind ").and_then(|rest| rest.split_once(' '));
        let result = match asked.and_then(|(name, after)| Some((name, after.parse::<u64>().ok()?))) {
            Some((name, after_ms)) => Ok(schedule(name, after_ms)),
            None => Err(ActionError::Failed { action: call.action, reason: format!("{text:?} asks for no reminder") }),
        };
        Box::pin(async move { result })
    }
}

fn schedule(name: &str, after_ms: u64) -> ActionResult {
    let at = TimestampMs(simulation::wall_clock().as_millis() as u64 + after_ms);
    let entity = Entity { entity: REMINDER.into(), value: name.into(), confidence: 1.0, ..Default::default() };
    let (name, intent, entities) = (name.to_owned(), "EXTERNAL_due".into(), vec![entity]);
    ActionResult {
        events: vec![Event::ReminderScheduled { name, intent, entities, at, kill_on_user_message: false }],
        replies: vec![Reply { text: Some(WILL_REMIND.into()), ..Reply::default() }],
    }
}

/// The entity by which a reminder that is due tells its name.
pub(super) const REMINDER: &str = "reminder";
