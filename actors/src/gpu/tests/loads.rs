//! Models that take turns on a device which holds one of them, by the clock of the runtime.

use super::*;
use crate::gpu::actor::DeviceTime;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::task::JoinSet;

const BATCH: Duration = Duration::from_millis(10);
const LOAD: Duration = Duration::from_millis(100);
/// Clients of a model that would wait for several loads, and how long.
const PATIENT: (usize, Duration) = (20, Duration::from_secs(2));
/// Those that have less time than one takes.
const HASTY: (usize, Duration) = (4, Duration::from_millis(90));

/// A device that holds one model, and what happened there.
#[derive(Default)]
struct Shelf {
    /// 0 for none.
    loaded: AtomicUsize,
    loads: AtomicUsize,
    batches: AtomicUsize,
}

impl Shelf {
    fn count(counter: &AtomicUsize) -> usize {
        counter.load(Ordering::Relaxed)
    }
}

/// One of the models that take turns.
struct OnShelf {
    shelf: Arc<Shelf>,
    me: usize,
}

impl Scorer for OnShelf {
    fn encode(&self, text: &str) -> Result<EncodedUtterance, ScoreError> {
        Ok(encoded(text))
    }
    fn score(&self, batch: &[EncodedUtterance]) -> Result<Vec<Understanding>, ScoreError> {
        if self.shelf.loaded.swap(self.me, Ordering::Relaxed) != self.me {
            self.shelf.loads.fetch_add(1, Ordering::Relaxed);
        }
        self.shelf.batches.fetch_add(1, Ordering::Relaxed);
        Ok(batch.iter().map(|u| Understanding { text: u.text.clone(), ..Default::default() }).collect())
    }
    fn batch_tokens_max(&self) -> usize {
        8
    }
    fn is_loaded(&self) -> bool {
        Shelf::count(&self.shelf.loaded) == self.me
    }
    fn describe(&self) -> String {
        format!("model {}", self.me)
    }
}

/// A device, and models that take turns there.
async fn models<const N: usize>() -> (Arc<Shelf>, [ModelHandle; N]) {
    let gpu = GpuHandle::start_on(DeviceTime::Simulated { batch: BATCH, load: LOAD }, &no_cache()).await.unwrap();
    let shelf = Arc::new(Shelf::default());
    let models = std::array::from_fn(|i| gpu.model(Arc::new(OnShelf { shelf: shelf.clone(), me: i + 1 })));
    (shelf, models)
}

/// Asks in a task, with so many milliseconds of time.
fn within(model: &ModelHandle, ms: u64) -> Answer {
    let (model, deadline) = (model.clone(), Instant::now() + Duration::from_millis(ms));
    tokio::spawn(async move { model.understand("word", deadline).await })
}

/// What came of the requests of some clients.
#[derive(Debug, Default, Clone, Copy)]
struct Outcome {
    answered: usize,
    refused: usize,
    expired: usize,
}

/// A client that asks again as soon as it is answered, and a little later where it was refused.
async fn client(model: ModelHandle, patience: Duration, until: Instant) -> Outcome {
    let mut outcome = Outcome::default();
    while Instant::now() < until {
        let asked = Instant::now();
        match model.understand("word", asked + patience).await {
            Ok(_) => outcome.answered += 1,
            Err(InferError::Busy { .. }) => {
                assert_eq!(asked.elapsed(), Duration::ZERO, "a refusal comes at once");
                outcome.refused += 1;
                tokio::time::sleep(2 * BATCH).await;
            }
            Err(InferError::Expired) => outcome.expired += 1,
            Err(other) => panic!("{other}"),
        }
    }
    outcome
}

/// A minute of clients that ask two models without a rest: what came of them by model, for each kind of client.
async fn a_minute<const N: usize>(models: &[ModelHandle; 2], kinds: [(usize, Duration); N]) -> [[Outcome; 2]; N] {
    let ends = Instant::now() + Duration::from_secs(60);
    let mut clients = JoinSet::new();
    for (kind, (count, patience)) in kinds.into_iter().enumerate() {
        for i in 0..2 * count {
            let model = models[i % 2].clone();
            clients.spawn(async move { (kind, i % 2, client(model, patience, ends).await) });
        }
    }
    let mut sums = [[Outcome::default(); 2]; N];
    while let Some(done) = clients.join_next().await {
        let (kind, model, outcome) = done.unwrap();
        let sum = &mut sums[kind][model];
        sum.answered += outcome.answered;
        sum.refused += outcome.refused;
        sum.expired += outcome.expired;
    }
    for [one, two] in sums {
        let (less, more) = (one.answered.min(two.answered), one.answered.max(two.answered));
        assert!(3 * less > 2 * more, "no model is favoured: {one:?}, {two:?}");
    }
    sums
}

#[tokio::test(start_paused = true)]
async fn who_cannot_wait_for_a_load_is_refused_at_once() {
    let (shelf, [one, two]) = models().await;
    // Nobody knows yet how long it takes: the first loads are waited for in vain.
    assert_eq!(within(&one, 90).await.unwrap(), Err(InferError::Expired));
    until(|| one.gpu().waiting().0 == 0).await;
    assert!(within(&two, 1_000).await.unwrap().is_ok());
    assert_eq!(Shelf::count(&shelf.loads), 2);
    // Of the first model it is known now: a load, and the batch with it.
    let begun = Instant::now();
    let busy = InferError::Busy { estimate: LOAD + BATCH, limit: Duration::from_millis(90) };
    assert_eq!(within(&one, 90).await.unwrap(), Err(busy));
    assert_eq!((begun.elapsed(), Shelf::count(&shelf.loads)), (Duration::ZERO, 2), "it was not even tried");
    assert!(within(&one, 111).await.unwrap().is_ok(), "who has the time gets its load");
    // Who comes while it is being brought does not count it twice.
    let first = within(&two, 1_000);
    until(|| two.gpu().waiting().0 == 1).await;
    tokio::time::sleep(LOAD / 2).await;
    assert!(within(&two, 90).await.unwrap().is_ok());
    assert!(first.await.unwrap().is_ok());
    // An estimate that keeps everybody out is tried again after a while: here it is right, and the next one finds the model there.
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(within(&one, 90).await.unwrap(), Err(InferError::Expired));
    until(|| one.gpu().waiting().0 == 0).await;
    assert!(within(&one, 90).await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_has_no_time_left_for_a_load_is_dropped_before_it() {
    let (shelf, [one, two, new]) = models().await;
    assert!(within(&one, 1_000).await.unwrap().is_ok());
    assert!(within(&two, 1_000).await.unwrap().is_ok());
    // How long the first load of the third takes nobody knows, so there seems to be time for one of the first model.
    let begun = Instant::now();
    let long = within(&new, 1_000);
    until(|| new.gpu().waiting().0 == 1).await;
    let late = within(&one, 150);
    assert!(long.await.unwrap().is_ok());
    // There is not: it hears so when the device is free, and nothing is brought for it.
    assert_eq!(late.await.unwrap(), Err(InferError::Expired));
    assert!(begun.elapsed() < Duration::from_millis(120), "{:?}", begun.elapsed());
    assert_eq!(Shelf::count(&shelf.loads), 3);
}

#[tokio::test(start_paused = true)]
async fn models_that_take_turns_are_seldom_brought_and_nothing_expires() {
    let (shelf, models) = models().await;
    let [patient] = a_minute(&models, [PATIENT]).await;
    let (loads, batches) = (Shelf::count(&shelf.loads), Shelf::count(&shelf.batches));
    // A turn is as long as four loads, here 40 batches.
    assert!(loads >= 100 && 35 * loads < batches, "{loads} loads for {batches} batches");
    for outcome in patient {
        assert_eq!((outcome.refused, outcome.expired), (0, 0), "who has the time waits for its turn");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_always_more_urgent_starves_nobody() {
    let (shelf, models) = models().await;
    let [patient, hasty] = a_minute(&models, [PATIENT, HASTY]).await;
    let (loads, batches) = (Shelf::count(&shelf.loads), Shelf::count(&shelf.batches));
    assert!(loads >= 20 && 20 * loads < batches, "{loads} loads for {batches} batches");
    for outcome in patient {
        assert_eq!((outcome.refused, outcome.expired), (0, 0), "its model is brought in time");
    }
    for outcome in hasty {
        // Of each client the request that waits when the model has to go is lost, and no other.
        let lost = HASTY.0 * (loads / 2 + 2);
        assert!(outcome.refused > 1_000 && outcome.expired <= lost, "{outcome:?} of {loads} loads");
    }
}
