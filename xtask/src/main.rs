//! Chores of the repository: `cargo xtask ci | test | fix | bench | coverage`.

mod bench;
mod ci;
mod coverage;
mod device;
mod plot;
mod shell;
mod step;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Chores of the repository")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Everything that a change must pass; never writes to the source tree
    Ci,
    /// The tests alone
    Test {
        /// Handed on to the test runner
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Formats the code and applies clippy's suggestions
    Fix,
    /// Counts the lines of raft, actors and dialogue that the simulator alone reaches
    Coverage {
        /// Seeds of each kind of clocks
        #[arg(long, default_value_t = 50)]
        seeds: u64,
        /// A simulator that was built with `-C instrument-coverage`, instead of building one
        #[arg(long, value_name = "FILE")]
        simulator: Option<PathBuf>,
    },
    /// Measures one thing; leaves a table, target/bench/NAME.json and target/bench/NAME.svg
    Bench {
        /// Which; without it, the list
        name: Option<String>,
        /// A short run that shows that it works, not how fast it is
        #[arg(long)]
        small: bool,
        /// Handed on to the bench, such as `--peer rasa --peer-dir DIR`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let chore = || -> Result<()> {
        match Arguments::parse().chore {
            Chore::Ci => ci::run(),
            Chore::Test { arguments } => ci::test(&arguments),
            Chore::Fix => ci::fix(),
            Chore::Coverage { seeds, simulator } => coverage::run(seeds, simulator),
            Chore::Bench { name, small, arguments } => bench::run(name.as_deref(), small, &arguments),
        }
    };
    match chore() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("xtask: {e:#}");
            ExitCode::FAILURE
        }
    }
}
