//! `demo`: three zones on this machine, from nothing to a conversation.

mod actions;
mod cluster;
mod talk;

use crate::cli::Outcome;
use crate::release::Release;
use anyhow::Context;
use clap::Args;
use cluster::{Cluster, ZONES};
use indicatif::ProgressBar;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};

/// The address of the action server, as the sample assistant's `endpoints.yml` has it.
const ACTIONS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5055);

/// Run a three-zone cluster with the sample assistant on this machine.
///
/// Fetches the encoder once, trains the assistant, starts one process a zone and restarts what dies after three
/// seconds, as a StatefulSet would. Ctrl-C stops everything.
#[derive(Args)]
pub struct Demo {
    /// The assistant
    #[arg(long, default_value = "bots/tienda")]
    assistant: PathBuf,
    /// Where the release and the zones' data live; `demo` in the model cache when left out
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Forget all conversations of earlier demos
    #[arg(long)]
    fresh: bool,
    /// Client port of zone a; b and c have the next two
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Peer port of zone a; b and c have the next two
    #[arg(long, default_value_t = 7080)]
    peer_port: u16,
    /// Hold a short talk, kill this zone in the middle of it, and go on talking
    #[arg(long, value_name = "ZONE", value_parser = ["a", "b", "c"])]
    kill_zone: Option<String>,
    /// Stop when the talk of --kill-zone is over, instead of serving on
    #[arg(long, requires = "kill_zone")]
    exit: bool,
}

impl Demo {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        let dir = match &self.dir {
            Some(dir) => std::path::absolute(dir)?,
            None => crate::model_store::cache_dir()?.join("demo"),
        };
        let assistant = find_assistant(&self.assistant)?;
        for port in (0..ZONES.len() as u16).flat_map(|i| [self.port + i, self.peer_port + i]) {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
            free.with_context(|| format!("port {port} is in use; choose others with --port and --peer-port"))?;
        }
        let encoder = crate::cli::encoder_of(None, &crate::assistant_files::read(&assistant)?).await?;
        let release = dir.join(crate::release::DEFAULT);
        train_if_changed(&assistant, &release, &encoder).await?;

        let actions = actions::start(ACTIONS, &assistant).await?;
        let mut cluster = Cluster::prepare(&dir, &release, &encoder, (self.port, self.peer_port), self.fresh)?;
        cluster.start().await?;
        let spinner = ProgressBar::new_spinner().with_message("waiting for three zones to elect their leaders");
        spinner.enable_steady_tick(Duration::from_millis(120));
        let ready = cluster.wait_until_ready().await;
        spinner.finish_and_clear();
        let result = match ready {
            Ok(()) => self.serve(&mut cluster).await,
            Err(error) => Err(error),
        };
        println!("stopping the three zones");
        cluster.stop().await;
        actions.abort();
        result.map(|()| Outcome::Fine)
    }

    async fn serve(&self, cluster: &mut Cluster) -> anyhow::Result<()> {
        self.greet(cluster);
        if let Some(zone) = &self.kill_zone {
            talk::through_the_loss_of(zone, cluster).await?;
            if self.exit {
                return Ok(());
            }
        }
        let mut keys = BufReader::new(tokio::io::stdin()).lines();
        let mut listening = true;
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        loop {
            tokio::select! {
                stop = tokio::signal::ctrl_c() => return Ok(stop?),
                _ = terminate.recv() => return Ok(()),
                gone = cluster.watch() => gone?,
                line = keys.next_line(), if listening => match line?.as_deref().map(str::trim) {
                    Some(zone) if ZONES.contains(&zone) => cluster.kill(zone)?,
                    Some("") => {}
                    Some(other) => println!("{other:?}: expected a, b or c (kill that zone) or Ctrl-C (stop)"),
                    None => listening = false,
                },
            }
        }
    }

    fn greet(&self, cluster: &Cluster) {
        let url = cluster.url(0);
        println!("\nThree zones are ready. Clients: {}, {}, {}", url, cluster.url(1), cluster.url(2));
        println!("Data and logs: {}\n", cluster.dir().display());
        println!("Talk to them:\n  cargo run --release -- shell          (tertulia shell)");
        println!(
            "  curl -s {url}/v1/sessions/me/turns -H 'Content-Type: application/json' -d '{{\"text\": \"hello\"}}'"
        );
        println!("Look at them:\n  cargo run --release -- status         (tertulia status)\n  {url}/metrics");
        println!("Kill a zone: type a, b or c and Enter. It comes back after 3 s. Stop with Ctrl-C.\n");
    }
}

/// The folder as given; for the default also the one of the source tree that this binary was built from.
pub(crate) fn find_assistant(asked: &Path) -> anyhow::Result<PathBuf> {
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(|root| root.join(asked));
    [Some(asked.to_owned()), built_from]
        .into_iter()
        .flatten()
        .find(|dir| dir.is_dir())
        .with_context(|| format!("{}: no such folder; name an assistant with --assistant", asked.display()))
}

/// Trains unless the release was made of these very files.
pub(crate) async fn train_if_changed(assistant: &Path, release: &Path, encoder: &Path) -> anyhow::Result<()> {
    let sources = crate::assistant_files::read(assistant)?;
    if Release::read(release)
        .is_ok_and(|r| r.trained.sources == sources && r.trained.encoder == crate::model_store::name_of(encoder))
    {
        return Ok(());
    }
    println!("training {}", assistant.display());
    let (release, encoder) = (release.to_owned(), encoder.to_owned());
    tokio::task::spawn_blocking(move || crate::cli::train(sources, &release, Some(&release), &encoder, 1)).await??;
    Ok(())
}
