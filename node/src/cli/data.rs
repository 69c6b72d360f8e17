//! `data`: the data folder of a stopped node.

use super::{Outcome, style};
use clap::{Args, Subcommand};
use indicatif::{HumanBytes, ProgressBar};
use raft::data::{self, DataFolder, Report};
use std::path::PathBuf;

/// Check, export, import or shrink the data folder of a stopped node.
#[derive(Args)]
pub(crate) struct Data {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Read and check every record of logs and sessions; exit code 1 where something is damaged
    Verify {
        #[command(flatten)]
        folder: Folder,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Write the folder into one file that `data import` reads
    Export {
        #[command(flatten)]
        folder: Folder,
        /// The file; must not exist
        #[arg(long)]
        out: PathBuf,
        /// The sessions alone, one JSON object a line: session, shard, turns
        #[arg(long)]
        sessions: bool,
    },
    /// Make a data folder out of an export
    Import {
        #[command(flatten)]
        folder: Folder,
        /// What `data export` wrote
        #[arg(long)]
        from: PathBuf,
    },
    /// Copy the database into a small one, check the copy and swap the two; needs room for the copy
    Compact {
        #[command(flatten)]
        folder: Folder,
    },
}

#[derive(Args)]
struct Folder {
    /// The node's data folder (`data_dir` in its configuration); for import an empty or absent one
    #[arg(long)]
    data_dir: PathBuf,
}

impl Data {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        // All of it reads and writes files; nothing else waits for this thread.
        tokio::task::block_in_place(|| run(self.command))
    }
}

fn run(command: Command) -> anyhow::Result<Outcome> {
    let bar = style::bar(0);
    let mut progress = |phase: &str, done: u64, total: Option<u64>| show(&bar, phase, done, total);
    let outcome = match command {
        Command::Verify { folder, json } => {
            let folder = DataFolder::lock(&folder.data_dir)?;
            let report = data::verify(&folder, &mut progress)?;
            bar.finish_and_clear();
            style::print_all(&if json { format!("{:#}\n", serde_json::json!(report)) } else { text(&report) });
            if report.damage.is_some() { Outcome::FoundWrong } else { Outcome::Fine }
        }
        Command::Export { folder, out, sessions } => {
            let folder = DataFolder::lock(&folder.data_dir)?;
            let (exported, what) = if sessions {
                (data::export_sessions(&folder, &out, &mut progress)?, "sessions")
            } else {
                (data::export(&folder, &out, &mut progress)?, "keys")
            };
            bar.finish_and_clear();
            println!("{} {what} are in {} ({})", exported.records, out.display(), HumanBytes(exported.bytes));
            Outcome::Fine
        }
        Command::Import { folder, from } => {
            let report = data::import(&from, &folder.data_dir, &mut progress)?;
            bar.finish_and_clear();
            style::print_all(&text(&report));
            println!("{} is the data folder of node {}", folder.data_dir.display(), report.node);
            Outcome::Fine
        }
        Command::Compact { folder } => {
            let folder = DataFolder::lock(&folder.data_dir)?;
            let done = data::compact(&folder, &mut progress)?;
            bar.finish_and_clear();
            let (before, after) = (HumanBytes(done.bytes_before), HumanBytes(done.bytes_after));
            println!("{} keys copied and checked; the database took {before} and takes {after}", done.keys);
            Outcome::Fine
        }
    };
    Ok(outcome)
}

fn show(bar: &ProgressBar, phase: &str, done: u64, total: Option<u64>) {
    if bar.message() != phase {
        bar.set_message(phase.to_owned());
        bar.reset_eta();
    }
    bar.set_length(total.unwrap_or(0).max(done));
    bar.set_position(done);
}

fn text(report: &Report) -> String {
    let index = |i: Option<u64>| i.map_or_else(|| "-".into(), |i| i.to_string());
    let mut lines = vec![style::bold("group     term   entries      last    purged   applied  sessions     turns")];
    lines.extend(report.groups.iter().map(|g| {
        format!(
            "{:<8}  {:>4}  {:>8}  {:>8}  {:>8}  {:>8}  {:>8}  {:>8}{}",
            g.group,
            index(g.term),
            g.entries,
            index(g.last),
            index(g.purged),
            index(g.applied),
            g.sessions,
            g.turns,
            if g.install_pending {
                style::yellow("  a snapshot is half installed: the next start ends that")
            } else {
                String::new()
            },
        )
    }));
    lines.push(format!(
        "cluster {}, node {}: {} keys, {} of payload, {} on the disk",
        report.cluster,
        report.node,
        report.keys,
        HumanBytes(report.payload_bytes),
        HumanBytes(report.disk_bytes)
    ));
    lines.push(match &report.damage {
        Some(damage) => format!("{} {damage}", style::red("damaged:")),
        None => style::green("whole"),
    });
    lines.join("\n") + "\n"
}
