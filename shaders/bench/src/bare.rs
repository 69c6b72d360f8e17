//! An encoder as a model of its own.

use dialogue::ports::{ScoreError, Scorer};
use dialogue::{EncodedUtterance, Understanding};
use shaders::Encoder;

/// The encoder alone: what is measured is the actor, not the heads.
pub struct Bare(pub Encoder);

impl Scorer for Bare {
    fn encode(&self, text: &str) -> Result<EncodedUtterance, ScoreError> {
        self.0.encode(text)
    }
    fn score(&self, batch: &[EncodedUtterance]) -> Result<Vec<Understanding>, ScoreError> {
        self.0.forward(batch)?;
        Ok(batch.iter().map(|u| Understanding { text: u.text.clone(), ..Understanding::default() }).collect())
    }
    fn batch_tokens_max(&self) -> usize {
        self.0.batch_tokens_max()
    }
    fn is_loaded(&self) -> bool {
        self.0.is_loaded()
    }
    fn describe(&self) -> String {
        self.0.describe()
    }
}
