//! The two-stage fallback: asks whether the best guess is meant, then for other words, then gives up (the loop of Rasa
//! 3.6's `TwoStageFallbackAction`).

use super::{
    compile::executed,
    exec::{Exec, Stop},
};
use crate::{
    Event, Reply, ReplyButton,
    format::{DEFAULT_FALLBACK, NLU_FALLBACK},
    tracker::{ACTION_LISTEN, TWO_STAGE_FALLBACK, Tracker},
};

/// Asks whether the best guess is meant.
pub(super) const ASK_AFFIRMATION: &str = "action_default_ask_affirmation";
/// Asks for other words.
pub(super) const ASK_REPHRASE: &str = "action_default_ask_rephrase";
/// What a user says who does not mean the guess.
const OUT_OF_SCOPE: &str = "out_of_scope";

impl Exec<'_> {
    /// Runs the loop.
    pub(super) fn two_stage_fallback(&mut self, tracker: &Tracker) -> Result<Vec<Event>, Stop> {
        let mut events = Vec::new();
        let begins = tracker.active_loop_name() != Some(TWO_STAGE_FALLBACK);
        if begins {
            events.push(Event::ActiveLoopChanged { name: Some(TWO_STAGE_FALLBACK.into()) });
        }
        let intent = tracker.latest_understanding().map_or("", |u| u.intent.name.as_str());
        let gives_up = gives_up(tracker);
        if gives_up || ![NLU_FALLBACK, OUT_OF_SCOPE].contains(&intent) {
            events.push(Event::ActiveLoopChanged { name: None });
            events.extend(if gives_up { self.run(DEFAULT_FALLBACK, tracker)? } else { clarified(tracker) });
        } else {
            let asks = if begins || intent == NLU_FALLBACK { ASK_AFFIRMATION } else { ASK_REPHRASE };
            events.extend(self.run(asks, tracker)?);
        }
        Ok(events)
    }

    /// Asks about the best intent that is not the fallback itself.
    pub(super) fn ask_affirmation(&mut self, tracker: &Tracker) -> Event {
        let latest = tracker.latest_understanding();
        let best = latest.map_or("", |u| match u.ranking.get(1) {
            Some(second) if u.intent.name == NLU_FALLBACK => second.name.as_str(),
            _ => u.intent.name.as_str(),
        });
        // A retrieval intent alone would not say which of its responses is meant.
        let selected = latest.and_then(|u| u.selected(best)).map(|key| key.name.as_str());
        let of_best = |key: &&str| key.split_once('/').is_some_and(|(base, _)| base == best);
        let payload = selected.filter(of_best).unwrap_or(best);
        let button = |title: &str, intent: &str| ReplyButton { title: title.to_owned(), payload: format!("/{intent}") };
        self.replies += 1;
        let reply = Reply {
            response: Some(ASK_AFFIRMATION.into()),
            text: Some(format!("Do you mean '{best}'?")),
            buttons: vec![button("Yes", payload), button("No", OUT_OF_SCOPE)],
            ..Reply::default()
        };
        Event::BotUttered { reply }
    }
}

/// Two messages in a row that were not understood, or a second guess that was not meant either.
fn gives_up(tracker: &Tracker) -> bool {
    let fallback = Some(NLU_FALLBACK);
    last_intents(tracker, 2) == [fallback, fallback]
        || last_intents(tracker, 3) == [Some(OUT_OF_SCOPE), fallback, Some(OUT_OF_SCOPE)]
}

/// The intents of the last messages, the last one first; one that was taken back stands for none.
fn last_intents(tracker: &Tracker, count: usize) -> Vec<Option<&str>> {
    fn of(event: &Event) -> Option<Option<&str>> {
        match event {
            Event::UserUttered { intent, .. } => Some(Some(intent.name.as_str())),
            Event::UtteranceReverted => Some(None),
            _ => None,
        }
    }
    tracker.events().rev().filter_map(of).take(count).collect()
}

/// The user has made clear what was meant: what was asked is taken back, and the meaning stands as if it had come at once.
fn clarified(tracker: &Tracker) -> Vec<Event> {
    let mut events = vec![Event::UtteranceReverted, executed(ACTION_LISTEN)];
    events.extend(tracker.latest_message_again(Some(1.0)));
    events
}

/// For stories that spell the two stages out: takes back what was asked once the user has rephrased or affirmed.
pub(super) fn revert_fallback_events(tracker: &Tracker) -> Vec<Event> {
    let executed_before = |skip: usize| {
        let mut actions = tracker.history().iter().rev().filter_map(|a| match &*a.event {
            Event::ActionExecuted { action, .. } if action != ACTION_LISTEN => Some(action.as_str()),
            _ => None,
        });
        actions.nth(skip)
    };
    let taken_back = |messages: usize| {
        std::iter::repeat_n(Event::UtteranceReverted, messages).chain([executed(ACTION_LISTEN)]).collect::<Vec<_>>()
    };
    if executed_before(0) == Some(ASK_REPHRASE) {
        let mut events = taken_back(3);
        events.extend(tracker.latest_message_again(None));
        return events;
    }
    if executed_before(0) == Some(ASK_AFFIRMATION) {
        let mut events = taken_back(2);
        if executed_before(1) == Some(ASK_REPHRASE) {
            events.extend(taken_back(3));
        }
        events.extend(tracker.latest_message_again(Some(1.0)));
        return events;
    }
    Vec::new()
}
