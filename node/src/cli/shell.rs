//! `shell`: a conversation in the terminal, with a cluster or with a release in this process.

use super::assistant::{ReleaseArgs, understand};
use super::client::{Answer, Talker, reply_lines};
use super::{Outcome, style};
use crate::action_client::ActionClient;
use crate::http::turns::reply_json;
use crate::server::SystemClock;
use clap::Args;
use cluster_config::ActionOptions;
use dialogue::engine::{Engine, Step, TurnInput};
use dialogue::ports::{ActionRunner, Clock, Scorer};
use dialogue::tracker::Tracker;
use dialogue::{IdempotencyKey, SessionId, TimestampMs, Value};
use rustyline::error::ReadlineError;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the custom actions of a turn may take that runs in this process.
const ACTION_TIME_MAX: Duration = Duration::from_secs(10);

/// Talk to an assistant in the terminal.
///
/// Without --release it talks to a running cluster (`tertulia demo`).
#[derive(Args)]
pub(crate) struct Shell {
    /// The cluster's client addresses; another one is asked when one does not answer
    #[arg(long, env = "TERTULIA_URL", value_delimiter = ',',
          default_values = ["http://127.0.0.1:8080", "http://127.0.0.1:8081", "http://127.0.0.1:8082"])]
    url: Vec<String>,
    /// Talk to this release in this process, without a cluster and without a log
    #[arg(long, conflicts_with = "url")]
    release: Option<PathBuf>,
    /// The session; a new one when left out
    #[arg(long)]
    session: Option<String>,
    /// Show intent, entities, zone and latency of every turn
    #[arg(long, short)]
    verbose: bool,
}

enum Partner {
    Cluster(Box<Talker>),
    Local(Box<Local>),
}

impl Shell {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        let session =
            self.session.unwrap_or_else(|| format!("shell-{}", &uuid::Uuid::new_v4().simple().to_string()[..8]));
        let session = SessionId::new(session)?;
        let mut partner = match self.release {
            Some(release) => Partner::Local(Box::new(Local::load(release, session.clone()).await?)),
            None => Partner::Cluster(Box::new(Talker::new(self.url, session.as_str())?)),
        };
        let mut verbose = self.verbose;
        println!("Session {session}. :details shows or hides intents and latency, :quit or Ctrl-D ends.");
        let (lines, mut typed) = tokio::sync::mpsc::channel(1);
        // The editor blocks, so it has a thread; it reads the next line only when the last one is answered.
        let (go_on, may_read) = std::sync::mpsc::channel();
        std::thread::spawn(move || read_lines(&lines, &may_read));
        loop {
            if go_on.send(()).is_err() {
                break;
            }
            let Some(line) = typed.recv().await else { break };
            match line?.trim() {
                "" => {}
                ":quit" | ":q" => break,
                ":details" => {
                    verbose = !verbose;
                    println!("details {}", if verbose { "on" } else { "off" });
                }
                text => match partner.say(text).await {
                    Ok(answer) => {
                        answer.lines.iter().for_each(|line| println!("{} {line}", style::bold("bot:")));
                        if verbose {
                            println!("{}", style::dim(&format!("     {}", answer.details)));
                        }
                    }
                    Err(error) => eprintln!("{} {error:#}", style::red("error:")),
                },
            }
        }
        Ok(Outcome::Fine)
    }
}

fn read_lines(lines: &tokio::sync::mpsc::Sender<anyhow::Result<String>>, may_read: &std::sync::mpsc::Receiver<()>) {
    let mut editor = match rustyline::DefaultEditor::new() {
        Ok(editor) => editor,
        Err(error) => {
            let _ = lines.blocking_send(Err(error.into()));
            return;
        }
    };
    while may_read.recv().is_ok() {
        let line = match editor.readline("you: ") {
            Ok(line) => {
                let _ = editor.add_history_entry(&line);
                Ok(line)
            }
            Err(ReadlineError::Eof | ReadlineError::Interrupted) => return,
            Err(error) => Err(error.into()),
        };
        if lines.blocking_send(line).is_err() {
            return;
        }
    }
}

impl Partner {
    async fn say(&mut self, text: &str) -> anyhow::Result<Answer> {
        match self {
            Partner::Cluster(talker) => talker.say(text).await,
            Partner::Local(local) => local.say(text).await,
        }
    }
}

/// A conversation in this process: the same engine, and nothing is kept.
struct Local {
    engine: Arc<Engine>,
    scorer: Arc<dyn Scorer>,
    actions: ActionClient,
    session: SessionId,
    tracker: Tracker,
    turns: u64,
    last_at: Option<TimestampMs>,
}

impl Local {
    async fn load(release: PathBuf, session: SessionId) -> anyhow::Result<Self> {
        let (engine, scorer) = ReleaseArgs { release, encoder: None }.load().await?;
        let actions = ActionClient::new(engine.assistant(), None, &ActionOptions::default())?;
        let tracker = Tracker::new(engine.assistant());
        Ok(Self { engine, scorer, actions, session, tracker, turns: 0, last_at: None })
    }

    async fn say(&mut self, text: &str) -> anyhow::Result<Answer> {
        let started = Instant::now();
        let understanding = match self.engine.shortcut(text) {
            Some(read) => read.map_err(anyhow::Error::msg)?,
            None => self.engine.understand(understand(&*self.scorer, text)?, SystemClock.now()),
        };
        self.turns += 1;
        let at = SystemClock.now();
        let input = TurnInput {
            session: self.session.clone(),
            key: IdempotencyKey::new(format!("turn-{}", self.turns))?,
            text: text.into(),
            message_id: None,
            input_channel: Some("shell".into()),
            metadata: Value::Null,
            understanding,
            at,
            last_at: self.last_at.replace(at),
            seed: self.turns,
        };
        let mut run = self.engine.begin(&self.tracker, input);
        let outcome = loop {
            match run.step() {
                Step::Act(call) => run.acted(self.actions.run(call, ACTION_TIME_MAX).await),
                Step::Done(outcome) => break outcome,
            }
        };
        outcome.events.iter().for_each(|event| self.tracker.apply(event));
        let lines = outcome.replies.iter().flat_map(|r| reply_lines(&reply_json(r))).collect();
        let entities: Vec<String> =
            outcome.entities.iter().map(|e| format!(", {}={}", e.entity, e.value.display())).collect();
        let (intent, took) = (&outcome.intent, started.elapsed().as_secs_f64() * 1e3);
        let details = format!(
            "{} {:.2}{} · turn {} · {took:.1} ms",
            intent.name,
            intent.confidence,
            entities.concat(),
            self.turns
        );
        Ok(Answer { lines, details })
    }
}
