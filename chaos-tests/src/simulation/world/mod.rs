//! The world of a simulation: machines, network and clients, moved on step by step on one thread.
//!
//! A step delivers what has arrived on the network, then lets each process run on its own paused clock up to the same
//! moment, one after the other. What a process sends in a step arrives in a later one.

mod questions;
mod strike;

use super::{
    assistant,
    chance::Chance,
    clients::{Client, Seeing},
    disk::Disk,
    invariants::{self, Held, Invariant, Seen, Sight},
    machine::{App, Machine, Process, address},
    message::{Answer, Message, Post},
    network::{Answers, MachineId, Network},
    plan::Plan,
    report::{Broken, Report},
};
use dialogue::{ShardId, TimestampMs, ports::Wakes};
use drills::history::History;
use futures::FutureExt;
use questions::{last_turn, log_view, timers, view};
use raft::store::Survivors;
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use strike::Due;
use tokio::{
    runtime::{Builder, Runtime},
    time::Instant,
};

/// Steps between two looks of the invariants.
const LOOK_EVERY: u64 = 5;
/// Looks between two thorough ones.
const THOROUGH_EVERY: u64 = 20;
/// Longest elections after which a healed cluster must serve again.
const HEALED_WITHIN: u64 = 60;
/// The same for its beginning.
const FOUNDED_WITHIN: u64 = 60;
/// A world.
pub(super) struct World {
    plan: Plan,
    now_us: u64,
    network: Network<Message>,
    machines: Vec<Machine>,
    post: Post,
    clients: Runtime,
    clients_origin: Instant,
    seeing: Arc<Seeing>,
    due: BTreeMap<(u64, u64), Due>,
    next_due: u64,
    blocks: BTreeMap<(MachineId, MachineId), usize>,
    chance: Chance,
    invariants: Vec<Box<dyn Invariant>>,
    looks: u64,
    report: Report,
}

impl World {
    /// Everything is there and nothing runs.
    pub(super) fn new(plan: Plan, folder: &Path, says: bool) -> Self {
        let machines = plan.machines();
        let network = Network::new(machines + 1, plan.far, Chance::of(plan.seed, "network"));
        for from in 0..machines {
            for to in 0..machines {
                if plan.zones[from] == plan.zones[to] {
                    network.set_link(from, to, plan.near);
                }
            }
        }
        let engine = assistant::engine(plan.expiry_ms);
        let machine = |id: MachineId| {
            let chance = Chance::of(plan.seed, &format!("disk {id}"));
            let disk = Disk::new(plan.seed ^ id as u64, plan.barrier_us, chance);
            Machine::new(id, &plan, folder, disk, network.clone(), engine.clone())
        };
        let clients = Builder::new_current_thread().enable_time().start_paused(true).build();
        let clients = clients.expect("a runtime without I/O needs nothing of the system");
        network.set_answers(machines, Answers::Yes);
        Self {
            now_us: 0,
            machines: (0..machines).map(machine).collect(),
            post: Post::new(network.clone(), machines),
            clients_origin: clients.block_on(async { Instant::now() }),
            clients,
            seeing: Arc::default(),
            due: BTreeMap::new(),
            next_due: 0,
            blocks: BTreeMap::new(),
            chance: Chance::of(plan.seed, "world"),
            invariants: invariants::all(),
            looks: 0,
            report: Report::new(&plan, says),
            network,
            plan,
        }
    }

    /// Runs it to its end.
    pub(super) fn run(mut self) -> Report {
        let done = self.found().and_then(|()| self.load()).and_then(|()| self.heal()).and_then(|()| self.end());
        if let Err(broken) = done {
            self.report.broken(broken);
        }
        self.report.simulated_us = self.now_us;
        self.report.network = self.network.counts();
        self.report.digest = self.network.digest();
        let attempts = std::mem::take(&mut *self.seeing.attempts.lock());
        let reads = std::mem::take(&mut *self.seeing.reads.lock());
        self.report.saw(attempts, reads);
        for machine in &mut self.machines {
            machine.kill(Answers::No, Survivors::All);
        }
        self.report
    }

    fn say(&mut self, what: &str) {
        self.report.say(self.now_us, what);
    }

    fn election_us(&self) -> u64 {
        self.plan.timing.election_ms_max * 1_000
    }

    fn later(&mut self, after_us: u64, due: Due) {
        self.due.insert((self.now_us + after_us, self.next_due), due);
        self.next_due += 1;
    }

    /// The cluster begins.
    fn found(&mut self) -> Result<(), Broken> {
        for machine in &mut self.machines {
            machine.start(0);
        }
        let within = FOUNDED_WITHIN * self.election_us();
        self.until(within, "the cluster is not founded", Self::all_ready)
    }

    /// Clients talk, and things go wrong.
    fn load(&mut self) -> Result<(), Broken> {
        for number in 0..self.plan.load.clients {
            let client = Client::new(number, &self.plan, self.post.clone(), self.seeing.clone());
            self.clients.spawn(client.run());
        }
        for planned in self.plan.faults.clone() {
            self.later(planned.at_ms * 1_000, Due::Strike(planned.fault));
        }
        let end = self.now_us + self.plan.seconds * 1_000_000;
        while self.now_us < end {
            self.step()?;
        }
        Ok(())
    }

    /// Everything heals; then the cluster must serve within a bound.
    fn heal(&mut self) -> Result<(), Broken> {
        self.say("everything heals");
        for (_, due) in std::mem::take(&mut self.due) {
            // What ends a fault is done below, for all of them.
            drop(due);
        }
        for (from, to) in std::mem::take(&mut self.blocks).into_keys() {
            self.network.block(from, to, false);
        }
        for machine in 0..self.machines.len() {
            self.ends(Due::Relink(machine));
            self.ends(Due::Unstall(machine));
            self.ends(Due::Room(machine));
            self.ends(Due::Wake(machine));
            self.ends(Due::Undrain(machine));
            // A process that was stopping, or whose disk fails, is started anew.
            let ill = self.machines[machine].stopping || self.machines[machine].ailing;
            if ill || self.machines[machine].app().is_none_or(|app| !app.raft.is_ready()) {
                self.restart(machine);
            }
            self.ends(Due::Start(machine));
        }
        let within = HEALED_WITHIN * self.election_us();
        self.until(within, "not all nodes are ready", Self::all_ready)?;
        // Each session takes another turn.
        for number in 0..self.plan.load.sessions {
            let to = number % self.machines.len();
            let (post, patience) = (self.post.clone(), Duration::from_micros(within));
            let key = format!("last-{number}");
            let asked = self.clients.spawn(async move { last_turn(&post, to, number, key, patience).await });
            self.until(within, &format!("session s{number} takes no turn"), |_| asked.is_finished())?;
            if let Some(Ok((attempts, acknowledged))) = asked.now_or_never() {
                self.seeing.attempts.lock().extend(attempts);
                if !acknowledged {
                    return Err(self.stuck(&format!("session s{number} takes no turn")));
                }
            }
        }
        Ok(())
    }

    /// Clients stop, and all nodes are asked what they hold.
    fn end(&mut self) -> Result<(), Broken> {
        self.seeing.stop.store(true, Relaxed);
        let still = self.now_us + self.plan.load.patience_ms * 1_000 * 2;
        while self.now_us < still {
            self.step()?;
        }
        self.look(true)?;
        let within = HEALED_WITHIN * self.election_us();
        self.until(within, "something is due, and is not done", Self::nothing_is_due)?;
        let clocks = self.machines.iter().map(|m| m.wall(self.now_us).as_millis() as u64);
        let wall_ms = clocks.min().unwrap_or(0);
        let mut views = Vec::new();
        for to in 0..self.machines.len() {
            let (post, sessions) = (self.post.clone(), self.plan.load.sessions);
            let patience = Duration::from_micros(within);
            let asked = self.clients.spawn(async move { view(&post, to, sessions, patience).await });
            self.until(within, &format!("machine {to} does not say what it holds"), |_| asked.is_finished())?;
            match asked.now_or_never() {
                Some(Ok(Some(view))) => views.push(view),
                _ => return Err(self.stuck(&format!("machine {to} does not say what it holds"))),
            }
        }
        let mut attempts = self.seeing.attempts.lock().clone();
        attempts.extend(views.first().map(|turns| timers(turns, &attempts)).unwrap_or_default());
        let (logged, reads) = (views.iter().enumerate().map(|(to, turns)| log_view(to, turns)), &self.seeing.reads);
        let history = History { attempts, reads: reads.lock().clone(), views: logged.collect() };
        let sessions = views.into_iter().next().unwrap_or_default();
        self.report.timers = sessions.values().flatten().filter(|turn| turn.key.is_of_timer()).count() as u64;
        let held = Held { sessions, wall_ms, expiry_ms: self.plan.expiry_ms };
        self.report.views = history.views.clone();
        for invariant in &mut self.invariants {
            if let Err(what) = invariant.end(&history).and_then(|()| invariant.sessions(&held)) {
                return Err(Broken { invariant: invariant.name().into(), at_ms: self.now_us / 1_000, what });
            }
        }
        Ok(())
    }

    fn stuck(&self, what: &str) -> Broken {
        let states: Vec<String> = self.machines.iter().map(state).collect();
        let what = format!("{what}; {}", states.join("; "));
        Broken { invariant: "progress after faults".into(), at_ms: self.now_us / 1_000, what }
    }

    /// Goes on until something is so.
    fn until(&mut self, within_us: u64, what: &str, done: impl Fn(&Self) -> bool) -> Result<(), Broken> {
        let end = self.now_us + within_us;
        while !done(self) {
            if self.now_us >= end {
                return Err(self.stuck(what));
            }
            self.step()?;
        }
        Ok(())
    }

    /// Has each shard a leader that has nothing left to do at once?
    fn nothing_is_due(&self) -> bool {
        let idle = |shard: u32| {
            let leads = self.machines.iter().filter_map(|machine| {
                let app = machine.app()?;
                let wall = TimestampMs(machine.wall(self.now_us).as_millis() as u64);
                let leads = app.raft.led().contains(&ShardId(shard));
                leads.then(|| app.raft.due(ShardId(shard), wall, 1).is_empty())
            });
            let leads: Vec<bool> = leads.collect();
            !leads.is_empty() && leads.into_iter().all(|idle| idle)
        };
        (0..self.plan.shards).all(idle)
    }

    fn all_ready(&self) -> bool {
        self.machines.iter().all(|m| m.app().is_some_and(|app| app.raft.is_ready()))
    }

    fn step(&mut self) -> Result<(), Broken> {
        self.now_us += self.plan.timing.step_us;
        tertulia_seeded::set_now_ns(self.now_us * 1_000);
        while let Some(entry) = self.due.first_entry().filter(|e| e.key().0 <= self.now_us) {
            let due = entry.remove();
            self.ends(due);
        }
        for datagram in self.network.pass(self.now_us) {
            self.deliver(datagram.to, datagram.body);
        }
        for machine in &mut self.machines {
            machine.step(self.now_us);
        }
        let until = self.clients_origin + Duration::from_micros(self.now_us);
        self.clients.block_on(async move { tokio::time::sleep_until(until).await });
        self.attend();
        if (self.now_us / self.plan.timing.step_us).is_multiple_of(LOOK_EVERY) {
            self.looks += 1;
            self.look(self.looks.is_multiple_of(THOROUGH_EVERY))?;
        }
        Ok(())
    }

    fn deliver(&mut self, to: MachineId, message: Message) {
        match message {
            Message::Answer { id, answer } => self.post.deliver(id, answer),
            Message::Ask { id, ask } => {
                let machine = &self.machines[to];
                let (network, clients) = (self.network.clone(), self.machines.len());
                match machine.app() {
                    // A process that stands still takes it up when it goes on.
                    Some(app) => machine.spawn(async move {
                        let answer = app.answer(ask).await;
                        network.send(to, clients, Message::Answer { id, answer });
                    }),
                    None if machine.is_running() || machine.answers() == Answers::Resets => {
                        network.send(to, clients, Message::Answer { id, answer: Answer::NobodyThere });
                    }
                    None => {}
                }
            }
        }
    }

    /// Looks after processes that have ended by themselves.
    fn attend(&mut self) {
        for at in 0..self.machines.len() {
            match self.machines[at].process() {
                Process::Rejoined => {
                    self.say(&format!("machine {at} has a new id"));
                    self.machines[at].kill(Answers::Resets, Survivors::All);
                    self.machines[at].begin_anew();
                    self.machines[at].start(self.now_us);
                }
                Process::Failed(why) => {
                    self.say(&format!("machine {at} does not run: {why}"));
                    self.report.ended += 1;
                    self.machines[at].kill(Answers::Resets, Survivors::All);
                    if self.machines[at].damaged {
                        // It comes back under another id.
                        self.report.rejoins += 1;
                        self.machines[at].rejoin(self.now_us);
                    } else {
                        self.later(self.election_us(), Due::Start(at));
                    }
                }
                // Its disk has lied, and it has noticed: it is told to begin anew.
                Process::Up(app) if self.machines[at].damaged && has_stopped(&app) && !self.machines[at].stopping => {
                    self.say(&format!("machine {at} has found damage"));
                    self.machines[at].kill(Answers::Resets, Survivors::All);
                    self.report.rejoins += 1;
                    self.machines[at].rejoin(self.now_us);
                }
                Process::Gone | Process::Starting | Process::Up(_) => {}
            }
        }
    }

    fn look(&mut self, thorough: bool) -> Result<(), Broken> {
        let seen: Vec<Seen> = self
            .machines
            .iter_mut()
            .filter_map(|machine| {
                let app = machine.app()?;
                Some(Seen {
                    machine: machine.id,
                    incarnation: machine.incarnation,
                    status: app.raft.status(),
                    committed: if thorough { machine.committed(&app) } else { Vec::new() },
                    control: thorough.then(|| machine.ask(app.raft.control())).flatten().and_then(Result::ok),
                    sessions_active: app.sessions.active(),
                    sessions_active_max: machine.config.sessions.active_max,
                    turns_in_flight: app.router.turns_in_flight(),
                    turns_in_flight_max: machine.config.limits.turns_in_flight_max,
                })
            })
            .collect();
        let sight = Sight { machines: &seen };
        let mut broken = None;
        for invariant in &mut self.invariants {
            if let Err(what) = invariant.look(&sight) {
                broken = Some(Broken { invariant: invariant.name().into(), at_ms: self.now_us / 1_000, what });
                break;
            }
        }
        self.report.looked(&seen, self.now_us);
        broken.map_or(Ok(()), Err)
    }
}

/// Has a group of the node ended for good?
fn has_stopped(app: &App) -> bool {
    let status = app.raft.status();
    status.shards.iter().chain([&status.control]).any(|g| g.role == raft::Role::Stopped)
}

/// A machine in one line.
fn state(machine: &Machine) -> String {
    let at = address(machine.id);
    match machine.process() {
        Process::Gone => format!("{at}: no process"),
        Process::Starting => format!("{at}: starting"),
        Process::Rejoined => format!("{at}: rejoined"),
        Process::Failed(why) => format!("{at}: {why}"),
        Process::Up(app) => {
            let status = app.raft.status();
            let groups = status.shards.iter().chain([&status.control]);
            let groups = groups.map(|g| {
                format!(
                    "{}: {:?} term {} leader {:?} log {:?} committed {:?} applied {:?} voters {:?}{}",
                    g.shard.map_or("control".into(), |s| s.to_string()),
                    g.role,
                    g.term,
                    g.leader,
                    g.last_log,
                    g.committed,
                    g.applied,
                    g.voters,
                    if g.asleep { " asleep" } else { "" }
                )
            });
            let groups: Vec<String> = groups.collect();
            format!("{at}: node {} ready {}, {}", status.node, status.ready, groups.join(", "))
        }
    }
}
