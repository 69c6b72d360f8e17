//! `Weights`: every tensor of the encoder, checked for presence, type and shape before anything runs.
//!
//! Linear layers are stored transposed, `[in, out]` row-major, with query, key and value side by side: both paths
//! then read rows in order.

use crate::budget::{MemoryBudget, MemoryKind, Reservation};
use crate::error::ModelError;
use crate::limits;
use crate::model::safetensors::SafetensorsFile;
use crate::model::{BertConfig, E5s1, FolderWeights, Table};
use sha2::{Digest, Sha256};

/// One transformer layer; shapes in H (hidden) and F (feed-forward).
#[derive(Debug, Clone)]
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
    pub words: Table,
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

/// A weights file that was opened: what the layers are put together from.
pub(super) trait Tensors {
    /// The numbers of a tensor, row-major. It is asked for by its name in a checkpoint of Hugging Face's `BertModel`;
    /// a tensor that is missing, of another type or shape, or with a number that is not finite is an error.
    fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError>;

    /// The word table, `[vocab, H]`.
    fn words(&self, config: &BertConfig) -> Result<Table, ModelError>;
}

impl Weights {
    /// Reads a weights file; the budget is asked for what they will hold, before the numbers are unpacked.
    pub fn load(file: &FolderWeights, config: &BertConfig, budget: &MemoryBudget) -> Result<Self, ModelError> {
        let path = file.path();
        let read = |source| ModelError::Read { path: path.to_owned(), source };
        let length = std::fs::metadata(path).map_err(read)?.len();
        if length > limits::WEIGHTS_BYTES_MAX {
            let message = format!("{length} bytes, the limit is {}", limits::WEIGHTS_BYTES_MAX);
            return Err(ModelError::Broken { path: path.to_owned(), message });
        }
        // A block of the packed table is a whole number of bytes; `check` saw to it that rows are whole blocks.
        let numbers = config.vocab_size as u64 * config.hidden_size as u64;
        let words_bytes = match file {
            FolderWeights::Safetensors(_) => 4 * numbers,
            FolderWeights::E5s1(_) => E5s1::words_bytes(config),
        };
        let reservation = budget.reserve(MemoryKind::Weights, config.layers_bytes() + words_bytes)?;
        let bytes = std::fs::read(path).map_err(read)?;
        let mut weights = match file {
            FolderWeights::Safetensors(_) => Self::assemble(&SafetensorsFile::open(path, &bytes)?, config)?,
            FolderWeights::E5s1(_) => Self::assemble(&E5s1::open(path, &bytes, config)?, config)?,
        };
        debug_assert_eq!(weights.words.bytes(), words_bytes, "the budget was asked for the right number");
        weights.sha256 = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
        weights.reservation = Some(reservation);
        Ok(weights)
    }

    fn assemble(tensors: &impl Tensors, config: &BertConfig) -> Result<Self, ModelError> {
        let h = config.hidden_size;
        let mut positions =
            tensors.get("embeddings.position_embeddings.weight", &[config.max_position_embeddings, h])?;
        let types = tensors.get("embeddings.token_type_embeddings.weight", &[config.type_vocab_size, h])?;
        for row in positions.chunks_exact_mut(h) {
            row.iter_mut().zip(&types[..h]).for_each(|(p, t)| *p += t);
        }
        Ok(Self {
            words: tensors.words(config)?,
            positions,
            embedding_norm: norm(tensors, "embeddings.LayerNorm", h)?,
            layers: (0..config.num_hidden_layers).map(|i| layer(tensors, i, config)).collect::<Result<_, _>>()?,
            sha256: String::new(),
            reservation: None,
        })
    }
}

fn layer(tensors: &impl Tensors, index: usize, config: &BertConfig) -> Result<LayerWeights, ModelError> {
    let (h, f) = (config.hidden_size, config.intermediate_size);
    let name = |rest: &str| format!("encoder.layer.{index}.{rest}");
    let mut qkv = vec![0.0; h * 3 * h];
    let mut qkv_bias = Vec::with_capacity(3 * h);
    for (i, part) in ["query", "key", "value"].iter().enumerate() {
        let weight = tensors.get(&name(&format!("attention.self.{part}.weight")), &[h, h])?;
        transpose_into(&weight, h, &mut qkv, 3 * h, i * h);
        qkv_bias.extend(tensors.get(&name(&format!("attention.self.{part}.bias")), &[h])?);
    }
    Ok(LayerWeights {
        qkv,
        qkv_bias,
        out: linear(tensors, &name("attention.output.dense.weight"), h, h)?,
        out_bias: tensors.get(&name("attention.output.dense.bias"), &[h])?,
        attention_norm: norm(tensors, &name("attention.output.LayerNorm"), h)?,
        up: linear(tensors, &name("intermediate.dense.weight"), h, f)?,
        up_bias: tensors.get(&name("intermediate.dense.bias"), &[f])?,
        down: linear(tensors, &name("output.dense.weight"), f, h)?,
        down_bias: tensors.get(&name("output.dense.bias"), &[h])?,
        output_norm: norm(tensors, &name("output.LayerNorm"), h)?,
    })
}

fn norm(tensors: &impl Tensors, name: &str, h: usize) -> Result<(Vec<f32>, Vec<f32>), ModelError> {
    Ok((tensors.get(&format!("{name}.weight"), &[h])?, tensors.get(&format!("{name}.bias"), &[h])?))
}

fn linear(tensors: &impl Tensors, name: &str, inputs: usize, outputs: usize) -> Result<Vec<f32>, ModelError> {
    let weight = tensors.get(name, &[outputs, inputs])?;
    let mut transposed = vec![0.0; inputs * outputs];
    transpose_into(&weight, inputs, &mut transposed, outputs, 0);
    Ok(transposed)
}

/// Writes the transpose of `weight` (`[outputs, inputs]`) into columns `column..` of a matrix of `width` columns.
fn transpose_into(weight: &[f32], inputs: usize, target: &mut [f32], width: usize, column: usize) {
    for (o, row) in weight.chunks_exact(inputs).enumerate() {
        for (i, x) in row.iter().enumerate() {
            target[i * width + column + o] = *x;
        }
    }
}
