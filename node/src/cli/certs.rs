//! `certs`: certificates for the nodes of a cluster.

use super::{Outcome, style};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use raft::certs::DevAuthority;
use std::path::PathBuf;

/// Make certificates for the transport between nodes.
#[derive(Args)]
pub(crate) struct Certs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a development authority and a certificate for each node (in production, use your own authority)
    Dev {
        /// Where ca.pem and NODE.pem, NODE.key go
        #[arg(long)]
        out: PathBuf,
        /// The cluster's name, as in the nodes' configuration
        #[arg(long)]
        cluster: String,
        /// A folder with the ca.pem and ca.key of an authority to use, to add a node
        #[arg(long)]
        ca: Option<PathBuf>,
        /// Keep the authority's key as ca.key, so that nodes can be added; whoever has it can be any node
        #[arg(long, conflicts_with = "ca")]
        keep_ca_key: bool,
        /// The nodes: a certificate's name, and its host name where clients check it
        #[arg(required = true)]
        node: Vec<String>,
    },
}

impl Certs {
    pub(crate) fn run(self) -> anyhow::Result<Outcome> {
        let Command::Dev { out, cluster, ca, keep_ca_key, node: nodes } = self.command;
        let existing = nodes.iter().map(|n| out.join(format!("{n}.key"))).find(|key| key.exists());
        if let Some(key) = existing {
            bail!("{}: is there already; remove it to make another", key.display());
        }
        let authority = match &ca {
            Some(folder) => DevAuthority::load(folder, &cluster)
                .with_context(|| format!("no authority in {} (made with --keep-ca-key?)", folder.display()))?,
            None if out.join("ca.pem").exists() => {
                bail!("{}: an authority is there already; --ca uses it", out.join("ca.pem").display())
            }
            None => DevAuthority::new(&out, &cluster)?,
        };
        for node in &nodes {
            authority.issue(&out, node)?;
            println!("{} {}", style::green("made"), out.join(format!("{node}.pem")).display());
        }
        if keep_ca_key {
            authority.keep_key(&out)?;
            println!("{} keep {} to yourself", style::yellow("note"), out.join("ca.key").display());
        }
        Ok(Outcome::Fine)
    }
}
