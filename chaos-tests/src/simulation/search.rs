//! Many seeds, each in a process of its own: what was simulated in all, and which seeds have found something.

use super::{Plan, Planned, Report, Runs};
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// How long one simulation may take by the clock on the wall.
const RUN_MAX: Duration = Duration::from_secs(600);

/// How a simulation is run: the simulator's binary, and the bug that is planted in it, if any.
#[derive(Debug, Clone)]
pub struct Runner {
    /// The binary `tertulia-sim`.
    pub binary: PathBuf,
    /// A planted bug, by name.
    pub bug: Option<String>,
    /// Simulated seconds with faults.
    pub seconds: u64,
    /// Runs plans whose clocks tick at this speed only.
    pub timing: Option<String>,
}

/// What a search runs, and how long.
pub struct Scope {
    /// The seeds.
    pub seeds: Range<u64>,
    /// Processes at once.
    pub jobs: usize,
    /// After so long no other seed begins.
    pub time: Option<Duration>,
    /// Takes each run as it ends. What stands there counts, and is not run again.
    pub runs: Option<Runs>,
}

/// What a run prints as its last line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Summary {
    /// The seed.
    pub seed: u64,
    /// The timing's name.
    pub timing: String,
    /// Simulated time, in microseconds.
    pub simulated_us: u64,
    /// Faults by kind.
    pub faults: BTreeMap<String, u64>,
    /// Turns that were acknowledged.
    pub acknowledged: u64,
    /// Turns of timers.
    #[serde(default)]
    pub timers: u64,
    /// Reads that were answered.
    pub reads: u64,
    /// Leaderships.
    pub leaderships: u64,
    /// Nodes that came back under a new id.
    pub rejoins: u64,
    /// Over all bytes on the network.
    pub digest: u32,
    /// Seconds that passed on the wall.
    pub took_s: f64,
    /// What did not hold.
    pub broken: Option<super::Broken>,
}

impl From<&Report> for Summary {
    fn from(report: &Report) -> Self {
        Self {
            seed: report.seed,
            timing: report.timing.clone(),
            simulated_us: report.simulated_us,
            faults: report.faults.clone(),
            acknowledged: report.acknowledged,
            timers: report.timers,
            reads: report.reads,
            leaderships: report.leaderships,
            rejoins: report.rejoins,
            digest: report.digest,
            took_s: 0.0,
            broken: report.broken.clone(),
        }
    }
}

/// All runs together.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Found {
    /// Seeds that were run.
    pub seeds: u64,
    /// Simulated hours by timing.
    pub hours: BTreeMap<String, f64>,
    /// Minutes that passed on the wall, of all processes together.
    pub minutes: f64,
    /// Faults by kind.
    pub faults: BTreeMap<String, u64>,
    /// Turns that were acknowledged.
    pub acknowledged: u64,
    /// Turns of timers.
    #[serde(default)]
    pub timers: u64,
    /// Reads that were answered.
    pub reads: u64,
    /// Leaderships.
    pub leaderships: u64,
    /// Nodes that came back under a new id.
    pub rejoins: u64,
    /// The runs that found something, by seed.
    pub broken: Vec<Summary>,
}

impl Found {
    fn add(&mut self, run: Summary) {
        self.seeds += 1;
        *self.hours.entry(run.timing.clone()).or_default() += run.simulated_us as f64 / 3.6e9;
        for (kind, count) in &run.faults {
            *self.faults.entry(kind.clone()).or_default() += count;
        }
        self.minutes += run.took_s / 60.0;
        self.acknowledged += run.acknowledged;
        self.timers += run.timers;
        self.reads += run.reads;
        self.leaderships += run.leaderships;
        self.rejoins += run.rejoins;
        if run.broken.is_some() {
            self.broken.push(run);
        }
    }

    /// Simulated hours in all.
    pub fn all_hours(&self) -> f64 {
        self.hours.values().sum()
    }
}

impl Runner {
    /// The command that runs a seed again, for people.
    pub fn again(&self, seed: u64) -> String {
        let bug = self.bug.as_ref().map_or(String::new(), |bug| format!("TERTULIA_PLANT_BUG={bug} "));
        let features = if self.bug.is_some() { "--features planted-bugs " } else { "" };
        let timing = self.timing.as_ref().map_or(String::new(), |timing| format!(" --timing {timing}"));
        let seconds = self.seconds;
        format!(
            "{bug}cargo run --release -p tertulia-chaos-tests {features}--bin tertulia-sim -- run --seed {seed} --seconds {seconds}{timing} --story"
        )
    }

    /// Runs a seed.
    pub fn run(&self, seed: u64) -> Result<Summary> {
        let mut args = vec!["--seed".to_owned(), seed.to_string(), "--seconds".into(), self.seconds.to_string()];
        args.extend(self.timing.iter().flat_map(|timing| ["--timing".to_owned(), timing.clone()]));
        self.run_with(&args)
    }

    /// Runs a plan.
    pub fn run_plan(&self, plan: &Plan) -> Result<Summary> {
        let file = tempfile::NamedTempFile::new()?;
        serde_json::to_writer(&file, plan)?;
        let path = file.path().to_str().context("the temporary folder's name is no text")?;
        self.run_with(&["--plan".into(), path.into()])
    }

    fn run_with(&self, args: &[String]) -> Result<Summary> {
        let mut command = Command::new(&self.binary);
        command.arg("run").args(args).arg("--json").env_remove("TERTULIA_PLANT_BUG");
        if let Some(bug) = &self.bug {
            command.env("TERTULIA_PLANT_BUG", bug);
        }
        let begun = Instant::now();
        let output = output(command, RUN_MAX).with_context(|| format!("the simulation {}", args.join(" ")))?;
        let last = output.stdout.lines().last().unwrap_or_default();
        if let Ok(summary) = serde_json::from_str::<Summary>(last) {
            return Ok(Summary { took_s: begun.elapsed().as_secs_f64(), ..summary });
        }
        // A panic of the code under test is a find as well, and so is one that goes round and round.
        let panicked = |l: &&str| l.contains("panicked");
        let next = output.stderr.lines().skip_while(|l| !panicked(l)).nth(1).unwrap_or_default();
        let (invariant, what) = match output.stderr.lines().find(panicked) {
            Some(what) => ("no panic", format!("{what} {next}")),
            None if output.in_time => ("no panic", "it ended without a word".into()),
            None => ("a run ends", format!("it did not within {} s by the clock on the wall", RUN_MAX.as_secs())),
        };
        let broken = super::Broken { invariant: invariant.into(), at_ms: 0, what };
        let seed = args.get(1).and_then(|s| s.parse().ok()).unwrap_or_default();
        Ok(Summary {
            seed,
            timing: "unknown".into(),
            simulated_us: 0,
            faults: BTreeMap::new(),
            acknowledged: 0,
            timers: 0,
            reads: 0,
            leaderships: 0,
            rejoins: 0,
            digest: 0,
            took_s: 0.0,
            broken: Some(broken),
        })
    }

    /// Runs seeds until all are run, `until` says that it is enough, or the time is over.
    pub fn search(&self, scope: &Scope, until: impl Fn(&Found) -> bool + Sync) -> Result<Found> {
        let begun = Instant::now();
        let seeds = scope.seeds.clone();
        let bar = ProgressBar::new(seeds.end - seeds.start);
        let style = "{bar:30} {pos}/{len} seeds, {elapsed} passed, {eta} left {msg}";
        bar.set_style(ProgressStyle::with_template(style).context("the progress bar's template")?);
        let mut found = Found::default();
        let mut before = BTreeSet::new();
        for run in scope.runs.iter().flat_map(Runs::before).filter(|run| seeds.contains(&run.seed)) {
            before.insert(run.seed);
            found.add(run.clone());
        }
        bar.inc(found.seeds);
        let next = Mutex::new(seeds.filter(|seed| !before.contains(seed)));
        let found = Mutex::new(Ok(found));
        std::thread::scope(|threads| {
            for _ in 0..scope.jobs {
                threads.spawn(|| {
                    loop {
                        let over = scope.time.is_some_and(|time| begun.elapsed() >= time);
                        let enough = found.lock().as_ref().map_or(true, &until);
                        let Some(seed) = next.lock().next().filter(|_| !over && !enough) else { return };
                        let run = self.run(seed);
                        let mut found = found.lock();
                        let noted = |run: Summary| scope.runs.as_ref().map_or(Ok(()), |r| r.add(&run)).map(|()| run);
                        let run = run.and_then(noted);
                        match (run, &mut *found) {
                            (Ok(run), Ok(all)) => {
                                if let Some(broken) = &run.broken {
                                    let what: String = broken.what.chars().take(300).collect();
                                    bar.println(format!(
                                        "seed {seed}: {}: {what}\n  {}",
                                        broken.invariant,
                                        self.again(seed)
                                    ));
                                }
                                all.add(run);
                                bar.set_message(format!("{:.1} simulated hours", all.all_hours()));
                                bar.inc(1);
                            }
                            // What was found until then is not lost with the run that could not be had.
                            (Err(e), Ok(all)) => {
                                let (seeds, hours, broken) = (all.seeds, all.all_hours(), all.broken.len());
                                let before = format!(
                                    "after {seeds} seeds of {hours:.1} simulated hours, {broken} with findings"
                                );
                                *found = Err(e.context(before));
                            }
                            (_, Err(_)) => {}
                        }
                    }
                });
            }
        });
        bar.finish_and_clear();
        let mut found = found.into_inner()?;
        found.broken.sort_by_key(|run| run.seed);
        Ok(found)
    }

    /// The smallest plan that still breaks the same invariant: without the faults that it does not need, and no longer than
    /// it must be. `say` hears of every success.
    pub fn shrink(&self, plan: Plan, say: impl Fn(&str)) -> Result<Plan> {
        let Some(broken) = self.run_plan(&plan)?.broken else { bail!("this plan breaks nothing") };
        let breaks = |plan: &Plan| -> Result<Option<u64>> {
            let found = self.run_plan(plan)?.broken.filter(|b| b.invariant == broken.invariant);
            Ok(found.map(|b| b.at_ms))
        };
        let mut least = plan;
        // What comes behind the break has no part in it.
        let mut cut = least.clone();
        cut.seconds = cut.seconds.min(broken.at_ms / 1_000 + 1);
        cut.faults.retain(|f| f.at_ms <= broken.at_ms);
        if breaks(&cut)?.is_some() {
            least = cut;
        }
        // Ever smaller parts of the faults are left out (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing
        // input", 2002, without the complements).
        let mut size = least.faults.len().div_ceil(2);
        while size > 0 {
            let mut from = 0;
            while from < least.faults.len() {
                let to = (from + size).min(least.faults.len());
                let mut less = least.clone();
                less.faults = [&least.faults[..from], &least.faults[to..]].concat::<Planned>();
                if breaks(&less)?.is_some() {
                    least = less;
                    say(&format!("{} faults left", least.faults.len()));
                } else {
                    from = to;
                }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
        for simpler in [
            |p: &mut Plan| p.load.clients = p.load.clients.div_ceil(2),
            |p: &mut Plan| p.load.sessions = p.load.sessions.div_ceil(2),
            |p: &mut Plan| p.shards = 1,
            |p: &mut Plan| p.drift_ppm.iter_mut().chain(&mut p.skew_ms).for_each(|off| *off = 0),
            |p: &mut Plan| (p.far.loss, p.far.twice) = (0.0, 0.0),
        ] {
            let mut less = least.clone();
            simpler(&mut less);
            if breaks(&less)?.is_some() {
                least = less;
            }
        }
        Ok(least)
    }

    /// Shrinks a failing seed, and says where the plan was written and how it is run again.
    pub fn shrink_seed(&self, seed: u64, plan: Plan, folder: &Path, say: impl Fn(&str)) -> Result<PathBuf> {
        let least = self.shrink(plan, say)?;
        std::fs::create_dir_all(folder)?;
        let path = folder.join(format!("seed-{seed}.json"));
        std::fs::write(&path, serde_json::to_string_pretty(&least)?)?;
        Ok(path)
    }
}

struct Output {
    stdout: String,
    stderr: String,
    in_time: bool,
}

/// Runs a command to its end, or ends it when it takes too long.
fn output(mut command: Command, within: Duration) -> Result<Output> {
    use std::process::Stdio;
    let (out, err) = (tempfile::NamedTempFile::new()?, tempfile::NamedTempFile::new()?);
    command.stdin(Stdio::null()).stdout(out.reopen()?).stderr(err.reopen()?);
    let mut child = command.spawn()?;
    let begun = Instant::now();
    let mut in_time = true;
    while in_time && child.try_wait()?.is_none() {
        in_time = begun.elapsed() <= within;
        std::thread::sleep(Duration::from_millis(5));
    }
    if !in_time {
        child.kill()?;
        child.wait()?;
    }
    let read = |file: &tempfile::NamedTempFile| std::fs::read_to_string(file.path());
    Ok(Output { stdout: read(&out)?, stderr: read(&err)?, in_time })
}
