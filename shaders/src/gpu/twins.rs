//! Every kernel against its twin on the CPU, and all WGSL against naga's validator.

use crate::{
    budget::MemoryBudget,
    cpu::{Threads, attention, embed, gemm::Panels, matmul, norm, pool},
    gpu::{
        Abilities, Attention, Gpu, Kernel, Matmul, Precision, Rows, Variant,
        sample::{minilm_config, numbers, sample_batch},
        source::{FILES, source},
        stored::{Stored, words},
        weights::Words,
    },
    model::{BertConfig, Pooling},
    readout::ReadoutLayer,
};
use wgpu::BufferUsages;

/// Any adapter; without one the test says what it missed.
fn gpu() -> Option<Gpu> {
    let gpu = Gpu::open(true, MemoryBudget::new(1 << 30)).expect("an adapter that is there opens");
    if gpu.is_none() {
        println!("did not run: no Vulkan, Metal or DX12 adapter (Debian: install mesa-vulkan-drivers)");
    }
    gpu
}

enum Input<'a> {
    Uniform(&'a [u32]),
    Words(&'a [u32]),
    Floats(&'a [f32]),
}

/// Runs one kernel; the last binding holds `output` before and the result after.
fn run(gpu: &Gpu, kernel: &Kernel, inputs: &[Input<'_>], output: &[f32], (x, y): (u32, u32)) -> Vec<f32> {
    let put = |usage, data: &[u8]| {
        let block = gpu.allocate("input", data.len() as u64, usage | BufferUsages::COPY_DST).expect("it fits");
        gpu.queue.write_buffer(&block.buffer, 0, data);
        block
    };
    let storage = BufferUsages::STORAGE;
    let mut blocks: Vec<_> = inputs
        .iter()
        .map(|input| match input {
            Input::Uniform(data) => put(BufferUsages::UNIFORM, bytemuck::cast_slice(data)),
            Input::Words(data) => put(storage, bytemuck::cast_slice(data)),
            Input::Floats(data) => put(storage, bytemuck::cast_slice(data)),
        })
        .collect();
    blocks.push(put(storage | BufferUsages::COPY_SRC, bytemuck::cast_slice(output)));
    let bytes = 4 * output.len() as u64;
    let staging = gpu.allocate("staging", bytes, BufferUsages::MAP_READ | BufferUsages::COPY_DST).expect("it fits");
    gpu.scoped(|| {
        let group = kernel.bind(gpu, &blocks.iter().map(|b| &b.buffer).collect::<Vec<_>>());
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(kernel.pipeline());
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(x, y, 1);
        }
        encoder.copy_buffer_to_buffer(&blocks[blocks.len() - 1].buffer, 0, &staging.buffer, 0, bytes);
        gpu.queue.submit([encoder.finish()]);
    })
    .expect("the kernel runs");
    gpu.read_back(&staging.buffer, output.len()).expect("the result comes back")
}

fn assert_close(what: &str, gpu: &[f32], cpu: &[f32], tolerance: f32) {
    assert_eq!(gpu.len(), cpu.len(), "{what}");
    for (i, (g, c)) in gpu.iter().zip(cpu).enumerate() {
        // Written so that NaN fails too.
        assert!((g - c).abs() <= tolerance, "{what} at {i}: GPU {g}, CPU {c}");
    }
}

const LENGTHS: [usize; 4] = [1, 7, 100, 3];

/// The vocabulary of the tests.
const VOCAB: usize = 50;

/// Whether the device runs it; a line where not.
fn may(gpu: &Gpu, what: impl std::fmt::Debug, suits: bool) -> bool {
    if !suits {
        println!("{what:?} did not run: {} has not what it takes", gpu.name());
    }
    suits
}

#[test]
fn all_wgsl_is_valid() {
    use wgpu::naga::{front::wgsl, valid};
    for variant in Variant::all() {
        let (name, source) = (variant.name(), source(variant));
        let module = wgsl::parse_str(&source).unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(&source)));
        let mut may = valid::Capabilities::SHADER_FLOAT16_IN_FLOAT32;
        may.set(valid::Capabilities::SUBGROUP, name.contains("_subgroup") || name.contains("cooperative"));
        may.set(valid::Capabilities::COOPERATIVE_MATRIX, name.contains("cooperative"));
        may.set(valid::Capabilities::SHADER_FLOAT16, name.contains("cooperative_f16"));
        let mut validator = valid::Validator::new(valid::ValidationFlags::all(), may);
        validator.validate(&module).unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(&source)));
    }
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/wgsl")).expect("the folder of the kernels");
    assert_eq!(folder.count(), FILES.len(), "a file of WGSL that no kernel uses");
    let used: std::collections::BTreeSet<_> = Variant::all().into_iter().flat_map(Variant::files).collect();
    assert_eq!(used.len(), FILES.len(), "a file of the table that no kernel uses");
}

#[test]
fn every_matmul_agrees_with_its_twin() {
    let Some(gpu) = gpu() else { return };
    let any = [(1, 4, 4, false), (5, 384, 100, true), (33, 64, 36, false), (34, 16, 64, true), (70, 20, 132, true)];
    let by_lanes = [(1, 32, 32, false), (5, 384, 96, true), (33, 64, 32, false), (70, 1536, 64, true)];
    for variant in Matmul::ALL {
        let shapes = if variant == Matmul::Subgroup { &by_lanes[..] } else { &any };
        // A software adapter takes long to compile each: of the narrow weights every other shape is enough.
        let step = |p| if p == Precision::F32 { 1 } else { 2 };
        let shapes_of = |p| shapes.iter().step_by(step(p)).map(move |s| (p, *s));
        let suits = |p: &Precision| variant.suits(&gpu.abilities(), *p, 32, 32);
        if !may(&gpu, variant, Precision::ALL.iter().any(suits)) {
            continue;
        }
        // Where x is halved too, its products are as exact as halves are.
        let tolerance = if matches!(variant, Matmul::Cooperative(b) if b.halves()) { 1e-2 } else { 1e-4 };
        for (precision, (t, k, n, gelu)) in Precision::ALL.into_iter().filter(suits).flat_map(shapes_of) {
            let (x, w, b) = (numbers(t * k, 1), numbers(k * n, 2), numbers(n, 3));
            let mut want = vec![0.0; t * n];
            let epilogue = if gelu { matmul::Epilogue::BiasGelu } else { matmul::Epilogue::Bias };
            let rounded = Panels::new(&Stored::rounded(precision, &w, n), k, n);
            matmul::linear(&Threads::one(), &x, &rounded, &b, epilogue, &mut [], &mut want);
            let kernel = Kernel::matmul(&gpu, variant, precision, (k, n), gelu).expect("it compiles");
            let size = [t as u32, 0, 0, 0];
            let stored = Stored::new(precision, &w, &b);
            let inputs =
                [Input::Uniform(&size), Input::Floats(&x), Input::Words(&stored.weight), Input::Floats(&stored.bias)];
            let got = run(&gpu, &kernel, &inputs, &vec![9.0; t * n], kernel.groups(n, t));
            assert_close(&format!("{variant:?} {precision:?} {t}×{k}×{n}"), &got, &want, tolerance);
        }
    }
}

#[test]
fn embedding_and_layernorm_agree_with_their_twins() {
    let Some(gpu) = gpu() else { return };
    for rows in Rows::ALL.into_iter().filter(|r| may(&gpu, r, r.suits(&gpu.abilities()))) {
        for (h, precision) in [(384, Precision::F32), (20, Precision::F32), (384, Precision::F16)] {
            check_rows(&gpu, rows, h, precision);
        }
    }
}

fn check_rows(gpu: &Gpu, rows: Rows, h: usize, precision: Precision) {
    let eps = 1e-12_f32;
    let batch = sample_batch(&LENGTHS, VOCAB);
    let t = batch.tokens();
    let (vectors, positions, norms) = (numbers(VOCAB * h, 1), numbers(128 * h, 2), numbers(2 * h, 3));
    let norm_pair = norms.split_at(h);
    let constants = [("H", h as f64), ("EPS", f64::from(eps))];

    // Word and position vectors, the words in one part and in four, of which the last is shorter.
    let mut x = vec![0.0; t * h];
    let rounded = Stored::rounded(precision, &vectors, h);
    embed::embed_layernorm(&Threads::one(), batch.whole(), &rounded, &positions, norm_pair, eps, &mut x);
    let tokens: Vec<u32> = batch.ids.iter().zip(&batch.positions).flat_map(|(i, p)| [*i, *p]).collect();
    let stored = words(precision, &vectors);
    for part_rows in [VOCAB, 13] {
        let constants = [constants[0], constants[1], ("PART_ROWS", part_rows as f64)];
        let kernel = Kernel::new(gpu, Variant::Embed(rows, precision), &constants).expect("it compiles");
        let parts: Vec<&[u32]> = stored.chunks(part_rows * stored.len() / VOCAB).collect();
        let mut inputs = vec![Input::Words(&tokens)];
        inputs.extend((0..4).map(|i| Input::Words(parts[i.min(parts.len() - 1)])));
        inputs.extend([Input::Floats(&positions), Input::Floats(&norms)]);
        let got = run(gpu, &kernel, &inputs, &vec![9.0; t * h], kernel.groups(t, 1));
        assert_close(&format!("embed {rows:?} {precision:?} by {part_rows}"), &got, &x, 1e-4);
    }

    // Residual sum, on top of it.
    let residual = numbers(t * h, 4);
    let kernel = Kernel::new(gpu, Variant::AddNorm(rows), &constants).expect("it compiles");
    let got = run(gpu, &kernel, &[Input::Floats(&residual), Input::Floats(&norms)], &x, kernel.groups(t, 1));
    norm::add_layernorm(&Threads::one(), &mut x, &residual, norm_pair, eps);
    assert_close(&format!("add_layernorm {rows:?}"), &got, &x, 1e-4);
}

#[test]
fn word_vectors_are_cut_where_a_binding_ends() {
    let config = BertConfig { vocab_size: 50, hidden_size: 8, ..minilm_config() };
    let cut = |precision, bytes| Words::rows(bytes, &config, precision);
    assert_eq!(cut(Precision::F32, 50 * 32), Ok(50));
    assert_eq!(cut(Precision::F32, 50 * 32 - 1), Ok(25));
    assert_eq!(cut(Precision::F32, 13 * 32), Ok(13));
    assert_eq!(cut(Precision::Int8, 13 * 32), Ok(25));
    assert!(cut(Precision::F32, 12 * 32).is_err(), "48 of 50 words fit");
}

#[test]
fn attention_agrees_with_its_twin_for_every_head_size() {
    let Some(gpu) = gpu() else { return };
    for (h, heads) in [(384, 12), (128, 2), (24, 2), (60, 3), (16, 4)] {
        let batch = sample_batch(&LENGTHS, VOCAB);
        let t = batch.tokens();
        let qkv: Vec<f32> = numbers(t * 3 * h, 5).iter().map(|x| 3.0 * x).collect();
        let mut want = vec![0.0; t * h];
        let mut scratch = [attention::AttentionScratch::default()];
        attention::attention(&Threads::one(), &qkv, &batch.offsets, heads, &mut scratch, &mut want);
        for variant in Attention::ALL {
            let software = Abilities { subgroup_lanes: Some(8), ..Abilities::default() };
            if !variant.suits(&software, h / heads) || !may(&gpu, variant, variant.suits(&gpu.abilities(), h / heads)) {
                continue;
            }
            let kernel = Kernel::attention(&gpu, variant, h, heads).expect("it compiles");
            let size = [t as u32, 0, 0, 0];
            let mut inputs = vec![Input::Floats(&qkv), Input::Words(&batch.sequence), Input::Words(&batch.offsets)];
            if variant == Attention::Subgroup {
                inputs.push(Input::Uniform(&size));
            }
            let got = run(&gpu, &kernel, &inputs, &vec![9.0; t * h], kernel.groups(t, heads));
            assert_close(&format!("attention {variant:?} {h}/{heads}"), &got, &want, 1e-4);
        }
    }
}

#[test]
fn heads_agree_with_their_twin() {
    let Some(gpu) = gpu() else { return };
    // Of tokens and of sentences, with fewer columns than lanes and with more.
    for (rows, (t, h, classes)) in
        Rows::ALL.into_iter().flat_map(|r| [(111, 384, 9), (3, 20, 4), (5, 384, 301)].map(|s| (r, s)))
    {
        if !may(&gpu, rows, rows.suits(&gpu.abilities())) {
            continue;
        }
        let (x, dense, bias) = (numbers(t * h, 1), numbers(h * classes, 2), numbers(classes, 3));
        let layer = ReadoutLayer::new(&dense, &bias);
        assert_eq!(layer.width(), classes.next_multiple_of(4));
        let mut want = vec![0.0; t * layer.width()];
        let bias = matmul::Epilogue::Bias;
        matmul::linear(&Threads::one(), &x, &layer.weight, &layer.bias, bias, &mut [], &mut want);
        let kernel = Kernel::new(&gpu, Variant::Head(rows), &[("H", h as f64)]).expect("it compiles");
        let weight = layer.weight.unpack();
        let inputs = [Input::Floats(&x), Input::Floats(&weight), Input::Floats(&layer.bias)];
        let got = run(&gpu, &kernel, &inputs, &vec![9.0; want.len()], kernel.groups(t, 1));
        assert_close(&format!("head {rows:?} {t}×{h}×{classes}"), &got, &want, 1e-4);
        assert!(got[classes..layer.width()].iter().all(|x| *x == 0.0), "what fills up a vector is zero");
    }
}

#[test]
fn pooling_agrees_with_its_twin() {
    let Some(gpu) = gpu() else { return };
    let h = 384;
    let batch = sample_batch(&LENGTHS, VOCAB);
    let mut x = numbers(batch.tokens() * h, 6);
    // All zero: the length has a floor, not a division by zero.
    x[..h].fill(0.0);
    for (pooling, rows) in [Pooling::Mean, Pooling::Cls].into_iter().flat_map(|p| Rows::ALL.map(|r| (p, r))) {
        if !may(&gpu, rows, rows.suits(&gpu.abilities())) {
            continue;
        }
        let mut want = vec![0.0; batch.sequences() * h];
        pool::pool_l2(pooling, &x, &batch.offsets, &mut want);
        let constants = [("H", h as f64), ("FIRST", f64::from(u8::from(pooling == Pooling::Cls)))];
        let kernel = Kernel::new(&gpu, Variant::Pool(rows), &constants).expect("it compiles");
        let inputs = [Input::Floats(&x), Input::Words(&batch.offsets)];
        let got = run(&gpu, &kernel, &inputs, &vec![9.0; want.len()], kernel.groups(batch.sequences(), 1));
        assert_close(&format!("pool_l2 {pooling:?} {rows:?}"), &got, &want, 1e-5);
    }
}
