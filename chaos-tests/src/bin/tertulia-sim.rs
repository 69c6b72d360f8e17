//! The simulator's command line.

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use tertulia_chaos_tests::simulation::{Plan, simulate};

/// Simulates clusters from seeds, and looks for what breaks their promises.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs one seed.
    Run {
        /// The seed.
        #[arg(long)]
        seed: u64,
        /// Simulated seconds with faults.
        #[arg(long, default_value_t = 120)]
        seconds: u64,
        /// Runs this plan instead of the seed's own.
        #[arg(long)]
        plan: Option<PathBuf>,
        /// Writes the report as JSON, with the whole history.
        #[arg(long)]
        out: Option<PathBuf>,
        /// Tells what happens as it happens.
        #[arg(long)]
        story: bool,
    },
}

fn main() -> Result<ExitCode> {
    let Command::Run { seed, seconds, plan, out, story } = Cli::parse().command;
    if story {
        tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .without_time()
            .with_writer(std::io::stderr)
            .init();
    }
    let plan = match plan {
        Some(path) => {
            let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            serde_json::from_str(&text).with_context(|| format!("{} is no plan", path.display()))?
        }
        None => Plan::of(seed, seconds),
    };
    let folder = tempfile::tempdir()?;
    let begun = std::time::Instant::now();
    let report = simulate(plan, folder.path(), story);
    let took = begun.elapsed();
    if let Some(out) = out {
        std::fs::write(&out, serde_json::to_vec(&report)?)
            .with_context(|| format!("cannot write {}", out.display()))?;
    }
    println!(
        "seed {} ({}): {:.1} simulated seconds in {:.1} s, {} acknowledged, {} unknown, {} reads, {} leaderships, {} faults, digest {:08x}",
        report.seed,
        report.timing,
        report.simulated_us as f64 / 1e6,
        took.as_secs_f64(),
        report.acknowledged,
        report.unknown,
        report.reads,
        report.leaderships,
        report.faults.values().sum::<u64>(),
        report.digest,
    );
    match report.broken {
        None => Ok(ExitCode::SUCCESS),
        Some(broken) => {
            println!("broken at {} ms: {}: {}", broken.at_ms, broken.invariant, broken.what);
            Ok(ExitCode::FAILURE)
        }
    }
}
