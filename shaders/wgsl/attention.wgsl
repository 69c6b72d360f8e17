// context = softmax(q·Kᵀ/√d)·V inside each sequence of a packed batch; twin: src/cpu/attention.rs.
//
// One workgroup a token and head: the lanes share the keys for the scores, then the numbers of the output.

override H: u32;      // numbers of a state
override HEADS: u32;  // d = H / HEADS is a multiple of 4, at most 64

@group(0) @binding(0) var<storage, read> qkv: array<vec4<f32>>;           // [T, 3H]: query, key, value
@group(0) @binding(1) var<storage, read> sequence: array<u32>;            // [T]: the sequence of each token
@group(0) @binding(2) var<storage, read> offsets: array<u32>;             // [S + 1]: where sequences begin
@group(0) @binding(3) var<storage, read_write> context: array<vec4<f32>>; // [T, H]

const LANES: u32 = 64u;
const KEYS_MAX: u32 = 256u;  // UTTERANCE_TOKENS_MAX of src/limits.rs
var<workgroup> scores: array<f32, KEYS_MAX>;
var<workgroup> partial: array<f32, LANES>;
var<workgroup> sums: array<vec4<f32>, LANES>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let h4 = H / 4u;
    let d4 = h4 / HEADS;
    let scale = inverseSqrt(f32(4u * d4));
    let first = offsets[sequence[group.x]];
    let keys = min(offsets[sequence[group.x] + 1u] - first, KEYS_MAX);
    let query = group.x * 3u * h4 + group.y * d4;

    var highest = -3.4e38;
    for (var j = lane; j < keys; j += LANES) {
        let key = (first + j) * 3u * h4 + h4 + group.y * d4;
        var score = 0.0;
        for (var i = 0u; i < d4; i++) {
            score += dot(qkv[query + i], qkv[key + i]);
        }
        score *= scale;
        scores[j] = score;
        highest = max(highest, score);
    }
    partial[lane] = highest;
    for (var width = LANES / 2u; width > 0u; width /= 2u) {
        workgroupBarrier();
        if (lane < width) {
            partial[lane] = max(partial[lane], partial[lane + width]);
        }
    }
    workgroupBarrier();
    highest = partial[0];
    workgroupBarrier();

    var sum = 0.0;
    for (var j = lane; j < keys; j += LANES) {
        let p = exp(max(scores[j] - highest, -87.0));
        scores[j] = p;
        sum += p;
    }
    partial[lane] = sum;
    for (var width = LANES / 2u; width > 0u; width /= 2u) {
        workgroupBarrier();
        if (lane < width) {
            partial[lane] += partial[lane + width];
        }
    }
    workgroupBarrier();
    sum = partial[0];

    // Each lane adds up one of the output's d4 vectors over a part of the keys; lane i then joins the parts.
    let parts = LANES / d4;
    let own = lane % d4;
    var value = vec4<f32>();
    if (lane < parts * d4) {
        for (var j = lane / d4; j < keys; j += parts) {
            value += scores[j] * qkv[(first + j) * 3u * h4 + 2u * h4 + group.y * d4 + own];
        }
    }
    sums[lane] = value;
    workgroupBarrier();
    if (lane < d4) {
        var joined = vec4<f32>();
        for (var part = 0u; part < parts; part++) {
            joined += sums[part * d4 + lane];
        }
        context[group.x * h4 + group.y * d4 + lane] = joined / sum;
    }
}
