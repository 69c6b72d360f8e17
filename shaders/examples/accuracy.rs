//! Accuracy of the heads on public data: `cargo run --release -p tertulia-shaders --example accuracy -- MODEL_FOLDER DATA_FOLDER [banking77|clinc150|snips]…`.
//!
//! 80 % of each training file are learned from, 20 % are asked, split by a fixed seed.

use cluster_config::{CpuPrecision, Device, InferenceOptions};
use dialogue::{Entity, NluExample, Value, ports::Scorer};
use serde_json::Value as Json;
use std::{path::Path, time::Instant};
use tertulia_shaders::{Encoder, Heads, NluModel, TrainOptions, train};

/// Reads a set's folder: its examples, and texts that belong to none of its intents.
type Reader = fn(&Path) -> (Vec<NluExample>, Vec<String>);

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [model, data, wanted @ ..] = args.as_slice() else { panic!("usage: MODEL_FOLDER DATA_FOLDER [SET]…") };
    let options =
        InferenceOptions { device: Device::Cpu, cpu_precision: CpuPrecision::F32, ..InferenceOptions::default() };
    let encoder = Encoder::load(model.as_ref(), &options).expect("the model loads");
    let sets: [(&str, Reader); 3] = [("banking77", banking77), ("clinc150", clinc150), ("snips", snips)];
    for (name, read) in sets.into_iter().filter(|(n, _)| wanted.is_empty() || wanted.iter().any(|w| w == n)) {
        let (examples, unrelated) = read(&Path::new(data).join(name));
        let (asked, learned): (Vec<_>, Vec<_>) = examples
            .into_iter()
            .partition(|e| dialogue::ids::hash64(format!("split-1 {}", e.text).as_bytes()).is_multiple_of(5));
        let start = Instant::now();
        let heads = train(&encoder, &learned, &TrainOptions::default(), &|_| {}).expect("it trains");
        let seconds = start.elapsed().as_secs_f64();
        let bytes = heads.to_bytes();
        let heads = Heads::from_bytes(&bytes).expect("its own bytes");
        println!("{name}: {} learned in {seconds:.1} s, {} bytes", learned.len(), bytes.len());
        report(&NluModel::load(encoder.clone(), heads, &options).expect("its own encoder"), &asked, &unrelated);
    }
}

fn report(model: &NluModel, asked: &[NluExample], unrelated: &[String]) {
    let parse = |text: &String| model.parse(text).expect("it scores");
    let understood: Vec<_> = asked.iter().map(|e| parse(&e.text)).collect();
    let share = |count: usize, of: usize| count as f64 / of.max(1) as f64;
    let right = understood.iter().zip(asked).filter(|(u, e)| u.intent.name == e.intent).count();
    let mean = understood.iter().map(|u| f64::from(u.intent.confidence)).sum::<f64>() / asked.len() as f64;
    let sure = |limit: f32| understood.iter().filter(|u| u.intent.confidence > limit).count();
    println!(
        "  accuracy {:.4} of {}, mean confidence {mean:.3}, above 0.5 {:.3}, above 0.3 {:.3}",
        share(right, asked.len()),
        asked.len(),
        share(sure(0.5), asked.len()),
        share(sure(0.3), asked.len())
    );
    if !unrelated.is_empty() {
        let low = unrelated.iter().filter(|t| parse(t).intent.confidence < 0.3).count();
        println!("  unrelated below 0.3: {:.3} of {}", share(low, unrelated.len()), unrelated.len());
    }
    let key = |e: &Entity| (e.entity.clone(), e.start, e.end);
    let (mut hits, mut found, mut there) = (0, 0, 0);
    for (u, e) in understood.iter().zip(asked) {
        found += u.entities.len();
        there += e.entities.len();
        hits += u.entities.iter().filter(|x| e.entities.iter().any(|y| key(x) == key(y))).count();
    }
    if there > 0 {
        let (precision, recall) = (share(hits, found), share(hits, there));
        println!(
            "  entities: precision {precision:.4}, recall {recall:.4}, F1 {:.4}",
            2.0 * precision * recall / (precision + recall)
        );
    }
    println!("  {}", model.describe());
}

fn example(text: &str, intent: &str) -> NluExample {
    NluExample { text: text.to_owned(), intent: intent.to_owned(), response_key: None, entities: Vec::new() }
}

fn banking77(dir: &Path) -> (Vec<NluExample>, Vec<String>) {
    let csv = std::fs::read_to_string(dir.join("train.csv")).expect("train.csv");
    let mut rows = Vec::new();
    // Quoted texts hold line breaks and doubled quotes.
    let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
    for c in csv.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                fields.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut fields));
            }
            '\r' => {}
            c => field.push(c),
        }
    }
    let examples = rows.iter().skip(1).filter(|r| r.len() == 2).map(|r| example(r[0].trim(), &r[1]));
    (examples.collect(), Vec::new())
}

fn clinc150(dir: &Path) -> (Vec<NluExample>, Vec<String>) {
    let json: Json = serde_json::from_slice(&std::fs::read(dir.join("train_val.json")).expect("train_val.json"))
        .expect("it is JSON");
    let pairs = |key: &str| json[key].as_array().cloned().unwrap_or_default();
    let text = |p: &Json| p[0].as_str().unwrap_or_default().to_owned();
    let examples = pairs("train").iter().map(|p| example(&text(p), p[1].as_str().unwrap_or_default())).collect();
    (examples, pairs("oos_val").iter().chain(&pairs("oos_train")).map(text).collect())
}

fn snips(dir: &Path) -> (Vec<NluExample>, Vec<String>) {
    let mut examples = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(dir).expect("the folder").flatten().map(|f| f.path()).collect();
    files.sort();
    for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "json")) {
        let bytes = std::fs::read(file).expect("a file of the folder");
        let json: Json = serde_json::from_str(&String::from_utf8_lossy(&bytes)).expect("it is JSON");
        for (intent, utterances) in json.as_object().expect("an object") {
            for utterance in utterances.as_array().expect("a list") {
                let mut e = example("", intent);
                for part in utterance["data"].as_array().expect("a list") {
                    let text = part["text"].as_str().unwrap_or_default();
                    let start = e.text.chars().count() as u32;
                    e.text.push_str(text);
                    if let Some(entity) = part["entity"].as_str().filter(|_| !text.trim().is_empty()) {
                        let end = e.text.chars().count() as u32;
                        let value = Value::Text(text.to_owned());
                        e.entities.push(Entity { entity: entity.into(), value, start, end, ..Entity::default() });
                    }
                }
                examples.push(e);
            }
        }
    }
    (examples, Vec::new())
}
