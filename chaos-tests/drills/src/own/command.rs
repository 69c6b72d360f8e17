//! Runs an operator's command: no shell, bounded time, and the end of its output where it fails.

use crate::limits::{COMMAND_TAIL_BYTES, OUTPUT_GRACE};
use std::io;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Why a command did not do what it was run for.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    /// It cannot be run.
    #[error("{command}: cannot be run")]
    NotRun {
        command: String,
        #[source]
        source: io::Error,
    },
    /// It ended with something else than success.
    #[error("{command}: {status}{output}")]
    Failed { command: String, status: ExitStatus, output: String },
    /// It was killed because it did not end. What it had done by then is done.
    #[error("{command}: killed, it has not ended within {limit:?}{output}")]
    TimedOut { command: String, limit: Duration, output: String },
}

/// Runs a command and returns the end of what it wrote to its standard output. The first argument is the program.
///
/// Drop the future, and the command is killed. What a command leaves running must not hold on to its output.
pub(super) async fn run(argv: &[String], limit: Duration) -> Result<String, CommandError> {
    let not_run = |source| CommandError::NotRun { command: quote(argv), source };
    let (program, arguments) = argv.split_first().ok_or_else(|| not_run(io::ErrorKind::InvalidInput.into()))?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // An interrupt from the terminal is for the drill, which then undoes what it did: by such commands.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(not_run)?;
    let mut stdout = Tail::new(child.stdout.take());
    let mut stderr = Tail::new(child.stderr.take());
    let ended = timeout(limit, wait(&mut child, &mut stdout, &mut stderr)).await;
    let output = || {
        let texts = [stdout.text(), stderr.text()];
        let texts = texts.iter().map(|t| t.trim()).filter(|t| !t.is_empty());
        texts.fold(String::new(), |all, text| format!("{all}\n{text}"))
    };
    match ended {
        Ok(Ok(status)) if status.success() => Ok(stdout.text()),
        Ok(Ok(status)) => Err(CommandError::Failed { command: quote(argv), status, output: output() }),
        Ok(Err(source)) => Err(not_run(source)),
        Err(_) => {
            child.kill().await.map_err(not_run)?;
            Err(CommandError::TimedOut { command: quote(argv), limit, output: output() })
        }
    }
}

/// Waits for the end of a process while its output is read.
async fn wait<A: AsyncRead + Unpin, B: AsyncRead + Unpin>(
    child: &mut Child,
    stdout: &mut Tail<A>,
    stderr: &mut Tail<B>,
) -> io::Result<ExitStatus> {
    let mut reading = pin!(async { tokio::join!(stdout.read(), stderr.read()) });
    let mut read = false;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            _ = &mut reading, if !read => read = true,
        }
    };
    if !read {
        // Too late is no failure: somebody else may hold the other end for good.
        let _: Result<_, _> = timeout(OUTPUT_GRACE, reading).await;
    }
    status
}

/// The end of what comes out of a pipe.
struct Tail<R> {
    pipe: Option<R>,
    bytes: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Tail<R> {
    fn new(pipe: Option<R>) -> Self {
        Self { pipe, bytes: Vec::new() }
    }

    /// Reads to the end. May be dropped at any time; what was read stays.
    async fn read(&mut self) {
        let Some(pipe) = &mut self.pipe else { return };
        let mut buffer = [0; 4_096];
        // A pipe that cannot be read has no more to tell; how the command ended is asked elsewhere.
        while let Ok(n @ 1..) = pipe.read(&mut buffer).await {
            self.bytes.extend_from_slice(&buffer[..n]);
            let excess = self.bytes.len().saturating_sub(COMMAND_TAIL_BYTES);
            self.bytes.drain(..excess);
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// A command as a shell would take it.
pub(super) fn quote(argv: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    let quote = |argument: &String| match !argument.is_empty() && argument.chars().all(plain) {
        true => argument.clone(),
        false => format!("'{}'", argument.replace('\'', r"'\''")),
    };
    argv.iter().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn argv(argv: &[&str]) -> Vec<String> {
        argv.iter().map(|a| (*a).to_owned()).collect()
    }

    async fn sh(script: &str, limit: Duration) -> Result<String, String> {
        run(&argv(&["sh", "-c", script]), limit).await.map_err(|e| e.to_string())
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn a_quoted_command_is_what_a_shell_reads_back() {
        let asked = argv(&["printf", "%s|", "a b", "it's", "", "$HOME", "ünd", "-x=1,2:3@/."]);
        let shell = std::process::Command::new("sh").arg("-c").arg(quote(&asked)).output().unwrap();
        assert_eq!(String::from_utf8(shell.stdout).unwrap(), "a b|it's||$HOME|ünd|-x=1,2:3@/.|");
        assert_eq!(quote(&argv(&["a", "b c"])), "a 'b c'");
    }

    #[tokio::test]
    async fn how_commands_end() {
        assert_eq!(sh("echo out; echo err >&2", LONG).await.unwrap(), "out\n");
        let failed = sh("echo out; echo why >&2; exit 3", LONG).await.unwrap_err();
        assert_eq!(failed, "sh -c 'echo out; echo why >&2; exit 3': exit status: 3\nout\nwhy");
        let absent = run(&argv(&["/nowhere/at-all"]), LONG).await.unwrap_err();
        assert!(matches!(&absent, CommandError::NotRun { .. }), "{absent}");
        assert!(matches!(run(&[], LONG).await, Err(CommandError::NotRun { .. })));
    }

    #[tokio::test]
    async fn a_command_that_does_not_end_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let begun = Instant::now();
        let script = format!("echo $$ > {}; echo begun; exec sleep 60", pid.display());
        let error = sh(&script, Duration::from_millis(400)).await.unwrap_err();
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        assert!(error.ends_with("killed, it has not ended within 400ms\nbegun"), "{error}");
        let pid = std::fs::read_to_string(pid).unwrap();
        assert!(!std::path::Path::new(&format!("/proc/{}", pid.trim())).exists(), "it still runs");
    }

    #[tokio::test]
    async fn only_the_end_of_much_output_is_kept() {
        let text = sh("head -c 300000 /dev/zero | tr '\\0' x; echo END", LONG).await.unwrap();
        assert_eq!(text.len(), COMMAND_TAIL_BYTES);
        assert!(text.ends_with("xEND\n"));
    }

    #[tokio::test]
    async fn what_a_command_leaves_running_does_not_hold_it_up() {
        let begun = Instant::now();
        assert_eq!(sh("sleep 8 & echo started", LONG).await.unwrap(), "started\n");
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}
