//! A simulated machine: its disk, its clocks, and the process on it, which is a whole node but for sockets, files of the
//! database and the GPU.

use super::{
    assistant::{PlainWords, Reminds},
    disk::Disk,
    message::Message,
    network::{Answers, MachineId, Network},
    plan::Plan,
};
use actors::{Brain, GpuHandle, Router, Sessions, Timers};
use cluster_config::{InferenceOptions, Member, NodeConfig};
use dialogue::{
    TimestampMs, Zone,
    engine::Engine,
    ports::{Clock, Journal},
};
use parking_lot::Mutex;
use raft::{
    GroupId,
    codec::EntryRecord,
    simulation::{self, Surroundings},
    store::Survivors,
};
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};
use tertulia_node::peers::{PeerTurns, TurnService};
use tokio::{
    runtime::{Builder, Runtime},
    time::Instant,
};

/// When the simulation begins, by clocks that are right: 2026-01-01.
const EPOCH_MS: u64 = 1_767_225_600_000;
/// What one batch takes on the simulated device.
const BATCH: Duration = Duration::from_millis(2);

/// A running node, as its clients reach it.
pub(super) struct App {
    pub(super) raft: Arc<raft::Node>,
    pub(super) router: Router,
    pub(super) peers: Arc<PeerTurns>,
    pub(super) sessions: Sessions,
}

/// How far a process is.
#[derive(Clone, Default)]
pub(super) enum Process {
    /// There is none.
    #[default]
    Gone,
    /// It does not serve yet.
    Starting,
    /// It serves.
    Up(Arc<App>),
    /// It has ended by itself.
    Failed(String),
    /// It has a new id, and its data was moved aside.
    Rejoined,
}

/// A machine.
pub(super) struct Machine {
    pub(super) id: MachineId,
    pub(super) config: NodeConfig,
    pub(super) disk: Disk,
    network: Network<Message>,
    engine: Arc<Engine>,
    drift_ppm: i64,
    /// How far the wall clock is off, in milliseconds.
    pub(super) skew_ms: i64,
    runtime: Option<Run>,
    process: Arc<Mutex<Process>>,
    /// Was something on its disk changed behind its back?
    pub(super) damaged: bool,
    answers: Answers,
    /// Does the process stand still?
    pub(super) paused: bool,
    /// Is it stopping in good order?
    pub(super) stopping: bool,
    /// Will its disk fail, or has it?
    pub(super) ailing: bool,
    /// Committed entries that were seen of this process.
    committed: BTreeMap<GroupId, u64>,
    /// Counts its processes.
    pub(super) incarnation: u64,
}

/// The runtime of a process, and its clock against that of the simulation.
struct Run {
    runtime: Runtime,
    origin: Instant,
    begun_us: u64,
    /// Has it stood still since its last step?
    late: bool,
}

/// The wall clock of whichever machine runs.
struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> TimestampMs {
        TimestampMs(simulation::wall_clock().as_millis() as u64)
    }
}

/// `host:port` of a machine.
pub(super) fn address(machine: MachineId) -> String {
    format!("10.0.0.{}:7080", machine + 1)
}

/// The name of a zone.
pub(super) fn zone(zone: usize) -> String {
    ["a", "b", "c"][zone].into()
}

impl Machine {
    pub(super) fn new(
        id: MachineId,
        plan: &Plan,
        folder: &Path,
        disk: Disk,
        network: Network<Message>,
        engine: Arc<Engine>,
    ) -> Self {
        network.name(address(id), id);
        let config = config(id, plan, folder);
        let (drift_ppm, skew_ms) = (plan.drift_ppm[id], plan.skew_ms[id]);
        Self {
            id,
            config,
            disk,
            network,
            engine,
            drift_ppm,
            skew_ms,
            runtime: None,
            process: Arc::default(),
            damaged: false,
            answers: Answers::Resets,
            paused: false,
            stopping: false,
            ailing: false,
            committed: BTreeMap::new(),
            incarnation: 0,
        }
    }

    pub(super) fn process(&self) -> Process {
        self.process.lock().clone()
    }

    pub(super) fn app(&self) -> Option<Arc<App>> {
        match self.process() {
            Process::Up(app) => Some(app),
            _ => None,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.runtime.is_some()
    }

    /// What its wall clock shows at a moment of the simulation.
    pub(super) fn wall(&self, now_us: u64) -> Duration {
        let ms = (EPOCH_MS + now_us / 1_000).saturating_add_signed(self.skew_ms);
        Duration::from_millis(ms) + Duration::from_micros(now_us % 1_000)
    }

    pub(super) fn answers(&self) -> Answers {
        self.answers
    }

    /// Starts the process.
    pub(super) fn start(&mut self, now_us: u64) {
        let surroundings = Surroundings {
            store: self.disk.store(),
            wire: self.network.wire(self.id),
            free_bytes: self.disk.free_bytes.clone(),
        };
        let (config, engine) = (self.config.clone(), self.engine.clone());
        self.begin(now_us, async move {
            match serve(&config, surroundings, engine).await {
                Ok(app) => Process::Up(Arc::new(app)),
                Err(e) => Process::Failed(e),
            }
        });
    }

    /// Its data was moved aside.
    pub(super) fn begin_anew(&mut self) {
        self.damaged = false;
        self.disk.wipe(self.incarnation);
    }

    /// Asks for a new id and moves the data aside, as `tertulia node rejoin` does.
    pub(super) fn rejoin(&mut self, now_us: u64) {
        let (config, wire) = (self.config.clone(), self.network.wire(self.id));
        self.begin(now_us, async move {
            match raft::rejoin_simulated(&config, wire).await {
                Ok(_) => Process::Rejoined,
                Err(e) => Process::Failed(e.to_string()),
            }
        });
    }

    fn begin(&mut self, now_us: u64, what: impl Future<Output = Process> + Send + 'static) {
        if self.runtime.is_some() {
            return;
        }
        simulation::set_wall_clock(self.wall(now_us));
        let builder = Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = builder.expect("a runtime without I/O needs nothing of the system");
        let origin = runtime.block_on(async { Instant::now() });
        self.incarnation += 1;
        (self.paused, self.stopping, self.ailing) = (false, false, false);
        self.committed.clear();
        *self.process.lock() = Process::Starting;
        self.answers = Answers::Yes;
        self.network.set_answers(self.id, Answers::Yes);
        let process = self.process.clone();
        runtime.spawn(async move {
            let now = what.await;
            *process.lock() = now.clone();
            if let Process::Up(app) = now {
                // As `tertulia serve` does.
                let why = app.raft.over().await.to_owned();
                *process.lock() = Process::Failed(why);
            }
        });
        self.runtime = Some(Run { runtime, origin, begun_us: now_us, late: false });
    }

    /// Runs a task of the process.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(run) = &self.runtime {
            run.runtime.spawn(task);
        }
    }

    /// Runs the process up to a moment of the simulation.
    pub(super) fn step(&mut self, now_us: u64) {
        let (paused, drift, wall) = (self.paused, self.drift_ppm, self.wall(now_us));
        let Some(run) = &mut self.runtime else { return };
        if paused {
            run.late = true;
            return;
        }
        simulation::set_wall_clock(wall);
        let passed = now_us - run.begun_us;
        let passed = passed.saturating_add_signed(passed as i64 / 1_000 * drift / 1_000);
        let until = run.origin + Duration::from_micros(passed);
        let late = std::mem::take(&mut run.late);
        run.runtime.block_on(async {
            if late {
                // Who was stopped finds that time has passed, all at once.
                tokio::time::advance(until.saturating_duration_since(Instant::now())).await;
            }
            tokio::time::sleep_until(until).await;
        });
    }

    /// Asks the process something now. Only for what needs no other machine and no time.
    pub(super) fn ask<T>(&self, question: impl Future<Output = T>) -> Option<T> {
        self.runtime.as_ref().map(|run| run.runtime.block_on(question))
    }

    /// The process is gone from one moment to the next.
    pub(super) fn kill(&mut self, answers: Answers, survivors: Survivors) {
        self.answers = answers;
        self.network.kill(self.id, answers);
        self.disk.crash(survivors);
        *self.process.lock() = Process::Gone;
        if let Some(run) = self.runtime.take() {
            // Whatever its tasks do when they are dropped, nobody is there any more.
            let entered = run.runtime.handle().clone();
            let _context = entered.enter();
            run.runtime.shutdown_background();
        }
        (self.paused, self.stopping, self.ailing) = (false, false, false);
    }

    /// Committed entries that this process was not seen to have before.
    pub(super) fn committed(&mut self, app: &App) -> Vec<(GroupId, Vec<EntryRecord>)> {
        let mut found = Vec::new();
        for group in GroupId::all(self.config.shards) {
            let from = self.committed.get(&group).copied().unwrap_or(0);
            // A store that is closed says nothing.
            let entries = self.ask(app.raft.committed_entries(group, from)).and_then(Result::ok).unwrap_or_default();
            if let Some(last) = entries.last() {
                self.committed.insert(group, last.log_id.index + 1);
                found.push((group, entries));
            }
        }
        found
    }
}

async fn serve(config: &NodeConfig, surroundings: Surroundings, engine: Arc<Engine>) -> Result<App, String> {
    let turns = TurnService::default();
    let raft = raft::Node::start_simulated(config, turns.routes(), surroundings).await.map_err(|e| e.to_string())?;
    let gpu = GpuHandle::start_simulated(&config.inference, BATCH).await.map_err(|e| e.to_string())?;
    let nlu = gpu.model(Arc::new(PlainWords));
    let journal: Arc<dyn Journal> = raft.clone();
    let me = (raft.id(), Zone::new(&*config.zone).map_err(|e| e.to_string())?);
    let brain = Brain { engine, nlu, release: None };
    let sessions =
        Sessions::start(journal.clone(), Arc::new(Reminds), Arc::new(WallClock), brain, me, config.sessions.clone());
    let sessions = sessions.await.map_err(|e| e.to_string())?;
    let peers = Arc::new(PeerTurns::new(raft.clone()));
    let router = Router::new(journal, sessions.clone(), peers.clone(), config.limits.turns_in_flight_max);
    turns.open(router.clone(), raft.clone());
    let patience = Duration::from_millis(config.http.turn_deadline_ms);
    Timers::start(raft.clone(), sessions.clone(), Arc::new(WallClock), patience).await.map_err(|e| e.to_string())?;
    Ok(App { raft, router, peers, sessions })
}

fn config(id: MachineId, plan: &Plan, folder: &Path) -> NodeConfig {
    let member = |machine: usize| Member {
        node: machine as u64 + 1,
        zone: zone(plan.zones[machine]),
        peer: address(machine),
        http: format!("http://10.0.0.{}:8080", machine + 1),
    };
    let mut config = NodeConfig {
        cluster: "simulation".into(),
        node: id as u64 + 1,
        zone: zone(plan.zones[id]),
        data_dir: folder.join(format!("machine-{id}")),
        release: folder.into(),
        encoder: None,
        members: (0..plan.machines()).map(member).collect(),
        join: Vec::new(),
        shards: plan.shards,
        http: Default::default(),
        peer: Default::default(),
        raft: Default::default(),
        sessions: Default::default(),
        inference: InferenceOptions { cache_bytes_max: 16 << 10, ..Default::default() },
        limits: Default::default(),
        privacy: Default::default(),
        action_endpoint: None,
        actions: Default::default(),
    };
    let (raft, timing) = (&mut config.raft, &plan.timing);
    raft.heartbeat_ms = timing.heartbeat_ms;
    raft.election_timeout_ms_min = timing.election_ms_min;
    raft.election_timeout_ms_max = timing.election_ms_max;
    raft.idle_sleep_ms = timing.idle_sleep_ms;
    raft.commit_timeout_ms = plan.load.patience_ms;
    raft.snapshot_after_entries = plan.snapshot_after_entries;
    raft.log_entries_kept = plan.log_entries_kept;
    // Timers give up while a slow commit is still under way.
    config.http.turn_deadline_ms = plan.load.patience_ms / 4;
    config.sessions.active_max = plan.sessions_active_max;
    config
}
