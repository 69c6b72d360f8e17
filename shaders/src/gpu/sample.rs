//! Numbers and weights that mean nothing: how long a kernel takes does not depend on them.

use crate::{
    model::{BertConfig, LayerWeights, Table, Weights},
    packed::PackedBatch,
};

/// Numbers between −1 and 1 that look random and are the same every time.
pub fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).max(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / u32::MAX as f32 * 2.0 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// The sizes of MiniLM-L6.
pub fn minilm_config() -> BertConfig {
    let text = r#"{
        "model_type": "bert", "hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12,
        "intermediate_size": 1536, "vocab_size": 30522, "max_position_embeddings": 512, "type_vocab_size": 2,
        "layer_norm_eps": 1e-12, "hidden_act": "gelu"
    }"#;
    serde_json::from_str(text).expect("the text above is a config")
}

/// Weights of a model's sizes, small enough that states stay finite.
pub fn sample_weights(config: &BertConfig) -> Weights {
    let (h, f) = (config.hidden_size, config.intermediate_size);
    let matrix = |k: usize, n: usize, seed| {
        let scale = 1.0 / (k as f32).sqrt();
        numbers(k * n, seed).iter().map(|x| x * scale).collect::<Vec<_>>()
    };
    let norm = || (vec![1.0; h], vec![0.0; h]);
    let layer = |i: usize| {
        let seed = 10 * i as u32;
        LayerWeights {
            qkv: matrix(h, 3 * h, seed + 1),
            qkv_bias: numbers(3 * h, seed + 2),
            out: matrix(h, h, seed + 3),
            out_bias: numbers(h, seed + 4),
            attention_norm: norm(),
            up: matrix(h, f, seed + 5),
            up_bias: numbers(f, seed + 6),
            down: matrix(f, h, seed + 7),
            down_bias: numbers(h, seed + 8),
            output_norm: norm(),
        }
    };
    Weights {
        words: Table::F32(numbers(config.vocab_size * h, 3)),
        positions: numbers(config.max_position_embeddings * h, 4),
        embedding_norm: norm(),
        layers: (0..config.num_hidden_layers).map(layer).collect(),
        sha256: String::new(),
        reservation: None,
    }
}

/// A batch of utterances of these lengths, with token ids below `vocab`.
pub fn sample_batch(lengths: &[usize], vocab: usize) -> PackedBatch {
    let utterance = |(i, n): (usize, &usize)| dialogue::EncodedUtterance {
        text: String::new(),
        token_ids: (0..*n).map(|j| ((i * 7 + j * 3) % vocab) as u32).collect(),
        offsets: vec![(0, 0); *n],
    };
    PackedBatch::new(&lengths.iter().enumerate().map(utterance).collect::<Vec<_>>(), vocab)
}
