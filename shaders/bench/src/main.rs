//! The benches of inference as a program; `cargo xtask bench` builds it, runs it and shows what it leaves.

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use tertulia_shaders_bench::{agreement, budget, encoder, gpu_actor, kernels, understanding};

#[derive(Parser)]
#[command(name = "tertulia-shaders-bench", about = "Measures the encoder and its kernels on this machine")]
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
    /// Latency at batch 1 and sequences per second at batch 32, for 16 and 64 tokens
    Encoder {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        options: encoder::EncoderOptions,
    },
    /// GF/s of every matrix product, on the CPU path and on the best adapter, and where the time of a whole pass goes there
    Kernels {
        #[command(flatten)]
        common: Common,
        /// Rounds, at least 1
        #[arg(long)]
        rounds: Option<usize>,
    },
    /// Embeddings of 1,000 real sentences on every path and in every precision, against a reference
    Agreement {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        options: agreement::AgreementOptions,
    },
    /// Three models under memory for one and a half of them, at four times the load that they can take
    Budget {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        options: budget::BudgetOptions,
    },
    /// How well texts of public data sets are understood, and how long it takes to learn that
    Understanding {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        options: understanding::UnderstandingOptions,
    },
    /// The GPU actor: latency on a quiet device and at twice its capacity, with bulk work beside
    GpuActor {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        options: gpu_actor::GpuActorOptions,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().bench) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tertulia-shaders-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(bench: Bench) -> Result<()> {
    match bench {
        Bench::Encoder { common, options } => encoder::run(&options, common.small, &common.out)?.write(&common.out),
        Bench::Agreement { common, options } => agreement::run(&options, common.small, &common.out)?.write(&common.out),
        Bench::Budget { common, options } => budget::run(&options, common.small)?.write(&common.out),
        Bench::GpuActor { common, options } => gpu_actor::run(&options, common.small)?.write(&common.out),
        Bench::Understanding { common, options } => understanding::run(&options, common.small)?.write(&common.out),
        Bench::Kernels { common, rounds } => kernels::run(rounds, common.small)?.write(&common.out),
    }
}
