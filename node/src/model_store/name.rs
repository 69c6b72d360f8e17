//! `ModelName`: what a user writes where a model is wanted.

use super::{HubRepo, KNOWN, KnownModel, known, models_dir};
use anyhow::bail;
use std::path::{Path, PathBuf};

/// A model by its source.
#[derive(Debug, Clone)]
pub enum ModelName {
    /// One that is known by name.
    Known(&'static KnownModel),
    /// A repository of Hugging Face.
    Hub(HubRepo),
    /// A folder of the user's.
    Folder(PathBuf),
}

impl ModelName {
    /// A known name, else a folder that is there, else `owner/name[@revision]`; what looks like a path is a folder even
    /// where there is none.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        if let Some(model) = known::find(text) {
            return Ok(Self::Known(model));
        }
        let path = Path::new(text);
        if path.is_dir() || path.is_absolute() || text.starts_with('.') || text.split('/').count() > 2 {
            return Ok(Self::Folder(path.to_owned()));
        }
        if let Some(repo) = HubRepo::parse(text) {
            return Ok(Self::Hub(repo));
        }
        let names: Vec<_> = KNOWN.iter().map(|m| m.name).collect();
        bail!(
            "{text:?} is no model: expected one of {}, the folder of a model, or owner/name[@revision] of a Hugging Face \
             repository",
            names.join(", ")
        )
    }

    /// Where it lies, fetched or not.
    pub fn dir(&self) -> anyhow::Result<PathBuf> {
        Ok(match self {
            Self::Known(model) => models_dir()?.join(model.name),
            Self::Hub(repo) => models_dir()?.join(repo.folder()),
            Self::Folder(dir) => dir.clone(),
        })
    }
}

impl std::fmt::Display for ModelName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Known(model) => f.write_str(model.name),
            Self::Hub(repo) => repo.fmt(f),
            Self::Folder(dir) => dir.display().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_folders_and_repositories_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let kind = |text: &str| match ModelName::parse(text) {
            Ok(ModelName::Known(model)) => format!("known {}", model.name),
            Ok(ModelName::Hub(repo)) => format!("hub {} {} {:?}", repo.owner, repo.name, repo.revision),
            Ok(ModelName::Folder(_)) => "folder".into(),
            Err(error) => error.to_string(),
        };
        assert_eq!(kind("multilingual-e5-small"), "known multilingual-e5-small");
        assert_eq!(kind("BAAI/bge-small-en-v1.5"), "hub BAAI bge-small-en-v1.5 None");
        assert_eq!(kind("thenlper/gte-small@main"), "hub thenlper gte-small Some(\"main\")");
        for folder in [dir.path().to_str().unwrap(), "./model", "../a/b", "/no/such/folder", "a/b/c"] {
            assert_eq!(kind(folder), "folder", "{folder}");
        }
        for wrong in ["minilm", "", "a/..", "/", "a/b@", "a b/c", "a/b@../c", "-a/b", "a--b/c"] {
            let said = kind(wrong);
            assert!(
                said.contains("is no model: expected one of all-minilm-l6-v2, multi") || said == "folder",
                "{said}"
            );
            assert!(!said.starts_with("hub"), "{wrong}: {said}");
        }
    }
}
