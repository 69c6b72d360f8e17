//! A trained assistant and a one-node cluster, through the binary as a user has it.

#![allow(dead_code, reason = "each test file uses its part")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long a node may take to be ready on a slow machine.
const READY_PATIENCE: Duration = Duration::from_secs(60);

pub fn tertulia(args: &[&str]) -> Output {
    let out = Command::new(env!("CARGO_BIN_EXE_tertulia")).args(args).stdin(Stdio::null()).output();
    out.expect("the binary runs")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a command that must succeed; its standard output.
pub fn succeed(args: &[&str]) -> String {
    let out = tertulia(args);
    assert!(out.status.success(), "{args:?}: {}\n{}{}", out.status, text(&out.stdout), text(&out.stderr));
    text(&out.stdout)
}

/// Runs a command that must fail with this exit code; its standard error.
pub fn fail(code: i32, args: &[&str]) -> String {
    let out = tertulia(args);
    assert_eq!(out.status.code(), Some(code), "{args:?}: {}{}", text(&out.stdout), text(&out.stderr));
    text(&out.stderr)
}

/// What `tertulia init` makes, trained once for all tests of this file.
pub fn release() -> &'static Path {
    static RELEASE: OnceLock<PathBuf> = OnceLock::new();
    RELEASE.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a folder").keep();
        let (assistant, release) = (dir.join("assistant"), dir.join("release.tertulia"));
        succeed(&["init", path(&assistant)]);
        succeed(&["train", "--assistant", path(&assistant), "--out", path(&release)]);
        release
    })
}

pub fn path(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port()
}

/// A cluster of one.
pub struct Node {
    pub url: String,
    pub dir: tempfile::TempDir,
    pub config: PathBuf,
    child: Child,
}

impl Node {
    /// Writes a configuration; `extra` is appended to it.
    pub fn config(dir: &Path, cluster: &str, http: u16, extra: &str) -> PathBuf {
        Self::config_of(release(), dir, cluster, http, extra)
    }

    fn config_of(release: &Path, dir: &Path, cluster: &str, http: u16, extra: &str) -> PathBuf {
        let (release, peer) = (release.display(), free_port());
        let data = dir.join("data");
        let config = format!(
            "cluster: {cluster}\nnode: 1\nzone: a\ndata_dir: {}\nrelease: {release}\nshards: 4\n\
             members:\n  - {{node: 1, zone: a, peer: \"127.0.0.1:{peer}\", http: \"http://127.0.0.1:{http}\"}}\n\
             http:\n  listen: 127.0.0.1:{http}\n  turn_deadline_ms: 10000\npeer:\n  listen: 127.0.0.1:{peer}\n{extra}",
            data.display()
        );
        let file = dir.join("node.yml");
        std::fs::write(&file, config).expect("a file");
        file
    }

    pub async fn start(extra: &str) -> Self {
        Self::start_of(release(), extra).await
    }

    /// With a release of the test's own.
    pub async fn start_of(release: &Path, extra: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let config = Self::config_of(release, dir.path(), "test", port, extra);
        let mut node = Self { url: format!("http://127.0.0.1:{port}"), dir, child: Self::spawn(&config), config };
        node.wait_until_ready().await;
        node
    }

    fn spawn(config: &Path) -> Child {
        let log = config.with_file_name("node.log");
        let log = std::fs::File::options().create(true).append(true).open(log).expect("a log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tertulia"));
        command.args(["serve", "--config", path(config)]).stderr(log).stdout(Stdio::null()).stdin(Stdio::null());
        command.spawn().expect("a process")
    }

    /// `kill -9`, then a new process on the same folder.
    pub async fn kill_and_restart(&mut self) {
        self.kill().await;
        self.child = Self::spawn(&self.config);
        self.wait_until_ready().await;
    }

    /// `kill -9`.
    pub async fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    async fn wait_until_ready(&mut self) {
        let started = Instant::now();
        loop {
            let ready = reqwest::get(format!("{}/readyz", self.url)).await.is_ok_and(|a| a.status().is_success());
            if ready {
                return;
            }
            let ended = self.child.try_wait().expect("a child");
            let log = || std::fs::read_to_string(self.config.with_file_name("node.log")).unwrap_or_default();
            assert!(ended.is_none(), "the node ended: {}", log());
            assert!(started.elapsed() < READY_PATIENCE, "not ready: {}", log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
