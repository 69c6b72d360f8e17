//! The GPU actor: a bounded queue in front of the one thread that owns the device.
//!
//! Batches form while the device is busy: a free device takes what is there at once, so that a lone request never waits
//! for company. The queue is bounded in requests and in tokens, both counted before a message is sent.

use crate::admission::{Admission, Permit};
use cluster_config::InferenceOptions;
use dialogue::ports::{ScoreError, Scorer};
use dialogue::{EncodedUtterance, Understanding};
use quick_cache::sync::Cache;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Most requests in one batch, whatever their length.
const BATCH_REQUESTS_MAX: usize = 256;

/// Why a text was not scored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InferError {
    /// The queue is full.
    #[error("too many {what} wait for the encoder: the limit is {limit}")]
    Full {
        /// Requests or tokens.
        what: &'static str,
        /// How many may wait.
        limit: usize,
    },
    /// It waited until its deadline.
    #[error("the encoder was busy until the deadline")]
    Expired,
    /// The model refused or failed.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// The device thread is gone.
    #[error("the encoder has stopped")]
    Stopped,
}

/// Where texts are handed in. Cheap to clone.
#[derive(Clone)]
pub struct GpuHandle {
    actor: ActorRef<GpuMessage>,
    scorer: Arc<dyn Scorer>,
    requests: Admission,
    tokens: Admission,
    cache: Option<Arc<Cache<String, Arc<Understanding>>>>,
}

struct Waiting {
    utterance: EncodedUtterance,
    deadline: Instant,
    reply: oneshot::Sender<Result<Understanding, InferError>>,
    /// Counted until the answer is out: what the device works on still takes its place.
    _places: (Permit, Permit),
}

enum GpuMessage {
    Score(Waiting),
    DeviceFree,
}

impl GpuHandle {
    /// Starts the actor and the device thread.
    pub async fn start(scorer: Arc<dyn Scorer>, options: &InferenceOptions) -> Result<Self, ractor::SpawnErr> {
        Self::start_on(DeviceTime::Real, scorer, options).await
    }

    /// Starts the actor without a thread: a batch takes `batch` of the runtime's clock, as in a simulation.
    pub async fn start_simulated(
        scorer: Arc<dyn Scorer>,
        options: &InferenceOptions,
        batch: Duration,
    ) -> Result<Self, ractor::SpawnErr> {
        Self::start_on(DeviceTime::Simulated(batch), scorer, options).await
    }

    async fn start_on(
        time: DeviceTime,
        scorer: Arc<dyn Scorer>,
        options: &InferenceOptions,
    ) -> Result<Self, ractor::SpawnErr> {
        let batch_tokens_max = options.batch_tokens_max.min(scorer.batch_tokens_max());
        let (actor, _join) = Actor::spawn(None, GpuActor, (time, scorer.clone(), batch_tokens_max)).await?;
        Ok(Self {
            actor,
            scorer,
            requests: Admission::new("requests", options.queue_requests_max),
            tokens: Admission::new("tokens", options.queue_tokens_max),
            cache: (options.cache_entries > 0).then(|| Arc::new(Cache::new(options.cache_entries))),
        })
    }

    /// Understands one text, from the cache or in the next batch.
    pub async fn understand(&self, text: &str, deadline: Instant) -> Result<Understanding, InferError> {
        if let Some(hit) = self.cache.as_ref().and_then(|c| c.get(text)) {
            metrics::counter!("tertulia_nlu_cache_hits_total").increment(1);
            return Ok(Understanding::clone(&hit));
        }
        metrics::counter!("tertulia_nlu_cache_misses_total").increment(1);
        let utterance = self.scorer.encode(text)?;
        let count = utterance.token_ids.len();
        let full = |r: crate::admission::Refused| InferError::Full { what: r.what, limit: r.limit };
        let places = (self.requests.try_admit().map_err(full)?, self.tokens.try_admit_many(count).map_err(full)?);
        let (reply, answer) = oneshot::channel();
        self.actor
            .send_message(GpuMessage::Score(Waiting { utterance, deadline, reply, _places: places }))
            .map_err(|_| InferError::Stopped)?;
        let understanding = answer.await.map_err(|_| InferError::Stopped)??;
        if let Some(cache) = &self.cache {
            cache.insert(text.to_owned(), Arc::new(understanding.clone()));
        }
        Ok(understanding)
    }

    /// The model and the device, for people.
    pub fn describe(&self) -> String {
        self.scorer.describe()
    }

    /// Ends the actor and, after the batch in work, the device thread.
    pub fn stop(&self) {
        self.actor.stop(None);
    }
}

/// The actor in front of the device thread.
struct GpuActor;

/// Where batches run.
#[derive(Clone, Copy)]
enum DeviceTime {
    /// On a thread of their own, for as long as they take.
    Real,
    /// In a task, for so long by the runtime's clock.
    Simulated(Duration),
}

struct GpuState {
    queue: VecDeque<Waiting>,
    device: Device,
    device_busy: bool,
    batch_tokens_max: usize,
}

impl Actor for GpuActor {
    type Msg = GpuMessage;
    type State = GpuState;
    type Arguments = (DeviceTime, Arc<dyn Scorer>, usize);

    async fn pre_start(
        &self,
        myself: ActorRef<GpuMessage>,
        (time, scorer, batch_tokens_max): Self::Arguments,
    ) -> Result<GpuState, ActorProcessingErr> {
        let device = match time {
            DeviceTime::Real => Device::thread(scorer, myself)?,
            DeviceTime::Simulated(batch) => Device::Task { scorer, batch, actor: myself },
        };
        Ok(GpuState { queue: VecDeque::new(), device, device_busy: false, batch_tokens_max })
    }

    async fn handle(
        &self,
        _myself: ActorRef<GpuMessage>,
        message: GpuMessage,
        state: &mut GpuState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            GpuMessage::Score(waiting) => state.queue.push_back(waiting),
            GpuMessage::DeviceFree => state.device_busy = false,
        }
        state.dispatch()?;
        metrics::gauge!("tertulia_encoder_queue_requests").set(state.queue.len() as f64);
        Ok(())
    }
}

/// What runs one batch at a time, and says when it is free.
enum Device {
    Thread(mpsc::SyncSender<Vec<Waiting>>),
    Task { scorer: Arc<dyn Scorer>, batch: Duration, actor: ActorRef<GpuMessage> },
}

impl Device {
    fn thread(scorer: Arc<dyn Scorer>, actor: ActorRef<GpuMessage>) -> std::io::Result<Self> {
        // One batch at most lies in the channel: the actor sends only when the device is free.
        let (device, batches) = mpsc::sync_channel(1);
        std::thread::Builder::new().name("tertulia-device".into()).spawn(move || {
            while let Ok(batch) = batches.recv() {
                run_batch(&*scorer, batch);
                if actor.send_message(GpuMessage::DeviceFree).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self::Thread(device))
    }

    fn run(&self, waiting: Vec<Waiting>) -> Result<(), ActorProcessingErr> {
        match self {
            Self::Thread(device) => device.send(waiting).map_err(|_| "the device thread is gone".into()),
            Self::Task { scorer, batch, actor } => {
                let (scorer, batch, actor) = (scorer.clone(), *batch, actor.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(batch).await;
                    run_batch(&*scorer, waiting);
                    drop(actor.send_message(GpuMessage::DeviceFree));
                });
                Ok(())
            }
        }
    }
}

impl GpuState {
    fn dispatch(&mut self) -> Result<(), ActorProcessingErr> {
        if self.device_busy {
            return Ok(());
        }
        let batch = self.take_batch();
        if batch.is_empty() {
            return Ok(());
        }
        self.device_busy = true;
        self.device.run(batch)
    }

    /// The oldest requests that fit, without those that nobody waits for any more.
    fn take_batch(&mut self) -> Vec<Waiting> {
        let now = Instant::now();
        let (mut batch, mut tokens) = (Vec::new(), 0);
        while let Some(next) = self.queue.pop_front() {
            if next.reply.is_closed() {
                continue;
            }
            if next.deadline <= now {
                let _ = next.reply.send(Err(InferError::Expired));
                continue;
            }
            let count = next.utterance.token_ids.len();
            let full = batch.len() >= BATCH_REQUESTS_MAX || tokens + count > self.batch_tokens_max;
            if full && !batch.is_empty() {
                self.queue.push_front(next);
                break;
            }
            tokens += count;
            batch.push(next);
        }
        batch
    }
}

fn run_batch(scorer: &dyn Scorer, batch: Vec<Waiting>) {
    let started = std::time::Instant::now();
    let (utterances, waiting): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|w| (w.utterance, (w.reply, w._places))).unzip();
    // A panic in a model must cost its batch only: the thread and its device live on.
    let scored = catch_unwind(AssertUnwindSafe(|| scorer.score(&utterances)))
        .unwrap_or_else(|_| Err(ScoreError::Device("the model panicked; see the log".into())));
    record(&utterances, started.elapsed());
    match scored {
        Ok(results) => {
            assert_eq!(results.len(), utterances.len(), "a scorer answers every utterance");
            for ((reply, _places), result) in waiting.into_iter().zip(results) {
                let _ = reply.send(Ok(result));
            }
        }
        Err(error) => {
            tracing::error!(%error, requests = utterances.len(), "a batch failed");
            for (reply, _places) in waiting {
                let _ = reply.send(Err(error.clone().into()));
            }
        }
    }
}

fn record(utterances: &[EncodedUtterance], took: Duration) {
    let tokens: usize = utterances.iter().map(|u| u.token_ids.len()).sum();
    metrics::histogram!("tertulia_encoder_batch_seconds").record(took.as_secs_f64());
    metrics::histogram!("tertulia_encoder_batch_requests").record(utterances.len() as f64);
    metrics::counter!("tertulia_encoder_tokens_total").increment(tokens as u64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;

    /// A scorer whose device is held until the test lets it go.
    struct Held {
        gate: Mutex<mpsc::Receiver<()>>,
        batches: Mutex<Vec<usize>>,
    }

    impl Scorer for Held {
        fn encode(&self, text: &str) -> Result<EncodedUtterance, ScoreError> {
            let n = text.split_whitespace().count();
            Ok(EncodedUtterance { text: text.into(), token_ids: vec![1; n], offsets: vec![(0, 0); n] })
        }
        fn score(&self, batch: &[EncodedUtterance]) -> Result<Vec<Understanding>, ScoreError> {
            self.gate.lock().recv().map_err(|_| ScoreError::Device("closed".into()))?;
            self.batches.lock().push(batch.len());
            assert!(!batch.iter().any(|u| u.text.contains("poison")), "a poisoned text");
            Ok(batch.iter().map(|u| Understanding { text: u.text.clone(), ..Default::default() }).collect())
        }
        fn batch_tokens_max(&self) -> usize {
            8
        }
        fn describe(&self) -> String {
            "held".into()
        }
    }

    async fn held(options: InferenceOptions) -> (GpuHandle, mpsc::Sender<()>, Arc<Held>) {
        let (open, gate) = mpsc::channel();
        let scorer = Arc::new(Held { gate: Mutex::new(gate), batches: Mutex::default() });
        (GpuHandle::start(scorer.clone(), &options).await.unwrap(), open, scorer)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    async fn until(mut done: impl FnMut() -> bool) {
        for _ in 0..10_000 {
            if done() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("never happened");
    }

    #[tokio::test]
    async fn batches_form_while_the_device_is_busy_and_keep_to_the_token_budget() {
        let (gpu, open, scorer) = held(InferenceOptions { cache_entries: 0, ..Default::default() }).await;
        let ask = |text: String| {
            let gpu = gpu.clone();
            tokio::spawn(async move { gpu.understand(&text, soon()).await })
        };
        // The first goes alone: the device was free. Six of three tokens then wait: two fit into eight tokens.
        let first = ask("alone".into());
        until(|| gpu.requests.in_use() == 1).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        let rest: Vec<_> = (0..6).map(|i| ask(format!("{i} b c"))).collect();
        until(|| gpu.requests.in_use() == 7).await;
        for _ in 0..4 {
            open.send(()).unwrap();
        }
        assert_eq!(first.await.unwrap().unwrap().text, "alone");
        for (i, answer) in rest.into_iter().enumerate() {
            assert_eq!(answer.await.unwrap().unwrap().text, format!("{i} b c"), "answers go to their askers");
        }
        assert_eq!(*scorer.batches.lock(), [1, 2, 2, 2]);
        until(|| gpu.tokens.is_idle() && gpu.requests.is_idle()).await;
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_an_expired_request_costs_nothing() {
        let options = InferenceOptions { queue_tokens_max: 6, cache_entries: 0, ..Default::default() };
        let (gpu, open, scorer) = held(options).await;
        let busy = tokio::spawn({
            let gpu = gpu.clone();
            async move { gpu.understand("a b c", soon()).await }
        });
        until(|| gpu.requests.in_use() == 1).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        let late = tokio::spawn({
            let gpu = gpu.clone();
            async move { gpu.understand("d e f", Instant::now() + Duration::from_millis(5)).await }
        });
        until(|| gpu.requests.in_use() == 2).await;
        assert_eq!(gpu.understand("g", soon()).await, Err(InferError::Full { what: "tokens", limit: 6 }));
        tokio::time::sleep(Duration::from_millis(20)).await;
        open.send(()).unwrap();
        assert!(busy.await.unwrap().is_ok());
        assert_eq!(late.await.unwrap(), Err(InferError::Expired));
        assert_eq!(*scorer.batches.lock(), [1]);
    }

    #[tokio::test]
    async fn a_panic_costs_its_batch_only_and_the_cache_answers_what_is_known() {
        let (gpu, open, scorer) = held(InferenceOptions::default()).await;
        open.send(()).unwrap();
        let error = gpu.understand("poison", soon()).await.unwrap_err();
        assert!(error.to_string().contains("panicked"), "{error}");
        open.send(()).unwrap();
        assert!(gpu.understand("hello", soon()).await.is_ok());
        // The gate is shut now: only the cache can answer.
        assert!(gpu.understand("hello", soon()).await.is_ok());
        assert_eq!(scorer.batches.lock().len(), 2);
    }
}
