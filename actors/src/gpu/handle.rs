//! Where texts are handed in.

use super::{
    actor::{DeviceTime, GpuActor, GpuMessage, Request},
    cache::Understandings,
    gate::Gate,
    model::Model,
    queue::{Class, Entry},
};
use cluster_config::InferenceOptions;
use dialogue::Understanding;
use dialogue::ports::{ScoreError, Scorer};
use ractor::{Actor, ActorRef};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

/// Why a text was not scored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InferError {
    /// The queue is full.
    #[error("too many {what} wait for the encoder: the limit is {limit}; in about {} ms it will have done what waits", retry_after.as_millis())]
    Full {
        /// Requests or tokens.
        what: &'static str,
        /// How many of its class may wait.
        limit: usize,
        /// When what waits now should be done.
        retry_after: Duration,
    },
    /// It would have waited too long.
    #[error("the encoder is busy: an answer would take about {} ms, the limit is {} ms", estimate.as_millis(), limit.as_millis())]
    Busy {
        /// How long it would have taken.
        estimate: Duration,
        /// The time that was left, or the longest that anybody may wait.
        limit: Duration,
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

impl InferError {
    /// Its name in metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Full { .. } => "full",
            Self::Busy { .. } => "busy",
            Self::Expired => "expired",
            Self::Score(ScoreError::OverBudget { .. }) => "over_budget",
            Self::Score(_) => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// The device's queue. Cheap to clone.
#[derive(Clone)]
pub struct GpuHandle {
    actor: ActorRef<GpuMessage>,
    gate: Gate,
    cache: Option<Understandings>,
}

/// One model on the device. Cheap to clone.
#[derive(Clone)]
pub struct ModelHandle {
    gpu: GpuHandle,
    model: Arc<Model>,
}

impl GpuHandle {
    /// Starts the actor and the device thread.
    pub async fn start(options: &InferenceOptions) -> Result<Self, ractor::SpawnErr> {
        Self::start_on(DeviceTime::Real, options).await
    }

    /// Starts the actor without a thread: a batch takes `batch` of the runtime's clock, as in a simulation.
    pub async fn start_simulated(options: &InferenceOptions, batch: Duration) -> Result<Self, ractor::SpawnErr> {
        Self::start_on(DeviceTime::Simulated { batch, load: Duration::ZERO }, options).await
    }

    pub(super) async fn start_on(time: DeviceTime, options: &InferenceOptions) -> Result<Self, ractor::SpawnErr> {
        let gate = Gate::new(options);
        let (actor, _join) = Actor::spawn(None, GpuActor, (time, gate.clone())).await?;
        Ok(Self { actor, gate, cache: Understandings::new(options.cache_bytes_max) })
    }

    /// One more model on the device.
    pub fn model(&self, scorer: Arc<dyn Scorer>) -> ModelHandle {
        ModelHandle { gpu: self.clone(), model: Arc::new(Model::new(scorer)) }
    }

    /// Requests and tokens that wait or are in work.
    pub fn waiting(&self) -> (usize, usize) {
        self.gate.counted()
    }

    /// What the cache of understandings takes, in bytes.
    pub fn cache_bytes(&self) -> u64 {
        self.cache.as_ref().map_or(0, Understandings::bytes)
    }

    /// Ends the actor and, after the batch in work, the device thread.
    pub fn stop(&self) {
        self.actor.stop(None);
    }
}

impl ModelHandle {
    /// Understands one text that somebody waits for, from the cache or in the next batch.
    pub async fn understand(&self, text: &str, deadline: Instant) -> Result<Understanding, InferError> {
        self.understand_as(Class::Interactive, text, deadline).await
    }

    /// Understands one text as a request of a class. It does not wait beyond the deadline; if it is dropped, it costs nothing more.
    pub async fn understand_as(
        &self,
        class: Class,
        text: &str,
        deadline: Instant,
    ) -> Result<Understanding, InferError> {
        let cache = self.gpu.cache.as_ref();
        if let Some(hit) = cache.and_then(|cache| cache.get(self.model.id, text)) {
            metrics::counter!("tertulia_nlu_cache_hits_total").increment(1);
            return Ok(hit);
        }
        metrics::counter!("tertulia_nlu_cache_misses_total").increment(1);
        let result = self.ask(class, text, deadline).await;
        match &result {
            Ok(understanding) => {
                if let Some(cache) = cache {
                    cache.keep(self.model.id, text, understanding);
                }
            }
            Err(error) => metrics::counter!(
                "tertulia_encoder_refusals_total", "class" => class.name(), "reason" => error.reason()
            )
            .increment(1),
        }
        result
    }

    async fn ask(&self, class: Class, text: &str, deadline: Instant) -> Result<Understanding, InferError> {
        let utterance = self.model.scorer.encode(text)?;
        let tokens = utterance.token_ids.len();
        let arrived = Instant::now();
        let place = self.gpu.gate.admit(class, &self.model, tokens, arrived, deadline)?;
        let (reply, answer) = oneshot::channel();
        let item = Request { model: self.model.clone(), utterance, reply, place };
        let entry = Entry { class, model: self.model.id, tokens, arrived, deadline, item };
        self.gpu.actor.send_message(GpuMessage::Score(entry)).map_err(|_| InferError::Stopped)?;
        // A device that hangs holds up nobody beyond their deadline.
        let answer = timeout_at(deadline, answer).await.map_err(|_| InferError::Expired)?;
        answer.map_err(|_| InferError::Stopped)?
    }

    /// The model and the device, for people.
    pub fn describe(&self) -> String {
        self.model.scorer.describe()
    }

    /// The device that it shares.
    pub fn gpu(&self) -> &GpuHandle {
        &self.gpu
    }
}
