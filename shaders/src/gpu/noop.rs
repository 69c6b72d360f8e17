//! Every kernel and a whole pass on wgpu's noop backend: pipelines, bindings and sizes are checked where no adapter is.

use crate::{
    budget::{MemoryBudget, OverBudget},
    gpu::{
        Attention, Gpu, GpuError, GpuModel, Kernel, Kernels, Matmul, Precision, Rows, Tuning, TuningKey, Variant,
        sample::{minilm_config, sample_batch, sample_weights},
        source::source,
    },
    model::BertConfig,
    readout::{Readout, ReadoutLayer},
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
        Variant::Matmul(matmul, _) if matmul.subgroups().is_some() => {
            &[("K", 384.0), ("N", 1536.0), ("GELU", 1.0), ("THREADS", 32.0)]
        }
        Variant::Matmul(..) => &[("K", 384.0), ("N", 1536.0), ("GELU", 1.0)],
        Variant::Attention(_) => &[("H", 384.0), ("HEADS", 12.0)],
        Variant::AddNorm(_) => &[("H", 384.0), ("EPS", 1e-12)],
        Variant::Pool(_) | Variant::Head(_) => &[("H", 384.0)],
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
    let layer = |classes: usize| ReadoutLayer::new(&vec![0.5; 384 * classes], &vec![0.0; classes]);
    let readout = Readout::new(layer(5), Some(layer(12)), &MemoryBudget::new(1 << 20)).expect("it fits").into();
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
                    let (states, _) = model.run(&gpu, &budget, &batch, None)?;
                    let (scores, _) = model.run(&gpu, &budget, &batch, Some(&readout))?;
                    Ok::<_, GpuError>((states, scores))
                };
                let (states, scores) = pass().unwrap_or_else(|e| panic!("{tuning:?}: {e}"));
                assert_eq!((states.tokens.len(), states.sentences.len()), (57 * 384, 3 * 384));
                assert_eq!((scores.tokens.len(), scores.sentences.len()), (57 * 12, 3 * 8));
            }
        }
    }
}

/// The backend takes its buffers from the process's own memory, so a process that may have little finds out what happens then.
#[cfg(unix)]
#[test]
fn a_driver_without_memory_refuses_and_stays() {
    const NAME: &str = "gpu::noop::a_driver_without_memory_refuses_and_stays";
    const LIMITED: &str = "TERTULIA_TEST_WITH_LITTLE_MEMORY";
    if std::env::var_os(LIMITED).is_none() {
        let test = std::env::current_exe().expect("this test has a file");
        let again = std::process::Command::new("sh")
            .args(["-c", "ulimit -v 2000000 && exec \"$0\" \"$@\""])
            .arg(test)
            .args([NAME, "--exact", "--test-threads", "1"])
            .env(LIMITED, "1")
            .output()
            .expect("sh starts");
        let said = String::from_utf8_lossy(&again.stdout);
        assert!(
            again.status.success() && said.contains("1 passed"),
            "{said}{}",
            String::from_utf8_lossy(&again.stderr)
        );
        return;
    }
    let most = u64::from(u32::MAX) - 3;
    let limits = wgpu::Limits { max_buffer_size: most, ..wgpu::Limits::default() };
    let budget = MemoryBudget::new(u64::MAX);
    let gpu = Gpu::open_noop_within(limits, budget.clone()).expect("the noop backend is there in tests");
    let before = budget.used_bytes();
    let refused = gpu.allocate("much", most, wgpu::BufferUsages::COPY_DST).unwrap_err();
    let want = OverBudget { asked_bytes: most, free_bytes: 0, limit_bytes: u64::MAX };
    assert_eq!(refused, GpuError::OverBudget(want));
    assert_eq!(budget.used_bytes(), before, "nothing is reserved for what was refused");
    assert!(gpu.check().is_ok() && gpu.allocate("little", 1 << 10, wgpu::BufferUsages::COPY_DST).is_ok());
}
