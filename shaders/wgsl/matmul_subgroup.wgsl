// y = x·W + b, with an optional exact GELU, for software adapters; twin: src/cpu/matmul.rs.
//
// A subgroup of 8 lanes makes 32 rows × 32 columns and shares no workgroup memory: a load costs such an adapter a loop over
// the lanes with a check of its bounds, and a barrier suspends every lane. So each lane loads its part of 32 rows, four
// numbers of each, and hands them around by broadcasts; sums have names, for arrays would be spilled.
// Needs subgroups of exactly 8 lanes. Rows beyond the batch read the last row and store nothing.

override K: u32;        // columns of x, a multiple of 32
override N: u32;        // columns of y, a multiple of 32
override GELU: bool = false;

struct Batch { tokens: u32, sequences: u32 }

@group(0) @binding(0) var<uniform> batch: Batch;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [T, K]
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;       // [K, N]
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;    // [N]
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>; // [T, N]

const LANES: u32 = 8u;
const ROWS: u32 = 32u;

// erf after Abramowitz and Stegun 7.1.26, as the twin has it.
fn gelu(v: vec4<f32>) -> vec4<f32> {
    let z = abs(v) * 0.70710678;
    let t = 1.0 / (1.0 + 0.3275911 * z);
    let p = ((((1.0614054 * t - 1.453152) * t + 1.4214138) * t - 0.28449672) * t + 0.2548296) * t;
    let tail = 0.5 * p * exp(-min(z * z, vec4<f32>(87.0)));
    return v * select(1.0 - tail, tail, v < vec4<f32>(0.0));
}

fn store(row: u32, column: u32, sum: vec4<f32>) {
    if (row < batch.tokens) {
        let v = sum + bias[column];
        if (GELU) {
            y[row * (N / 4u) + column] = gelu(v);
        } else {
            y[row * (N / 4u) + column] = v;
        }
    }
}

// Four numbers of a row of x, times four rows of W's columns.
fn add(sum: vec4<f32>, a: vec4<f32>, w0: vec4<f32>, w1: vec4<f32>, w2: vec4<f32>, w3: vec4<f32>) -> vec4<f32> {
    return fma(vec4<f32>(a.w), w3, fma(vec4<f32>(a.z), w2, fma(vec4<f32>(a.y), w1, fma(vec4<f32>(a.x), w0, sum))));
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(subgroup_invocation_id) lane: u32) {
    let k4 = K / 4u;
    let n4 = N / 4u;
    let column = group.x * LANES + lane;
    let row = group.y * ROWS;
    let last = batch.tokens - 1u;
    let r0 = min(row + 0u, last) * k4 + lane;
    let r1 = min(row + 1u, last) * k4 + lane;
    let r2 = min(row + 2u, last) * k4 + lane;
    let r3 = min(row + 3u, last) * k4 + lane;
    let r4 = min(row + 4u, last) * k4 + lane;
    let r5 = min(row + 5u, last) * k4 + lane;
    let r6 = min(row + 6u, last) * k4 + lane;
    let r7 = min(row + 7u, last) * k4 + lane;
    let r8 = min(row + 8u, last) * k4 + lane;
    let r9 = min(row + 9u, last) * k4 + lane;
    let r10 = min(row + 10u, last) * k4 + lane;
    let r11 = min(row + 11u, last) * k4 + lane;
    let r12 = min(row + 12u, last) * k4 + lane;
    let r13 = min(row + 13u, last) * k4 + lane;
    let r14 = min(row + 14u, last) * k4 + lane;
    let r15 = min(row + 15u, last) * k4 + lane;
    let r16 = min(row + 16u, last) * k4 + lane;
    let r17 = min(row + 17u, last) * k4 + lane;
    let r18 = min(row + 18u, last) * k4 + lane;
    let r19 = min(row + 19u, last) * k4 + lane;
    let r20 = min(row + 20u, last) * k4 + lane;
    let r21 = min(row + 21u, last) * k4 + lane;
    let r22 = min(row + 22u, last) * k4 + lane;
    let r23 = min(row + 23u, last) * k4 + lane;
    let r24 = min(row + 24u, last) * k4 + lane;
    let r25 = min(row + 25u, last) * k4 + lane;
    let r26 = min(row + 26u, last) * k4 + lane;
    let r27 = min(row + 27u, last) * k4 + lane;
    let r28 = min(row + 28u, last) * k4 + lane;
    let r29 = min(row + 29u, last) * k4 + lane;
    let r30 = min(row + 30u, last) * k4 + lane;
    let r31 = min(row + 31u, last) * k4 + lane;
    var s0 = vec4<f32>();
    var s1 = vec4<f32>();
    var s2 = vec4<f32>();
    var s3 = vec4<f32>();
    var s4 = vec4<f32>();
    var s5 = vec4<f32>();
    var s6 = vec4<f32>();
    var s7 = vec4<f32>();
    var s8 = vec4<f32>();
    var s9 = vec4<f32>();
    var s10 = vec4<f32>();
    var s11 = vec4<f32>();
    var s12 = vec4<f32>();
    var s13 = vec4<f32>();
    var s14 = vec4<f32>();
    var s15 = vec4<f32>();
    var s16 = vec4<f32>();
    var s17 = vec4<f32>();
    var s18 = vec4<f32>();
    var s19 = vec4<f32>();
    var s20 = vec4<f32>();
    var s21 = vec4<f32>();
    var s22 = vec4<f32>();
    var s23 = vec4<f32>();
    var s24 = vec4<f32>();
    var s25 = vec4<f32>();
    var s26 = vec4<f32>();
    var s27 = vec4<f32>();
    var s28 = vec4<f32>();
    var s29 = vec4<f32>();
    var s30 = vec4<f32>();
    var s31 = vec4<f32>();
    var at = column;
    for (var k = 0u; k < k4; k += LANES) {
        let x0 = x[r0 + k];
        let x1 = x[r1 + k];
        let x2 = x[r2 + k];
        let x3 = x[r3 + k];
        let x4 = x[r4 + k];
        let x5 = x[r5 + k];
        let x6 = x[r6 + k];
        let x7 = x[r7 + k];
        let x8 = x[r8 + k];
        let x9 = x[r9 + k];
        let x10 = x[r10 + k];
        let x11 = x[r11 + k];
        let x12 = x[r12 + k];
        let x13 = x[r13 + k];
        let x14 = x[r14 + k];
        let x15 = x[r15 + k];
        let x16 = x[r16 + k];
        let x17 = x[r17 + k];
        let x18 = x[r18 + k];
        let x19 = x[r19 + k];
        let x20 = x[r20 + k];
        let x21 = x[r21 + k];
        let x22 = x[r22 + k];
        let x23 = x[r23 + k];
        let x24 = x[r24 + k];
        let x25 = x[r25 + k];
        let x26 = x[r26 + k];
        let x27 = x[r27 + k];
        let x28 = x[r28 + k];
        let x29 = x[r29 + k];
        let x30 = x[r30 + k];
        let x31 = x[r31 + k];
        {
            let w0 = w[at + 0u * n4];
            let w1 = w[at + 1u * n4];
            let w2 = w[at + 2u * n4];
            let w3 = w[at + 3u * n4];
            at += 4u * n4;
            s0 = add(s0, subgroupBroadcast(x0, 0u), w0, w1, w2, w3);
            s1 = add(s1, subgroupBroadcast(x1, 0u), w0, w1, w2, w3);
            s2 = add(s2, subgroupBroadcast(x2, 0u), w0, w1, w2, w3);
            s3 = add(s3, subgroupBroadcast(x3, 0u), w0, w1, w2, w3);
            s4 = add(s4, subgroupBroadcast(x4, 0u), w0, w1, w2, w3);
            s5 = add(s5, subgroupBroadcast(x5, 0u), w0, w1, w2, w3);
            s6 = add(s6, subgroupBroadcast(x6, 0u), w0, w1, w2, w3);
            s7 = add(s7, subgroupBroadcast(x7, 0u), w0, w1, w2, w3);
            s8 = add(s8, subgroupBroadcast(x8, 0u), w0, w1, w2, w3);
            s9 = add(s9, subgroupBroadcast(x9, 0u), w0, w1, w2, w3);
            s10 = add(s10, subgroupBroadcast(x10, 0u), w0, w1, w2, w3);
            s11 = add(s11, subgroupBroadcast(x11, 0u), w0, w1, w2, w3);
            s12 = add(s12, subgroupBroadcast(x12, 0u), w0, w1, w2, w3);
            s13 = add(s13, subgroupBroadcast(x13, 0u), w0, w1, w2, w3);
            s14 = add(s14, subgroupBroadcast(x14, 0u), w0, w1, w2, w3);
            s15 = add(s15, subgroupBroadcast(x15, 0u), w0, w1, w2, w3);
            s16 = add(s16, subgroupBroadcast(x16, 0u), w0, w1, w2, w3);
            s17 = add(s17, subgroupBroadcast(x17, 0u), w0, w1, w2, w3);
            s18 = add(s18, subgroupBroadcast(x18, 0u), w0, w1, w2, w3);
            s19 = add(s19, subgroupBroadcast(x19, 0u), w0, w1, w2, w3);
            s20 = add(s20, subgroupBroadcast(x20, 0u), w0, w1, w2, w3);
            s21 = add(s21, subgroupBroadcast(x21, 0u), w0, w1, w2, w3);
            s22 = add(s22, subgroupBroadcast(x22, 0u), w0, w1, w2, w3);
            s23 = add(s23, subgroupBroadcast(x23, 0u), w0, w1, w2, w3);
            s24 = add(s24, subgroupBroadcast(x24, 0u), w0, w1, w2, w3);
            s25 = add(s25, subgroupBroadcast(x25, 0u), w0, w1, w2, w3);
            s26 = add(s26, subgroupBroadcast(x26, 0u), w0, w1, w2, w3);
            s27 = add(s27, subgroupBroadcast(x27, 0u), w0, w1, w2, w3);
            s28 = add(s28, subgroupBroadcast(x28, 0u), w0, w1, w2, w3);
            s29 = add(s29, subgroupBroadcast(x29, 0u), w0, w1, w2, w3);
            s30 = add(s30, subgroupBroadcast(x30, 0u), w0, w1, w2, w3);
            s31 = add(s31, subgroupBroadcast(x31, 0u), w0, w1, w2, w3);
        }
        {
            let w0 = w[at + 0u * n4];
            let w1 = w[at + 1u * n4];
            let w2 = w[at + 2u * n4];
            let w3 = w[at + 3u * n4];
            at += 4u * n4;
            s0 = add(s0, subgroupBroadcast(x0, 1u), w0, w1, w2, w3);
            s1 = add(s1, subgroupBroadcast(x1, 1u), w0, w1, w2, w3);
            s2 = add(s2, subgroupBroadcast(x2, 1u), w0, w1, w2, w3);
            s3 = add(s3, subgroupBroadcast(x3, 1u), w0, w1, w2, w3);
            s4 = add(s4, subgroupBroadcast(x4, 1u), w0, w1, w2, w3);
            s5 = add(s5, subgroupBroadcast(x5, 1u), w0, w1, w2, w3);
            s6 = add(s6, subgroupBroadcast(x6, 1u), w0, w1, w2, w3);
            s7 = add(s7, subgroupBroadcast(x7, 1u), w0, w1, w2, w3);
            s8 = add(s8, subgroupBroadcast(x8, 1u), w0, w1, w2, w3);
            s9 = add(s9, subgroupBroadcast(x9, 1u), w0, w1, w2, w3);
            s10 = add(s10, subgroupBroadcast(x10, 1u), w0, w1, w2, w3);
            s11 = add(s11, subgroupBroadcast(x11, 1u), w0, w1, w2, w3);
            s12 = add(s12, subgroupBroadcast(x12, 1u), w0, w1, w2, w3);
            s13 = add(s13, subgroupBroadcast(x13, 1u), w0, w1, w2, w3);
            s14 = add(s14, subgroupBroadcast(x14, 1u), w0, w1, w2, w3);
            s15 = add(s15, subgroupBroadcast(x15, 1u), w0, w1, w2, w3);
            s16 = add(s16, subgroupBroadcast(x16, 1u), w0, w1, w2, w3);
            s17 = add(s17, subgroupBroadcast(x17, 1u), w0, w1, w2, w3);
            s18 = add(s18, subgroupBroadcast(x18, 1u), w0, w1, w2, w3);
            s19 = add(s19, subgroupBroadcast(x19, 1u), w0, w1, w2, w3);
            s20 = add(s20, subgroupBroadcast(x20, 1u), w0, w1, w2, w3);
            s21 = add(s21, subgroupBroadcast(x21, 1u), w0, w1, w2, w3);
            s22 = add(s22, subgroupBroadcast(x22, 1u), w0, w1, w2, w3);
            s23 = add(s23, subgroupBroadcast(x23, 1u), w0, w1, w2, w3);
            s24 = add(s24, subgroupBroadcast(x24, 1u), w0, w1, w2, w3);
            s25 = add(s25, subgroupBroadcast(x25, 1u), w0, w1, w2, w3);
            s26 = add(s26, subgroupBroadcast(x26, 1u), w0, w1, w2, w3);
            s27 = add(s27, subgroupBroadcast(x27, 1u), w0, w1, w2, w3);
            s28 = add(s28, subgroupBroadcast(x28, 1u), w0, w1, w2, w3);
            s29 = add(s29, subgroupBroadcast(x29, 1u), w0, w1, w2, w3);
            s30 = add(s30, subgroupBroadcast(x30, 1u), w0, w1, w2, w3);
            s31 = add(s31, subgroupBroadcast(x31, 1u), w0, w1, w2, w3);
        }
        {
            let w0 = w[at + 0u * n4];
            let w1 = w[at + 1u * n4];
            let w2 = w[at + 2u * n4];
            let w3 = w[at + 3u * n4];
            at += 4u * n4;
            s0 = add(s0, subgroupBroadcast(x0, 2u), w0, w1, w2, w3);
            s1 = add(s1, subgroupBroadcast(x1, 2u), w0, w1, w2, w3);
            s2 = add(s2, subgroupBroadcast(x2, 2u), w0, w1, w2, w3);
            s3 = add(s3, subgroupBroadcast(x3, 2u), w0, w1, w2, w3);
            s4 = add(s4, subgroupBroadcast(x4, 2u), w0, w1, w2, w3);
            s5 = add(s5, subgroupBroadcast(x5, 2u), w0, w1, w2, w3);
            s6 = add(s6, subgroupBroadcast(x6, 2u), w0, w1, w2, w3);
            s7 = add(s7, subgroupBroadcast(x7, 2u), w0, w1, w2, w3);
            s8 = add(s8, subgroupBroadcast(x8, 2u), w0, w1, w2, w3);
            s9 = add(s9, subgroupBroadcast(x9, 2u), w0, w1, w2, w3);
            s10 = add(s10, subgroupBroadcast(x10, 2u), w0, w1, w2, w3);
            s11 = add(s11, subgroupBroadcast(x11, 2u), w0, w1, w2, w3);
            s12 = add(s12, subgroupBroadcast(x12, 2u), w0, w1, w2, w3);
            s13 = add(s13, subgroupBroadcast(x13, 2u), w0, w1, w2, w3);
            s14 = add(s14, subgroupBroadcast(x14, 2u), w0, w1, w2, w3);
            s15 = add(s15, subgroupBroadcast(x15, 2u), w0, w1, w2, w3);
            s16 = add(s16, subgroupBroadcast(x16, 2u), w0, w1, w2, w3);
            s17 = add(s17, subgroupBroadcast(x17, 2u), w0, w1, w2, w3);
            s18 = add(s18, subgroupBroadcast(x18, 2u), w0, w1, w2, w3);
            s19 = add(s19, subgroupBroadcast(x19, 2u), w0, w1, w2, w3);
            s20 = add(s20, subgroupBroadcast(x20, 2u), w0, w1, w2, w3);
            s21 = add(s21, subgroupBroadcast(x21, 2u), w0, w1, w2, w3);
            s22 = add(s22, subgroupBroadcast(x22, 2u), w0, w1, w2, w3);
            s23 = add(s23, subgroupBroadcast(x23, 2u), w0, w1, w2, w3);
            s24 = add(s24, subgroupBroadcast(x24, 2u), w0, w1, w2, w3);
            s25 = add(s25, subgroupBroadcast(x25, 2u), w0, w1, w2, w3);
            s26 = add(s26, subgroupBroadcast(x26, 2u), w0, w1, w2, w3);
            s27 = add(s27, subgroupBroadcast(x27, 2u), w0, w1, w2, w3);
            s28 = add(s28, subgroupBroadcast(x28, 2u), w0, w1, w2, w3);
            s29 = add(s29, subgroupBroadcast(x29, 2u), w0, w1, w2, w3);
            s30 = add(s30, subgroupBroadcast(x30, 2u), w0, w1, w2, w3);
            s31 = add(s31, subgroupBroadcast(x31, 2u), w0, w1, w2, w3);
        }
        {
            let w0 = w[at + 0u * n4];
            let w1 = w[at + 1u * n4];
            let w2 = w[at + 2u * n4];
            let w3 = w[at + 3u * n4];
            at += 4u * n4;
            s0 = add(s0, subgroupBroadcast(x0, 3u), w0, w1, w2, w3);
            s1 = add(s1, subgroupBroadcast(x1, 3u), w0, w1, w2, w3);
            s2 = add(s2, subgroupBroadcast(x2, 3u), w0, w1, w2, w3);
            s3 = add(s3, subgroupBroadcast(x3, 3u), w0, w1, w2, w3);
            s4 = add(s4, subgroupBroadcast(x4, 3u), w0, w1, w2, w3);
            s5 = add(s5, subgroupBroadcast(x5, 3u), w0, w1, w2, w3);
            s6 = add(s6, subgroupBroadcast(x6, 3u), w0, w1, w2, w3);
            s7 = add(s7, subgroupBroadcast(x7, 3u), w0, w1, w2, w3);
            s8 = add(s8, subgroupBroadcast(x8, 3u), w0, w1, w2, w3);
            s9 = add(s9, subgroupBroadcast(x9, 3u), w0, w1, w2, w3);
            s10 = add(s10, subgroupBroadcast(x10, 3u), w0, w1, w2, w3);
            s11 = add(s11, subgroupBroadcast(x11, 3u), w0, w1, w2, w3);
            s12 = add(s12, subgroupBroadcast(x12, 3u), w0, w1, w2, w3);
            s13 = add(s13, subgroupBroadcast(x13, 3u), w0, w1, w2, w3);
            s14 = add(s14, subgroupBroadcast(x14, 3u), w0, w1, w2, w3);
            s15 = add(s15, subgroupBroadcast(x15, 3u), w0, w1, w2, w3);
            s16 = add(s16, subgroupBroadcast(x16, 3u), w0, w1, w2, w3);
            s17 = add(s17, subgroupBroadcast(x17, 3u), w0, w1, w2, w3);
            s18 = add(s18, subgroupBroadcast(x18, 3u), w0, w1, w2, w3);
            s19 = add(s19, subgroupBroadcast(x19, 3u), w0, w1, w2, w3);
            s20 = add(s20, subgroupBroadcast(x20, 3u), w0, w1, w2, w3);
            s21 = add(s21, subgroupBroadcast(x21, 3u), w0, w1, w2, w3);
            s22 = add(s22, subgroupBroadcast(x22, 3u), w0, w1, w2, w3);
            s23 = add(s23, subgroupBroadcast(x23, 3u), w0, w1, w2, w3);
            s24 = add(s24, subgroupBroadcast(x24, 3u), w0, w1, w2, w3);
            s25 = add(s25, subgroupBroadcast(x25, 3u), w0, w1, w2, w3);
            s26 = add(s26, subgroupBroadcast(x26, 3u), w0, w1, w2, w3);
            s27 = add(s27, subgroupBroadcast(x27, 3u), w0, w1, w2, w3);
            s28 = add(s28, subgroupBroadcast(x28, 3u), w0, w1, w2, w3);
            s29 = add(s29, subgroupBroadcast(x29, 3u), w0, w1, w2, w3);
            s30 = add(s30, subgroupBroadcast(x30, 3u), w0, w1, w2, w3);
            s31 = add(s31, subgroupBroadcast(x31, 3u), w0, w1, w2, w3);
        }
        {
            let w0 = w[at + 0u * n4];
            let w1 = w[at + 1u * n4];
            let w2 = w[at + 2u * n4];
            let w3 = w[at + 3u * n4];
            at += 4u * n4;
            s0 = add(s0, subgroupBroadcast(x0, 4u), w0, w1, w2, w3);
            s1 = add(s1, subgroupBroadcast(x1, 4u), w0, w1, w2, w3);
            s2 = add(s2, subgroupBroadcast(x2, 4u), w0, w1, w2, w3);
            s3 = add(s3, subgroupBroadcast(x3, 4u), w0, w1, w2, w3);
            s4 = add(s4, subgroupBroadcast(x4, 4u), w0, w1, w2, w3);
            s5 = add(s5, subgroupBroadcast(x5, 4u), w0, w1, w2, w3);
            s6 = add(s6, subgroupBroadcast(x6, 4u), w0, w1, w2, w3);
            s7 = add(s7, subgroupBroadcast(x7, 4u), w0, w1, w2, w3);
            s8 = add(s8, subgroupBroadcast(x8, 4u), w0, w1, w2, w3);
            s9 = add(s9, subgroupBroadcast(x9, 4u), w0, w1, w2, w3);
            s10 = add(s10, subgroupBroadcast(x10, 4u), w0, w1, w2, w3);
            s11 = add(s11, subgroupBroadcast(x11, 4u), w0, w1, w2, w3);
            s12 = add(s12, subgroupBroadcast(x12, 4u), w0, w1, w2, w3);
            s13 = add(s13, subgroupBroadcast(x13, 4u), w0, w1, w2, w3);
            s14 = add(s14, subgroupBroadcast(x14, 4u), w0, w1, w2, w3);
            s15 = add(s15, subgroupBroadcast(x15, 4u), w0, w1, w2, w3);
            s16 = add(s16, subgroupBroadcast(x16, 4u), w0, w1, w2, w3);
            s17 = add(s17, subgroupBroadcast(x17, 4u), w0, w1, w2, w3);
            s18 = add(s18, subgroupBroadcast(x18, 4u), w0, w1, w2, w3);
            s19 = add(s19, subgroupBroadcast(x19, 4u), w0, w1, w2, w3);
            s20 = add(s20, subgroupBroadcast(x20, 4u), w0, w1, w2, w3);
            s21 = add(s21, subgroupBroadcast(x21, 4u), w0, w1, w2, w3);
            s22 = add(s22, subgroupBroadcast(x22, 4u), w0, w1, w2, w3);
            s23 = add(s23, subgroupBroadcast(x23, 4u), w0, w1, w2, w3);
            s24 = add(s24, subgroupBroadcast(x24, 4u), w0, w1, w2, w3);
            s25 = add(s25, subgroupBroadcast(x25, 4u), w0, w1, w2, w3);
            s26 = add(s26, subgroupBroadcast(x26, 4u), w0, w1, w2, w3);
            s27 = add(s27, subgroupBroadcast(x27, 4u), w0, w1, w2, w3);
            s28 = add(s28, subgroupBroadcast(x28, 4u), w0, w1, w2, w3);
            s29 = add(s29, subgroupBroadcast(x29, 4u), w0, w1, w2, w3);
            s30 = add(s30, subgroupBroadcast(x30, 4u), w0, w1, w2, w3);
            s31 = add(s31, subgroupBroadcast(x31, 4u), w0, w1, w2, w3);
        }
        {
            let w0 = w[at + 0u * n4];
            let w1 = w[at + 1u * n4];
            let w2 = w[at + 2u * n4];
            let w3 = w[at + 3u * n4];
            at += 4u * n4;
            s0 = add(s0, subgroupBroadcast(x0, 5u), w0, w1, w2, w3);
            s1 = add(s1, subgroupBroadcast(x1, 5u), w0, w1, w2, w3);
            s2 = add(s2, subgroupBroadcast(x2, 5u), w0, w1, w2, w3);
            s3 = add(s3, subgroupBroadcast(x3, 5u), w0, w1, w2, w3);
            s4 = add(s4, subgroupBroadcast(x4, 5u), w0, w1, w2, w3);
            s5 = add(s5, subgroupBroadcast(x5, 5u), w0, w1, w2, w3);
            s6 = add(s6, subgroupBroadcast(x6, 5u), w0, w1, w2, w3);
            s7 = add(s7, subgroupBroadcast(x7, 5u), w0, w1, w2, w3);
            s8 = add(s8, subgroupBroadcast(x8, 5u), w0, w1, w2, w3);
            s9 = add(s9, subgroupBroadcast(x9, 5u), w0, w1, w2, w3);
            s10 = add(s10, subgroupBroadcast(x10, 5u), w0, w1, w2, w3);
            s11 = add(s11, subgroupBroadcast(x11, 5u), w0, w1, w2, w3);
            s12 = add(s12, subgroupBroadcast(x12, 5u), w0, w1, w2, w3);
            s13 = add(s13, subgroupBroadcast(x13, 5u), w0, w1, w2, w3);
            s14 = add(s14, subgroupBroadcast(x14, 5u), w0, w1, w2, w3);
            s15 = add(s15, subgroupBroadcast(x15, 5u), w0, w1, w2, w3);
            s16 = add(s16, subgroupBroadcast(x16, 5u), w0, w1, w2, w3);
            s17 = add(s17, subgroupBroadcast(x17, 5u), w0, w1, w2, w3);
            s18 = add(s18, subgroupBroadcast(x18, 5u), w0, w1, w2, w3);
            s19 = add(s19, subgroupBroadcast(x19, 5u), w0, w1, w2, w3);
            s20 = add(s20, subgroupBroadcast(x20, 5u), w0, w1, w2, w3);
            s21 = add(s21, subgroupBroadcast(x21, 5u), w0, w1, w2, w3);
            s22 = add(s22, subgroupBroadcast(x22, 5u), w0, w1, w2, w3);
            s23 = add(s23, subgroupBroadcast(x23, 5u), w0, w1, w2, w3);
            s24 = add(s24, subgroupBroadcast(x24, 5u), w0, w1, w2, w3);
            s25 = add(s25, subgroupBroadcast(x25, 5u), w0, w1, w2, w3);
            s26 = add(s26, subgroupBroadcast(x26, 5u), w0, w1, w2, w3);
            s27 = add(s27, subgroupBroadcast(x27, 5u), w0, w1, w2, w3);
            s28 = add(s28, subgroupBroadcast(x28, 5u), w0, w1, w2, w3);
            s29 = add(s29, subgroupBroadcast(x29, 5u), w0, w1, w2, w3);
            s30 = add(s30, subgroupBroadcast(x30, 5u), w0, w1, w2, w3);
            s31 = add(s31, subgroupBroadcast(x31, 5u), w0, w1, w2, w3);
        }
        {
            let w0 = w[at + 0u * n4];
            let w1 = w[at + 1u * n4];
            let w2 = w[at + 2u * n4];
            let w3 = w[at + 3u * n4];
            at += 4u * n4;
            s0 = add(s0, subgroupBroadcast(x0, 6u), w0, w1, w2, w3);
            s1 = add(s1, subgroupBroadcast(x1, 6u), w0, w1, w2, w3);
            s2 = add(s2, subgroupBroadcast(x2, 6u), w0, w1, w2, w3);
            s3 = add(s3, subgroupBroadcast(x3, 6u), w0, w1, w2, w3);
            s4 = add(s4, subgroupBroadcast(x4, 6u), w0, w1, w2, w3);
            s5 = add(s5, subgroupBroadcast(x5, 6u), w0, w1, w2, w3);
            s6 = add(s6, subgroupBroadcast(x6, 6u), w0, w1, w2, w3);
            s7 = add(s7, subgroupBroadcast(x7, 6u), w0, w1, w2, w3);
            s8 = add(s8, subgroupBroadcast(x8, 6u), w0, w1, w2, w3);
            s9 = add(s9, subgroupBroadcast(x9, 6u), w0, w1, w2, w3);
            s10 = add(s10, subgroupBroadcast(x10, 6u), w0, w1, w2, w3);
            s11 = add(s11, subgroupBroadcast(x11, 6u), w0, w1, w2, w3);
            s12 = add(s12, subgroupBroadcast(x12, 6u), w0, w1, w2, w3);
            s13 = add(s13, subgroupBroadcast(x13, 6u), w0, w1, w2, w3);
            s14 = add(s14, subgroupBroadcast(x14, 6u), w0, w1, w2, w3);
            s15 = add(s15, subgroupBroadcast(x15, 6u), w0, w1, w2, w3);
            s16 = add(s16, subgroupBroadcast(x16, 6u), w0, w1, w2, w3);
            s17 = add(s17, subgroupBroadcast(x17, 6u), w0, w1, w2, w3);
            s18 = add(s18, subgroupBroadcast(x18, 6u), w0, w1, w2, w3);
            s19 = add(s19, subgroupBroadcast(x19, 6u), w0, w1, w2, w3);
            s20 = add(s20, subgroupBroadcast(x20, 6u), w0, w1, w2, w3);
            s21 = add(s21, subgroupBroadcast(x21, 6u), w0, w1, w2, w3);
            s22 = add(s22, subgroupBroadcast(x22, 6u), w0, w1, w2, w3);
            s23 = add(s23, subgroupBroadcast(x23, 6u), w0, w1, w2, w3);
            s24 = add(s24, subgroupBroadcast(x24, 6u), w0, w1, w2, w3);
            s25 = add(s25, subgroupBroadcast(x25, 6u), w0, w1, w2, w3);
            s26 = add(s26, subgroupBroadcast(x26, 6u), w0, w1, w2, w3);
            s27 = add(s27, subgroupBroadcast(x27, 6u), w0, w1, w2, w3);
            s28 = add(s28, subgroupBroadcast(x28, 6u), w0, w1, w2, w3);
            s29 = add(s29, subgroupBroadcast(x29, 6u), w0, w1, w2, w3);
            s30 = add(s30, subgroupBroadcast(x30, 6u), w0, w1, w2, w3);
            s31 = add(s31, subgroupBroadcast(x31, 6u), w0, w1, w2, w3);
        }
        {
            let w0 = w[at + 0u * n4];
            let w1 = w[at + 1u * n4];
            let w2 = w[at + 2u * n4];
            let w3 = w[at + 3u * n4];
            at += 4u * n4;
            s0 = add(s0, subgroupBroadcast(x0, 7u), w0, w1, w2, w3);
            s1 = add(s1, subgroupBroadcast(x1, 7u), w0, w1, w2, w3);
            s2 = add(s2, subgroupBroadcast(x2, 7u), w0, w1, w2, w3);
            s3 = add(s3, subgroupBroadcast(x3, 7u), w0, w1, w2, w3);
            s4 = add(s4, subgroupBroadcast(x4, 7u), w0, w1, w2, w3);
            s5 = add(s5, subgroupBroadcast(x5, 7u), w0, w1, w2, w3);
            s6 = add(s6, subgroupBroadcast(x6, 7u), w0, w1, w2, w3);
            s7 = add(s7, subgroupBroadcast(x7, 7u), w0, w1, w2, w3);
            s8 = add(s8, subgroupBroadcast(x8, 7u), w0, w1, w2, w3);
            s9 = add(s9, subgroupBroadcast(x9, 7u), w0, w1, w2, w3);
            s10 = add(s10, subgroupBroadcast(x10, 7u), w0, w1, w2, w3);
            s11 = add(s11, subgroupBroadcast(x11, 7u), w0, w1, w2, w3);
            s12 = add(s12, subgroupBroadcast(x12, 7u), w0, w1, w2, w3);
            s13 = add(s13, subgroupBroadcast(x13, 7u), w0, w1, w2, w3);
            s14 = add(s14, subgroupBroadcast(x14, 7u), w0, w1, w2, w3);
            s15 = add(s15, subgroupBroadcast(x15, 7u), w0, w1, w2, w3);
            s16 = add(s16, subgroupBroadcast(x16, 7u), w0, w1, w2, w3);
            s17 = add(s17, subgroupBroadcast(x17, 7u), w0, w1, w2, w3);
            s18 = add(s18, subgroupBroadcast(x18, 7u), w0, w1, w2, w3);
            s19 = add(s19, subgroupBroadcast(x19, 7u), w0, w1, w2, w3);
            s20 = add(s20, subgroupBroadcast(x20, 7u), w0, w1, w2, w3);
            s21 = add(s21, subgroupBroadcast(x21, 7u), w0, w1, w2, w3);
            s22 = add(s22, subgroupBroadcast(x22, 7u), w0, w1, w2, w3);
            s23 = add(s23, subgroupBroadcast(x23, 7u), w0, w1, w2, w3);
            s24 = add(s24, subgroupBroadcast(x24, 7u), w0, w1, w2, w3);
            s25 = add(s25, subgroupBroadcast(x25, 7u), w0, w1, w2, w3);
            s26 = add(s26, subgroupBroadcast(x26, 7u), w0, w1, w2, w3);
            s27 = add(s27, subgroupBroadcast(x27, 7u), w0, w1, w2, w3);
            s28 = add(s28, subgroupBroadcast(x28, 7u), w0, w1, w2, w3);
            s29 = add(s29, subgroupBroadcast(x29, 7u), w0, w1, w2, w3);
            s30 = add(s30, subgroupBroadcast(x30, 7u), w0, w1, w2, w3);
            s31 = add(s31, subgroupBroadcast(x31, 7u), w0, w1, w2, w3);
        }
    }
    store(row + 0u, column, s0);
    store(row + 1u, column, s1);
    store(row + 2u, column, s2);
    store(row + 3u, column, s3);
    store(row + 4u, column, s4);
    store(row + 5u, column, s5);
    store(row + 6u, column, s6);
    store(row + 7u, column, s7);
    store(row + 8u, column, s8);
    store(row + 9u, column, s9);
    store(row + 10u, column, s10);
    store(row + 11u, column, s11);
    store(row + 12u, column, s12);
    store(row + 13u, column, s13);
    store(row + 14u, column, s14);
    store(row + 15u, column, s15);
    store(row + 16u, column, s16);
    store(row + 17u, column, s17);
    store(row + 18u, column, s18);
    store(row + 19u, column, s19);
    store(row + 20u, column, s20);
    store(row + 21u, column, s21);
    store(row + 22u, column, s22);
    store(row + 23u, column, s23);
    store(row + 24u, column, s24);
    store(row + 25u, column, s25);
    store(row + 26u, column, s26);
    store(row + 27u, column, s27);
    store(row + 28u, column, s28);
    store(row + 29u, column, s29);
    store(row + 30u, column, s30);
    store(row + 31u, column, s31);
}
