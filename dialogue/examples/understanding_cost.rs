//! What rules cost on top of a model's understanding: `Engine::understand` with and without the `TextAnalyzer`, and a turn's
//! beginning with and without masks. Both sides of a row run in turns, in one process.
//!
//! `cargo run --release -p tertulia-dialogue --example understanding_cost`
#![allow(clippy::unwrap_used, reason = "a bench may fail as tests do")]

use std::time::Instant;
use tertulia_dialogue::{
    IdempotencyKey, ScoredIntent, SessionId, TimestampMs, Understanding, Value,
    engine::{Engine, TurnInput},
    format::{Assistant, SourceFile},
    tracker::Tracker,
};

/// Rounds over all texts; the fastest of them counts less noise than their mean, the median tells of both.
const ROUNDS: usize = 2_000;

const TEXTS: [&str; 8] = [
    "hello",
    "no thanks",
    "I would like to book a table for four at 7pm on Friday, please",
    "My card was declined twice in a shop and I am really not happy about it, can somebody help me?",
    "Please call +1 650-283-4757 or write to me@example.com, the card is 4242 4242 4242 4242",
    "我想订明天晚上七点的两人桌",
    "服务态度很差，我的手机是13812345678，请尽快联系我",
    "Ich warte schon seit zwei Wochen auf meine neue Karte und möchte wissen, wann sie kommt.",
];

fn engine(language: &str, analyzer: &str) -> Engine {
    let config = format!("language: {language}\npipeline:\n- name: FallbackClassifier\n{analyzer}");
    let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
    let files = [file("config.yml", &config), file("domain.yml", "intents: [tell]\n")];
    Engine::new(Assistant::load(&files).unwrap().assistant).unwrap()
}

/// Microseconds a text: median of the rounds.
fn median(mut micros: Vec<f64>) -> f64 {
    micros.sort_by(f64::total_cmp);
    micros[micros.len() / 2]
}

fn understand(engine: &Engine, text: &str) -> Understanding {
    let intent = ScoredIntent { name: "tell".into(), confidence: 0.9 };
    engine.understand(Understanding { text: text.into(), intent, ..Understanding::default() }, TimestampMs(0))
}

fn begin(engine: &Engine, tracker: &Tracker, understanding: Understanding) {
    let input = TurnInput {
        session: SessionId::new("s").unwrap(),
        key: IdempotencyKey::new("k").unwrap(),
        text: understanding.text.clone(),
        message_id: None,
        input_channel: None,
        metadata: Value::Null,
        understanding,
        at: TimestampMs(0),
        last_at: None,
        seed: 0,
    };
    std::hint::black_box(engine.begin(tracker, input));
}

fn main() {
    for language in ["en", "zh"] {
        let engines = [engine(language, ""), engine(language, "- name: TextAnalyzer\n  mask: true\n")];
        let tracker = Tracker::new(engines[0].assistant());
        println!("language: {language}: microseconds, without and with");
        println!("{:>12} {:>12} {:>12} {:>12}  text", "understand", "analyzed", "begin", "masked");
        for text in TEXTS {
            let mut rows = [const { Vec::new() }; 4];
            for _ in 0..ROUNDS {
                for (side, engine) in engines.iter().enumerate() {
                    let started = Instant::now();
                    let understood = std::hint::black_box(understand(engine, text));
                    rows[side].push(started.elapsed().as_secs_f64() * 1e6);
                    let started = Instant::now();
                    begin(engine, &tracker, understood);
                    rows[2 + side].push(started.elapsed().as_secs_f64() * 1e6);
                }
            }
            let [a, b, c, d] = rows.map(median);
            println!("{a:>12.1} {b:>12.1} {c:>12.1} {d:>12.1}  {text}");
        }
    }
}
