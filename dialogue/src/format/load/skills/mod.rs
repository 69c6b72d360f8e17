//! Which skills an assistant is composed of, which files are whose, and what they may use of one another.

mod find;
mod manifest;
mod needs;
mod outline;
mod sharing;

use crate::format::skill::is_below;
use crate::format::{Place, Skill};
use manifest::Manifest;
use std::collections::{BTreeMap, BTreeSet};

pub(super) use needs::check as check_needs;
pub use outline::{SkillOutline, skill_outline};

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Intent,
    Entity,
    Slot,
    Form,
    Response,
    Action,
}

impl Kind {
    pub(super) const ALL: [Kind; 6] =
        [Kind::Intent, Kind::Entity, Kind::Slot, Kind::Form, Kind::Response, Kind::Action];

    /// Its section of the domain, and of `exports` and `needs`.
    pub(super) fn key(self) -> &'static str {
        match self {
            Kind::Intent => "intents",
            Kind::Entity => "entities",
            Kind::Slot => "slots",
            Kind::Form => "forms",
            Kind::Response => "responses",
            Kind::Action => "actions",
        }
    }
    /// One of them, for a message.
    fn one(self) -> &'static str {
        match self {
            Kind::Intent => "intent",
            Kind::Entity => "entity",
            Kind::Slot => "slot",
            Kind::Form => "form",
            Kind::Response => "response",
            Kind::Action => "action",
        }
    }
    /// By the beginning of a declaration's field: `slots.city`.
    fn of_field(field: &str) -> Option<Self> {
        let section = field.split('.').next().unwrap_or_default();
        Kind::ALL.into_iter().find(|kind| kind.key() == section)
    }
}

/// Whose a file or a name is: a skill's, by its number, or the assistant's own.
pub(super) type Owner = Option<usize>;

/// A declaration in the domain.
#[derive(Debug)]
struct Declaration {
    place: Place,
    owner: Owner,
    /// Does it say what the first one of its name says?
    same: bool,
}

/// The skills of an assistant.
#[derive(Debug, Default)]
pub(super) struct Skills {
    manifests: Vec<Manifest>,
    /// Folders of skills that are there and not used: nothing below them is read.
    unused: BTreeSet<String>,
    /// Every declaration, in the order of the files.
    declared: BTreeMap<(Kind, String), Vec<Declaration>>,
    /// Whose each declared name is, once all files are read.
    owners: BTreeMap<(Kind, String), Owner>,
    /// Uses that were reported: once for each user and name.
    reported: BTreeSet<(Owner, Kind, String)>,
    /// Was something wrong with a `skill.yml`?
    broken: bool,
}

impl Skills {
    /// The skills, as the assistant knows them.
    pub(super) fn list(&self) -> Vec<Skill> {
        self.manifests.iter().map(|m| m.skill.clone()).collect()
    }

    /// Does the folder hold one skill, instead of an assistant?
    fn is_alone(&self) -> bool {
        self.manifests.iter().any(|m| m.skill.folder.is_empty())
    }

    /// Whose file this is. The tests of a skill that stands alone may say what the assistant around it would.
    pub(super) fn owner(&self, path: &str) -> Owner {
        let holds = self.manifests.iter().enumerate().filter(|(_, m)| is_below(path, &m.skill.folder));
        let (number, manifest) = holds.max_by_key(|(_, m)| m.skill.folder.len())?;
        let stands_in = manifest.skill.folder.is_empty() && super::is_test_file(path);
        (!stands_in).then_some(number)
    }

    /// Is a file of this path read at all? Manifests were read before.
    pub(super) fn reads(&self, path: &str) -> bool {
        if is_manifest(path) {
            return false;
        }
        let folders = self.manifests.iter().map(|m| (m.skill.folder.as_str(), true));
        let unused = self.unused.iter().map(|folder| (folder.as_str(), false));
        let nearest = folders.chain(unused).filter(|(folder, _)| is_below(path, folder));
        nearest.max_by_key(|(folder, _)| folder.len()).is_none_or(|(_, used)| used)
    }

    /// `the assistant` or ``the skill `booking` ``.
    fn called(&self, owner: Owner) -> String {
        match self.of(owner) {
            Some(manifest) => format!("the skill `{}`", manifest.skill.name),
            None => "the assistant".into(),
        }
    }

    /// As `needs` name it.
    fn name(&self, owner: Owner) -> &str {
        self.of(owner).map_or(manifest::ASSISTANT, |m| &m.skill.name)
    }

    fn of(&self, owner: Owner) -> Option<&Manifest> {
        owner.and_then(|number| self.manifests.get(number))
    }
}

fn is_manifest(path: &str) -> bool {
    ["skill.yml", "skill.yaml"].contains(&path.rsplit('/').next().unwrap_or_default())
}
