//! The text of the WGSL kernels.

use crate::gpu::Variant;
use sha2::{Digest, Sha256};

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        /// Name and text of every file.
        pub const FILES: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../wgsl/", $name, ".wgsl")))),*];
    };
}
files![
    "add_layernorm",
    "attention",
    "attention_subgroup",
    "cooperative_f16_16",
    "cooperative_f16_8",
    "cooperative_f32_8",
    "embed_layernorm",
    "head",
    "layernorm",
    "matmul",
    "matmul_cooperative",
    "matmul_subgroup",
    "matmul_tile",
    "pool_l2",
    "product",
    "rows_subgroup",
    "rows_workgroup",
    "weights_f16",
    "weights_f32",
    "weights_int8",
    "words_f16",
    "words_f32",
];

/// The source of a kernel: its files, one after the other.
pub fn source(variant: Variant) -> String {
    let text = |name: &&str| FILES.iter().find(|(n, _)| n == name).map(|(_, text)| *text);
    variant.files().iter().map(|name| text(name).expect("every file is in the table")).collect::<Vec<_>>().join("\n")
}

/// SHA-256 of all files, hexadecimal: what was measured with other kernels is worth nothing.
pub fn sources_sha256() -> String {
    let mut hash = Sha256::new();
    for (name, text) in FILES {
        hash.update(name);
        hash.update([0]);
        hash.update(text);
        hash.update([0]);
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}
