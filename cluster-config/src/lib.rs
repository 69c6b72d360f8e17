//! Typed options of a node and its cluster: read from YAML, strict about typos, validated once.

mod node;

pub use node::{
    ConfigError, Device, HttpOptions, InferenceOptions, LimitOptions, Member, NodeConfig, PeerOptions, RaftOptions,
    SessionOptions, TlsOptions,
};
