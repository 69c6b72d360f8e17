//! The command line. Every command is a file here; this one has the grammar, the exit codes and the colours.

mod assistant;
mod certs;
pub(crate) mod client;
mod cluster;
mod data;
mod drill;
mod encoder;
mod evaluate;
mod init;
mod model;
mod node;
mod serve;
mod shell;
mod status;
pub(crate) mod style;
mod test;
mod train;

pub(crate) use encoder::encoder_of;
pub(crate) use train::train;

use crate::demo;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Exit code of a command that ran and found something wrong: a failed test story, an invalid assistant.
const FOUND_WRONG: u8 = 1;
/// Exit code of a command that could not do its work. Bad usage is clap's 2 too.
const FAILED: u8 = 2;

/// A conversational engine that never loses a turn: Rasa-format assistants on a replicated cluster of actors.
#[derive(Parser)]
#[command(name = "tertulia", version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a new assistant in a folder
    Init(init::Init),
    /// Check an assistant's files without training
    Validate(assistant::Validate),
    /// Train an assistant into a release
    Train(train::Train),
    /// Run an assistant's test stories
    Test(test::Test),
    /// Measure how well an assistant understands what it did not learn
    Evaluate(evaluate::Evaluate),
    /// Show what is understood of a text, as JSON
    Parse(assistant::Parse),
    /// Talk to an assistant in the terminal
    Shell(shell::Shell),
    /// Run one node of a cluster
    Serve(serve::Serve),
    /// Run a three-zone cluster with the sample assistant on this machine
    Demo(demo::Demo),
    /// Show nodes, zones, shards, leaders and lag
    Status(status::Status),
    /// Add, drain, replace and remove nodes; move shards
    Cluster(cluster::Cluster),
    /// Repair one node
    Node(node::Node),
    /// Fetch, list, check and measure encoders
    Model(model::Model),
    /// Check, export, import or shrink the data folder of a stopped node
    Data(data::Data),
    /// Practise failures on a cluster under load
    Drill(drill::DrillCommand),
    /// Make certificates for the transport between nodes
    Certs(certs::Certs),
}

/// How a command ended.
pub(crate) enum Outcome {
    /// All is well.
    Fine,
    /// The command did its work and found something wrong; it has said what.
    FoundWrong,
}

/// Parses the arguments and runs the command.
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    let runtime = match raft::runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("tertulia: cannot start: {error}");
            return ExitCode::from(FAILED);
        }
    };
    let outcome = runtime.block_on(run(command));
    // A thread that waits for the terminal's next line would hold the end up until that line comes.
    runtime.shutdown_background();
    match outcome {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::FoundWrong) => ExitCode::from(FOUND_WRONG),
        Err(error) => {
            eprintln!("{} {error:#}", style::red("error:"));
            ExitCode::from(FAILED)
        }
    }
}

async fn run(command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Init(c) => c.run(),
        Command::Validate(c) => c.run(),
        Command::Train(c) => c.run().await,
        Command::Test(c) => c.run().await,
        Command::Evaluate(c) => c.run().await,
        Command::Parse(c) => c.run().await,
        Command::Shell(c) => c.run().await,
        Command::Serve(c) => c.run().await,
        Command::Demo(c) => c.run().await,
        Command::Status(c) => c.run().await,
        Command::Cluster(c) => c.run().await,
        Command::Node(c) => c.run().await,
        Command::Model(c) => c.run().await,
        Command::Data(c) => c.run().await,
        Command::Drill(c) => c.run().await,
        Command::Certs(c) => c.run(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }
}
