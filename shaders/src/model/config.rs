//! `BertConfig`: the part of a Hugging Face `config.json` that the forward pass needs.

use crate::error::ModelError;
use crate::model::modules::check_modules;
use crate::model::{E5s1, FolderWeights, Pooling};
use serde::Deserialize;
use std::io::Read;
use std::path::Path;

/// Largest configuration file, in bytes.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// Sizes of a BERT encoder (Devlin et al. 2018), as `config.json` names them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct BertConfig {
    /// Must be `bert`.
    pub model_type: String,
    /// Width H of a token's state.
    pub hidden_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Attention heads; H is a multiple of it.
    pub num_attention_heads: usize,
    /// Width F of the feed-forward layer.
    pub intermediate_size: usize,
    /// Number of token ids.
    pub vocab_size: usize,
    /// Longest sequence in tokens.
    pub max_position_embeddings: usize,
    /// Segment types; only type 0 is used.
    pub type_vocab_size: usize,
    /// Epsilon of every LayerNorm.
    pub layer_norm_eps: f32,
    /// Must be `gelu`, the exact one (with erf).
    pub hidden_act: String,
    /// Must be `absolute`.
    #[serde(default = "absolute")]
    pub position_embedding_type: String,
    /// How token states become an embedding: from `1_Pooling/config.json`, never from `config.json` itself.
    #[serde(skip)]
    pub pooling: Pooling,
}

fn absolute() -> String {
    "absolute".into()
}

/// The bytes of a configuration file; none where there is no such file.
pub(super) fn read_small(path: &Path) -> Result<Option<Vec<u8>>, ModelError> {
    let read = |source| ModelError::Read { path: path.to_owned(), source };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(read(e)),
    };
    let mut bytes = Vec::new();
    file.take(CONFIG_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(read)?;
    if bytes.len() as u64 > CONFIG_BYTES_MAX {
        let message = format!("more than {CONFIG_BYTES_MAX} bytes, which is the limit of a configuration");
        return Err(ModelError::Broken { path: path.to_owned(), message });
    }
    Ok(Some(bytes))
}

impl BertConfig {
    /// The sizes of the model in a folder, from its `config.json` or, for a packed model, from the head of its weights
    /// file; the pooling from `1_Pooling/config.json`.
    pub fn of_folder(dir: &Path) -> Result<Self, ModelError> {
        let mut config = match FolderWeights::find(dir) {
            FolderWeights::Safetensors(_) => Self::load(&dir.join("config.json"))?,
            FolderWeights::E5s1(path) => E5s1::read_config(&path)?,
        };
        check_modules(&dir.join("modules.json"))?;
        config.pooling = Pooling::load(&dir.join("1_Pooling/config.json"))?;
        Ok(config)
    }

    /// Reads and checks a `config.json`; fields that it does not need are passed over.
    pub fn load(path: &Path) -> Result<Self, ModelError> {
        let bytes = std::fs::read(path).map_err(|source| ModelError::Read { path: path.to_owned(), source })?;
        let config: Self = serde_json::from_slice(&bytes)
            .map_err(|e| ModelError::Broken { path: path.to_owned(), message: e.to_string() })?;
        config.check(path)?;
        Ok(config)
    }

    pub(super) fn check(&self, path: &Path) -> Result<(), ModelError> {
        let refuse = |field, found: String, expected: &str| {
            Err(ModelError::Unsupported { path: path.to_owned(), field, found, expected: expected.into() })
        };
        for (field, found, expected) in [
            ("model_type", &self.model_type, "bert"),
            ("hidden_act", &self.hidden_act, "gelu"),
            ("position_embedding_type", &self.position_embedding_type, "absolute"),
        ] {
            if found != expected {
                return refuse(field, format!("{found:?}"), expected);
            }
        }
        for (field, found, max) in [
            ("hidden_size", self.hidden_size, 1024),
            ("num_hidden_layers", self.num_hidden_layers, 48),
            ("num_attention_heads", self.num_attention_heads, 64),
            ("intermediate_size", self.intermediate_size, 8192),
            ("vocab_size", self.vocab_size, 1 << 20),
            ("max_position_embeddings", self.max_position_embeddings, 1 << 16),
            ("type_vocab_size", self.type_vocab_size, 64),
        ] {
            if found == 0 || found > max {
                return refuse(field, found.to_string(), &format!("1 to {max}"));
            }
        }
        // The kernels read four numbers at once and keep one head's query in 16 vectors.
        let width = self.hidden_size / self.num_attention_heads;
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) || !width.is_multiple_of(4) || width > 64 {
            let found = format!("{} heads for {} numbers", self.num_attention_heads, self.hidden_size);
            return refuse("num_attention_heads", found, "heads of 4, 8, … 64 numbers that fill hidden_size");
        }
        if !self.intermediate_size.is_multiple_of(4) {
            return refuse("intermediate_size", self.intermediate_size.to_string(), "a multiple of 4");
        }
        if !(self.layer_norm_eps >= 0.0 && self.layer_norm_eps < 0.1) {
            return refuse("layer_norm_eps", self.layer_norm_eps.to_string(), "0 to 0.1");
        }
        Ok(())
    }

    /// Bytes of all weights in memory, as `f32`, but for the word table.
    pub fn layers_bytes(&self) -> u64 {
        let (h, f) = (self.hidden_size as u64, self.intermediate_size as u64);
        // Four square matrices, two of the feed-forward layer; their biases; scale and shift of two LayerNorms.
        let layer = 4 * h * h + 2 * h * f + 5 * h + f + 4 * h;
        4 * (self.num_hidden_layers as u64 * layer + (self.max_position_embeddings as u64 + 2) * h)
    }

    /// Numbers in the matrices of all layers.
    pub fn matrices_numbers(&self) -> u64 {
        let (h, f) = (self.hidden_size as u64, self.intermediate_size as u64);
        self.num_hidden_layers as u64 * (4 * h * h + 2 * h * f)
    }

    /// Numbers in one attention head.
    pub fn head_size(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }
}
