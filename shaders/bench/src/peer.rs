//! A peer in a process of its own: `peer.py` with one library, in a virtual environment that is made once.

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use dialogue::EncodedUtterance;
use serde::Deserialize;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// What the encoder is measured against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PeerKind {
    /// onnxruntime's CPU provider, f32, with its fused operators of BERT
    Onnxruntime,
    /// PyTorch, f32, eager
    Torch,
}

impl PeerKind {
    /// For people and for `peer.py`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Onnxruntime => "onnxruntime",
            Self::Torch => "torch",
        }
    }

    /// What pip installs.
    fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Onnxruntime => &["onnxruntime==1.32.0", "onnx==1.23.2", "safetensors==0.8.0", "numpy==2.4.6"],
            Self::Torch => &["torch==2.15.0", "safetensors==0.8.0", "numpy==2.4.6"],
        }
    }
}

/// A running peer.
pub struct Peer {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What a peer says about a run of batches.
#[derive(Debug, Deserialize)]
pub struct PeerRun {
    /// One time a batch, in milliseconds.
    pub ms: Vec<f64>,
    /// The first utterance's embedding.
    pub embedding: Vec<f32>,
}

impl Peer {
    /// Starts it on `threads` threads with the weights of `model`; its virtual environment lies in `home`.
    pub fn start(kind: PeerKind, home: &Path, model: &Path, threads: usize) -> Result<Self> {
        let python = environment(kind, home)?;
        let mut child = Command::new(&python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peer.py"))
            .args([kind.name().as_ref(), model.as_os_str(), threads.to_string().as_ref()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", python.display()))?;
        let ask = child.stdin.take().context("the peer has no input")?;
        let answers = BufReader::new(child.stdout.take().context("the peer has no output")?);
        let mut peer = Self { child, ask, answers };
        let ready = peer.answer().with_context(|| format!("{} did not start", kind.name()))?;
        ensure!(ready.contains("ready"), "{} said {ready:?} at its start", kind.name());
        Ok(peer)
    }

    /// Runs `rounds` batches of `count` utterances with `tokens` tokens each.
    pub fn run(&mut self, count: usize, tokens: usize, rounds: usize) -> Result<PeerRun> {
        writeln!(self.ask, "{count} {tokens} {rounds}").context("the peer is gone")?;
        let line = self.answer()?;
        serde_json::from_str(&line).with_context(|| format!("the peer said {line:?}"))
    }

    /// The embeddings of utterances, one behind the other.
    pub fn embeddings(&mut self, utterances: &[EncodedUtterance]) -> Result<Vec<f32>> {
        let mut all = Vec::new();
        for utterance in utterances {
            writeln!(self.ask, "{}", serde_json::to_string(&utterance.token_ids)?).context("the peer is gone")?;
            let line = self.answer()?;
            let run: PeerRun = serde_json::from_str(&line).with_context(|| format!("the peer said {line:?}"))?;
            all.extend(run.embedding);
        }
        Ok(all)
    }

    fn answer(&mut self) -> Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line).context("the peer cannot be read")?;
        ensure!(!line.is_empty(), "the peer has ended; its own words stand above");
        Ok(line)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It ends by itself when its input does; this is for one that hangs.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The Python of the peer's virtual environment, which is made where it is not there.
fn environment(kind: PeerKind, home: &Path) -> Result<PathBuf> {
    environment_of(&home.join(kind.name()), kind.packages())
}

/// The Python of a virtual environment with these packages, which is made where it is not there.
pub fn environment_of(folder: &Path, packages: &[&str]) -> Result<PathBuf> {
    let python = folder.join("bin/python");
    let done = folder.join("installed");
    if done.is_file() {
        return Ok(python);
    }
    eprintln!("making {} with {}", folder.display(), packages.join(", "));
    let run = |command: &mut Command| -> Result<()> {
        let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
        if !status.success() {
            bail!("{command:?}: {status}");
        }
        Ok(())
    };
    run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run(Command::new(&python).args(pip).args(packages))?;
    std::fs::write(&done, packages.join("\n")).with_context(|| format!("cannot write {}", done.display()))?;
    Ok(python)
}
