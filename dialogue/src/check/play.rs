//! Test stories played through real turns.

use super::{ActionCheck, Mismatch, TestReport, hear};
use crate::{
    Event, IdempotencyKey, SessionId, TimestampMs, Understanding, Value,
    engine::{Engine, Step, TurnInput, TurnOutcome},
    format::{Place, StoryStep, TestStory, UserStep},
    ports::{ActionCall, ActionError, ActionResult},
    tracker::{ACTION_LISTEN, Tracker},
};
use std::collections::VecDeque;

/// What may answer custom actions.
type Act<'a> = &'a mut dyn FnMut(&ActionCall) -> Result<ActionResult, ActionError>;

/// Plays a test story through real turns: forms ask and fill, responses are rendered, custom actions are answered by
/// `act`. The actions of each turn are compared in order, slots and forms where the story names them.
pub fn play_test_story(
    engine: &Engine,
    story: &TestStory,
    parse: &dyn Fn(&str) -> Understanding,
    act: &mut dyn FnMut(&ActionCall) -> Result<ActionResult, ActionError>,
) -> TestReport {
    let mut play = Play {
        engine,
        tracker: Tracker::new(engine.assistant()),
        turns: 0,
        actions: VecDeque::new(),
        texts: VecDeque::new(),
        failures: Vec::new(),
        checks: Vec::new(),
    };
    for step in &story.steps {
        play.step(step, parse, act);
    }
    play.end_turn(&story.place);
    TestReport::of(story, play.failures, play.checks)
}

struct Play<'e> {
    engine: &'e Engine,
    tracker: Tracker,
    turns: u64,
    /// The actions of the turn that the story has not named yet.
    actions: VecDeque<String>,
    /// The texts of the turn, likewise.
    texts: VecDeque<String>,
    failures: Vec<Mismatch>,
    checks: Vec<ActionCheck>,
}

impl Play<'_> {
    fn step(&mut self, step: &StoryStep, parse: &dyn Fn(&str) -> Understanding, act: Act<'_>) {
        match step {
            StoryStep::User(user) => {
                self.end_turn(&user.place);
                let heard = hear(self.engine, user, parse, &mut self.failures);
                self.turn(user, heard, act);
            }
            StoryStep::Action { name, place } => {
                let found = self.actions.pop_front();
                let found = found.as_deref().unwrap_or(ACTION_LISTEN);
                self.checks.push(ActionCheck::of(name, found));
                if found != name {
                    self.failures.push(Mismatch::at(place, format!("expected {name}, predicted {found}")));
                }
            }
            StoryStep::Bot { text, place } => {
                if self.actions.front().is_some_and(|action| action == text) {
                    self.actions.pop_front();
                    self.checks.push(ActionCheck::of(text, text));
                }
                let found = self.texts.pop_front().unwrap_or_default();
                if found.trim() != text.trim() {
                    self.failures.push(Mismatch::at(place, format!("expected the words {text:?}, got {found:?}")));
                }
            }
            StoryStep::ActiveLoop { name, place } => {
                // In the middle of a turn the form may have ended already; what counts is how the turn ends.
                let found = self.tracker.active_loop().map(|l| l.name.clone());
                if self.actions.is_empty() && found != *name {
                    let shown = |n: &Option<String>| n.clone().unwrap_or_else(|| "no form".into());
                    let what = format!("expected {} to be active, found {}", shown(name), shown(&found));
                    self.failures.push(Mismatch::at(place, what));
                }
            }
            StoryStep::SlotWasSet { slots, place } => {
                for (name, wanted) in slots {
                    let found = self.tracker.slot(name);
                    let fits = wanted.as_ref().map_or(!found.is_null(), |w| w.display() == found.display());
                    if !fits {
                        let wanted = wanted.as_ref().map_or("anything".into(), Value::display);
                        let what = format!("expected slot {name} to be {wanted}, found {}", found.display());
                        self.failures.push(Mismatch::at(place, what));
                    }
                }
            }
            StoryStep::Checkpoint { .. } | StoryStep::Or(_) | StoryStep::Anything => {}
        }
    }

    /// Whatever the story did not name was not expected.
    fn end_turn(&mut self, place: &Place) {
        if self.turns > 0 && self.actions.is_empty() {
            self.checks.push(ActionCheck::of(ACTION_LISTEN, ACTION_LISTEN));
        }
        for action in std::mem::take(&mut self.actions) {
            self.checks.push(ActionCheck::of(ACTION_LISTEN, &action));
            self.failures.push(Mismatch::at(place, format!("expected {ACTION_LISTEN}, predicted {action}")));
        }
        self.texts.clear();
    }

    fn turn(&mut self, step: &UserStep, understanding: Understanding, act: Act<'_>) {
        self.turns += 1;
        let input = TurnInput {
            session: SessionId::new("test").expect("a valid id"),
            key: IdempotencyKey::new(format!("turn-{}", self.turns)).expect("a valid key"),
            text: understanding.text.clone(),
            message_id: None,
            input_channel: None,
            metadata: Value::Null,
            understanding,
            at: TimestampMs(self.turns * 1000),
            last_at: (self.turns > 1).then(|| TimestampMs((self.turns - 1) * 1000)),
            seed: self.turns,
        };
        let mut run = self.engine.begin(&self.tracker, input);
        let outcome: TurnOutcome = loop {
            match run.step() {
                Step::Act(call) => run.acted(act(&call)),
                Step::Done(outcome) => break outcome,
            }
        };
        if let Some(failure) = &outcome.failure {
            self.failures.push(Mismatch::at(&step.place, failure.clone()));
        }
        let mut heard = false;
        for event in &outcome.events {
            self.tracker.apply(event);
            match event {
                Event::UserUttered { .. } => heard = true,
                Event::ActionExecuted { action, .. } if heard && action != ACTION_LISTEN => {
                    self.actions.push_back(action.clone());
                }
                Event::BotUttered { reply } => self.texts.extend(reply.text.clone()),
                _ => {}
            }
        }
    }
}
