// y = x·W + b, with an optional exact GELU, for GPUs; twin: src/cpu/matmul.rs.
//
// A workgroup of 64 lanes makes 64 rows × 64 columns, each lane 8 × 8 of them in named sums, and shares what it loads, 16
// numbers deep, in workgroup memory: a number of x or W is then read from there for eight products. Each lane loads a block of
// 4 × 4 of x and turns it, so that eight rows lie side by side. Rows beyond the batch read the last row and store nothing.

const DEEP: u32 = 16u;
const LINE: u32 = 16u;  // vectors of 64 rows or columns

var<workgroup> rows: array<vec4<f32>, DEEP * LINE>;     // [16, 64]: x, turned
var<workgroup> columns: array<vec4<f32>, DEEP * LINE>;  // [16, 64]: W

fn row_of_w(k: u32, column: u32) -> vec4<f32> {
    if (k < K && column < N / 4u) {
        return weight(k * (N / 4u) + column);
    }
    return vec4<f32>();
}

fn part_of_x(row: u32, k: u32) -> vec4<f32> {
    if (k < K / 4u) {
        return x[min(row, batch.tokens - 1u) * (K / 4u) + k];
    }
    return vec4<f32>();
}

fn store_columns(row: u32, column: u32, left: vec4<f32>, right: vec4<f32>) {
    if (column < N / 4u) {
        store(row, column, left);
    }
    if (column + 1u < N / 4u) {
        store(row, column + 1u, right);
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    // The lane's 8 × 8 numbers, and the block and the line that it loads.
    let across = lane % 8u;
    let down = lane / 8u;
    let block = lane / 4u;
    let deep = lane % 4u;
    let line = lane / 16u;
    let column = lane % 16u;
    var l0 = vec4<f32>();
    var r0 = vec4<f32>();
    var l1 = vec4<f32>();
    var r1 = vec4<f32>();
    var l2 = vec4<f32>();
    var r2 = vec4<f32>();
    var l3 = vec4<f32>();
    var r3 = vec4<f32>();
    var l4 = vec4<f32>();
    var r4 = vec4<f32>();
    var l5 = vec4<f32>();
    var r5 = vec4<f32>();
    var l6 = vec4<f32>();
    var r6 = vec4<f32>();
    var l7 = vec4<f32>();
    var r7 = vec4<f32>();
    for (var k = 0u; k < K; k += DEEP) {
        let row = group.y * 64u + block * 4u;
        let x0 = part_of_x(row, k / 4u + deep);
        let x1 = part_of_x(row + 1u, k / 4u + deep);
        let x2 = part_of_x(row + 2u, k / 4u + deep);
        let x3 = part_of_x(row + 3u, k / 4u + deep);
        let w0 = row_of_w(k + line, group.x * LINE + column);
        let w1 = row_of_w(k + line + 4u, group.x * LINE + column);
        let w2 = row_of_w(k + line + 8u, group.x * LINE + column);
        let w3 = row_of_w(k + line + 12u, group.x * LINE + column);
        // Nobody still reads what the last step left.
        workgroupBarrier();
        rows[(deep * 4u + 0u) * LINE + block] = vec4<f32>(x0.x, x1.x, x2.x, x3.x);
        rows[(deep * 4u + 1u) * LINE + block] = vec4<f32>(x0.y, x1.y, x2.y, x3.y);
        rows[(deep * 4u + 2u) * LINE + block] = vec4<f32>(x0.z, x1.z, x2.z, x3.z);
        rows[(deep * 4u + 3u) * LINE + block] = vec4<f32>(x0.w, x1.w, x2.w, x3.w);
        columns[line * LINE + column] = w0;
        columns[(line + 4u) * LINE + column] = w1;
        columns[(line + 8u) * LINE + column] = w2;
        columns[(line + 12u) * LINE + column] = w3;
        workgroupBarrier();
        for (var i = 0u; i < DEEP; i++) {
            let a = rows[i * LINE + 2u * down];
            let b = rows[i * LINE + 2u * down + 1u];
            let left = columns[i * LINE + 2u * across];
            let right = columns[i * LINE + 2u * across + 1u];
            l0 = fma(vec4<f32>(a.x), left, l0);
            r0 = fma(vec4<f32>(a.x), right, r0);
            l1 = fma(vec4<f32>(a.y), left, l1);
            r1 = fma(vec4<f32>(a.y), right, r1);
            l2 = fma(vec4<f32>(a.z), left, l2);
            r2 = fma(vec4<f32>(a.z), right, r2);
            l3 = fma(vec4<f32>(a.w), left, l3);
            r3 = fma(vec4<f32>(a.w), right, r3);
            l4 = fma(vec4<f32>(b.x), left, l4);
            r4 = fma(vec4<f32>(b.x), right, r4);
            l5 = fma(vec4<f32>(b.y), left, l5);
            r5 = fma(vec4<f32>(b.y), right, r5);
            l6 = fma(vec4<f32>(b.z), left, l6);
            r6 = fma(vec4<f32>(b.z), right, r6);
            l7 = fma(vec4<f32>(b.w), left, l7);
            r7 = fma(vec4<f32>(b.w), right, r7);
        }
    }
    let row = group.y * 64u + down * 8u;
    let first = group.x * LINE + across * 2u;
    store_columns(row + 0u, first, l0, r0);
    store_columns(row + 1u, first, l1, r1);
    store_columns(row + 2u, first, l2, r2);
    store_columns(row + 3u, first, l3, r3);
    store_columns(row + 4u, first, l4, r4);
    store_columns(row + 5u, first, l5, r5);
    store_columns(row + 6u, first, l6, r6);
    store_columns(row + 7u, first, l7, r7);
}
