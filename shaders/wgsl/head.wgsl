// y = x·W + b for the few columns of a head, over tokens or over sentences; twin: linear of src/cpu/matmul.rs. One workgroup a row.

override H: u32; // columns of x, a multiple of 4

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;       // [R, H]
@group(0) @binding(1) var<storage, read> w: array<vec4<f32>>;       // [H, C], C a multiple of 4
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;    // [C]: its length says how many there are
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>; // [R, C]

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let h4 = H / 4u;
    let c4 = arrayLength(&bias);
    for (var c = lane; c < c4; c += LANES) {
        var sum = bias[c];
        for (var k = 0u; k < h4; k++) {
            let a = x[group.x * h4 + k];
            let row = 4u * k * c4 + c;
            sum = fma(vec4<f32>(a.x), w[row], sum);
            sum = fma(vec4<f32>(a.y), w[row + c4], sum);
            sum = fma(vec4<f32>(a.z), w[row + 2u * c4], sum);
            sum = fma(vec4<f32>(a.w), w[row + 3u * c4], sum);
        }
        y[group.x * c4 + c] = sum;
    }
}
