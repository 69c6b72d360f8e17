//! The cache of understandings takes no more of the heap than it was given, whatever the texts are like. A binary of its own: its
//! allocator counts.

use cap::Cap;
use cluster_config::InferenceOptions;
use dialogue::ports::{ScoreError, Scorer};
use dialogue::{EncodedUtterance, Entity, ScoredIntent, Selection, Understanding, Value};
use std::alloc::System;
use std::sync::Arc;
use std::time::Duration;
use tertulia_actors::{GpuHandle, ModelHandle};
use tokio::time::Instant;

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

const BYTES_MAX: u64 = 4 << 20;

/// Finds so many intents and entities as the first words of a text say.
struct Wordy;

impl Scorer for Wordy {
    fn encode(&self, text: &str) -> Result<EncodedUtterance, ScoreError> {
        Ok(EncodedUtterance { text: text.into(), token_ids: vec![1; 4], offsets: vec![(0, 0); 4] })
    }
    fn score(&self, batch: &[EncodedUtterance]) -> Result<Vec<Understanding>, ScoreError> {
        Ok(batch.iter().map(|utterance| understand(&utterance.text)).collect())
    }
    fn batch_tokens_max(&self) -> usize {
        4_096
    }
    fn describe(&self) -> String {
        "wordy".into()
    }
}

fn understand(text: &str) -> Understanding {
    let mut words = text.split(' ').map(|word| word.parse().unwrap_or(0_usize));
    let [intents, entities, selections] = std::array::from_fn(|_| words.next().unwrap_or(0));
    let intent = |i: usize| ScoredIntent { name: format!("ask_about_thing_{i}"), confidence: 0.5 };
    let pair = |i: usize| (format!("key {i}"), Value::List(vec![Value::Text("a value".into()), Value::Int(1)]));
    let entity = |i: usize| Entity {
        entity: "product".into(),
        value: if i.is_multiple_of(2) { Value::Text("a thing".into()) } else { Value::Map((0..i).map(pair).collect()) },
        role: i.is_multiple_of(3).then(|| "wanted".into()),
        extractor: "tagger".into(),
        ..Entity::default()
    };
    let selection = |i: usize| Selection {
        retrieval_intent: format!("questions_of_{i}"),
        ranking: (0..i % 4).map(intent).collect(),
    };
    Understanding {
        text: text.into(),
        intent: intent(0),
        ranking: (0..intents).map(intent).collect(),
        entities: (0..entities).map(entity).collect(),
        selections: (0..selections).map(selection).collect(),
        analysis: None,
    }
}

/// Asks for `count` texts with so many intents, entities and selections, for which nobody has asked.
async fn ask(model: &ModelHandle, found: (usize, usize, usize), count: usize, round: usize) {
    for i in 0..count {
        let text = format!("{} {} {} text {i} of {round}{}", found.0, found.1, found.2, ".".repeat(i % 90));
        model.understand(&text, Instant::now() + Duration::from_secs(60)).await.expect("a device that is free");
    }
}

#[tokio::test(start_paused = true)]
async fn the_cache_takes_what_it_was_given_and_says_what_it_takes() {
    let options = InferenceOptions { cache_bytes_max: BYTES_MAX, wait_ms_max: 60_000, ..InferenceOptions::default() };
    for found in [(0, 0, 0), (10, 0, 0), (10, 1, 0), (10, 12, 0), (1, 0, 8)] {
        let gpu = GpuHandle::start_simulated(&options, Duration::ZERO).await.expect("it starts");
        let models = [gpu.model(Arc::new(Wordy)), gpu.model(Arc::new(Wordy))];
        // What everything else takes is there after the first.
        ask(&models[0], found, 100, 0).await;
        let (heap, bytes) = (MEMORY.allocated() as f64, gpu.cache_bytes() as f64);
        ask(&models[1], found, 400, 1).await;
        let (grown, said) = (MEMORY.allocated() as f64 - heap, gpu.cache_bytes() as f64 - bytes);
        println!("{found:?}: the heap has grown by {grown}, the cache by {said} bytes");
        assert!(grown <= said && said < 2.0 * grown, "{found:?}: the heap has grown by {grown}, the cache by {said}");

        // However much is asked, it ends where it should.
        let mut most = 0;
        for round in 2..5 {
            ask(&models[round % 2], found, 4_000, round).await;
            most = most.max(MEMORY.allocated() as u64 - heap as u64 + bytes as u64);
        }
        println!("{found:?}: {most} of {BYTES_MAX}, {} by itself", gpu.cache_bytes());
        assert!(gpu.cache_bytes() > BYTES_MAX / 4 * 3 && gpu.cache_bytes() <= BYTES_MAX, "{}", gpu.cache_bytes());
        assert!(most <= BYTES_MAX && most > BYTES_MAX / 3, "{found:?}: {most} bytes");
        gpu.stop();
        drop((gpu, models));
        // Its actor ends when it is its turn.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
