//! One bare replica as a process, for the replication benches.

use clap::Parser;
use std::{path::PathBuf, process::ExitCode};
use tracing_subscriber::EnvFilter;

/// As in `tertulia`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(
    name = "tertulia-replica",
    about = "Runs one node of the replicated log, without dialogue",
    after_help = "RUST_LOG says what is logged (on standard error); warnings when it is not set."
)]
struct Arguments {
    /// The node's configuration
    #[arg(long)]
    config: PathBuf,
}

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    let config = Arguments::parse().config;
    let served = raft::runtime()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(tertulia_chaos_tests::replica::serve(&config)));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("tertulia-replica: {e:#}");
            ExitCode::FAILURE
        }
    }
}
