//! Rules and stories that contradict one another, and what the policy learns from running over its own training data.

use super::{
    compile::{ANYTHING, Training},
    matching::{ends_with, recent_states},
    rules::{RulePolicy, RulePrediction, Source},
};
use crate::{
    Event,
    format::{Diagnostic, Domain},
    tracker::{ACTION_LISTEN, Tracker},
};
use std::{collections::BTreeSet, sync::Arc};

impl RulePolicy {
    /// Runs the policy over what it was compiled from: a prediction that differs is a contradiction.
    pub(super) fn check(&mut self, domain: &Arc<Domain>, training: &[Training]) -> Vec<Diagnostic> {
        let mut errors: Vec<Diagnostic> = Vec::new();
        let mut dropped: BTreeSet<usize> = BTreeSet::new();
        for item in training {
            let mut tracker = item.tracker(domain);
            let mut unpredictable = true;
            for event in &item.events {
                let Event::ActionExecuted { action: gold, .. } = event else {
                    tracker.apply(event);
                    continue;
                };
                if gold == ANYTHING || unpredictable {
                    unpredictable = gold == ANYTHING;
                    tracker.apply(event);
                    continue;
                }
                let mut said = self.predict(&tracker);
                let active = tracker.active_loop_name().map(str::to_owned);
                if let (Some(form), true) = (&active, said.action != Some(gold.clone()) && said.action == active) {
                    // Inside a form something else is expected: there the form refused the message.
                    tracker.apply(&Event::ActionRejected { action: form.clone() });
                    said = self.predict(&tracker);
                }
                match (&said.action, &said.source) {
                    (Some(action), Some(source)) if action == gold => {
                        if !item.is_rule {
                            self.used_in_stories.insert(source.clone());
                        }
                    }
                    (None, _) if !item.is_rule => {}
                    // A rule that begins with an action says what follows it; a story may know better.
                    (Some(action), Some(Source::Rule(index)))
                        if !item.is_rule && action == ACTION_LISTEN && self.rules[*index].states.len() == 1 =>
                    {
                        dropped.insert(*index);
                    }
                    _ => errors.push(self.contradiction(item, &tracker, gold, &said)),
                }
                tracker.apply(event);
            }
        }
        // Unused from here on, but its number stays: sources refer to it.
        for index in dropped {
            self.rules[index].states.clear();
        }
        errors.dedup();
        errors
    }

    fn contradiction(&self, item: &Training, tracker: &Tracker, gold: &str, said: &RulePrediction) -> Diagnostic {
        let kind = if item.is_rule { "rule" } else { "story" };
        let who = match &said.source {
            Some(Source::Rule(index)) => {
                format!("contradicts the rule {}", others(&self.rules[*index].names, &item.story.name))
            }
            Some(Source::DefaultIntent(intent)) => format!("contradicts the built-in meaning of the intent `{intent}`"),
            Some(Source::Loop(form) | Source::LoopListen(form)) => {
                format!("contradicts the active form `{form}`; say `active_loop: null` where it ends")
            }
            None => {
                let states = recent_states(tracker, item.events.len(), false);
                let clash = self.clashes.iter().find(|clash| ends_with(&states, &clash.states));
                let others = clash.map(|clash| others(&clash.names, &item.story.name)).unwrap_or_default();
                format!("contradicts the rule {others}, which does something else at the same moment")
            }
        };
        let predicted = said.action.as_deref().map(|a| format!(", which says `{a}`")).unwrap_or_default();
        let message = format!("the action `{gold}` in the {kind} `{}` {who}{predicted}", item.story.name);
        Diagnostic::at(
            &item.story.place,
            format!("{}.{}", if item.is_rule { "rules" } else { "stories" }, item.story.name),
            message,
        )
    }
}

/// The names but one, for a message.
fn others(names: &BTreeSet<String>, own: &str) -> String {
    let others: Vec<String> = names.iter().filter(|n| *n != own).map(|n| format!("`{n}`")).collect();
    if others.is_empty() { format!("`{own}` itself") } else { others.join(", ") }
}
