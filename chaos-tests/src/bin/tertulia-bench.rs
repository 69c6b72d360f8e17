//! The benches of whole clusters as a program; `cargo xtask bench` builds it, runs it and shows what it leaves.

use anyhow::{Context, Result, bail, ensure};
use clap::{Parser, Subcommand, ValueEnum};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tertulia_chaos_tests::bench::{fsync, kill_leader, turns};
use tertulia_chaos_tests::drill::DrillOptions;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
#[command(name = "tertulia-bench", about = "Measures three real nodes on this machine")]
struct Arguments {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(clap::Args)]
struct Common {
    /// Where the results go, as JSON
    #[arg(long)]
    out: PathBuf,
    /// A short run
    #[arg(long)]
    small: bool,
}

#[derive(Subcommand)]
enum Bench {
    /// Turns per second and latencies
    Turns {
        #[command(flatten)]
        common: Common,
        /// Measure a peer in the same run
        #[arg(long, requires = "peer_dir")]
        peer: Option<Peer>,
        /// The peer's folder: venv/ and project/
        #[arg(long, value_name = "DIR")]
        peer_dir: Option<PathBuf>,
        /// Rounds, at least 1
        #[arg(long)]
        rounds: Option<usize>,
        /// Length of one load, in seconds
        #[arg(long, value_name = "SECONDS")]
        load: Option<u64>,
    },
    /// kill -9 of the leading process under load, and the checker's verdict
    KillLeader {
        #[command(flatten)]
        common: Common,
        /// Kills
        #[arg(long, env = "TERTULIA_DRILL_ROUNDS")]
        rounds: Option<usize>,
        /// Clients
        #[arg(long, default_value_t = 8)]
        clients: usize,
        /// An assistant of bots/, or its folder
        #[arg(long, default_value = "moodbot")]
        assistant: String,
    },
    /// Calls of fdatasync against barriers and turns
    Fsync {
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Peer {
    Rasa,
}

#[tokio::main]
async fn main() -> ExitCode {
    // Whoever ends the bench early ends the nodes too: they go when the run is dropped.
    let outcome = tokio::select! {
        outcome = run(Arguments::parse().bench) => outcome,
        stopped = stop_signal() => stopped,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("tertulia-bench: {e:#}");
            ExitCode::FAILURE
        }
    }
}

async fn stop_signal() -> Result<()> {
    let mut term = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    tokio::select! {
        _ = term.recv() => bail!("stopped by SIGTERM"),
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.context("cannot listen for SIGINT")?;
            bail!("interrupted")
        }
    }
}

async fn run(bench: Bench) -> Result<()> {
    match bench {
        Bench::Turns { common, peer, peer_dir, rounds, load } => {
            let options = turns::TurnsOptions {
                clients: vec![1, 8, 32],
                rounds: rounds.unwrap_or(if common.small { 1 } else { 3 }),
                load: Duration::from_secs(load.unwrap_or(if common.small { 2 } else { 6 })),
                peer: peer.and(peer_dir),
            };
            turns::run(&options).await?.write(&common.out)
        }
        Bench::KillLeader { common, rounds, clients, assistant } => {
            let rounds = rounds.unwrap_or(if common.small { 3 } else { 20 });
            let options = DrillOptions { clients, ..DrillOptions::rounds(rounds) };
            let (results, report) = kill_leader::run(&assistant, &options).await?;
            results.write(&common.out)?;
            println!("{}\n{}", report.load, report.verdict);
            if !report.verdict.holds() {
                keep_evidence(&report.history, &common.out)?;
            }
            ensure!(report.verdict.holds(), "the promises do not hold");
            Ok(())
        }
        Bench::Fsync { common } => match fsync::run(common.small).await? {
            Some(results) => results.write(&common.out),
            None => {
                println!("fsync did not run: strace is not installed, or may not attach to a process here");
                Ok(())
            }
        },
    }
}

fn keep_evidence(history: &tertulia_chaos_tests::history::History, out: &Path) -> Result<()> {
    let path = out.with_extension("history.json");
    std::fs::write(&path, serde_json::to_string(history)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    eprintln!("evidence: {}", path.display());
    Ok(())
}
