//! `DeviceWeights`: the model's weights as buffers of the device, in the precision that the kernels read.

use crate::{
    budget::{MemoryBudget, MemoryKind},
    gpu::{
        Gpu, GpuError, Precision,
        block::{Block, Purse},
        stored::{self, Stored},
    },
    model::{BertConfig, WeightSource},
};
use wgpu::BufferUsages;

/// Parts that the word vectors may lie in: a binding each.
pub const WORD_PARTS: usize = 4;

/// All weights.
#[derive(Debug)]
pub struct DeviceWeights {
    pub words: Words,
    pub positions: Block,
    pub norm: Block,
    pub layers: Vec<Layer>,
}

/// The word vectors, cut where a binding ends.
#[derive(Debug)]
pub struct Words {
    parts: Vec<Block>,
}

/// Words that are unpacked at once.
const WORDS_AT_ONCE: usize = 2_048;

fn row_bytes(h: usize, precision: Precision) -> usize {
    if precision.of_words() == Precision::F16 { 2 * h } else { 4 * h }
}

/// A linear layer: its matrix, and its bias with what else follows the sum.
#[derive(Debug)]
pub struct Linear {
    pub weight: Block,
    pub bias: Block,
}

/// One layer.
#[derive(Debug)]
pub struct Layer {
    pub qkv: Linear,
    pub out: Linear,
    pub attention_norm: Block,
    pub up: Linear,
    pub down: Linear,
    pub output_norm: Block,
}

impl DeviceWeights {
    /// Puts them there, one after the other.
    pub fn new(
        gpu: &Gpu,
        budget: &MemoryBudget,
        config: &BertConfig,
        source: &dyn WeightSource,
        precision: Precision,
    ) -> Result<Self, GpuError> {
        let purse = Purse { budget, kind: MemoryKind::Weights };
        let norm = |label: &str, (scale, shift): &(Vec<f32>, Vec<f32>)| {
            gpu.upload_for(purse, label, &[&scale[..], shift].concat())
        };
        let linear = |label: &str, weight: &[f32], bias: &[f32]| -> Result<Linear, GpuError> {
            let stored = Stored::new(precision, weight, bias);
            let weight = gpu.upload_for(purse, label, &stored.weight)?;
            Ok(Linear { weight, bias: gpu.upload_for(purse, label, &stored.bias)? })
        };
        // One layer at a time is unpacked.
        let layer = |index: usize| {
            let w = source.layer(index);
            Ok(Layer {
                qkv: linear("qkv", &w.qkv, &w.qkv_bias)?,
                out: linear("out", &w.out, &w.out_bias)?,
                attention_norm: norm("attention norm", &w.attention_norm)?,
                up: linear("up", &w.up, &w.up_bias)?,
                down: linear("down", &w.down, &w.down_bias)?,
                output_norm: norm("output norm", &w.output_norm)?,
            })
        };
        Ok(Self {
            words: Words::new(gpu, purse, config, source, precision)?,
            positions: gpu.upload_for(purse, "position vectors", source.positions())?,
            norm: norm("embedding norm", source.embedding_norm())?,
            layers: (0..source.layers()).map(layer).collect::<Result<_, GpuError>>()?,
        })
    }
}

impl Words {
    /// Words of a part, where the table is cut into as few parts as the bindings of a device hold.
    pub fn rows(bytes_max: u64, config: &BertConfig, precision: Precision) -> Result<usize, GpuError> {
        let (vocab, h) = (config.vocab_size, config.hidden_size);
        let fit = (bytes_max as usize / row_bytes(h, precision)).max(1);
        if vocab > WORD_PARTS * fit {
            let room = WORD_PARTS * fit;
            return Err(GpuError::Unsupported(format!(
                "{vocab} word vectors of {h} numbers, the bindings hold {room}"
            )));
        }
        // Equal parts: the last is not a sliver.
        Ok(vocab.div_ceil(vocab.div_ceil(fit).max(1)).max(1))
    }

    fn new(
        gpu: &Gpu,
        purse: Purse<'_>,
        config: &BertConfig,
        source: &dyn WeightSource,
        precision: Precision,
    ) -> Result<Self, GpuError> {
        let (vocab, row) = (config.vocab_size, row_bytes(config.hidden_size, precision));
        let rows = Self::rows(gpu.binding_bytes_max(), config, precision)?;
        let part = |first: usize| {
            let words = first..vocab.min(first + rows);
            let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
            let block = gpu.allocate_for(purse, "word vectors", (words.len() * row) as u64, usage)?;
            for some in words.clone().step_by(WORDS_AT_ONCE) {
                let vectors = stored::words(precision, &source.words(some..words.end.min(some + WORDS_AT_ONCE)));
                gpu.write(&block.buffer, ((some - first) * row) as u64, bytemuck::cast_slice(&vectors))?;
            }
            Ok(block)
        };
        Ok(Self { parts: (0..vocab).step_by(rows).map(part).collect::<Result<_, GpuError>>()? })
    }

    /// What each binding is given: those without a part of their own are never read, and take the last one.
    pub fn bindings(&self) -> [&Block; WORD_PARTS] {
        std::array::from_fn(|i| &self.parts[i.min(self.parts.len() - 1)])
    }
}
