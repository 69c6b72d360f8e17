//! What the learned policy learns from: stories, alone and one behind the other.

use super::{PolicyExample, features};
use crate::{
    Event,
    engine::{compile::Training, rules::RulePolicy, story_view},
    format::{Domain, LearnedConfig},
    tracker::{ACTION_LISTEN, Tracker},
};
use std::{collections::BTreeMap, sync::Arc};

/// Most pairs of stories that are told one behind the other: a conversation rarely ends where a story does.
const PAIRS_MAX: usize = 500;

/// What all pairs together count beside all stories alone: where the next story begins is not said, and what the first one set is not
/// to be forgotten so soon.
const PAIRS_SHARE: f32 = 0.3;

/// One example for each different moment of the stories. Rules have no part in it: they speak for themselves.
pub(in crate::engine) fn examples(
    config: LearnedConfig,
    domain: &Arc<Domain>,
    rules: &RulePolicy,
    training: &[Training],
) -> Vec<PolicyExample> {
    let stories: Vec<&Training> = training.iter().filter(|t| !t.is_rule).collect();
    let mut counts: BTreeMap<(Vec<u64>, String), f32> = BTreeMap::new();
    for story in &stories {
        told(config, domain, rules, &[&story.events[..]], 1.0, &mut counts);
    }
    // Each story behind others, evenly picked.
    let pairs = stories.len() * stories.len().saturating_sub(1);
    let every = pairs.div_ceil(PAIRS_MAX).max(1);
    let share = PAIRS_SHARE * stories.len() as f32 / pairs.div_ceil(every).max(1) as f32;
    for pair in (0..pairs).step_by(every) {
        let (first, step) = (pair % stories.len(), 1 + pair / stories.len());
        let second = (first + step) % stories.len();
        told(config, domain, rules, &[&stories[first].events, &stories[second].events], share, &mut counts);
    }
    let example =
        |((features, action), count): ((Vec<u64>, String), f32)| PolicyExample { features, action, weight: count };
    counts.into_iter().map(example).collect()
}

/// Counts the moments of the last of these stories, told behind the others.
fn told(
    config: LearnedConfig,
    domain: &Arc<Domain>,
    rules: &RulePolicy,
    stories: &[&[Event]],
    weight: f32,
    counts: &mut BTreeMap<(Vec<u64>, String), f32>,
) {
    let mut tracker = Tracker::of_domain(Arc::clone(domain));
    for (i, events) in stories.iter().enumerate() {
        for event in *events {
            let executed = match event {
                Event::ActionExecuted { action, .. } => Some(action),
                _ => None,
            };
            // The next story begins with listening, which the last one ended with.
            let again = executed.is_some_and(|a| a == ACTION_LISTEN) && tracker.latest_action() == Some(ACTION_LISTEN);
            if again {
                continue;
            }
            if let Some(action) = executed.filter(|_| i + 1 == stories.len() && tracker.latest_action().is_some()) {
                let states = story_view::states(&tracker, rules, false, config.max_history);
                *counts.entry((features::of(&states), action.clone())).or_default() += weight;
            }
            tracker.apply(event);
        }
    }
}
