//! A file with a line for each run of a search, written as it ends: a search that is broken off has lost nothing, and goes on
//! where it was.

use super::search::{Runner, Summary};
use anyhow::{Context, Result, bail};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

/// The runs of one way to run seeds. JSON, a line each.
pub struct Runs {
    path: PathBuf,
    way: Way,
    file: Mutex<File>,
    before: Vec<Summary>,
}

/// What a run depends on besides its seed and the code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Way {
    seconds: u64,
    timing: Option<String>,
    bug: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    way: Way,
    run: Summary,
}

impl Runs {
    /// Opens or creates the file. A last line that was cut off is left out, and its seed runs again. An error names the line
    /// that is no run, or is one of another way to run seeds.
    pub fn open(path: &Path, runner: &Runner) -> Result<Self> {
        let way = Way { seconds: runner.seconds, timing: runner.timing.clone(), bug: runner.bug.clone() };
        let file = OpenOptions::new().read(true).append(true).create(true).open(path);
        let mut file = file.with_context(|| format!("cannot open {}", path.display()))?;
        let (mut before, mut whole, mut line) = (Vec::new(), 0, String::new());
        let mut reader = BufReader::new(&mut file);
        for number in 1.. {
            line.clear();
            let bytes = reader.read_line(&mut line).with_context(|| format!("cannot read {}", path.display()))?;
            if !line.ends_with('\n') {
                break;
            }
            let at = || format!("{}, line {number}", path.display());
            let found: Line = serde_json::from_str(&line).with_context(|| format!("{}: no run", at()))?;
            if found.way != way {
                bail!("{}: found a run of {:?}, expected {way:?}", at(), found.way);
            }
            before.push(found.run);
            whole += bytes as u64;
        }
        file.set_len(whole).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path: path.into(), way, file: Mutex::new(file), before })
    }

    /// What stood in the file when it was opened.
    pub fn before(&self) -> &[Summary] {
        &self.before
    }

    /// Adds a run.
    pub fn add(&self, run: &Summary) -> Result<()> {
        let mut line = serde_json::to_string(&Line { way: self.way.clone(), run: run.clone() })?;
        line.push('\n');
        self.file.lock().write_all(line.as_bytes()).with_context(|| format!("cannot write {}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn runner(seconds: u64) -> Runner {
        Runner { binary: "unused".into(), bug: None, seconds, timing: None }
    }

    fn run(seed: u64) -> Summary {
        Summary {
            seed,
            timing: "lan".into(),
            simulated_us: 5,
            faults: BTreeMap::new(),
            acknowledged: 1,
            timers: 0,
            reads: 2,
            leaderships: 3,
            rejoins: 0,
            digest: 7,
            took_s: 0.5,
            broken: None,
        }
    }

    fn seeds(runs: &Runs) -> Vec<u64> {
        runs.before().iter().map(|r| r.seed).collect()
    }

    #[test]
    fn a_search_goes_on_where_it_was_broken_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs.jsonl");
        let runs = Runs::open(&path, &runner(10)).unwrap();
        assert!(runs.before().is_empty());
        (1..=3).for_each(|seed| runs.add(&run(seed)).unwrap());

        // The last one was cut off in the middle.
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 9]).unwrap();
        let runs = Runs::open(&path, &runner(10)).unwrap();
        assert_eq!(seeds(&runs), [1, 2]);
        runs.add(&run(3)).unwrap();
        assert_eq!(seeds(&Runs::open(&path, &runner(10)).unwrap()), [1, 2, 3]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);

        let error = Runs::open(&path, &runner(20)).err().unwrap().to_string();
        assert!(error.contains("runs.jsonl, line 1: found a run of Way { seconds: 10"), "{error}");
        std::fs::write(&path, format!("{}nonsense\n", text.lines().next().unwrap().to_owned() + "\n")).unwrap();
        let error = Runs::open(&path, &runner(10)).err().unwrap().to_string();
        assert!(error.ends_with("runs.jsonl, line 2: no run"), "{error}");
    }
}
