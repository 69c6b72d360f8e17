//! The load generator as a program: closed-loop clients on any number of nodes, figures as JSON; and the checker of the
//! histories that it and the drills leave behind.

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand, ValueEnum};
use drills::checker::check;
use drills::client::{Client, Protocol};
use drills::drill::read_views;
use drills::history::History;
use drills::limits::READS_SHARE;
use drills::load::{Load, LoadOptions};
use drills::script::Script;
use drills::stopwatch::Stopwatch;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[derive(Parser)]
#[command(
    name = "tertulia-load",
    about = "Says turns as many clients would, and measures what comes back",
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    load: Option<LoadArguments>,
}

#[derive(Subcommand)]
enum Command {
    /// Judge a history that --history or a drill wrote; ends with 2 where a promise was broken
    Check {
        /// The history
        file: PathBuf,
    },
}

#[derive(Args)]
struct LoadArguments {
    /// Base URLs of the nodes; a client that fails with one goes to the next
    #[arg(long, required = true, value_delimiter = ',', value_name = "URL,…")]
    targets: Vec<String>,
    /// Closed-loop clients
    #[arg(long, default_value_t = 8)]
    clients: usize,
    /// Longest time, in seconds
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    duration: u64,
    /// Most turns; whatever of this and --duration is reached first ends the run
    #[arg(long)]
    turns: Option<u64>,
    /// Sessions that all clients share at random; 0 gives each client a fresh one for each dialogue
    #[arg(long, default_value_t = 0)]
    sessions: usize,
    /// One utterance a line, an empty line between dialogues; without it moodbot's turns
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Make every text unique by blanks behind it, so that no cache of understandings helps
    #[arg(long, conflicts_with = "warm")]
    cold: bool,
    /// Say the script's texts as they are (the default)
    #[arg(long)]
    warm: bool,
    /// Share of acknowledged turns that are sent again under the same key, 0 to 1
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    resend: f64,
    /// Share of all operations that are linearizable reads, of any node and any client's session, 0 to 0.9; 0.1 when left
    /// out (Rasa's REST channel has none)
    #[arg(long, value_name = "SHARE")]
    reads: Option<f64>,
    /// How the nodes are spoken to
    #[arg(long, value_enum, default_value = "tertulia")]
    protocol: Protocol,
    /// Bound of one attempt, in milliseconds
    #[arg(long, default_value_t = 5_000, value_name = "MS")]
    timeout_ms: u64,
    /// Bound of one turn with all its attempts, in milliseconds
    #[arg(long, default_value_t = 30_000, value_name = "MS")]
    give_up_ms: u64,
    /// Read the log from every node in the end and judge it against what the clients saw
    #[arg(long)]
    check: bool,
    /// With --check: keep the evidence in this file
    #[arg(long, value_name = "FILE", requires = "check")]
    history: Option<PathBuf>,
    /// Begins all session ids and keys; made from the time when left out
    #[arg(long)]
    run: Option<String>,
    /// How the figures are written
    #[arg(long, value_enum, default_value = "json")]
    output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Json,
    Text,
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Arguments::parse() {
        Arguments { command: Some(Command::Check { file }), .. } => judge(&file),
        Arguments { load: Some(arguments), .. } => run(arguments).await,
        Arguments { .. } => Err(anyhow::anyhow!("nothing to do: see --help")),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(2),
        Err(e) => {
            eprintln!("tertulia-load: {e:#}");
            ExitCode::FAILURE
        }
    }
}

/// `false` where a promise was broken.
fn judge(file: &Path) -> Result<bool> {
    let verdict = check(&History::load(file)?);
    println!("{verdict}");
    Ok(verdict.holds())
}

/// `false` where turns were given up or the checker found a promise broken.
async fn run(arguments: LoadArguments) -> Result<bool> {
    ensure!(!(arguments.check && arguments.protocol == Protocol::Rasa), "--check wants --protocol tertulia");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock stands before 1970")?;
    let targets: Vec<String> = arguments.targets.iter().map(|t| t.trim_end_matches('/').to_owned()).collect();
    let options = LoadOptions {
        protocol: arguments.protocol,
        clients: arguments.clients,
        duration: Duration::from_secs(arguments.duration),
        turns: arguments.turns,
        sessions: arguments.sessions,
        script: arguments.script.as_deref().map_or_else(|| Ok(Script::moodbot()), Script::load)?,
        cold: arguments.cold,
        resend: arguments.resend,
        reads: arguments.reads.unwrap_or(if arguments.protocol == Protocol::Rasa { 0.0 } else { READS_SHARE }),
        attempt_timeout: Duration::from_millis(arguments.timeout_ms),
        give_up_after: Duration::from_millis(arguments.give_up_ms),
        record: arguments.check,
        ..LoadOptions::new(targets.clone(), arguments.run.unwrap_or_else(|| format!("load{}", now.as_millis())))
    };
    let mut outcome = Load::start(options, Stopwatch::start())?.finish().await?;
    match arguments.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&outcome.report)?),
        Output::Text => println!("{}", outcome.report),
    }
    let mut holds = outcome.report.errors == 0;
    if arguments.check {
        let client = Client::new(Protocol::Tertulia, Duration::from_millis(arguments.timeout_ms))?;
        let mut history = outcome.take_history();
        history.views = read_views(&client, &targets, &history.attempts).await?;
        if let Some(path) = arguments.history {
            history.save(&path)?;
        }
        let verdict = check(&history);
        eprintln!("{verdict}");
        holds &= verdict.holds();
    }
    Ok(holds)
}
