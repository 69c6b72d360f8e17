//! The events that the policies still see, after reverts and with the happy path of forms folded together.

use super::State;
use crate::Event;
use std::sync::Arc;

/// An event of the history.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Applied {
    /// The event.
    pub event: Arc<Event>,
    /// For an executed action: what the policies saw before it.
    pub before: Option<Before>,
}

/// What the policies saw before an action.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Before {
    /// The state.
    pub state: State,
    /// Does the turn stay hidden, or shown, as the one before it was?
    pub sticky: bool,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct History(Vec<Arc<Applied>>);

impl History {
    pub(super) fn applied(&self) -> &[Arc<Applied>] {
        &self.0
    }
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
    pub(super) fn push(&mut self, event: Arc<Event>, before: Option<Before>) {
        self.0.push(Arc::new(Applied { event, before }));
    }
    fn undo_until(&mut self, is_it: impl Fn(&Event) -> bool) {
        while let Some(last) = self.0.pop() {
            if is_it(&last.event) {
                break;
            }
        }
    }
    /// Takes back the last user message and the `action_listen` before it.
    pub(super) fn undo_user_utterance(&mut self) {
        self.undo_until(|e| matches!(e, Event::UserUttered { .. }));
        self.undo_action();
    }
    pub(super) fn undo_action(&mut self) {
        self.undo_until(|e| matches!(e, Event::ActionExecuted { .. }));
    }

    /// Did this form run before, with nothing but answers to it in between?
    pub(super) fn repeats_happy_path(&self, form: &str) -> bool {
        let mut next_action: Option<&str> = None;
        for applied in self.0.iter().rev() {
            match &*applied.event {
                Event::ActiveLoopChanged { name: None } => return false,
                Event::ActionRejected { action } if action == form => return false,
                // Stories have no rejections: there, another action after the message tells of the unhappy path.
                Event::UserUttered { .. } if next_action.is_some_and(|a| a != form) => return false,
                Event::ActionExecuted { action, .. } if action == form => return true,
                Event::ActionExecuted { action, .. } => next_action = Some(action),
                _ => {}
            }
        }
        false
    }

    /// Removes messages and actions back to the form's previous run; what they changed stays.
    pub(super) fn collapse_loop(&mut self, form: &str) {
        let of_form = |a: &Arc<Applied>| matches!(&*a.event, Event::ActionExecuted { action, .. } if action == form);
        let Some(previous) = self.0.iter().rposition(of_form) else { return };
        let tail = self.0.split_off(previous + 1);
        let stays = |a: &Arc<Applied>| {
            let of_message = matches!(*a.event, Event::UserUttered { .. } | Event::UtteranceParsed { .. });
            !of_message && !matches!(*a.event, Event::ActionExecuted { .. })
        };
        self.0.extend(tail.into_iter().filter(stays));
    }
}
