//! Runs test stories and reports on them: for people, for CI systems, and as stories again.

mod failed;
mod junit;
mod summary;

pub use failed::failed_stories;
pub use junit::junit;
pub use summary::{ActionScores, json};

use dialogue::check::TestReport;
use dialogue::format::TestStory;
use std::time::{Duration, Instant};

/// A test story that was run.
#[derive(Debug)]
pub struct StoryRun<'s> {
    /// The story.
    pub story: &'s TestStory,
    /// How it went.
    pub report: TestReport,
    /// How long it took.
    pub time: Duration,
}

/// How test stories are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As `rasa test` does: nothing is executed, each action is predicted from the story so far.
    Predicted,
    /// Through whole turns: forms ask and fill, responses are said, custom actions run on their server.
    Played,
}

/// A run of test stories.
#[derive(Debug)]
pub struct TestRun<'s> {
    /// How.
    pub mode: Mode,
    /// Those that were run, in order.
    pub stories: Vec<StoryRun<'s>>,
    /// How many were not, because one failed before.
    pub not_run: usize,
}

impl<'s> TestRun<'s> {
    /// Runs stories in order by `test`; ends at the first failure where `fail_fast`, and at the first error.
    pub fn run(
        mode: Mode,
        stories: &[&'s TestStory],
        fail_fast: bool,
        mut test: impl FnMut(&'s TestStory) -> anyhow::Result<TestReport>,
    ) -> anyhow::Result<Self> {
        let mut run = Self { mode, stories: Vec::new(), not_run: 0 };
        for story in stories {
            let started = Instant::now();
            let report = test(story)?;
            let passed = report.passed;
            run.stories.push(StoryRun { story, report, time: started.elapsed() });
            if fail_fast && !passed {
                break;
            }
        }
        run.not_run = stories.len() - run.stories.len();
        Ok(run)
    }

    /// How many passed.
    pub fn passed(&self) -> usize {
        self.stories.iter().filter(|s| s.report.passed).count()
    }
    /// How many did not.
    pub fn failed(&self) -> usize {
        self.stories.len() - self.passed()
    }
    /// How long all took together.
    pub fn time(&self) -> Duration {
        self.stories.iter().map(|s| s.time).sum()
    }
}
