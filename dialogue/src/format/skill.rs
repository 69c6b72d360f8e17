//! `Skill`: a part of an assistant that has a name and a version, and lives in a folder of its own.

/// A skill that an assistant was composed of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skill {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: semver::Version,
    /// What it is for, in its author's words; empty where nothing is said.
    pub description: String,
    /// Its folder, relative to the assistant's; empty where the skill stands alone.
    pub folder: String,
}

impl Skill {
    /// Is the file of this path a part of the skill's folder?
    pub fn holds(&self, path: &str) -> bool {
        is_below(path, &self.folder)
    }
}

/// Does a path lie in a folder? All do in the one without a name.
pub(super) fn is_below(path: &str, folder: &str) -> bool {
    folder.is_empty() || path == folder || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}
