// context = softmax(q·Kᵀ/√d)·V inside each sequence of a packed batch, for software adapters; twin: src/cpu/attention.rs.
//
// A subgroup of 8 lanes makes 8 queries of a head, without workgroup memory or barriers. Eight keys at a time: each lane takes
// the scores of one key, then four columns of the output. The softmax is online: a new maximum scales what was summed up
// before (Milakov and Gimelshein 2018). Queries of several sequences may meet in a block; each sees only its own keys.
// Needs subgroups of exactly 8 lanes.

override H: u32;      // numbers of a state
override HEADS: u32;  // d = H / HEADS is a multiple of 4, at most 32

struct Batch { tokens: u32, sequences: u32 }

@group(0) @binding(0) var<storage, read> qkv: array<vec4<f32>>;           // [T, 3H]: query, key, value
@group(0) @binding(1) var<storage, read> sequence: array<u32>;            // [T]: the sequence of each token
@group(0) @binding(2) var<storage, read> offsets: array<u32>;             // [S + 1]: where sequences begin
@group(0) @binding(3) var<uniform> batch: Batch;
@group(0) @binding(4) var<storage, read_write> context: array<vec4<f32>>; // [T, H]

const LANES: u32 = 8u;
const LOWEST: f32 = -3.4e38;

// Four numbers of a key; none where the head is shorter.
fn key_part(key: u32, i: u32) -> vec4<f32> {
    if (i < H / 4u / HEADS) {
        return qkv[key + i];
    }
    return vec4<f32>();
}

fn exp_of_negative(x: f32) -> f32 {
    return exp(max(x, -87.0));
}

fn store(token: u32, head: u32, lane: u32, sum: vec4<f32>, total: f32) {
    let d4 = H / 4u / HEADS;
    if (token < batch.tokens && lane < d4) {
        context[token * (H / 4u) + head * d4 + lane] = sum / total;
    }
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(subgroup_invocation_id) lane: u32) {
    let h4 = H / 4u;
    let d4 = h4 / HEADS;
    let token = group.x * LANES;
    let head = group.y * d4;
    let last = batch.tokens - 1u;
    let part = head + min(lane, d4 - 1u);
    let scale = inverseSqrt(f32(4u * d4));
    // Lane i knows where the keys of query i begin and end.
    let own = sequence[min(token + lane, last)];
    let own_begin = offsets[own];
    let own_end = offsets[own + 1u];
    let b0 = subgroupBroadcast(own_begin, 0u);
    let b1 = subgroupBroadcast(own_begin, 1u);
    let b2 = subgroupBroadcast(own_begin, 2u);
    let b3 = subgroupBroadcast(own_begin, 3u);
    let b4 = subgroupBroadcast(own_begin, 4u);
    let b5 = subgroupBroadcast(own_begin, 5u);
    let b6 = subgroupBroadcast(own_begin, 6u);
    let b7 = subgroupBroadcast(own_begin, 7u);
    let e0 = subgroupBroadcast(own_end, 0u);
    let e1 = subgroupBroadcast(own_end, 1u);
    let e2 = subgroupBroadcast(own_end, 2u);
    let e3 = subgroupBroadcast(own_end, 3u);
    let e4 = subgroupBroadcast(own_end, 4u);
    let e5 = subgroupBroadcast(own_end, 5u);
    let e6 = subgroupBroadcast(own_end, 6u);
    let e7 = subgroupBroadcast(own_end, 7u);
    let q0 = scale * qkv[min(token + 0u, last) * 3u * h4 + part];
    let q1 = scale * qkv[min(token + 1u, last) * 3u * h4 + part];
    let q2 = scale * qkv[min(token + 2u, last) * 3u * h4 + part];
    let q3 = scale * qkv[min(token + 3u, last) * 3u * h4 + part];
    let q4 = scale * qkv[min(token + 4u, last) * 3u * h4 + part];
    let q5 = scale * qkv[min(token + 5u, last) * 3u * h4 + part];
    let q6 = scale * qkv[min(token + 6u, last) * 3u * h4 + part];
    let q7 = scale * qkv[min(token + 7u, last) * 3u * h4 + part];
    var m0 = LOWEST;
    var m1 = LOWEST;
    var m2 = LOWEST;
    var m3 = LOWEST;
    var m4 = LOWEST;
    var m5 = LOWEST;
    var m6 = LOWEST;
    var m7 = LOWEST;
    var t0 = 0.0;
    var t1 = 0.0;
    var t2 = 0.0;
    var t3 = 0.0;
    var t4 = 0.0;
    var t5 = 0.0;
    var t6 = 0.0;
    var t7 = 0.0;
    var s0 = vec4<f32>();
    var s1 = vec4<f32>();
    var s2 = vec4<f32>();
    var s3 = vec4<f32>();
    var s4 = vec4<f32>();
    var s5 = vec4<f32>();
    var s6 = vec4<f32>();
    var s7 = vec4<f32>();
    for (var first = b0; first < e7; first += LANES) {
        let key = first + lane;
        let row = min(key, last) * 3u * h4 + h4 + head;
        let k0 = key_part(row, 0u);
        let k1 = key_part(row, 1u);
        let k2 = key_part(row, 2u);
        let k3 = key_part(row, 3u);
        let k4 = key_part(row, 4u);
        let k5 = key_part(row, 5u);
        let k6 = key_part(row, 6u);
        let k7 = key_part(row, 7u);
        // The scores of this lane's key; a key of another sequence has none.
        var p0 = dot(subgroupBroadcast(q0, 0u), k0);
        p0 += dot(subgroupBroadcast(q0, 1u), k1);
        p0 += dot(subgroupBroadcast(q0, 2u), k2);
        p0 += dot(subgroupBroadcast(q0, 3u), k3);
        p0 += dot(subgroupBroadcast(q0, 4u), k4);
        p0 += dot(subgroupBroadcast(q0, 5u), k5);
        p0 += dot(subgroupBroadcast(q0, 6u), k6);
        p0 += dot(subgroupBroadcast(q0, 7u), k7);
        var p1 = dot(subgroupBroadcast(q1, 0u), k0);
        p1 += dot(subgroupBroadcast(q1, 1u), k1);
        p1 += dot(subgroupBroadcast(q1, 2u), k2);
        p1 += dot(subgroupBroadcast(q1, 3u), k3);
        p1 += dot(subgroupBroadcast(q1, 4u), k4);
        p1 += dot(subgroupBroadcast(q1, 5u), k5);
        p1 += dot(subgroupBroadcast(q1, 6u), k6);
        p1 += dot(subgroupBroadcast(q1, 7u), k7);
        var p2 = dot(subgroupBroadcast(q2, 0u), k0);
        p2 += dot(subgroupBroadcast(q2, 1u), k1);
        p2 += dot(subgroupBroadcast(q2, 2u), k2);
        p2 += dot(subgroupBroadcast(q2, 3u), k3);
        p2 += dot(subgroupBroadcast(q2, 4u), k4);
        p2 += dot(subgroupBroadcast(q2, 5u), k5);
        p2 += dot(subgroupBroadcast(q2, 6u), k6);
        p2 += dot(subgroupBroadcast(q2, 7u), k7);
        var p3 = dot(subgroupBroadcast(q3, 0u), k0);
        p3 += dot(subgroupBroadcast(q3, 1u), k1);
        p3 += dot(subgroupBroadcast(q3, 2u), k2);
        p3 += dot(subgroupBroadcast(q3, 3u), k3);
        p3 += dot(subgroupBroadcast(q3, 4u), k4);
        p3 += dot(subgroupBroadcast(q3, 5u), k5);
        p3 += dot(subgroupBroadcast(q3, 6u), k6);
        p3 += dot(subgroupBroadcast(q3, 7u), k7);
        var p4 = dot(subgroupBroadcast(q4, 0u), k0);
        p4 += dot(subgroupBroadcast(q4, 1u), k1);
        p4 += dot(subgroupBroadcast(q4, 2u), k2);
        p4 += dot(subgroupBroadcast(q4, 3u), k3);
        p4 += dot(subgroupBroadcast(q4, 4u), k4);
        p4 += dot(subgroupBroadcast(q4, 5u), k5);
        p4 += dot(subgroupBroadcast(q4, 6u), k6);
        p4 += dot(subgroupBroadcast(q4, 7u), k7);
        var p5 = dot(subgroupBroadcast(q5, 0u), k0);
        p5 += dot(subgroupBroadcast(q5, 1u), k1);
        p5 += dot(subgroupBroadcast(q5, 2u), k2);
        p5 += dot(subgroupBroadcast(q5, 3u), k3);
        p5 += dot(subgroupBroadcast(q5, 4u), k4);
        p5 += dot(subgroupBroadcast(q5, 5u), k5);
        p5 += dot(subgroupBroadcast(q5, 6u), k6);
        p5 += dot(subgroupBroadcast(q5, 7u), k7);
        var p6 = dot(subgroupBroadcast(q6, 0u), k0);
        p6 += dot(subgroupBroadcast(q6, 1u), k1);
        p6 += dot(subgroupBroadcast(q6, 2u), k2);
        p6 += dot(subgroupBroadcast(q6, 3u), k3);
        p6 += dot(subgroupBroadcast(q6, 4u), k4);
        p6 += dot(subgroupBroadcast(q6, 5u), k5);
        p6 += dot(subgroupBroadcast(q6, 6u), k6);
        p6 += dot(subgroupBroadcast(q6, 7u), k7);
        var p7 = dot(subgroupBroadcast(q7, 0u), k0);
        p7 += dot(subgroupBroadcast(q7, 1u), k1);
        p7 += dot(subgroupBroadcast(q7, 2u), k2);
        p7 += dot(subgroupBroadcast(q7, 3u), k3);
        p7 += dot(subgroupBroadcast(q7, 4u), k4);
        p7 += dot(subgroupBroadcast(q7, 5u), k5);
        p7 += dot(subgroupBroadcast(q7, 6u), k6);
        p7 += dot(subgroupBroadcast(q7, 7u), k7);
        let is0 = key >= b0 && key < e0;
        let is1 = key >= b1 && key < e1;
        let is2 = key >= b2 && key < e2;
        let is3 = key >= b3 && key < e3;
        let is4 = key >= b4 && key < e4;
        let is5 = key >= b5 && key < e5;
        let is6 = key >= b6 && key < e6;
        let is7 = key >= b7 && key < e7;
        let n0 = max(m0, subgroupMax(select(LOWEST, p0, is0)));
        let n1 = max(m1, subgroupMax(select(LOWEST, p1, is1)));
        let n2 = max(m2, subgroupMax(select(LOWEST, p2, is2)));
        let n3 = max(m3, subgroupMax(select(LOWEST, p3, is3)));
        let n4 = max(m4, subgroupMax(select(LOWEST, p4, is4)));
        let n5 = max(m5, subgroupMax(select(LOWEST, p5, is5)));
        let n6 = max(m6, subgroupMax(select(LOWEST, p6, is6)));
        let n7 = max(m7, subgroupMax(select(LOWEST, p7, is7)));
        let f0 = exp_of_negative(m0 - n0);
        let f1 = exp_of_negative(m1 - n1);
        let f2 = exp_of_negative(m2 - n2);
        let f3 = exp_of_negative(m3 - n3);
        let f4 = exp_of_negative(m4 - n4);
        let f5 = exp_of_negative(m5 - n5);
        let f6 = exp_of_negative(m6 - n6);
        let f7 = exp_of_negative(m7 - n7);
        p0 = select(0.0, exp_of_negative(p0 - n0), is0);
        p1 = select(0.0, exp_of_negative(p1 - n1), is1);
        p2 = select(0.0, exp_of_negative(p2 - n2), is2);
        p3 = select(0.0, exp_of_negative(p3 - n3), is3);
        p4 = select(0.0, exp_of_negative(p4 - n4), is4);
        p5 = select(0.0, exp_of_negative(p5 - n5), is5);
        p6 = select(0.0, exp_of_negative(p6 - n6), is6);
        p7 = select(0.0, exp_of_negative(p7 - n7), is7);
        m0 = n0;
        m1 = n1;
        m2 = n2;
        m3 = n3;
        m4 = n4;
        m5 = n5;
        m6 = n6;
        m7 = n7;
        t0 = t0 * f0 + p0;
        t1 = t1 * f1 + p1;
        t2 = t2 * f2 + p2;
        t3 = t3 * f3 + p3;
        t4 = t4 * f4 + p4;
        t5 = t5 * f5 + p5;
        t6 = t6 * f6 + p6;
        t7 = t7 * f7 + p7;
        s0 *= f0;
        s1 *= f1;
        s2 *= f2;
        s3 *= f3;
        s4 *= f4;
        s5 *= f5;
        s6 *= f6;
        s7 *= f7;
        // Four columns of the values of all eight keys.
        {
            let v = qkv[min(first + 0u, last) * 3u * h4 + 2u * h4 + part];
            s0 += subgroupBroadcast(p0, 0u) * v;
            s1 += subgroupBroadcast(p1, 0u) * v;
            s2 += subgroupBroadcast(p2, 0u) * v;
            s3 += subgroupBroadcast(p3, 0u) * v;
            s4 += subgroupBroadcast(p4, 0u) * v;
            s5 += subgroupBroadcast(p5, 0u) * v;
            s6 += subgroupBroadcast(p6, 0u) * v;
            s7 += subgroupBroadcast(p7, 0u) * v;
        }
        {
            let v = qkv[min(first + 1u, last) * 3u * h4 + 2u * h4 + part];
            s0 += subgroupBroadcast(p0, 1u) * v;
            s1 += subgroupBroadcast(p1, 1u) * v;
            s2 += subgroupBroadcast(p2, 1u) * v;
            s3 += subgroupBroadcast(p3, 1u) * v;
            s4 += subgroupBroadcast(p4, 1u) * v;
            s5 += subgroupBroadcast(p5, 1u) * v;
            s6 += subgroupBroadcast(p6, 1u) * v;
            s7 += subgroupBroadcast(p7, 1u) * v;
        }
        {
            let v = qkv[min(first + 2u, last) * 3u * h4 + 2u * h4 + part];
            s0 += subgroupBroadcast(p0, 2u) * v;
            s1 += subgroupBroadcast(p1, 2u) * v;
            s2 += subgroupBroadcast(p2, 2u) * v;
            s3 += subgroupBroadcast(p3, 2u) * v;
            s4 += subgroupBroadcast(p4, 2u) * v;
            s5 += subgroupBroadcast(p5, 2u) * v;
            s6 += subgroupBroadcast(p6, 2u) * v;
            s7 += subgroupBroadcast(p7, 2u) * v;
        }
        {
            let v = qkv[min(first + 3u, last) * 3u * h4 + 2u * h4 + part];
            s0 += subgroupBroadcast(p0, 3u) * v;
            s1 += subgroupBroadcast(p1, 3u) * v;
            s2 += subgroupBroadcast(p2, 3u) * v;
            s3 += subgroupBroadcast(p3, 3u) * v;
            s4 += subgroupBroadcast(p4, 3u) * v;
            s5 += subgroupBroadcast(p5, 3u) * v;
            s6 += subgroupBroadcast(p6, 3u) * v;
            s7 += subgroupBroadcast(p7, 3u) * v;
        }
        {
            let v = qkv[min(first + 4u, last) * 3u * h4 + 2u * h4 + part];
            s0 += subgroupBroadcast(p0, 4u) * v;
            s1 += subgroupBroadcast(p1, 4u) * v;
            s2 += subgroupBroadcast(p2, 4u) * v;
            s3 += subgroupBroadcast(p3, 4u) * v;
            s4 += subgroupBroadcast(p4, 4u) * v;
            s5 += subgroupBroadcast(p5, 4u) * v;
            s6 += subgroupBroadcast(p6, 4u) * v;
            s7 += subgroupBroadcast(p7, 4u) * v;
        }
        {
            let v = qkv[min(first + 5u, last) * 3u * h4 + 2u * h4 + part];
            s0 += subgroupBroadcast(p0, 5u) * v;
            s1 += subgroupBroadcast(p1, 5u) * v;
            s2 += subgroupBroadcast(p2, 5u) * v;
            s3 += subgroupBroadcast(p3, 5u) * v;
            s4 += subgroupBroadcast(p4, 5u) * v;
            s5 += subgroupBroadcast(p5, 5u) * v;
            s6 += subgroupBroadcast(p6, 5u) * v;
            s7 += subgroupBroadcast(p7, 5u) * v;
        }
        {
            let v = qkv[min(first + 6u, last) * 3u * h4 + 2u * h4 + part];
            s0 += subgroupBroadcast(p0, 6u) * v;
            s1 += subgroupBroadcast(p1, 6u) * v;
            s2 += subgroupBroadcast(p2, 6u) * v;
            s3 += subgroupBroadcast(p3, 6u) * v;
            s4 += subgroupBroadcast(p4, 6u) * v;
            s5 += subgroupBroadcast(p5, 6u) * v;
            s6 += subgroupBroadcast(p6, 6u) * v;
            s7 += subgroupBroadcast(p7, 6u) * v;
        }
        {
            let v = qkv[min(first + 7u, last) * 3u * h4 + 2u * h4 + part];
            s0 += subgroupBroadcast(p0, 7u) * v;
            s1 += subgroupBroadcast(p1, 7u) * v;
            s2 += subgroupBroadcast(p2, 7u) * v;
            s3 += subgroupBroadcast(p3, 7u) * v;
            s4 += subgroupBroadcast(p4, 7u) * v;
            s5 += subgroupBroadcast(p5, 7u) * v;
            s6 += subgroupBroadcast(p6, 7u) * v;
            s7 += subgroupBroadcast(p7, 7u) * v;
        }
    }
    store(token + 0u, group.y, lane, s0, subgroupAdd(t0));
    store(token + 1u, group.y, lane, s1, subgroupAdd(t1));
    store(token + 2u, group.y, lane, s2, subgroupAdd(t2));
    store(token + 3u, group.y, lane, s3, subgroupAdd(t3));
    store(token + 4u, group.y, lane, s4, subgroupAdd(t4));
    store(token + 5u, group.y, lane, s5, subgroupAdd(t5));
    store(token + 6u, group.y, lane, s6, subgroupAdd(t6));
    store(token + 7u, group.y, lane, s7, subgroupAdd(t7));
}
