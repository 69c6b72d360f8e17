//! `test`: an assistant's test stories, run in this process.

use super::assistant::{ReleaseArgs, understand};
use super::{Outcome, style};
use clap::Args;
use dialogue::check::run_test_story;
use std::cell::RefCell;

/// Run an assistant's test stories.
#[derive(Args)]
pub(crate) struct Test {
    #[command(flatten)]
    release: ReleaseArgs,
    /// Only the stories whose names contain this
    #[arg(long)]
    only: Option<String>,
}

impl Test {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        let (engine, scorer) = self.release.load().await?;
        let stories: Vec<_> = engine
            .assistant()
            .tests
            .iter()
            .filter(|story| self.only.as_ref().is_none_or(|part| story.name.contains(part)))
            .collect();
        anyhow::ensure!(
            !stories.is_empty(),
            "{}: the release holds no such test story (tests/test_*.yml)",
            self.release.release.display()
        );
        let bar = style::bar(stories.len());
        bar.set_message("test stories");
        let broken = RefCell::new(None);
        let parse = |text: &str| {
            understand(&*scorer, text).unwrap_or_else(|error| {
                broken.borrow_mut().get_or_insert(error);
                dialogue::Understanding::default()
            })
        };
        let (mut passed, mut failed) = (0, 0);
        for story in stories {
            let report = run_test_story(&engine, story, &parse);
            if let Some(error) = broken.borrow_mut().take() {
                return Err(error.context(format!("{}: a text could not be scored", story.name)));
            }
            bar.inc(1);
            if report.passed {
                passed += 1;
                continue;
            }
            failed += 1;
            bar.suspend(|| println!("{} {report}", style::red("failed")));
        }
        bar.finish_and_clear();
        println!("{passed} passed, {failed} failed");
        Ok(if failed == 0 { Outcome::Fine } else { Outcome::FoundWrong })
    }
}
