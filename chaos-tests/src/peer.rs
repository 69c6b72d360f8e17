//! A live Rasa beside us, for comparisons in one run. Never needed by a test.

use anyhow::{Context, Result, bail, ensure};
use drills::client::{Client, Protocol};
use drills::limits::{POLL_PAUSE, READY_DEADLINE};
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Rasa's own port.
const PORT: u16 = 5005;

/// A running Rasa server. Dropping it kills it.
pub struct Rasa {
    child: Child,
    url: String,
}

impl Rasa {
    /// Starts the Rasa of `folder`: `venv/bin/rasa` is installed there, and `project` holds an assistant with a trained model,
    /// `endpoints.yml` with its tracker store, and `credentials.yml` that opens the REST channel.
    pub async fn start(folder: &Path) -> Result<Self> {
        let folder = folder.canonicalize().with_context(|| format!("no folder {}", folder.display()))?;
        let program = folder.join("venv/bin/rasa");
        let project = folder.join("project");
        for needed in
            [program.clone(), project.join("models"), project.join("endpoints.yml"), project.join("credentials.yml")]
        {
            ensure!(needed.exists(), "the peer lacks {}", needed.display());
        }
        // Each run begins with an empty store, as our nodes do.
        for name in ["tracker.db", "tracker.db-wal", "tracker.db-shm"] {
            drop(std::fs::remove_file(project.join(name)));
        }
        let log = folder.join("run.log");
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = Command::new(&program)
            .args(["run", "--enable-api", "--interface", "127.0.0.1", "--port", &PORT.to_string()])
            .env("RASA_TELEMETRY_ENABLED", "false")
            .env("TF_CPP_MIN_LOG_LEVEL", "3")
            .current_dir(&project)
            .stdin(Stdio::null())
            .stdout(file.try_clone().context("cannot share the log's descriptor")?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let mut rasa = Self { child, url: format!("http://127.0.0.1:{PORT}") };
        rasa.wait_ready().await.with_context(|| format!("see {}", log.display()))?;
        Ok(rasa)
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    async fn wait_ready(&mut self) -> Result<()> {
        let client = Client::new(Protocol::Rasa, Duration::from_secs(5))?;
        let deadline = Instant::now() + READY_DEADLINE;
        // It answers before its model is loaded; its status names the model.
        let url = format!("{}/status", self.url);
        loop {
            if let Ok((200, status)) = client.get(&url).await
                && status["model_file"].as_str().is_some_and(|file| !file.is_empty())
            {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait().context("cannot look after Rasa")? {
                bail!("Rasa ended on its own: {status}");
            }
            if Instant::now() > deadline {
                bail!("Rasa is not ready within {READY_DEADLINE:?}");
            }
            tokio::time::sleep(POLL_PAUSE).await;
        }
    }
}

impl Drop for Rasa {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
