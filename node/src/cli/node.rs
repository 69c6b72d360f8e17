//! `node`: what concerns one node and its data folder.

use super::Outcome;
use anyhow::bail;
use clap::{Args, Subcommand};
use cluster_config::NodeConfig;
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;

/// Repair one node.
#[derive(Args)]
pub(crate) struct Node {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Move damaged data aside and come back under a new node id
    Rejoin {
        /// The node's configuration (YAML); it stays as it is
        #[arg(long, env = "TERTULIA_CONFIG")]
        config: PathBuf,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

impl Node {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        let What::Rejoin { config, yes } = self.what;
        let config = NodeConfig::load(&config)?;
        if !yes && !confirmed(&config)? {
            println!("nothing was done");
            return Ok(Outcome::Fine);
        }
        let done = raft::rejoin(&config).await?;
        println!("node {} is node {} now; the configuration stays as it is", done.old, done.node);
        println!("its old data lies in {} and may be deleted when it is no longer needed", done.kept.display());
        println!("start it with `tertulia serve`: it gets its shards from the others");
        Ok(Outcome::Fine)
    }
}

fn confirmed(config: &NodeConfig) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("this moves the data of {} aside; say --yes to do it without being asked", config.data_dir.display());
    }
    print!("Move the data of {} aside and ask the cluster for a new node id? [y/N] ", config.data_dir.display());
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
