//! Every kernel and a whole pass on wgpu's noop backend: pipelines, bindings and sizes are checked where no adapter is.

use crate::{
    budget::MemoryBudget,
    gpu::{
        Attention, Gpu, GpuModel, Kernel, Kernels, Matmul, Precision, Rows, Tuning, TuningKey, Variant,
        sample::{minilm_config, sample_batch, sample_weights},
        source::source,
    },
    model::BertConfig,
};

fn gpu() -> Gpu {
    Gpu::open_noop(MemoryBudget::new(1 << 30)).expect("the noop backend is there in tests")
}

fn small() -> BertConfig {
    BertConfig { num_hidden_layers: 2, vocab_size: 100, max_position_embeddings: 64, ..minilm_config() }
}

fn constants(variant: Variant) -> &'static [(&'static str, f64)] {
    match variant {
        Variant::Embed(..) => &[("H", 384.0), ("EPS", 1e-12), ("PART_ROWS", 100.0)],
        Variant::Matmul(..) => &[("K", 384.0), ("N", 1536.0), ("GELU", 1.0)],
        Variant::Attention(_) => &[("H", 384.0), ("HEADS", 12.0)],
        Variant::AddNorm(_) => &[("H", 384.0), ("EPS", 1e-12)],
        Variant::Pool(_) => &[("H", 384.0)],
    }
}

/// The noop backend leaves the constants alone, real ones fill them in like this.
fn specialise(variant: Variant, constants: &[(&str, f64)]) -> bool {
    use wgpu::naga::{ShaderStage, back, front::wgsl, valid};
    let module = wgsl::parse_str(&source(variant)).expect("the pipeline parsed it already");
    let mut validator = valid::Validator::new(valid::ValidationFlags::all(), valid::Capabilities::all());
    let info = validator.validate(&module).expect("the pipeline validated it already");
    let mut values = back::PipelineConstants::default();
    values.extend(constants.iter().map(|(name, value)| ((*name).to_owned(), *value)));
    let entry = Some((ShaderStage::Compute, "main"));
    back::pipeline_constants::process_overrides(&module, &info, entry, &values).is_ok()
}

#[test]
fn every_variant_becomes_a_pipeline() {
    let gpu = gpu();
    for variant in Variant::all() {
        let name = variant.name();
        let constants = constants(variant);
        let kernel = Kernel::new(&gpu, variant, constants).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(specialise(variant, constants), "{name}");
        // A constant or a binding that is missing must be refused, or nothing is checked here.
        assert!(!specialise(variant, &constants[1..]), "{name} without {}", constants[0].0);
        assert!(gpu.scoped(|| kernel.bind(&gpu, &[])).is_err(), "{name} without bindings");
    }
}

#[test]
fn a_whole_pass_is_recorded_with_every_choice() {
    let config = small();
    let weights = sample_weights(&config);
    let batch = sample_batch(&[1, 16, 40], config.vocab_size);
    for precision in Precision::ALL {
        for matmul in Matmul::ALL {
            for (attention, rows) in [(Attention::Workgroup, Rows::Subgroup), (Attention::Subgroup, Rows::Workgroup)] {
                let gpu = gpu();
                let key = TuningKey::new(&gpu, &config, precision);
                let tuning = Tuning { key, matmul, matmul_seconds: 0.0, attention, rows };
                let budget = MemoryBudget::new(1 << 30);
                let pass = || {
                    let kernels = Kernels::new(&gpu, &config, precision, tuning.clone())?;
                    let mut model = GpuModel::new(&gpu, &budget, kernels.into(), &weights)?;
                    model.forward(&gpu, &budget, &batch)
                };
                let (hidden, _) = pass().unwrap_or_else(|e| panic!("{tuning:?}: {e}"));
                assert_eq!((hidden.tokens.len(), hidden.embeddings.len()), (57 * 384, 3 * 384));
            }
        }
    }
}
