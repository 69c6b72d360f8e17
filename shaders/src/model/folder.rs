//! `FolderWeights`: which file of a model's folder holds the weights.

use std::path::{Path, PathBuf};

/// The weights file; a folder has one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FolderWeights {
    /// `model.safetensors`, with a `config.json` beside it.
    Safetensors(PathBuf),
    /// `model.e5s1`, which holds its own configuration.
    E5s1(PathBuf),
}

impl FolderWeights {
    /// Name of a packed model's file.
    pub const E5S1: &str = "model.e5s1";
    /// Name of the usual weights file.
    pub const SAFETENSORS: &str = "model.safetensors";

    /// `model.e5s1` where there is one and no `model.safetensors`; a folder without either is a model whose
    /// `model.safetensors` is missing.
    pub fn find(dir: &Path) -> Self {
        let (safetensors, packed) = (dir.join(Self::SAFETENSORS), dir.join(Self::E5S1));
        if packed.is_file() && !safetensors.exists() { Self::E5s1(packed) } else { Self::Safetensors(safetensors) }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Safetensors(path) | Self::E5s1(path) => path,
        }
    }
}
