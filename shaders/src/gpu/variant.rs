//! The variants of the kernels that a device may choose from, and the source of each, put together from parts.

use crate::gpu::Precision;
use serde::{Deserialize, Serialize};

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
}

impl Matmul {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Subgroup, Self::Tile];

    /// Can it run where subgroups have so many lanes, for a weight of `[k, n]`?
    pub fn suits(self, subgroup_lanes: Option<u32>, k: usize, n: usize) -> bool {
        match self {
            Self::Plain | Self::Tile => true,
            Self::Subgroup => subgroup_lanes == Some(8) && k.is_multiple_of(32) && n.is_multiple_of(32),
        }
    }

    /// Columns and rows that a workgroup makes.
    pub fn makes(self) -> (u32, u32) {
        match self {
            Self::Plain | Self::Subgroup => (32, 32),
            Self::Tile => (64, 64),
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::Plain => "matmul",
            Self::Subgroup => "matmul_subgroup",
            Self::Tile => "matmul_tile",
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

    /// Can it run where subgroups have so many lanes, for heads of `d` numbers?
    pub fn suits(self, subgroup_lanes: Option<u32>, d: usize) -> bool {
        match self {
            Self::Workgroup => true,
            Self::Subgroup => subgroup_lanes == Some(8) && d <= 32,
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

    /// Can it run where subgroups have so many lanes?
    pub fn suits(self, subgroup_lanes: Option<u32>) -> bool {
        self == Self::Workgroup || subgroup_lanes == Some(8)
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
}

impl Variant {
    /// All of them.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for rows in Rows::ALL {
            all.extend([Precision::F32, Precision::F16].map(|p| Self::Embed(rows, p)));
            all.extend([Self::AddNorm(rows), Self::Pool(rows)]);
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
                vec!["product", weights, matmul.file()]
            }
            Self::Attention(Attention::Workgroup) => vec!["attention"],
            Self::Attention(Attention::Subgroup) => vec!["attention_subgroup"],
            Self::AddNorm(rows) => vec![rows.file(), "layernorm", "add_layernorm"],
            Self::Pool(rows) => vec![rows.file(), "pool_l2"],
        }
    }

    /// For people: its files.
    pub fn name(self) -> String {
        self.files().join("+")
    }
}
