//! The simulator's command line.

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use cluster_config::PLANTED_BUGS;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tertulia_chaos_tests::simulation::{Found, Plan, Runner, Runs, Scope, Summary, simulate};

/// As in `tertulia`; what a seed does is the same with any, and a quarter faster with this one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Simulates clusters from seeds, and looks for what breaks their promises.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs one seed, or one plan.
    Run(RunArgs),
    /// Runs many seeds, each in a process of its own.
    Search {
        /// The first seed.
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// How many seeds.
        #[arg(long, default_value_t = 100)]
        seeds: u64,
        /// Processes at once; as many as there are cores when left out.
        #[arg(long)]
        jobs: Option<usize>,
        /// Stops after so many minutes.
        #[arg(long)]
        minutes: Option<u64>,
        /// Stops at the first seed that finds something.
        #[arg(long)]
        first: bool,
        /// Takes a line of JSON for each run as it ends; seeds that stand there already count, and are not run again.
        #[arg(long)]
        runs: Option<PathBuf>,
        /// Writes the sums as JSON.
        #[arg(long)]
        out: Option<PathBuf>,
        #[command(flatten)]
        how: How,
    },
    /// Finds the smallest plan that breaks what a seed breaks.
    Shrink {
        /// The seed.
        #[arg(long)]
        seed: u64,
        /// Where the plan is written.
        #[arg(long, default_value = "target/simulation")]
        folder: PathBuf,
        #[command(flatten)]
        how: How,
    },
}

#[derive(Args, Clone)]
struct How {
    /// Simulated seconds with faults.
    #[arg(long, default_value_t = 120)]
    seconds: u64,
    /// Clocks that tick at this speed only: lan, wan or slow.
    #[arg(long, value_parser = ["lan", "wan", "slow"])]
    timing: Option<String>,
    /// Plants a bug, in a build with the feature `planted-bugs`.
    #[arg(long, env = "TERTULIA_PLANT_BUG")]
    bug: Option<String>,
}

#[derive(Args)]
struct RunArgs {
    /// The seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Simulated seconds with faults.
    #[arg(long, default_value_t = 120)]
    seconds: u64,
    /// Clocks that tick at this speed only: lan, wan or slow.
    #[arg(long, value_parser = ["lan", "wan", "slow"])]
    timing: Option<String>,
    /// Runs this plan instead of the seed's own.
    #[arg(long)]
    plan: Option<PathBuf>,
    /// Writes the report as JSON, with the whole history.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Tells what happens as it happens; RUST_LOG adds what the nodes log.
    #[arg(long)]
    story: bool,
    /// Prints the sums as one line of JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> Result<ExitCode> {
    match Cli::parse().command {
        Command::Run(args) => run(&args),
        Command::Search { from, seeds, jobs, minutes, first, runs, out, how } => {
            let jobs = jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get()));
            let time = minutes.map(|m| Duration::from_secs(m * 60));
            let runner = runner(&how)?;
            let runs = runs.map(|path| Runs::open(&path, &runner)).transpose()?;
            let scope = Scope { seeds: from..from + seeds, jobs, time, runs };
            let found = runner.search(&scope, |f| first && !f.broken.is_empty())?;
            print(&found);
            if let Some(out) = out {
                write(&out, &serde_json::to_vec_pretty(&found)?)?;
            }
            Ok(if found.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Shrink { seed, folder, how } => {
            let plan = Plan::of(seed, how.seconds, how.timing.as_deref());
            println!("{} faults", plan.faults.len());
            let path = runner(&how)?.shrink_seed(seed, plan, &folder, |s| println!("{s}"))?;
            let features = if how.bug.is_some() { "--features planted-bugs " } else { "" };
            let bug = how.bug.map_or(String::new(), |bug| format!("TERTULIA_PLANT_BUG={bug} "));
            println!(
                "{bug}cargo run --release -p tertulia-chaos-tests {features}--bin tertulia-sim -- run --plan {} --story",
                path.display()
            );
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn runner(how: &How) -> Result<Runner> {
    if let Some(bug) = &how.bug {
        if !PLANTED_BUGS.iter().any(|(name, _)| name == bug) {
            let names: Vec<&str> = PLANTED_BUGS.iter().map(|(name, _)| *name).collect();
            bail!("--bug: found {bug:?}, expected one of {}", names.join(", "));
        }
        if !cfg!(feature = "planted-bugs") {
            bail!("--bug: this binary cannot plant bugs; build it with --features planted-bugs");
        }
    }
    let binary = std::env::current_exe().context("where this binary is")?;
    Ok(Runner { binary, bug: how.bug.clone(), seconds: how.seconds, timing: how.timing.clone() })
}

fn run(args: &RunArgs) -> Result<ExitCode> {
    if args.story {
        tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .without_time()
            .with_ansi(false)
            .with_writer(std::io::stderr)
            .init();
    }
    let plan = match &args.plan {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            serde_json::from_str(&text).with_context(|| format!("{} is no plan", path.display()))?
        }
        None => Plan::of(args.seed, args.seconds, args.timing.as_deref()),
    };
    let folder = tempfile::tempdir()?;
    let begun = std::time::Instant::now();
    let report = simulate(plan, folder.path(), args.story);
    let took = begun.elapsed();
    if let Some(out) = &args.out {
        write(out, &serde_json::to_vec(&report)?)?;
    }
    let summary = Summary::from(&report);
    if args.json {
        println!("{}", serde_json::to_string(&summary)?);
    } else {
        println!(
            "seed {} ({}): {:.1} simulated seconds in {:.1} s, {} acknowledged, {} of timers, {} reads, {} leaderships, {} faults, digest {:08x}",
            summary.seed,
            summary.timing,
            summary.simulated_us as f64 / 1e6,
            took.as_secs_f64(),
            summary.acknowledged,
            summary.timers,
            summary.reads,
            summary.leaderships,
            summary.faults.values().sum::<u64>(),
            summary.digest,
        );
    }
    match report.broken {
        None => Ok(ExitCode::SUCCESS),
        Some(broken) => {
            if !args.json {
                println!("broken at {} ms: {}: {}", broken.at_ms, broken.invariant, broken.what);
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

fn print(found: &Found) {
    let hours = found.all_hours();
    println!(
        "{} seeds, {hours:.2} simulated cluster hours in {:.1} min of a process ({:.1} h/min), {} turns acknowledged, {} of timers, {} reads, {} leaderships, {} nodes rejoined",
        found.seeds,
        found.minutes,
        hours / found.minutes,
        found.acknowledged,
        found.timers,
        found.reads,
        found.leaderships,
        found.rejoins,
    );
    let hours: Vec<String> = found.hours.iter().map(|(timing, hours)| format!("{timing} {hours:.2} h")).collect();
    println!("timing: {}", hours.join(", "));
    let faults: Vec<String> = found.faults.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    println!("{} faults: {}", found.faults.values().sum::<u64>(), faults.join(", "));
    println!("{} seeds have found something", found.broken.len());
    for run in &found.broken {
        if let Some(broken) = &run.broken {
            let what: String = broken.what.chars().take(400).collect();
            println!("  seed {}, at {} ms: {}: {what}", run.seed, broken.at_ms, broken.invariant);
        }
    }
}
