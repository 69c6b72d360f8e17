//! `kill -9` in a loop: a child process writes and acknowledges, dies at a random moment or at a named place, and what
//! it leaves must hold everything that it acknowledged.
//!
//! A killed process loses nothing that it had written: the kernel still has it. So this test covers the order of
//! writes, half-done installs, purges and renames, and the database's recovery; what a power failure takes back is
//! covered by `crash.rs` (the twin in memory) and by the images of `store/tests.rs`.
//!
//! `TERTULIA_KILL_ROUNDS` says how many rounds (25), `TERTULIA_KILL_SEED` from which seed on. The named places need the
//! feature `failpoints`. The binary is its own child, so it speaks the test runner's language itself.
// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

mod crash_support;

use crash_support::{Machine, Model, References, Script, found};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tertulia_raft::{
    GroupId, failpoints,
    store::{SledStore, Store, Writer},
};

const NAME: &str = "nothing_acknowledged_is_lost_by_kill_9";
const GROUPS: u32 = 3;
/// Rounds on one folder before a new one.
const ROUNDS_A_FOLDER: u64 = 8;
/// Operations of a group that are not acknowledged yet.
const FLYING_MAX: usize = 40;
/// How far behind the last acknowledged operation a folder may be found.
const AHEAD_MAX: u64 = 400;
/// Ends a child that never comes to its place.
const PATIENCE: Duration = Duration::from_secs(20);

type Error = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [role, folder, seed, starts @ ..] = &arguments[..]
        && role == "child"
    {
        child(Path::new(folder), seed.parse().unwrap(), starts.iter().map(|s| s.parse().unwrap()).collect());
        return ExitCode::SUCCESS;
    }
    if arguments.iter().any(|a| a == "--list") {
        if !arguments.iter().any(|a| a == "--ignored") {
            println!("{NAME}: test");
        }
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    if !filters.is_empty() && !filters.iter().any(|f| NAME.contains(f.as_str())) {
        return ExitCode::SUCCESS;
    }
    match parent() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{NAME} FAILED: {error}");
            ExitCode::FAILURE
        }
    }
}

fn open(folder: &Path) -> std::io::Result<(Arc<dyn Store>, Writer)> {
    std::fs::create_dir_all(folder.join("snapshots"))?;
    let store: Arc<dyn Store> = Arc::new(SledStore::open(&folder.join("db"), 8 << 20)?);
    let (writer, _thread) = Writer::start(store.clone())?;
    Ok((store, writer))
}

/// Goes on with each group's script where the folder stands, and says what is durable, until it is killed.
fn child(folder: &Path, seed: u64, starts: Vec<u64>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let _end: Result<(), ()> = runtime.block_on(async {
        let (store, writer) = open(folder).unwrap();
        println!("open");
        let mut groups = Vec::new();
        for (group, start) in (0..GROUPS).zip(starts) {
            let machine = Machine::open(&store, &writer, &folder.join("snapshots"), GroupId(group)).await.unwrap();
            let references = References::new(&folder.join(format!("references-{group}")));
            groups.push(tokio::spawn(work(machine, references, seed, start)));
        }
        for group in groups {
            group.await.unwrap();
        }
        Ok(())
    });
}

async fn work(mut machine: Machine, references: References, seed: u64, start: u64) {
    let group = machine.group.0;
    let mut script = Script::new(seed, group);
    (0..start).for_each(|_| drop(script.next()));
    let mut flying = std::collections::VecDeque::new();
    for number in start + 1.. {
        let op = script.next();
        let performed = machine.perform(&op, &references).await.unwrap();
        if op.is_durable_when_done() {
            flying.clear();
            say(group, number);
        } else if let Some(durable) = performed {
            flying.push_back((number, durable));
        }
        if flying.len() > FLYING_MAX {
            let (number, durable) = flying.pop_front().unwrap();
            durable.await.unwrap().unwrap();
            say(group, number);
        }
    }
}

/// One system call: the line is in the pipe or it is not.
fn say(group: u32, number: u64) {
    std::io::stdout().lock().write_all(format!("{group} {number}\n").as_bytes()).unwrap();
}

/// When a child dies.
#[derive(Debug, Clone, Copy)]
enum End {
    /// After so many acknowledgements and microseconds.
    Killed { said: u64, micros: u64 },
    /// At a named place, when it was passed so often.
    At(&'static str, u32),
}

#[derive(Default)]
struct Figures {
    rounds: u64,
    acknowledged: u64,
    ahead: u64,
    ended_at: BTreeMap<&'static str, u64>,
    recovery: Duration,
}

fn parent() -> Result<(), Error> {
    let number = |name: &str, default: u64| std::env::var(name).ok().and_then(|s| s.parse().ok()).unwrap_or(default);
    let (rounds, first) = (number("TERTULIA_KILL_ROUNDS", 25), number("TERTULIA_KILL_SEED", 1));
    let named = cfg!(feature = "failpoints");
    if !named {
        println!("the named places did not run: the test was built without the feature failpoints");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let begun = Instant::now();
    let mut figures = Figures::default();
    let mut chance = SmallRng::seed_from_u64(first);
    let mut names = failpoints::NAMES.iter().copied().cycle();
    let (mut folder, mut seed, mut stands) = (TempDir::new()?, first, vec![0; GROUPS as usize]);
    let shared = TempDir::new()?;
    let references = Arc::new(References::new(shared.path()));
    for round in 0..rounds {
        if round > 0 && round % ROUNDS_A_FOLDER == 0 {
            (folder, seed, stands) = (TempDir::new()?, first + round, vec![0; GROUPS as usize]);
        }
        let end = match named && round % 2 == 0 {
            true => End::At(names.next().expect("the names go round"), chance.random_range(0..4)),
            false => End::Killed { said: chance.random_range(0..60), micros: chance.random_range(0..4_000) },
        };
        let told = |e: Error| format!("round {round}, folder's seed {seed}, {end:?}: {e}; TERTULIA_KILL_SEED={first}");
        let acknowledged = one_life(folder.path(), seed, &stands, end, &mut figures).map_err(told)?;
        let reopened = Instant::now();
        let found = runtime.block_on(look(folder.path(), seed, &acknowledged, &references));
        figures.recovery += reopened.elapsed();
        stands = found.map_err(|e| told(e.into()))?;
        figures.ahead += stands.iter().sum::<u64>() - acknowledged.iter().sum::<u64>();
        figures.rounds += 1;
    }
    println!(
        "{} lives, {} operations acknowledged, none lost; {} more survived; {:.0} ms a recovery and check; {:.0} s",
        figures.rounds,
        figures.acknowledged,
        figures.ahead,
        figures.recovery.as_secs_f64() * 1e3 / figures.rounds as f64,
        begun.elapsed().as_secs_f64()
    );
    println!("died at: {:?}", figures.ended_at);
    // A place that nobody comes to proves nothing.
    if named && rounds >= 2 * failpoints::NAMES.len() as u64 {
        let missed: Vec<_> = failpoints::NAMES.iter().filter(|n| !figures.ended_at.contains_key(*n)).collect();
        if !missed.is_empty() {
            return Err(format!("no child died at {missed:?}").into());
        }
    }
    Ok(())
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a child to its end; gives how many operations of each group are acknowledged.
fn one_life(folder: &Path, seed: u64, stands: &[u64], end: End, figures: &mut Figures) -> Result<Vec<u64>, Error> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("child").arg(folder).arg(seed.to_string()).args(stands.iter().map(u64::to_string));
    if let End::At(name, count) = end {
        command.env("TERTULIA_FAILPOINT", format!("{name}:{count}"));
    }
    let mut child = Killed(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?);
    let lines = BufReader::new(child.0.stdout.take().ok_or("no output")?).lines();
    let (heard, hears) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        lines.map_while(Result::ok).for_each(|line| drop(heard.send(line)));
    });
    let mut acknowledged = stands.to_vec();
    let (mut said, mut killed) = (0, false);
    let deadline = Instant::now() + PATIENCE;
    let mut take = |line: String| {
        let mut parts = line.split(' ').map(str::parse::<u64>);
        if let (Some(Ok(group)), Some(Ok(number))) = (parts.next(), parts.next()) {
            acknowledged[group as usize] = acknowledged[group as usize].max(number);
            figures.acknowledged += 1;
        }
    };
    while let Ok(line) = hears.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        said += 1;
        take(line);
        if let End::Killed { said: enough, micros } = end
            && said > enough
            && !killed
        {
            std::thread::sleep(Duration::from_micros(micros));
            child.0.kill()?;
            killed = true;
        }
    }
    let waited = Instant::now() >= deadline;
    let _ = child.0.kill();
    let status = child.0.wait()?;
    let _ = reader.join();
    hears.try_iter().for_each(&mut take);
    use std::os::unix::process::ExitStatusExt;
    if status.signal() != Some(9) {
        let mut text = String::new();
        if let Some(mut errors) = child.0.stderr.take() {
            let _ = std::io::Read::read_to_string(&mut errors, &mut text);
        }
        return Err(format!("the child ended by itself: {status}: {text}").into());
    }
    if let End::At(name, _) = end
        && !waited
    {
        *figures.ended_at.entry(name).or_default() += 1;
    }
    Ok(acknowledged)
}

/// Opens the folder and says where each group stands in its script, not before what it acknowledged.
async fn look(
    folder: &Path,
    seed: u64,
    acknowledged: &[u64],
    references: &Arc<References>,
) -> Result<Vec<u64>, String> {
    let (store, writer) = open(folder).map_err(|e| e.to_string())?;
    let mut stands = Vec::new();
    let mut looked: Result<(), String> = Ok(());
    for (group, acknowledged) in (0..GROUPS).zip(acknowledged) {
        let snapshots: PathBuf = folder.join("snapshots");
        let held = match found(&store, &writer, &snapshots, GroupId(group), references).await {
            Ok(held) => held,
            Err(e) => {
                looked = Err(e);
                break;
            }
        };
        let mut script = Script::new(seed, group);
        let (mut stand, mut earlier) = (None, None);
        for number in 0..=acknowledged + AHEAD_MAX {
            if *script.model() == held {
                if number >= *acknowledged {
                    stand = Some(number);
                    break;
                }
                earlier = Some(number);
            }
            script.next();
        }
        match stand {
            Some(stand) => stands.push(stand),
            None => {
                looked = Err(lost(group, *acknowledged, earlier, &held));
                break;
            }
        }
    }
    writer.close();
    store.close();
    looked.map(|()| stands)
}

fn lost(group: u32, acknowledged: u64, earlier: Option<u64>, held: &Model) -> String {
    format!("group {group}: operation {acknowledged} was acknowledged, found is the state after {earlier:?}: {held:?}")
}
