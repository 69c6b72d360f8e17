//! `cargo xtask coverage`: the lines that the simulator alone reaches.
//!
//! A line counts as llvm-cov counts it: it is there if any code begins on it or goes on over it, and reached if any of that
//! ran.

use crate::shell;
use anyhow::{Context, Result, ensure};
use llvm_profparser::{CoverageMapping, SourceLocation, merge_profiles};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is asked about, as folders of the repository.
const CRATES: [&str; 3] = ["raft/src", "actors/src", "dialogue/src"];
/// How the simulator runs: the speed of its clocks, and the simulated seconds of a seed.
const RUNS: [(&str, &str); 3] = [("slow", "600"), ("wan", "120"), ("lan", "30")];
/// Files with most lines unreached that are shown.
const SHOWN: usize = 15;

/// Lines of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
struct Lines {
    /// With code that can be reached.
    all: usize,
    /// Reached.
    reached: usize,
}

/// What was found, as it is written down.
#[derive(Serialize)]
struct Found<'a> {
    seeds: u64,
    runs: [(&'static str, &'static str); 3],
    crates: BTreeMap<&'static str, Lines>,
    files: &'a BTreeMap<PathBuf, Lines>,
}

/// Builds the simulator with counters, unless there is one, runs so many seeds with each of its clocks, and tells what they
/// reached.
pub fn run(seeds: u64, simulator: Option<PathBuf>) -> Result<()> {
    let target = shell::target_folder()?.join("coverage");
    let profiles = target.join("profiles");
    if profiles.exists() {
        std::fs::remove_dir_all(&profiles).with_context(|| format!("cannot empty {}", profiles.display()))?;
    }
    let simulator = simulator.map_or_else(|| build(&target), |given| given.canonicalize().context("the simulator"))?;
    for (timing, seconds) in RUNS {
        let (seeds, out) = (seeds.to_string(), target.join("found"));
        let out = out.to_string_lossy();
        let search = ["search", "--timing", timing, "--seconds", seconds, "--seeds", &seeds, "--out", &out];
        let mut search = shell::command(&simulator, &search);
        // Processes share a few files, and add to what is there.
        search.env("LLVM_PROFILE_FILE", profiles.join("%4m.profraw"));
        shell::run(search)?;
    }
    let files = read(&simulator, &profiles)?;
    let crates = CRATES.into_iter().map(|name| (name, sum(&files, name))).collect();
    let found = Found { seeds, runs: RUNS, crates, files: &files };
    print!("{}", table(&found));
    let file = target.join("coverage.json");
    std::fs::write(&file, serde_json::to_string_pretty(&found)?)
        .with_context(|| format!("cannot write {}", file.display()))?;
    println!("all files: {}", file.display());
    Ok(())
}

fn build(target: &Path) -> Result<PathBuf> {
    let folder = target.to_string_lossy();
    let package = ["--package", "tertulia-chaos-tests", "--bin", "tertulia-sim"];
    let mut build =
        shell::cargo(&[&["build", "--locked", "--release", "--target-dir", &folder], &package[..]].concat());
    build.env("RUSTFLAGS", "-C instrument-coverage");
    shell::run(build)?;
    Ok(target.join("release").join(format!("tertulia-sim{}", std::env::consts::EXE_SUFFIX)))
}

/// The lines of each file of the crates, by its path in the repository.
fn read(program: &Path, profiles: &Path) -> Result<BTreeMap<PathBuf, Lines>> {
    let entries = profiles.read_dir().with_context(|| format!("no profiles in {}", profiles.display()))?;
    let parts: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    ensure!(!parts.is_empty(), "the simulator left no profile in {}", profiles.display());
    let profile = merge_profiles(&parts).context("cannot read the profiles")?;
    let programs = [program.to_owned()];
    let asked_about = |path: &Path| {
        let path = path.strip_prefix(shell::root()).unwrap_or(path);
        CRATES.iter().any(|name| path.starts_with(name)).then(|| path.to_owned())
    };
    let report = CoverageMapping::new(&programs, &profile, false)
        .and_then(|mapping| mapping.generate_subreport(|paths| paths.iter().any(|p| asked_about(p).is_some())))
        .with_context(|| format!("cannot read the counters of {}", program.display()))?;
    let files = report.files.iter().filter_map(|(path, result)| Some((asked_about(path)?, lines(&result.hits))));
    Ok(files.collect())
}

/// Which lines there are, and which were reached.
fn lines(regions: &BTreeMap<SourceLocation, usize>) -> Lines {
    let last = regions.keys().map(|at| at.line_end).max().unwrap_or(0);
    let mut lines = Lines::default();
    for line in 1..=last {
        let begins = regions.iter().filter(|(at, _)| at.line_start == line).map(|(_, hits)| *hits);
        // Of those that go on over it the innermost.
        let around = regions.iter().filter(|(at, _)| at.line_start < line && line <= at.line_end);
        let around = around.max_by_key(|(at, _)| (at.line_start, at.column_start)).map(|(_, hits)| *hits);
        if let Some(hits) = begins.chain(around).max() {
            lines.all += 1;
            lines.reached += usize::from(hits > 0);
        }
    }
    lines
}

fn sum(files: &BTreeMap<PathBuf, Lines>, name: &str) -> Lines {
    let of_it = files.iter().filter(|(path, _)| path.starts_with(name));
    of_it.fold(Lines::default(), |sum, (_, lines)| Lines {
        all: sum.all + lines.all,
        reached: sum.reached + lines.reached,
    })
}

fn table(found: &Found) -> String {
    let row = |name: &str, lines: &Lines| {
        let percent = 100.0 * lines.reached as f64 / lines.all.max(1) as f64;
        format!("{percent:>6.1} %  {:>6} of {:>6}  {name}\n", lines.reached, lines.all)
    };
    let mut text = String::from("lines reached by the simulator alone\n");
    found.crates.iter().for_each(|(name, lines)| text += &row(name, lines));
    let mut files: Vec<_> = found.files.iter().filter(|(_, lines)| lines.reached < lines.all).collect();
    files.sort_by_key(|(_, lines)| std::cmp::Reverse(lines.all - lines.reached));
    text += "most lines not reached\n";
    files.iter().take(SHOWN).for_each(|(path, lines)| text += &row(&path.to_string_lossy(), lines));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(from: (usize, usize), to: (usize, usize)) -> SourceLocation {
        SourceLocation { line_start: from.0, column_start: from.1, line_end: to.0, column_end: to.1 }
    }

    #[test]
    fn a_line_is_reached_if_anything_on_it_ran() {
        // A function of lines 1 to 6 that ran, with a branch in lines 3 to 4 that did not; lines 5 and 6 are one region.
        let ran = [(region((1, 1), (6, 2)), 7), (region((3, 12), (4, 10)), 0), (region((5, 5), (6, 2)), 7)];
        assert_eq!(lines(&ran.into()), Lines { all: 6, reached: 5 });
        // Nobody called it.
        assert_eq!(lines(&[(region((8, 1), (9, 2)), 0)].into()), Lines { all: 2, reached: 0 });
    }

    #[test]
    fn crates_are_summed_and_the_worst_files_come_first() {
        let some = |all, reached| Lines { all, reached };
        let files: BTreeMap<PathBuf, Lines> = [
            ("raft/src/a.rs".into(), some(10, 10)),
            ("raft/src/b.rs".into(), some(30, 10)),
            ("actors/src/c.rs".into(), some(10, 5)),
        ]
        .into();
        let crates = CRATES.into_iter().map(|name| (name, sum(&files, name))).collect();
        let table = table(&Found { seeds: 1, runs: RUNS, crates, files: &files });
        assert!(table.contains("  50.0 %      20 of     40  raft/src\n"), "{table}");
        assert!(!table.contains("a.rs") && table.find("b.rs") < table.find("c.rs"), "{table}");
    }
}
