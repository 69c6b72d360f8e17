//! The folder in which models are kept.

use std::path::PathBuf;

/// The cache: `TERTULIA_CACHE`, else `$XDG_CACHE_HOME/tertulia`, else `~/.cache/tertulia`; none where no variable is
/// set.
pub fn cache_folder() -> Option<PathBuf> {
    let var = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    var("TERTULIA_CACHE")
        .or_else(|| var("XDG_CACHE_HOME").map(|d| d.join("tertulia")))
        .or_else(|| var("HOME").map(|d| d.join(".cache/tertulia")))
}

/// The models in it, a folder each.
pub fn models_folder() -> Option<PathBuf> {
    cache_folder().map(|d| d.join("models"))
}
