//! `Gate`: who may join the queue. Places are counted before a message is sent, and the wait is estimated before it begins.

use super::{
    InferError,
    model::Model,
    queue::{BatchLimits, Class, Patience},
};
use cluster_config::InferenceOptions;
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// Most requests in one batch, whatever their length.
const BATCH_REQUESTS_MAX: usize = 256;
/// What a refused caller is told to wait at least.
const RETRY_AFTER_MIN: Duration = Duration::from_millis(10);
/// A guess for a device whose pace is not known yet.
const RETRY_AFTER_UNKNOWN: Duration = Duration::from_millis(250);
/// A guess for a model that was never brought to the device while anybody watched.
const LOAD_UNKNOWN: Duration = Duration::from_millis(200);

/// Counts what waits and knows how long it will take. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    requests_max: usize,
    tokens_max: usize,
    wait_max: Duration,
    batch_tokens_max: usize,
    batch_max: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    requests: [usize; 3],
    tokens: [usize; 3],
    in_work: Option<InWork>,
}

/// The batch that the device works on.
#[derive(Debug, Clone, Copy)]
struct InWork {
    class: Class,
    model: usize,
    tokens: usize,
    /// When it should be done; nothing as long as nobody knows.
    until: Option<Instant>,
}

/// A counted place in the queue; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    gate: Gate,
    class: Class,
    tokens: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.gate.0.state.lock();
        state.requests[self.class as usize] -= 1;
        state.tokens[self.class as usize] -= self.tokens;
    }
}

/// How much of the queue a class may take: what is less urgent never keeps out what is more.
fn part_of(class: Class, limit: usize) -> usize {
    match class {
        Class::Interactive => limit,
        Class::Bulk => (limit / 2).max(1),
        Class::Training => (limit / 4).max(1),
    }
}

impl Gate {
    pub(super) fn new(options: &InferenceOptions) -> Self {
        Self(Arc::new(Inner {
            requests_max: options.queue_requests_max,
            tokens_max: options.queue_tokens_max,
            wait_max: Duration::from_millis(options.wait_ms_max),
            batch_tokens_max: options.batch_tokens_max,
            batch_max: Duration::from_millis(options.batch_ms_max),
            state: Mutex::default(),
        }))
    }

    /// A place for a request, or why there is none; nothing is counted then.
    pub(super) fn admit(
        &self,
        class: Class,
        model: &Model,
        tokens: usize,
        now: Instant,
        deadline: Instant,
    ) -> Result<Place, InferError> {
        let mut state = self.0.state.lock();
        let wait = self.wait(&state, class, model, now);
        let retry_after = if model.pace().is_known() { wait } else { wait.max(RETRY_AFTER_UNKNOWN) };
        let retry_after = retry_after.max(RETRY_AFTER_MIN);
        let full = |what, limit| InferError::Full { what, limit, retry_after };
        // All classes share the queue, and each but the first has a smaller part of it.
        let sum = |counts: &[usize; 3]| counts.iter().sum::<usize>();
        let at = class as usize;
        for (what, counts, more, limit) in [
            ("requests", &state.requests, 1, self.0.requests_max),
            ("tokens", &state.tokens, tokens, self.0.tokens_max),
        ] {
            let part = part_of(class, limit);
            if sum(counts) + more > limit || counts[at] + more > part {
                return Err(full(what, part));
            }
        }
        let estimate = wait + self.alone(&state, model, tokens, now, deadline);
        let time_left = deadline.saturating_duration_since(now);
        if estimate > time_left {
            return Err(InferError::Busy { estimate, limit: time_left });
        }
        // The load of its own model is no wait for others: were it one, a model that takes longer would never be brought.
        if class == Class::Interactive && wait > self.0.wait_max {
            return Err(InferError::Busy { estimate: wait, limit: self.0.wait_max });
        }
        state.requests[at] += 1;
        state.tokens[at] += tokens;
        drop(state);
        Ok(Place { gate: self.clone(), class, tokens })
    }

    /// How long a request will take when it has waited.
    fn alone(&self, state: &State, model: &Model, tokens: usize, now: Instant, deadline: Instant) -> Duration {
        // A model that is being brought now will be there.
        let coming = state.in_work.is_some_and(|batch| batch.model == model.id);
        if coming {
            return model.pace().estimate(tokens).unwrap_or_default();
        }
        model.alone(tokens, now, deadline)
    }

    /// How long a request that comes now will wait: for the batch in work, and for what goes before it. What is not known counts for
    /// nothing.
    fn wait(&self, state: &State, class: Class, model: &Model, now: Instant) -> Duration {
        let mut before: usize = state.tokens[..=class as usize].iter().sum();
        let mut in_work = Duration::ZERO;
        if let Some(batch) = state.in_work {
            in_work = batch.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
            if batch.class <= class {
                before = before.saturating_sub(batch.tokens);
            }
        }
        let pace = model.pace();
        let batch_tokens = pace.tokens_within(self.0.batch_max).unwrap_or(1).clamp(1, self.0.batch_tokens_max);
        let queued = pace.estimate_in_batches(before, batch_tokens).unwrap_or_default();
        let less_urgent = state.tokens[class as usize + 1..].iter().any(|t| *t > 0);
        // What has earned a share goes in between.
        let shares = if less_urgent { 1.15 } else { 1.0 };
        in_work + queued.mul_f64(shares)
    }

    /// What a batch may hold: requests, and tokens by their count and by the time they should take.
    pub(super) fn batch_limits(&self, class: Class, model: &Model) -> BatchLimits {
        let within = match class {
            Class::Interactive => self.0.batch_max,
            // Who is urgent and comes meanwhile waits for the whole batch.
            Class::Bulk | Class::Training => self.0.batch_max / 2,
        };
        let paced = model.pace().tokens_within(within).unwrap_or(usize::MAX);
        let tokens_max = paced.min(self.0.batch_tokens_max).min(model.scorer.batch_tokens_max()).max(1);
        BatchLimits { requests_max: BATCH_REQUESTS_MAX, tokens_max }
    }

    /// How long a request whose model is not there can wait for others, whose models are.
    pub(super) fn patience(
        &self,
        class: Class,
        model: &Model,
        tokens: usize,
        now: Instant,
        deadline: Instant,
    ) -> Patience {
        let pace = model.pace();
        let batch = pace.estimate(self.batch_limits(class, model).tokens_max).unwrap_or_default();
        let own = pace.estimate(tokens).unwrap_or_default();
        // A batch of others that goes first takes as long as one of its own, in which it is not alone.
        let needs = model.load(now, deadline).unwrap_or(LOAD_UNKNOWN) + batch + batch.max(own);
        Patience { lasts: model.loads().patience(), needs }
    }

    /// The device begins with a batch, for which the model is brought first if it is not there.
    pub(super) fn batch_begins(&self, class: Class, model: &Model, tokens: usize, now: Instant) {
        let load = if model.scorer.is_loaded() { None } else { model.loads().estimate() };
        let batch = model.pace().estimate(tokens);
        let until = load.or(batch).map(|_| now + load.unwrap_or_default() + batch.unwrap_or_default());
        self.0.state.lock().in_work = Some(InWork { class, model: model.id, tokens, until });
    }

    /// It is done with it.
    pub(super) fn batch_ends(&self) {
        self.0.state.lock().in_work = None;
    }

    /// Requests and tokens that are counted now.
    pub(super) fn counted(&self) -> (usize, usize) {
        let state = self.0.state.lock();
        (state.requests.iter().sum(), state.tokens.iter().sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::tests::{Away, Silent};

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn gate(options: InferenceOptions) -> (Gate, Model) {
        (Gate::new(&options), Model::new(Arc::new(Silent)))
    }

    #[test]
    fn what_is_less_urgent_never_keeps_out_what_is_more() {
        let (gate, model) = gate(InferenceOptions { queue_requests_max: 8, ..InferenceOptions::default() });
        let now = Instant::now();
        let admit = |class| gate.admit(class, &model, 10, now, now + ms(60_000));
        let training: Vec<_> = (0..2).map(|_| admit(Class::Training).unwrap()).collect();
        let refused = admit(Class::Training).unwrap_err();
        assert_eq!(refused, InferError::Full { what: "requests", limit: 2, retry_after: RETRY_AFTER_UNKNOWN });
        let _bulk: Vec<_> = (0..4).map(|_| admit(Class::Bulk).unwrap()).collect();
        assert!(matches!(admit(Class::Bulk), Err(InferError::Full { limit: 4, .. })));
        let interactive: Vec<_> = (0..2).map(|_| admit(Class::Interactive).unwrap()).collect();
        assert!(matches!(admit(Class::Interactive), Err(InferError::Full { limit: 8, .. })));
        drop((training, interactive));
        assert_eq!(gate.counted(), (4, 40));
        assert!(admit(Class::Interactive).is_ok());
    }

    #[test]
    fn the_wait_is_estimated_from_the_pace_and_what_goes_before() {
        let (gate, model) = gate(InferenceOptions { wait_ms_max: 50, batch_ms_max: 10, ..InferenceOptions::default() });
        let now = Instant::now();
        // 0.1 ms a token, nothing for a batch.
        for tokens in [10, 20, 40, 80] {
            model.observe(tokens, Duration::from_micros(100 * tokens as u64));
        }
        let limits = |class| gate.batch_limits(class, &model).tokens_max;
        assert_eq!((limits(Class::Interactive), limits(Class::Bulk)), (100, 50));
        let admit = |class, tokens, deadline| gate.admit(class, &model, tokens, now, now + deadline);
        // 400 tokens wait: 40 ms. The next one waits for them, and needs 10 ms itself.
        let bulk = admit(Class::Bulk, 100, ms(10_000)).unwrap();
        let waiting: Vec<_> = (0..4).map(|_| admit(Class::Interactive, 100, ms(10_000)).unwrap()).collect();
        let refused = |result: Result<Place, InferError>| match result.unwrap_err() {
            InferError::Busy { estimate, limit } => (estimate.as_millis(), limit.as_millis()),
            other => panic!("{other}"),
        };
        assert_eq!(refused(admit(Class::Interactive, 100, ms(50))), (56, 50), "with a share for bulk work");
        let _fifth = admit(Class::Interactive, 100, ms(57)).unwrap();
        assert_eq!(refused(admit(Class::Interactive, 1, ms(10_000))), (57, 50));
        // Bulk work waits for all of it, and may.
        assert!(admit(Class::Bulk, 1, ms(10_000)).is_ok());
        assert_eq!(refused(admit(Class::Bulk, 1, ms(40))), (60, 40));
        // One hundred of them are in work, and half done.
        gate.batch_begins(Class::Interactive, &model, 100, now - ms(5));
        assert_eq!(refused(admit(Class::Interactive, 1, ms(20))).0, 51);
        drop((waiting, bulk));
    }

    #[test]
    fn a_model_that_must_be_brought_takes_longer() {
        let gate = Gate::new(&InferenceOptions { wait_ms_max: 50, batch_ms_max: 10, ..InferenceOptions::default() });
        let (away, there) = (Model::new(Arc::new(Away)), Model::new(Arc::new(Silent)));
        let now = Instant::now();
        for tokens in [10, 20, 40, 80] {
            for model in [&away, &there] {
                model.observe(tokens, Duration::from_micros(100 * tokens as u64));
            }
        }
        let admit = |model, deadline| gate.admit(Class::Interactive, model, 100, now, now + deadline);
        let estimate = |result: Result<Place, InferError>| match result.unwrap_err() {
            InferError::Busy { estimate, .. } => estimate.as_millis(),
            other => panic!("{other}"),
        };
        // Before the first load nobody knows.
        assert!(admit(&away, ms(11)).is_ok());
        // 10 ms were the batch, so 300 the load. It is longer than anybody may wait for others, and no reason to refuse.
        away.observe_load(100, ms(310), now);
        assert_eq!(estimate(admit(&away, ms(309))), 310);
        assert!(admit(&away, ms(310)).is_ok());
        assert!(admit(&there, ms(11)).is_ok(), "what is there needs no load");
        assert_eq!(away.alone(100, now, now + ms(1_000)), ms(310));
        let patience = gate.patience(Class::Interactive, &away, 200, now, now + ms(10_000));
        assert_eq!((patience.lasts, patience.needs), (ms(1_200), ms(330)), "a batch of others, and its own long one");
        // While it is brought, others wait for all of that, and its own requests count the load once.
        gate.batch_begins(Class::Interactive, &away, 100, now - ms(270));
        assert_eq!(estimate(admit(&there, ms(40))), 50);
        assert_eq!(estimate(admit(&away, ms(40))), 50);
        assert!(admit(&away, ms(50)).is_ok());
    }
}
