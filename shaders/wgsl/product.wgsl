// Part of the matrix products: what they are given besides the weights, and how a sum ends.

override K: u32;        // columns of x, a multiple of 4
override N: u32;        // columns of y, a multiple of 4
override GELU: bool = false;

struct Batch { tokens: u32, sequences: u32 }

@group(0) @binding(0) var<uniform> batch: Batch;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [T, K]
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>; // [T, N]

// erf after Abramowitz and Stegun 7.1.26, as the twin has it.
fn gelu(v: vec4<f32>) -> vec4<f32> {
    let z = abs(v) * 0.70710678;
    let t = 1.0 / (1.0 + 0.3275911 * z);
    let p = ((((1.0614054 * t - 1.453152) * t + 1.4214138) * t - 0.28449672) * t + 0.2548296) * t;
    let tail = 0.5 * p * exp(-min(z * z, vec4<f32>(87.0)));
    return v * select(1.0 - tail, tail, v < vec4<f32>(0.0));
}

// Stores a sum with its bias and, where asked for, its GELU; rows beyond the batch are not stored.
fn store(row: u32, column: u32, sum: vec4<f32>) {
    if (row < batch.tokens) {
        let v = biased(sum, column);
        if (GELU) {
            y[row * (N / 4u) + column] = gelu(v);
        } else {
            y[row * (N / 4u) + column] = v;
        }
    }
}

// Four numbers of a row of x, times four rows of W's columns.
fn add(sum: vec4<f32>, a: vec4<f32>, w0: vec4<f32>, w1: vec4<f32>, w2: vec4<f32>, w3: vec4<f32>) -> vec4<f32> {
    return fma(vec4<f32>(a.w), w3, fma(vec4<f32>(a.z), w2, fma(vec4<f32>(a.y), w1, fma(vec4<f32>(a.x), w0, sum))));
}
