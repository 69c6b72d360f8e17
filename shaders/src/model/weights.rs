//! `Weights`: every tensor of the encoder, checked for presence, type and shape before anything runs.
//!
//! Linear layers are stored transposed, `[in, out]` row-major, with query, key and value side by side: both paths
//! then read rows in order.

use crate::{
    budget::{MemoryBudget, MemoryKind, Reservation},
    error::ModelError,
    limits,
    model::BertConfig,
};
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// One transformer layer; shapes in H (hidden) and F (feed-forward).
#[derive(Debug)]
pub struct LayerWeights {
    /// `[H, 3H]`: query, key, value.
    pub qkv: Vec<f32>,
    /// `[3H]`.
    pub qkv_bias: Vec<f32>,
    /// `[H, H]`: the attention's output.
    pub out: Vec<f32>,
    /// `[H]`.
    pub out_bias: Vec<f32>,
    /// `[H]`, scale and shift of the LayerNorm behind the attention.
    pub attention_norm: (Vec<f32>, Vec<f32>),
    /// `[H, F]`.
    pub up: Vec<f32>,
    /// `[F]`.
    pub up_bias: Vec<f32>,
    /// `[F, H]`.
    pub down: Vec<f32>,
    /// `[H]`.
    pub down_bias: Vec<f32>,
    /// `[H]`, scale and shift of the LayerNorm behind the feed-forward layer.
    pub output_norm: (Vec<f32>, Vec<f32>),
}

/// The whole encoder.
#[derive(Debug)]
pub struct Weights {
    /// `[vocab, H]`.
    pub words: Vec<f32>,
    /// `[positions, H]`, with the vector of segment type 0 added already.
    pub positions: Vec<f32>,
    /// `[H]`, scale and shift.
    pub embedding_norm: (Vec<f32>, Vec<f32>),
    /// From the first to the last.
    pub layers: Vec<LayerWeights>,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// What they take from the budget of the process.
    pub reservation: Option<Reservation>,
}

impl Weights {
    /// Reads `model.safetensors`; the budget is asked before the numbers are unpacked.
    pub fn load(path: &Path, config: &BertConfig, budget: &MemoryBudget) -> Result<Self, ModelError> {
        let read = |source| ModelError::Read { path: path.to_owned(), source };
        let length = std::fs::metadata(path).map_err(read)?.len();
        if length > limits::WEIGHTS_BYTES_MAX {
            let message = format!("{length} bytes, the limit is {}", limits::WEIGHTS_BYTES_MAX);
            return Err(ModelError::Broken { path: path.to_owned(), message });
        }
        let reservation = budget.reserve(MemoryKind::Weights, length)?;
        let bytes = std::fs::read(path).map_err(read)?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|e| ModelError::Broken {
            path: path.to_owned(),
            message: format!("not a whole safetensors file ({} bytes): {e}", bytes.len()),
        })?;
        let prefix = if tensors.tensor("bert.embeddings.LayerNorm.weight").is_ok() { "bert." } else { "" };
        let reader = Reader { path: path.to_owned(), tensors, prefix };
        let mut weights = reader.weights(config)?;
        weights.sha256 = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
        weights.reservation = Some(reservation);
        Ok(weights)
    }
}

struct Reader<'a> {
    path: PathBuf,
    tensors: SafeTensors<'a>,
    /// Checkpoints of a model with a task head put this before every name.
    prefix: &'static str,
}

impl Reader<'_> {
    fn weights(&self, config: &BertConfig) -> Result<Weights, ModelError> {
        let (h, vocab) = (config.hidden_size, config.vocab_size);
        let mut positions = self.get("embeddings.position_embeddings.weight", &[config.max_position_embeddings, h])?;
        let types = self.get("embeddings.token_type_embeddings.weight", &[config.type_vocab_size, h])?;
        for row in positions.chunks_exact_mut(h) {
            row.iter_mut().zip(&types[..h]).for_each(|(p, t)| *p += t);
        }
        Ok(Weights {
            words: self.get("embeddings.word_embeddings.weight", &[vocab, h])?,
            positions,
            embedding_norm: self.norm("embeddings.LayerNorm", h)?,
            layers: (0..config.num_hidden_layers).map(|i| self.layer(i, config)).collect::<Result<_, _>>()?,
            sha256: String::new(),
            reservation: None,
        })
    }

    fn layer(&self, index: usize, config: &BertConfig) -> Result<LayerWeights, ModelError> {
        let (h, f) = (config.hidden_size, config.intermediate_size);
        let name = |rest: &str| format!("encoder.layer.{index}.{rest}");
        let mut qkv = vec![0.0; h * 3 * h];
        let mut qkv_bias = Vec::with_capacity(3 * h);
        for (i, part) in ["query", "key", "value"].iter().enumerate() {
            let weight = self.get(&name(&format!("attention.self.{part}.weight")), &[h, h])?;
            transpose_into(&weight, h, &mut qkv, 3 * h, i * h);
            qkv_bias.extend(self.get(&name(&format!("attention.self.{part}.bias")), &[h])?);
        }
        Ok(LayerWeights {
            qkv,
            qkv_bias,
            out: self.linear(&name("attention.output.dense.weight"), h, h)?,
            out_bias: self.get(&name("attention.output.dense.bias"), &[h])?,
            attention_norm: self.norm(&name("attention.output.LayerNorm"), h)?,
            up: self.linear(&name("intermediate.dense.weight"), h, f)?,
            up_bias: self.get(&name("intermediate.dense.bias"), &[f])?,
            down: self.linear(&name("output.dense.weight"), f, h)?,
            down_bias: self.get(&name("output.dense.bias"), &[h])?,
            output_norm: self.norm(&name("output.LayerNorm"), h)?,
        })
    }

    fn norm(&self, name: &str, h: usize) -> Result<(Vec<f32>, Vec<f32>), ModelError> {
        Ok((self.get(&format!("{name}.weight"), &[h])?, self.get(&format!("{name}.bias"), &[h])?))
    }

    fn linear(&self, name: &str, inputs: usize, outputs: usize) -> Result<Vec<f32>, ModelError> {
        let weight = self.get(name, &[outputs, inputs])?;
        let mut transposed = vec![0.0; inputs * outputs];
        transpose_into(&weight, inputs, &mut transposed, outputs, 0);
        Ok(transposed)
    }

    fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let name = format!("{}{name}", self.prefix);
        let refuse = |found: String| ModelError::Tensor {
            path: self.path.clone(),
            tensor: name.clone(),
            found,
            expected: format!("F32 {shape:?}"),
        };
        let view = self.tensors.tensor(&name).map_err(|_| refuse("nothing".into()))?;
        if view.dtype() != Dtype::F32 || view.shape() != shape {
            return Err(refuse(format!("{:?} {:?}", view.dtype(), view.shape())));
        }
        let numbers: Vec<f32> =
            view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        match numbers.iter().position(|x| !x.is_finite()) {
            Some(at) => Err(refuse(format!("{} at index {at}", numbers[at]))),
            None => Ok(numbers),
        }
    }
}

/// Writes the transpose of `weight` (`[outputs, inputs]`) into columns `column..` of a matrix of `width` columns.
fn transpose_into(weight: &[f32], inputs: usize, target: &mut [f32], width: usize, column: usize) {
    for (o, row) in weight.chunks_exact(inputs).enumerate() {
        for (i, x) in row.iter().enumerate() {
            target[i * width + column + o] = *x;
        }
    }
}
