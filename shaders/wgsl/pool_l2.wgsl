// embedding = mean of a sequence's states, or its first state, scaled to length 1; twin: src/cpu/pool.rs. One workgroup a sequence.

override H: u32;             // numbers of a state, a multiple of 4
override FIRST: bool = false; // the first state instead of the mean

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;                // [T, H]
@group(0) @binding(1) var<storage, read> offsets: array<u32>;                // [S + 1]: where sequences begin
@group(0) @binding(2) var<storage, read_write> embeddings: array<vec4<f32>>; // [S, H]

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let h4 = H / 4u;
    let first = offsets[group.x];
    let end = select(offsets[group.x + 1u], first + 1u, FIRST);
    var square = 0.0;
    for (var i = lane; i < h4; i += LANES) {
        var sum = vec4<f32>();
        for (var t = first; t < end; t++) {
            sum += x[t * h4 + i];
        }
        let mean = sum / f32(end - first);
        embeddings[group.x * h4 + i] = mean;
        square += dot(mean, mean);
    }
    let length = max(sqrt(total(lane, square)), 1e-12);
    for (var i = lane; i < h4; i += LANES) {
        embeddings[group.x * h4 + i] /= length;
    }
}
