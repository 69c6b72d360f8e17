//! Models of other sizes, number formats, names and poolings, against what a plain reference computes from the same
//! numbers; broken packed files; prompts.

mod common;

use cluster_config::{Device, InferenceOptions, Precision};
use common::{
    cpu_options,
    tiny::{Tiny, write, write_tokenizer},
};
use safetensors::Dtype;
use std::path::Path;
use tertulia_shaders::Encoder;

const CLS: &[u8] = br#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#;
const PROMPTS: &[u8] = br#"{"prompts": {"query": "query: "}, "default_prompt_name": "query"}"#;
const TEXTS: [&str; 3] = ["good morning world", "world", ""];

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// One batch of all texts equals the reference, text by text.
fn check(dir: &Path, tiny: &Tiny, cls: bool, what: &str) {
    let encoder = Encoder::load(dir, &cpu_options(1)).unwrap_or_else(|e| panic!("{what}: {e}"));
    check_encoder(&encoder, tiny, cls, what);
}

fn check_encoder(encoder: &Encoder, tiny: &Tiny, cls: bool, what: &str) {
    let batch: Vec<_> = TEXTS.iter().map(|t| encoder.encode(t).expect("it tokenizes")).collect();
    let hidden = encoder.forward(&batch).expect("it runs");
    for (s, utterance) in batch.iter().enumerate() {
        let want = tiny.embedding(&utterance.token_ids, cls);
        let worst = hidden.embedding(s).iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-5, "{what}: {:?} is off by {worst}", utterance.text);
    }
}

#[test]
fn every_size_and_number_format_gives_what_the_reference_gives() {
    for (seed, sizes) in [(24, 1, 3, 20), (32, 2, 2, 64), (64, 3, 1, 96)].into_iter().enumerate() {
        let tiny = Tiny::new(sizes, seed as u64 + 1);
        for (dtype, prefix) in [(Dtype::F32, ""), (Dtype::F16, ""), (Dtype::BF16, "bert."), (Dtype::F32, "bert.")] {
            let dir = folder();
            tiny.write_safetensors(dir.path(), dtype, prefix);
            check(dir.path(), &tiny, false, &format!("{sizes:?} {dtype:?} {prefix:?}"));
            write(dir.path(), "1_Pooling/config.json", CLS);
            check(dir.path(), &tiny, true, &format!("{sizes:?} {dtype:?} {prefix:?}, first token"));
        }
    }
}

#[test]
fn a_packed_file_gives_what_the_reference_gives() {
    for (seed, sizes) in [(32, 2, 2, 64), (64, 3, 1, 96), (96, 1, 3, 32)].into_iter().enumerate() {
        let (tiny, dir) = (Tiny::new(sizes, seed as u64 + 7), folder());
        write_tokenizer(dir.path());
        write(dir.path(), "model.e5s1", &tiny.e5s1(|_| {}));
        check(dir.path(), &tiny, false, &format!("{sizes:?} in 4 bits"));
        // The ledger holds what the memory holds: 18 bytes for 32 numbers of the word table.
        let encoder = Encoder::load(dir.path(), &cpu_options(1)).expect("it loads");
        let words = 8 * sizes.0 as u64;
        let plain: u64 = tiny.tensors.values().map(|(_, numbers)| 4 * numbers.len() as u64).sum();
        let types = 4 * 2 * sizes.0 as u64;
        assert_eq!(encoder.compute().report().host.total_bytes(), plain - types - 4 * words + words / 32 * 18);
    }
}

#[test]
fn broken_packed_files_are_named_with_the_tensor() {
    let tiny = Tiny::new((32, 2, 2, 64), 3);
    let load = |bytes: &[u8]| {
        let dir = folder();
        write_tokenizer(dir.path());
        write(dir.path(), "model.e5s1", bytes);
        let error = Encoder::load(dir.path(), &cpu_options(1)).expect_err("it is broken").to_string();
        assert!(error.starts_with(&dir.path().join("model.e5s1").display().to_string()), "{error}");
        error
    };
    let whole = tiny.e5s1(|_| {});
    let spoilt = |at: usize, bytes: &[u8]| {
        let mut file = whole.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        load(&file)
    };
    // The head.
    assert!(spoilt(0, b"GGUF").contains("the magic is \"GGUF\", expected \"E5S1\""));
    assert!(spoilt(4, &[2]).contains("version: found 2, expected 1"));
    assert!(spoilt(8, &[48]).contains("hidden_size: found 48, expected a multiple of 32"));
    assert!(spoilt(12, &[0]).contains("num_hidden_layers: found 0"));
    assert!(spoilt(40, &[64]).contains("block: found 64 numbers, expected 32 numbers"));
    assert!(spoilt(44, &[0xff; 4]).contains("pieces: found 4294967295, expected at most 8"));
    assert!(spoilt(64, &[0xff; 8]).contains("the pieces takes"), "{}", spoilt(64, &[0xff; 8]));
    // Cut off anywhere: never a panic, and the place is told.
    for length in [0, 3, 20, 43, 44, 70, 90, 200, 1_000, whole.len() - 1] {
        let error = load(&whole[..length]);
        assert!(error.contains("cut off") || error.contains("tensor "), "{length}: {error}");
    }
    // The directory.
    let entry = |tensor: &'static str, change: fn(&mut (String, u8, u32, u64, u64))| {
        load(&tiny.e5s1(|e| {
            if e.0 == tensor {
                change(e)
            }
        }))
    };
    for (tensor, change, words) in [
        ("l1.q.w", (|e| e.0 = "l9.q.w".into()) as fn(&mut (String, u8, u32, u64, u64)), "tensor l1.q.w: found nothing"),
        ("l1.q.b", |e| e.0 = "l1.k.b".into(), "tensor l1.k.b: found a second one of this name"),
        ("l0.fi.w", |e| e.1 = 7, "tensor l0.fi.w: found type 7"),
        (
            "l0.fi.w",
            |e| (e.1, e.2) = (0, e.4 as u32 / 4),
            "tensor l0.fi.w: found F32 of 288 numbers, expected 4-bit blocks of 2048",
        ),
        ("emb.word", |e| e.2 += 1, "tensor emb.word: found 257 numbers, expected whole blocks of 32"),
        (
            "emb.pos",
            |e| (e.2, e.4) = (e.2 - 32, e.4 - 128),
            "tensor emb.pos: found F32 of 480 numbers, expected F32 of 512",
        ),
        ("emb.pos", |e| e.4 -= 1, "tensor emb.pos: found 2047 bytes for 512 numbers, expected 2048 bytes"),
        (
            "l0.aln.w",
            |e| e.3 = u64::MAX - 3,
            "tensor l0.aln.w: found 128 bytes at 18446744073709551612, expected an end",
        ),
        ("l0.aln.w", |e| e.3 = 8, "tensor l0.aln.w: found a begin at byte 8"),
    ] {
        let error = entry(tensor, change);
        assert!(error.contains(words), "{words}: {error}");
    }
    // The numbers: an infinite scale, and a NaN among the plain ones.
    let at = |name: &str| {
        let place = std::cell::Cell::new(0);
        tiny.e5s1(|e| {
            if e.0 == name {
                place.set(e.3 as usize)
            }
        });
        place.get()
    };
    let error = spoilt(at("l1.fo.w") + 18, &[0, 0x7c]);
    assert!(error.contains("tensor l1.fo.w: found a scale that is not finite in block 1"), "{error}");
    let error = spoilt(at("emb.word") + 3 * 18, &[0, 0xfc]);
    assert!(error.contains("tensor emb.word: found a scale that is not finite in block 3"), "{error}");
    let error = spoilt(at("l0.oln.b") + 8, &f32::NAN.to_le_bytes());
    assert!(error.contains("tensor l0.oln.b: found NaN at index 2"), "{error}");
}

#[test]
fn a_prompt_stands_before_the_text_and_offsets_stay_the_texts_own() {
    let (tiny, dir) = (Tiny::new((32, 1, 2, 64), 5), folder());
    tiny.write_safetensors(dir.path(), Dtype::F32, "");
    let plain = Encoder::load(dir.path(), &cpu_options(1)).expect("it loads");
    write(dir.path(), "config_sentence_transformers.json", PROMPTS);
    let encoder = Encoder::load(dir.path(), &cpu_options(1)).expect("it loads");
    let utterance = encoder.encode("good  morning").expect("it tokenizes");
    assert_eq!(utterance.text, "good  morning");
    assert_eq!(utterance.token_ids, [0, 3, 4, 5, 6, 1]);
    assert_eq!(utterance.offsets, [(0, 0), (0, 0), (0, 0), (0, 4), (6, 13), (0, 0)]);
    assert_eq!(encoder.encode("").expect("it tokenizes").offsets, [(0, 0); 4]);
    // Heads that were trained without it must not be used with it.
    assert_ne!(plain.id().weights_sha256, encoder.id().weights_sha256);
    // It counts against the limit of tokens, and is never what is cut off.
    let long = encoder.encode(&"world ".repeat(40)).expect("it tokenizes");
    assert_eq!((long.token_ids.len(), &long.token_ids[..4]), (16, &[0, 3, 4, 7][..]));
}

#[test]
fn a_tokenizer_with_more_ids_than_vectors_is_refused() {
    let (tiny, dir) = (Tiny::new((32, 1, 2, 64), 5), folder());
    tiny.write_safetensors(dir.path(), Dtype::F32, "");
    let path = dir.path().join("tokenizer.json");
    let text = std::fs::read_to_string(&path).expect("the tokenizer").replace("\"world\":7", "\"world\":70");
    std::fs::write(&path, text).expect("a write");
    let error = Encoder::load(dir.path(), &cpu_options(1)).expect_err("an id has no vector").to_string();
    assert!(error.ends_with("tokenizer.json: the token id 70, the encoder has vectors for 8"), "{error}");
}

#[test]
fn the_device_runs_them_too() {
    if common::gpu_encoder().is_none() {
        return;
    }
    let on_gpu = |dir: &Path| {
        let options = InferenceOptions { device: Device::Gpu, precision: Precision::F32, ..cpu_options(1) };
        Encoder::load(dir, &options).expect("it loads")
    };
    let (tiny, dir) = (Tiny::new((32, 1, 2, 64), 5), folder());
    tiny.write_safetensors(dir.path(), Dtype::F32, "");
    check_encoder(&on_gpu(dir.path()), &tiny, false, "the mean");
    write(dir.path(), "1_Pooling/config.json", CLS);
    check_encoder(&on_gpu(dir.path()), &tiny, true, "the first token");
    let packed = folder();
    write_tokenizer(packed.path());
    write(packed.path(), "model.e5s1", &tiny.e5s1(|_| {}));
    check_encoder(&on_gpu(packed.path()), &tiny, false, "4 bits");
}
