//! `model`: the encoder's files.

use super::{Outcome, style};
use crate::model_store::{ENCODER, encoder_dir, ensure_encoder, verify};
use clap::{Args, Subcommand};

/// Fetch and check the encoder.
#[derive(Args)]
pub(crate) struct Model {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fetch the encoder into the cache (TERTULIA_CACHE moves it)
    Pull {
        /// Fetch it even if it is there
        #[arg(long)]
        force: bool,
    },
    /// Check the cached files against their SHA-256
    Verify,
}

impl Model {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        match self.command {
            Command::Pull { force } => {
                let dir = ensure_encoder(force).await?;
                println!("{} ({}) is in {}", ENCODER.name, ENCODER.licence, dir.display());
            }
            Command::Verify => {
                let dir = encoder_dir()?;
                verify(&ENCODER, &dir)?;
                println!("{} {}", style::green("verified"), dir.display());
            }
        }
        Ok(Outcome::Fine)
    }
}
