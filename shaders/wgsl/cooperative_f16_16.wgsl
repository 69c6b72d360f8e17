enable f16;
enable wgpu_cooperative_matrix;

// Part of the cooperative product: blocks of 16 × 16 numbers in f16, their sums in f32.

const SIDE: u32 = 16u;
alias Number = f16;
alias Left = coop_mat16x16<f16, A>;
alias Right = coop_mat16x16<f16, B>;
alias Sums = coop_mat16x16<f32, C>;

// What is too large becomes the largest, for an infinity would spoil every sum.
fn number(x: f32) -> Number {
    return f16(clamp(x, -65504.0, 65504.0));
}
