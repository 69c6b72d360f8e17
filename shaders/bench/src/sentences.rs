//! Real sentences to compare encoders on: banking77 in English, crosswoz in Chinese, as `../shared/data` has them.

use anyhow::{Context, Result, ensure};
use dialogue::EncodedUtterance;
use shaders::Encoder;
use std::path::Path;

/// Every so many sentences, several are joined to a long one; the one behind it is cut short.
const LONG_EVERY: usize = 25;

/// The texts of a data set, by its name.
pub fn sentences(data: &Path, set: &str) -> Result<Vec<String>> {
    let read = |path: &str| {
        let path = data.join(path);
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let mut texts = Vec::new();
    if set == "crosswoz-zh" {
        collect(&serde_json::from_str(&read("crosswoz-zh/val_turns.json")?)?, &mut texts);
    } else {
        // `text,label` a line, the text in quotes where it has commas.
        let csv = read("banking77/train.csv")?;
        let text = |line: &str| line.rsplit_once(',').map(|(text, _)| text.trim_matches('"').to_owned());
        texts.extend(csv.lines().skip(1).filter_map(text).filter(|t| !t.is_empty()));
    }
    Ok(texts)
}

/// All texts with a Chinese letter in them that are values of the JSON.
fn collect(json: &serde_json::Value, into: &mut Vec<String>) {
    match json {
        serde_json::Value::String(text) if text.chars().any(|c| ('\u{4e00}'..'\u{9fff}').contains(&c)) => {
            into.push(text.clone());
        }
        serde_json::Value::Array(list) => list.iter().for_each(|j| collect(j, into)),
        serde_json::Value::Object(map) => map.values().for_each(|j| collect(j, into)),
        _ => {}
    }
}

/// `count` utterances of all lengths from 1 to 256 tokens, from all over the data set: sentences as they are, several joined, and the
/// first tokens of some.
pub fn utterances(encoder: &Encoder, sentences: &[String], count: usize) -> Result<Vec<EncodedUtterance>> {
    ensure!(sentences.len() >= count, "{} sentences, {count} are compared", sentences.len());
    let step = sentences.len() / count;
    let utterance = |i: usize| -> Result<EncodedUtterance> {
        let (at, nth) = (i * step, i / LONG_EVERY);
        let text = match i % LONG_EVERY {
            0 => sentences.iter().cycle().skip(at).take(2 + 40 * i / count).cloned().collect::<Vec<_>>().join(" "),
            _ => sentences[at].clone(),
        };
        let mut utterance = encoder.encode(&text)?;
        if i % LONG_EVERY == 1 {
            utterance.token_ids.truncate(1 + nth);
            utterance.offsets.truncate(1 + nth);
        }
        Ok(utterance)
    };
    (0..count).map(utterance).collect()
}
