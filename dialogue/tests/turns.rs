//! Turns, through one door: what a user says goes in, what happens comes out.
#![allow(clippy::unwrap_used)] // Helpers of tests may fail as tests do.

mod common;

use expect_test::{Expect, expect};
use std::{collections::VecDeque, path::Path};
use tertulia_dialogue::{
    Entity, Event, IdempotencyKey, Reply, ScoredIntent, SessionId, TimestampMs, Understanding, Value,
    engine::{Engine, Step, TurnInput, TurnOutcome},
    format::{Assistant, SourceFile},
    ports::{ActionCall, ActionError, ActionResult},
    tracker::Tracker,
};

type Answer = Result<ActionResult, ActionError>;

fn tienda() -> Engine {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bots/tienda");
    Engine::new(common::load_dir(&dir).unwrap().assistant).unwrap()
}

fn engine(text: &str) -> Engine {
    let file = SourceFile { path: "domain.yml".into(), text: text.into() };
    let loaded = Assistant::load(&[file]).unwrap_or_else(|e| panic!("{}", common::lines(&e)));
    Engine::new(loaded.assistant).unwrap_or_else(|e| panic!("{}", common::lines(&e)))
}

/// A conversation that a test holds.
struct Talk {
    engine: Engine,
    tracker: Tracker,
    events: Vec<Event>,
    turns: u64,
    /// Minutes that pass between two turns.
    pause_minutes: u64,
    /// What custom actions answer, in order; nothing after that.
    answers: VecDeque<Answer>,
    calls: Vec<ActionCall>,
}

impl Talk {
    fn with(engine: Engine) -> Self {
        Talk {
            tracker: Tracker::new(engine.assistant()),
            engine,
            events: Vec::new(),
            turns: 0,
            pause_minutes: 1,
            answers: VecDeque::new(),
            calls: Vec::new(),
        }
    }

    /// `intent: words` gives the words an intent; `/intent` says it by itself.
    fn input(&self, said: &str) -> TurnInput {
        let understanding = match self.engine.shortcut(said) {
            Some(understood) => understood.unwrap(),
            None => {
                let (intent, words) = said.split_once(": ").unwrap_or(("", said));
                let intent = ScoredIntent { name: intent.into(), confidence: 0.9 };
                self.engine.understand(
                    Understanding { text: words.into(), intent, ..Understanding::default() },
                    TimestampMs(0),
                )
            }
        };
        let at = |turn: u64| TimestampMs(turn * self.pause_minutes * 60_000);
        TurnInput {
            session: SessionId::new("alice").unwrap(),
            key: IdempotencyKey::new(format!("k{}", self.turns + 1)).unwrap(),
            text: understanding.text.clone(),
            message_id: None,
            input_channel: Some("rest".into()),
            metadata: Value::Null,
            understanding,
            at: at(self.turns + 1),
            last_at: (self.turns > 0).then(|| at(self.turns)),
            seed: self.turns,
        }
    }

    fn say(&mut self, said: &str) -> TurnOutcome {
        let input = self.input(said);
        self.turns += 1;
        let mut run = self.engine.begin(&self.tracker, input);
        let outcome = loop {
            match run.step() {
                Step::Act(call) => {
                    // Asked twice without an answer, the turn says the same.
                    assert_eq!(run.step(), Step::Act(call.clone()));
                    self.calls.push(call);
                    run.acted(self.answers.pop_front().unwrap_or_else(|| Ok(ActionResult::default())));
                }
                Step::Done(outcome) => break outcome,
            }
        };
        outcome.events.iter().for_each(|e| self.tracker.apply(e));
        self.events.extend(outcome.events.clone());
        outcome
    }
}

fn show(event: &Event) -> String {
    match event {
        Event::SessionStarted => "session started".into(),
        Event::UserUttered { text, intent, entities, .. } => {
            let shown = |e: &Entity| format!(" {}={}", e.entity, e.value.display());
            format!("user: {text} [{}{}]", intent.name, entities.iter().map(shown).collect::<String>())
        }
        Event::BotUttered { reply } => format!("bot: {}", reply.text.clone().unwrap_or_default()),
        Event::ActionExecuted { action, policy, .. } => {
            format!("action {action} ({})", policy.as_deref().unwrap_or("-"))
        }
        Event::SlotSet { name, value } => format!("slot {name}={}", value.display()),
        Event::ActiveLoopChanged { name } => format!("form {}", name.as_deref().unwrap_or("-")),
        other => format!("{other:?}"),
    }
}

/// Says all lines and compares what happened.
fn check_talk(mut talk: Talk, lines: &[&str], expected: Expect) -> Talk {
    let mut shown = String::new();
    for line in lines {
        let outcome = talk.say(line);
        outcome.events.iter().for_each(|e| shown.push_str(&format!("{}\n", show(e))));
        if let Some(failure) = outcome.failure {
            shown.push_str(&format!("failure: {failure}\n"));
        }
        let told = outcome.events.iter().filter_map(|e| match e {
            Event::BotUttered { reply } => Some(reply.clone()),
            _ => None,
        });
        assert_eq!(told.collect::<Vec<_>>(), outcome.replies);
    }
    expected.assert_eq(&shown);
    // The tracker is a fold: replaying all events, or those since the context began, gives the same one.
    assert_eq!(Tracker::replay(talk.engine.assistant(), &talk.events), talk.tracker);
    talk
}

fn check(lines: &[&str], expected: Expect) -> Talk {
    check_talk(Talk::with(tienda()), lines, expected)
}

#[test]
fn a_greeting_begins_a_session() {
    check(
        &["greet: hi"],
        expect![[r#"
        action action_session_start (-)
        session started
        action action_listen (-)
        user: hi [greet]
        action utter_greet (RulePolicy (rule only))
        bot: Hello! This is Tienda's assistant. I can look up an order, register a return or change a delivery.
        action action_listen (RulePolicy (rule only))
    "#]],
    );
}

#[test]
fn a_form_asks_is_interrupted_and_ends() {
    check(
        &[
            "return_item: the sweater must go back",
            "shipping_cost: how much is shipping to BCN?",
            "inform: B2001",
            "inform: it is too small",
        ],
        expect![[r#"
            action action_session_start (-)
            session started
            action action_listen (-)
            user: the sweater must go back [return_item product=sweater]
            slot product=sweater
            action return_form (RulePolicy (rule only))
            form return_form
            slot product=sweater
            slot requested_slot=order_number
            bot: What is the order number? It is a letter and four digits, such as A1234.
            action action_listen (RulePolicy (rule only))
            user: how much is shipping to BCN? [shipping_cost city=Barcelona]
            slot city=Barcelona
            ActionRejected { action: "return_form" }
            action utter_shipping_cost (RulePolicy (rule only))
            bot: Delivery costs 4 euros, and nothing at all from 50 euros on.
            action return_form (RulePolicy (rule only))
            slot requested_slot=order_number
            bot: What is the order number? It is a letter and four digits, such as A1234.
            action action_listen (RulePolicy (rule only))
            user: B2001 [inform order_number=B2001]
            slot order_number=B2001
            action return_form (RulePolicy (rule only))
            slot requested_slot=return_reason
            bot: Why do you want to return it?
            action action_listen (RulePolicy (rule only))
            user: it is too small [inform reason=wrong size]
            slot return_reason=wrong size
            action return_form (RulePolicy (rule only))
            slot requested_slot=None
            form -
            action utter_return_registered (RulePolicy (rule only))
            bot: Done: the sweater of order B2001 may come back (reason: wrong size). The label is in your mail.
            action action_listen (RulePolicy (rule only))
        "#]],
    );
}

#[test]
fn a_form_is_left() {
    check(
        &["order_status: where is it?", "cancel: never mind", "cancel: stop"],
        expect![[r#"
        action action_session_start (-)
        session started
        action action_listen (-)
        user: where is it? [order_status]
        action order_form (RulePolicy (rule only))
        form order_form
        slot requested_slot=order_number
        bot: What is the order number? It is a letter and four digits, such as A1234.
        action action_listen (RulePolicy (rule only))
        user: never mind [cancel]
        ActionRejected { action: "order_form" }
        action action_deactivate_loop (RulePolicy (rule only))
        form -
        slot requested_slot=None
        action utter_cancelled (RulePolicy (rule only))
        bot: All right, I have dropped it. Nothing was changed.
        action action_listen (RulePolicy (rule only))
        user: stop [cancel]
        action utter_nothing_to_cancel (RulePolicy (rule only))
        bot: There is nothing under way that I could cancel.
        action action_listen (RulePolicy (rule only))
    "#]],
    );
}

#[test]
fn nonsense_inside_a_form_is_answered_and_the_form_goes_on() {
    check(
        &["order_status: where is it?", "out_of_scope: pizza", "affirm: yes", "inform: A1234"],
        expect![[r#"
        action action_session_start (-)
        session started
        action action_listen (-)
        user: where is it? [order_status]
        action order_form (RulePolicy (rule only))
        form order_form
        slot requested_slot=order_number
        bot: What is the order number? It is a letter and four digits, such as A1234.
        action action_listen (RulePolicy (rule only))
        user: pizza [out_of_scope]
        ActionRejected { action: "order_form" }
        action utter_out_of_scope (RulePolicy (rule only))
        bot: That is beyond a shop assistant. I know about orders, returns, deliveries, prices of shipping and opening hours.
        action order_form (RulePolicy (rule only))
        slot requested_slot=order_number
        bot: What is the order number? It is a letter and four digits, such as A1234.
        action action_listen (RulePolicy (rule only))
        user: yes [affirm]
        ActionRejected { action: "order_form" }
        action action_default_fallback (RulePolicy)
        bot: I am not sure what to do now. Ask me about an order, a return or a delivery.
        UtteranceReverted
        action action_listen (RulePolicy (rule only))
        user: A1234 [inform order_number=A1234]
        slot order_number=A1234
        action order_form (RulePolicy (rule only))
        slot requested_slot=None
        form -
        action action_order_status (RulePolicy (rule only))
        action action_listen (RulePolicy (rule only))
    "#]],
    );
}

#[test]
fn a_custom_action_answers() {
    let mut talk = Talk::with(tienda());
    talk.answers.push_back(Ok(ActionResult {
        events: vec![Event::SlotSet { name: "city".into(), value: "Sevilla".into() }],
        replies: vec![Reply { text: Some("It is on its way.".into()), ..Reply::default() }],
    }));
    let talk = check_talk(
        talk,
        &["order_status: where is a1234?"],
        expect![[r#"
            action action_session_start (-)
            session started
            action action_listen (-)
            user: where is a1234? [order_status order_number=a1234]
            slot order_number=a1234
            action order_form (RulePolicy (rule only))
            form order_form
            slot order_number=a1234
            slot requested_slot=None
            form -
            action action_order_status (RulePolicy (rule only))
            bot: It is on its way.
            slot city=Sevilla
            action action_listen (RulePolicy (rule only))
        "#]],
    );
    let call = &talk.calls[0];
    assert_eq!((call.key.as_str(), call.action.as_str()), ("alice/k1/1", "action_order_status"));
    assert_eq!(call.tracker["slots"]["order_number"], "a1234");
    assert_eq!(call.tracker["latest_message"]["intent"]["name"], "order_status");
}

#[test]
fn a_failed_action_is_told_of_and_the_talk_goes_on() {
    let mut talk = Talk::with(tienda());
    let failed = ActionError::Failed { action: "action_order_status".into(), reason: "connection refused".into() };
    talk.answers.push_back(Err(failed));
    check_talk(
        talk,
        &["order_status: where is A1234?", "thank: thanks"],
        expect![[r#"
            action action_session_start (-)
            session started
            action action_listen (-)
            user: where is A1234? [order_status order_number=A1234]
            slot order_number=A1234
            action order_form (RulePolicy (rule only))
            form order_form
            slot order_number=A1234
            slot requested_slot=None
            form -
            ActionRejected { action: "action_order_status" }
            bot: I cannot reach our order system at the moment. Please try again in a minute.
            action action_listen (-)
            failure: action action_order_status failed: connection refused
            user: thanks [thank]
            action utter_welcome (RulePolicy (rule only))
            bot: Any time.
            action action_listen (RulePolicy (rule only))
        "#]],
    );
}

#[test]
fn a_rejected_action_lets_the_policies_choose_again() {
    let mut talk = Talk::with(tienda());
    let rejected = ActionError::Rejected { action: "action_order_status".into(), reason: "not now".into() };
    talk.answers.push_back(Err(rejected));
    check_talk(
        talk,
        &["order_status: where is A1234?", "thank: thanks"],
        expect![[r#"
            action action_session_start (-)
            session started
            action action_listen (-)
            user: where is A1234? [order_status order_number=A1234]
            slot order_number=A1234
            action order_form (RulePolicy (rule only))
            form order_form
            slot order_number=A1234
            slot requested_slot=None
            form -
            ActionRejected { action: "action_order_status" }
            action action_default_fallback (RulePolicy)
            bot: I am not sure what to do now. Ask me about an order, a return or a delivery.
            UtteranceReverted
            action action_listen (-)
            user: thanks [thank]
            action utter_welcome (RulePolicy (rule only))
            bot: Any time.
            action action_listen (RulePolicy (rule only))
        "#]],
    );
}

#[test]
fn a_session_expires_and_forgets() {
    let mut talk = Talk::with(tienda());
    talk.pause_minutes = 61;
    check_talk(
        talk,
        &["order_status: where is A1234?", "return_item: send it back"],
        expect![[r#"
            action action_session_start (-)
            session started
            action action_listen (-)
            user: where is A1234? [order_status order_number=A1234]
            slot order_number=A1234
            action order_form (RulePolicy (rule only))
            form order_form
            slot order_number=A1234
            slot requested_slot=None
            form -
            action action_order_status (RulePolicy (rule only))
            action action_listen (RulePolicy (rule only))
            action action_session_start (-)
            session started
            action action_listen (-)
            user: send it back [return_item]
            action return_form (RulePolicy (rule only))
            form return_form
            slot requested_slot=order_number
            bot: What is the order number? It is a letter and four digits, such as A1234.
            action action_listen (RulePolicy (rule only))
        "#]],
    );
}

#[test]
fn restart_and_back() {
    check(
        &["order_status: where is it?", "/restart", "tell_joke: a joke", "affirm: yes", "/back", "deny: no"],
        expect![[r#"
        action action_session_start (-)
        session started
        action action_listen (-)
        user: where is it? [order_status]
        action order_form (RulePolicy (rule only))
        form order_form
        slot requested_slot=order_number
        bot: What is the order number? It is a letter and four digits, such as A1234.
        action action_listen (RulePolicy (rule only))
        user: /restart [restart]
        action action_restart (RulePolicy (rule only))
        Restarted
        action action_session_start (-)
        session started
        action action_listen (-)
        user: a joke [tell_joke]
        action utter_joke (AugmentedMemoizationPolicy)
        bot: Why did the parcel cross the road? Its tracking number said it had already arrived.
        action utter_ask_liked (AugmentedMemoizationPolicy)
        bot: Did you like that one?
        action action_listen (AugmentedMemoizationPolicy)
        user: yes [affirm]
        action utter_glad (AugmentedMemoizationPolicy)
        bot: I will tell the warehouse, they live for this.
        action action_listen (AugmentedMemoizationPolicy)
        user: /back [back]
        action action_back (RulePolicy (rule only))
        UtteranceReverted
        UtteranceReverted
        action action_listen (AugmentedMemoizationPolicy)
        user: no [deny]
        action utter_sorry_joke (AugmentedMemoizationPolicy)
        bot: Fair enough. I am better with parcels.
        action action_listen (AugmentedMemoizationPolicy)
    "#]],
    );
}

#[test]
fn a_story_goes_on_after_a_rule_of_its_own() {
    check(
        &["complaint: bad", "bot_challenge: a bot?", "affirm: yes"],
        expect![[r#"
        action action_session_start (-)
        session started
        action action_listen (-)
        user: bad [complaint]
        action utter_sorry_to_hear (AugmentedMemoizationPolicy)
        bot: I am sorry to hear that. It should not have happened.
        action utter_offer_person (AugmentedMemoizationPolicy)
        bot: Shall I ask one of my colleagues to call you?
        action action_listen (AugmentedMemoizationPolicy)
        user: a bot? [bot_challenge]
        action utter_iamabot (RulePolicy (rule only))
        bot: I am a program, not a person. Say "talk to a person" and I will fetch one.
        action action_listen (RulePolicy (rule only))
        user: yes [affirm]
        action utter_handoff (AugmentedMemoizationPolicy)
        bot: I have put you into the queue. A colleague will be with you in a few minutes.
        action action_listen (AugmentedMemoizationPolicy)
    "#]],
    );
}

#[test]
fn shortcuts() {
    let engine = tienda();
    let understood =
        engine.shortcut(r#" /inform@0.5{"product": ["tent", "keyboard"], "city": "Madrid"}"#).unwrap().unwrap();
    assert_eq!((understood.intent.name.as_str(), understood.intent.confidence), ("inform", 0.5));
    let values: Vec<_> = understood.entities.iter().map(|e| (e.entity.as_str(), e.value.display())).collect();
    assert_eq!(values, [("city", "Madrid".into()), ("product", "tent".into()), ("product", "keyboard".into())]);
    assert!(engine.shortcut("hello").is_none());
    expect![[r#""/gret": unknown intent `gret`, did you mean `greet`?"#]]
        .assert_eq(&engine.shortcut("/gret").unwrap().unwrap_err());
    expect![[r#""/greet{broken": expected `/intent{"entity": "value"}`, the JSON is broken: key must be a string at line 1 column 2"#]].assert_eq(&engine.shortcut("/greet{broken").unwrap().unwrap_err());
}

#[test]
fn understanding_is_completed() {
    let engine = tienda();
    let scored = |name: &str, confidence| ScoredIntent { name: name.into(), confidence };
    let raw = |first: f32, second: f32| Understanding {
        text: "Ñu: the doesn't work of b2001 to Seville".into(),
        intent: scored("unknown", 0.99),
        ranking: vec![scored("unknown", 0.99), scored("inform", first), scored("greet", second)],
        entities: vec![],
        selections: vec![],
        analysis: None,
    };
    let understood = engine.understand(raw(0.8, 0.1), TimestampMs(0));
    assert_eq!(understood.intent, scored("inform", 0.8));
    let found: Vec<_> = understood.entities.iter().map(|e| (e.entity.as_str(), e.start, e.value.display())).collect();
    assert_eq!(
        found,
        [("reason", 8, "broken".into()), ("order_number", 24, "b2001".into()), ("city", 33, "Sevilla".into())]
    );
    assert_eq!(engine.understand(raw(0.2, 0.05), TimestampMs(0)).intent.name, "nlu_fallback");
    assert_eq!(engine.understand(raw(0.5, 0.45), TimestampMs(0)).intent.name, "nlu_fallback");
    assert_eq!(engine.understand(raw(0.5, 0.45), TimestampMs(0)).ranking.len(), 3);
}

const LOOPING: &str = "
intents: [go]
responses:
  utter_a: [{text: a}]
rules:
- rule: go
  steps:
  - intent: go
  - action: utter_a
  - action: utter_a
  wait_for_user_input: false
- rule: again
  steps:
  - action: utter_a
  - action: utter_a
  wait_for_user_input: false
";

#[test]
fn a_loop_of_actions_is_stopped() {
    let mut talk = Talk::with(engine(LOOPING));
    let outcome = talk.say("/go");
    assert_eq!(outcome.failure.as_deref(), Some("stopped after 10 actions in one turn"));
    assert_eq!(outcome.replies.len(), 10);
    assert_eq!(talk.tracker.latest_action(), Some("action_listen"));
}

const VALIDATED: &str = "
intents: [book, inform]
entities: [{city: {roles: [from, to]}}, count]
slots:
  from: {type: text, mappings: [{type: from_entity, entity: city, role: from}, {type: from_entity, entity: city}]}
  to: {type: text, mappings: [{type: from_entity, entity: city, role: to}, {type: from_entity, entity: city}]}
  count: {type: float, min_value: 0, max_value: 10, mappings: [{type: from_entity, entity: count}]}
  seen: {type: bool, mappings: [{type: custom, action: action_see}]}
forms: {trip: {required_slots: [from, to, count]}}
actions: [validate_trip, action_see, action_ask_count]
responses:
  utter_ask_from: [{text: 'From where?'}]
  utter_ask_trip_to: [{text: 'From {from} to where?'}]
  utter_done: [{text: '{from} to {to} for {count} {{times}}'}]
rules:
- rule: start
  steps: [{intent: book}, {action: trip}, {active_loop: trip}]
- rule: done
  condition: [{active_loop: trip}]
  steps: [{action: trip}, {active_loop: null}, {action: utter_done}]
";

#[test]
fn validation_roles_and_custom_questions() {
    let mut talk = Talk::with(engine(VALIDATED));
    let set = |name: &str, value: Value| Event::SlotSet { name: name.into(), value };
    let events = |events: Vec<Event>| Ok(ActionResult { events, replies: vec![] });
    let ask = Reply { text: Some("How many?".into()), ..Reply::default() };
    let answers = [
        // /book: action_see looks at the message, and again when the form begins; the validator looks at nothing yet.
        events(vec![set("seen", true.into())]),
        events(vec![set("seen", true.into())]),
        events(vec![]),
        // Atlantis is refused.
        events(vec![]),
        events(vec![set("from", Value::Null)]),
        // Madrid is fine.
        events(vec![]),
        events(vec![]),
        // Bilbao is improved, and an action asks for the count.
        events(vec![]),
        events(vec![set("to", "BIO".into())]),
        Ok(ActionResult { events: vec![], replies: vec![ask] }),
    ];
    talk.answers.extend(answers);
    let lines = [
        "/book",
        r#"/inform{"city": "Atlantis"}"#,
        r#"/inform{"city": "Madrid"}"#,
        r#"/inform{"city": "Bilbao"}"#,
        r#"/inform{"count": 2}"#,
    ];
    let talk = check_talk(
        talk,
        &lines,
        expect![[r#"
            action action_session_start (-)
            session started
            action action_listen (-)
            user: /book [book]
            slot seen=true
            action trip (RulePolicy (rule only))
            form trip
            slot seen=true
            slot requested_slot=from
            bot: From where?
            action action_listen (RulePolicy (rule only))
            user: /inform{"city": "Atlantis"} [inform city=Atlantis]
            slot from=Atlantis
            action trip (RulePolicy (rule only))
            slot from=None
            slot requested_slot=from
            bot: From where?
            action action_listen (RulePolicy (rule only))
            user: /inform{"city": "Madrid"} [inform city=Madrid]
            slot from=Madrid
            action trip (RulePolicy (rule only))
            slot requested_slot=to
            bot: From Madrid to where?
            action action_listen (RulePolicy (rule only))
            user: /inform{"city": "Bilbao"} [inform city=Bilbao]
            slot to=Bilbao
            action trip (RulePolicy (rule only))
            slot to=BIO
            slot requested_slot=count
            bot: How many?
            action action_listen (RulePolicy (rule only))
            user: /inform{"count": 2} [inform count=2]
            slot count=2
            action trip (RulePolicy (rule only))
            slot requested_slot=None
            form -
            action utter_done (RulePolicy (rule only))
            bot: Madrid to BIO for 2 {times}
            action action_listen (RulePolicy (rule only))
        "#]],
    );
    let called: Vec<&str> = talk.calls.iter().map(|c| c.action.as_str()).collect();
    expect!["action_see action_see validate_trip action_see validate_trip action_see validate_trip action_see validate_trip action_ask_count action_see validate_trip"].assert_eq(&called.join(" "));
}

const UNHAPPY: &str = "
intents: [order, stop, affirm, deny, inform]
entities: [size]
slots:
  size: {type: text, influence_conversation: false, mappings: [{type: from_entity, entity: size}]}
forms: {pizza: {required_slots: [size]}}
responses:
  utter_ask_size: [{text: 'Which size?'}]
  utter_ask_continue: [{text: 'Shall we go on?'}]
  utter_done: [{text: 'A {size} pizza.'}]
  utter_bye: [{text: 'No pizza then.'}]
rules:
- rule: start
  steps: [{intent: order}, {action: pizza}, {active_loop: pizza}]
- rule: done
  condition: [{active_loop: pizza}]
  steps: [{action: pizza}, {active_loop: null}, {action: utter_done}]
stories:
- story: stop and go on
  steps:
  - intent: order
  - action: pizza
  - active_loop: pizza
  - intent: stop
  - action: utter_ask_continue
  - intent: affirm
  - action: pizza
  - active_loop: null
  - action: utter_done
- story: stop
  steps:
  - intent: order
  - action: pizza
  - active_loop: pizza
  - intent: stop
  - action: utter_ask_continue
  - intent: deny
  - action: action_deactivate_loop
  - active_loop: null
  - action: utter_bye
";

#[test]
fn a_story_leads_out_of_a_form_and_back() {
    // The form must not take the affirmation for an answer to its own question.
    let talk = Talk::with(engine(UNHAPPY));
    check_talk(
        talk,
        &["/order", "/stop", "/affirm", "/inform{\"size\": \"small\"}"],
        expect![[r#"
        action action_session_start (-)
        session started
        action action_listen (-)
        user: /order [order]
        action pizza (RulePolicy)
        form pizza
        slot requested_slot=size
        bot: Which size?
        action action_listen (RulePolicy)
        user: /stop [stop]
        ActionRejected { action: "pizza" }
        action utter_ask_continue (AugmentedMemoizationPolicy)
        bot: Shall we go on?
        action action_listen (AugmentedMemoizationPolicy)
        user: /affirm [affirm]
        LoopInterrupted { interrupted: true }
        action pizza (AugmentedMemoizationPolicy)
        slot requested_slot=size
        bot: Which size?
        action action_listen (RulePolicy)
        user: /inform{"size": "small"} [inform size=small]
        slot size=small
        action pizza (RulePolicy (rule only))
        slot requested_slot=None
        form -
        action utter_done (RulePolicy)
        bot: A small pizza.
        action action_listen (RulePolicy)
    "#]],
    );
    check_talk(
        Talk::with(engine(UNHAPPY)),
        &["/order", "/stop", "/deny"],
        expect![[r#"
        action action_session_start (-)
        session started
        action action_listen (-)
        user: /order [order]
        action pizza (RulePolicy)
        form pizza
        slot requested_slot=size
        bot: Which size?
        action action_listen (RulePolicy)
        user: /stop [stop]
        ActionRejected { action: "pizza" }
        action utter_ask_continue (AugmentedMemoizationPolicy)
        bot: Shall we go on?
        action action_listen (AugmentedMemoizationPolicy)
        user: /deny [deny]
        action action_deactivate_loop (AugmentedMemoizationPolicy)
        form -
        slot requested_slot=None
        action utter_bye (AugmentedMemoizationPolicy)
        bot: No pizza then.
        action action_listen (AugmentedMemoizationPolicy)
    "#]],
    );
}
