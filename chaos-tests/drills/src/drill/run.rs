//! Plays a drill round by round under load, and writes down what happened.

use super::judge::{Judgement, conclude, keep};
use super::measure;
use super::options::DrillOptions;
use super::plan::{Aim, Drill, Plan, Scene, Step};
use super::under_way::UnderWay;
use super::view::View;
use crate::act::Act;
use crate::hands::{Hands, Target};
use crate::limits::{POLL_PAUSE, RAILS_PATIENCE, READY_DEADLINE};
use crate::load::{Load, LoadOptions};
use crate::rails::{Groups, Refusal, Sample, StopWatcher};
use crate::record::{ActRecord, DrillRecord, PeerRecord};
use crate::report::LoadReport;
use crate::stopwatch::Stopwatch;
use crate::verdict::Verdict;
use anyhow::{Context, Result, bail, ensure};
use async_trait::async_trait;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// A peer that is measured between our rounds.
#[async_trait]
pub trait Peer: Send {
    /// Its name and version.
    fn name(&self) -> String;

    /// Plays the same round on it: the longest time in which a client waited and none was served, in milliseconds.
    async fn round(&mut self, drill: &Drill, round: usize, hold: Option<Duration>) -> Result<f64>;
}

/// A drill that was broken off: a result, and no failure of the drill itself.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Stopped(String);

/// Resolves when this process gets SIGINT or SIGTERM.
async fn asked_to_end() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = terminate.recv() => {}
        pressed = tokio::signal::ctrl_c() => if pressed.is_err() { std::future::pending().await },
    }
}

/// What was done in a round, and when.
pub(super) struct Struck {
    pub(super) zones: Vec<String>,
    /// The shards that the hit nodes led.
    pub(super) shards: BTreeSet<u64>,
    pub(super) struck_ns: u64,
    pub(super) healed_ns: u64,
    pub(super) whole_ns: u64,
}

pub(super) fn urls(targets: &[Target]) -> Vec<String> {
    targets.iter().map(|t| t.url.clone()).collect()
}

/// Runs a drill on a whole cluster, which is whole again at its end. Where it breaks off, what is under way is undone first.
pub async fn run(
    hands: &mut dyn Hands,
    drill: &Drill,
    options: &DrillOptions,
    mut peer: Option<&mut dyn Peer>,
) -> Result<DrillRecord> {
    let began = chrono::Utc::now();
    let stopwatch = Stopwatch::start();
    let targets = hands.targets().to_vec();
    // The rounds end the load; this is the bound behind them.
    let load = LoadOptions { duration: crate::limits::LOAD_DURATION_MAX, ..options.load(&targets) };
    let load = Load::start(load, stopwatch)?;
    let mut run = Run {
        hands,
        targets: &targets,
        view: View::new()?,
        stopwatch,
        load: &load,
        watcher: StopWatcher::new(options.stop_when),
        watched_from: Duration::ZERO,
        options,
        under_way: UnderWay::default(),
        acts: Vec::new(),
    };
    let (mut struck, mut peer_ms, mut rests) = (Vec::new(), Vec::new(), Vec::new());
    let mut broken_off = None;
    for round in 0..options.rounds {
        (options.progress)(&format!("{} round {}/{}", drill.name, round + 1, options.rounds));
        // Nobody who breaks a drill off shall have to mend what it did.
        let played = tokio::select! {
            played = run.round(drill, round) => played,
            () = asked_to_end() => Err(Stopped("it was interrupted".into()).into()),
        };
        match played {
            Ok(one) => struck.push(one),
            Err(error) => {
                run.undo_all().await;
                broken_off = Some(error.context(format!("round {}", round + 1)));
                break;
            }
        }
        if let Some(peer) = &mut peer {
            let begun_ns = stopwatch.now_ns();
            load.pause(true);
            peer_ms.push(peer.round(drill, round, options.hold).await.with_context(|| peer.name())?);
            load.pause(false);
            rests.push((begun_ns, stopwatch.now_ns()));
            run.forget();
        }
    }
    if broken_off.is_none() {
        // Also one that ends late of what was done to it is back when all are asked what they hold.
        broken_off = run.rest().await.err();
    }
    let acts = run.acts;
    load.stop();
    let mut outcome = load.finish().await?;
    let end_ns = stopwatch.now_ns();
    let file = options.evidence.join(format!("{}-{}-{}.history.json", drill.name, options.seed, std::process::id()));
    // A stop condition is a result; anything else that went wrong is not.
    let stopped = match broken_off {
        Some(error) if error.downcast_ref::<Stopped>().is_none() && error.downcast_ref::<Refusal>().is_none() => {
            let error = error.context(hands.log_tails());
            return Err(keep(&outcome.take_history(), &file, error));
        }
        stopped => stopped.map(|stop| format!("{stop:#}")),
    };
    let timeline = measure::timeline(&outcome, &rests, end_ns);
    let rounds = struck.iter().map(|s| measure::round(s, &outcome)).collect();
    let judged = conclude(&urls(&targets), &mut outcome, &file).await;
    let Judgement { verdict, evidence } = judged.with_context(|| hands.log_tails())?;
    Ok(DrillRecord {
        drill: drill.name.into(),
        about: drill.about.into(),
        place: hands.place(),
        began: began.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        versions: super::versions::collect(&targets).await,
        seed: options.seed,
        command: options.command.clone(),
        rounds,
        peer: peer.map(|peer| PeerRecord { name: peer.name(), pause_ms: peer_ms }),
        acts,
        timeline,
        load: outcome.report,
        verdict,
        stopped,
        evidence,
    })
}

/// What a load without faults came to.
#[derive(Debug)]
pub struct Calm {
    /// The load's figures.
    pub load: LoadReport,
    /// The judgement of what the clients saw.
    pub verdict: Verdict,
    /// Where the history lies, if the verdict does not hold.
    pub evidence: Option<PathBuf>,
}

/// The same load on a whole cluster until so many turns were said, and nothing is hit.
pub async fn calm(targets: &[Target], options: &DrillOptions, turns: u64) -> Result<Calm> {
    let load = LoadOptions { turns: Some(turns), duration: READY_DEADLINE, ..options.load(targets) };
    let mut outcome = Load::start(load, Stopwatch::start())?.finish().await?;
    let file = options.evidence.join(format!("calm-{}-{}.history.json", options.seed, std::process::id()));
    let Judgement { verdict, evidence } = conclude(&urls(targets), &mut outcome, &file).await?;
    Ok(Calm { load: outcome.report, verdict, evidence })
}

/// A drill under way.
struct Run<'a> {
    hands: &'a mut dyn Hands,
    targets: &'a [Target],
    view: View,
    stopwatch: Stopwatch,
    load: &'a Load,
    watcher: StopWatcher,
    /// When the watcher began to watch.
    watched_from: Duration,
    options: &'a DrillOptions,
    under_way: UnderWay,
    acts: Vec<ActRecord>,
}

impl Run<'_> {
    async fn round(&mut self, drill: &Drill, round: usize) -> Result<Struck> {
        self.wait(self.options.whole).await?;
        let scene = scene(drill, self.targets, round, &self.view).await?;
        let plan = (drill.plan)(&scene);
        self.all(&plan.prepare).await?;
        let hit: BTreeSet<u64> =
            Plan { prepare: Vec::new(), ..plan.clone() }.acts().map(|(target, _)| self.targets[target].node).collect();
        let leaders = self.view.leaders(self.targets, READY_DEADLINE).await?;
        let shards = leaders.into_iter().filter(|(_, leader)| hit.contains(leader)).map(|(shard, _)| shard).collect();
        let struck_ns = self.stopwatch.now_ns();
        self.all(&plan.strike).await?;
        self.wait(self.options.hold.unwrap_or(plan.hold)).await?;
        let healed_ns = self.stopwatch.now_ns();
        self.all(&plan.heal).await?;
        self.until_all_ready().await?;
        let zone = |node: &u64| self.targets.iter().find(|t| t.node == *node).map(|t| t.zone.clone());
        let zones = hit.iter().filter_map(zone).collect();
        Ok(Struck { zones, shards, struck_ns, healed_ns, whole_ns: self.stopwatch.now_ns() })
    }

    /// The time at the end in which nothing is done.
    async fn rest(&mut self) -> Result<()> {
        self.wait(self.options.whole).await?;
        self.until_all_ready().await
    }

    async fn all(&mut self, steps: &[Step]) -> Result<()> {
        for step in steps {
            match step {
                Step::Act(target, act) => self.act(*target, act).await?,
                Step::Wait(time) => self.wait(*time).await?,
                Step::Ready(target) => self.until_ready(*target).await?,
                Step::Leads(target) => self.until_it_leads(*target).await?,
            }
        }
        Ok(())
    }

    async fn act(&mut self, target: usize, act: &Act) -> Result<()> {
        let Target { node, zone, .. } = &self.targets[target];
        let mut under_way = self.under_way.clone();
        under_way.begin(target, act);
        if act.takes_the_node_away() && !self.options.force {
            self.until_permitted(&under_way.away(self.targets)).await?;
        }
        self.note(target, act);
        // What fails in the middle, or is broken off there, has to be undone, and an undoing to be done again.
        if act.undo().is_some() {
            self.under_way = under_way.clone();
        }
        self.hands.act(target, act).await.with_context(|| format!("{act} of node {node} in zone {zone}"))?;
        self.under_way = under_way;
        Ok(())
    }

    /// Writes down what is done now.
    fn note(&mut self, target: usize, act: &Act) {
        let Target { node, zone, .. } = &self.targets[target];
        let at_ms = self.stopwatch.now_ns() as f64 / 1e6;
        let (what, undoes) = (act.to_string(), act.undo().is_none());
        self.acts.push(ActRecord { at_ms, zone: zone.clone(), node: *node, what, undoes });
    }

    /// Waits until the guard rails let these nodes be away: an election that is on is not a lost quorum.
    async fn until_permitted(&mut self, away: &BTreeSet<u64>) -> Result<()> {
        let deadline = Instant::now() + RAILS_PATIENCE;
        loop {
            let groups = Groups::fetch(self.view.client(), self.targets).await;
            let refused = match groups.map(|groups| groups.permits(away)) {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(refusal)) => refusal.into(),
                Err(error) => error,
            };
            if Instant::now() > deadline {
                return Err(refused);
            }
            self.wait(POLL_PAUSE).await?;
        }
    }

    /// Undoes what is under way, as far as that goes.
    async fn undo_all(&mut self) {
        while let Some((target, undo)) = self.under_way.undo_one() {
            self.note(target, &undo);
            if let Err(error) = self.hands.act(target, &undo).await {
                let command = self.hands.describe(target, &undo);
                (self.options.progress)(&format!("could not be undone: {error:#}; by hand: {command}"));
            }
        }
    }

    /// Lets time pass, and looks whether the drill must be broken off.
    async fn wait(&mut self, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        loop {
            let at = Duration::from_nanos(self.stopwatch.now_ns()) - self.watched_from;
            (0..self.targets.len()).try_for_each(|target| self.hands.tend(target))?;
            let (acknowledged, failed) = (self.load.acknowledged(), self.load.failed());
            if let Some(stop) = self.watcher.see(Sample { at, acknowledged, failed }) {
                bail!(Stopped(stop.to_string()));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            tokio::time::sleep(left.min(POLL_PAUSE)).await;
        }
    }

    async fn until_all_ready(&mut self) -> Result<()> {
        for target in 0..self.targets.len() {
            self.until_ready(target).await?;
        }
        Ok(())
    }

    async fn until_ready(&mut self, target: usize) -> Result<()> {
        let began = Instant::now();
        loop {
            let Err(error) = self.view.ready(&self.targets[target]).await else { return Ok(()) };
            self.hands.tend(target)?;
            let Target { node, zone, .. } = &self.targets[target];
            ensure!(self.hands.has_ended(target) != Some(true), "node {node} of zone {zone} ended on its own");
            if let Some(stop) = self.watcher.see_not_whole(began.elapsed()) {
                bail!(Stopped(format!("{stop}: node {node} of zone {zone} says {error:#}")));
            }
            self.wait(POLL_PAUSE).await?;
        }
    }

    /// Begins to watch anew, after a while in which the load rested.
    fn forget(&mut self) {
        self.watcher = StopWatcher::new(self.options.stop_when);
        self.watched_from = Duration::from_nanos(self.stopwatch.now_ns());
    }

    async fn until_it_leads(&mut self, target: usize) -> Result<()> {
        let deadline = Instant::now() + self.options.stop_when.not_whole_after;
        let node = self.targets[target].node;
        loop {
            if self.view.leaders(self.targets, READY_DEADLINE).await?.values().any(|leader| *leader == node) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "node {node} was given no leadership");
            self.wait(POLL_PAUSE).await?;
        }
    }
}

/// Whom a round hits.
pub(super) async fn scene(drill: &Drill, targets: &[Target], round: usize, view: &View) -> Result<Scene> {
    let victim = match drill.aim {
        Aim::InTurn => round % targets.len(),
        Aim::Leader => {
            let leaders = view.leaders(targets, READY_DEADLINE).await?;
            let led = |t: &Target| leaders.values().filter(|leader| **leader == t.node).count();
            let most = targets.iter().enumerate().max_by_key(|(i, t)| (led(t), targets.len() - i));
            most.context("no targets")?.0
        }
    };
    // Of another zone, so that no quorum is lost by both in turn.
    let others: Vec<usize> = (0..targets.len()).filter(|i| targets[*i].zone != targets[victim].zone).collect();
    let other = (!others.is_empty()).then(|| others[round % others.len()]);
    Ok(Scene { victim, other, targets: targets.len(), round })
}
