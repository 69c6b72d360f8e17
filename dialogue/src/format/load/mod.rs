//! The loader: tells the files apart, reads them all, then checks that every name means something.

mod analyzer;
mod config;
mod cx;
mod domain;
mod imports;
mod markup;
mod meetings;
mod merge;
mod nlu;
mod pipeline;
mod policies;
mod refs;
mod refs_nlu;
mod responses;
mod skills;
mod slots;
mod stories;
mod yaml;

use super::{Assistant, Config, Diagnostic, Loaded, Place, Slot, SourceFile, Story, StoryStep, TestStory};
use cx::Cx;
pub(crate) use cx::did_you_mean;
use imports::Imports;
pub(crate) use refs::{BUILT_IN_ACTIONS, DEFAULT_INTENTS};
use skills::Skills;
pub use skills::{SkillOutline, skill_outline};
use std::{collections::BTreeSet, sync::Arc};
use stories::Kind;
use yaml::{Data, Node};

/// Everything read so far.
#[derive(Debug, Default)]
struct Gathered {
    domain: domain::Gathered,
    nlu: nlu::Nlu,
    rules: Vec<Story>,
    stories: Vec<Story>,
    tests: Vec<TestStory>,
    config: Config,
    /// Where the settings were given.
    config_at: Option<Place>,
}

pub(super) fn load(files: &[SourceFile]) -> Result<Loaded, Vec<Diagnostic>> {
    let mut cx = Cx::default();
    let mut all = Gathered::default();
    Skills::find(&mut cx, files);
    let imports = Imports::find(&mut cx, files);
    for file in files {
        cx.path.clone_from(&file.path);
        if !cx.skills.reads(&file.path) {
            continue;
        }
        // The settings of what is imported say no more than what they import in turn.
        let of_assistant = cx.skills.owner(&file.path).is_none();
        if of_assistant && (imports.are_of_import(&file.path) || !imports.reads(&mut cx, &file.path)) {
            continue;
        }
        match yaml::parse(&file.text) {
            Ok(Some(node)) => read_file(&mut cx, &mut all, file, &node),
            Ok(None) => {}
            Err(e) => {
                let place = Place { path: file.path.clone(), line: e.line, column: e.column };
                cx.error(&place, "", e.message);
            }
        }
    }
    if files.is_empty() {
        let place = Place { path: ".".into(), line: 0, column: 0 };
        cx.error(&place, "", "no file whose name ends in .yml or .yaml; expected domain.yml at least");
    }
    add_requested_slot(&mut all);
    let mut said = BTreeSet::new();
    all.rules.iter().chain(&all.stories).flat_map(|s| &s.steps).for_each(|step| {
        if let StoryStep::Bot { text, .. } = step {
            said.insert(text.clone());
        }
    });
    all.domain.domain.e2e_actions.append(&mut said);
    for full in all.nlu.keys.keys() {
        let base = full.split_once('/').map_or(full.as_str(), |(base, _)| base);
        all.domain.domain.retrieval_intents.entry(base.to_owned()).or_default().insert(full.clone());
    }
    // A file that could not be read would make everything that refers to it look wrong.
    let malformed = cx.errors.iter().any(|e| e.field.is_empty());
    if !malformed {
        Skills::settle(&mut cx);
        skills::check_needs(&mut cx);
        refs::check(&mut cx, &all);
    }
    // References are checked last; people read a file from its top.
    let order = |d: &Diagnostic| (files.iter().position(|f| f.path == d.path), d.line, d.column);
    cx.errors.sort_by_key(order);
    cx.warnings.sort_by_key(order);
    if !cx.errors.is_empty() {
        return Err(cx.errors);
    }
    let assistant = Assistant {
        domain: Arc::new(all.domain.domain),
        nlu: all.nlu.examples.into_iter().map(|(example, _)| example).collect(),
        synonyms: all.nlu.synonyms,
        regexes: all.nlu.regexes,
        lookups: all.nlu.lookups,
        rules: all.rules,
        stories: all.stories,
        tests: all.tests,
        config: all.config,
        skills: cx.skills.list(),
    };
    Ok(Loaded { assistant, warnings: cx.warnings })
}

/// Reads the examples of a file alone, without a domain: what an assistant is asked, not what it learns from.
///
/// # Errors
/// What is malformed in it, and sections that are no examples.
pub fn read_nlu(file: &SourceFile) -> Result<Vec<crate::NluExample>, Vec<Diagnostic>> {
    let mut cx = Cx { path: file.path.clone(), ..Cx::default() };
    let mut all = Gathered::default();
    match yaml::parse(&file.text) {
        Ok(Some(node)) => match &node.data {
            Data::Map(pairs) => {
                for (key, value) in pairs {
                    match key.text.as_str() {
                        "version" => version(&mut cx, value),
                        "nlu" => nlu::nlu(&mut cx, &mut all.nlu, value, &file.text),
                        other => {
                            let place = cx.key_place(key);
                            cx.error(&place, other, "a file of examples holds `nlu:` only");
                        }
                    }
                }
            }
            _ => cx.expected(&node, "", "a mapping such as `version: \"3.1\"` and `nlu:`"),
        },
        Ok(None) => {}
        Err(e) => {
            let place = Place { path: file.path.clone(), line: e.line, column: e.column };
            cx.error(&place, "", e.message);
        }
    }
    if cx.errors.is_empty() { Ok(all.nlu.examples.into_iter().map(|(e, _)| e).collect()) } else { Err(cx.errors) }
}

/// Forms keep what they ask for in a slot that needs no declaration.
fn add_requested_slot(all: &mut Gathered) {
    let domain = &mut all.domain.domain;
    if !domain.forms.is_empty() && !domain.slots.contains_key("requested_slot") {
        let mapping = super::Mapping {
            source: super::MappingSource::Custom(None),
            intents: Vec::new(),
            not_intents: Vec::new(),
            conditions: Vec::new(),
            place: Place::default(),
        };
        domain.slots.insert("requested_slot".into(), Slot { mappings: vec![mapping], ..Slot::default() });
        domain.slot_order.push("requested_slot".into());
    }
}

fn is_test_file(path: &str) -> bool {
    let mut parts: Vec<&str> = path.split('/').collect();
    let name = parts.pop().unwrap_or_default();
    name.starts_with("test_") || parts.contains(&"tests")
}

fn read_file(cx: &mut Cx, all: &mut Gathered, file: &SourceFile, node: &Node) {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let Data::Map(pairs) = &node.data else {
        cx.expected(node, "", "a mapping such as `version: \"3.1\"` and `intents:`");
        return;
    };
    if name.starts_with("credentials.") {
        // Channels are the node's business; their names are free.
        return;
    }
    let is_test = is_test_file(&file.path);
    let of_skill = cx.skills.owner(&file.path).is_some();
    for (key, value) in pairs {
        let place = cx.key_place(key);
        match key.text.as_str() {
            // What stands in for the assistant counts where the skill stands alone.
            other if of_skill && is_test && !["version", "stories"].contains(&other) => {}
            setting if of_skill && is_setting(setting) => {
                let message = "a skill has no settings of its own; move them into the assistant's files, or, for the skill alone, into its folder `tests`";
                cx.error(&place, setting, message);
            }
            "skills" if of_skill => {
                cx.error(&place, "skills", "a skill lists no skills; it says in its skill.yml what it `needs`");
            }
            "skills" if file.path.contains('/') => {
                cx.error(&place, "skills", "stands in a file of the assistant's folder itself, such as config.yml");
            }
            // They were found before any file was read.
            "skills" => {}
            "version" => version(cx, value),
            "nlu" => nlu::nlu(cx, &mut all.nlu, value, &file.text),
            "stories" if is_test => stories::tests(cx, value, &mut all.tests),
            "stories" => stories::stories(cx, Kind::Story, value, &mut all.stories),
            "rules" if is_test => cx.error(&place, "rules", "a test file holds `stories:` only"),
            "rules" => stories::stories(cx, Kind::Rule, value, &mut all.rules),
            "flows" => cx.error(&place, "flows", "flows are not supported; write rules, stories and forms"),
            "test_cases" => cx.error(&place, "test_cases", "is not supported; write test stories (`stories:`)"),
            found if domain::KEYS.contains(&found) => domain::section(cx, &mut all.domain, key, value),
            found if config::ENDPOINT_KEYS.contains(&found) => config::endpoint(cx, &mut all.config, key, value),
            found if config::KEYS.contains(&found) => {
                match &all.config_at {
                    Some(first) if first.path != file.path => {
                        let message = format!("settings are given in two files; the first time at {first}");
                        cx.error(&place, found, message);
                        continue;
                    }
                    _ => all.config_at = Some(place),
                }
                config::config(cx, &mut all.config, key, value);
            }
            unknown => {
                let known = known_keys();
                let hint = did_you_mean(unknown, known.iter().copied());
                cx.error(&place, unknown, format!("unknown key `{unknown}`{hint}"));
            }
        }
    }
}

/// Is this a key of what steers the assistant as a whole?
fn is_setting(key: &str) -> bool {
    config::KEYS.contains(&key) || config::ENDPOINT_KEYS.contains(&key) || ["session_config", "config"].contains(&key)
}

fn known_keys() -> Vec<&'static str> {
    let mut known = vec!["version", "nlu", "stories", "rules", "skills"];
    known.extend(domain::KEYS.iter().chain(&config::KEYS).chain(&config::ENDPOINT_KEYS));
    known
}

/// Formats 2 and 3 are read; differences are told where they show.
fn version(cx: &mut Cx, node: &Node) {
    let text = node.scalar_text().unwrap_or_default();
    if !["2", "3"].contains(&text.split('.').next().unwrap_or_default()) {
        cx.expected(node, "version", "\"3.1\" (2.x and 3.x are read)");
    }
}
