// Part of the kernels that end in a LayerNorm: twin: layernorm_row of src/cpu/norm.rs. Needs rows_*.wgsl and x, norm of
// the kernel.

override H: u32;   // numbers of a state, a multiple of 4
override EPS: f32;

// The row of x from vec4 `row` on becomes its LayerNorm; `own` is the sum of the numbers that this lane wrote there.
fn normalise(row: u32, lane: u32, own: f32) {
    let h4 = H / 4u;
    let mean = total(lane, own) / f32(H);
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
