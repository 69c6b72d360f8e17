//! `Assistant`: everything that an assistant's files say, checked.

use super::{Config, Diagnostic, Domain, Skill, SourceFile, Story, TestStory};
use crate::NluExample;
use std::{collections::BTreeMap, sync::Arc};

/// An assistant as its files describe it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Assistant {
    /// The domain.
    pub domain: Arc<Domain>,
    /// The labelled examples, in the order of the files.
    pub nlu: Vec<NluExample>,
    /// What an entity's value is replaced by, by the lower-cased value.
    pub synonyms: BTreeMap<String, String>,
    /// Regular expressions.
    pub regexes: Vec<NamedRegex>,
    /// Lookup tables.
    pub lookups: Vec<LookupTable>,
    /// Rules, in the order of the files.
    pub rules: Vec<Story>,
    /// Stories, in the order of the files.
    pub stories: Vec<Story>,
    /// Test stories, in the order of the files.
    pub tests: Vec<TestStory>,
    /// Settings.
    pub config: Config,
    /// The skills that it is composed of.
    pub skills: Vec<Skill>,
}

/// A regular expression of `nlu.yml`; one that bears an entity's name finds entities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedRegex {
    /// Its name.
    pub name: String,
    /// The pattern, which the `regex` crate accepts.
    pub pattern: String,
}

/// A lookup table of `nlu.yml`; one that bears an entity's name finds entities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupTable {
    /// Its name.
    pub name: String,
    /// Its values.
    pub values: Vec<String>,
}

/// An assistant that loaded, with what is worth saying about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The assistant.
    pub assistant: Assistant,
    /// What was accepted and works differently from what its author may think.
    pub warnings: Vec<Diagnostic>,
}

impl Assistant {
    /// Loads an assistant from its files: those of its folder whose names end in `.yml` or `.yaml`.
    ///
    /// A file's role is told by its keys, as in Rasa; a story file whose name begins with `test_`, or that lies in a
    /// folder `tests`, holds test stories.
    ///
    /// # Errors
    /// All that is wrong, in the order of the files: malformed YAML, unknown keys, duplicates, unknown references.
    pub fn load(files: &[SourceFile]) -> Result<Loaded, Vec<Diagnostic>> {
        super::load::load(files)
    }
}
