//! The named limits of inference and training.

/// Most tokens of one utterance, special tokens included: what follows is cut off.
pub const UTTERANCE_TOKENS_MAX: usize = 256;
/// Most tokens in one pass of training and of [`crate::Encoder::forward`] where the options allow more.
pub const PASS_TOKENS_MAX: usize = 1 << 14;
/// Most entries in the ranking of intents.
pub const RANKING_MAX: usize = 10;
/// Most labels of one head.
pub const LABELS_MAX: usize = 4_096;
/// Most sparse features that one head keeps.
pub const SPARSE_FEATURES_MAX: usize = 32_768;
/// Most training examples.
pub const EXAMPLES_MAX: usize = 1_000_000;
/// Largest file of trained heads, in bytes.
pub const HEADS_BYTES_MAX: usize = 1 << 30;
/// Largest weights file, in bytes.
pub const WEIGHTS_BYTES_MAX: u64 = 8 << 30;
/// Largest binding that a kernel asks for, in bytes: what every adapter offers.
pub const BINDING_BYTES_MAX: u64 = 128 << 20;
/// Longest wait for the device before it counts as lost, in seconds.
pub const DEVICE_WAIT_SECONDS_MAX: u64 = 60;

/// The share of the held-out examples that were understood right and still count as not understood where the
/// threshold is learned: what finding strangers may cost.
pub const HELD_OUT_BELOW_THRESHOLD: f64 = 0.02;
