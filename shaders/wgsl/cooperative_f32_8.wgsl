enable wgpu_cooperative_matrix;

// Part of the cooperative product: blocks of 8 × 8 numbers in f32.

const SIDE: u32 = 8u;
alias Number = f32;
alias Left = coop_mat8x8<f32, A>;
alias Right = coop_mat8x8<f32, B>;
alias Sums = coop_mat8x8<f32, C>;

fn number(x: f32) -> Number {
    return x;
}
