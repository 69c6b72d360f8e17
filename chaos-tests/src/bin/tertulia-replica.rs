//! One bare replica as a process, for the replication benches.

use clap::Parser;
use std::{path::PathBuf, process::ExitCode};

/// As in `tertulia`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "tertulia-replica", about = "Runs one node of the replicated log, without dialogue")]
struct Arguments {
    /// The node's configuration
    #[arg(long)]
    config: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    match tertulia_chaos_tests::replica::serve(&Arguments::parse().config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("tertulia-replica: {e:#}");
            ExitCode::FAILURE
        }
    }
}
