//! A learned policy as bytes: a safetensors file with one metadata entry, as heads have it.

use crate::{
    error::ModelError,
    heads::{FeatureTable, LinearHead, bytes},
    limits,
};
use dialogue::engine::PolicyModel;
use serde::{Deserialize, Serialize};

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    version: u32,
    actions: Vec<String>,
}

/// Its bytes; the same policy gives the same bytes.
pub fn policy_to_bytes(policy: &PolicyModel) -> Vec<u8> {
    let head = LinearHead {
        classes: policy.actions.len(),
        dense: Vec::new(),
        bias: policy.bias.clone(),
        table: FeatureTable::from_sorted(policy.features.clone()).expect("a policy's features are sorted"),
        sparse: policy.weights.clone(),
        temperature: 1.0,
    };
    bytes::write(&Metadata { version: VERSION, actions: policy.actions.clone() }, &bytes::parts("policy", &head))
}

/// Reads what [`policy_to_bytes`] wrote; everything is checked before it is used.
pub fn policy_from_bytes(bytes: &[u8]) -> Result<PolicyModel, ModelError> {
    let (metadata, tensors) = bytes::read::<Metadata>(bytes, VERSION)?;
    let actions = metadata.actions;
    if actions.is_empty() || actions.len() > limits::LABELS_MAX || !actions.is_sorted_by(|a, b| a < b) {
        let limit = limits::LABELS_MAX;
        return Err(ModelError::Heads(format!("actions: expected 1 to {limit}, sorted, each once")));
    }
    let head = bytes::linear(&tensors, "policy", 0, actions.len())?;
    Ok(PolicyModel { actions, features: head.table.hashes().to_vec(), weights: head.sparse, bias: head.bias })
}
