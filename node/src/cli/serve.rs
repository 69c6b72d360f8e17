//! `serve`: one node of a cluster.

use super::Outcome;
use clap::Args;
use cluster_config::NodeConfig;
use std::path::PathBuf;

/// Run one node of a cluster.
#[derive(Args)]
pub(crate) struct Serve {
    /// The node's configuration (YAML)
    #[arg(long)]
    config: PathBuf,
    /// Logs for people instead of JSON
    #[arg(long)]
    plain_logs: bool,
    /// Stop when the process that started this one ends
    #[arg(long, hide = true)]
    die_with_parent: bool,
}

impl Serve {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        #[cfg(target_os = "linux")]
        if self.die_with_parent {
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
        }
        crate::telemetry::start_logs(!self.plain_logs, "info,openraft=error");
        let metrics = crate::telemetry::start_metrics()?;
        crate::server::serve(NodeConfig::load(&self.config)?, metrics).await?;
        Ok(Outcome::Fine)
    }
}
