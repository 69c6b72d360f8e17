//! The data sets as labelled examples: banking77, clinc150 and snips, as `../shared/data` has them.

use anyhow::{Context, Result, bail};
use dialogue::{Entity, NluExample, Value};
use serde_json::Value as Json;
use std::path::Path;

/// Examples, and texts that no intent of theirs fits.
#[derive(Debug, Default)]
pub struct Set {
    /// Each with its intent.
    pub examples: Vec<NluExample>,
    /// What is about something else.
    pub out_of_scope: Vec<String>,
}

/// Reads a set by its name.
pub fn read(data: &Path, name: &str) -> Result<Set> {
    match name {
        "banking77" => banking(data),
        "clinc150" => clinc(data),
        "snips" => snips(data),
        other => bail!("there is no set {other:?}; there are banking77, clinc150 and snips"),
    }
}

fn text(data: &Path, path: &str) -> Result<String> {
    let path = data.join(path);
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

fn example(text: &str, intent: &str) -> NluExample {
    NluExample { text: text.to_owned(), intent: intent.to_owned(), response_key: None, entities: Vec::new() }
}

/// `text,category` a record; a text with commas, quotes or line breaks stands in quotes.
fn banking(data: &Path) -> Result<Set> {
    let csv = text(data, "banking77/train.csv")?;
    let mut examples = Vec::new();
    let mut rest = csv.split_once('\n').map_or("", |(_, rest)| rest);
    while !rest.is_empty() {
        let (words, behind) = match rest.strip_prefix('"') {
            None => {
                let (words, behind) = rest.split_once(',').context("a record without a comma")?;
                (words.to_owned(), behind)
            }
            Some(quoted) => {
                let (words, behind) = quoted.split_once("\",").context("a text whose quotes do not end")?;
                (words.replace("\"\"", "\""), behind)
            }
        };
        let (category, behind) = behind.split_once('\n').unwrap_or((behind, ""));
        examples.push(example(words.trim(), category.trim()));
        rest = behind;
    }
    Ok(Set { examples, ..Set::default() })
}

fn clinc(data: &Path) -> Result<Set> {
    let json: Json = serde_json::from_str(&text(data, "clinc150/train_val.json")?)?;
    let part = |name: &str| -> Vec<(&str, &str)> {
        let list = json[name].as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().filter_map(|p| Some((p[0].as_str()?, p[1].as_str()?))).collect()
    };
    let examples = [part("train"), part("val")].concat().into_iter().map(|(words, intent)| example(words, intent));
    let out_of_scope = [part("oos_train"), part("oos_val")].concat().into_iter().map(|(words, _)| words.to_owned());
    Ok(Set { examples: examples.collect(), out_of_scope: out_of_scope.collect() })
}

fn snips(data: &Path) -> Result<Set> {
    const INTENTS: [&str; 7] = [
        "AddToPlaylist",
        "BookRestaurant",
        "GetWeather",
        "PlayMusic",
        "RateBook",
        "SearchCreativeWork",
        "SearchScreeningEvent",
    ];
    let mut examples = Vec::new();
    for intent in INTENTS {
        let json: Json = serde_json::from_str(&text(data, &format!("snips/train_{intent}.json"))?)?;
        for query in json[intent].as_array().with_context(|| format!("snips/train_{intent}.json has no {intent}"))? {
            let mut found = example("", intent);
            for part in query["data"].as_array().map(Vec::as_slice).unwrap_or_default() {
                let words = part["text"].as_str().unwrap_or_default();
                // An annotation may begin or end with a space that is none of its words.
                let inner = words.trim();
                let before = words.len() - words.trim_start().len();
                let start = (found.text.chars().count() + words[..before].chars().count()) as u32;
                found.text.push_str(words);
                if let (Some(entity), false) = (part["entity"].as_str(), inner.is_empty()) {
                    let end = start + inner.chars().count() as u32;
                    let value = Value::Text(inner.to_owned());
                    found.entities.push(Entity {
                        entity: entity.to_owned(),
                        value,
                        start,
                        end,
                        confidence: 1.0,
                        ..Entity::default()
                    });
                }
            }
            examples.push(found);
        }
    }
    Ok(Set { examples, ..Set::default() })
}
