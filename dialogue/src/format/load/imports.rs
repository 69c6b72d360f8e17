//! Which files an assistant is read from: all of its folder, or, with Rasa's `MultiProjectImporter`, those of the folders
//! that its `imports` name.

use super::{
    config::components,
    cx::{Cx, did_you_mean, get},
    yaml::{self, Data, Node},
};
use crate::format::{Place, SourceFile, skill::is_below};
use std::collections::BTreeSet;

const IMPORTERS: [&str; 2] = ["RasaFileImporter", MULTI_PROJECT];
const MULTI_PROJECT: &str = "MultiProjectImporter";
/// Folders that are read whatever is imported.
const OWN_FOLDERS: [&str; 2] = ["data", "tests"];

/// What is read.
#[derive(Debug, Default)]
pub(super) struct Imports {
    /// The folders that are imported, if not all are.
    folders: Option<BTreeSet<String>>,
}

impl Imports {
    /// Looks at the settings of the assistant and of what it imports.
    pub(super) fn find(cx: &mut Cx, files: &[SourceFile]) -> Self {
        let Some(root) = files.iter().find(|f| is_settings(&f.path) && !f.path.contains('/')) else {
            return Imports::default();
        };
        let Some(node) = mapping(root) else { return Imports::default() };
        let Data::Map(pairs) = &node.data else { return Imports::default() };
        cx.path.clone_from(&root.path);
        let many = get(pairs, "importers").is_some_and(|importers| names_many(cx, importers));
        let Some((key, named)) = pairs.iter().find(|(k, _)| k.text == "imports") else { return Imports::default() };
        if !many {
            let place = cx.key_place(key);
            let message = format!("has no effect without `importers: [{{name: {MULTI_PROJECT}}}]`; all files are read");
            cx.warn(&place, "imports", message);
            return Imports::default();
        }
        let mut found = BTreeSet::new();
        follow(cx, files, root, named, &mut found);
        Imports { folders: (!found.is_empty()).then_some(found) }
    }

    /// Is this file read? Says so where it is not.
    pub(super) fn reads(&self, cx: &mut Cx, path: &str) -> bool {
        let Some(folders) = &self.folders else { return true };
        let own = !path.contains('/') || OWN_FOLDERS.iter().any(|folder| is_below(path, folder));
        let read = own || folders.iter().any(|folder| is_below(path, folder));
        if !read {
            let place = Place { path: path.to_owned(), line: 0, column: 0 };
            cx.warn(&place, "", "is not read: nothing below `imports` of config.yml names its folder");
        }
        read
    }

    /// Are these the settings of something that is imported? Of those only `imports` counts.
    pub(super) fn are_of_import(&self, path: &str) -> bool {
        self.folders.is_some() && path.contains('/') && is_settings(path)
    }
}

fn is_settings(path: &str) -> bool {
    ["config.yml", "config.yaml"].contains(&path.rsplit('/').next().unwrap_or_default())
}

/// A file's content; what is wrong with it is said when it is read.
fn mapping(file: &SourceFile) -> Option<Node> {
    yaml::parse(&file.text).ok().flatten()
}

fn names_many(cx: &mut Cx, importers: &Node) -> bool {
    let mut many = false;
    for (i, (name, _, place)) in components(cx, "importers", importers).into_iter().enumerate() {
        if !IMPORTERS.contains(&name.as_str()) {
            let hint = did_you_mean(&name, IMPORTERS);
            let message = format!(
                "unknown importer `{name}`{hint}; custom importers are not supported: put the files into the assistant's folder"
            );
            cx.error(&place, &format!("importers[{i}]"), message);
        }
        many |= name == MULTI_PROJECT;
    }
    many
}

/// Takes up what a settings file imports, and what is imported there.
fn follow(cx: &mut Cx, files: &[SourceFile], settings: &SourceFile, named: &Node, found: &mut BTreeSet<String>) {
    let folder = settings.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    cx.path.clone_from(&settings.path);
    for (i, item) in cx.list(named, "imports", "a list of folders").iter().enumerate() {
        let field = format!("imports[{i}]");
        let Some(import) = cx.text(item, &field) else { continue };
        let place = cx.place(item);
        let Some(path) = resolved(folder, &import) else {
            let message = format!(
                "`{import}` lies outside of the assistant's folder; copy it into the folder, or load the folder above"
            );
            cx.error(&place, &field, message);
            continue;
        };
        if !files.iter().any(|f| is_below(&f.path, &path)) {
            let message = format!(
                "`{import}` holds no file whose name ends in .yml or .yaml; expected a folder of the assistant"
            );
            cx.error(&place, &field, message);
            continue;
        }
        if !found.insert(path.clone()) {
            continue;
        }
        for file in files.iter().filter(|f| is_settings(&f.path) && is_below(&f.path, &path)) {
            let node = mapping(file);
            let imports = node.as_ref().and_then(|n| match &n.data {
                Data::Map(pairs) => get(pairs, "imports"),
                _ => None,
            });
            if let Some(imports) = imports {
                follow(cx, files, file, imports, found);
                cx.path.clone_from(&settings.path);
            }
        }
    }
}

/// A path relative to the assistant's folder; `None` if it leads out of it.
pub(super) fn resolved(folder: &str, import: &str) -> Option<String> {
    if import.starts_with('/') || import.contains(':') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|p| !p.is_empty()).collect();
    for part in import.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}
