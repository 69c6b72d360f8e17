//! `Encoder`: from text to token states and sentence embeddings, on the device that the options name.

use crate::{
    budget::OverBudget,
    compute::Compute,
    cpu::{CpuEncoder, gemm::Storage},
    error::ModelError,
    gpu::{GpuError, GpuHost, Seat},
    hidden::Hidden,
    limits,
    model::{BertConfig, FolderWeights, Pooling, Weights, load_prompt},
    packed::PackedBatch,
    readout::{Readout, Scores},
};
use cluster_config::{CpuPrecision, Device, InferenceOptions};
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

struct Inner {
    id: EncoderId,
    /// Stands before every text.
    prompt: String,
    tokenizer: Tokenizer,
    compute: Compute,
    /// The CPU path: it serves where there is no device, and while the device is lost.
    cpu: Arc<CpuEncoder>,
    seat: Option<Arc<Seat>>,
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
        Self::load_on(&Compute::open(options)?, dir)
    }

    /// The same, beside other encoders.
    pub fn load_on(compute: &Compute, dir: &Path) -> Result<Self, ModelError> {
        let config = BertConfig::of_folder(dir)?;
        let prompt = load_prompt(&dir.join("config_sentence_transformers.json"))?;
        let tokenizer = load_tokenizer(&dir.join("tokenizer.json"), &config)?;
        let weights = Weights::load(&FolderWeights::find(dir), &config, compute.host_budget())?;
        let name = dir.file_name().map_or_else(|| "encoder".into(), |n| n.to_string_lossy().into_owned());
        let id = EncoderId { name, weights_sha256: identity(&weights.sha256, config.pooling, &prompt) };
        // The widest activation of a pass is one binding.
        let widest = 4 * config.intermediate_size.max(3 * config.hidden_size);
        let pass_tokens_max = limits::PASS_TOKENS_MAX.min(limits::BINDING_BYTES_MAX as usize / widest);
        let options = compute.options();
        let batch_tokens_max = options.batch_tokens_max.clamp(limits::UTTERANCE_TOKENS_MAX, pass_tokens_max);
        // A device is given the weights as they are.
        let alone = compute.device().is_none();
        let storage = if alone && options.cpu_precision == CpuPrecision::Bf16 { Storage::Bf16 } else { Storage::F32 };
        let (threads, budget) = (compute.threads().clone(), compute.host_budget().clone());
        let mut cpu = CpuEncoder::new(config, weights, storage, threads, budget);
        if alone && options.cpu_precision == CpuPrecision::Auto {
            cpu.choose_storage()?;
        }
        let cpu = Arc::new(cpu);
        let seat = match compute.device() {
            None => None,
            Some(device) => match take_seat(device, &id.name, &cpu, options) {
                Ok(seat) => Some(seat),
                Err(error) if options.device == Device::Gpu => return Err(error.into()),
                // A GPU that cannot run the model must not keep the node from serving.
                Err(error) => {
                    tracing::warn!(%error, "the GPU cannot run the encoder: the CPU path serves");
                    None
                }
            },
        };
        Ok(Self(Arc::new(Inner { id, prompt, tokenizer, compute: compute.clone(), cpu, seat, batch_tokens_max })))
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

    /// Runs utterances of [`Encoder::encode`], in passes of at most the options' `batch_tokens_max` tokens, and in shorter ones where
    /// memory is short; only a single utterance that does not fit is refused.
    ///
    /// The results stand in the order of the utterances, and none depends on its neighbours in the batch.
    pub fn forward(&self, utterances: &[EncodedUtterance]) -> Result<Hidden, ScoreError> {
        let mut hidden = Hidden::new(self.hidden_size());
        self.in_passes(utterances, |batch| {
            let part = self.pass(|device, seat| device.forward(seat, batch), |cpu| cpu.forward(batch))?;
            hidden.append(part);
            Ok(())
        })?;
        Ok(hidden)
    }

    /// The same with the dense layers of heads in each pass: what they say comes back, and the states stay where they are.
    pub(crate) fn score(&self, utterances: &[EncodedUtterance], readout: &Arc<Readout>) -> Result<Scores, ScoreError> {
        let mut scores = Scores::new(readout.widths());
        self.in_passes(utterances, |batch| {
            let part = self.pass(|device, seat| device.score(seat, batch, readout), |cpu| cpu.score(batch, readout))?;
            scores.append(part);
            Ok(())
        })?;
        Ok(scores)
    }

    /// Runs `pass` on one packed batch after the other, in the order of the utterances, and on halves of those that do not fit.
    fn in_passes(
        &self,
        utterances: &[EncodedUtterance],
        mut pass: impl FnMut(&PackedBatch) -> Result<(), ScoreError>,
    ) -> Result<(), ScoreError> {
        // A stack: what is next lies on top.
        let mut parts: Vec<&[EncodedUtterance]> = self.passes(utterances).into_iter().rev().collect();
        while let Some(part) = parts.pop() {
            match pass(&PackedBatch::new(part, self.config().vocab_size)) {
                Err(ScoreError::OverBudget { .. }) if part.len() > 1 => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
                done => done?,
            }
        }
        Ok(())
    }

    /// One pass: on the device, or on the CPU path where there is none or it fails.
    fn pass<R>(
        &self,
        on_device: impl FnOnce(&GpuHost, &Arc<Seat>) -> Result<R, GpuError>,
        on_cpu: impl FnOnce(&CpuEncoder) -> Result<R, OverBudget>,
    ) -> Result<R, ScoreError> {
        let Inner { compute, cpu, seat, .. } = &*self.0;
        if let (Some(device), Some(seat)) = (compute.device(), seat) {
            match on_device(device, seat) {
                Ok(result) => return Ok(result),
                Err(GpuError::OverBudget(refusal)) => return Err(refusal.into()),
                Err(error) => {
                    tracing::debug!(%error, "the CPU path serves this batch");
                    compute.count_fallback();
                }
            }
        }
        Ok(on_cpu(cpu)?)
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
        self.config().hidden_size
    }

    /// Its name and the hash of its weights.
    pub fn id(&self) -> &EncoderId {
        &self.0.id
    }

    /// Most tokens of one pass.
    pub fn batch_tokens_max(&self) -> usize {
        self.0.batch_tokens_max
    }

    /// Would a batch run at once, without the weights being brought to the device first?
    pub fn is_loaded(&self) -> bool {
        let Inner { compute, seat, .. } = &*self.0;
        compute.device().zip(seat.as_ref()).is_none_or(|(device, seat)| device.is_ready(seat))
    }

    /// Where it runs, with the ledgers of its memory.
    pub fn compute(&self) -> &Compute {
        &self.0.compute
    }

    /// The model's sizes.
    pub fn config(&self) -> &BertConfig {
        self.0.cpu.config()
    }

    /// For people: the model, the device and the path.
    pub fn describe(&self) -> String {
        let Inner { id, compute, cpu, seat, .. } = &*self.0;
        match (compute.device(), seat) {
            (Some(device), Some(_)) => {
                format!("{} on GPU {}, {}", id.name, device.adapter(), device.precision().name())
            }
            _ => {
                let count = cpu.threads().count();
                let threads = if count == 1 { "thread" } else { "threads" };
                let storage = if cpu.storage() == Storage::Bf16 { "bf16" } else { "f32" };
                format!("{} on CPU path, {count} {threads}, {storage}", id.name)
            }
        }
    }
}

/// A place for the model on the device, which it has reached once.
fn take_seat(
    device: &GpuHost,
    name: &str,
    cpu: &Arc<CpuEncoder>,
    options: &InferenceOptions,
) -> Result<Arc<Seat>, GpuError> {
    let floor_bytes = options.device_memory_floors.get(name).copied().unwrap_or(0);
    let seat = device.seat(name, cpu.clone(), floor_bytes)?;
    device.load(&seat)?;
    Ok(seat)
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
