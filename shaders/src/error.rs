//! Why a model is not loaded and why nothing is trained.

use crate::budget::OverBudget;
use dialogue::ports::ScoreError;
use std::path::PathBuf;

/// Why an encoder or trained heads are not loaded.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file is missing or cannot be read.
    #[error("{}: cannot read the model file: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// A file is not what its name says.
    #[error("{}: {message}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A field of `config.json` holds what this engine does not run.
    #[error("{}: {field}: found {found}, expected {expected}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The field.
        field: &'static str,
        /// What stands there.
        found: String,
        /// What may stand there.
        expected: String,
    },
    /// A tensor is missing or has another type or shape.
    #[error("{}: tensor {tensor}: found {found}, expected {expected}", path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// Its type and shape, or `nothing`.
        found: String,
        /// The type and shape that `config.json` asks for.
        expected: String,
    },
    /// The heads' bytes are no heads of ours.
    #[error("the trained heads are broken: {0}")]
    Heads(String),
    /// The heads were trained on another encoder.
    #[error("the heads were trained on the encoder {trained_on}, the encoder at hand is {found}: train again")]
    EncoderMismatch {
        /// Name and SHA-256 of the weights that the heads know.
        trained_on: String,
        /// Name and SHA-256 of the weights at hand.
        found: String,
    },
    /// The model does not fit the memory budget.
    #[error("the model does not fit the memory budget: {0}")]
    OverBudget(#[from] OverBudget),
    /// There is no such device, or it refused.
    #[error("the device cannot run the model: {0}")]
    Device(String),
}

/// Why nothing was trained.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// Nothing to learn from.
    #[error("there is no training example")]
    NoExamples,
    /// A count beyond its limit.
    #[error("{found} {what}, the limit is {limit}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// An annotated span lies outside of its text or is empty.
    #[error("example {text:?}: entity {entity} spans characters {start} to {end} of {length}")]
    Span {
        /// The example.
        text: String,
        /// The entity.
        entity: String,
        /// First character.
        start: u32,
        /// One past the last.
        end: u32,
        /// The text's length in characters.
        length: usize,
    },
    /// The encoder failed.
    #[error("the encoder failed: {0}")]
    Encode(#[from] ScoreError),
}
