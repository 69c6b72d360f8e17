//! Every kernel against its twin on the CPU, and all WGSL against naga's validator.

use crate::{
    budget::MemoryBudget,
    cpu::{Threads, attention, embed, gemm::Panels, matmul, norm, pool},
    gpu::{Gpu, KERNELS, Kernel},
    packed::PackedBatch,
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

/// Numbers between −1 and 1 that look random and are the same every time.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).max(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / u32::MAX as f32 * 2.0 - 1.0
    };
    (0..count).map(|_| next()).collect()
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

fn batch(lengths: &[usize]) -> PackedBatch {
    let utterance = |(i, n): (usize, &usize)| dialogue::EncodedUtterance {
        text: String::new(),
        token_ids: (0..*n).map(|j| ((i * 7 + j * 3) % 50) as u32).collect(),
        offsets: vec![(0, 0); *n],
    };
    PackedBatch::new(&lengths.iter().enumerate().map(utterance).collect::<Vec<_>>(), 50)
}

const LENGTHS: [usize; 4] = [1, 7, 100, 3];

#[test]
fn all_wgsl_is_valid() {
    use wgpu::naga::{front::wgsl, valid};
    for (name, source) in KERNELS {
        let module = wgsl::parse_str(source).unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(source)));
        let may =
            if name.ends_with("_subgroup") { valid::Capabilities::SUBGROUP } else { valid::Capabilities::empty() };
        let mut validator = valid::Validator::new(valid::ValidationFlags::all(), may);
        validator.validate(&module).unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(source)));
    }
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/wgsl")).expect("the folder of the kernels");
    assert_eq!(folder.count(), KERNELS.len(), "a kernel file that no pipeline uses");
}

#[test]
fn every_matmul_agrees_with_its_twin() {
    let Some(gpu) = gpu() else { return };
    let any = [(1, 4, 4, false), (5, 384, 100, true), (33, 64, 36, false), (34, 16, 64, true)];
    let by_lanes = [(1, 32, 32, false), (5, 384, 96, true), (33, 64, 32, false), (70, 1536, 64, true)];
    for (name, shapes) in [("matmul", any), ("matmul_subgroup", by_lanes)] {
        if name == "matmul_subgroup" && gpu.subgroup_lanes() != Some(8) {
            println!("{name} did not run: {} has no subgroups of 8 lanes", gpu.name());
            continue;
        }
        for (t, k, n, gelu) in shapes {
            let (x, w, b) = (numbers(t * k, 1), numbers(k * n, 2), numbers(n, 3));
            let mut want = vec![0.0; t * n];
            let epilogue = if gelu { matmul::Epilogue::BiasGelu } else { matmul::Epilogue::Bias };
            matmul::linear(&Threads::one(), &x, &Panels::new(&w, k, n), &b, epilogue, &mut [], &mut want);
            let constants = [("K", k as f64), ("N", n as f64), ("GELU", f64::from(u8::from(gelu)))];
            let kernel = Kernel::new(&gpu, name, &constants).expect("it compiles");
            let size = [t as u32, 0, 0, 0];
            let inputs = [Input::Uniform(&size), Input::Floats(&x), Input::Floats(&w), Input::Floats(&b)];
            let groups = ((n as u32).div_ceil(32), (t as u32).div_ceil(32));
            let got = run(&gpu, &kernel, &inputs, &vec![9.0; t * n], groups);
            assert_close(&format!("{name} {t}×{k}×{n}"), &got, &want, 1e-4);
        }
    }
}

#[test]
fn embedding_and_layernorm_agree_with_their_twins() {
    let Some(gpu) = gpu() else { return };
    let (h, eps) = (384, 1e-12_f32);
    let batch = batch(&LENGTHS);
    let t = batch.tokens();
    let (words, positions, norms) = (numbers(50 * h, 1), numbers(128 * h, 2), numbers(2 * h, 3));
    let norm_pair = norms.split_at(h);
    let constants = [("H", h as f64), ("EPS", f64::from(eps))];

    // Word and position vectors.
    let mut x = vec![0.0; t * h];
    embed::embed_layernorm(&Threads::one(), &batch, &words, &positions, norm_pair, eps, &mut x);
    let kernel = Kernel::new(&gpu, "embed_layernorm", &constants).expect("it compiles");
    let inputs = [
        Input::Words(&batch.ids),
        Input::Words(&batch.positions),
        Input::Floats(&words),
        Input::Floats(&positions),
        Input::Floats(&norms),
    ];
    let got = run(&gpu, &kernel, &inputs, &vec![9.0; t * h], (t as u32, 1));
    assert_close("embed_layernorm", &got, &x, 1e-4);

    // Residual sum, on top of it.
    let residual = numbers(t * h, 4);
    let kernel = Kernel::new(&gpu, "add_layernorm", &constants).expect("it compiles");
    let got = run(&gpu, &kernel, &[Input::Floats(&residual), Input::Floats(&norms)], &x, (t as u32, 1));
    norm::add_layernorm(&Threads::one(), &mut x, &residual, norm_pair, eps);
    assert_close("add_layernorm", &got, &x, 1e-4);
}

#[test]
fn attention_agrees_with_its_twin_for_every_head_size() {
    let Some(gpu) = gpu() else { return };
    for (h, heads) in [(384, 12), (128, 2), (24, 2), (60, 3), (16, 4)] {
        let batch = batch(&LENGTHS);
        let t = batch.tokens();
        let qkv: Vec<f32> = numbers(t * 3 * h, 5).iter().map(|x| 3.0 * x).collect();
        let mut want = vec![0.0; t * h];
        let mut scratch = [attention::AttentionScratch::default()];
        attention::attention(&Threads::one(), &qkv, &batch.offsets, heads, &mut scratch, &mut want);
        let kernel = Kernel::new(&gpu, "attention", &[("H", h as f64), ("HEADS", heads as f64)]).expect("it compiles");
        let inputs = [Input::Floats(&qkv), Input::Words(&batch.sequence), Input::Words(&batch.offsets)];
        let got = run(&gpu, &kernel, &inputs, &vec![9.0; t * h], (t as u32, heads as u32));
        assert_close(&format!("attention {h}/{heads}"), &got, &want, 1e-4);
    }
}

#[test]
fn pooling_agrees_with_its_twin() {
    let Some(gpu) = gpu() else { return };
    let h = 384;
    let batch = batch(&LENGTHS);
    let mut x = numbers(batch.tokens() * h, 6);
    // All zero: the length has a floor, not a division by zero.
    x[..h].fill(0.0);
    let mut want = vec![0.0; batch.sequences() * h];
    pool::pool_l2(&x, &batch.offsets, &mut want);
    let kernel = Kernel::new(&gpu, "pool_l2", &[("H", h as f64)]).expect("it compiles");
    let inputs = [Input::Floats(&x), Input::Words(&batch.offsets)];
    let got = run(&gpu, &kernel, &inputs, &vec![9.0; want.len()], (batch.sequences() as u32, 1));
    assert_close("pool_l2", &got, &want, 1e-5);
}
