//! Heads as bytes: a safetensors file with one metadata entry, `tertulia`, that holds JSON.
//!
//! One entry, because the format's writer orders several at random and a release is named by the hash of its bytes.

use crate::{
    encoder::EncoderId,
    error::ModelError,
    heads::{FeatureTable, Heads, IntentHead, LinearHead, Selector, Tag, Tagger},
    limits,
};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Version 1 has no selectors, version 2 no threshold.
const VERSION: u32 = 3;
const KEY: &str = "tertulia";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    version: u32,
    encoder: EncoderId,
    hidden_size: usize,
    intents: Vec<String>,
    intent_temperature: f32,
    #[serde(default = "threshold_before_3")]
    intent_threshold: f32,
    tags: Option<Vec<Tag>>,
    #[serde(default)]
    selectors: Vec<SelectorMetadata>,
}

/// What was the default before thresholds were learned.
fn threshold_before_3() -> f32 {
    dialogue::format::FallbackConfig::THRESHOLD
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SelectorMetadata {
    name: String,
    keys: Vec<String>,
    temperature: f32,
}

impl Heads {
    /// Their bytes; the same heads give the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let metadata = Metadata {
            version: VERSION,
            encoder: self.encoder.clone(),
            hidden_size: self.hidden_size,
            intents: self.intent.labels.clone(),
            intent_temperature: self.intent.head.temperature,
            intent_threshold: self.intent.threshold,
            tags: self.tagger.as_ref().map(|t| t.kinds.clone()),
            selectors: self
                .selectors
                .iter()
                .map(|s| SelectorMetadata {
                    name: s.name.clone(),
                    keys: s.keys.labels.clone(),
                    temperature: s.keys.head.temperature,
                })
                .collect(),
        };
        let mut tensors = parts("intent", &self.intent.head);
        for (i, selector) in self.selectors.iter().enumerate() {
            tensors.extend(parts(&format!("selector.{i}"), &selector.keys.head));
        }
        if let Some(tagger) = &self.tagger {
            tensors.extend(parts("tagger", &tagger.head));
            let c = tagger.head.classes;
            tensors.push(("tagger.transitions".into(), Dtype::F32, vec![c, c], floats(&tagger.transitions)));
        }
        write(&metadata, &tensors)
    }

    /// Reads what [`Heads::to_bytes`] wrote; everything is checked before it is used.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        let (metadata, tensors) = read::<Metadata>(bytes, VERSION)?;
        check_labels(&metadata)?;
        let h = metadata.hidden_size;
        // Nobody asks selectors for a threshold.
        let ranked = |name: &str, labels: Vec<String>, temperature| {
            let head = LinearHead { temperature, ..linear(&tensors, name, h, labels.len() + 1)? };
            Ok::<_, ModelError>(IntentHead { labels, head, threshold: 0.0 })
        };
        let intent = ranked("intent", metadata.intents, metadata.intent_temperature)?;
        let intent = IntentHead { threshold: metadata.intent_threshold, ..intent };
        let selector = |(i, s): (usize, SelectorMetadata)| {
            Ok(Selector { name: s.name, keys: ranked(&format!("selector.{i}"), s.keys, s.temperature)? })
        };
        let selectors = metadata.selectors.into_iter().enumerate().map(selector).collect::<Result<_, ModelError>>()?;
        let tagger = match metadata.tags {
            None => None,
            Some(kinds) => {
                let classes = 2 * kinds.len() + 1;
                let head = linear(&tensors, "tagger", h, classes)?;
                let transitions = f32s(&tensors, "tagger.transitions", &[classes, classes])?;
                Some(Tagger { kinds, head, transitions })
            }
        };
        Ok(Self { encoder: metadata.encoder, hidden_size: h, intent, selectors, tagger })
    }
}

/// A file of these tensors, with one metadata entry that holds JSON.
pub(super) fn write(metadata: &impl Serialize, tensors: &[Part]) -> Vec<u8> {
    let json = serde_json::to_string(metadata).expect("strings and numbers are valid JSON");
    let views = tensors.iter().map(|(name, dtype, shape, data)| {
        let view = TensorView::new(*dtype, shape.clone(), data).expect("shape and data are ours");
        (name.clone(), view)
    });
    safetensors::serialize(views, Some(HashMap::from([(KEY.to_owned(), json)]))).expect("every view is whole")
}

/// The metadata of such a file, whose `version` is at most `version`, and its tensors.
pub(super) fn read<M: serde::de::DeserializeOwned>(
    bytes: &[u8],
    version: u32,
) -> Result<(M, SafeTensors<'_>), ModelError> {
    let broken = |message: String| ModelError::Heads(message);
    if bytes.len() > limits::HEADS_BYTES_MAX {
        return Err(broken(format!("{} bytes, the limit is {}", bytes.len(), limits::HEADS_BYTES_MAX)));
    }
    let whole = |e| broken(format!("not a whole safetensors file ({} bytes): {e}", bytes.len()));
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(whole)?;
    let tensors = SafeTensors::deserialize(bytes).map_err(whole)?;
    let json = header.metadata().as_ref().and_then(|m| m.get(KEY));
    let json = json.ok_or_else(|| broken(format!("no metadata entry {KEY:?}")))?;
    // The version first: another version may have other fields.
    let value: serde_json::Value = serde_json::from_str(json).map_err(|e| broken(e.to_string()))?;
    if !value["version"].as_u64().is_some_and(|found| (1..=u64::from(version)).contains(&found)) {
        return Err(broken(format!("version: found {}, expected at most {version}", value["version"])));
    }
    Ok((serde_json::from_value(value).map_err(|e| broken(e.to_string()))?, tensors))
}

fn check_labels(metadata: &Metadata) -> Result<(), ModelError> {
    let mut ranked = vec![("intent", &metadata.intents, metadata.intent_temperature)];
    ranked.extend(metadata.selectors.iter().map(|s| (s.name.as_str(), &s.keys, s.temperature)));
    let tags = metadata.tags.as_deref().unwrap_or_default();
    let labels = || ranked.iter().map(|(_, labels, _)| *labels);
    let sorted = labels().all(|labels| labels.is_sorted_by(|a, b| a < b)) && tags.is_sorted_by(|a, b| a < b);
    let most = labels().map(Vec::len).chain([tags.len(), metadata.selectors.len()]).max().unwrap_or(0);
    if !sorted || most > limits::LABELS_MAX {
        return Err(ModelError::Heads(format!("labels: expected at most {}, sorted, each once", limits::LABELS_MAX)));
    }
    if !(0.0..=1.0).contains(&metadata.intent_threshold) {
        let found = metadata.intent_threshold;
        return Err(ModelError::Heads(format!("intent_threshold: found {found}, expected a number from 0 to 1")));
    }
    match ranked.iter().find(|(_, _, temperature)| !(*temperature > 0.0 && temperature.is_finite())) {
        Some((name, _, found)) => {
            Err(ModelError::Heads(format!("temperature of {name}: found {found}, expected more than 0")))
        }
        None => Ok(()),
    }
}

pub(super) type Part = (String, Dtype, Vec<usize>, Vec<u8>);

pub(super) fn parts(name: &str, head: &LinearHead) -> Vec<Part> {
    let c = head.classes;
    let hashes = head.table.hashes().iter().flat_map(|h| h.to_le_bytes()).collect();
    vec![
        (format!("{name}.bias"), Dtype::F32, vec![c], floats(&head.bias)),
        (format!("{name}.dense"), Dtype::F32, vec![head.dense.len() / c, c], floats(&head.dense)),
        (format!("{name}.features"), Dtype::U64, vec![head.table.len()], hashes),
        (format!("{name}.sparse"), Dtype::F32, vec![head.table.len(), c], floats(&head.sparse)),
    ]
}

fn floats(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
}

pub(super) fn linear(tensors: &SafeTensors<'_>, name: &str, h: usize, c: usize) -> Result<LinearHead, ModelError> {
    let features = format!("{name}.features");
    let view = tensors.tensor(&features).map_err(|_| ModelError::Heads(format!("tensor {features}: found nothing")))?;
    let (dtype, shape) = (view.dtype(), view.shape());
    if dtype != Dtype::U64 || shape.len() != 1 || shape[0] > limits::SPARSE_FEATURES_MAX {
        let limit = limits::SPARSE_FEATURES_MAX;
        return Err(ModelError::Heads(format!(
            "tensor {features}: found {dtype:?} {shape:?}, expected U64 [0 to {limit}]"
        )));
    }
    let hash = |b: &[u8]| u64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]);
    let table = FeatureTable::from_sorted(view.data().chunks_exact(8).map(hash).collect())
        .ok_or_else(|| ModelError::Heads(format!("tensor {features}: expected sorted hashes, each once")))?;
    Ok(LinearHead {
        classes: c,
        dense: f32s(tensors, &format!("{name}.dense"), &[h, c])?,
        bias: f32s(tensors, &format!("{name}.bias"), &[c])?,
        sparse: f32s(tensors, &format!("{name}.sparse"), &[table.len(), c])?,
        table,
        temperature: 1.0,
    })
}

fn f32s(tensors: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
    let refuse = |found: String| ModelError::Heads(format!("tensor {name}: found {found}, expected F32 {shape:?}"));
    let view = tensors.tensor(name).map_err(|_| refuse("nothing".into()))?;
    if view.dtype() != Dtype::F32 || view.shape() != shape {
        return Err(refuse(format!("{:?} {:?}", view.dtype(), view.shape())));
    }
    let numbers: Vec<f32> = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    match numbers.iter().find(|x| !x.is_finite()) {
        Some(x) => Err(refuse(x.to_string())),
        None => Ok(numbers),
    }
}
