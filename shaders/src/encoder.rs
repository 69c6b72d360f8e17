//! `Encoder`: from text to token states and sentence embeddings, on the device that the options name.

use crate::{
    budget::MemoryBudget,
    cpu::{CpuEncoder, Threads},
    error::ModelError,
    gpu::{Gpu, GpuEncoder, GpuError},
    hidden::Hidden,
    limits,
    model::{BertConfig, FolderWeights, Pooling, Table, Weights, load_prompt},
    packed::PackedBatch,
};
use cluster_config::{Device, InferenceOptions};
use dialogue::{EncodedUtterance, ports::ScoreError};
use sha2::{Digest, Sha256};
use std::{fmt, path::Path, sync::Arc};
use tokenizers::{Tokenizer, TruncationParams};

/// Names an encoder by what it computes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct EncoderId {
    /// Its folder's name.
    pub name: String,
    /// SHA-256 of its weights file, hexadecimal; with a prompt or another pooling than the mean, of that hash and of
    /// both, for then the same weights compute something else.
    pub weights_sha256: String,
}

impl fmt::Display for EncoderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (weights {})", self.name, self.weights_sha256.get(..12).unwrap_or(&self.weights_sha256))
    }
}

/// The path that computes.
enum Backend {
    Cpu(Box<CpuEncoder>),
    Gpu(Box<GpuEncoder>),
}

struct Inner {
    id: EncoderId,
    config: BertConfig,
    /// Stands before every text.
    prompt: String,
    tokenizer: Tokenizer,
    backend: Backend,
    budget: MemoryBudget,
    batch_tokens_max: usize,
}

/// A loaded encoder. Cloning is cheap and shares the weights.
#[derive(Clone)]
pub struct Encoder(Arc<Inner>);

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Encoder").field(&self.describe()).finish()
    }
}

impl Encoder {
    /// Loads a model's folder onto the device of the options: `config.json`, `tokenizer.json` and `model.safetensors`
    /// (or `model.e5s1`, which is its own configuration) and, where they are there, sentence-transformers'
    /// `1_Pooling/config.json` and `config_sentence_transformers.json` (the prompt).
    ///
    /// An error names the file and, where there is one, the tensor or field with what was found and expected.
    pub fn load(dir: &Path, options: &InferenceOptions) -> Result<Self, ModelError> {
        let config = BertConfig::of_folder(dir)?;
        let prompt = load_prompt(&dir.join("config_sentence_transformers.json"))?;
        let tokenizer = load_tokenizer(&dir.join("tokenizer.json"), &config)?;
        let budget = MemoryBudget::new(options.memory_budget_bytes);
        let weights = Weights::load(&FolderWeights::find(dir), &config, &budget)?;
        let name = dir.file_name().map_or_else(|| "encoder".into(), |n| n.to_string_lossy().into_owned());
        let id = EncoderId { name, weights_sha256: identity(&weights.sha256, config.pooling, &prompt) };
        let backend = backend(&config, weights, options, &budget)?;
        // The widest activation of a pass is one binding.
        let widest = 4 * config.intermediate_size.max(3 * config.hidden_size);
        let pass_tokens_max = limits::PASS_TOKENS_MAX.min(limits::BINDING_BYTES_MAX as usize / widest);
        let batch_tokens_max = options.batch_tokens_max.clamp(limits::UTTERANCE_TOKENS_MAX, pass_tokens_max);
        Ok(Self(Arc::new(Inner { id, config, prompt, tokenizer, backend, budget, batch_tokens_max })))
    }

    /// Tokenizes one text with the model's prompt before it and the special tokens around both; at most 256 tokens, the
    /// rest is cut off. Offsets are bytes of `text`; special tokens and the prompt's have (0, 0).
    pub fn encode(&self, text: &str) -> Result<EncodedUtterance, ScoreError> {
        let prompted = [&self.0.prompt, text].concat();
        let encoding = self.0.tokenizer.encode(prompted, true).map_err(|e| ScoreError::Tokenize(e.to_string()))?;
        let prompt = self.0.prompt.len();
        let offset = |((a, b), special): (&(usize, usize), &u32)| match *special == 1 || *b <= prompt {
            true => (0, 0),
            // A token may begin in the prompt, with the space at its end.
            false => (a.saturating_sub(prompt) as u32, (b - prompt) as u32),
        };
        let offsets = encoding.get_offsets().iter().zip(encoding.get_special_tokens_mask()).map(offset).collect();
        Ok(EncodedUtterance { text: text.to_owned(), token_ids: encoding.get_ids().to_vec(), offsets })
    }

    /// Runs utterances of [`Encoder::encode`], in passes of at most the options' `batch_tokens_max` tokens.
    ///
    /// The results stand in the order of the utterances, and none depends on its neighbours in the batch.
    pub fn forward(&self, utterances: &[EncodedUtterance]) -> Result<Hidden, ScoreError> {
        let mut hidden = Hidden::new(self.hidden_size());
        for pass in self.passes(utterances) {
            let packed = PackedBatch::new(pass, self.0.config.vocab_size);
            let part = match &self.0.backend {
                Backend::Cpu(cpu) => cpu.forward(&packed)?,
                Backend::Gpu(gpu) => gpu.forward(&packed)?,
            };
            hidden.append(part);
        }
        Ok(hidden)
    }

    /// Cuts a batch where the next utterance would exceed the tokens of one pass.
    fn passes<'a>(&self, mut rest: &'a [EncodedUtterance]) -> Vec<&'a [EncodedUtterance]> {
        let mut passes = Vec::new();
        while !rest.is_empty() {
            let mut tokens = 0;
            let fits = |u: &&EncodedUtterance| {
                tokens += u.token_ids.len();
                tokens <= self.0.batch_tokens_max
            };
            let (pass, behind) = rest.split_at(rest.iter().take_while(fits).count().max(1));
            passes.push(pass);
            rest = behind;
        }
        passes
    }

    /// Width of a token's state.
    pub fn hidden_size(&self) -> usize {
        self.0.config.hidden_size
    }

    /// Its name and the hash of its weights.
    pub fn id(&self) -> &EncoderId {
        &self.0.id
    }

    /// Most tokens of one pass.
    pub fn batch_tokens_max(&self) -> usize {
        self.0.batch_tokens_max
    }

    /// The ledger of its memory.
    pub fn budget(&self) -> &MemoryBudget {
        &self.0.budget
    }

    /// For people: the model, the device and the path.
    pub fn describe(&self) -> String {
        let device = match &self.0.backend {
            Backend::Cpu(cpu) => match cpu.threads().count() {
                1 => "CPU path, 1 thread".to_owned(),
                n => format!("CPU path, {n} threads"),
            },
            Backend::Gpu(gpu) => format!("GPU {}", gpu.name()),
        };
        format!("{} on {device}, f32", self.0.id.name)
    }
}

fn backend(
    config: &BertConfig,
    mut weights: Weights<Table>,
    options: &InferenceOptions,
    budget: &MemoryBudget,
) -> Result<Backend, ModelError> {
    let gpu = match options.device {
        Device::Cpu => None,
        Device::Gpu => {
            let hint = "no adapter was found, not even a software one (Debian: install mesa-vulkan-drivers)";
            Some(Gpu::open(true, budget.clone())?.ok_or_else(|| GpuError::Device(hint.into()))?)
        }
        // A GPU that cannot run the model must not keep the node from serving.
        Device::Auto => Gpu::open(false, budget.clone()).unwrap_or_else(|error| {
            tracing::warn!(%error, "the GPU does not open");
            None
        }),
    };
    if let Some(gpu) = gpu {
        match on_gpu(config, weights, gpu) {
            Ok(backend) => return Ok(backend),
            Err((error, _)) if options.device == Device::Gpu => return Err(error),
            Err((error, back)) => {
                tracing::warn!(%error, "the GPU cannot run the encoder: the CPU path serves");
                weights = *back;
            }
        }
    } else if options.device == Device::Auto {
        tracing::info!("no GPU was found: the CPU path serves");
    }
    let threads = Threads::new(options.cpu_threads)?;
    let cpu = CpuEncoder::new(config.clone(), weights, threads, budget.clone());
    Ok(Backend::Cpu(Box::new(cpu)))
}

/// The GPU path, or why it cannot run the model, with the weights back.
fn on_gpu(
    config: &BertConfig,
    weights: Weights<Table>,
    gpu: Gpu,
) -> Result<Backend, (ModelError, Box<Weights<Table>>)> {
    let cannot = |what: &str| ModelError::Device(format!("{}: the GPU path has no kernel for {what}", gpu.name()));
    if config.pooling != Pooling::Mean {
        return Err((cannot("the pooling by the first token"), Box::new(weights)));
    }
    let plain = weights.into_plain().map_err(|packed| (cannot("a word table of 4 bits"), packed))?;
    match GpuEncoder::new(config.clone(), &plain, gpu) {
        Ok(encoder) => Ok(Backend::Gpu(Box::new(encoder))),
        Err(error) => Err((error.into(), Box::new(plain.into()))),
    }
}

/// What [`EncoderId::weights_sha256`] says.
fn identity(weights_sha256: &str, pooling: Pooling, prompt: &str) -> String {
    if pooling == Pooling::Mean && prompt.is_empty() {
        return weights_sha256.to_owned();
    }
    let all = format!("{weights_sha256}\n{pooling:?}\n{prompt}");
    Sha256::digest(all.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

fn load_tokenizer(path: &Path, config: &BertConfig) -> Result<Tokenizer, ModelError> {
    let broken = |message: String| ModelError::Broken { path: path.to_owned(), message };
    let bytes = std::fs::read(path).map_err(|source| ModelError::Read { path: path.to_owned(), source })?;
    let mut tokenizer =
        Tokenizer::from_bytes(&bytes).map_err(|e| broken(format!("not a tokenizer description: {e}")))?;
    let highest = tokenizer.get_vocab(true).into_values().max().unwrap_or(0) as usize;
    if highest >= config.vocab_size {
        return Err(broken(format!("the token id {highest}, the encoder has vectors for {}", config.vocab_size)));
    }
    let max_length = limits::UTTERANCE_TOKENS_MAX.min(config.max_position_embeddings);
    // The file's own padding and truncation are for batches of one length; ours are packed.
    tokenizer
        .with_padding(None)
        .with_truncation(Some(TruncationParams { max_length, ..TruncationParams::default() }))
        .map_err(|e| broken(e.to_string()))?;
    Ok(tokenizer)
}
