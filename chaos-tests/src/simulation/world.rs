//! The world of a simulation: machines, network and clients, moved on step by step on one thread.
//!
//! A step delivers what has arrived on the network, then lets each process run on its own paused clock up to the same
//! moment, one after the other. What a process sends in a step arrives in a later one.

use super::{
    assistant,
    chance::Chance,
    clients::{self, Client, Seeing},
    disk::{Disk, ROOMY_BYTES},
    fault::{Fault, Lost},
    invariants::{self, Invariant, Seen, Sight},
    machine::{App, Machine, Process, address},
    message::{Answer, Ask, Message, Post},
    network::{Answers, MachineId, Network},
    plan::Plan,
    report::{Broken, Report},
};
use drills::history::{History, LogView};
use futures::FutureExt;
use raft::{admin, store::Survivors};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
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
/// Turns of a page at the end.
const PAGE: u32 = 200;

/// Something that is to happen.
enum Due {
    Strike(Fault),
    Start(MachineId),
    /// A process that has stopped, or should have by now, is taken away.
    Gone(MachineId),
    Wake(MachineId),
    Unblock(Vec<(MachineId, MachineId)>),
    Relink(MachineId),
    Unstall(MachineId),
    Room(MachineId),
    /// A machine whose disk has failed is restarted.
    Restart(MachineId),
    Undrain(MachineId),
}

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
        let engine = assistant::engine();
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
        let history =
            History { attempts: self.seeing.attempts.lock().clone(), reads: self.seeing.reads.lock().clone(), views };
        self.report.views = history.views.clone();
        for invariant in &mut self.invariants {
            if let Err(what) = invariant.end(&history) {
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

    fn ends(&mut self, due: Due) {
        match due {
            Due::Strike(fault) => self.strike(&fault),
            Due::Start(at) => {
                if !self.machines[at].is_running() {
                    self.say(&format!("machine {at} starts"));
                    self.machines[at].start(self.now_us);
                }
            }
            Due::Gone(at) => {
                if self.machines[at].stopping {
                    self.machines[at].kill(Answers::Resets, Survivors::All);
                }
            }
            Due::Restart(at) => {
                // Who has seen that its disk fails has ended by itself.
                if self.machines[at].ailing {
                    self.restart(at);
                }
            }
            Due::Wake(at) => self.machines[at].paused = false,
            Due::Unblock(pairs) => pairs.into_iter().for_each(|(from, to)| self.unblock(from, to)),
            Due::Relink(at) => self.relink(at, |_| {}),
            Due::Unstall(at) => self.machines[at].disk.stall(Duration::ZERO),
            Due::Room(at) => self.machines[at].disk.free_bytes.store(ROOMY_BYTES, Relaxed),
            Due::Undrain(at) => self.admin(move |node| admin::Ask::Drain { node, undo: true }, at),
        }
    }

    fn restart(&mut self, at: MachineId) {
        if self.machines[at].is_running() && !matches!(self.machines[at].process(), Process::Starting) {
            self.machines[at].kill(Answers::Resets, Survivors::All);
            self.ends(Due::Start(at));
        }
    }

    /// What a fault does.
    fn strike(&mut self, fault: &Fault) {
        self.say(&format!("fault: {fault:?}"));
        self.report.struck(fault);
        let us = |ms: u64| ms * 1_000;
        let everyone: Vec<MachineId> = (0..=self.machines.len()).collect();
        match *fault {
            Fault::Kill { machine, for_ms } => self.down(machine, us(for_ms), Answers::Resets, Survivors::All),
            Fault::PowerOff { machine, for_ms, survivors } => {
                self.down(machine, us(for_ms), Answers::No, survivors.into());
            }
            Fault::ZoneDown { zone, for_ms, survivors } => {
                for machine in self.of_zone(zone) {
                    self.down(machine, us(for_ms), Answers::No, survivors.into());
                }
            }
            Fault::AllDown { for_ms, survivors } => {
                for machine in 0..self.machines.len() {
                    self.down(machine, us(for_ms), Answers::No, survivors.into());
                }
            }
            Fault::Stop { machine, for_ms } => {
                let Some(app) = self.machines[machine].app().filter(|_| !self.machines[machine].stopping) else {
                    return;
                };
                self.machines[machine].stopping = true;
                self.machines[machine].spawn(async move {
                    app.raft.resign().await;
                    app.sessions.stop();
                    app.raft.shutdown().await;
                });
                // It takes ten seconds at most.
                let gone = 10_500_000;
                self.later(gone, Due::Gone(machine));
                self.later(gone + us(for_ms), Due::Start(machine));
            }
            Fault::Pause { machine, for_ms } => {
                self.machines[machine].paused = self.machines[machine].is_running();
                self.later(us(for_ms), Due::Wake(machine));
            }
            Fault::Cut { from, to, for_ms } => self.block(vec![(from, to)], us(for_ms)),
            Fault::Isolate { machine, for_ms } => {
                let others = everyone.into_iter().filter(|other| *other != machine);
                self.block(others.flat_map(|other| [(machine, other), (other, machine)]).collect(), us(for_ms));
            }
            Fault::Mute { machine, for_ms } => {
                let others = everyone.into_iter().filter(|other| *other != machine);
                self.block(others.map(|other| (machine, other)).collect(), us(for_ms));
            }
            Fault::ZoneCut { zone, for_ms } => {
                let inside = self.of_zone(zone);
                let outside: Vec<_> = (0..self.machines.len()).filter(|m| !inside.contains(m)).collect();
                let pairs = inside.iter().flat_map(|i| outside.iter().flat_map(|o| [(*i, *o), (*o, *i)]));
                self.block(pairs.collect(), us(for_ms));
            }
            Fault::Lossy { machine, loss, for_ms } => {
                self.relink(machine, |link| link.loss = loss);
                self.later(us(for_ms), Due::Relink(machine));
            }
            Fault::Slow { machine, by_us, for_ms } => {
                self.relink(machine, |link| link.latency_us += by_us);
                self.later(us(for_ms), Due::Relink(machine));
            }
            Fault::Stall { machine, by_ms, for_ms } => {
                self.machines[machine].disk.stall(Duration::from_millis(by_ms));
                self.later(us(for_ms), Due::Unstall(machine));
            }
            Fault::FullDisk { machine, for_ms } => {
                self.machines[machine].disk.free_bytes.store(0, Relaxed);
                self.later(us(for_ms), Due::Room(machine));
            }
            Fault::FailWrite { machine, for_ms } if self.machines[machine].is_running() => {
                let store = self.machines[machine].disk.contents();
                store.fail_at(store.steps());
                self.machines[machine].ailing = true;
                self.later(us(for_ms), Due::Restart(machine));
            }
            Fault::FailWrite { .. } => {}
            Fault::FlipBit { machine, for_ms } => self.flip_bit(machine, us(for_ms)),
            Fault::ClockStep { machine, by_ms } => self.machines[machine].skew_ms += by_ms,
            Fault::Move { shard } => self.move_shard(shard),
            Fault::Drain { machine, for_ms } => {
                self.admin(|node| admin::Ask::Drain { node, undo: false }, machine);
                self.later(us(for_ms), Due::Undrain(machine));
            }
            Fault::Balance => self.admin(|_| admin::Ask::Balance, 0),
            Fault::Purge { machine, shard } => {
                let Some(app) = self.machines[machine].app() else { return };
                self.machines[machine].spawn(async move {
                    // A node that stops says no.
                    drop(app.raft.trigger_snapshot(dialogue::ShardId(shard)).await);
                });
            }
        }
    }

    fn of_zone(&self, zone: usize) -> Vec<MachineId> {
        (0..self.machines.len()).filter(|m| self.plan.zones[*m] == zone).collect()
    }

    fn down(&mut self, machine: MachineId, for_us: u64, answers: Answers, survivors: Survivors) {
        if self.machines[machine].is_running() {
            self.machines[machine].kill(answers, survivors);
            self.later(for_us, Due::Start(machine));
        }
    }

    /// At most one machine loses its data for good: with a second one a group would lose its majority.
    fn flip_bit(&mut self, machine: MachineId, for_us: u64) {
        if self.report.flips > 0 || !self.machines[machine].is_running() {
            return;
        }
        self.machines[machine].kill(Answers::No, Survivors::All);
        let contents = self.machines[machine].disk.contents().contents();
        let keys: Vec<&Vec<u8>> = contents.keys().collect();
        if !keys.is_empty() {
            let key = *self.chance.pick(&keys);
            self.report.flips += 1;
            self.machines[machine].damaged = self.machines[machine].disk.contents().flip_bit(key);
            self.say(&format!("a bit of {} on machine {machine} is another", raft::store::keys::name(key)));
        }
        self.later(for_us, Due::Start(machine));
    }

    fn block(&mut self, pairs: Vec<(MachineId, MachineId)>, for_us: u64) {
        for pair in &pairs {
            let blocks = self.blocks.entry(*pair).or_default();
            *blocks += 1;
            if *blocks == 1 {
                self.network.block(pair.0, pair.1, true);
            }
        }
        self.later(for_us, Due::Unblock(pairs));
    }

    fn unblock(&mut self, from: MachineId, to: MachineId) {
        let Some(blocks) = self.blocks.get_mut(&(from, to)) else { return };
        *blocks -= 1;
        if *blocks == 0 {
            self.blocks.remove(&(from, to));
            self.network.block(from, to, false);
        }
    }

    /// The links of a machine, as they are and with a change.
    fn relink(&mut self, machine: MachineId, change: impl Fn(&mut super::network::Link)) {
        for other in (0..=self.machines.len()).filter(|other| *other != machine) {
            let same_zone = self.plan.zones.get(other) == Some(&self.plan.zones[machine]);
            let mut link = if same_zone { self.plan.near } else { self.plan.far };
            change(&mut link);
            self.network.set_link(machine, other, link);
            self.network.set_link(other, machine, link);
        }
    }

    /// The node that a machine is now.
    fn node(&self, machine: MachineId) -> u64 {
        self.machines[machine].app().map_or(self.machines[machine].config.node, |app| app.raft.id().0)
    }

    /// Asks for a change of the cluster, as `tertulia cluster` does. That it is refused is no fault.
    fn admin(&mut self, ask: impl FnOnce(u64) -> admin::Ask, machine: MachineId) {
        let ask = ask(self.node(machine));
        let wire = self.network.wire(self.machines.len());
        let Ok(client) = admin::Client::simulated(&self.machines[0].config, wire) else { return };
        self.clients.spawn(async move { drop(client.ask(&ask).await) });
    }

    fn move_shard(&mut self, shard: u32) {
        let known = self.machines.iter().find_map(|m| m.app().and_then(|app| m.ask(app.raft.control())?.ok()));
        let Some(control) = known else { return };
        let Some(placed) = control.placement.iter().find(|p| p.shard == shard) else { return };
        let from = *self.chance.pick(&placed.voters);
        let of_zone = control.node(from).map(|n| n.zone.clone());
        // Now and then to another zone: that must be refused.
        let anywhere = self.chance.hits(0.3);
        let others: Vec<u64> = control
            .present()
            .filter(|n| (anywhere || Some(&n.zone) == of_zone.as_ref()) && n.node != from)
            .map(|n| n.node)
            .collect();
        if !others.is_empty() {
            let to = *self.chance.pick(&others);
            self.admin(move |_| admin::Ask::Move { shard, from, to }, 0);
        }
    }
}

impl From<Lost> for Survivors {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Unsynced => Survivors::Synced,
            Lost::Torn => Survivors::AllButLast,
            Lost::Some => Survivors::Seeded,
        }
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

/// How long one answer is waited for: the network may have lost it.
fn one_answer(patience: Duration) -> Duration {
    (patience / 20).max(Duration::from_secs(1))
}

/// Says something in a session until it is acknowledged.
async fn last_turn(
    post: &Post,
    first: MachineId,
    number: usize,
    key: String,
    patience: Duration,
) -> (Vec<drills::history::Attempt>, bool) {
    let (begun, session, text) = (Instant::now(), clients::session(number), "recall");
    let mut attempts = Vec::new();
    let mut acknowledged = false;
    while !acknowledged && begun.elapsed() < patience {
        let left = (patience - begun.elapsed()).min(one_answer(patience));
        let ask = Ask::Say { session: session.clone(), key: key.clone(), text: text.into(), patience: left };
        let start_ns = post.now_ns();
        let outcome = clients::outcome(post.ask(first, ask, left).await, false);
        acknowledged = matches!(outcome, drills::history::Outcome::Acknowledged(_));
        attempts.push(drills::history::Attempt {
            client: u32::MAX,
            session: session.clone(),
            key: key.clone(),
            text: text.into(),
            target: first,
            start_ns,
            end_ns: post.now_ns(),
            outcome,
        });
    }
    (attempts, acknowledged)
}

/// Everything that a node says it holds, by linearizable reads.
async fn view(post: &Post, to: MachineId, sessions: usize, patience: Duration) -> Option<LogView> {
    let begun = Instant::now();
    let mut view = LogView { node: format!("machine {to}"), sessions: BTreeMap::new() };
    for number in 0..sessions {
        let session = clients::session(number);
        let mut turns: Vec<drills::history::LoggedTurn> = Vec::new();
        loop {
            let after_seq = turns.last().map_or(0, |t| t.seq);
            let ask = Ask::Read { session: session.clone(), after_seq, limit: PAGE, local: false };
            match post.ask(to, ask, one_answer(patience)).await {
                Some(Answer::Read(Ok(page))) => {
                    turns.extend(page.turns.iter().map(clients::logged));
                    if page.turns.len() < PAGE as usize {
                        break;
                    }
                }
                _ if begun.elapsed() > patience => return None,
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        view.sessions.insert(session, turns);
    }
    Some(view)
}
