// x = LayerNorm(word vector + position vector); twin: src/cpu/embed.rs. One workgroup a token.

@group(0) @binding(0) var<storage, read> tokens: array<vec2<u32>>;     // [T]: id, position in the sequence
// Bindings 1 to 4 are the word vectors: words_*.wgsl.
@group(0) @binding(5) var<storage, read> positions: array<vec4<f32>>;  // [positions, H]
@group(0) @binding(6) var<storage, read> norm: array<vec4<f32>>;       // [2, H]: scale, shift
@group(0) @binding(7) var<storage, read_write> x: array<vec4<f32>>;    // [T, H]

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let h4 = H / 4u;
    let row = group.x * h4;
    let token = tokens[group.x];
    let part = token.x / PART_ROWS;
    let word = (token.x % PART_ROWS) * h4;
    var sum = 0.0;
    for (var i = lane; i < h4; i += LANES) {
        let v = word_vector(part, word + i) + positions[token.y * h4 + i];
        x[row + i] = v;
        sum += dot(v, vec4<f32>(1.0));
    }
    normalise(row, lane, sum);
}
