//! `Residents`: the models that are on an open device. Who comes when there is no room, and who has to go.

use crate::{
    budget::{MemoryBudget, OverBudget},
    cpu::CpuEncoder,
    gpu::{Gpu, GpuError, GpuModel, Kernels, Precision, Tuning, TuningKey, host::lock},
    packed::PackedBatch,
    readout::{Readout, Scores},
};
use cluster_config::Precision as Wanted;
use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// How much less time narrower weights must take to be chosen: they are a little less exact.
const FASTER: f64 = 0.9;

/// A model that may be on the device: its weights in the memory of the host, from which it is brought there.
#[derive(Debug)]
pub struct Seat {
    name: String,
    source: Arc<CpuEncoder>,
    budget: MemoryBudget,
    floor_bytes: u64,
    loaded: AtomicBool,
}

impl Seat {
    /// A seat for a model, of whose budget so many bytes are its own; nobody sits there yet.
    pub fn new(name: &str, source: Arc<CpuEncoder>, budget: MemoryBudget, floor_bytes: u64) -> Self {
        Self { name: name.to_owned(), source, budget, floor_bytes, loaded: AtomicBool::new(false) }
    }

    /// Is the model on the device?
    pub fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::Acquire)
    }

    /// It has left the device.
    pub fn leave(&self) {
        self.loaded.store(false, Ordering::Release);
    }
}

/// How kernels and precision are chosen.
#[derive(Debug, Clone)]
pub struct Choice {
    /// As the options have it.
    pub precision: Wanted,
    /// The folder where measurements are kept.
    pub tunings: Option<PathBuf>,
}

/// What has happened, whichever device it was on.
#[derive(Debug, Default)]
pub struct Tally {
    /// Passes that were run.
    pub passes: AtomicU64,
    /// Models that were brought.
    pub loads: AtomicU64,
    /// Models that had to go for another.
    pub evictions: AtomicU64,
    /// The precision that was chosen for the model that was brought last.
    pub precision: Mutex<Precision>,
}

/// An open device with the models on it. Whoever has it runs one pass at a time.
#[derive(Debug)]
pub struct Residents {
    gpu: Gpu,
    choice: Choice,
    tally: Arc<Tally>,
    /// Compiled once for all models of a shape, also for one that comes back.
    kernels: Vec<Arc<Kernels>>,
    /// The most recently used one last.
    models: Vec<(Arc<Seat>, GpuModel)>,
}

impl Residents {
    /// An open device with nobody on it.
    pub fn new(gpu: Gpu, choice: Choice, tally: Arc<Tally>) -> Self {
        Self { gpu, choice, tally, kernels: Vec::new(), models: Vec::new() }
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Who is there.
    pub fn seats(&self) -> impl Iterator<Item = &Arc<Seat>> {
        self.models.iter().map(|(seat, _)| seat)
    }

    /// One pass of a model, for which others make room: what the heads of `readout` say, or the states and embeddings themselves.
    pub fn run(
        &mut self,
        seat: &Arc<Seat>,
        batch: &PackedBatch,
        readout: Option<&Arc<Readout>>,
    ) -> Result<Scores, GpuError> {
        self.bring(seat)?;
        loop {
            let (_, model) = self.models.last_mut().expect("who was brought is the last");
            match model.run(&self.gpu, &seat.budget, batch, readout) {
                Ok((rows, busy)) => {
                    self.tally.passes.fetch_add(1, Ordering::Relaxed);
                    metrics::histogram!("tertulia_encoder_device_seconds").record(busy.as_secs_f64());
                    return Ok(rows);
                }
                Err(GpuError::OverBudget(refusal)) => self.free_some(seat, refusal)?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Sees to it that a model is there, and the last of the list.
    pub fn bring(&mut self, seat: &Arc<Seat>) -> Result<(), GpuError> {
        if let Some(at) = self.models.iter().position(|(s, _)| Arc::ptr_eq(s, seat)) {
            self.models[at..].rotate_left(1);
            return Ok(());
        }
        self.forget_orphans();
        let kernels = self.kernels_for(seat)?;
        let model = loop {
            match GpuModel::new(&self.gpu, &seat.budget, kernels.clone(), &*seat.source) {
                Ok(model) => break model,
                Err(GpuError::OverBudget(refusal)) => self.free_some(seat, refusal)?,
                Err(error) => return Err(error),
            }
        };
        self.tally.loads.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(model = seat.name, "brought to the device");
        self.models.push((seat.clone(), model));
        seat.loaded.store(true, Ordering::Release);
        Ok(())
    }

    /// Models that nobody has a handle of any more go first, without being counted as evicted.
    fn forget_orphans(&mut self) {
        self.models.retain(|(seat, _)| Arc::strong_count(seat) > 1);
        self.gpu.reclaim();
    }

    /// Takes memory from heads that wait for another release's sessions, for they come back faster than a model does; then from the
    /// model that was not used for the longest: first what it works in, then its weights, but never what its floor keeps for it. The
    /// refusal is the answer where nobody has any.
    fn free_some(&mut self, seat: &Arc<Seat>, refusal: OverBudget) -> Result<(), GpuError> {
        let own = self.models.iter_mut().find(|(s, _)| Arc::ptr_eq(s, seat));
        if own.is_some_and(|(_, model)| model.drop_idle_heads()) {
            self.gpu.reclaim();
            return Ok(());
        }
        let others = || (0..self.models.len()).filter(|i| !Arc::ptr_eq(&self.models[*i].0, seat));
        let above_floor = |i: &usize| self.models[*i].0.budget.own_bytes() > self.models[*i].0.floor_bytes;
        if let Some(at) = others().filter(above_floor).find(|i| self.models[*i].1.has_room()) {
            self.models[at].1.drop_room();
        } else if let Some(at) = others().find(above_floor) {
            let (evicted, model) = self.models.remove(at);
            evicted.leave();
            drop(model);
            self.tally.evictions.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(model = evicted.name, "evicted for {}", seat.name);
        } else {
            return Err(refusal.into());
        }
        self.gpu.reclaim();
        Ok(())
    }

    /// The compiled kernels for a model's shape.
    fn kernels_for(&mut self, seat: &Arc<Seat>) -> Result<Arc<Kernels>, GpuError> {
        let config = seat.source.config();
        if let Some(kernels) = self.kernels.iter().find(|kernels| kernels.suit(config)) {
            return Ok(kernels.clone());
        }
        let tuning = match self.choice.precision {
            Wanted::F32 => self.tuning(seat, Precision::F32)?,
            Wanted::F16 => self.tuning(seat, Precision::F16)?,
            Wanted::Int8 => self.tuning(seat, Precision::Int8)?,
            Wanted::Auto => {
                let (f32, f16) = (self.tuning(seat, Precision::F32)?, self.tuning(seat, Precision::F16)?);
                if f16.matmul_seconds < FASTER * f32.matmul_seconds { f16 } else { f32 }
            }
        };
        *lock(&self.tally.precision) = tuning.key.precision;
        let kernels = Arc::new(Kernels::new(&self.gpu, config, tuning.key.precision, tuning)?);
        self.kernels.push(kernels.clone());
        Ok(kernels)
    }

    /// The kernels that were measured to be the fastest for a model, in this run of the process or an earlier one.
    fn tuning(&mut self, seat: &Arc<Seat>, precision: Precision) -> Result<Tuning, GpuError> {
        let config = seat.source.config();
        let file = TuningKey::new(&self.gpu, config, precision).file_name();
        let path = self.choice.tunings.as_ref().map(|folder| folder.join(file));
        loop {
            match Tuning::load_or_measure(path.as_deref(), &self.gpu, config, precision) {
                Err(GpuError::OverBudget(refusal)) => self.free_some(seat, refusal)?,
                tuning => return tuning,
            }
        }
    }
}
