//! `TurnRun`: one turn, step by step.

use super::{
    Engine,
    exec::{Exec, Stop},
    policy::Prediction,
};
use crate::{
    Entity, Event, IdempotencyKey, Reply, ScoredIntent, SessionId, TimestampMs, Understanding, Value,
    format::NLU_FALLBACK,
    limits::ACTIONS_PER_TURN_MAX,
    ports::{ActionCall, ActionError, ActionResult},
    tracker::{ACTION_LISTEN, Tracker, triggered_by},
};

/// Said when a custom action failed and the assistant has no `utter_action_failed`.
const APOLOGY: &str = "Sorry, something went wrong on our side. Please try again.";
/// The response that an assistant may have for it.
const APOLOGY_RESPONSE: &str = "utter_action_failed";

/// Everything that a turn depends on besides the tracker and the assistant.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnInput {
    /// The session.
    pub session: SessionId,
    /// The turn's key; it is part of the keys of the turn's actions.
    pub key: IdempotencyKey,
    /// The user's words, as they were said.
    pub text: String,
    /// The channel's id of the message.
    pub message_id: Option<String>,
    /// The channel.
    pub input_channel: Option<String>,
    /// Whatever the channel added.
    pub metadata: Value,
    /// What was understood, after [`Engine::understand`] or [`Engine::shortcut`].
    pub understanding: Understanding,
    /// When the turn was taken up.
    pub at: TimestampMs,
    /// When the previous turn of the session was; none for the first.
    pub last_at: Option<TimestampMs>,
    /// Chooses among the variations of a response.
    pub seed: u64,
}

/// What a turn wants next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Run this custom action and hand its result to [`TurnRun::acted`].
    Act(ActionCall),
    /// The turn is over.
    Done(TurnOutcome),
}

/// What a turn came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TurnOutcome {
    /// The user's words as they may be written down: without the personal data that are masked.
    pub text: String,
    /// Everything that happened, in order.
    pub events: Vec<Event>,
    /// What the user is told, in order.
    pub replies: Vec<Reply>,
    /// The intent that was answered.
    pub intent: ScoredIntent,
    /// The entities found.
    pub entities: Vec<Entity>,
    /// When the session wants to be woken, if nothing happens before.
    pub wake_at: Option<TimestampMs>,
    /// Why the turn was cut short, for operators: a custom action failed or too many actions ran.
    pub failure: Option<String>,
}

/// What the turn is at.
#[derive(Debug, Clone, PartialEq)]
enum Phase {
    /// A session begins.
    Start,
    /// The message is put into the tracker.
    Hear,
    /// Slot mappings are applied.
    Extract,
    /// The policies are asked.
    Predict,
    /// This action runs.
    Run(Prediction),
    Done,
}

/// A turn under way. Call [`TurnRun::step`] until it is done; answer each `Act` with [`TurnRun::acted`].
#[derive(Debug)]
pub struct TurnRun<'e> {
    engine: &'e Engine,
    tracker: Tracker,
    input: TurnInput,
    phase: Phase,
    /// Results of the custom actions of this phase.
    results: Vec<Result<ActionResult, ActionError>>,
    /// How many custom actions earlier phases called.
    called: usize,
    actions: usize,
    outcome: TurnOutcome,
}

impl<'e> TurnRun<'e> {
    pub(super) fn new(engine: &'e Engine, tracker: Tracker, input: TurnInput) -> Self {
        // A reminder that is late, because nobody was there to trigger it, finds the session that it was due in.
        let at = triggered_by(&input.metadata).map_or(input.at, |(_, due)| due.min(input.at));
        let expired = |last| tracker.expired() || engine.expires_at(last).is_some_and(|expires| expires <= at);
        let begins = input.last_at.is_none_or(expired);
        let outcome = TurnOutcome {
            text: input.text.clone(),
            intent: input.understanding.intent.clone(),
            entities: input.understanding.entities.clone(),
            ..TurnOutcome::default()
        };
        let phase = if begins { Phase::Start } else { Phase::Hear };
        TurnRun { engine, tracker, input, phase, results: Vec::new(), called: 0, actions: 0, outcome }
    }

    /// Goes on until a custom action must run or the turn ends. Asked again without an answer, it says the same.
    pub fn step(&mut self) -> Step {
        loop {
            match self.phase.clone() {
                Phase::Start => {
                    let start = Prediction {
                        action: "action_session_start".into(),
                        policy: None,
                        confidence: 1.0,
                        interrupted: false,
                    };
                    if let Some(call) = self.run(&start, Phase::Hear) {
                        return Step::Act(call);
                    }
                }
                Phase::Hear => self.hear(),
                Phase::Extract => {
                    let extracted = self.exec(|exec| exec.extract_slots(&self.tracker));
                    match extracted {
                        Ok(events) => {
                            self.take(events);
                            self.enter(Phase::Predict);
                        }
                        Err(Stop::Need { action, tracker }) => return Step::Act(self.call(&action, &tracker)),
                        Err(Stop::Rejected) => self.enter(Phase::Predict),
                        Err(Stop::Failed(reason)) => self.apologise(None, reason),
                    }
                }
                Phase::Predict => self.predict(),
                Phase::Run(prediction) => {
                    if let Some(call) = self.run(&prediction, Phase::Predict) {
                        return Step::Act(call);
                    }
                }
                Phase::Done => {
                    let wake = self.engine.next_wake(&self.tracker, self.input.at);
                    self.outcome.wake_at = wake.map(|wake| wake.at);
                    return Step::Done(self.outcome.clone());
                }
            }
        }
    }

    /// The result of the action that [`TurnRun::step`] asked for.
    pub fn acted(&mut self, result: Result<ActionResult, ActionError>) {
        self.results.push(result);
    }

    fn hear(&mut self) {
        let input = &self.input;
        // A reminder that was dropped, moved or forgotten with its session in the meantime triggers nothing.
        let outdated = triggered_by(&input.metadata).is_some_and(|(name, at)| {
            !self.tracker.pending_reminders().any(|reminder| reminder.name == name && reminder.at == at)
        });
        if outdated {
            self.enter(Phase::Done);
            return;
        }
        let heard = Event::UserUttered {
            text: input.text.clone(),
            intent: input.understanding.intent.clone(),
            entities: input.understanding.entities.clone(),
            message_id: input.message_id.clone(),
            input_channel: input.input_channel.clone(),
            metadata: input.metadata.clone(),
        };
        // The ranking is kept where somebody asks for the second best: after a fallback.
        let understanding = &input.understanding;
        let in_doubt = understanding.intent.name == NLU_FALLBACK && understanding.ranking.len() > 1;
        let parsed = (in_doubt || !understanding.selections.is_empty()).then(|| Event::UtteranceParsed {
            ranking: understanding.ranking.clone(),
            selections: understanding.selections.clone(),
        });
        self.take(std::iter::once(heard).chain(parsed).collect());
        self.enter(Phase::Extract);
    }

    fn predict(&mut self) {
        let restarts = self.tracker.latest_understanding().is_some_and(|u| u.intent.name == "restart");
        if self.tracker.paused() && !restarts {
            self.enter(Phase::Done);
            return;
        }
        if self.actions >= ACTIONS_PER_TURN_MAX {
            // The next message must find the assistant listening.
            self.take(vec![super::executed(ACTION_LISTEN)]);
            self.outcome.failure = Some(format!("stopped after {ACTIONS_PER_TURN_MAX} actions in one turn"));
            self.enter(Phase::Done);
            return;
        }
        self.actions += 1;
        let prediction = self.engine.predict(&self.tracker);
        self.tracker.clear_followup();
        self.enter(Phase::Run(prediction));
    }

    /// Runs an action; answers the call that it needs first, if any.
    fn run(&mut self, prediction: &Prediction, next: Phase) -> Option<ActionCall> {
        let interrupted = prediction.interrupted.then_some(Event::LoopInterrupted { interrupted: true });
        let ran = match &interrupted {
            None => self.exec(|exec| exec.run(&prediction.action, &self.tracker)),
            // The form knows of the interruption; if it refuses to run, nobody else does.
            Some(event) => {
                let mut tracker = self.tracker.clone();
                tracker.apply(event);
                self.exec(|exec| exec.run(&prediction.action, &tracker))
            }
        };
        match ran {
            Ok(events) => {
                // An action that refused by an event did not happen; what it found out did.
                let refused = events.iter().any(|e| matches!(e, Event::ActionRejected { .. }));
                // A message that an action puts into the conversation fills slots as any other.
                let speaks = events.iter().any(|e| matches!(e, Event::UserUttered { .. }));
                if !refused {
                    self.take(interrupted.into_iter().chain([prediction.event()]).collect());
                }
                self.take(events);
                let ends = [ACTION_LISTEN, "action_session_start"].contains(&prediction.action.as_str());
                let next = match next {
                    Phase::Predict if ends => Phase::Done,
                    Phase::Predict if speaks => Phase::Extract,
                    next => next,
                };
                self.enter(next);
            }
            Err(Stop::Need { action, tracker }) => return Some(self.call(&action, &tracker)),
            Err(Stop::Rejected) => {
                self.take(vec![Event::ActionRejected { action: prediction.action.clone() }]);
                self.enter(next);
            }
            Err(Stop::Failed(reason)) if matches!(self.phase, Phase::Start) => {
                // A session that cannot begin in the assistant's own way begins in the usual one.
                self.outcome.failure = Some(reason);
                self.take(vec![prediction.event(), Event::SessionStarted, super::executed(ACTION_LISTEN)]);
                self.enter(Phase::Hear);
            }
            Err(Stop::Failed(reason)) => self.apologise(Some(&prediction.action), reason),
        }
        None
    }

    /// A custom action failed: the user hears of it, and the conversation goes on with the next message.
    fn apologise(&mut self, action: Option<&str>, reason: String) {
        let plain = Reply { response: Some(APOLOGY_RESPONSE.into()), text: Some(APOLOGY.into()), ..Reply::default() };
        let mut said = self.exec(|exec| exec.say(APOLOGY_RESPONSE, &self.tracker));
        if said.is_empty() {
            said.push(Event::BotUttered { reply: plain });
        }
        let mut events = Vec::new();
        // A form that refused would wait for something else to happen; it must read the next answer.
        let action = action.filter(|action| !self.tracker.is_loop(action));
        events.extend(action.map(|action| Event::ActionRejected { action: action.to_owned() }));
        events.extend(said);
        events.push(super::executed(ACTION_LISTEN));
        self.take(events);
        self.outcome.failure = Some(reason);
        self.enter(Phase::Done);
    }

    fn exec<T>(&self, run: impl FnOnce(&mut Exec<'_>) -> T) -> T {
        let mut exec =
            Exec { input: &self.input, results: &self.results, used: 0, replies: self.outcome.replies.len() };
        run(&mut exec)
    }

    fn call(&self, action: &str, tracker: &Tracker) -> ActionCall {
        let number = self.called + self.results.len() + 1;
        ActionCall {
            key: format!("{}/{}/{number}", self.input.session, self.input.key),
            action: action.to_owned(),
            session: self.input.session.clone(),
            tracker: tracker.to_rasa_json(&self.input.session),
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.called += self.results.len();
        self.results.clear();
        self.phase = phase;
    }

    fn take(&mut self, events: Vec<Event>) {
        for event in events {
            self.tracker.apply(&event);
            if let Event::BotUttered { reply } = &event {
                self.outcome.replies.push(reply.clone());
            }
            self.outcome.events.push(event);
        }
    }
}
