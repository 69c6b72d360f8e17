// y = x·W + b, with an optional exact GELU; twin: src/cpu/matmul.rs.
//
// Each invocation makes 4 rows × 4 columns in named accumulators: arrays would be spilled, and shared tiles cost more
// than they save on software adapters. Rows beyond the batch read the last row and store nothing.

override K: u32;        // columns of x, a multiple of 4
override N: u32;        // columns of y, a multiple of 4
override GELU: bool = false;

struct Batch { tokens: u32, sequences: u32 }

@group(0) @binding(0) var<uniform> batch: Batch;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [T, K]
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;       // [K, N]
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;    // [N]
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>; // [T, N]

// erf after Abramowitz and Stegun 7.1.26, as the twin has it.
fn gelu(v: vec4<f32>) -> vec4<f32> {
    let z = abs(v) * 0.70710678;
    let t = 1.0 / (1.0 + 0.3275911 * z);
    let p = ((((1.0614054 * t - 1.453152) * t + 1.4214138) * t - 0.28449672) * t + 0.2548296) * t;
    let tail = 0.5 * p * exp(-min(z * z, vec4<f32>(87.0)));
    return v * select(1.0 - tail, tail, v < vec4<f32>(0.0));
}

fn finish(sum: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    if (GELU) {
        return gelu(sum + b);
    }
    return sum + b;
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let k4 = K / 4u;
    let n4 = N / 4u;
    let column = id.x;
    let row = id.y * 4u;
    if (column >= n4 || row >= batch.tokens) {
        return;
    }
    let last = batch.tokens - 1u;
    let r0 = row * k4;
    let r1 = min(row + 1u, last) * k4;
    let r2 = min(row + 2u, last) * k4;
    let r3 = min(row + 3u, last) * k4;
    var a0 = vec4<f32>();
    var a1 = vec4<f32>();
    var a2 = vec4<f32>();
    var a3 = vec4<f32>();
    var at = column;
    for (var k = 0u; k < k4; k++) {
        let x0 = x[r0 + k];
        let x1 = x[r1 + k];
        let x2 = x[r2 + k];
        let x3 = x[r3 + k];
        let w0 = w[at];
        let w1 = w[at + n4];
        let w2 = w[at + 2u * n4];
        let w3 = w[at + 3u * n4];
        at += 4u * n4;
        a0 = fma(vec4<f32>(x0.w), w3, fma(vec4<f32>(x0.z), w2, fma(vec4<f32>(x0.y), w1, fma(vec4<f32>(x0.x), w0, a0))));
        a1 = fma(vec4<f32>(x1.w), w3, fma(vec4<f32>(x1.z), w2, fma(vec4<f32>(x1.y), w1, fma(vec4<f32>(x1.x), w0, a1))));
        a2 = fma(vec4<f32>(x2.w), w3, fma(vec4<f32>(x2.z), w2, fma(vec4<f32>(x2.y), w1, fma(vec4<f32>(x2.x), w0, a2))));
        a3 = fma(vec4<f32>(x3.w), w3, fma(vec4<f32>(x3.z), w2, fma(vec4<f32>(x3.y), w1, fma(vec4<f32>(x3.x), w0, a3))));
    }
    let b = bias[column];
    y[row * n4 + column] = finish(a0, b);
    if (row < last) {
        y[(row + 1u) * n4 + column] = finish(a1, b);
    }
    if (row + 1u < last) {
        y[(row + 2u) * n4 + column] = finish(a2, b);
    }
    if (row + 2u < last) {
        y[(row + 3u) * n4 + column] = finish(a3, b);
    }
}
