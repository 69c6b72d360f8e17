//! `Stock`: what `tertulia model list` lists.

use super::{KNOWN, ModelManifest, models_dir, name_of};
use serde::Serialize;
use shaders::model::BertConfig;
use std::path::Path;

/// A model that is known or in the cache.
#[derive(Debug, Serialize)]
pub struct Stock {
    /// What it is pulled and used by.
    pub name: String,
    /// Packages, repository or folder.
    pub source: String,
    /// The repository's revision.
    pub revision: Option<String>,
    /// In the cache where it is there, else what a pull fetches.
    pub bytes: u64,
    /// Layers.
    pub layers: Option<usize>,
    /// Width of a token's state and of an embedding.
    pub width: Option<usize>,
    /// For people.
    pub languages: Option<String>,
    /// Of the weights.
    pub licence: Option<String>,
    /// Is it there?
    pub cached: bool,
}

/// All known models, then what else is in the cache, by name.
pub fn stock() -> anyhow::Result<Vec<Stock>> {
    let models = models_dir()?;
    let mut all = Vec::new();
    for model in KNOWN {
        let dir = models.join(model.name);
        let cached = model.files().iter().all(|name| dir.join(name).is_file());
        all.push(Stock {
            name: model.name.into(),
            source: model.source(),
            revision: None,
            bytes: if cached { bytes_of(&dir) } else { model.bytes() },
            layers: Some(model.size.0),
            width: Some(model.size.1),
            languages: Some(model.languages.into()),
            licence: Some(model.licence.into()),
            cached,
        });
    }
    let mut dirs: Vec<_> = match std::fs::read_dir(&models) {
        Ok(entries) => entries.filter_map(|e| Some(e.ok()?.path())).collect(),
        Err(_) => Vec::new(),
    };
    dirs.sort();
    for dir in dirs {
        let folder = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if folder.starts_with('.') || KNOWN.iter().any(|m| m.name == folder) || !dir.is_dir() {
            continue;
        }
        // A folder that cannot be read is listed all the same: it takes its place on the disk.
        let manifest = ModelManifest::read(&dir).ok().flatten();
        let config = BertConfig::of_folder(&dir).ok();
        let (name, source) = match &manifest {
            Some(m) => (m.name.clone(), m.source.clone()),
            None => (name_of(&dir), "put there by hand".into()),
        };
        all.push(Stock {
            name,
            source,
            revision: manifest.as_ref().and_then(|m| m.revision.clone()),
            bytes: manifest.as_ref().map_or_else(|| bytes_of(&dir), ModelManifest::bytes),
            layers: config.as_ref().map(|c| c.num_hidden_layers),
            width: config.as_ref().map(|c| c.hidden_size),
            languages: None,
            licence: manifest.and_then(|m| m.licence),
            cached: true,
        });
    }
    Ok(all)
}

fn bytes_of(dir: &Path) -> u64 {
    let files = walkdir::WalkDir::new(dir).into_iter().filter_map(Result::ok);
    files.filter_map(|e| e.metadata().ok()).filter(|m| m.is_file()).map(|m| m.len()).sum()
}
