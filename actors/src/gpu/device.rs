//! The device's side: one batch at a time, on a thread of its own or in the time of a simulation.

use super::{
    InferError,
    actor::{GpuMessage, Request},
    gate::Gate,
    queue::Entry,
};
use dialogue::ports::ScoreError;
use ractor::{ActorProcessingErr, ActorRef};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::Duration;
use tokio::time::Instant;

/// Requests of one class and one model; never empty.
pub(super) struct Batch(pub Vec<Entry<Request>>);

/// What runs one batch at a time, and says when it is free.
pub(super) enum Device {
    Thread(mpsc::SyncSender<Batch>),
    Task { gate: Gate, batch: Duration, actor: ActorRef<GpuMessage> },
}

impl Device {
    pub(super) fn thread(gate: Gate, actor: ActorRef<GpuMessage>) -> std::io::Result<Self> {
        // One batch at most lies in the channel: the actor sends only when the device is free.
        let (device, batches) = mpsc::sync_channel::<Batch>(1);
        std::thread::Builder::new().name("tertulia-device".into()).spawn(move || {
            while let Ok(batch) = batches.recv() {
                let begun = batch.begin(&gate);
                batch.run(&gate, begun);
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
            Self::Task { gate, batch: takes, actor } => {
                let (gate, takes, actor) = (gate.clone(), *takes, actor.clone());
                tokio::spawn(async move {
                    let begun = batch.begin(&gate);
                    tokio::time::sleep(takes).await;
                    batch.run(&gate, begun);
                    drop(actor.send_message(GpuMessage::DeviceFree));
                });
                Ok(())
            }
        }
    }
}

impl Batch {
    fn tokens(&self) -> usize {
        self.0.iter().map(|entry| entry.tokens).sum()
    }

    fn begin(&self, gate: &Gate) -> Instant {
        let (now, first) = (Instant::now(), &self.0[0]);
        gate.batch_begins(first.class, &first.item.model, self.tokens(), now);
        for entry in &self.0 {
            let waited = now.saturating_duration_since(entry.arrived);
            metrics::histogram!("tertulia_encoder_queue_seconds", "class" => entry.class.name())
                .record(waited.as_secs_f64());
        }
        now
    }

    fn run(self, gate: &Gate, begun: Instant) {
        let tokens = self.tokens();
        let model = self.0[0].item.model.clone();
        let (utterances, waiting): (Vec<_>, Vec<_>) =
            self.0.into_iter().map(|e| (e.item.utterance, (e.item.reply, e.item.place))).unzip();
        let loaded = model.scorer.is_loaded();
        // A panic in a model must cost its batch only: the thread and its device live on.
        let scored = catch_unwind(AssertUnwindSafe(|| model.scorer.score(&utterances)))
            .unwrap_or_else(|_| Err(ScoreError::Device("the model panicked; see the log".into())));
        let scored = scored.and_then(|results| match results.len() {
            n if n == utterances.len() => Ok(results),
            n => Err(ScoreError::Device(format!("the model answered {n} of {} texts", utterances.len()))),
        });
        let took = begun.elapsed();
        gate.batch_ends();
        metrics::histogram!("tertulia_encoder_batch_seconds").record(took.as_secs_f64());
        metrics::histogram!("tertulia_encoder_batch_requests").record(utterances.len() as f64);
        metrics::histogram!("tertulia_encoder_batch_tokens").record(tokens as f64);
        metrics::counter!("tertulia_encoder_tokens_total").increment(tokens as u64);
        match scored {
            Ok(results) => {
                // How long it takes to bring a model to the device says nothing about the next batch.
                if loaded {
                    model.observe(tokens, took);
                }
                for ((reply, _place), result) in waiting.into_iter().zip(results) {
                    let _ = reply.send(Ok(result));
                }
            }
            Err(error) => {
                tracing::error!(%error, requests = utterances.len(), "a batch failed");
                for (reply, _place) in waiting {
                    let _ = reply.send(Err(InferError::from(error.clone())));
                }
            }
        }
    }
}
