//! The assistant of the simulation: what it answers depends on all that was said before, so that an answer that was worked
//! out from an old state shows.

use dialogue::{
    EncodedUtterance, Entity, ScoredIntent, Understanding,
    engine::Engine,
    format::{Assistant, SourceFile},
    ports::{ActionCall, ActionError, ActionResult, ActionRunner, BoxFuture, ScoreError, Scorer},
};
use std::sync::Arc;

const DOMAIN: &str = r#"
version: "3.1"
intents: [note, recall, greet]
entities: [thing]
slots:
  thing:
    type: text
    influence_conversation: false
    mappings: [{type: from_entity, entity: thing}]
responses:
  utter_noted: [{text: "Noted: {thing}."}]
  utter_recalled: [{text: "It was {thing}."}]
  utter_greet: [{text: "Hello."}]
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

/// The compiled assistant.
pub(super) fn engine() -> Arc<Engine> {
    let files = [("domain.yml", DOMAIN), ("data/rules.yml", RULES), ("data/nlu.yml", NLU)];
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

/// What it must answer to a text after others, in order; `None` where nothing is said about it.
pub(super) fn expected(before: &[&str], text: &str) -> Option<String> {
    let thing = |text: &str| text.strip_prefix("note ").map(str::to_owned);
    if let Some(thing) = thing(text) {
        return Some(format!("Noted: {thing}."));
    }
    match text {
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
        _ if text == "recall" => ("recall", Vec::new()),
        _ => ("greet", Vec::new()),
    };
    let intent = ScoredIntent { name: name.into(), confidence: 1.0 };
    Understanding { text: text.into(), ranking: vec![intent.clone()], intent, entities, ..Understanding::default() }
}

/// There are no custom actions.
pub(super) struct NoActions;

impl ActionRunner for NoActions {
    fn run(&self, call: ActionCall) -> BoxFuture<'_, Result<ActionResult, ActionError>> {
        Box::pin(async move { Err(ActionError::Failed { action: call.action, reason: "there are none".into() }) })
    }
}
