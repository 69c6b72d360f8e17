// x = LayerNorm(x + residual); twin: src/cpu/norm.rs. One workgroup a token.

@group(0) @binding(0) var<storage, read> residual: array<vec4<f32>>;  // [T, H]
@group(0) @binding(1) var<storage, read> norm: array<vec4<f32>>;      // [2, H]: scale, shift
@group(0) @binding(2) var<storage, read_write> x: array<vec4<f32>>;   // [T, H]

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let h4 = H / 4u;
    let row = group.x * h4;
    var sum = 0.0;
    for (var i = lane; i < h4; i += LANES) {
        let v = x[row + i] + residual[row + i];
        x[row + i] = v;
        sum += dot(v, vec4<f32>(1.0));
    }
    normalise(row, lane, sum);
}
