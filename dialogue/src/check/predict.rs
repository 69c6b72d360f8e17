//! Test stories as `rasa test` runs them.

use super::{ActionCheck, Mismatch, TestReport, hear};
use crate::{
    Event, Understanding,
    engine::{Engine, any_value, executed, slots_for_entities},
    format::{Place, StoryStep, TestStory},
    tracker::{ACTION_LISTEN, Tracker},
};

/// Runs a test story as `rasa test` does: the story itself is the conversation, no action is executed, and before each
/// of its actions the engine is asked which one it would take. `parse` is what the model makes of a text, after
/// [`Engine::understand`].
pub fn run_test_story(engine: &Engine, story: &TestStory, parse: &dyn Fn(&str) -> Understanding) -> TestReport {
    let mut run = Run {
        engine,
        tracker: Tracker::new(engine.assistant()),
        failures: Vec::new(),
        actions: Vec::new(),
        begun: false,
    };
    let mut last = story.place.clone();
    for step in &story.steps {
        match step {
            StoryStep::User(user) => {
                run.listen(&user.place);
                let heard = hear(engine, user, parse, &mut run.failures);
                run.tracker.apply(&Event::UserUttered {
                    text: heard.text,
                    intent: heard.intent,
                    entities: heard.entities,
                    message_id: None,
                    input_channel: None,
                    metadata: crate::Value::Null,
                });
                if !heard.selections.is_empty() {
                    let (ranking, selections) = (heard.ranking, heard.selections);
                    run.tracker.apply(&Event::UtteranceParsed { ranking, selections });
                }
                let filled = slots_for_entities(&engine.assistant().domain, user);
                filled.iter().for_each(|slot| run.tracker.apply(slot));
                last = user.place.clone();
            }
            StoryStep::Action { name, place } => {
                run.expect(name, place);
                last = place.clone();
            }
            // Words that are an action are expected as one; others stand for what a response says.
            StoryStep::Bot { text, place } if engine.assistant().domain.e2e_actions.contains(text) => {
                run.expect(text, place);
                last = place.clone();
            }
            StoryStep::ActiveLoop { name, .. } => run.tracker.apply(&Event::ActiveLoopChanged { name: name.clone() }),
            StoryStep::SlotWasSet { slots, .. } | StoryStep::Checkpoint { slots, .. } => {
                for (name, value) in slots {
                    let value = value.clone().unwrap_or_else(|| any_value(&engine.assistant().domain, name));
                    run.tracker.apply(&Event::SlotSet { name: name.clone(), value });
                }
            }
            StoryStep::Bot { .. } | StoryStep::Or(_) | StoryStep::Anything => {}
        }
    }
    run.listen(&last);
    TestReport::of(story, run.failures, run.actions)
}

struct Run<'e> {
    engine: &'e Engine,
    tracker: Tracker,
    failures: Vec<Mismatch>,
    actions: Vec<ActionCheck>,
    begun: bool,
}

impl Run<'_> {
    /// The assistant must be listening before the user speaks again.
    fn listen(&mut self, place: &Place) {
        if !self.begun {
            // The first listening is nobody's choice.
            self.tracker.apply(&executed(ACTION_LISTEN));
            self.begun = true;
        } else if self.tracker.latest_action() != Some(ACTION_LISTEN) {
            self.expect(ACTION_LISTEN, place);
        }
    }

    fn expect(&mut self, action: &str, place: &Place) {
        self.begun = true;
        let mut said = self.engine.predict(&self.tracker);
        let active = self.tracker.active_loop().map(|l| l.name.clone());
        if said.action != action && active.as_deref() == Some(said.action.as_str()) {
            // The story says that something else than the form comes: there the form refused the message.
            self.tracker.apply(&Event::ActionRejected { action: said.action.clone() });
            said = self.engine.predict(&self.tracker);
        }
        self.actions.push(ActionCheck::of(action, &said.action));
        if said.action != action {
            let what = format!("expected {action}, predicted {}", said.action);
            self.failures.push(Mismatch::at(place, what));
        }
        // Go on as the story does, so that one mistake is reported once.
        let event = if said.action == action { said.event() } else { executed(action) };
        self.tracker.apply(&event);
    }
}
