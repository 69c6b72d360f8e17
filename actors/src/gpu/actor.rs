//! The actor between the queue and the device thread.

use super::{
    InferError,
    device::{Batch, Device},
    gate::{Gate, Place},
    model::Model,
    queue::{Class, Entry, Queue},
};
use dialogue::{EncodedUtterance, Understanding};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// One text, and who waits for it.
pub(super) struct Request {
    pub model: Arc<Model>,
    pub utterance: EncodedUtterance,
    pub reply: oneshot::Sender<Result<Understanding, InferError>>,
    /// Counted until the answer is out: what the device works on still takes its place.
    pub place: Place,
}

pub(super) enum GpuMessage {
    Score(Entry<Request>),
    DeviceFree,
}

/// Where batches run.
#[derive(Clone, Copy)]
pub(super) enum DeviceTime {
    /// On a thread of their own, for as long as they take.
    Real,
    /// In a task, for so long by the runtime's clock.
    Simulated(Duration),
}

/// The actor in front of the device thread.
pub(super) struct GpuActor;

pub(super) struct GpuState {
    queue: Queue<Request>,
    gate: Gate,
    device: Device,
    device_busy: bool,
}

impl Actor for GpuActor {
    type Msg = GpuMessage;
    type State = GpuState;
    type Arguments = (DeviceTime, Gate);

    async fn pre_start(
        &self,
        myself: ActorRef<GpuMessage>,
        (time, gate): Self::Arguments,
    ) -> Result<GpuState, ActorProcessingErr> {
        let device = match time {
            DeviceTime::Real => Device::thread(gate.clone(), myself)?,
            DeviceTime::Simulated(batch) => Device::Task { gate: gate.clone(), batch, actor: myself },
        };
        Ok(GpuState { queue: Queue::default(), gate, device, device_busy: false })
    }

    async fn handle(
        &self,
        _myself: ActorRef<GpuMessage>,
        message: GpuMessage,
        state: &mut GpuState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            GpuMessage::Score(entry) => state.queue.push(entry),
            GpuMessage::DeviceFree => state.device_busy = false,
        }
        state.dispatch()
    }
}

impl GpuState {
    fn dispatch(&mut self) -> Result<(), ActorProcessingErr> {
        if !self.device_busy {
            self.drop_useless();
            let batch = self.next_batch();
            if !batch.is_empty() {
                self.device_busy = true;
                self.device.run(Batch(batch))?;
            }
        }
        for class in Class::ALL {
            metrics::gauge!("tertulia_encoder_queue_requests", "class" => class.name())
                .set(self.queue.len(class) as f64);
        }
        Ok(())
    }

    /// Takes out whom nobody waits for any more, and who would not be done in time even alone.
    fn drop_useless(&mut self) {
        let now = Instant::now();
        let useless = self.queue.sweep(|entry| {
            let own = entry.item.model.pace().estimate(entry.tokens).unwrap_or_default();
            entry.item.reply.is_closed() || entry.deadline < now + own
        });
        for entry in useless {
            let why = if entry.item.reply.is_closed() { "abandoned" } else { "late" };
            metrics::counter!("tertulia_encoder_dropped_total", "class" => entry.class.name(), "reason" => why)
                .increment(1);
            // Who has gone does not hear it.
            let _ = entry.item.reply.send(Err(InferError::Expired));
        }
    }

    fn next_batch(&mut self) -> Vec<Entry<Request>> {
        let gate = &self.gate;
        self.queue.take_batch(
            Instant::now(),
            |entry| entry.item.model.scorer.is_loaded(),
            |entry| gate.batch_limits(entry.class, &entry.item.model),
        )
    }
}
