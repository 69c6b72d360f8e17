// y = x·W + b, with an optional exact GELU; twin: src/cpu/matmul.rs.
//
// Each invocation makes 4 rows × 4 columns in named accumulators: arrays would be spilled, and shared tiles cost more
// than they save on software adapters. Rows beyond the batch read the last row and store nothing.

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let k4 = K / 4u;
    let n4 = N / 4u;
    let column = id.x;
    let row = id.y * 4u;
    if (column >= n4 || row >= batch.tokens) {
        return;
    }
    let last = batch.tokens - 1u;
    let r0 = row * k4;
    let r1 = min(row + 1u, last) * k4;
    let r2 = min(row + 2u, last) * k4;
    let r3 = min(row + 3u, last) * k4;
    var a0 = vec4<f32>();
    var a1 = vec4<f32>();
    var a2 = vec4<f32>();
    var a3 = vec4<f32>();
    var at = column;
    for (var k = 0u; k < k4; k++) {
        let w0 = weight(at);
        let w1 = weight(at + n4);
        let w2 = weight(at + 2u * n4);
        let w3 = weight(at + 3u * n4);
        at += 4u * n4;
        a0 = add(a0, x[r0 + k], w0, w1, w2, w3);
        a1 = add(a1, x[r1 + k], w0, w1, w2, w3);
        a2 = add(a2, x[r2 + k], w0, w1, w2, w3);
        a3 = add(a3, x[r3 + k], w0, w1, w2, w3);
    }
    store(row, column, a0);
    store(row + 1u, column, a1);
    store(row + 2u, column, a2);
    store(row + 3u, column, a3);
}
