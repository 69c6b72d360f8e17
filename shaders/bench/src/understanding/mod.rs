//! How well are texts understood, and how long does it take to learn that? On splits of public data sets, over several seeds.

mod acts;
mod rasa;
mod sets;

use anyhow::{Context, Result, ensure};
use cluster_config::{CpuPrecision, Device, InferenceOptions};
use dialogue::Understanding;
use dialogue::evaluate::{EntityReport, IntentReport, Judged, few, holdout};
use results::{Results, Row};
use serde_json::json;
use shaders::{Corpus, Encoder, TrainOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Instant;

/// Of every intent's examples, so much is asked and not learned from.
const HELD_OUT: f64 = 0.2;
/// Of snips, whose intents have 2,000 examples each, less is enough.
const HELD_OUT_SNIPS: f64 = 0.05;
const SEEDS: u64 = 3;

/// How the bench runs.
#[derive(Debug, clap::Args)]
pub struct UnderstandingOptions {
    /// The model's folder; the one in the cache when left out
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Where the data sets lie
    #[arg(long, value_name = "DIR", default_value = "../shared/data")]
    data: PathBuf,
    /// Splits, each with its own seed
    #[arg(long, default_value_t = SEEDS)]
    seeds: u64,
    /// Ask the peers too: a regression on character n-grams beside the acts of crosswoz
    #[arg(long)]
    peer: bool,
    /// Where the peers' virtual environments are kept
    #[arg(long, value_name = "DIR", default_value = "target/bench/peers")]
    peer_home: PathBuf,
    /// Also train and ask Rasa on the splits of banking77-10 and snips, with its DIET and a light pipeline: its `rasa` program
    #[arg(long, value_name = "PROGRAM")]
    rasa: Option<PathBuf>,
    /// Only these tasks
    #[arg(long, value_name = "TASK", value_delimiter = ',', value_parser = names())]
    only: Vec<String>,
}

/// Something to learn.
#[derive(Debug, Clone, Copy)]
struct Task {
    name: &'static str,
    set: &'static str,
    held_out: f64,
    /// Only so many examples of every intent are learned from.
    per_intent: Option<usize>,
}

/// What Rasa is asked too.
const PEERS_TASKS: [&str; 2] = ["banking77-10", "snips"];

const TASKS: [Task; 4] = [
    Task { name: "banking77-10", set: "banking77", held_out: HELD_OUT, per_intent: Some(10) },
    Task { name: "banking77", set: "banking77", held_out: HELD_OUT, per_intent: None },
    Task { name: "clinc150", set: "clinc150", held_out: HELD_OUT, per_intent: None },
    Task { name: "snips", set: "snips", held_out: HELD_OUT_SNIPS, per_intent: None },
];

/// What `--only` takes.
fn names() -> Vec<&'static str> {
    TASKS.iter().map(|t| t.name).chain([acts::NAME]).collect()
}

/// Runs it.
pub fn run(options: &UnderstandingOptions, small: bool) -> Result<Results> {
    let model = options.model.clone().map_or_else(crate::encoder::cached_model, Ok)?;
    let inference =
        InferenceOptions { device: Device::Cpu, cpu_precision: CpuPrecision::F32, ..InferenceOptions::default() };
    let encoder = Encoder::load(&model, &inference).with_context(|| format!("cannot load {}", model.display()))?;
    let mut rows = Vec::new();
    let mut details = Vec::new();
    for task in TASKS.iter().filter(|t| options.only.is_empty() || options.only.iter().any(|o| o == t.name)) {
        let set = sets::read(&options.data, task.set)?;
        let mut examples = set.examples;
        if small {
            let labels: Vec<&str> = examples.iter().map(|e| e.intent.as_str()).collect();
            let all: Vec<usize> = (0..examples.len()).collect();
            let first: BTreeSet<&str> = labels.iter().copied().collect::<BTreeSet<_>>().into_iter().take(10).collect();
            let kept = few(&all, &labels, 12, 0).into_iter().filter(|i| first.contains(labels[*i]));
            examples = kept.map(|i| examples[i].clone()).collect();
        }
        let count = examples.len();
        // Texts of no intent are asked like all others, and never learned from.
        let strangers = set.out_of_scope.iter().map(|text| dialogue::NluExample {
            text: text.clone(),
            intent: String::new(),
            response_key: None,
            entities: Vec::new(),
        });
        examples.extend(strangers);
        let begun = Instant::now();
        let corpus = Corpus::encode(&encoder, examples, &TrainOptions::default(), &|_| {})?;
        let encode_seconds = begun.elapsed().as_secs_f64();
        let labels: Vec<&str> = corpus.examples()[..count].iter().map(|e| e.intent.as_str()).collect();
        let mut figures = Figures::default();
        for seed in 1..=if small { 1 } else { options.seeds } {
            let mut split = holdout(&labels, task.held_out, seed);
            if let Some(per_intent) = task.per_intent {
                split.train = few(&split.train, &labels, per_intent, seed);
            }
            ensure!(split.train.iter().all(|i| !split.held_out.contains(i)), "what is asked was not learned");
            let begun = Instant::now();
            let heads = corpus.train(&split.train, &TrainOptions { seed, ..TrainOptions::default() }, &|_| {});
            let seconds = begun.elapsed().as_secs_f64()
                + encode_seconds * split.train.len() as f64 / corpus.examples().len() as f64;
            let heard: Vec<Understanding> = split.held_out.iter().map(|i| corpus.understand(&heads, *i)).collect();
            let judged: Vec<Judged<'_>> = split
                .held_out
                .iter()
                .zip(&heard)
                .map(|(i, heard)| Judged { example: &corpus.examples()[*i], heard })
                .collect();
            let report = IntentReport::of(&judged);
            figures.accuracy.push(100.0 * report.accuracy);
            figures.calibration.push(100.0 * report.confidences.calibration_error);
            figures.seconds.push(seconds);
            if split.train.iter().any(|i| !corpus.examples()[*i].entities.is_empty()) {
                figures.slots.push(100.0 * EntityReport::of(&judged).micro_avg.f1);
            }
            if corpus.examples().len() > count {
                figures.threshold.push(f64::from(heads.threshold()));
                let sure = |i: usize| corpus.understand(&heads, i).intent.confidence;
                let refused = (count..corpus.examples().len()).filter(|i| sure(*i) < heads.threshold()).count();
                figures.refused.push(100.0 * refused as f64 / (corpus.examples().len() - count) as f64);
                let kept = heard
                    .iter()
                    .zip(&judged)
                    .filter(|(h, j)| h.intent.confidence >= heads.threshold() && h.intent.name == j.example.intent);
                figures.kept.push(100.0 * kept.count() as f64 / judged.len() as f64);
            }
            if let Some(program) = options.rasa.as_ref().filter(|_| PEERS_TASKS.contains(&task.name) && !small) {
                let of = |part: &[usize]| part.iter().map(|i| &corpus.examples()[*i]).collect::<Vec<_>>();
                for pipeline in [rasa::Pipeline::Diet, rasa::Pipeline::Light] {
                    let outcome = rasa::run(program, pipeline, &of(&split.train), &of(&split.held_out))?;
                    eprintln!("{} seed {seed}, {}: {outcome:?}", task.name, pipeline.name());
                    figures.peers.entry(pipeline.name()).or_default().push(outcome);
                }
            }
            eprintln!("{} seed {seed}: {figures:?}", task.name);
        }
        figures.rows(task.name, &mut rows);
        details.push(json!({ "task": task.name, "examples": count, "figures": figures }));
    }
    if options.only.is_empty() || options.only.iter().any(|o| o == acts::NAME) {
        let figures = acts::run(options, small, &mut rows)?;
        details.push(json!({ "task": acts::NAME, "figures": figures }));
    }
    Ok(Results { rows, detail: json!({ "encoder": encoder.describe(), "tasks": details }), ..Results::default() })
}

/// One figure a seed, in per cent and seconds.
#[derive(Debug, Default, serde::Serialize)]
struct Figures {
    accuracy: Vec<f64>,
    calibration: Vec<f64>,
    /// Of learning, with the share of the encoder's time that the learned examples took.
    seconds: Vec<f64>,
    slots: Vec<f64>,
    /// Learned from held-out examples of the learned ones: the bench's texts out of scope have no part in it.
    threshold: Vec<f64>,
    refused: Vec<f64>,
    kept: Vec<f64>,
    peers: BTreeMap<&'static str, Vec<rasa::Outcome>>,
}

impl Figures {
    fn rows(&self, task: &str, rows: &mut Vec<Row>) {
        let mut add = |what: &str, unit: &str, values: &[f64]| {
            if !values.is_empty() {
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                rows.push(Row::of(format!("{task}: {what}"), unit, mean, values.len()));
            }
        };
        add("accuracy", "%", &self.accuracy);
        add("calibration error", "%", &self.calibration);
        add("slot F1", "%", &self.slots);
        add("threshold", "", &self.threshold);
        add("out of scope, refused", "%", &self.refused);
        add("in scope, right and not refused", "%", &self.kept);
        add("training", "s", &self.seconds);
        for (peer, outcomes) in &self.peers {
            let mut beside = |what: &str, unit: &str, ours: &[f64], theirs: Vec<f64>| {
                if !theirs.is_empty() {
                    rows.push(Row::of_rounds(format!("{task}: {what} beside {peer}"), unit, ours, &theirs));
                }
            };
            beside("accuracy", "%", &self.accuracy, outcomes.iter().map(|o| o.accuracy).collect());
            beside("slot F1", "%", &self.slots, outcomes.iter().filter_map(|o| o.slot_f1).collect());
            beside("training", "s", &self.seconds, outcomes.iter().map(|o| o.seconds).collect());
        }
    }
}
