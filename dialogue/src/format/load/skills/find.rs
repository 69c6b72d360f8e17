//! Finds the skills: those that `skills:` names, or, where the folder is a skill itself, that one and those below it.

use super::{Skills, is_manifest, manifest};
use crate::format::load::{
    cx::{Cx, get},
    imports::resolved,
    yaml::{self, Data},
};
use crate::format::skill::is_below;
use crate::format::{Place, SourceFile};
use std::collections::BTreeMap;

impl Skills {
    /// Reads all manifests; `cx` knows the skills from then on.
    pub(in super::super) fn find(cx: &mut Cx, files: &[SourceFile]) {
        let folder = |file: &SourceFile| file.path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        let manifests = files.iter().filter(|f| is_manifest(&f.path));
        let there: BTreeMap<String, &SourceFile> = manifests.map(|f| (folder(f), f)).collect();
        let errors = cx.errors.len();
        let alone = there.contains_key("");
        let named = named(cx, files, &there);
        let mut skills = Skills::default();
        for (folder, file) in &there {
            if !alone && !named.contains_key(folder) {
                let place = Place { path: file.path.clone(), line: 0, column: 0 };
                let message = format!("is not used: nothing below `skills` of config.yml names the folder `{folder}`");
                cx.warn(&place, "", message);
                skills.unused.insert(folder.clone());
                continue;
            }
            let Some(manifest) = manifest::read(cx, file, folder) else { continue };
            let namesake = skills.manifests.iter().find(|m| m.skill.name == manifest.skill.name);
            if let Some(first) = namesake {
                let message = format!(
                    "`{}` is the name of two skills: version {} here, version {} at {}; an assistant has one of each name",
                    manifest.skill.name, manifest.skill.version, first.skill.version, first.name_at
                );
                cx.error(&manifest.name_at, "name", message);
            }
            skills.manifests.push(manifest);
        }
        skills.broken = cx.errors.len() > errors;
        cx.skills = skills;
    }
}

/// The folders that `skills:` names in the files of the assistant's folder itself, with where each is named.
fn named(cx: &mut Cx, files: &[SourceFile], there: &BTreeMap<String, &SourceFile>) -> BTreeMap<String, Place> {
    let mut found: BTreeMap<String, Place> = BTreeMap::new();
    for file in files.iter().filter(|f| !f.path.contains('/') && !is_manifest(&f.path)) {
        // What is wrong with a file is said when it is read.
        let Ok(Some(node)) = yaml::parse(&file.text) else { continue };
        let Data::Map(pairs) = &node.data else { continue };
        let Some(list) = get(pairs, "skills") else { continue };
        cx.path.clone_from(&file.path);
        for (i, item) in cx.list(list, "skills", "a list of folders, e.g. `- skills/booking`").iter().enumerate() {
            let field = format!("skills[{i}]");
            let Some(path) = cx.text(item, &field) else { continue };
            let place = cx.place(item);
            let Some(folder) = resolved("", &path) else {
                let message = format!(
                    "`{path}` does not lie below the assistant's folder; copy it there, or leave it out here and compose it with `--skill {path}`"
                );
                cx.error(&place, &field, message);
                continue;
            };
            if !there.contains_key(&folder) {
                cx.error(&place, &field, missing(&folder, files, there));
                continue;
            }
            if let Some(first) = found.get(&folder) {
                cx.error(&place, &field, format!("`{folder}` is named twice; the first time at {first}"));
                continue;
            }
            found.insert(folder, place);
        }
    }
    found
}

fn missing(folder: &str, files: &[SourceFile], there: &BTreeMap<String, &SourceFile>) -> String {
    let hint = crate::format::did_you_mean(folder, there.keys().map(String::as_str).filter(|f| !f.is_empty()));
    if files.iter().any(|f| is_below(&f.path, folder)) {
        format!("`{folder}` holds no skill.yml; expected a skill's folder{hint}")
    } else {
        format!("there is no folder `{folder}`; expected a skill's folder, with a skill.yml{hint}")
    }
}
