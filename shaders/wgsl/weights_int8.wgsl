// Part of the matrix products: weights as whole numbers of 8 bits, each column with a scale that the sum takes at its end.

@group(0) @binding(2) var<storage, read> w: array<u32>;             // [K, N], four numbers each
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;    // [2, N]: bias, scale

// Four columns of a row of W, without their scales.
fn weight(i: u32) -> vec4<f32> {
    return vec4<f32>(unpack4xI8(w[i]));
}

// A sum with what follows it in these columns.
fn biased(sum: vec4<f32>, column: u32) -> vec4<f32> {
    return sum * bias[N / 4u + column] + bias[column];
}
