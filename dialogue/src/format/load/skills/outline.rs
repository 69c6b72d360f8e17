//! What a `skill.yml` says of skills: enough to find those that it needs, without a check of the rest.

use super::{is_manifest, manifest};
use crate::format::SourceFile;
use crate::format::load::cx::Cx;

/// A skill's name and those of the skills that it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkillOutline {
    /// Its name.
    pub name: String,
    /// The names of the skills that it needs, in the order of the file.
    pub needs: Vec<String>,
}

/// The outline of a `skill.yml`; nothing for another file, and for one whose name or version is missing or malformed: loading
/// it says what is wrong.
pub fn skill_outline(file: &SourceFile) -> Option<SkillOutline> {
    let manifest = is_manifest(&file.path).then(|| manifest::read(&mut Cx::default(), file, "")).flatten()?;
    let needs = manifest.needs.into_iter().map(|need| need.from).filter(|name| name != manifest::ASSISTANT);
    Some(SkillOutline { name: manifest.skill.name, needs: needs.collect() })
}
