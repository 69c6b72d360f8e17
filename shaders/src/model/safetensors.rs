//! `SafetensorsFile`: the reader of `model.safetensors`.

use crate::error::ModelError;
use crate::model::weights::Tensors;
use crate::model::{BertConfig, Table};
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};
use std::path::{Path, PathBuf};

/// An opened file; its numbers are F32, F16 or BF16.
pub(super) struct SafetensorsFile<'a> {
    path: PathBuf,
    tensors: SafeTensors<'a>,
    /// Checkpoints of a model with a task head put this before every name.
    prefix: &'static str,
}

impl<'a> SafetensorsFile<'a> {
    /// Reads the list of tensors.
    pub fn open(path: &Path, bytes: &'a [u8]) -> Result<Self, ModelError> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| ModelError::Broken {
            path: path.to_owned(),
            message: format!("not a whole safetensors file ({} bytes): {e}", bytes.len()),
        })?;
        let prefix = if tensors.tensor("bert.embeddings.LayerNorm.weight").is_ok() { "bert." } else { "" };
        Ok(Self { path: path.to_owned(), tensors, prefix })
    }
}

impl Tensors for SafetensorsFile<'_> {
    fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let name = format!("{}{name}", self.prefix);
        let refuse = |found: String| ModelError::Tensor {
            path: self.path.clone(),
            tensor: name.clone(),
            found,
            expected: format!("F32, F16 or BF16 {shape:?}"),
        };
        let view = self.tensors.tensor(&name).map_err(|_| refuse("nothing".into()))?;
        if view.shape() != shape {
            return Err(refuse(format!("{:?} {:?}", view.dtype(), view.shape())));
        }
        let short = |convert: fn(u16) -> f32| {
            view.data().chunks_exact(2).map(|b| convert(u16::from_le_bytes([b[0], b[1]]))).collect()
        };
        let numbers: Vec<f32> = match view.dtype() {
            Dtype::F32 => view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
            Dtype::F16 => short(|bits| f16::from_bits(bits).to_f32()),
            Dtype::BF16 => short(|bits| bf16::from_bits(bits).to_f32()),
            other => return Err(refuse(format!("{other:?} {:?}", view.shape()))),
        };
        match numbers.iter().position(|x| !x.is_finite()) {
            Some(at) => Err(refuse(format!("{} at index {at}", numbers[at]))),
            None => Ok(numbers),
        }
    }

    fn words(&self, config: &BertConfig) -> Result<Table, ModelError> {
        self.get("embeddings.word_embeddings.weight", &[config.vocab_size, config.hidden_size]).map(Table::F32)
    }
}
