//! Joins stories at their checkpoints (Rasa 3.6's `StoryStepBuilder` and `TrainingDataGenerator`).

use super::compile::{UNFOLDED_STORIES_MAX, events, ways};
use crate::{
    Value,
    format::{Diagnostic, Domain, Story, StoryStep},
    tracker::Tracker,
};
use std::{collections::BTreeMap, sync::Arc};

/// A checkpoint that a stretch begins at, with the slots that must be set so.
type Start<'s> = (&'s str, &'s [(String, Option<Value>)]);

/// A stretch of a story between checkpoints.
#[derive(Debug)]
struct Stretch<'s> {
    story: &'s Story,
    index: usize,
    /// It begins at any of these; at a conversation's beginning where there are none.
    from: Vec<Start<'s>>,
    steps: Vec<StoryStep>,
    /// It goes on behind each of these; it ends where there are none.
    to: Vec<&'s str>,
}

/// The straight conversations that stories come to: one for each way through checkpoints and `or`s.
pub(super) fn joined(
    domain: &Arc<Domain>,
    stories: &[Story],
    errors: &mut Vec<Diagnostic>,
) -> Vec<(Story, Vec<StoryStep>)> {
    let stretches = stretches(stories);
    let mut by_start: BTreeMap<&str, Vec<&Stretch<'_>>> = BTreeMap::new();
    for stretch in &stretches {
        for (name, _) in &stretch.from {
            by_start.entry(name).or_default().push(stretch);
        }
    }
    let reached: Vec<&str> = stretches.iter().flat_map(|s| s.to.iter().copied()).collect();
    for stretch in &stretches {
        for (name, _) in stretch.from.iter().filter(|(name, _)| !reached.contains(name)) {
            let message = format!("no story leads to the checkpoint `{name}`");
            errors.push(Diagnostic::at(&stretch.story.place, &stretch.story.name, message));
        }
    }
    let mut walk = Walk { domain, by_start, path: Vec::new(), out: Vec::new() };
    for stretch in stretches.iter().filter(|s| s.from.is_empty()) {
        walk.follow(stretch, &[]);
    }
    walk.out
}

fn stretches(stories: &[Story]) -> Vec<Stretch<'_>> {
    let mut out: Vec<Stretch<'_>> = Vec::new();
    for story in stories {
        let new =
            |out: &Vec<Stretch<'_>>, from| Stretch { story, index: out.len(), from, steps: Vec::new(), to: Vec::new() };
        let mut current = new(&out, Vec::new());
        for step in &story.steps {
            match step {
                StoryStep::Checkpoint { name, slots, .. } if current.steps.is_empty() => {
                    current.from.push((name, slots));
                }
                StoryStep::Checkpoint { name, .. } => current.to.push(name),
                other => {
                    if !current.to.is_empty() {
                        let from = current.to.iter().map(|name| (*name, [].as_slice())).collect();
                        out.push(current);
                        current = new(&out, from);
                    }
                    current.steps.push(other.clone());
                }
            }
        }
        if !current.steps.is_empty() {
            out.push(current);
        }
    }
    out
}

/// The way through the stretches.
struct Walk<'d, 's> {
    domain: &'d Arc<Domain>,
    by_start: BTreeMap<&'s str, Vec<&'s Stretch<'s>>>,
    path: Vec<usize>,
    out: Vec<(Story, Vec<StoryStep>)>,
}

impl<'s> Walk<'_, 's> {
    fn follow(&mut self, stretch: &'s Stretch<'s>, before: &[StoryStep]) {
        // A checkpoint that leads back to itself is gone through once.
        if self.path.contains(&stretch.index) || self.out.len() > UNFOLDED_STORIES_MAX {
            return;
        }
        self.path.push(stretch.index);
        for way in ways(&stretch.steps) {
            let steps = [before, &way].concat();
            let mut goes_on = false;
            for to in &stretch.to {
                for next in self.by_start.get(to).cloned().unwrap_or_default() {
                    goes_on = true;
                    if self.is_open(to, next, &steps) {
                        self.follow(next, &steps);
                    }
                }
            }
            if !goes_on && self.out.len() <= UNFOLDED_STORIES_MAX {
                self.out.push((stretch.story.clone(), steps));
            }
        }
        self.path.pop();
    }

    /// Are the slots set so that the stretch may begin at the checkpoint behind these steps?
    fn is_open(&self, checkpoint: &str, next: &Stretch<'_>, steps: &[StoryStep]) -> bool {
        let mut conditions =
            next.from.iter().filter(|(name, slots)| *name == checkpoint && !slots.is_empty()).peekable();
        if conditions.peek().is_none() {
            return true;
        }
        let mut tracker = Tracker::of_domain(Arc::clone(self.domain));
        events(self.domain, next.story, steps, false, false).iter().for_each(|e| tracker.apply(e));
        conditions.all(|(_, slots)| {
            slots.iter().all(|(name, wanted)| wanted.as_ref().is_none_or(|wanted| tracker.slot(name) == wanted))
        })
    }
}
