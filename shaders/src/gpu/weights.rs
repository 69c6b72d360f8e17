//! `DeviceWeights`: the model's weights as buffers of the device, in the precision that the kernels read.

use crate::{
    gpu::{
        Gpu, GpuError, Precision,
        device::Block,
        stored::{self, Stored},
    },
    limits,
    model::{BertConfig, LayerWeights, Weights},
};

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
    /// Words of a part.
    pub rows: usize,
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
    pub fn new(gpu: &Gpu, config: &BertConfig, weights: &Weights, precision: Precision) -> Result<Self, GpuError> {
        let norm =
            |label: &str, (scale, shift): &(Vec<f32>, Vec<f32>)| gpu.upload(label, &[&scale[..], shift].concat());
        let linear = |label: &str, weight: &[f32], bias: &[f32]| -> Result<Linear, GpuError> {
            let stored = Stored::new(precision, weight, bias);
            Ok(Linear { weight: gpu.upload(label, &stored.weight)?, bias: gpu.upload(label, &stored.bias)? })
        };
        let layer = |w: &LayerWeights| {
            Ok(Layer {
                qkv: linear("qkv", &w.qkv, &w.qkv_bias)?,
                out: linear("out", &w.out, &w.out_bias)?,
                attention_norm: norm("attention norm", &w.attention_norm)?,
                up: linear("up", &w.up, &w.up_bias)?,
                down: linear("down", &w.down, &w.down_bias)?,
                output_norm: norm("output norm", &w.output_norm)?,
            })
        };
        let bytes_max = gpu.device.limits().max_storage_buffer_binding_size.min(limits::BINDING_BYTES_MAX);
        Ok(Self {
            words: Words::new(gpu, &weights.words, config.hidden_size, precision, bytes_max)?,
            positions: gpu.upload("position vectors", &weights.positions)?,
            norm: norm("embedding norm", &weights.embedding_norm)?,
            layers: weights.layers.iter().map(layer).collect::<Result<_, GpuError>>()?,
        })
    }
}

impl Words {
    /// Puts `vectors` (`[vocab, h]`) into as few parts of at most `bytes_max` bytes as hold them.
    pub fn new(gpu: &Gpu, vectors: &[f32], h: usize, precision: Precision, bytes_max: u64) -> Result<Self, GpuError> {
        let row_bytes = if precision.of_words() == Precision::F16 { 2 * h } else { 4 * h };
        let fit = (bytes_max as usize / row_bytes).max(1);
        let vocab = vectors.len() / h;
        if vocab > WORD_PARTS * fit {
            let room = WORD_PARTS * fit;
            return Err(GpuError::Device(format!("{vocab} word vectors of {h} numbers, the bindings hold {room}")));
        }
        // Equal parts: the last is not a sliver.
        let rows = vocab.div_ceil(vocab.div_ceil(fit).max(1)).max(1);
        let part = |vectors: &[f32]| gpu.upload("word vectors", &stored::words(precision, vectors));
        Ok(Self { parts: vectors.chunks(rows * h).map(part).collect::<Result<_, _>>()?, rows })
    }

    /// What each binding is given: those without a part of their own are never read, and take the last one.
    pub fn bindings(&self) -> [&Block; WORD_PARTS] {
        std::array::from_fn(|i| &self.parts[i.min(self.parts.len() - 1)])
    }
}
