//! The device's side: one batch at a time, on a thread of its own or in the time of a simulation.

use super::{
    InferError,
    actor::{GpuMessage, Request},
    gate::{Gate, Place},
    model::Model,
    queue::Entry,
};
use dialogue::{EncodedUtterance, Understanding, ports::ScoreError};
use ractor::{ActorProcessingErr, ActorRef};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Requests of one class and one model; never empty.
pub(super) struct Batch(pub Vec<Entry<Request>>);

/// What runs one batch at a time, and says when it is free.
pub(super) enum Device {
    Thread(mpsc::SyncSender<Batch>),
    Task { gate: Gate, batch: Duration, load: Duration, actor: ActorRef<GpuMessage> },
}

impl Device {
    pub(super) fn thread(gate: Gate, actor: ActorRef<GpuMessage>) -> std::io::Result<Self> {
        // One batch at most lies in the channel: the actor sends only when the device is free.
        let (device, batches) = mpsc::sync_channel::<Batch>(1);
        std::thread::Builder::new().name("tertulia-device".into()).spawn(move || {
            while let Ok(batch) = batches.recv() {
                let work = batch.begin(&gate);
                let scored = work.score();
                work.end(&gate, scored);
                if actor.send_message(GpuMessage::DeviceFree).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self::Thread(device))
    }

    pub(super) fn run(&self, batch: Batch) -> Result<(), ActorProcessingErr> {
        match self {
            Self::Thread(device) => device.send(batch).map_err(|_| "the device thread is gone".into()),
            Self::Task { gate, batch: takes, load, actor } => {
                let (gate, takes, load, actor) = (gate.clone(), *takes, *load, actor.clone());
                tokio::spawn(async move {
                    let work = batch.begin(&gate);
                    let scored = work.score();
                    tokio::time::sleep(if work.loaded { takes } else { load + takes }).await;
                    work.end(&gate, scored);
                    drop(actor.send_message(GpuMessage::DeviceFree));
                });
                Ok(())
            }
        }
    }
}

/// A batch that the device works on.
struct Work {
    model: Arc<Model>,
    tokens: usize,
    utterances: Vec<EncodedUtterance>,
    waiting: Vec<(oneshot::Sender<Result<Understanding, InferError>>, Place)>,
    begun: Instant,
    /// Was the model there already?
    loaded: bool,
}

type Scored = Result<Vec<Understanding>, ScoreError>;

impl Batch {
    fn begin(self, gate: &Gate) -> Work {
        let (begun, tokens) = (Instant::now(), self.0.iter().map(|entry| entry.tokens).sum());
        let (class, model) = (self.0[0].class, self.0[0].item.model.clone());
        let loaded = model.scorer.is_loaded();
        gate.batch_begins(class, &model, tokens, begun);
        for entry in &self.0 {
            let waited = begun.saturating_duration_since(entry.arrived);
            metrics::histogram!("tertulia_encoder_queue_seconds", "class" => class.name()).record(waited.as_secs_f64());
        }
        let parts = |e: Entry<Request>| (e.item.utterance, (e.item.reply, e.item.place));
        let (utterances, waiting) = self.0.into_iter().map(parts).unzip();
        Work { model, tokens, utterances, waiting, begun, loaded }
    }
}

impl Work {
    fn score(&self) -> Scored {
        // A panic in a model must cost its batch only: the thread and its device live on.
        let scored = catch_unwind(AssertUnwindSafe(|| self.model.scorer.score(&self.utterances)))
            .unwrap_or_else(|_| Err(ScoreError::Device("the model panicked; see the log".into())));
        scored.and_then(|results| match results.len() {
            n if n == self.utterances.len() => Ok(results),
            n => Err(ScoreError::Device(format!("the model answered {n} of {} texts", self.utterances.len()))),
        })
    }

    fn end(self, gate: &Gate, scored: Scored) {
        let now = Instant::now();
        let took = now.saturating_duration_since(self.begun);
        gate.batch_ends();
        metrics::histogram!("tertulia_encoder_batch_seconds").record(took.as_secs_f64());
        metrics::histogram!("tertulia_encoder_batch_requests").record(self.waiting.len() as f64);
        metrics::histogram!("tertulia_encoder_batch_tokens").record(self.tokens as f64);
        metrics::counter!("tertulia_encoder_tokens_total").increment(self.tokens as u64);
        match scored {
            Ok(results) => {
                if self.loaded {
                    self.model.observe(self.tokens, took);
                } else if self.model.scorer.is_loaded() {
                    // Where it is not there now either, something else has answered: that was no load.
                    self.model.observe_load(self.tokens, took, now);
                }
                for ((reply, _place), result) in self.waiting.into_iter().zip(results) {
                    let _ = reply.send(Ok(result));
                }
            }
            Err(error) => {
                tracing::error!(%error, requests = self.waiting.len(), "a batch failed");
                for (reply, _place) in self.waiting {
                    let _ = reply.send(Err(InferError::from(error.clone())));
                }
            }
        }
    }
}
