//! Small BERT models with numbers that every weights format holds exactly, and what they compute, written out plainly.

use safetensors::{Dtype, tensor::TensorView};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// A model of made-up numbers.
pub struct Tiny {
    /// Hidden size, layers, heads, feed-forward size.
    pub sizes: (usize, usize, usize, usize),
    /// Name of Hugging Face's `BertModel` → shape and numbers.
    pub tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

pub const WORDS: [&str; 8] = ["[CLS]", "[SEP]", "[UNK]", "query", ":", "good", "morning", "world"];
const POSITIONS: usize = 16;
const EPS: f32 = 1e-6;

impl Tiny {
    pub fn new(sizes: (usize, usize, usize, usize), seed: u64) -> Self {
        let (h, layers, _, f) = sizes;
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // Multiples of 1/32 from −8/32 to 7/32: 4 bits hold them, with the scale 1/32.
            ((state >> 33) % 16) as f32 / 32.0 - 0.25
        };
        let mut tensors = BTreeMap::new();
        let mut put = |name: String, shape: Vec<usize>, add: f32| {
            let numbers = (0..shape.iter().product()).map(|_| next() + add).collect();
            tensors.insert(name, (shape, numbers));
        };
        put("embeddings.word_embeddings.weight".into(), vec![WORDS.len(), h], 0.0);
        put("embeddings.position_embeddings.weight".into(), vec![POSITIONS, h], 0.0);
        put("embeddings.token_type_embeddings.weight".into(), vec![2, h], 0.0);
        let mut norms = vec!["embeddings.LayerNorm".to_owned()];
        for i in 0..layers {
            for (part, out, input) in [
                ("attention.self.query", h, h),
                ("attention.self.key", h, h),
                ("attention.self.value", h, h),
                ("attention.output.dense", h, h),
                ("intermediate.dense", f, h),
                ("output.dense", h, f),
            ] {
                put(format!("encoder.layer.{i}.{part}.weight"), vec![out, input], 0.0);
                put(format!("encoder.layer.{i}.{part}.bias"), vec![out], 0.0);
            }
            norms.extend(["attention.output", "output"].map(|p| format!("encoder.layer.{i}.{p}.LayerNorm")));
        }
        for name in norms {
            put(format!("{name}.weight"), vec![h], 1.0);
            put(format!("{name}.bias"), vec![h], 0.0);
        }
        Self { sizes, tensors }
    }

    /// `config.json`.
    pub fn config(&self) -> serde_json::Value {
        let (h, layers, heads, f) = self.sizes;
        json!({
            "model_type": "bert", "hidden_size": h, "num_hidden_layers": layers, "num_attention_heads": heads,
            "intermediate_size": f, "vocab_size": WORDS.len(), "max_position_embeddings": POSITIONS,
            "type_vocab_size": 2, "layer_norm_eps": EPS, "hidden_act": "gelu",
        })
    }

    /// Writes config, tokenizer and weights of this type, with this before every tensor's name.
    pub fn write_safetensors(&self, dir: &Path, dtype: Dtype, prefix: &str) {
        write(dir, "config.json", self.config().to_string().as_bytes());
        write_tokenizer(dir);
        let bytes = |numbers: &[f32]| -> Vec<u8> {
            match dtype {
                Dtype::F16 => numbers.iter().flat_map(|x| f16(*x).to_le_bytes()).collect(),
                Dtype::BF16 => numbers.iter().flat_map(|x| ((x.to_bits() >> 16) as u16).to_le_bytes()).collect(),
                _ => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
            }
        };
        let kept: Vec<_> =
            self.tensors.iter().map(|(n, (s, x))| (format!("{prefix}{n}"), s.clone(), bytes(x))).collect();
        let views = kept.iter().map(|(n, s, b)| (n, TensorView::new(dtype, s.clone(), b).expect("it is whole")));
        write(dir, "model.safetensors", &safetensors::serialize(views, None).expect("it serializes"));
    }

    /// The embedding of the ids by the first token or by the mean: plain loops in double precision.
    pub fn embedding(&self, ids: &[u32], cls: bool) -> Vec<f32> {
        let (h, layers, heads, _) = self.sizes;
        let tensor = |name: &str| &self.tensors[name].1;
        let (words, positions) =
            (tensor("embeddings.word_embeddings.weight"), tensor("embeddings.position_embeddings.weight"));
        let types = tensor("embeddings.token_type_embeddings.weight");
        let mut x: Vec<Vec<f64>> = Vec::new();
        for (t, id) in ids.iter().enumerate() {
            let at = |i: usize| words[*id as usize * h + i] + positions[t * h + i] + types[i];
            x.push(self.norm("embeddings.LayerNorm", &(0..h).map(|i| f64::from(at(i))).collect::<Vec<_>>()));
        }
        let size = h / heads;
        for layer in 0..layers {
            let name = |part: &str| format!("encoder.layer.{layer}.{part}");
            let [q, k, v] =
                ["query", "key", "value"].map(|part| self.linear(&name(&format!("attention.self.{part}")), &x));
            let mut context = vec![vec![0.0; h]; x.len()];
            for head in 0..heads {
                let part = head * size..(head + 1) * size;
                for t in 0..x.len() {
                    let score = |s: usize| part.clone().map(|i| q[t][i] * k[s][i]).sum::<f64>() / (size as f64).sqrt();
                    let weights: Vec<f64> = (0..x.len()).map(|s| score(s).exp()).collect();
                    let sum: f64 = weights.iter().sum();
                    for i in part.clone() {
                        context[t][i] = (0..x.len()).map(|s| weights[s] / sum * v[s][i]).sum();
                    }
                }
            }
            let sum = |x: &[Vec<f64>], y: &[Vec<f64>], norm: &str| -> Vec<Vec<f64>> {
                let add = |(a, b): (&Vec<f64>, &Vec<f64>)| a.iter().zip(b).map(|(a, b)| a + b).collect::<Vec<_>>();
                x.iter().zip(y).map(|pair| self.norm(norm, &add(pair))).collect()
            };
            let out = self.linear(&name("attention.output.dense"), &context);
            x = sum(&x, &out, &name("attention.output.LayerNorm"));
            let mut wide = self.linear(&name("intermediate.dense"), &x);
            wide.iter_mut().flatten().for_each(|y| *y *= 0.5 * (1.0 + erf(*y / 2.0_f64.sqrt())));
            x = sum(&x, &self.linear(&name("output.dense"), &wide), &name("output.LayerNorm"));
        }
        let mean = |i: usize| x.iter().map(|row| row[i]).sum::<f64>() / x.len() as f64;
        let pooled: Vec<f64> = if cls { x[0].clone() } else { (0..h).map(mean).collect() };
        let length = pooled.iter().map(|p| p * p).sum::<f64>().sqrt();
        pooled.iter().map(|p| (p / length) as f32).collect()
    }

    fn linear(&self, name: &str, x: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let (weight, bias) = (&self.tensors[&format!("{name}.weight")].1, &self.tensors[&format!("{name}.bias")].1);
        let row = |x: &Vec<f64>| -> Vec<f64> {
            let out = |o: usize| (0..x.len()).map(|i| f64::from(weight[o * x.len() + i]) * x[i]).sum::<f64>();
            (0..bias.len()).map(|o| out(o) + f64::from(bias[o])).collect()
        };
        x.iter().map(row).collect()
    }

    fn norm(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let (scale, shift) = (&self.tensors[&format!("{name}.weight")].1, &self.tensors[&format!("{name}.bias")].1);
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        let variance = x.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / x.len() as f64;
        let one =
            |i: usize| (x[i] - mean) / (variance + f64::from(EPS)).sqrt() * f64::from(scale[i]) + f64::from(shift[i]);
        (0..x.len()).map(one).collect()
    }

    /// The bytes of a container `E5S1` with the same numbers, without pieces; `change` may spoil its directory entries:
    /// name, type, numbers, offset, length.
    pub fn e5s1(&self, change: impl Fn(&mut (String, u8, u32, u64, u64))) -> Vec<u8> {
        let (h, layers, heads, f) = self.sizes;
        let mut file = b"E5S1".to_vec();
        let sizes = [1, h, layers, heads, f, WORDS.len(), POSITIONS, 2];
        file.extend(sizes.iter().flat_map(|n| (*n as u32).to_le_bytes()));
        file.extend(EPS.to_le_bytes());
        file.extend(32_u32.to_le_bytes());
        // No pieces, four special tokens, no text; one offset; no rules.
        file.extend([0; 20 + 8 + 4 + 8]);
        let mut entries: Vec<(String, u8, u32, Vec<u8>)> = Vec::new();
        for (name, (shape, numbers)) in &self.tensors {
            let packed = shape.len() == 2 && (name.contains("layer") || name.contains("word_"));
            let bytes = match packed {
                true => numbers.chunks_exact(32).flat_map(q4_block).collect(),
                false => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
            };
            entries.push((short_name(name), u8::from(packed), numbers.len() as u32, bytes));
        }
        file.extend((entries.len() as u32).to_le_bytes());
        let directory: usize = entries.iter().map(|e| 2 + e.0.len() + 1 + 4 + 8 + 8).sum();
        let mut offset = (file.len() + directory) as u64;
        for (name, kind, count, bytes) in &entries {
            let mut entry = (name.clone(), *kind, *count, offset, bytes.len() as u64);
            offset += bytes.len() as u64;
            change(&mut entry);
            file.extend((entry.0.len() as u16).to_le_bytes());
            file.extend(entry.0.as_bytes());
            file.push(entry.1);
            file.extend(entry.2.to_le_bytes());
            file.extend(entry.3.to_le_bytes());
            file.extend(entry.4.to_le_bytes());
        }
        file.extend(entries.into_iter().flat_map(|e| e.3));
        file
    }
}

fn short_name(name: &str) -> String {
    let pairs = [
        ("embeddings.word_embeddings.weight", "emb.word"),
        ("embeddings.position_embeddings.weight", "emb.pos"),
        ("embeddings.token_type_embeddings.weight", "emb.type"),
        ("embeddings.LayerNorm", "emb.ln"),
        ("encoder.layer.", "l"),
        ("attention.self.query", "q"),
        ("attention.self.key", "k"),
        ("attention.self.value", "v"),
        ("attention.output.dense", "ao"),
        ("attention.output.LayerNorm", "aln"),
        ("intermediate.dense", "fi"),
        ("output.dense", "fo"),
        ("output.LayerNorm", "oln"),
        (".weight", ".w"),
        (".bias", ".b"),
    ];
    pairs.iter().fold(name.to_owned(), |name, (long, short)| name.replace(long, short))
}

fn q4_block(numbers: &[f32]) -> Vec<u8> {
    let nibble = |x: f32| (x * 32.0 + 8.0) as u8;
    let mut block = f16(1.0 / 32.0).to_le_bytes().to_vec();
    block.extend((0..16).map(|j| nibble(numbers[j]) | nibble(numbers[j + 16]) << 4));
    block
}

/// Of a number that f16 holds exactly.
fn f16(x: f32) -> u16 {
    let bits = x.to_bits();
    let sign = (bits >> 16 & 0x8000) as u16;
    match (bits >> 23 & 0xff) as i32 {
        0 => sign,
        exponent => sign | ((exponent - 127 + 15) as u16) << 10 | (bits >> 13 & 0x3ff) as u16,
    }
}

/// By its Taylor series, which converges for the small numbers that occur here.
fn erf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

/// A word a token, with a token before and behind.
pub fn write_tokenizer(dir: &Path) {
    let vocab: BTreeMap<&str, usize> = WORDS.iter().enumerate().map(|(i, w)| (*w, i)).collect();
    let special = |id: usize| {
        json!({"id": id, "content": WORDS[id], "single_word": false, "lstrip": false, "rstrip": false,
               "normalized": false, "special": true})
    };
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "decoder": null,
        "added_tokens": [special(0), special(1), special(2)],
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                       {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {
                "[CLS]": {"id": "[CLS]", "ids": [0], "tokens": ["[CLS]"]},
                "[SEP]": {"id": "[SEP]", "ids": [1], "tokens": ["[SEP]"]},
            },
        },
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "[UNK]"},
    });
    write(dir, "tokenizer.json", tokenizer.to_string().as_bytes());
}

/// Writes a file and the folder that it lies in.
pub fn write(dir: &Path, name: &str, bytes: &[u8]) {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder");
    std::fs::write(path, bytes).expect("a write");
}
