// Part of the kernels that work on a row: 64 lanes share it, their sums meet in workgroup memory.

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
