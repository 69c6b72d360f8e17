//! The rule policy: rules, forms on their happy path, the intents that always mean an action, the core fallback.
//!
//! Behaviour as of Rasa 3.6's `RulePolicy`: a rule is a stretch of states; the longest one that the end of the
//! conversation satisfies wins.

use super::{
    compile::{ANYTHING, Example, Training},
    matching::{behind_anything, ends_with, recent_states},
};
use crate::{
    format::{Diagnostic, Domain},
    tracker::{ACTION_LISTEN, SHOULD_NOT_BE_SET, State, Tracker},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A compiled rule.
#[derive(Debug)]
pub(super) struct Rule {
    /// The states that the conversation must end with, oldest first.
    pub states: Vec<State>,
    action: String,
    /// The length of Rasa's textual key: the longest wins.
    key_len: usize,
    /// The rules of the assistant that it came from.
    pub names: BTreeSet<String>,
}

impl Rule {
    /// Does it tell the last message by its words?
    fn tells_words(&self) -> bool {
        self.states.last().and_then(|s| s.user.as_ref()).is_some_and(|user| user.words.is_some())
    }
}

/// What the states inside a form tell about leaving and resuming it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unhappy {
    /// The form runs again after something else: it must not read the message as an answer.
    LoopWasInterrupted,
    /// Something else than the form comes next.
    DoNotPredictLoop,
}

/// Why a prediction was made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    DefaultIntent(String),
    Loop(String),
    LoopListen(String),
    Rule(usize),
}

/// Rules that say different things at the same moment.
#[derive(Debug)]
pub(super) struct Clash {
    pub states: Vec<State>,
    pub names: BTreeSet<String>,
}

/// What rules say at a moment.
#[derive(Debug)]
enum Learned {
    Rule(Rule),
    Clash(Clash),
}

/// What the rule policy says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct RulePrediction {
    /// The action, if a rule says one.
    pub action: Option<String>,
    /// It follows from the form alone, so no other policy is asked.
    pub of_loop: bool,
    /// The form must be told that it was interrupted.
    pub interrupted: bool,
    /// No story knows of this: the turn is hidden from the memoization.
    pub rule_only: bool,
    /// The last message counted by its words.
    pub end_to_end: bool,
    pub source: Option<Source>,
}

/// The compiled policy.
#[derive(Debug, Default)]
pub(super) struct RulePolicy {
    pub(super) rules: Vec<Rule>,
    pub(super) clashes: Vec<Clash>,
    unhappy: Vec<(Vec<State>, Unhappy)>,
    pub(super) used_in_stories: BTreeSet<Source>,
    /// Slots and forms that no story mentions.
    pub rule_only_slots: BTreeSet<String>,
    /// See above.
    pub rule_only_loops: BTreeSet<String>,
}

/// The intents that mean an action wherever they are said.
const DEFAULT_INTENTS: [(&str, &str); 3] =
    [("restart", "action_restart"), ("back", "action_back"), ("session_start", "action_session_start")];

impl RulePolicy {
    /// Compiles rules and checks them and the stories against one another.
    pub(super) fn compile(domain: &Arc<Domain>, training: &[Training]) -> Result<RulePolicy, Vec<Diagnostic>> {
        let mut policy = RulePolicy::default();
        let mut found: BTreeMap<Vec<State>, Learned> = BTreeMap::new();
        let mut order: Vec<Vec<State>> = Vec::new();
        let mut unhappy: BTreeMap<Vec<State>, Unhappy> = BTreeMap::new();
        let mut seen = [(BTreeSet::new(), BTreeSet::new()), (BTreeSet::new(), BTreeSet::new())];
        for item in training {
            for example in item.examples(domain) {
                let (slots, loops) = &mut seen[usize::from(item.is_rule)];
                if let Some(last) = example.states.last() {
                    slots.extend(last.slots.keys().cloned());
                    loops.extend(last.active_loop.iter().filter(|l| *l != SHOULD_NOT_BE_SET).cloned());
                }
                learn_unhappy(&example, &mut unhappy);
                if item.is_rule {
                    learn_rule(&item.story.name, example, &mut found, &mut order);
                }
            }
        }
        let [(story_slots, story_loops), (rule_slots, rule_loops)] = seen;
        policy.rule_only_slots = rule_slots.difference(&story_slots).cloned().collect();
        policy.rule_only_loops = rule_loops.difference(&story_loops).cloned().collect();
        policy.unhappy = unhappy.into_iter().collect();
        for learned in order.iter().filter_map(|key| found.remove(key)) {
            match learned {
                Learned::Rule(rule) if rule.action == ANYTHING => {}
                Learned::Rule(rule) => policy.rules.push(rule),
                Learned::Clash(clash) => policy.clashes.push(clash),
            }
        }
        let errors = policy.check(domain, training);
        if errors.is_empty() { Ok(policy) } else { Err(errors) }
    }

    /// What to do next.
    pub(super) fn predict(&self, tracker: &Tracker) -> RulePrediction {
        // Right behind a message a rule that tells it by its words comes before all but an active form.
        let by_words = self.rules.iter().any(Rule::tells_words) && tracker.latest_action() == Some(ACTION_LISTEN);
        let from_words = if by_words { self.by_rules(tracker, true) } else { RulePrediction::default() };
        let mut said = if from_words.action.is_some() { from_words.clone() } else { self.by_default_intent(tracker) };
        if said.action.is_none() || said.end_to_end {
            let of_loop = self.by_loop(tracker);
            said = if of_loop.action.is_some() { of_loop } else { said };
        }
        if said.action.is_none() {
            said = self.by_rules(tracker, false);
            said.interrupted |= from_words.interrupted;
        }
        said.rule_only = said.source.as_ref().is_some_and(|source| !self.used_in_stories.contains(source));
        said
    }

    fn by_default_intent(&self, tracker: &Tracker) -> RulePrediction {
        if tracker.latest_action() != Some(ACTION_LISTEN) {
            return RulePrediction::default();
        }
        let intent = tracker.latest_understanding().map(|u| u.intent.name.as_str());
        match DEFAULT_INTENTS.iter().find(|(name, _)| Some(*name) == intent) {
            Some((name, action)) => RulePrediction {
                action: Some((*action).to_owned()),
                source: Some(Source::DefaultIntent((*name).to_owned())),
                ..RulePrediction::default()
            },
            None => RulePrediction::default(),
        }
    }

    fn by_loop(&self, tracker: &Tracker) -> RulePrediction {
        let (Some(active), Some(form)) = (tracker.active_loop(), tracker.active_loop_name()) else {
            return RulePrediction::default();
        };
        if active.rejected || tracker.latest_action().is_none() {
            return RulePrediction::default();
        }
        let ran = tracker.latest_action() == Some(form);
        let (action, source) = if ran {
            (ACTION_LISTEN, Source::LoopListen(form.to_owned()))
        } else {
            (form, Source::Loop(form.to_owned()))
        };
        RulePrediction {
            action: Some(action.to_owned()),
            of_loop: true,
            source: Some(source),
            ..RulePrediction::default()
        }
    }

    fn by_rules(&self, tracker: &Tracker, by_words: bool) -> RulePrediction {
        let longest = self.rules.iter().map(|r| r.states.len()).max().unwrap_or(0).max(2);
        let states = recent_states(tracker, longest, by_words);
        let mut best: Option<usize> = None;
        for (index, rule) in self.rules.iter().enumerate() {
            let longer = best.is_none_or(|b| rule.key_len > self.rules[b].key_len);
            if longer && !rule.states.is_empty() && ends_with(&states, &rule.states) {
                best = Some(index);
            }
        }
        let mut said = RulePrediction {
            action: best.map(|b| self.rules[b].action.clone()),
            source: best.map(Source::Rule),
            end_to_end: by_words && best.is_some(),
            ..RulePrediction::default()
        };
        if let Some(form) = tracker.active_loop_name() {
            let told = |what: Unhappy| self.unhappy.iter().any(|(key, u)| *u == what && ends_with(&states, key));
            let general_listen = best.is_some_and(|b| {
                let rule = &self.rules[b];
                let last = rule.states.last().and_then(|s| s.active_loop.as_deref());
                rule.action == ACTION_LISTEN && last.is_none_or(|l| l == SHOULD_NOT_BE_SET)
            });
            if general_listen {
                if !told(Unhappy::DoNotPredictLoop) {
                    said.action = Some(form.to_owned());
                    return said;
                }
                said.action = None;
                said.source = None;
            }
            said.interrupted = told(Unhappy::LoopWasInterrupted);
        }
        said
    }
}

fn learn_rule(name: &str, example: Example, found: &mut BTreeMap<Vec<State>, Learned>, order: &mut Vec<Vec<State>>) {
    let Some(states) = behind_anything(example.states) else { return };
    match found.get_mut(&states) {
        Some(Learned::Rule(rule)) if rule.action == example.action => drop(rule.names.insert(name.to_owned())),
        // Neither counts, and the check reports both.
        Some(clash @ Learned::Rule(_)) => {
            let mut names = BTreeSet::from([name.to_owned()]);
            if let Learned::Rule(rule) = &*clash {
                names.extend(rule.names.iter().cloned());
            }
            *clash = Learned::Clash(Clash { states, names });
        }
        Some(Learned::Clash(clash)) => drop(clash.names.insert(name.to_owned())),
        None => {
            let key_len = 2 + states.iter().map(|s| s.key_len() + 2).sum::<usize>();
            order.push(states.clone());
            let names = BTreeSet::from([name.to_owned()]);
            found.insert(states.clone(), Learned::Rule(Rule { states, action: example.action, key_len, names }));
        }
    }
}

fn learn_unhappy(example: &Example, unhappy: &mut BTreeMap<Vec<State>, Unhappy>) {
    let Some((last, earlier)) = example.states.split_last() else { return };
    let Some(form) = last.active_loop.as_deref().filter(|l| *l != SHOULD_NOT_BE_SET) else { return };
    let mut key = Vec::new();
    if let Some(prev_action) = earlier.last().and_then(|s| s.prev_action.clone()) {
        key.push(State { prev_action: Some(prev_action), ..State::default() });
    }
    key.push(last.clone());
    let Some(key) = behind_anything(key) else { return };
    let listened = last.prev_action.as_deref() == Some(ACTION_LISTEN);
    if listened && example.action == form {
        unhappy.insert(key, Unhappy::LoopWasInterrupted);
    } else if !listened && example.action != form {
        unhappy.insert(key, Unhappy::DoNotPredictLoop);
    }
}
