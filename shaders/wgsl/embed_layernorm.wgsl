// x = LayerNorm(word vector + position vector); twin: src/cpu/embed.rs. One workgroup a token.

override H: u32;   // numbers of a state, a multiple of 4
override EPS: f32;

@group(0) @binding(0) var<storage, read> ids: array<u32>;              // [T]
@group(0) @binding(1) var<storage, read> places: array<u32>;           // [T]: positions in the sequence
@group(0) @binding(2) var<storage, read> words: array<vec4<f32>>;      // [vocab, H]
@group(0) @binding(3) var<storage, read> positions: array<vec4<f32>>;  // [positions, H]
@group(0) @binding(4) var<storage, read> norm: array<vec4<f32>>;       // [2, H]: scale, shift
@group(0) @binding(5) var<storage, read_write> x: array<vec4<f32>>;    // [T, H]

const LANES: u32 = 64u;
var<workgroup> partial: array<f32, LANES>;

// The sum over all lanes, for every lane.
fn total(lane: u32, own: f32) -> f32 {
    workgroupBarrier();
    partial[lane] = own;
    for (var width = LANES / 2u; width > 0u; width /= 2u) {
        workgroupBarrier();
        if (lane < width) {
            partial[lane] += partial[lane + width];
        }
    }
    workgroupBarrier();
    return partial[0];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let h4 = H / 4u;
    let row = group.x * h4;
    let word = ids[group.x] * h4;
    let place = places[group.x] * h4;
    var sum = 0.0;
    for (var i = lane; i < h4; i += LANES) {
        let v = words[word + i] + positions[place + i];
        x[row + i] = v;
        sum += dot(v, vec4<f32>(1.0));
    }
    let mean = total(lane, sum) / f32(H);
    var square = 0.0;
    for (var i = lane; i < h4; i += LANES) {
        let v = x[row + i] - mean;
        square += dot(v, v);
    }
    let factor = inverseSqrt(total(lane, square) / f32(H) + EPS);
    for (var i = lane; i < h4; i += LANES) {
        x[row + i] = (x[row + i] - mean) * factor * norm[i] + norm[h4 + i];
    }
}
