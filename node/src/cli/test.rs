//! `test`: an assistant's test stories, run in this process.

use super::assistant::{ReleaseArgs, composed, understand};
use super::{Outcome, style};
use crate::action_client::ActionClient;
use crate::story_tests::{ActionScores, Mode, TestRun, failed_stories, json, junit};
use anyhow::Context;
use clap::Args;
use cluster_config::ActionOptions;
use dialogue::TimestampMs;
use dialogue::check::{TestReport, play_test_story, run_test_story};
use dialogue::engine::Engine;
use dialogue::format::TestStory;
use dialogue::ports::{ActionCall, ActionError, ActionRunner, Scorer};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// When the messages of test stories are spoken: they mean the same every day.
const SPOKEN_AT: TimestampMs = TimestampMs(0);
/// What training begins with where a folder is tested: as `train` does by itself.
const SEED: u64 = 1;

/// Run an assistant's test stories.
///
/// As `rasa test` does, actions are predicted from the story and not executed. With --e2e the stories are played through whole turns:
/// forms ask and fill, responses are said, and custom actions run on their server.
#[derive(Args)]
pub(crate) struct Test {
    /// An assistant's or a skill's folder: it is trained and tested, and no release is kept
    #[arg(conflicts_with = "release")]
    folder: Option<PathBuf>,
    #[command(flatten)]
    release: ReleaseArgs,
    /// Only the stories whose names contain this
    #[arg(long)]
    only: Option<String>,
    /// Only the stories of this skill
    #[arg(long, value_name = "NAME")]
    skill: Option<String>,
    /// Play the stories through whole turns
    #[arg(long)]
    e2e: bool,
    /// Where custom actions run; `action_endpoint` of endpoints.yml when left out
    #[arg(long, value_name = "URL", requires = "e2e")]
    action_endpoint: Option<String>,
    /// Stop at the first story that fails
    #[arg(long)]
    fail_fast: bool,
    /// Write a report as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write a report as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the failed stories as test stories, with what came instead in comments
    #[arg(long, value_name = "FILE")]
    failed: Option<PathBuf>,
}

/// How long all attempts at one action may take together.
const ACTION_PATIENCE: Duration = Duration::from_secs(10);

impl Test {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        let (engine, scorer) = self.load().await?;
        // Stories are a long computation that waits for action servers now and then.
        let runtime = Handle::current();
        tokio::task::spawn_blocking(move || self.test(&engine, &*scorer, &runtime)).await?
    }

    async fn load(&self) -> anyhow::Result<(Arc<Engine>, Arc<dyn Scorer>)> {
        let Some(folder) = self.folder.clone() else { return self.release.load().await };
        let sources = composed(&folder, &[])?;
        let encoder = super::encoder_of(self.release.encoder.as_deref(), &sources).await?;
        let learn = move || -> anyhow::Result<(Arc<Engine>, Arc<dyn Scorer>)> {
            // By way of a release, so that what is tested is what would be served.
            let dir = tempfile::tempdir().context("a temporary folder cannot be made")?;
            let out = dir.path().join("release");
            super::train(sources, &out, None, &encoder, SEED)?;
            let loaded = crate::brain::load_release(&out, &encoder, &super::assistant::alone())?;
            Ok((Arc::new(loaded.engine), loaded.scorer))
        };
        tokio::task::spawn_blocking(learn).await?
    }

    fn test(&self, engine: &Engine, scorer: &dyn Scorer, runtime: &Handle) -> anyhow::Result<Outcome> {
        let stories = self.chosen(engine)?;
        let bar = style::bar(stories.len());
        bar.set_message("test stories");
        let broken = RefCell::new(None);
        let parse = |text: &str| match understand(scorer, text) {
            Ok(raw) => engine.understand(raw, SPOKEN_AT),
            Err(error) => {
                broken.borrow_mut().get_or_insert(error);
                dialogue::Understanding::default()
            }
        };
        let endpoint = self.action_endpoint.clone().or_else(|| engine.assistant().config.action_endpoint.clone());
        let served = endpoint.is_some();
        let actions = ActionClient::new(engine.assistant(), endpoint, &ActionOptions::default())?;
        let act = |call: &ActionCall| {
            if served {
                return runtime.block_on(actions.run(call.clone(), ACTION_PATIENCE));
            }
            let reason = "no action server: give --action-endpoint URL, or `action_endpoint` in endpoints.yml".into();
            Err(ActionError::Failed { action: call.action.clone(), reason })
        };
        let test = |story: &TestStory| -> anyhow::Result<TestReport> {
            let report = if self.e2e {
                play_test_story(engine, story, &parse, &mut |call| act(call))
            } else {
                run_test_story(engine, story, &parse)
            };
            if let Some(error) = broken.borrow_mut().take() {
                return Err(error.context(format!("{}: a text could not be scored", story.name)));
            }
            bar.inc(1);
            if !report.passed {
                bar.suspend(|| println!("{} {report}", style::red("failed")));
            }
            Ok(report)
        };
        let mode = if self.e2e { Mode::Played } else { Mode::Predicted };
        let run = TestRun::run(mode, &stories, self.fail_fast, test);
        bar.finish_and_clear();
        let run = run?;
        self.write(&run)?;
        let not_run = if run.not_run > 0 { format!(", {} not run", run.not_run) } else { String::new() };
        println!("{}", ActionScores::of(&run));
        println!("{} passed, {} failed{not_run} in {:.1} s", run.passed(), run.failed(), run.time().as_secs_f64());
        Ok(if run.failed() == 0 { Outcome::Fine } else { Outcome::FoundWrong })
    }

    fn chosen<'e>(&self, engine: &'e Engine) -> anyhow::Result<Vec<&'e TestStory>> {
        let assistant = engine.assistant();
        let skill = match &self.skill {
            None => None,
            Some(name) => Some(assistant.skills.iter().find(|s| s.name == *name).with_context(|| {
                let known: Vec<&str> = assistant.skills.iter().map(|s| s.name.as_str()).collect();
                let known =
                    if known.is_empty() { "it has none".into() } else { format!("it has {}", known.join(", ")) };
                format!("--skill {name}: the assistant is composed of no such skill; {known}")
            })?),
        };
        let chosen = assistant.tests.iter().filter(|story| {
            let named = self.only.as_ref().is_none_or(|part| story.name.contains(part));
            named && skill.is_none_or(|skill| skill.holds(&story.place.path))
        });
        let chosen: Vec<_> = chosen.collect();
        let from = self.folder.as_ref().unwrap_or(&self.release.release);
        anyhow::ensure!(!chosen.is_empty(), "{}: there is no such test story (tests/test_*.yml)", from.display());
        Ok(chosen)
    }

    fn write(&self, run: &TestRun<'_>) -> anyhow::Result<()> {
        let put = |file: &Path, text: String| {
            std::fs::write(file, text).with_context(|| format!("{}: cannot write", file.display()))
        };
        if let Some(file) = &self.junit {
            put(file, junit(run)?)?;
        }
        if let Some(file) = &self.json {
            put(file, format!("{:#}\n", json(run)))?;
        }
        if let Some(file) = &self.failed {
            put(file, failed_stories(run))?;
        }
        Ok(())
    }
}
