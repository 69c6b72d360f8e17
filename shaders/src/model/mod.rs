//! The encoder's description and weights, as read from its folder.

mod cache;
mod config;
mod cursor;
mod e5s1;
mod folder;
mod modules;
mod pooling;
mod prompt;
mod safetensors;
mod source;
pub mod table;
mod weights;

pub use cache::{cache_folder, models_folder};
pub use config::BertConfig;
pub use e5s1::E5s1;
pub use folder::FolderWeights;
pub use pooling::Pooling;
pub use prompt::load_prompt;
pub use source::WeightSource;
pub use table::Table;
pub use weights::{LayerWeights, Weights};
