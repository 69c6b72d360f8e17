//! User acts of Chinese dialogues: any number of them a turn, beside a logistic regression on character n-grams (scikit-learn).

use super::UnderstandingOptions;
use anyhow::{Context, Result, ensure};
use cluster_config::{CpuPrecision, Device, InferenceOptions};
use dialogue::NluExample;
use dialogue::evaluate::holdout;
use results::Row;
use serde_json::{Value as Json, json};
use shaders::{Corpus, Encoder, TrainOptions};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

pub const NAME: &str = "crosswoz-acts";
/// The encoder for Chinese.
const MODEL: &str = "multilingual-e5-small";
/// Of the dialogues, so much is asked and not learned from.
const HELD_OUT: f64 = 0.2;
/// A label counts as given from here on, on both sides.
const GIVEN: f32 = 0.5;
const PACKAGES: [&str; 2] = ["scikit-learn==1.7.2", "numpy==2.3.4"];

/// A user's turn.
struct Turn {
    dialogue: usize,
    text: String,
    /// `act-domain-slot`, sorted, without values.
    acts: Vec<String>,
}

pub fn run(options: &UnderstandingOptions, small: bool, rows: &mut Vec<Row>) -> Result<Json> {
    let mut turns = turns(&options.data)?;
    if small {
        turns.retain(|t| t.dialogue < 12);
    }
    let dialogues = turns.iter().map(|t| t.dialogue).max().map_or(0, |last| last + 1);
    let model = match small {
        // What the other tasks run on will do to see that it runs.
        true => options.model.clone().map_or_else(crate::encoder::cached_model, Ok)?,
        false => crate::encoder::cached_model()?.with_file_name(MODEL),
    };
    let inference =
        InferenceOptions { device: Device::Cpu, cpu_precision: CpuPrecision::F32, ..InferenceOptions::default() };
    let encoder = Encoder::load(&model, &inference)
        .with_context(|| format!("{}: `tertulia model pull {MODEL}` fetches it", model.display()))?;
    let example =
        |t: &Turn| NluExample { text: t.text.clone(), intent: "turn".into(), response_key: None, entities: Vec::new() };
    let examples = turns.iter().map(example).collect();
    let corpus = Corpus::encode(&encoder, examples, &TrainOptions::default(), &|_| {})?;
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    for seed in 1..=if small { 1 } else { options.seeds } {
        // Whole dialogues are held out: turns of one dialogue repeat one another.
        let split = holdout(&vec![""; dialogues], HELD_OUT, seed);
        let of = |part: &[usize]| -> Vec<usize> {
            (0..turns.len()).filter(|i| part.contains(&turns[*i].dialogue)).collect()
        };
        let (train, asked) = (of(&split.train), of(&split.held_out));
        let options_of = TrainOptions { seed, ..TrainOptions::default() };
        let head = corpus.train_labels(&train, &|i| turns[i].acts.clone(), &options_of, &|_| {});
        let said = asked.iter().map(|i| {
            let p = head.probabilities(&turns[*i].text, corpus.embedding(*i));
            let given = head.labels.iter().zip(p).filter(|(_, p)| *p >= GIVEN);
            given.map(|(label, _)| label.clone()).collect::<Vec<_>>()
        });
        ours.push(100.0 * micro_f1(asked.iter().map(|i| &turns[*i].acts), said));
        if options.peer && !small {
            let said = sklearn(&options.peer_home, &turns, &train, &asked)?;
            peer.push(100.0 * micro_f1(asked.iter().map(|i| &turns[*i].acts), said.into_iter()));
        }
        eprintln!("{NAME} seed {seed}: {ours:?} {peer:?}");
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    rows.push(match peer.is_empty() {
        true => Row::of(format!("{NAME}: micro-F1"), "%", mean(&ours), ours.len()),
        false => Row::of_rounds(format!("{NAME}: micro-F1"), "%", &ours, &peer),
    });
    Ok(json!({ "encoder": encoder.describe(), "turns": turns.len(), "ours": ours, "char n-grams": peer }))
}

fn micro_f1<'a>(truth: impl Iterator<Item = &'a Vec<String>>, said: impl Iterator<Item = Vec<String>>) -> f64 {
    let (mut right, mut given, mut wanted) = (0, 0, 0);
    for (truth, said) in truth.zip(said) {
        right += said.iter().filter(|label| truth.contains(label)).count();
        (given, wanted) = (given + said.len(), wanted + truth.len());
    }
    2.0 * right as f64 / (given + wanted).max(1) as f64
}

fn turns(data: &Path) -> Result<Vec<Turn>> {
    let path = data.join("crosswoz-zh/val_turns.json");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let json: serde_json::Map<String, Json> = serde_json::from_str(&text)?;
    let mut out = Vec::new();
    for (dialogue, turns) in json.values().enumerate() {
        for turn in turns.as_array().context("a dialogue is a list")?.iter().filter(|t| t["role"] == "usr") {
            let acts = turn["dialog_act"].as_array().map(Vec::as_slice).unwrap_or_default();
            let name = |act: &Json| (0..3).filter_map(|i| act[i].as_str()).collect::<Vec<_>>().join("-");
            let acts: BTreeSet<String> = acts.iter().map(name).collect();
            let text = turn["content"].as_str().unwrap_or_default().to_owned();
            out.push(Turn { dialogue, text, acts: acts.into_iter().collect() });
        }
    }
    Ok(out)
}

/// What the regression says of the asked turns.
fn sklearn(home: &Path, turns: &[Turn], train: &[usize], asked: &[usize]) -> Result<Vec<Vec<String>>> {
    let python = crate::peer::environment_of(&home.join("scikit-learn"), &PACKAGES)?;
    let mut child = Command::new(&python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/ngrams.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", python.display()))?;
    let known: Vec<Json> = train.iter().map(|i| json!([turns[*i].text, turns[*i].acts])).collect();
    let texts: Vec<&str> = asked.iter().map(|i| turns[*i].text.as_str()).collect();
    let mut ask = child.stdin.take().context("the peer has no input")?;
    writeln!(ask, "{}", json!({ "train": known, "ask": texts })).context("the peer is gone")?;
    drop(ask);
    let out = child.wait_with_output()?;
    ensure!(out.status.success(), "the peer ended with {}", out.status);
    serde_json::from_slice(&out.stdout).context("the peer's answer")
}
