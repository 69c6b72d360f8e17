//! Typed options of a node and its cluster: read from YAML, strict about typos, validated once.

mod inference;
mod node;
mod planted;
mod privacy;

pub use inference::{CpuPrecision, Device, InferenceOptions, MemoryLimit, Precision};
pub use node::{
    ActionOptions, ConfigError, HttpOptions, LimitOptions, Member, NodeConfig, PeerOptions, RaftOptions,
    SessionOptions, TlsOptions,
};
pub use planted::{PLANTED_BUGS, is_previous_version, planted_bug};
pub use privacy::{MaskedData, PrivacyOptions};
