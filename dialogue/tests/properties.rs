//! What holds for all conversations.
#![allow(clippy::unwrap_used)] // Helpers of tests may fail as tests do.

mod common;

use proptest::prelude::*;
use std::path::Path;
use tertulia_dialogue::{
    Event, IdempotencyKey, Reply, ScoredIntent, Selection, SessionId, TimestampMs, Understanding, Value,
    engine::{Engine, Step, TurnInput, TurnOutcome},
    ports::{ActionError, ActionResult},
    tracker::Tracker,
};

fn tienda() -> &'static Engine {
    static ENGINE: std::sync::OnceLock<Engine> = std::sync::OnceLock::new();
    ENGINE.get_or_init(|| {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bots/tienda");
        Engine::new(common::load_dir(&dir).unwrap().assistant).unwrap()
    })
}

fn event() -> impl Strategy<Value = Event> {
    let intent = prop::sample::select(vec!["greet", "inform", "cancel", "return_item"]);
    let action = prop::sample::select(vec!["action_listen", "utter_greet", "return_form", "order_form"]);
    let form = prop::sample::select(vec![None, Some("return_form"), Some("order_form")]);
    let slot = prop::sample::select(vec!["city", "product", "requested_slot", "no_such_slot"]);
    prop_oneof![
        1 => Just(Event::SessionStarted),
        4 => intent.prop_map(|intent| Event::UserUttered {
            text: intent.into(),
            intent: ScoredIntent { name: intent.into(), confidence: 1.0 },
            entities: vec![],
            message_id: None,
            input_channel: None,
            metadata: Value::Null,
        }),
        6 => action.prop_map(|a| Event::ActionExecuted { action: a.into(), policy: None, confidence: 1.0 }),
        3 => (slot, prop::sample::select(vec![Value::Null, "x".into()]))
            .prop_map(|(name, value)| Event::SlotSet { name: name.into(), value }),
        2 => form.prop_map(|f| Event::ActiveLoopChanged { name: f.map(str::to_owned) }),
        1 => Just(Event::ActionRejected { action: "return_form".into() }),
        1 => Just(Event::UtteranceReverted),
        1 => Just(Event::ActionReverted),
        1 => Just(Event::SlotsReset),
        1 => Just(Event::Restarted),
        1 => Just(Event::SessionExpired),
        1 => Just(Event::Paused),
        1 => Just(Event::Resumed),
        1 => Just(Event::LoopInterrupted { interrupted: true }),
        1 => Just(Event::FollowupAction { action: "utter_greet".into() }),
        1 => Just(Event::BotUttered { reply: Reply::default() }),
        2 => (prop::sample::select(vec!["tea", "bus"]), any::<bool>(), 0..3_000_000_000_000_u64).prop_map(
            |(name, kill_on_user_message, at)| Event::ReminderScheduled {
                name: name.into(),
                intent: "greet".into(),
                entities: vec![],
                at: TimestampMs(at),
                kill_on_user_message,
            }
        ),
        1 => prop::sample::select(vec![None, Some("tea")])
            .prop_map(|name| Event::ReminderCancelled { name: name.map(str::to_owned), intent: None, entities: None }),
        1 => Just(Event::UtteranceParsed {
            ranking: vec![ScoredIntent { name: "greet".into(), confidence: 0.5 }],
            selections: vec![Selection {
                retrieval_intent: "faq".into(),
                ranking: vec![ScoredIntent { name: "faq/ask_name".into(), confidence: 0.25 }],
            }],
        }),
    ]
}

fn input(turn: u64, said: &str, seed: u64) -> TurnInput {
    TurnInput {
        session: SessionId::new("s").unwrap(),
        key: IdempotencyKey::new(format!("k{turn}")).unwrap(),
        text: said.into(),
        message_id: None,
        input_channel: None,
        metadata: Value::Null,
        understanding: tienda().shortcut(said).unwrap().unwrap(),
        at: TimestampMs(turn),
        last_at: (turn > 0).then(|| TimestampMs(turn - 1)),
        seed,
    }
}

fn run(tracker: &Tracker, input: TurnInput, answers: &[bool]) -> TurnOutcome {
    let mut turn = tienda().begin(tracker, input);
    let mut answers = answers.iter();
    loop {
        match turn.step() {
            Step::Done(outcome) => return outcome,
            Step::Act(call) => turn.acted(match answers.next() {
                Some(false) => Err(ActionError::Rejected { action: call.action, reason: "no".into() }),
                _ => Ok(ActionResult::default()),
            }),
        }
    }
}

fn said() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "/greet",
        "/return_item",
        "/change_delivery",
        "/order_status{\"order_number\": \"A1234\"}",
        "/order_status",
        "/inform{\"order_number\": \"A1234\", \"city\": \"Madrid\"}",
        "/inform{\"product\": \"tent\"}",
        "/inform",
        "/cancel",
        "/restart",
        "/back",
        "/tell_joke",
        "/affirm",
        "/deny",
        "/nlu_fallback",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// A tracker may be handed on at any event: folding the rest gives what folding all gives. What was before the
    /// context began does not matter.
    #[test]
    fn replay_is_incremental_apply(events in prop::collection::vec(event(), 0..60), cut in 0usize..60) {
        let assistant = tienda().assistant();
        let cut = cut.min(events.len());
        let mut first = Tracker::replay(assistant, &events[..cut]);
        events[cut..].iter().for_each(|e| first.apply(e));
        let all = Tracker::replay(assistant, &events);
        prop_assert_eq!(&first, &all);
        let begins = events.iter().rposition(|e| matches!(e, Event::SessionStarted | Event::Restarted)).unwrap_or(0);
        prop_assert_eq!(&Tracker::replay(assistant, &events[begins..]), &all);
        prop_assert_eq!(&Tracker::replay(assistant, all.events()), &all);
        let mut names: Vec<&str> = all.pending_reminders().map(|r| r.name.as_str()).collect();
        names.dedup();
        prop_assert_eq!(names.len(), all.pending_reminders().count());
    }

    /// Events survive the JSON of the action server's protocol.
    #[test]
    fn events_survive_json(event in event()) {
        let json = event.to_rasa_json(TimestampMs(1500));
        prop_assert_eq!(Event::from_rasa_json(&json).unwrap(), event);
    }

    /// So do sequences of them, in which a message and what was understood of it are one.
    #[test]
    fn sequences_survive_json(events in prop::collection::vec(event(), 0..20)) {
        // What was understood stands behind its message and nowhere else.
        let mut told: Vec<Event> = Vec::new();
        for event in events {
            let behind_message = matches!(told.last(), Some(Event::UserUttered { .. }));
            if behind_message || !matches!(event, Event::UtteranceParsed { .. }) {
                told.push(event);
            }
        }
        let json = Event::sequence_to_rasa_json(told.iter().map(|e| (TimestampMs(1500), e)));
        prop_assert!(json.iter().all(|e| e["event"] != "utterance_parsed"));
        prop_assert_eq!(Event::sequence_from_rasa_json(&json).unwrap(), told);
    }

    /// The same input on the same tracker gives the same outcome, every turn ends, and the assistant listens again.
    #[test]
    fn turns_are_functions(
        lines in prop::collection::vec((said(), prop::collection::vec(any::<bool>(), 0..3)), 1..12),
        seed in any::<u64>(),
    ) {
        let mut tracker = Tracker::new(tienda().assistant());
        let mut events = Vec::new();
        for (turn, (line, answers)) in lines.iter().enumerate() {
            let before = tracker.clone();
            let outcome = run(&tracker, input(turn as u64, line, seed), answers);
            prop_assert_eq!(&before, &tracker);
            prop_assert_eq!(&run(&tracker, input(turn as u64, line, seed), answers), &outcome);
            outcome.events.iter().for_each(|e| tracker.apply(e));
            events.extend(outcome.events);
            prop_assert_eq!(&Tracker::replay(tienda().assistant(), &events), &tracker);
            let last = events.iter().rev().find_map(|e| match e {
                Event::ActionExecuted { action, .. } => Some(action.as_str()),
                _ => None,
            });
            prop_assert_eq!(last, Some("action_listen"));
        }
    }
}

#[test]
fn an_unknown_event_is_named() {
    let of = |json: serde_json::Value| Event::from_rasa_json(&json).unwrap_err();
    assert_eq!(of(serde_json::json!({"event": "slots"})), "unknown event `slots`");
    assert_eq!(of(serde_json::json!({"event": "slot"})), "event `slot` lacks the field `name`");
    assert_eq!(of(serde_json::json!({"event": "reminder"})), "event `reminder` lacks the field `intent`");
    let understanding = Understanding::default();
    assert_eq!(understanding.intent, ScoredIntent::default());
}
