// Part of the kernels that work on a row: a subgroup of 8 lanes shares it and adds without a barrier, which software
// adapters pay for by suspending every lane.

const LANES: u32 = 8u;

// The sum over all lanes, for every lane.
fn total(lane: u32, own: f32) -> f32 {
    return subgroupAdd(own);
}
