//! Rasa's own action server, as it is released: `rasa-sdk` of `action_server/requirements.txt` in an environment under the target
//! folder.

use super::free_port;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running action server; dropped, it ends.
pub struct ActionServer {
    pub endpoint: String,
    child: Child,
    log: PathBuf,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/action_server")
}

/// The environment's Python; the reason where it cannot be had.
fn python() -> Result<PathBuf, String> {
    let requirements = std::fs::read_to_string(folder().join("requirements.txt")).map_err(|e| e.to_string())?;
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rasa-sdk");
    // Tests are processes of their own: the first one makes it, the others wait.
    let lock = File::create(place.with_extension("lock")).map_err(|e| e.to_string())?;
    lock.lock().map_err(|e| e.to_string())?;
    let (python, made) = (place.join("bin/python"), place.join("made-of.txt"));
    if std::fs::read_to_string(&made).is_ok_and(|of| of == requirements) {
        return Ok(python);
    }
    let run = |program: &Path, args: &[&str]| {
        let out = Command::new(program).args(args).stdin(Stdio::null()).output();
        let out = out.map_err(|e| format!("{}: {e}", program.display()))?;
        let said = String::from_utf8_lossy(&out.stderr);
        let last = said.lines().last().unwrap_or_default().to_owned();
        if out.status.success() { Ok(()) } else { Err(format!("{} {args:?}: {last}", program.display())) }
    };
    run(Path::new("python3"), &["-m", "venv", "--clear", super::path(&place)])?;
    let file = folder().join("requirements.txt");
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--ignore-requires-python"];
    run(&python, &[&install[..], &["--requirement", super::path(&file)]].concat())?;
    std::fs::write(made, requirements).map_err(|e| e.to_string())?;
    Ok(python)
}

impl ActionServer {
    /// Serves the actions of a module beside the requirements; says in a line what is missing where that cannot be done here.
    pub async fn start(module: &str) -> Option<Self> {
        let python = match python() {
            Ok(python) => python,
            Err(why) => {
                println!("this test did not run: no rasa-sdk for it: {why}");
                return None;
            }
        };
        let (port, place) = (free_port(), Path::new(env!("CARGO_TARGET_TMPDIR")));
        let log = place.join(format!("rasa-sdk-{module}-{port}.log"));
        let out = File::create(&log).expect("a log");
        let mut command = Command::new(python);
        command.args(["-m", "rasa_sdk", "--actions", module, "--port", &port.to_string()]);
        command.current_dir(folder()).env("SANIC_HOST", "127.0.0.1").env("PYTHONDONTWRITEBYTECODE", "1");
        command.stdin(Stdio::null()).stdout(out.try_clone().expect("a log")).stderr(out);
        let child = command.spawn().expect("a process");
        let mut server = Self { endpoint: format!("http://127.0.0.1:{port}/webhook"), child, log };
        server.wait_until_ready(port).await;
        Some(server)
    }

    async fn wait_until_ready(&mut self, port: u16) {
        let started = Instant::now();
        while reqwest::get(format!("http://127.0.0.1:{port}/health")).await.is_err() {
            let ended = self.child.try_wait().expect("a child");
            let said = || std::fs::read_to_string(&self.log).unwrap_or_default();
            assert!(ended.is_none() && started.elapsed() < PATIENCE, "the action server does not answer: {}", said());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for ActionServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.log);
    }
}
