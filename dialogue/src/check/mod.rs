//! Test stories: what an assistant is expected to do, against what it does.

mod play;
mod predict;

pub use play::play_test_story;
pub use predict::run_test_story;

use crate::{
    Understanding, Value,
    engine::Engine,
    format::{Place, StepEntity, TestStory, UserStep},
};
use std::fmt;

/// How a test story went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestReport {
    /// The story's name.
    pub name: String,
    /// Where it begins.
    pub place: Place,
    /// No mismatch?
    pub passed: bool,
    /// What differed, in order.
    pub failures: Vec<Mismatch>,
    /// Every action that the story tells, or that came without being told, in order.
    pub actions: Vec<ActionCheck>,
}

/// An action of a test story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionCheck {
    /// What the story tells; `action_listen` where it tells that the user's turn comes.
    pub expected: String,
    /// What came.
    pub predicted: String,
}

impl ActionCheck {
    fn of(expected: &str, predicted: &str) -> Self {
        ActionCheck { expected: expected.to_owned(), predicted: predicted.to_owned() }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The story's file.
    pub path: String,
    /// The line of the step.
    pub line: u32,
    /// What was expected and what came: `expected utter_x, predicted utter_y`.
    pub what: String,
}

impl Mismatch {
    fn at(place: &Place, what: String) -> Self {
        Mismatch { path: place.path.clone(), line: place.line, what }
    }
}

impl TestReport {
    fn of(story: &TestStory, failures: Vec<Mismatch>, actions: Vec<ActionCheck>) -> Self {
        let (name, place) = (story.name.clone(), story.place.clone());
        TestReport { name, place, passed: failures.is_empty(), failures, actions }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}:{}", self.what, self.path, self.line)
    }
}

impl fmt::Display for TestReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", if self.passed { "passed" } else { "FAILED" }, self.name)?;
        self.failures.iter().try_for_each(|failure| write!(f, "\n  {failure}"))
    }
}

/// What the step's words are understood as: the message's own meaning, the model's, or, where the story gives no
/// words, what the story says.
fn hear(
    engine: &Engine,
    step: &UserStep,
    parse: &dyn Fn(&str) -> Understanding,
    failures: &mut Vec<Mismatch>,
) -> Understanding {
    let Some(text) = &step.text else { return as_told(step) };
    let heard = match engine.shortcut(text) {
        Some(Ok(heard)) => heard,
        Some(Err(why)) => {
            failures.push(Mismatch::at(&step.place, why));
            return as_told(step);
        }
        None => parse(text),
    };
    // A test story that names a key of a retrieval intent wants that key, one that names the intent alone any of them.
    let (wanted, found) = match &step.response_key {
        Some(key) => (Some(key), heard.full_intent()),
        None => (step.intent.as_ref(), heard.intent.name.as_str()),
    };
    if let Some(intent) = wanted.filter(|intent| **intent != found) {
        let confidence = heard.intent.confidence;
        let what = format!("expected intent {intent}, predicted {} ({confidence:.2}) for {text:?}", shown(found));
        failures.push(Mismatch::at(&step.place, what));
    }
    let (missing, surplus) = entity_differences(step, &heard);
    if !missing.is_empty() || !surplus.is_empty() {
        let list = |names: Vec<String>| if names.is_empty() { "nothing".into() } else { names.join(", ") };
        let what = format!("expected entities also {}, predicted instead {} in {text:?}", list(missing), list(surplus));
        failures.push(Mismatch::at(&step.place, what));
    }
    heard
}

fn shown(name: &str) -> &str {
    if name.is_empty() { "nothing" } else { name }
}

/// The story's entities that were not found, and those found that it does not name. Entities are compared where the
/// story annotates any.
fn entity_differences(step: &UserStep, heard: &Understanding) -> (Vec<String>, Vec<String>) {
    if step.entities.is_empty() {
        return (Vec::new(), Vec::new());
    }
    let told = |e: &StepEntity| {
        let value = e.value.as_ref().map(|v| format!("={}", v.display())).unwrap_or_default();
        format!("{}{value}", e.entity)
    };
    let same = |told: &StepEntity, found: &crate::Entity| {
        told.entity == found.entity
            && told.role == found.role
            && told.group == found.group
            && told.value.as_ref().is_none_or(|v| v.display().to_lowercase() == found.value.display().to_lowercase())
    };
    let missing = step.entities.iter().filter(|t| !heard.entities.iter().any(|f| same(t, f))).map(told).collect();
    let surplus = heard.entities.iter().filter(|f| !step.entities.iter().any(|t| same(t, f)));
    (missing, surplus.map(|f| format!("{}={}", f.entity, f.value.display())).collect())
}

/// A perfect understanding of a step.
fn as_told(step: &UserStep) -> Understanding {
    let intent = crate::ScoredIntent { name: step.intent.clone().unwrap_or_default(), confidence: 1.0 };
    let mut heard = Understanding { text: step.text.clone().unwrap_or_default(), ..Understanding::default() };
    heard.entities = step
        .entities
        .iter()
        .map(|e| crate::Entity {
            entity: e.entity.clone(),
            value: e.value.clone().unwrap_or(Value::Null),
            start: e.span.map_or(0, |s| s.0),
            end: e.span.map_or(0, |s| s.1),
            role: e.role.clone(),
            group: e.group.clone(),
            confidence: 1.0,
            extractor: String::new(),
        })
        .collect();
    heard.selections = step.response_key.iter().map(|key| crate::Selection::of(key, 1.0)).collect();
    heard.ranking = vec![intent.clone()];
    heard.intent = intent;
    heard
}

/// A perfect parse: each text of the test stories is understood as the story says; other texts are not understood.
pub fn perfect_parse<'s>(tests: &'s [crate::format::TestStory]) -> impl Fn(&str) -> Understanding + 's {
    move |text: &str| {
        let steps = tests.iter().flat_map(|t| &t.steps).filter_map(|step| match step {
            crate::format::StoryStep::User(user) => Some(user),
            _ => None,
        });
        let mut told = steps.filter(|u| u.text.as_deref() == Some(text));
        told.next().map(as_told).unwrap_or_else(|| Understanding { text: text.to_owned(), ..Understanding::default() })
    }
}
