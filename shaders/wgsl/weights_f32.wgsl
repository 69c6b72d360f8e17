// Part of the matrix products: weights in f32.

@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;       // [K, N]
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;    // [N]

// Four columns of a row of W.
fn weight(i: u32) -> vec4<f32> {
    return w[i];
}

// A sum with what follows it in these columns.
fn biased(sum: vec4<f32>, column: u32) -> vec4<f32> {
    return sum + bias[column];
}
