//! The actor with a device that the test holds.

mod loads;

use super::*;
use cluster_config::InferenceOptions;
use dialogue::ports::{ScoreError, Scorer};
use dialogue::{EncodedUtterance, Understanding};
use parking_lot::Mutex;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tokio::time::Instant;

fn encoded(text: &str) -> EncodedUtterance {
    let n = text.split_whitespace().count();
    EncodedUtterance { text: text.into(), token_ids: vec![1; n], offsets: vec![(0, 0); n] }
}

/// A scorer that nobody asks.
pub(super) struct Silent;

impl Scorer for Silent {
    fn encode(&self, text: &str) -> Result<EncodedUtterance, ScoreError> {
        Ok(encoded(text))
    }
    fn score(&self, _batch: &[EncodedUtterance]) -> Result<Vec<Understanding>, ScoreError> {
        Err(ScoreError::Device("silent".into()))
    }
    fn batch_tokens_max(&self) -> usize {
        4_096
    }
    fn describe(&self) -> String {
        "silent".into()
    }
}

/// The same, and not on the device.
pub(super) struct Away;

impl Scorer for Away {
    fn encode(&self, text: &str) -> Result<EncodedUtterance, ScoreError> {
        Silent.encode(text)
    }
    fn score(&self, batch: &[EncodedUtterance]) -> Result<Vec<Understanding>, ScoreError> {
        Silent.score(batch)
    }
    fn batch_tokens_max(&self) -> usize {
        Silent.batch_tokens_max()
    }
    fn is_loaded(&self) -> bool {
        false
    }
    fn describe(&self) -> String {
        "away".into()
    }
}

/// A scorer whose device is held until the test lets it go.
struct Held {
    gate: Mutex<mpsc::Receiver<()>>,
    batches: Mutex<Vec<Vec<String>>>,
}

impl Scorer for Held {
    fn encode(&self, text: &str) -> Result<EncodedUtterance, ScoreError> {
        Ok(encoded(text))
    }
    fn score(&self, batch: &[EncodedUtterance]) -> Result<Vec<Understanding>, ScoreError> {
        self.gate.lock().recv().map_err(|_| ScoreError::Device("closed".into()))?;
        self.batches.lock().push(batch.iter().map(|u| u.text.clone()).collect());
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

impl Held {
    fn sizes(&self) -> Vec<usize> {
        self.batches.lock().iter().map(Vec::len).collect()
    }
}

/// A model on a device, what lets its batches go, and the model itself.
async fn held(options: InferenceOptions) -> (ModelHandle, mpsc::Sender<()>, Arc<Held>) {
    let gpu = GpuHandle::start(&options).await.unwrap();
    let (open, scorer) = held_scorer();
    (gpu.model(scorer.clone()), open, scorer)
}

fn held_scorer() -> (mpsc::Sender<()>, Arc<Held>) {
    let (open, gate) = mpsc::channel();
    (open, Arc::new(Held { gate: Mutex::new(gate), batches: Mutex::default() }))
}

fn no_cache() -> InferenceOptions {
    InferenceOptions { cache_bytes_max: 0, ..Default::default() }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

type Answer = tokio::task::JoinHandle<Result<Understanding, InferError>>;

fn ask(model: &ModelHandle, class: Class, text: &str) -> Answer {
    let (model, text) = (model.clone(), text.to_owned());
    tokio::spawn(async move { model.understand_as(class, &text, soon()).await })
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

/// The device works on a first request, and `requests` are counted in all.
async fn busy(model: &ModelHandle, requests: usize) {
    until(|| model.gpu().waiting().0 == requests).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
}

#[tokio::test]
async fn batches_form_while_the_device_is_busy_and_keep_to_the_token_budget() {
    let (model, open, scorer) = held(no_cache()).await;
    // The first goes alone: the device was free. Six of three tokens then wait: two fit into eight tokens.
    let first = ask(&model, Class::Interactive, "alone");
    busy(&model, 1).await;
    let rest: Vec<_> = (0..6).map(|i| ask(&model, Class::Interactive, &format!("{i} b c"))).collect();
    busy(&model, 7).await;
    for _ in 0..4 {
        open.send(()).unwrap();
    }
    assert_eq!(first.await.unwrap().unwrap().text, "alone");
    for (i, answer) in rest.into_iter().enumerate() {
        assert_eq!(answer.await.unwrap().unwrap().text, format!("{i} b c"), "answers go to their askers");
    }
    assert_eq!(scorer.sizes(), [1, 2, 2, 2]);
    until(|| model.gpu().waiting() == (0, 0)).await;
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_an_expired_request_costs_nothing() {
    let options = InferenceOptions { queue_tokens_max: 6, ..no_cache() };
    let (model, open, scorer) = held(options).await;
    let first = ask(&model, Class::Interactive, "a b c");
    busy(&model, 1).await;
    let late = tokio::spawn({
        let model = model.clone();
        async move { model.understand("d e f", Instant::now() + Duration::from_millis(5)).await }
    });
    until(|| model.gpu().waiting().0 == 2).await;
    let refused = model.understand("g", soon()).await.unwrap_err();
    assert!(matches!(refused, InferError::Full { what: "tokens", limit: 6, .. }), "{refused}");
    // Its deadline comes while the device is held: its caller hears it at once.
    assert_eq!(late.await.unwrap(), Err(InferError::Expired));
    open.send(()).unwrap();
    assert!(first.await.unwrap().is_ok());
    until(|| model.gpu().waiting() == (0, 0)).await;
    assert_eq!(scorer.sizes(), [1]);
}

#[tokio::test]
async fn who_has_gone_costs_nothing_and_leaves_the_place() {
    let (model, open, scorer) = held(no_cache()).await;
    let first = ask(&model, Class::Interactive, "a");
    busy(&model, 1).await;
    let gone = ask(&model, Class::Interactive, "gone");
    let stays = ask(&model, Class::Interactive, "stays");
    busy(&model, 3).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    (0..2).for_each(|_| open.send(()).unwrap());
    assert!(first.await.unwrap().is_ok() && stays.await.unwrap().is_ok());
    assert_eq!(*scorer.batches.lock(), [["a"], ["stays"]]);
    until(|| model.gpu().waiting() == (0, 0)).await;
}

#[tokio::test]
async fn models_share_the_device_and_never_a_batch() {
    let (one, open, first_scorer) = held(no_cache()).await;
    let (open_two, second_scorer) = held_scorer();
    let two = one.gpu().model(second_scorer.clone());
    let first = ask(&one, Class::Interactive, "a");
    busy(&one, 1).await;
    let mut answers = vec![first];
    for (n, (model, text)) in [(&one, "b"), (&two, "x"), (&one, "c"), (&two, "y")].into_iter().enumerate() {
        answers.push(ask(model, Class::Interactive, text));
        busy(model, n + 2).await;
    }
    (0..2).for_each(|_| open.send(()).unwrap());
    open_two.send(()).unwrap();
    for answer in answers {
        assert!(answer.await.unwrap().is_ok());
    }
    assert_eq!(*first_scorer.batches.lock(), [vec!["a"], vec!["b", "c"]]);
    assert_eq!(*second_scorer.batches.lock(), [vec!["x", "y"]]);
}

#[tokio::test]
async fn bulk_work_waits_for_interactive_work_and_still_gets_its_share() {
    let (model, open, scorer) = held(no_cache()).await;
    let first = ask(&model, Class::Interactive, "a");
    busy(&model, 1).await;
    let bulk = ask(&model, Class::Bulk, "bulk");
    busy(&model, 2).await;
    // Ten batches of eight tokens: a tenth of them pays for the one token of the bulk request after the second batch.
    let rest: Vec<_> = (0..10).map(|i| ask(&model, Class::Interactive, &format!("{i} b c d e f g h"))).collect();
    busy(&model, 12).await;
    (0..12).for_each(|_| open.send(()).unwrap());
    for answer in rest.into_iter().chain([first, bulk]) {
        assert!(answer.await.unwrap().is_ok());
    }
    let at = scorer.batches.lock().iter().position(|batch| batch[0] == "bulk");
    assert_eq!(at, Some(3), "{:?}", scorer.batches.lock());
}

#[tokio::test]
async fn a_panic_costs_its_batch_only_and_the_cache_answers_what_is_known() {
    let (model, open, scorer) = held(InferenceOptions::default()).await;
    open.send(()).unwrap();
    let error = model.understand("poison", soon()).await.unwrap_err();
    assert!(error.to_string().contains("panicked"), "{error}");
    open.send(()).unwrap();
    assert!(model.understand("hello", soon()).await.is_ok());
    // The gate is shut now: only the cache can answer.
    assert!(model.understand("hello", soon()).await.is_ok());
    assert_eq!(scorer.batches.lock().len(), 2);
}
