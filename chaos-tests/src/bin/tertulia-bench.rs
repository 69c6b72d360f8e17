//! The benches of whole clusters as a program; `cargo xtask bench` builds it, runs it and shows what it leaves.

use anyhow::{Context, Result, bail, ensure};
use clap::{Parser, Subcommand, ValueEnum};
use drills::drill::DrillOptions;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tertulia_chaos_tests::bench::{failover, faults, fsync, idle, replication, snapshot, turns};
use tertulia_chaos_tests::replica::ATTEMPT;
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
    /// Rounds of each fault on a cluster in three zones, with the checker's verdict over each and the pauses
    Faults {
        #[command(flatten)]
        common: Common,
        /// Measure a peer in the same run and the same zones
        #[arg(long)]
        peer: Option<StorePeer>,
        /// Rounds of each drill
        #[arg(long, env = "TERTULIA_DRILL_ROUNDS")]
        rounds: Option<usize>,
        /// Drills by name; all where none is named
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
        /// How long each fault lasts, in milliseconds; the drill's own time when left out
        #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=600_000))]
        hold: Option<u64>,
        /// How long the cluster runs whole before each fault, in milliseconds
        #[arg(long, value_name = "MS", default_value_t = 1_500)]
        whole: u64,
        /// Clients
        #[arg(long, default_value_t = 16)]
        clients: usize,
        /// What a client rests before each turn on average, on both sides, in milliseconds
        #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=60_000))]
        think_time: u64,
        /// Seed of the load
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// An assistant of bots/, or its folder
        #[arg(long, default_value = "moodbot")]
        assistant: String,
        /// Heartbeat and election timeout of etcd, in milliseconds
        #[arg(long, value_delimiter = ',', num_args = 2, default_values_t = [20, 200])]
        peer_timing: Vec<u64>,
        /// Folder for the data of both sides; the system's for temporary files when left out
        #[arg(long, value_name = "DIR")]
        place: Option<PathBuf>,
    },
    /// Durable writes of 256 bytes on three processes
    Replication {
        #[command(flatten)]
        common: Common,
        /// Measure a peer in the same run
        #[arg(long)]
        peer: Option<StorePeer>,
        /// Rounds, at least 1
        #[arg(long)]
        rounds: Option<usize>,
        /// Length of one load, in seconds
        #[arg(long, value_name = "SECONDS")]
        load: Option<u64>,
        /// Numbers of clients
        #[arg(long, value_delimiter = ',', default_values_t = [1, 64, 256])]
        clients: Vec<usize>,
        /// Our number of shards; etcd has one group
        #[arg(long, default_value_t = 1)]
        shards: u32,
        /// Folder on the disk to measure; the current one when left out
        #[arg(long, value_name = "DIR", default_value = ".")]
        place: PathBuf,
    },
    /// kill -9 of a leader under load: time to the next acknowledged write
    Failover {
        #[command(flatten)]
        common: Common,
        /// Measure a peer in the same run
        #[arg(long)]
        peer: Option<StorePeer>,
        /// Kills of each side
        #[arg(long)]
        rounds: Option<usize>,
        /// Planned stops of each side
        #[arg(long)]
        planned: Option<usize>,
        /// Moves of leaderships to a node that has come back, on each side
        #[arg(long)]
        moves: Option<usize>,
        /// Clients
        #[arg(long, default_value_t = 8)]
        clients: usize,
        /// Heartbeat and election timeout of etcd, in milliseconds
        #[arg(long, value_delimiter = ',', num_args = 2, default_values_t = [20, 200])]
        peer_timing: Vec<u64>,
        /// Folder on the disk to measure; the current one when left out
        #[arg(long, value_name = "DIR", default_value = ".")]
        place: PathBuf,
    },
    /// A node that was away gets a shard as a snapshot while the shard takes writes
    Snapshot {
        #[command(flatten)]
        common: Common,
        /// Sessions of the shard
        #[arg(long)]
        sessions: Option<usize>,
        /// Rounds
        #[arg(long)]
        rounds: Option<usize>,
        /// Clients
        #[arg(long, default_value_t = 64)]
        clients: usize,
        /// Length of one load, in seconds
        #[arg(long, value_name = "SECONDS")]
        load: Option<u64>,
        /// Folder on the disk to measure; the current one when left out
        #[arg(long, value_name = "DIR", default_value = ".")]
        place: PathBuf,
    },
    /// What three nodes cost while nobody asks them anything
    Idle {
        #[command(flatten)]
        common: Common,
        /// Shards
        #[arg(long)]
        shards: Option<u32>,
        /// Rounds
        #[arg(long)]
        rounds: Option<usize>,
        /// Folder on the disk to measure; the current one when left out
        #[arg(long, value_name = "DIR", default_value = ".")]
        place: PathBuf,
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

#[derive(Clone, Copy, ValueEnum)]
enum StorePeer {
    Etcd,
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
        Bench::Faults {
            common,
            peer,
            rounds,
            only,
            hold,
            whole,
            clients,
            think_time,
            seed,
            assistant,
            peer_timing,
            place,
        } => {
            let folder = common.out.parent().map(std::path::Path::to_owned).unwrap_or_default();
            let reports = folder.join("drills");
            let options = faults::FaultsOptions {
                only,
                drill: DrillOptions {
                    clients,
                    seed,
                    evidence: folder,
                    think_time: Duration::from_millis(think_time),
                    attempt_timeout: ATTEMPT,
                    hold: hold.map(Duration::from_millis),
                    whole: Duration::from_millis(whole),
                    command: command(),
                    progress: |what| eprintln!("  {what}"),
                    ..DrillOptions::rounds(rounds.unwrap_or(if common.small { 1 } else { 100 }))
                },
                assistant,
                etcd: peer.map(|_| (peer_timing[0], peer_timing[1])),
                place: place.unwrap_or_else(std::env::temp_dir),
                reports: reports.clone(),
            };
            let (results, missed) = faults::run_all(&options, |so_far| so_far.write(&common.out)).await?;
            missed.iter().for_each(|line| println!("{line}"));
            println!("reports: {}", reports.display());
            let broken = results.rows.iter().filter(|row| row.name.ends_with("of any kind") && row.ours > 0.0);
            let broken: Vec<&str> = broken.map(|row| row.name.as_str()).collect();
            ensure!(broken.is_empty(), "the promises do not hold: {broken:?}");
            Ok(())
        }
        Bench::Replication { common, peer, rounds, load, clients, shards, place } => {
            let options = replication::ReplicationOptions {
                clients,
                shards,
                rounds: rounds.unwrap_or(if common.small { 1 } else { 4 }),
                load: Duration::from_secs(load.unwrap_or(if common.small { 1 } else { 5 })),
                etcd: peer.is_some(),
                program: beside("tertulia-replica")?,
                place,
            };
            replication::run(&options).await?.write(&common.out)
        }
        Bench::Failover { common, peer, rounds, planned, moves, clients, peer_timing, place } => {
            let options = failover::FailoverOptions {
                clients,
                rounds: rounds.unwrap_or(if common.small { 2 } else { 30 }),
                planned: planned.unwrap_or(if common.small { 1 } else { 10 }),
                moves: moves.unwrap_or(if common.small { 1 } else { 10 }),
                etcd: peer.map(|_| (peer_timing[0], peer_timing[1])),
                program: beside("tertulia-replica")?,
                place,
            };
            failover::run(&options).await?.write(&common.out)
        }
        Bench::Snapshot { common, sessions, rounds, clients, load, place } => {
            let options = snapshot::SnapshotOptions {
                sessions: sessions.unwrap_or(if common.small { 500 } else { 100_000 }),
                clients,
                rounds: rounds.unwrap_or(if common.small { 1 } else { 3 }),
                load: Duration::from_secs(load.unwrap_or(if common.small { 5 } else { 10 })),
                program: beside("tertulia-replica")?,
                place,
            };
            snapshot::run(&options).await?.write(&common.out)
        }
        Bench::Idle { common, shards, rounds, place } => {
            let mut options = idle::IdleOptions::new(beside("tertulia-replica")?, place, common.small);
            options.shards = shards.unwrap_or(options.shards);
            options.rounds = rounds.unwrap_or(options.rounds);
            idle::run(&options).await?.write(&common.out)
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

/// Another program of this build.
fn beside(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe().context("cannot tell where this program is")?.with_file_name(name);
    ensure!(path.is_file(), "{} is not there: cargo build -p tertulia-chaos-tests", path.display());
    Ok(path)
}

/// How this program was called.
fn command() -> String {
    std::env::args().collect::<Vec<_>>().join(" ")
}
