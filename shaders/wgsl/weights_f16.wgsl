// Part of the matrix products: weights in f16, sums in f32; no feature of the device is asked for.

@group(0) @binding(2) var<storage, read> w: array<vec2<u32>>;       // [K, N], four halves each
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;    // [N]

// Four columns of a row of W.
fn weight(i: u32) -> vec4<f32> {
    let v = w[i];
    return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y));
}

// A sum with what follows it in these columns.
fn biased(sum: vec4<f32>, column: u32) -> vec4<f32> {
    return sum + bias[column];
}
