// y = x·W + b, with an optional exact GELU, by products that the device makes itself (tensor cores); twin: src/cpu/matmul.rs.
//
// A workgroup of four subgroups makes 4 × 4 blocks of y, each subgroup 2 × 2 of them. What they multiply is laid into workgroup
// memory first, two blocks deep, in the numbers that the device multiplies. Sums leave through workgroup memory too, a row of blocks
// at a time. What lies beyond K or N is zero there; rows beyond the batch read the last row and store nothing.

override THREADS: u32; // lanes of four subgroups

const BLOCK: u32 = 4u * SIDE;
const DEEP: u32 = 2u * SIDE;
const STRIP: u32 = 2u * SIDE * SIDE;

var<workgroup> rows: array<Number, BLOCK * DEEP>;    // [BLOCK, DEEP]: x
var<workgroup> columns: array<Number, DEEP * BLOCK>; // [DEEP, BLOCK]: W
var<workgroup> sums: array<f32, 4u * STRIP>;         // [4, SIDE, 2 SIDE]: a row of blocks of each subgroup

fn part_of_x(row: u32, k: u32) -> vec4<f32> {
    if (k < K / 4u) {
        return x[min(row, batch.tokens - 1u) * (K / 4u) + k];
    }
    return vec4<f32>();
}

fn part_of_w(k: u32, column: u32) -> vec4<f32> {
    if (k < K && column < N / 4u) {
        return weight(k * (N / 4u) + column);
    }
    return vec4<f32>();
}

// Stores one row of every subgroup's blocks: `strip` is the first of its two or the second.
fn store_strips(group: vec3<u32>, lane: u32, strip: u32) {
    for (var i = lane; i < STRIP; i += THREADS) {
        let who = i / (STRIP / 4u);
        let at = i % (STRIP / 4u);
        let row = group.y * BLOCK + (who / 2u) * 2u * SIDE + strip * SIDE + at / (SIDE / 2u);
        let column = (group.x * BLOCK + (who % 2u) * 2u * SIDE) / 4u + at % (SIDE / 2u);
        if (column < N / 4u) {
            store(row, column, vec4<f32>(sums[4u * i], sums[4u * i + 1u], sums[4u * i + 2u], sums[4u * i + 3u]));
        }
    }
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
) {
    let down = (subgroup / 2u) * 2u * SIDE;
    let across = (subgroup % 2u) * 2u * SIDE;
    var s00 = Sums();
    var s01 = Sums();
    var s10 = Sums();
    var s11 = Sums();
    for (var k = 0u; k < K; k += DEEP) {
        // Nobody still reads what the last step left.
        workgroupBarrier();
        for (var i = lane; i < BLOCK * DEEP / 4u; i += THREADS) {
            let part = part_of_x(group.y * BLOCK + i / (DEEP / 4u), k / 4u + i % (DEEP / 4u));
            rows[4u * i] = number(part.x);
            rows[4u * i + 1u] = number(part.y);
            rows[4u * i + 2u] = number(part.z);
            rows[4u * i + 3u] = number(part.w);
        }
        for (var i = lane; i < DEEP * BLOCK / 4u; i += THREADS) {
            let part = part_of_w(k + i / (BLOCK / 4u), group.x * (BLOCK / 4u) + i % (BLOCK / 4u));
            columns[4u * i] = number(part.x);
            columns[4u * i + 1u] = number(part.y);
            columns[4u * i + 2u] = number(part.z);
            columns[4u * i + 3u] = number(part.w);
        }
        workgroupBarrier();
        for (var deep = 0u; deep < DEEP; deep += SIDE) {
            let upper = coopLoadT<Left>(&rows[down * DEEP + deep], DEEP);
            let lower = coopLoadT<Left>(&rows[(down + SIDE) * DEEP + deep], DEEP);
            let left = coopLoadT<Right>(&columns[deep * BLOCK + across], BLOCK);
            let right = coopLoadT<Right>(&columns[deep * BLOCK + across + SIDE], BLOCK);
            s00 = coopMultiplyAdd(upper, left, s00);
            s01 = coopMultiplyAdd(upper, right, s01);
            s10 = coopMultiplyAdd(lower, left, s10);
            s11 = coopMultiplyAdd(lower, right, s11);
        }
    }
    coopStoreT(s00, &sums[subgroup * STRIP], 2u * SIDE);
    coopStoreT(s01, &sums[subgroup * STRIP + SIDE], 2u * SIDE);
    workgroupBarrier();
    store_strips(group, lane, 0u);
    workgroupBarrier();
    coopStoreT(s10, &sums[subgroup * STRIP], 2u * SIDE);
    coopStoreT(s11, &sums[subgroup * STRIP + SIDE], 2u * SIDE);
    workgroupBarrier();
    store_strips(group, lane, 1u);
}
