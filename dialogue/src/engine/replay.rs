//! What the policies would do at each moment of a story.

use super::{Engine, compile};
use crate::{
    Event,
    format::{Story, StoryStep},
    tracker::Tracker,
};
use std::sync::Arc;

/// A moment of a story.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayedAction {
    /// What the story does.
    pub expected: String,
    /// What the policies would do.
    pub predicted: String,
    /// Which of them.
    pub policy: Option<String>,
    /// How sure it is, from 0 to 1.
    pub confidence: f32,
}

pub(super) fn replay(engine: &Engine, story: &Story) -> Vec<ReplayedAction> {
    let domain = &engine.assistant.domain;
    let straight: Vec<StoryStep> =
        story.steps.iter().filter(|s| !matches!(s, StoryStep::Checkpoint { .. })).cloned().collect();
    let mut out = Vec::new();
    for steps in compile::ways(&straight) {
        let mut tracker = Tracker::of_domain(Arc::clone(domain));
        for event in compile::events(domain, story, &steps, false, true) {
            // The first listening is nobody's choice.
            if let Event::ActionExecuted { action, .. } = &event
                && tracker.latest_action().is_some()
            {
                let mut said = engine.predict(&tracker);
                let form = tracker.active_loop().map(|l| l.name.clone());
                if said.action != *action && form.as_deref() == Some(said.action.as_str()) {
                    // The story says that something else than the form comes: there the form refused the message.
                    tracker.apply(&Event::ActionRejected { action: said.action.clone() });
                    said = engine.predict(&tracker);
                }
                out.push(ReplayedAction {
                    expected: action.clone(),
                    predicted: said.action,
                    policy: said.policy,
                    confidence: said.confidence,
                });
            }
            tracker.apply(&event);
        }
    }
    out
}
