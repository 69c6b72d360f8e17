//! `model`: encoders, from where they are fetched to how fast they are here.

mod bench;
mod list;

use super::{Outcome, style};
use crate::model_store::{self, DEFAULT, ModelManifest, ModelName};
use anyhow::ensure;
use clap::{Args, Subcommand};

/// Fetch, list, check and measure encoders.
#[derive(Args)]
pub(crate) struct Model {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fetch an encoder into the cache (TERTULIA_CACHE moves it)
    ///
    /// A known one by its name, or a BERT-family one from a Hugging Face repository as owner/name or
    /// owner/name@revision, with config.json, tokenizer.json and model.safetensors. HF_ENDPOINT names a mirror, HF_TOKEN
    /// opens what is not public.
    Pull {
        /// A known model, or owner/name[@revision]
        #[arg(default_value = DEFAULT)]
        model: String,
        /// Fetch it even if it is there
        #[arg(long)]
        force: bool,
    },
    /// List what is known and what is in the cache
    List(list::List),
    /// Check cached files against their SHA-256
    Verify {
        /// A known model, owner/name, or a folder; all that are in the cache when left out
        model: Option<String>,
    },
    /// Measure an encoder on this machine
    Bench(bench::Bench),
}

impl Model {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        match self.command {
            Command::Pull { model, force } => {
                let name = ModelName::parse(&model)?;
                let dir = model_store::pull(&name, force).await?;
                let licence = match &name {
                    ModelName::Known(known) => Some(known.licence.to_owned()),
                    _ => ModelManifest::read(&dir)?.and_then(|m| m.licence),
                };
                let licence = licence.map(|l| format!(" ({l})")).unwrap_or_default();
                println!("{name}{licence} is in {}", dir.display());
                Ok(Outcome::Fine)
            }
            Command::List(list) => list.run(),
            Command::Verify { model: Some(model) } => {
                verify(&ModelName::parse(&model)?)?;
                Ok(Outcome::Fine)
            }
            Command::Verify { model: None } => verify_all(),
            Command::Bench(bench) => bench.run().await,
        }
    }
}

fn verify(name: &ModelName) -> anyhow::Result<()> {
    let dir = name.dir()?;
    ensure!(dir.is_dir(), "{name} is not in the cache: `tertulia model pull {name}` fetches it");
    let files = model_store::verify(name, &dir)?;
    println!("{} {} ({files} files)", style::green("verified"), dir.display());
    Ok(())
}

/// Every model of the cache, with what is wrong of each.
fn verify_all() -> anyhow::Result<Outcome> {
    let cached: Vec<_> = model_store::stock()?.into_iter().filter(|m| m.cached).collect();
    ensure!(!cached.is_empty(), "no model is in the cache: `tertulia model pull` fetches one");
    let mut outcome = Outcome::Fine;
    for model in cached {
        if let Err(error) = ModelName::parse(&model.name).and_then(|name| verify(&name)) {
            eprintln!("{} {}: {error:#}", style::red("wrong:"), model.name);
            outcome = Outcome::FoundWrong;
        }
    }
    Ok(outcome)
}
