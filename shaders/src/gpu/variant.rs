//! The variants of the kernels that a device may choose from, and the source of each, put together from parts.

use crate::gpu::Precision;
use serde::{Deserialize, Serialize};

/// What a device can beside the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Abilities {
    /// How many lanes a subgroup has, where there are subgroups and all are of one size.
    pub subgroup_lanes: Option<u32>,
    /// Which blocks a subgroup multiplies by the device's own means, in the order of [`Blocks::ALL`].
    pub blocks: [bool; Blocks::ALL.len()],
}

/// Blocks of a matrix that a device multiplies as a whole, with sums in f32: WebGPU's cooperative matrices, tensor cores elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Blocks {
    /// 8 × 8 numbers in f32.
    F32x8,
    /// 8 × 8 numbers in f16.
    F16x8,
    /// 16 × 16 numbers in f16.
    F16x16,
}

impl Blocks {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::F32x8, Self::F16x8, Self::F16x16];

    /// Rows, and columns.
    pub fn side(self) -> u32 {
        match self {
            Self::F32x8 | Self::F16x8 => 8,
            Self::F16x16 => 16,
        }
    }

    /// Are the factors halves?
    pub fn halves(self) -> bool {
        self != Self::F32x8
    }

    fn file(self) -> &'static str {
        match self {
            Self::F32x8 => "cooperative_f32_8",
            Self::F16x8 => "cooperative_f16_8",
            Self::F16x16 => "cooperative_f16_16",
        }
    }
}

/// How a matrix product is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Matmul {
    /// 4 × 4 numbers a lane, nothing shared: runs everywhere.
    Plain,
    /// 32 × 32 numbers a subgroup of 8 lanes: for software adapters.
    Subgroup,
    /// 64 × 64 numbers a workgroup that shares its loads: for GPUs.
    Tile,
    /// 4 × 4 blocks a workgroup of four subgroups, by the device's own products.
    Cooperative(Blocks),
}

impl Matmul {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Plain,
        Self::Subgroup,
        Self::Tile,
        Self::Cooperative(Blocks::F32x8),
        Self::Cooperative(Blocks::F16x8),
        Self::Cooperative(Blocks::F16x16),
    ];

    /// Can it run there, for a weight of `[k, n]` in such numbers?
    pub fn suits(self, can: &Abilities, precision: Precision, k: usize, n: usize) -> bool {
        match self {
            Self::Plain | Self::Tile => true,
            Self::Subgroup => can.subgroup_lanes == Some(8) && k.is_multiple_of(32) && n.is_multiple_of(32),
            // States become halves on their way to some: whoever asked for f32 did not ask for that.
            Self::Cooperative(blocks) => {
                let exact = !blocks.halves() || precision != Precision::F32;
                can.subgroup_lanes.is_some() && can.blocks[blocks as usize] && exact
            }
        }
    }

    /// Subgroups of a workgroup, where it matters to the kernel how large they are.
    pub fn subgroups(self) -> Option<u32> {
        matches!(self, Self::Cooperative(_)).then_some(4)
    }

    /// Columns and rows that a workgroup makes.
    pub fn makes(self) -> (u32, u32) {
        match self {
            Self::Plain | Self::Subgroup => (32, 32),
            Self::Tile => (64, 64),
            Self::Cooperative(blocks) => (4 * blocks.side(), 4 * blocks.side()),
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::Plain => "matmul",
            Self::Subgroup => "matmul_subgroup",
            Self::Tile => "matmul_tile",
            Self::Cooperative(_) => "matmul_cooperative",
        }
    }

    /// What has to stand before everything else.
    fn first_file(self) -> Option<&'static str> {
        match self {
            Self::Plain | Self::Subgroup | Self::Tile => None,
            Self::Cooperative(blocks) => Some(blocks.file()),
        }
    }
}

/// How attention is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Attention {
    /// A workgroup of 64 lanes a query and head: runs everywhere.
    Workgroup,
    /// A subgroup of 8 lanes for 8 queries of a head: for software adapters.
    Subgroup,
}

impl Attention {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Workgroup, Self::Subgroup];

    /// Can it run there, for heads of `d` numbers?
    pub fn suits(self, can: &Abilities, d: usize) -> bool {
        match self {
            Self::Workgroup => true,
            Self::Subgroup => can.subgroup_lanes == Some(8) && d <= 32,
        }
    }

    /// Queries and heads that a workgroup makes.
    pub fn makes(self) -> (u32, u32) {
        match self {
            Self::Workgroup => (1, 1),
            Self::Subgroup => (8, 1),
        }
    }
}

/// Who shares a row of the kernels that work row by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rows {
    /// 64 lanes that add in workgroup memory: runs everywhere.
    Workgroup,
    /// A subgroup of 8 lanes: for software adapters.
    Subgroup,
}

impl Rows {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Workgroup, Self::Subgroup];

    /// Can it run there?
    pub fn suits(self, can: &Abilities) -> bool {
        self == Self::Workgroup || can.subgroup_lanes == Some(8)
    }

    fn file(self) -> &'static str {
        match self {
            Self::Workgroup => "rows_workgroup",
            Self::Subgroup => "rows_subgroup",
        }
    }
}

/// A kernel in one of its variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Variant {
    /// Word and position vectors, then LayerNorm.
    Embed(Rows, Precision),
    /// A linear layer.
    Matmul(Matmul, Precision),
    /// Attention.
    Attention(Attention),
    /// Residual sum, then LayerNorm.
    AddNorm(Rows),
    /// Mean and length.
    Pool(Rows),
    /// The dense layer of a head.
    Head(Rows),
}

impl Variant {
    /// All of them.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for rows in Rows::ALL {
            all.extend([Precision::F32, Precision::F16].map(|p| Self::Embed(rows, p)));
            all.extend([Self::AddNorm(rows), Self::Pool(rows), Self::Head(rows)]);
        }
        for matmul in Matmul::ALL {
            all.extend(Precision::ALL.map(|p| Self::Matmul(matmul, p)));
        }
        all.extend(Attention::ALL.map(Self::Attention));
        all
    }

    /// The files that it is made of, its own last: declarations may stand in any order.
    pub fn files(self) -> Vec<&'static str> {
        match self {
            Self::Embed(rows, precision) => {
                let words = if precision.of_words() == Precision::F16 { "words_f16" } else { "words_f32" };
                vec![rows.file(), "layernorm", words, "embed_layernorm"]
            }
            Self::Matmul(matmul, precision) => {
                let weights = match precision {
                    Precision::F32 => "weights_f32",
                    Precision::F16 => "weights_f16",
                    Precision::Int8 => "weights_int8",
                };
                matmul.first_file().into_iter().chain(["product", weights, matmul.file()]).collect()
            }
            Self::Attention(Attention::Workgroup) => vec!["attention"],
            Self::Attention(Attention::Subgroup) => vec!["attention_subgroup"],
            Self::AddNorm(rows) => vec![rows.file(), "layernorm", "add_layernorm"],
            Self::Pool(rows) => vec![rows.file(), "pool_l2"],
            Self::Head(rows) => vec![rows.file(), "head"],
        }
    }

    /// For people: its files.
    pub fn name(self) -> String {
        self.files().join("+")
    }
}
