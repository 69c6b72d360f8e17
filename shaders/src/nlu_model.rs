//! `NluModel`: an encoder with an assistant's heads, as the port [`Scorer`].

use crate::{
    encoder::Encoder,
    error::ModelError,
    heads::{Heads, WordStates},
    limits,
    readout::Readout,
};
use cluster_config::InferenceOptions;
use dialogue::{
    EncodedUtterance, Understanding,
    ports::{ScoreError, Scorer},
};
use std::sync::Arc;

/// Understands the texts of one assistant.
#[derive(Debug)]
pub struct NluModel {
    encoder: Encoder,
    heads: Heads,
    /// Their dense layers.
    readout: Arc<Readout>,
    batch_tokens_max: usize,
}

impl NluModel {
    /// Joins an encoder with heads that were trained on it; other heads are refused.
    pub fn load(encoder: Encoder, heads: Heads, options: &InferenceOptions) -> Result<Self, ModelError> {
        // The name is for people; the hash of the weights decides.
        if heads.encoder.weights_sha256 != encoder.id().weights_sha256 || heads.hidden_size != encoder.hidden_size() {
            return Err(ModelError::EncoderMismatch {
                trained_on: heads.encoder.to_string(),
                found: encoder.id().to_string(),
            });
        }
        let readout = Arc::new(heads.readout(encoder.compute().host_budget())?);
        // What is said of all tokens is one binding, and so is what is said of sentences, of which there are fewer.
        let widths = readout.widths();
        let fit = limits::BINDING_BYTES_MAX as usize / (4 * widths.token.max(widths.sentence));
        let batch_tokens_max = options.batch_tokens_max.min(encoder.batch_tokens_max()).min(fit);
        Ok(Self { encoder, heads, readout, batch_tokens_max })
    }

    /// The encoder.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// The heads.
    pub fn heads(&self) -> &Heads {
        &self.heads
    }

    /// Tokenizes and scores one text.
    pub fn parse(&self, text: &str) -> Result<Understanding, ScoreError> {
        let scored = self.score(&[self.encode(text)?])?;
        Ok(scored.into_iter().next().expect("one utterance gives one understanding"))
    }
}

impl Scorer for NluModel {
    fn encode(&self, text: &str) -> Result<EncodedUtterance, ScoreError> {
        self.encoder.encode(text)
    }

    fn score(&self, batch: &[EncodedUtterance]) -> Result<Vec<Understanding>, ScoreError> {
        let scores = self.encoder.score(batch, &self.readout)?;
        let width = scores.widths.token;
        let understand = |(s, utterance): (usize, &EncodedUtterance)| {
            let words = (width > 0).then(|| WordStates::new(utterance, scores.tokens(s), width));
            self.heads.understand(&utterance.text, scores.sentence(s), words.as_ref().map(|words| (words, width)))
        };
        Ok(batch.iter().enumerate().map(understand).collect())
    }

    fn batch_tokens_max(&self) -> usize {
        self.batch_tokens_max
    }

    fn is_loaded(&self) -> bool {
        self.encoder.is_loaded()
    }

    fn describe(&self) -> String {
        format!(
            "{}; {} intents, {} entity types",
            self.encoder.describe(),
            self.heads.intents().len(),
            self.heads.entities().len()
        )
    }
}
