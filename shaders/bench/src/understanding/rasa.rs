//! Rasa as a live peer: `rasa train nlu` and `rasa test nlu` on the very same split, with its DIET and with a light pipeline.

use anyhow::{Context, Result, ensure};
use dialogue::NluExample;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The pipeline of Rasa 3.6's documentation for English, with a fixed seed.
const DIET: &str = "recipe: default.v1
assistant_id: peer
language: en
pipeline:
- name: WhitespaceTokenizer
- name: RegexFeaturizer
- name: LexicalSyntacticFeaturizer
- name: CountVectorsFeaturizer
- name: CountVectorsFeaturizer
  analyzer: char_wb
  min_ngram: 1
  max_ngram: 4
- name: DIETClassifier
  epochs: 100
  constrain_similarities: true
  random_seed: 1
";
/// Without TensorFlow: a logistic regression, and a conditional random field where there are entities.
const LIGHT: &str = "recipe: default.v1
assistant_id: peer
language: en
pipeline:
- name: WhitespaceTokenizer
- name: LexicalSyntacticFeaturizer
- name: CountVectorsFeaturizer
- name: CountVectorsFeaturizer
  analyzer: char_wb
  min_ngram: 1
  max_ngram: 4
- name: LogisticRegressionClassifier
";
const CRF: &str = "- name: CRFEntityExtractor\n";

/// A pipeline of Rasa's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pipeline {
    /// DIET, for intents and entities.
    Diet,
    /// Logistic regression and conditional random field.
    Light,
}

impl Pipeline {
    pub fn name(self) -> &'static str {
        match self {
            Self::Diet => "Rasa's DIET",
            Self::Light => "Rasa's light pipeline",
        }
    }
}

/// What one run came to.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Outcome {
    /// Per cent of the asked texts.
    pub accuracy: f64,
    /// Per cent; none without entities.
    pub slot_f1: Option<f64>,
    /// Of `rasa train nlu`, with its start.
    pub seconds: f64,
}

/// Trains and asks. `program` is the `rasa` of a virtual environment.
pub fn run(program: &Path, pipeline: Pipeline, train: &[&NluExample], asked: &[&NluExample]) -> Result<Outcome> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let entities = train.iter().any(|e| !e.entities.is_empty());
    let config = match pipeline {
        Pipeline::Diet => DIET.to_owned(),
        Pipeline::Light if entities => format!("{LIGHT}{CRF}"),
        Pipeline::Light => LIGHT.to_owned(),
    };
    let put = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).with_context(|| format!("{name}: cannot write"))
    };
    put("config.yml", &config)?;
    put("domain.yml", &domain(train)?)?;
    put("train.yml", &nlu(train)?)?;
    put("asked.yml", &nlu(asked)?)?;
    let rasa = |args: &[&str]| -> Result<()> {
        let run = Command::new(program)
            .args(args)
            .current_dir(folder.path())
            .envs([("RASA_TELEMETRY_ENABLED", "false"), ("TF_CPP_MIN_LOG_LEVEL", "3"), ("CUDA_VISIBLE_DEVICES", "")])
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot run {}", program.display()))?;
        ensure!(run.status.success(), "rasa {args:?}: {}\n{}", run.status, String::from_utf8_lossy(&run.stderr));
        Ok(())
    };
    let begun = Instant::now();
    rasa(&[
        "train",
        "nlu",
        "--config",
        "config.yml",
        "--domain",
        "domain.yml",
        "--nlu",
        "train.yml",
        "--out",
        "models",
    ])?;
    let seconds = begun.elapsed().as_secs_f64();
    rasa(&["test", "nlu", "--nlu", "asked.yml", "--model", "models", "--out", "results", "--no-plot", "--successes"])?;
    let report = |name: &str| -> Result<Json> {
        let text = std::fs::read_to_string(folder.path().join("results").join(name))
            .with_context(|| format!("{name}: rasa wrote no such report"))?;
        Ok(serde_json::from_str(&text)?)
    };
    let intents = report("intent_report.json")?;
    // scikit-learn writes one figure where each text has one label and one guess.
    let accuracy = intents["accuracy"].as_f64().or_else(|| intents["micro avg"]["f1-score"].as_f64());
    // Exact spans, counted as we count ours, from the texts that its own report lists.
    let slot_f1 = if entities { Some(spans(&report, pipeline)?) } else { None };
    Ok(Outcome { accuracy: 100.0 * accuracy.context("the report has no accuracy")?, slot_f1, seconds })
}

/// Micro F1 of whole spans. Rasa's own report counts words; its lists of errors and successes hold what was annotated and found.
fn spans(report: &dyn Fn(&str) -> Result<Json>, pipeline: Pipeline) -> Result<f64> {
    let extractor = match pipeline {
        Pipeline::Diet => "DIETClassifier",
        Pipeline::Light => "CRFEntityExtractor",
    };
    let (mut right, mut found, mut wanted) = (0, 0, 0);
    for file in [format!("{extractor}_errors.json"), format!("{extractor}_successes.json")] {
        // A list without entries is not written.
        let texts = report(&file).unwrap_or_default();
        for text in texts.as_array().map(Vec::as_slice).unwrap_or_default() {
            let of = |key: &str| -> Vec<(u64, u64, String)> {
                let list = text[key].as_array().map(Vec::as_slice).unwrap_or_default();
                let span = |e: &Json| {
                    let name = e["entity"].as_str().unwrap_or_default().to_owned();
                    (e["start"].as_u64().unwrap_or(0), e["end"].as_u64().unwrap_or(0), name)
                };
                list.iter().map(span).collect()
            };
            let (truth, said) = (of("entities"), of("predicted_entities"));
            right += said.iter().filter(|s| truth.contains(s)).count();
            (found, wanted) = (found + said.len(), wanted + truth.len());
        }
    }
    Ok(200.0 * f64::from(u32::try_from(right)?) / f64::from(u32::try_from((found + wanted).max(1))?))
}

fn domain(examples: &[&NluExample]) -> Result<String> {
    let mut intents: Vec<&str> = examples.iter().map(|e| e.intent.as_str()).collect();
    let mut entities: Vec<&str> = examples.iter().flat_map(|e| &e.entities).map(|e| e.entity.as_str()).collect();
    for names in [&mut intents, &mut entities] {
        names.sort_unstable();
        names.dedup();
    }
    // JSON is YAML.
    Ok(serde_json::to_string(&json!({ "version": "3.1", "intents": intents, "entities": entities }))?)
}

fn nlu(examples: &[&NluExample]) -> Result<String> {
    let mut of: BTreeMap<&str, String> = BTreeMap::new();
    for example in examples {
        let lines = of.entry(&example.intent).or_default();
        lines.push_str(&format!("    - {}\n", marked(example)));
    }
    // Rasa takes no flow style here: a block it is. A name in JSON is a name in YAML.
    let mut out = String::from("version: \"3.1\"\nnlu:\n");
    for (intent, lines) in of {
        out.push_str(&format!("- intent: {}\n  examples: |\n{lines}", serde_json::to_string(intent)?));
    }
    Ok(out)
}

/// `to [Rome](city)`. Brackets of the text itself would be read as such: they become others, in what is learned and in what is asked.
fn marked(example: &NluExample) -> String {
    let plain = |c: char| match c {
        '[' => '(',
        ']' => ')',
        '\n' => ' ',
        c => c,
    };
    let chars: Vec<char> = example.text.chars().map(plain).collect();
    let mut out = String::new();
    let mut at = 0;
    let mut entities: Vec<_> = example.entities.iter().collect();
    entities.sort_by_key(|e| e.start);
    for entity in entities {
        let (start, end) = (entity.start as usize, entity.end as usize);
        out.extend(&chars[at..start]);
        out.push('[');
        out.extend(&chars[start..end]);
        out.push_str(&format!("]({})", entity.entity));
        at = end;
    }
    out.extend(&chars[at..]);
    out
}
