//! `drill`: faults on a running cluster under load, judged and written down.

use super::{Outcome, style};
use crate::demo;
use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};
use drills::catalog::{DRILLS, find};
use drills::client::{Client, Protocol};
use drills::drill::{Drill, DrillOptions, View, rehearse, run};
use drills::hands::Hands;
use drills::html;
use drills::lab::{Lab, LabOptions};
use drills::limits::VIEW_TIMEOUT;
use drills::own::OwnCluster;
use drills::rails::StopWhen;
use drills::record::DrillRecord;
use drills::script::Script;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Practise failures: a fault on a cluster under load, the checker's verdict over all that the clients saw, and a report
#[derive(Args)]
pub(crate) struct DrillCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Show the drills, and whether they can be run here
    List {
        /// On the cluster that this file describes, instead of a lab on this machine
        #[arg(long, value_name = "FILE")]
        cluster: Option<PathBuf>,
    },
    /// Run a drill: in a lab on this machine, or on a cluster of your own
    Run(Box<Run>),
}

/// Without --cluster, a lab of three zones is made on this machine and taken away at the end: in network namespaces as root,
/// else on loopback. With --cluster, only the targets that the file names are touched, by the commands that it gives;
/// the drill's load says things in sessions of its own, whose names begin with "drill", and they stay.
///
/// Ends with 1 where a promise was broken or the drill was broken off.
#[derive(Args)]
struct Run {
    /// Its name, as `tertulia drill list` has it
    name: String,
    /// Your own cluster: a file that names its nodes, and how each is killed, started, cut off …
    #[arg(long, value_name = "FILE")]
    cluster: Option<PathBuf>,
    /// Show what would be done, with every command, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Go on where a group would be left without a majority
    #[arg(long)]
    force: bool,
    /// How often
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    rounds: u16,
    /// How long the fault lasts, in milliseconds
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=600_000))]
    hold: Option<u64>,
    /// How long the cluster runs whole before each fault, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1_500)]
    whole: u64,
    /// Clients of the load
    #[arg(long, default_value_t = 16)]
    clients: usize,
    /// What they say: a file with an utterance a line; an empty line ends a dialogue
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Seed of the load
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Break off where no turn was acknowledged for so long, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    stop_after_pause: u64,
    /// Break off where so large a share of attempts failed over ten seconds
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    stop_after_failed: f64,
    /// Break off where a node is not ready so long after the fault, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    stop_after_not_whole: u64,
    /// Where the report goes, as NAME.html and NAME.json
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// The lab's assistant
    #[arg(long, default_value = "bots/tienda", conflicts_with = "cluster")]
    assistant: PathBuf,
    /// The lab's zones on loopback, also where network namespaces could be made
    #[arg(long, conflicts_with = "cluster")]
    loopback: bool,
}

impl DrillCommand {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        match self.what {
            What::List { cluster } => list(cluster.as_deref()),
            What::Run(run) => run.run().await,
        }
    }
}

fn list(cluster: Option<&Path>) -> anyhow::Result<Outcome> {
    let own = cluster.map(OwnCluster::load).transpose()?;
    let width = DRILLS.iter().map(|d| d.name.len()).max().unwrap_or(0);
    let mut lines = String::new();
    for drill in DRILLS {
        let lacks = match &own {
            Some(own) => rehearse(own, drill).err().map(|lacks| lacks.to_string()),
            None => Lab::lacks(&lab_options(PathBuf::new(), false)?, drill),
        };
        lines.push_str(&format!("{:<width$}  {}\n", style::bold(drill.name), drill.about));
        if let Some(lacks) = lacks {
            lines.push_str(&format!("{:<width$}  {}\n", "", style::yellow(&format!("not here: {lacks}"))));
        }
    }
    style::print_all(&lines);
    Ok(Outcome::Fine)
}

fn lab_options(release: PathBuf, loopback: bool) -> anyhow::Result<LabOptions> {
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    Ok(LabOptions { program, release, loopback, place: std::env::temp_dir(), env: Vec::new() })
}

impl Run {
    async fn run(self) -> anyhow::Result<Outcome> {
        let drill = find(&self.name).with_context(|| {
            let names: Vec<&str> = DRILLS.iter().map(|d| d.name).collect();
            format!("there is no drill {:?}; there are {}", self.name, names.join(", "))
        })?;
        let options = self.options()?;
        match &self.cluster {
            Some(file) => {
                let mut own = OwnCluster::load(file)?;
                own.verify(&Client::new(Protocol::Tertulia, VIEW_TIMEOUT)?).await?;
                self.on(&mut own, drill, &options).await
            }
            None => {
                let lacks = Lab::lacks(&lab_options(PathBuf::new(), self.loopback)?, drill);
                if let Some(lacks) = lacks {
                    bail!("{} cannot be run here: {lacks}", drill.name);
                }
                ensure!(
                    !drill.from_previous_version || self.rounds == 1,
                    "{} wants a cluster of its own for each round: --rounds 1",
                    drill.name
                );
                let release = crate::model_store::cache_dir()?.join("drill").join("release");
                let assistant = demo::find_assistant(&self.assistant)?;
                let encoder = super::encoder::encoder_of(None, &crate::assistant_files::read(&assistant)?).await?;
                demo::train_if_changed(&assistant, &release, &encoder).await?;
                eprintln!("making a lab of three zones");
                let mut lab = Lab::start(&lab_options(release, self.loopback)?, drill, None).await?;
                self.on(&mut lab, drill, &options).await
            }
        }
    }

    fn options(&self) -> anyhow::Result<DrillOptions> {
        let stop_when = StopWhen {
            failed_share: self.stop_after_failed,
            pause: Duration::from_secs(self.stop_after_pause),
            not_whole_after: Duration::from_secs(self.stop_after_not_whole),
            ..StopWhen::default()
        };
        Ok(DrillOptions {
            clients: self.clients,
            script: self.script.as_deref().map_or_else(|| Ok(Script::moodbot()), Script::load)?,
            hold: self.hold.map(Duration::from_millis),
            whole: Duration::from_millis(self.whole),
            seed: self.seed,
            evidence: self.out.clone(),
            stop_when: stop_when.validate().map_err(anyhow::Error::msg)?,
            force: self.force,
            command: std::env::args().collect::<Vec<_>>().join(" "),
            progress: |what| eprintln!("{}", style::dim(what)),
            ..DrillOptions::rounds(usize::from(self.rounds))
        })
    }

    async fn on(&self, hands: &mut dyn Hands, drill: &Drill, options: &DrillOptions) -> anyhow::Result<Outcome> {
        if self.dry_run {
            return dry_run(hands, drill, options).await;
        }
        // Nothing is begun that cannot be undone.
        rehearse(hands, drill)?;
        std::fs::create_dir_all(&self.out).with_context(|| format!("cannot make {}", self.out.display()))?;
        eprintln!("{} on {}", style::bold(drill.name), hands.place());
        let record = run(hands, drill, options, None).await?;
        let report = self.out.join(format!("{}.html", drill.name));
        html::write(&record, &report)?;
        let json = self.out.join(format!("{}.json", drill.name));
        std::fs::write(&json, serde_json::to_string_pretty(&record)?)
            .with_context(|| format!("cannot write {}", json.display()))?;
        print!("{}", summary(&record));
        println!("report: {}", report.display());
        Ok(if record.passed() { Outcome::Fine } else { Outcome::FoundWrong })
    }
}

/// What would be done in each round's place, and whether the guard rails would let it.
async fn dry_run(hands: &mut dyn Hands, drill: &Drill, options: &DrillOptions) -> anyhow::Result<Outcome> {
    println!("{} on {}: {}", style::bold(drill.name), hands.place(), drill.about);
    let plan = drills::drill::next_plan(hands.targets(), drill, &View::new()?).await?;
    let hold = options.hold.unwrap_or(plan.hold);
    println!("one of {} rounds, the fault lasts {:.1} s:", options.rounds, hold.as_secs_f64());
    let mut possible = true;
    for (target, act) in plan.acts() {
        let node = &hands.targets()[target];
        let line = match hands.lacks(target, &act) {
            None => hands.describe(target, &act),
            Some(lacks) => {
                possible = false;
                style::red(&format!("cannot: {lacks}"))
            }
        };
        println!("  node {} in zone {}: {act}: {line}", node.node, node.zone);
    }
    if let Err(refusal) = drills::drill::rails_permit(hands.targets(), &plan).await {
        possible &= options.force;
        println!("{}", style::red(&format!("would be refused: {refusal:#}")));
    }
    println!("nothing was done");
    Ok(if possible { Outcome::Fine } else { Outcome::FoundWrong })
}

fn summary(record: &DrillRecord) -> String {
    let mut lines = format!("{}\n{}\n", record.load, record.verdict);
    for round in &record.rounds {
        lines.push_str(&format!(
            "zone {}: it led {} shards; they paused for {:.0} ms, all of them {:.0} ms; whole again after {:.1} s\n",
            round.zones.join(", "),
            round.led,
            round.pause_ms,
            round.shard_pause_ms,
            round.whole_again_ms / 1e3
        ));
    }
    if let Some(stopped) = &record.stopped {
        lines.push_str(&format!("{}\n", style::red(&format!("broken off: {stopped}"))));
    }
    if let Some(evidence) = &record.evidence {
        lines.push_str(&format!("evidence: {}\n", evidence.display()));
    }
    let verdict = if record.passed() { style::green("passed") } else { style::red("failed") };
    lines.push_str(&format!("{verdict}\n"));
    lines
}
