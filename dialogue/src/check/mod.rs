//! Test stories: what an assistant is expected to do, against what it does.

use crate::{
    Understanding,
    engine::Engine,
    format::TestStory,
    ports::{ActionCall, ActionError, ActionResult},
};
use std::fmt;

/// How a test story went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestReport {
    /// The story's name.
    pub name: String,
    /// No mismatch?
    pub passed: bool,
    /// What differed, in order.
    pub failures: Vec<Mismatch>,
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

/// Runs a test story as `rasa test` does: the story itself is the conversation, no action is executed, and before each
/// of its actions the engine is asked which one it would take. `parse` is what the model makes of a text, after
/// [`Engine::understand`].
pub fn run_test_story(engine: &Engine, story: &TestStory, parse: &dyn Fn(&str) -> Understanding) -> TestReport {
    let _ = (engine, parse);
    unimplemented!("{} follows in the next commit", story.name)
}

/// Plays a test story through real turns: forms ask and fill, responses are rendered, custom actions are answered by
/// `act`. The actions of each turn are compared in order, slots and forms where the story names them.
pub fn play_test_story(
    engine: &Engine,
    story: &TestStory,
    parse: &dyn Fn(&str) -> Understanding,
    act: &mut dyn FnMut(&ActionCall) -> Result<ActionResult, ActionError>,
) -> TestReport {
    let _ = (engine, parse, act);
    unimplemented!("{} follows in the next commit", story.name)
}
