//! A model of any format as a folder that the peers read: safetensors in f32.

use anyhow::{Context, Result};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;
use shaders::MemoryBudget;
use shaders::model::{BertConfig, FolderWeights, WeightSource, Weights};
use std::path::Path;

/// Name, shape and numbers.
type Tensor = (String, Vec<usize>, Vec<f32>);

/// Writes `model` into `folder`, which is there: `config.json` and `model.safetensors`.
pub fn export(model: &Path, folder: &Path) -> Result<()> {
    let config = BertConfig::of_folder(model)?;
    let weights = Weights::load(&FolderWeights::find(model), &config, &MemoryBudget::new(u64::MAX))?;
    let text = json!({
        "model_type": "bert", "hidden_size": config.hidden_size, "num_hidden_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads, "intermediate_size": config.intermediate_size,
        "layer_norm_eps": config.layer_norm_eps,
    });
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
    };
    write("config.json", text.to_string().as_bytes())?;
    let tensors = tensors(&config, &weights);
    let views = tensors.iter().map(view).collect::<Result<Vec<_>>>()?;
    let path = folder.join("model.safetensors");
    safetensors::serialize_to_file(views, None, &path).with_context(|| format!("cannot write {}", path.display()))
}

fn view((name, shape, numbers): &Tensor) -> Result<(String, TensorView<'_>)> {
    // Numbers lie in memory as the format has them on little-endian processors, and the peers run on no others.
    let view = TensorView::new(Dtype::F32, shape.clone(), bytemuck::cast_slice(numbers)).context("a shape")?;
    Ok((name.clone(), view))
}

fn tensors(config: &BertConfig, weights: &Weights) -> Vec<Tensor> {
    let (h, f) = (config.hidden_size, config.intermediate_size);
    let mut all: Vec<Tensor> = Vec::new();
    let mut put = |name: String, shape: &[usize], numbers: Vec<f32>| all.push((name, shape.to_vec(), numbers));
    let words = weights.words.to_f32_rows(0..config.vocab_size, h);
    put("embeddings.word_embeddings.weight".into(), &[config.vocab_size, h], words);
    let positions = &[config.max_position_embeddings, h];
    put("embeddings.position_embeddings.weight".into(), positions, weights.positions.clone());
    // The vector of the first type is in the positions already.
    put("embeddings.token_type_embeddings.weight".into(), &[1, h], vec![0.0; h]);
    let mut norms = vec![("embeddings.LayerNorm".to_owned(), weights.embedding_norm.clone())];
    for index in 0..weights.layers() {
        let layer = weights.layer(index);
        let name = |rest: &str| format!("encoder.layer.{index}.{rest}");
        for (i, part) in ["query", "key", "value"].into_iter().enumerate() {
            let columns = i * h..(i + 1) * h;
            let weight = columns_as_rows(&layer.qkv, 3 * h, columns.clone());
            put(name(&format!("attention.self.{part}.weight")), &[h, h], weight);
            put(name(&format!("attention.self.{part}.bias")), &[h], layer.qkv_bias[columns].to_vec());
        }
        for (part, weight, bias, (input, output)) in [
            ("attention.output.dense", &layer.out, &layer.out_bias, (h, h)),
            ("intermediate.dense", &layer.up, &layer.up_bias, (h, f)),
            ("output.dense", &layer.down, &layer.down_bias, (f, h)),
        ] {
            put(name(&format!("{part}.weight")), &[output, input], columns_as_rows(weight, output, 0..output));
            put(name(&format!("{part}.bias")), &[output], bias.clone());
        }
        norms.push((name("attention.output.LayerNorm"), layer.attention_norm.clone()));
        norms.push((name("output.LayerNorm"), layer.output_norm.clone()));
    }
    for (name, (scale, shift)) in norms {
        put(format!("{name}.weight"), &[h], scale);
        put(format!("{name}.bias"), &[h], shift);
    }
    all
}

/// Some columns of a row-major matrix of `width` columns, each as a row.
fn columns_as_rows(matrix: &[f32], width: usize, columns: std::ops::Range<usize>) -> Vec<f32> {
    columns.flat_map(|column| matrix.iter().skip(column).step_by(width).copied()).collect()
}
