//! Both paths against vectors that PyTorch (`golden/make_golden.py`) and NumPy (`golden/make_golden_e5.py`) made.

mod common;

use common::{cosine, cpu_encoder, cpu_options, gpu_encoder, multilingual_dir};
use serde::Deserialize;
use sha2::{Digest, Sha256};
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

fn minilm() -> Golden {
    serde_json::from_str(include_str!("../golden/minilm.json")).expect("the golden file is ours")
}

/// One batch of all sentences, so that packing is a part of what is compared.
fn check(encoder: &Encoder, golden: &Golden) {
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
    let (encoder, golden) = (cpu_encoder(), minilm());
    assert_eq!(encoder.id().weights_sha256, golden.weights_sha256, "the vectors belong to other weights");
    check(&encoder, &golden);
}

#[test]
fn the_gpu_path_agrees_with_pytorch() {
    if let Some(encoder) = gpu_encoder() {
        check(&encoder, &minilm());
    }
}

#[test]
fn the_packed_multilingual_encoder_agrees_with_numpy() {
    let Some(dir) = multilingual_dir() else { return };
    let golden: Golden =
        serde_json::from_str(include_str!("../golden/e5-small.json")).expect("the golden file is ours");
    let file = std::fs::read(dir.join("model.e5s1")).expect("the weights");
    let found: String = Sha256::digest(&file).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(found, golden.weights_sha256, "the vectors belong to other weights");
    let encoder = Encoder::load(&dir, &cpu_options(2)).expect("the encoder of the cache loads");
    // 54 MB of words in 4 bits and 86 MB of layers: less than half of what they are in f32.
    let used = encoder.compute().report().host.total_bytes();
    assert!((139_000_000..142_000_000).contains(&used), "{used} bytes");
    check(&encoder, &golden);
    // The prompt takes tokens, not characters.
    let text = "我想订 a table";
    let encoded = encoder.encode(text).expect("it tokenizes");
    let spans: Vec<&str> = encoded.offsets.iter().map(|o| &text[o.0 as usize..o.1 as usize]).collect();
    assert_eq!(spans.concat().replace(' ', ""), "我想订atable");
    assert!(spans[0].is_empty() && spans[1].is_empty() && spans[2].is_empty(), "{spans:?}");
}
