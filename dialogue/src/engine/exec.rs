//! `Exec`: runs one action. It is a pure function of the tracker and of the results of the custom actions that it
//! needed so far; where one is missing it says which, and it is run again once the result is there.

use super::{
    TurnInput,
    compile::executed,
    respond,
    two_stage::{ASK_AFFIRMATION, ASK_REPHRASE},
};
use crate::{
    Event, Reply, Value,
    format::DEFAULT_FALLBACK,
    limits::PENDING_REMINDERS_MAX,
    ports::{ActionError, ActionResult},
    tracker::{ACTION_LISTEN, TWO_STAGE_FALLBACK, Tracker},
};
use std::collections::BTreeMap;

/// Why an action did not come to its end.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stop {
    /// This custom action must run first, on this tracker.
    Need { action: String, tracker: Box<Tracker> },
    /// It refused to run.
    Rejected,
    /// It failed; the words are for operators.
    Failed(String),
}

/// See the module.
pub(super) struct Exec<'a> {
    pub input: &'a TurnInput,
    /// The results so far, in the order in which they were asked for.
    pub results: &'a [Result<ActionResult, ActionError>],
    /// How many of them were used.
    pub used: usize,
    /// How many replies the turn has.
    pub replies: usize,
}

impl Exec<'_> {
    /// Runs an action and answers its events.
    pub(super) fn run(&mut self, action: &str, tracker: &Tracker) -> Result<Vec<Event>, Stop> {
        let domain = tracker.domain();
        if let Some(intent) = action.strip_prefix("utter_").filter(|i| domain.retrieval_intents.contains_key(*i)) {
            return self.say_selected(intent, tracker);
        }
        if domain.e2e_actions.contains(action) {
            self.replies += 1;
            let reply = Reply { text: Some(action.to_owned()), ..Reply::default() };
            return Ok(vec![Event::BotUttered { reply }]);
        }
        // An assistant may replace a form, too, by a custom action of the same name.
        if domain.forms.contains_key(action) && !domain.actions.contains_key(action) {
            return self.form(action, tracker);
        }
        // An assistant may replace any built-in action by a custom one of the same name.
        if domain.actions.contains_key(action) && !domain.responses.contains_key(action) {
            return self.call(action, tracker);
        }
        let mut events = Vec::new();
        match action {
            ACTION_LISTEN | "action_unlikely_intent" | "action_extract_slots" => {}
            "action_restart" => {
                events.extend(self.say("utter_restart", tracker));
                events.push(Event::Restarted);
            }
            "action_session_start" => events = session_start(tracker),
            DEFAULT_FALLBACK => {
                events.extend(self.say("utter_default", tracker));
                events.push(Event::UtteranceReverted);
            }
            "action_back" => {
                events.extend(self.say("utter_back", tracker));
                events.extend([Event::UtteranceReverted, Event::UtteranceReverted]);
            }
            "action_deactivate_loop" => {
                let requested = Event::SlotSet { name: crate::tracker::REQUESTED_SLOT.into(), value: Value::Null };
                events.extend([Event::ActiveLoopChanged { name: None }, requested]);
            }
            TWO_STAGE_FALLBACK => return self.two_stage_fallback(tracker),
            ASK_AFFIRMATION => events.push(self.ask_affirmation(tracker)),
            ASK_REPHRASE => events.extend(self.say("utter_ask_rephrase", tracker)),
            "action_revert_fallback_events" => events = super::two_stage::revert_fallback_events(tracker),
            "action_send_text" => events.push(self.send_text(tracker)?),
            response if domain.responses.contains_key(response) => events.extend(self.say(response, tracker)),
            unknown => return Err(Stop::Failed(format!("there is no action `{unknown}`"))),
        }
        Ok(events)
    }

    /// Says the response that a selector chose for the last message (Rasa's `ActionRetrieveResponse`).
    fn say_selected(&mut self, intent: &str, tracker: &Tracker) -> Result<Vec<Event>, Stop> {
        let selected = tracker.latest_understanding().and_then(|u| u.selected(intent));
        let Some(best) = selected.map(|best| best.name.clone()) else {
            let message = format!(
                "utter_{intent}: no response selector chose among `{intent}/…` for the last message; train the \
                 assistant's model, or send `/{intent}/…`"
            );
            return Err(Stop::Failed(message));
        };
        let response = format!("utter_{best}");
        let said = self.say(&response, tracker);
        if said.is_empty() {
            return Err(Stop::Failed(format!("utter_{intent}: nothing of the response `{response}` may be said here")));
        }
        Ok(said)
    }

    /// Says the words that the last message brings along in its metadata, under `message`.
    fn send_text(&mut self, tracker: &Tracker) -> Result<Event, Stop> {
        let metadata = tracker.events().rev().find_map(|e| match e {
            Event::UserUttered { metadata: Value::Map(map), .. } => Some(map.get("message")),
            Event::UserUttered { .. } => Some(None),
            _ => None,
        });
        let text = match metadata.flatten() {
            Some(Value::Map(message)) => message.get("text").and_then(Value::as_text),
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        let Some(text) = text else {
            let message = "action_send_text: the last message has no text in its metadata, under `message.text`";
            return Err(Stop::Failed(message.into()));
        };
        self.replies += 1;
        Ok(Event::BotUttered { reply: Reply { text: Some(text.to_owned()), ..Reply::default() } })
    }

    /// Says a response, if the domain has it.
    pub(super) fn say(&mut self, response: &str, tracker: &Tracker) -> Vec<Event> {
        let replies = self.render(response, tracker, &BTreeMap::new());
        replies.into_iter().map(|reply| Event::BotUttered { reply }).collect()
    }

    fn render(&mut self, response: &str, tracker: &Tracker, extra: &BTreeMap<String, Value>) -> Vec<Reply> {
        let channel = self.input.input_channel.as_deref();
        let replies = respond::render(tracker, response, channel, extra, self.input.seed, self.replies);
        self.replies += replies.len();
        replies
    }

    /// Calls a custom action: its messages first, then its events, as in Rasa.
    pub(super) fn call(&mut self, action: &str, tracker: &Tracker) -> Result<Vec<Event>, Stop> {
        let Some(result) = self.results.get(self.used) else {
            return Err(Stop::Need { action: action.to_owned(), tracker: Box::new(tracker.clone()) });
        };
        self.used += 1;
        let result = match result {
            Ok(result) => result,
            Err(ActionError::Rejected { .. }) => return Err(Stop::Rejected),
            Err(failed @ ActionError::Failed { .. }) => return Err(Stop::Failed(failed.to_string())),
        };
        let mut events = Vec::new();
        for reply in &result.replies {
            let replies = self.replies_of_action(action, reply, tracker)?;
            events.extend(replies.into_iter().map(|reply| Event::BotUttered { reply }));
        }
        events.extend(result.events.iter().cloned());
        let schedules = events.iter().any(|e| matches!(e, Event::ReminderScheduled { .. }));
        if schedules && tracker.reminders_after(&events) > PENDING_REMINDERS_MAX {
            let message = format!(
                "action {action}: with its `reminder` more than {PENDING_REMINDERS_MAX} reminders of the session would be pending; \
                 let it cancel some first (`cancel_reminder`)"
            );
            return Err(Stop::Failed(message));
        }
        Ok(events)
    }

    /// A reply that names a response is rendered; what else it holds is added, and a map under `custom` gives values.
    fn replies_of_action(&mut self, action: &str, reply: &Reply, tracker: &Tracker) -> Result<Vec<Reply>, Stop> {
        let Some(response) = &reply.response else {
            self.replies += 1;
            return Ok(vec![reply.clone()]);
        };
        let none = BTreeMap::new();
        let extra = match &reply.custom {
            Some(Value::Map(map)) => map,
            _ => &none,
        };
        let mut replies = self.render(response, tracker, extra);
        let Some(out) = replies.first_mut() else {
            return Err(Stop::Failed(format!("action {action} names the response `{response}`, which does not exist")));
        };
        out.text = reply.text.clone().or(out.text.take());
        out.image = reply.image.clone().or(out.image.take());
        out.attachment = reply.attachment.clone().or(out.attachment.take());
        out.buttons.extend(reply.buttons.iter().cloned());
        Ok(replies)
    }
}

/// The events that begin a session: slots are carried over if the domain says so.
fn session_start(tracker: &Tracker) -> Vec<Event> {
    let domain = tracker.domain();
    let mut events = vec![Event::SessionStarted];
    if domain.session.carry_over_slots {
        for (name, value) in tracker.slots() {
            if domain.slots.get(name).is_some_and(|slot| slot.initial != *value) {
                events.push(Event::SlotSet { name: name.clone(), value: value.clone() });
            }
        }
    }
    events.push(executed(ACTION_LISTEN));
    events
}
