//! The encoder's description and weights, as read from its folder.

mod config;
mod weights;

pub use config::BertConfig;
pub use weights::{LayerWeights, Weights};
