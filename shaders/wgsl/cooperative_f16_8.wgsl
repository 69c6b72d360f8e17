enable f16;
enable wgpu_cooperative_matrix;

// Part of the cooperative product: blocks of 8 × 8 numbers in f16, their sums in f32.

const SIDE: u32 = 8u;
alias Number = f16;
alias Left = coop_mat8x8<f16, A>;
alias Right = coop_mat8x8<f16, B>;
alias Sums = coop_mat8x8<f32, C>;

// What is too large becomes the largest, for an infinity would spoil every sum.
fn number(x: f32) -> Number {
    return f16(clamp(x, -65504.0, 65504.0));
}
