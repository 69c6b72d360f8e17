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
    Simulated {
        /// A batch, however many texts it has.
        batch: Duration,
        /// Before it, where its model must be brought.
        load: Duration,
    },
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
            DeviceTime::Simulated { batch, load } => Device::Task { gate: gate.clone(), batch, load, actor: myself },
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

    /// Takes out whom nobody waits for any more, and who would not be done in time even if it were the next.
    fn drop_useless(&mut self) {
        let now = Instant::now();
        let useless = self.queue.sweep(|entry| {
            let alone = entry.item.model.alone(entry.tokens, now, entry.deadline);
            entry.item.reply.is_closed() || entry.deadline < now + alone
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
        let (gate, now) = (&self.gate, Instant::now());
        self.queue.take_batch(
            now,
            |entry| entry.item.model.scorer.is_loaded(),
            |entry| gate.patience(entry.class, &entry.item.model, entry.tokens, now, entry.deadline),
            |entry| gate.batch_limits(entry.class, &entry.item.model),
        )
    }
}
