//! What a change must pass, and the chores around it.

use crate::step::Steps;
use crate::{device, shell};
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;

/// The binary of tests knows how to plant bugs: the drills must see that the checker finds them. And the log's own
/// crash test ends its processes at named places.
const FEATURES: [&str; 2] =
    ["--features", "tertulia-node/planted-bugs,tertulia-raft/failpoints,tertulia-chaos-tests/planted-bugs"];
/// Marks a line by which a test says what it missed.
const MISSED: &str = "did not run";

/// Everything, in the order of what fails fastest.
pub fn run() -> Result<()> {
    let mut steps = Steps::default();
    steps.step("format", || shell::run(shell::cargo(&["fmt", "--all", "--check"])))?;
    steps.step("clippy", || {
        let lint = ["clippy", "--locked", "--workspace", "--all-targets"];
        shell::run(shell::cargo(&[&lint[..], &FEATURES, &["--", "-D", "warnings"]].concat()))
    })?;
    test_steps(&mut steps, &[])?;
    steps.close("ci");
    Ok(())
}

/// The tests, with what they need.
pub fn test(arguments: &[String]) -> Result<()> {
    let mut steps = Steps::default();
    test_steps(&mut steps, arguments)?;
    steps.close("test");
    Ok(())
}

/// Formats and applies clippy's suggestions; says that it writes to the source tree by its name.
pub fn fix() -> Result<()> {
    let mut steps = Steps::default();
    let lint = ["clippy", "--workspace", "--all-targets", "--fix", "--allow-dirty", "--allow-staged"];
    steps.step("clippy --fix", || shell::run(shell::cargo(&lint)))?;
    steps.step("format", || shell::run(shell::cargo(&["fmt", "--all"])))?;
    steps.close("fix");
    Ok(())
}

fn test_steps(steps: &mut Steps, arguments: &[String]) -> Result<()> {
    if let Some(missing) = steps.step("Vulkan driver", device::provide)? {
        steps.note(missing);
    }
    if let Some(missing) = steps.step("programs", device::provide_programs)? {
        steps.note(missing);
    }
    let nextest = shell::succeeds(shell::cargo(&["nextest", "--version"]));
    let runner: &[&str] = if nextest { &["nextest", "run", "--profile", "ci"] } else { &["test"] };
    let workspace = [&["--locked", "--workspace"], &FEATURES[..]].concat();
    if !nextest {
        steps.note("cargo-nextest is not installed, so cargo test ran: cargo install --locked cargo-nextest");
    }
    // One build for everything behind it: the binary lies beside the tests.
    steps.step("build", || {
        shell::run(shell::cargo(&[runner, &workspace, &["--no-run"]].concat()))?;
        // No test links it: nodes of drills load it.
        shell::run(shell::cargo(&["build", "--locked", "--package", "tertulia-shim"]))
    })?;
    let target = shell::target_folder()?;
    let binary = target.join("debug").join(format!("tertulia{}", std::env::consts::EXE_SUFFIX));
    steps.step("encoder", || pull_encoder(&binary))?;
    if !shell::succeeds(shell::command(&binary, &["model", "pull", "multilingual-e5-small"])) {
        steps.note("the multilingual encoder could not be fetched: its tests did not run");
    }
    if arguments.is_empty() {
        steps.step("documentation's examples", || {
            shell::run(shell::cargo(&[&["test", "--doc", "--quiet"], &workspace[..]].concat()))
        })?;
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // Last, so that the summary of all tests is what the log ends with.
    steps.step("tests", || {
        // Without nextest the documentation's examples would run here too; they have their own step.
        let targets: &[&str] = if nextest { &[] } else { &["--lib", "--bins", "--tests", "--no-fail-fast"] };
        let mut tests = shell::cargo(&[runner, &workspace, targets, &arguments].concat());
        tests.env("TERTULIA_BIN", &binary);
        shell::run(tests)
    })?;
    if nextest {
        // nextest's own folder stays in the repository, wherever cargo builds.
        for line in missed(&shell::root().join("target/nextest/ci/junit.xml"))? {
            steps.note(line);
        }
    }
    Ok(())
}

/// The tests of understanding run on the real encoder.
fn pull_encoder(binary: &PathBuf) -> Result<()> {
    ensure!(binary.is_file(), "{} was not built: a test of tertulia-node must want it", binary.display());
    shell::run(shell::command(binary, &["model", "pull"])).context(
        "the encoder could not be fetched. Where there is no way out, run `tertulia model pull` on a machine that has one \
         and copy its cache folder here (`tertulia model --help` names it)",
    )
}

/// The lines by which tests said what they missed, each once: the runner does not show what a passed test says.
fn missed(report: &PathBuf) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(report).with_context(|| format!("cannot read {}", report.display()))?;
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| line.contains(MISSED)) {
        // A line of output may begin or end inside an element of the report.
        let line = line.rsplit('>').find(|part| part.contains(MISSED)).unwrap_or(line);
        let line = line.split('<').next().unwrap_or(line).trim();
        let line = line
            .replace("&quot;", "\"")
            .replace("&apos;", "'")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&");
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    Ok(lines)
}
