//! Loading, batching, budgets and broken files of the encoder.

mod common;

use cluster_config::{CpuPrecision, Device, InferenceOptions, MemoryLimit};
use common::{cpu_encoder, cpu_options, gpu_encoder, model_dir};
use dialogue::ports::ScoreError;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::path::Path;
use tertulia_shaders::{Encoder, MemoryKind, ModelError};

const TEXTS: [&str; 5] =
    ["hello", "I want to fly from Berlin to Madrid on Friday", "", "no", "a much longer sentence about nothing at all"];

/// Each utterance gives the same alone and between others, up to the order of additions.
fn check_packing(encoder: &Encoder) {
    let batch: Vec<_> = TEXTS.iter().map(|t| encoder.encode(t).expect("it tokenizes")).collect();
    let together = encoder.forward(&batch).expect("it runs");
    for (s, utterance) in batch.iter().enumerate() {
        let alone = encoder.forward(std::slice::from_ref(utterance)).expect("it runs");
        for (what, a, b) in
            [("states", alone.states(0), together.states(s)), ("embedding", alone.embedding(0), together.embedding(s))]
        {
            assert_eq!(a.len(), b.len(), "{what} of {:?}", utterance.text);
            let worst = a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-4, "{what} of {:?} differ by {worst}", utterance.text);
        }
    }
    assert!(encoder.forward(&[]).expect("nothing is something").is_empty());
}

#[test]
fn a_batch_gives_what_its_utterances_give_alone() {
    check_packing(&cpu_encoder());
}

#[test]
fn a_batch_on_the_gpu_gives_what_its_utterances_give_alone() {
    if let Some(encoder) = gpu_encoder() {
        assert!(encoder.describe().contains("GPU"), "{}", encoder.describe());
        check_packing(&encoder);
        // A larger batch after smaller ones takes more room and gives the old one back.
        let used = || encoder.compute().report().device.expect("there is one").usage.total_bytes();
        let before = used();
        check_packing(&encoder);
        assert_eq!(used(), before);
    }
}

#[test]
fn more_tokens_than_a_pass_holds_are_cut_into_passes() {
    let options = InferenceOptions { batch_tokens_max: 256, ..cpu_options(2) };
    let encoder = Encoder::load(&model_dir(), &options).expect("the encoder of the cache loads");
    let batch: Vec<_> =
        (0..60).map(|i| encoder.encode(&format!("number {i} of many texts")).expect("it tokenizes")).collect();
    assert!(batch.iter().map(|u| u.token_ids.len()).sum::<usize>() > 256);
    let cut = encoder.forward(&batch).expect("it runs");
    let whole = cpu_encoder().forward(&batch).expect("it runs");
    assert_eq!(cut.offsets, whole.offsets);
    let worst = cut.tokens.iter().zip(&whole.tokens).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-4, "off by {worst}");
}

#[test]
fn long_texts_are_cut_and_offsets_are_bytes_of_the_text() {
    let encoder = cpu_encoder();
    let long = encoder.encode(&"word ".repeat(5_000)).expect("it tokenizes");
    assert_eq!(long.token_ids.len(), 256);
    let text = "Señor Müller 北京";
    let utterance = encoder.encode(text).expect("it tokenizes");
    assert_eq!((utterance.offsets[0], utterance.offsets[utterance.offsets.len() - 1]), ((0, 0), (0, 0)));
    let spans: Vec<&str> =
        utterance.offsets.iter().filter(|o| o.1 > o.0).map(|o| &text[o.0 as usize..o.1 as usize]).collect();
    assert_eq!(spans.concat(), "SeñorMüller北京");
}

#[test]
fn the_number_of_threads_does_not_change_the_result() {
    let one = Encoder::load(&model_dir(), &cpu_options(1)).expect("the encoder of the cache loads");
    let batch: Vec<_> = TEXTS.iter().map(|t| one.encode(t).expect("it tokenizes")).collect();
    let (a, b) = (one.forward(&batch).expect("it runs"), cpu_encoder().forward(&batch).expect("it runs"));
    let worst = a.tokens.iter().zip(&b.tokens).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-5, "off by {worst}");
}

#[test]
fn budgets_refuse_before_anything_is_allocated() {
    // The weights do not fit: neither the memory of the host nor that of the device.
    let little = MemoryLimit::Bytes(10 << 20);
    let host = InferenceOptions { host_memory_bytes_max: 10 << 20, ..cpu_options(1) };
    let device = InferenceOptions { device: Device::Gpu, device_memory_max: little, ..InferenceOptions::default() };
    for options in [host, device] {
        if options.device == Device::Gpu && gpu_encoder().is_none() {
            continue;
        }
        let error = Encoder::load(&model_dir(), &options).unwrap_err();
        assert!(matches!(error, ModelError::OverBudget(o) if o.limit_bytes == 10 << 20), "{error}");
    }
    // The weights fit, a long utterance does not, many short ones do, if not all at once.
    let weights = cpu_encoder().compute().report().host.total_bytes();
    let limit = weights + (2 << 20);
    let options = InferenceOptions { host_memory_bytes_max: limit, ..cpu_options(1) };
    let encoder = Encoder::load(&model_dir(), &options).expect("the weights fit");
    let encode = |text: &str| encoder.encode(text).expect("it tokenizes");
    let refused = encoder.forward(&[encode(&"word ".repeat(300))]).unwrap_err();
    assert!(matches!(refused, ScoreError::OverBudget { limit_bytes, .. } if limit_bytes == limit), "{refused}");
    assert_eq!(encoder.compute().report().host.total_bytes(), weights);
    assert_eq!(encoder.forward(&vec![encode("a few words"); 100]).expect("in parts it fits").len(), 100);
    assert!(encoder.compute().report().host.peak_bytes <= limit);
}

#[test]
fn narrow_weights_take_half_the_memory_and_a_measured_choice_is_one_of_both() {
    let load = |cpu_precision, host_memory_bytes_max| {
        let options = InferenceOptions { cpu_precision, host_memory_bytes_max, ..cpu_options(2) };
        Encoder::load(&model_dir(), &options).expect("it loads")
    };
    let held = |encoder: &Encoder| encoder.compute().report().host.used_bytes[MemoryKind::Weights as usize];
    let (wide, narrow) = (load(CpuPrecision::F32, 1 << 30), load(CpuPrecision::Bf16, 1 << 30));
    let matrices = wide.config().matrices_numbers();
    assert_eq!(held(&wide) - held(&narrow), 2 * matrices);
    assert!(wide.describe().ends_with("f32") && narrow.describe().ends_with("bf16"));
    let measured = load(CpuPrecision::Auto, 1 << 30);
    let like = if measured.describe().ends_with("bf16") { &narrow } else { &wide };
    assert_eq!((measured.describe(), held(&measured)), (like.describe(), held(like)));
    let batch = [measured.encode("what is my balance?").expect("it tokenizes")];
    assert_eq!(measured.forward(&batch).expect("it runs"), like.forward(&batch).expect("it runs"));
    // Without room for both there is nothing to measure.
    let tight = load(CpuPrecision::Auto, held(&wide) + matrices);
    assert!(tight.describe().ends_with("f32"), "{}", tight.describe());
}

/// A copy of the model's small files with a weights file made by `change` from the real one.
fn broken(change: impl FnOnce(&[u8]) -> Vec<u8>) -> (tempfile::TempDir, ModelError) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for name in ["config.json", "tokenizer.json"] {
        std::fs::copy(model_dir().join(name), dir.path().join(name)).expect("a copy");
    }
    let real = std::fs::read(model_dir().join("model.safetensors")).expect("the weights");
    std::fs::write(dir.path().join("model.safetensors"), change(&real)).expect("a write");
    let error = Encoder::load(dir.path(), &cpu_options(1)).expect_err("it is broken");
    (dir, error)
}

/// The real tensors, each replaced or left out by `change`.
fn rewritten(real: &[u8], change: impl Fn(&str, TensorView<'_>) -> Option<(Dtype, Vec<usize>, Vec<u8>)>) -> Vec<u8> {
    let tensors = SafeTensors::deserialize(real).expect("the real file");
    let kept: Vec<_> = tensors
        .iter()
        .filter_map(|(name, view)| change(name, view).map(|(d, s, bytes)| (name.to_owned(), d, s, bytes)))
        .collect();
    let views = kept.iter().map(|(n, d, s, b)| (n, TensorView::new(*d, s.clone(), b).expect("it is whole")));
    safetensors::serialize(views, None).expect("it serializes")
}

fn same(view: &TensorView<'_>) -> (Dtype, Vec<usize>, Vec<u8>) {
    (view.dtype(), view.shape().to_vec(), view.data().to_vec())
}

#[test]
fn broken_weights_are_named_with_file_and_tensor() {
    const KEY: &str = "encoder.layer.3.attention.self.key.weight";
    let file = |dir: &tempfile::TempDir| dir.path().join("model.safetensors").display().to_string();

    let (dir, error) = broken(|real| real[..real.len() / 2].to_vec());
    assert!(error.to_string().starts_with(&format!("{}: not a whole safetensors file", file(&dir))), "{error}");
    let (_, error) = broken(|_| Vec::new());
    assert!(error.to_string().contains("not a whole safetensors file (0 bytes)"), "{error}");

    let (dir, error) = broken(|real| rewritten(real, |name, view| (name != KEY).then(|| same(&view))));
    assert_eq!(
        error.to_string(),
        format!("{}: tensor {KEY}: found nothing, expected F32, F16 or BF16 [384, 384]", file(&dir))
    );

    let (_, error) = broken(|real| {
        rewritten(real, |name, view| {
            let (dtype, shape, bytes) = same(&view);
            let shape = if name == KEY { vec![192, 768] } else { shape };
            Some((dtype, shape, bytes))
        })
    });
    assert!(error.to_string().ends_with("found F32 [192, 768], expected F32, F16 or BF16 [384, 384]"), "{error}");

    let (_, error) = broken(|real| {
        rewritten(real, |name, view| {
            let (_, shape, mut bytes) = same(&view);
            if name == KEY {
                bytes.truncate(bytes.len() / 2);
                return Some((Dtype::I16, shape, bytes));
            }
            Some((view.dtype(), shape, bytes))
        })
    });
    assert!(error.to_string().ends_with("found I16 [384, 384], expected F32, F16 or BF16 [384, 384]"), "{error}");

    let (_, error) = broken(|real| {
        rewritten(real, |name, view| {
            let (dtype, shape, mut bytes) = same(&view);
            if name == KEY {
                bytes[8..12].copy_from_slice(&f32::NAN.to_le_bytes());
            }
            Some((dtype, shape, bytes))
        })
    });
    assert!(error.to_string().contains(KEY) && error.to_string().contains("found NaN at index 2"), "{error}");
}

#[test]
fn missing_and_foreign_files_are_named() {
    let error = Encoder::load(Path::new("no/such/folder"), &cpu_options(1)).unwrap_err().to_string();
    assert!(error.contains("no/such/folder") && error.contains("config.json"), "{error}");

    let dir = tempfile::tempdir().expect("a temporary folder");
    let real = std::fs::read_to_string(model_dir().join("config.json")).expect("the config");
    let load = |config: String| {
        std::fs::write(dir.path().join("config.json"), config).expect("a write");
        Encoder::load(dir.path(), &cpu_options(1)).unwrap_err().to_string()
    };
    let error = load(real.replace("\"bert\"", "\"gpt2\""));
    assert!(error.contains("model_type: found \"gpt2\", expected bert"), "{error}");
    let error = load(real.replace("\"num_attention_heads\": 12", "\"num_attention_heads\": 7"));
    assert!(error.contains("num_attention_heads: found 7 heads for 384 numbers"), "{error}");
    assert!(load("{".into()).contains("config.json"));
    // The config is right, the tokenizer is the next that is missing.
    assert!(load(real).contains("tokenizer.json"));
}
