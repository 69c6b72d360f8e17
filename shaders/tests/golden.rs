//! Both paths against vectors that PyTorch made (`golden/make_golden.py`).

mod common;

use common::{cosine, cpu_encoder, gpu_encoder};
use serde::Deserialize;
use tertulia_shaders::Encoder;

#[derive(Deserialize)]
struct Golden {
    weights_sha256: String,
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    text: String,
    token_ids: Vec<u32>,
    embedding: Vec<f32>,
    first_token: Vec<f32>,
    last_token: Vec<f32>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/minilm.json")).expect("the golden file is ours")
}

/// One batch of all sentences, so that packing is a part of what is compared.
fn check(encoder: &Encoder) {
    let golden = golden();
    assert_eq!(encoder.id().weights_sha256, golden.weights_sha256, "the vectors belong to other weights");
    let batch: Vec<_> = golden.entries.iter().map(|e| encoder.encode(&e.text).expect("it tokenizes")).collect();
    let hidden = encoder.forward(&batch).expect("it runs");
    assert_eq!(hidden.len(), golden.entries.len());
    assert!(golden.entries.iter().any(|e| e.token_ids.len() > 64) && golden.entries.len() >= 12);
    for (s, (entry, encoded)) in golden.entries.iter().zip(&batch).enumerate() {
        assert_eq!(encoded.token_ids, entry.token_ids, "token ids of {:?}", entry.text);
        let states = hidden.states(s);
        let h = hidden.hidden_size;
        for (what, ours, theirs) in [
            ("embedding", hidden.embedding(s), &entry.embedding),
            ("first token", &states[..h], &entry.first_token),
            ("last token", &states[states.len() - h..], &entry.last_token),
        ] {
            let cosine = cosine(ours, theirs);
            assert!(cosine >= 0.9999, "{what} of {:?}: cosine {cosine}", entry.text);
            let worst = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-3, "{what} of {:?}: off by {worst}", entry.text);
        }
        let length = hidden.embedding(s).iter().map(|x| x * x).sum::<f32>().sqrt();
        assert!((length - 1.0).abs() < 1e-5, "length {length}");
    }
}

#[test]
fn the_cpu_path_agrees_with_pytorch() {
    check(&cpu_encoder());
}

#[test]
fn the_gpu_path_agrees_with_pytorch() {
    if let Some(encoder) = gpu_encoder() {
        check(&encoder);
    }
}
