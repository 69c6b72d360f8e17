//! `Precision`: how the weights lie on the device. Sums are made in f32 whatever it is.

use serde::{Deserialize, Serialize};

/// How weights are stored: the four matrices of a layer and the word vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// As the model has them.
    #[default]
    F32,
    /// Half the memory: IEEE 754 binary16, rounded to nearest.
    F16,
    /// A quarter of it: whole numbers of 8 bits with a scale for each column; word vectors in f16.
    Int8,
}

impl Precision {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::Int8];

    /// As options and files name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Int8 => "int8",
        }
    }

    /// What word vectors are stored as.
    pub fn of_words(self) -> Self {
        match self {
            Self::F32 => Self::F32,
            Self::F16 | Self::Int8 => Self::F16,
        }
    }
}
