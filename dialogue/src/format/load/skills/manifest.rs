//! Reads `skill.yml`: what a skill is called, what others may use of it, and what it uses of others.

use super::Kind;
use crate::format::load::{
    cx::{Cx, get, join},
    yaml::{self, Data, Key, Node},
};
use crate::format::{Place, Skill, SourceFile};
use semver::{Version, VersionReq};

/// The name by which a skill says that it takes something from the assistant that it is a part of.
pub(super) const ASSISTANT: &str = "assistant";
/// Longest name of a skill, in characters.
const NAME_CHARS_MAX: usize = 64;
const KEYS: [&str; 5] = ["name", "version", "description", "exports", "needs"];

/// What a `skill.yml` says.
#[derive(Debug)]
pub(super) struct Manifest {
    pub skill: Skill,
    /// The path of the file.
    pub path: String,
    pub name_at: Place,
    pub version_at: Place,
    /// What others may use.
    pub exports: Vec<Mention>,
    pub needs: Vec<Need>,
}

/// A name of a kind, below `exports` or `needs`.
#[derive(Debug)]
pub(super) struct Mention {
    pub kind: Kind,
    pub name: String,
    pub field: String,
    pub place: Place,
}

/// What a skill takes from another one, or from the assistant.
#[derive(Debug)]
pub(super) struct Need {
    /// The other's name, or `assistant`.
    pub from: String,
    pub place: Place,
    /// None for the assistant.
    pub version: Option<(VersionReq, Place)>,
    pub takes: Vec<Mention>,
}

impl Manifest {
    pub(super) fn exports(&self, kind: Kind, name: &str) -> bool {
        self.exports.iter().any(|m| m.kind == kind && m.name == name)
    }
    /// Does the skill say that it takes this from `from`?
    pub(super) fn takes(&self, from: &str, kind: Kind, name: &str) -> bool {
        let of = self.needs.iter().filter(|need| need.from == from);
        of.flat_map(|need| &need.takes).any(|m| m.kind == kind && m.name == name)
    }
}

/// Reads one; what is wrong with it is reported, and nothing comes of a file that has no name or no version.
pub(super) fn read(cx: &mut Cx, file: &SourceFile, folder: &str) -> Option<Manifest> {
    cx.path.clone_from(&file.path);
    let top = Place { path: file.path.clone(), line: 1, column: 1 };
    let node = match yaml::parse(&file.text) {
        Ok(node) => node.unwrap_or(Node { line: 1, column: 1, data: Data::Map(Vec::new()) }),
        Err(e) => {
            let place = Place { path: file.path.clone(), line: e.line, column: e.column };
            cx.error(&place, "", e.message);
            return None;
        }
    };
    let pairs = cx.map(&node, "", "a mapping such as `name: booking` and `version: 1.0.0`");
    if !matches!(node.data, Data::Map(_)) {
        return None;
    }
    cx.known_keys(pairs, "", &KEYS);
    let name = name(cx, pairs, &top);
    let version = version(cx, pairs, &top);
    let description = get(pairs, "description").and_then(|n| cx.text(n, "description")).unwrap_or_default();
    let exports = get(pairs, "exports").map(|n| mentions(cx, "exports", n, &[])).unwrap_or_default();
    let needs = needs(cx, pairs);
    let ((name, name_at), (version, version_at)) = (name?, version?);
    let skill = Skill { name, version, description: description.trim().to_owned(), folder: folder.to_owned() };
    Some(Manifest { skill, path: file.path.clone(), name_at, version_at, exports, needs })
}

fn name(cx: &mut Cx, pairs: &[(Key, Node)], top: &Place) -> Option<(String, Place)> {
    let Some(node) = get(pairs, "name") else {
        cx.error(top, "name", "is missing; expected the skill's name, e.g. `name: booking`");
        return None;
    };
    let name = cx.text(node, "name")?;
    let letters = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-');
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    if !letters || !begins || name.len() > NAME_CHARS_MAX {
        let expected = format!(
            "a name of at most {NAME_CHARS_MAX} small letters, digits, `_` and `-` that begins with a letter, e.g. booking"
        );
        cx.expected(node, "name", &expected);
        return None;
    }
    if name == ASSISTANT {
        cx.expected(node, "name", "another name: `assistant` stands for what a skill is a part of");
        return None;
    }
    Some((name, cx.place(node)))
}

fn version(cx: &mut Cx, pairs: &[(Key, Node)], top: &Place) -> Option<(Version, Place)> {
    let Some(node) = get(pairs, "version") else {
        cx.error(top, "version", "is missing; expected the skill's version, e.g. `version: 1.0.0`");
        return None;
    };
    match node.scalar_text().unwrap_or_default().parse() {
        Ok(version) => Some((version, cx.place(node))),
        Err(why) => {
            cx.expected(node, "version", &format!("a semantic version such as 1.0.0 ({why})"));
            None
        }
    }
}

/// `intents: […]`, `slots: […]` and so on; `others` are the keys that may stand beside them.
fn mentions(cx: &mut Cx, field: &str, node: &Node, others: &[&str]) -> Vec<Mention> {
    let pairs = cx.map(node, field, "a mapping such as `intents: [book_table]`");
    let known: Vec<&str> = others.iter().copied().chain(Kind::ALL.map(Kind::key)).collect();
    cx.known_keys(pairs, field, &known);
    let mut out: Vec<Mention> = Vec::new();
    for kind in Kind::ALL {
        let Some(node) = get(pairs, kind.key()) else { continue };
        let field = join(field, kind.key());
        for (i, item) in cx.list(node, &field, "a list of names").iter().enumerate() {
            let field = format!("{field}[{i}]");
            let Some(name) = cx.text(item, &field) else { continue };
            let place = cx.place(item);
            if out.iter().any(|m| m.kind == kind && m.name == name) {
                cx.warn(&place, &field, format!("`{name}` is named twice"));
                continue;
            }
            out.push(Mention { kind, name, field, place });
        }
    }
    out
}

fn needs(cx: &mut Cx, pairs: &[(Key, Node)]) -> Vec<Need> {
    let Some(node) = get(pairs, "needs") else { return Vec::new() };
    let mut out = Vec::new();
    for (key, value) in cx.map(node, "needs", "a mapping of skills, e.g. `payment: {version: ^1.0}`") {
        let field = join("needs", &key.text);
        let place = cx.key_place(key);
        let of_assistant = key.text == ASSISTANT;
        let others: &[&str] = if of_assistant { &[] } else { &["version"] };
        let takes = mentions(cx, &field, value, others);
        let version = if of_assistant { None } else { requirement(cx, &field, &place, value) };
        out.push(Need { from: key.text.clone(), place, version, takes });
    }
    out
}

fn requirement(cx: &mut Cx, field: &str, place: &Place, node: &Node) -> Option<(VersionReq, Place)> {
    let Data::Map(pairs) = &node.data else {
        if node.data == Data::Null {
            cx.error(
                place,
                &join(field, "version"),
                "is missing; expected the versions that fit, e.g. `version: ^1.0`",
            );
        }
        return None;
    };
    let field = join(field, "version");
    let Some(node) = get(pairs, "version") else {
        cx.error(place, &field, "is missing; expected the versions that fit, e.g. `version: ^1.0`");
        return None;
    };
    match VersionReq::parse(&node.scalar_text().unwrap_or_default()) {
        Ok(requirement) => Some((requirement, cx.place(node))),
        Err(why) => {
            cx.expected(node, &field, &format!("the versions that fit, e.g. ^1.0 or * ({why})"));
            None
        }
    }
}
