//! When a session wants to be woken, and what it is then: by the same fold as everything else.
#![allow(clippy::unwrap_used)] // Helpers of tests may fail as tests do.

mod common;

use serde_json::json;
use tertulia_dialogue::{
    Event, IdempotencyKey, SessionId, TimestampMs, TurnRecord, Value,
    engine::{Due, Engine, Step, TurnInput, TurnOutcome, TurnTime},
    format::{Assistant, SourceFile},
    limits::PENDING_REMINDERS_MAX,
    ports::ActionResult,
    tracker::Tracker,
};

const MINUTE: u64 = 60_000;
const NOW: TimestampMs = TimestampMs(1_700_000_000_000);

fn engine(minutes: &str) -> Engine {
    let domain = format!(
        "version: '3.1'\nintents: [greet, remind, tea]\nactions: [action_remind]\n\
         session_config: {{session_expiration_time: {minutes}, carry_over_slots_to_new_session: true}}\n\
         responses: {{utter_hi: [{{text: hi}}], utter_tea: [{{text: Tea!}}]}}\n\
         rules:\n\
         - {{rule: hi, steps: [{{intent: greet}}, {{action: utter_hi}}]}}\n\
         - {{rule: remind, steps: [{{intent: remind}}, {{action: action_remind}}]}}\n\
         - {{rule: tea, steps: [{{intent: tea}}, {{action: utter_tea}}]}}\n"
    );
    let loaded = Assistant::load(&[SourceFile { path: "domain.yml".into(), text: domain }]);
    let loaded = loaded.unwrap_or_else(|e| panic!("{}", common::lines(&e)));
    Engine::new(loaded.assistant).unwrap_or_else(|e| panic!("{}", common::lines(&e)))
}

fn session() -> SessionId {
    SessionId::new("s").unwrap()
}

fn reminder(name: &str, at: u64) -> Event {
    let (name, intent) = (name.to_owned(), "tea".to_owned());
    let at = TimestampMs(at);
    Event::ReminderScheduled { name, intent, entities: vec![], at, kill_on_user_message: false }
}

fn input(engine: &Engine, text: &str, at: u64, last_at: Option<u64>) -> TurnInput {
    TurnInput {
        session: session(),
        key: IdempotencyKey::new("k").unwrap(),
        text: text.into(),
        message_id: None,
        input_channel: None,
        metadata: Value::Null,
        understanding: engine.shortcut(text).unwrap().unwrap(),
        at: TimestampMs(at),
        last_at: last_at.map(TimestampMs),
        seed: 1,
    }
}

/// Runs a turn whose actions answer with these events.
fn run(engine: &Engine, tracker: &mut Tracker, input: TurnInput, events: &[Event]) -> TurnOutcome {
    let mut run = engine.begin(tracker, input);
    loop {
        match run.step() {
            Step::Act(_) => run.acted(Ok(ActionResult { events: events.to_vec(), replies: vec![] })),
            Step::Done(outcome) => {
                outcome.events.iter().for_each(|event| tracker.apply(event));
                return outcome;
            }
        }
    }
}

#[test]
fn a_session_wants_to_be_woken_for_what_comes_first() {
    let engine = engine("30");
    let mut tracker = Tracker::new(engine.assistant());
    let outcome = run(&engine, &mut tracker, input(&engine, "/greet", NOW.0, None), &[]);
    // Longer than 30 minutes: not at 30 minutes, as for the message that comes next.
    let ends = NOW.0 + 30 * MINUTE + 1;
    assert_eq!(outcome.wake_at, Some(TimestampMs(ends)));
    let events = [reminder("late", NOW.0 + 20 * MINUTE), reminder("soon", NOW.0 + 5 * MINUTE)];
    let at = NOW.0 + 1;
    let outcome = run(&engine, &mut tracker, input(&engine, "/remind", at, Some(NOW.0)), &events);
    assert_eq!(outcome.wake_at, Some(TimestampMs(NOW.0 + 5 * MINUTE)));
    let wake = engine.next_wake(&tracker, NOW).unwrap();
    assert!(matches!(&wake.due, Due::Reminder(reminder) if reminder.name == "soon"), "{wake:?}");

    // It is triggered, and the next one is what is waited for.
    let Due::Reminder(soon) = wake.due else { unreachable!() };
    let time = TurnTime { at: soon.at, last_at: Some(NOW), seed: 1 };
    let due = TurnInput::of_reminder(&tracker, session(), &soon, time);
    let outcome = run(&engine, &mut tracker, due, &[]);
    assert_eq!((outcome.replies[0].text.as_deref(), outcome.wake_at.unwrap().0), (Some("Tea!"), NOW.0 + 20 * MINUTE));
}

#[test]
fn sessions_that_last_for_ever_wait_for_reminders_only() {
    for minutes in ["0", "0.0"] {
        let engine = engine(minutes);
        let mut tracker = Tracker::new(engine.assistant());
        assert_eq!(run(&engine, &mut tracker, input(&engine, "/greet", NOW.0, None), &[]).wake_at, None);
        let at = TimestampMs(NOW.0 + 1_000 * MINUTE);
        let outcome = run(&engine, &mut tracker, input(&engine, "/remind", NOW.0, Some(NOW.0)), &[reminder("a", at.0)]);
        assert_eq!(outcome.wake_at, Some(at));
    }
    assert_eq!(engine("1e300").expires_at(NOW), Some(TimestampMs(u64::MAX)));
}

#[test]
fn the_end_by_a_timer_is_the_end_that_the_next_message_would_find() {
    let engine = engine("30");
    let ends = engine.expires_at(NOW).unwrap();
    let begun = |at: u64, expired: bool| {
        let mut tracker = Tracker::new(engine.assistant());
        run(&engine, &mut tracker, input(&engine, "/greet", NOW.0, None), &[]);
        if expired {
            let turn = TurnRecord::expiry(1, ends, None);
            turn.events.iter().for_each(|event| tracker.apply(event));
            assert!(tracker.expired() && engine.next_wake(&tracker, ends).is_none());
        }
        let outcome = run(&engine, &mut tracker, input(&engine, "/greet", at, Some(NOW.0)), &[]);
        assert!(!tracker.expired());
        (outcome.events.contains(&Event::SessionStarted), outcome, tracker.to_rasa_json(&session()))
    };
    assert!(!begun(ends.0 - 1, false).0);
    let (lazily, by_timer) = (begun(ends.0, false), begun(ends.0, true));
    assert!(lazily.0);
    assert_eq!(lazily, by_timer, "nobody can see the difference");
}

#[test]
fn action_servers_do_not_see_that_a_session_has_expired() {
    let engine = engine("30");
    let mut tracker = Tracker::new(engine.assistant());
    run(&engine, &mut tracker, input(&engine, "/greet", NOW.0, None), &[]);
    let before = tracker.to_rasa_json(&session());
    tracker.apply(&Event::SessionExpired);
    assert_eq!(tracker.to_rasa_json(&session()), before);
    let shown = Event::sequence_to_rasa_json([(TimestampMs(1_000), &Event::SessionExpired)]);
    assert_eq!(shown, [json!({"event": "session_expired", "timestamp": 1.0})]);
}

#[test]
fn a_reminder_does_not_outlive_its_session_and_is_not_lost_when_it_is_late() {
    let engine = engine("30");
    let mut tracker = Tracker::new(engine.assistant());
    let due = NOW.0 + 10 * MINUTE;
    let events = [reminder("a", due), reminder("b", NOW.0 + 31 * MINUTE)];
    run(&engine, &mut tracker, input(&engine, "/remind", NOW.0, None), &events);
    let pending: Vec<_> = tracker.pending_reminders().cloned().collect();
    let late = TurnTime { at: TimestampMs(NOW.0 + 500 * MINUTE), last_at: Some(NOW), seed: 1 };
    let (mut expired, mut heard) = (tracker.clone(), tracker.clone());
    let turn = |reminder, tracker: &Tracker| TurnInput::of_reminder(tracker, session(), reminder, late);
    let outcome = run(&engine, &mut heard, turn(&pending[0], &tracker), &[]);
    assert_eq!(outcome.replies.len(), 1, "due in time, and late");
    // The other one is due when the session is over.
    let outcome = run(&engine, &mut tracker, turn(&pending[1], &expired), &[]);
    assert!(outcome.replies.is_empty());
    expired.apply(&Event::SessionExpired);
    assert_eq!(expired.pending_reminders().count(), 0);
}

#[test]
fn there_is_a_bound_on_reminders_and_who_exceeds_it_is_told() {
    let engine = engine("30");
    let mut tracker = Tracker::new(engine.assistant());
    let at = |n: usize| reminder(&format!("r{n}"), NOW.0 + n as u64);
    let all: Vec<Event> = (0..PENDING_REMINDERS_MAX).map(at).collect();
    let outcome = run(&engine, &mut tracker, input(&engine, "/remind", NOW.0, None), &all);
    assert_eq!((outcome.failure, tracker.pending_reminders().count()), (None, PENDING_REMINDERS_MAX));
    let more = |tracker: &mut Tracker, events: &[Event]| {
        run(&engine, tracker, input(&engine, "/remind", NOW.0, Some(NOW.0)), events)
    };
    let failure = more(&mut tracker, &[at(PENDING_REMINDERS_MAX)]).failure.unwrap();
    assert!(failure.contains("action_remind") && failure.contains(&PENDING_REMINDERS_MAX.to_string()), "{failure}");
    assert_eq!(tracker.pending_reminders().count(), PENDING_REMINDERS_MAX);
    // One of a name that is there, or after one was cancelled, is none more.
    assert_eq!(more(&mut tracker, &[at(3)]).failure, None);
    let cancelled = Event::ReminderCancelled { name: Some("r3".into()), intent: None, entities: None };
    assert_eq!(more(&mut tracker, &[cancelled, at(PENDING_REMINDERS_MAX)]).failure, None);
}
