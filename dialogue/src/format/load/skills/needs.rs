//! Checks what skills say that they need and export, once everything is declared.

use super::{
    Kind, Owner, Skills,
    manifest::{ASSISTANT, Manifest, Mention, Need},
};
use crate::format::load::cx::{Cx, did_you_mean};

/// Checks `exports` and `needs` of all skills.
pub(in super::super) fn check(cx: &mut Cx) {
    let skills = std::mem::take(&mut cx.skills);
    if !skills.broken {
        for (number, manifest) in skills.manifests.iter().enumerate() {
            manifest.exports.iter().for_each(|export| skills.check_export(cx, number, export));
            manifest.needs.iter().for_each(|need| skills.check_need(cx, number, manifest, need));
        }
        skills.check_cycles(cx);
    }
    cx.skills = skills;
}

impl Skills {
    /// A skill exports what is its own.
    fn check_export(&self, cx: &mut Cx, number: usize, export: &Mention) {
        let Mention { kind, name, field, place } = export;
        match self.owners.get(&(*kind, name.clone())) {
            Some(owner) if *owner == Some(number) => {}
            Some(owner) if self.declares(Some(number), *kind, name) => {
                let message = format!("`{name}` belongs to {}; a skill exports what is its own", self.called(*owner));
                cx.error(place, field, message);
            }
            _ => {
                let hint = self.near(Some(number), *kind, name);
                cx.error(place, field, format!("the skill declares no {} `{name}`{hint}", kind.one()));
            }
        }
    }

    fn check_need(&self, cx: &mut Cx, number: usize, manifest: &Manifest, need: &Need) {
        let field = format!("needs.{}", need.from);
        if need.from == ASSISTANT {
            need.takes.iter().for_each(|mention| self.check_taken(cx, number, None, mention));
            return;
        }
        if need.from == manifest.skill.name {
            cx.error(&need.place, &field, "a skill does not need itself");
            return;
        }
        let Some(from) = self.manifests.iter().position(|m| m.skill.name == need.from) else {
            let names = self.manifests.iter().map(|m| m.skill.name.as_str()).filter(|n| *n != manifest.skill.name);
            let hint = did_you_mean(&need.from, names.chain([ASSISTANT]));
            let way = if self.is_alone() {
                "put its folder next to this skill's, or name it with `--skill`"
            } else {
                "add its folder below `skills` of config.yml"
            };
            cx.error(&need.place, &field, format!("there is no skill `{}`{hint}; {way}", need.from));
            return;
        };
        let other = &self.manifests[from];
        if let Some((requirement, place)) = &need.version
            && !requirement.matches(&other.skill.version)
        {
            let message = format!(
                "found version {} of `{}` ({}), expected {requirement}",
                other.skill.version, other.skill.name, other.version_at
            );
            cx.error(place, &format!("{field}.version"), message);
        }
        need.takes.iter().for_each(|mention| self.check_taken(cx, number, Some(from), mention));
    }

    /// What a skill takes must be there, and be exported if it is another skill's.
    fn check_taken(&self, cx: &mut Cx, number: usize, from: Owner, mention: &Mention) {
        let Mention { kind, name, field, place } = mention;
        if !self.declares(from, *kind, name) {
            // Alone, a skill that declares what it needs of the assistant needs no assistant.
            if from.is_none() && self.is_alone() && self.declares(Some(number), *kind, name) {
                return;
            }
            let (who, hint) = (self.called(from), self.near(from, *kind, name));
            let way = if from.is_none() && self.is_alone() {
                "; a file in `tests` of this skill may declare it in the assistant's place"
            } else {
                ""
            };
            cx.error(place, field, format!("{who} declares no {} `{name}`{hint}{way}", kind.one()));
            return;
        }
        match self.of(from) {
            Some(other) if !other.exports(*kind, name) => {
                let message = format!(
                    "`{name}` is private to the skill `{}`; export it in {}: `{}: [{name}]` below `exports`",
                    other.skill.name,
                    other.path,
                    kind.key()
                );
                cx.error(place, field, message);
            }
            _ => {}
        }
    }

    fn check_cycles(&self, cx: &mut Cx) {
        let mut finished = vec![false; self.manifests.len()];
        for number in 0..self.manifests.len() {
            self.follow(cx, number, &mut Vec::new(), &mut finished);
        }
    }

    /// Depth first; the number of skills bounds the depth.
    fn follow(&self, cx: &mut Cx, number: usize, way: &mut Vec<usize>, finished: &mut [bool]) {
        if finished[number] {
            return;
        }
        way.push(number);
        for need in &self.manifests[number].needs {
            let Some(next) = self.manifests.iter().position(|m| m.skill.name == need.from) else { continue };
            match way.iter().position(|seen| *seen == next) {
                // A skill that needs itself was reported.
                Some(_) if next == number => {}
                Some(begin) => {
                    let names =
                        way[begin..].iter().chain([&next]).map(|n| format!("`{}`", self.manifests[*n].skill.name));
                    let circle = names.collect::<Vec<_>>().join(" needs ");
                    let message = format!("a cycle: {circle}; put what they share into a skill of its own");
                    cx.error(&need.place, &format!("needs.{}", need.from), message);
                }
                None => self.follow(cx, next, way, finished),
            }
        }
        way.pop();
        finished[number] = true;
    }

    /// A name of this kind that the owner declares and that looks like it.
    fn near(&self, owner: Owner, kind: Kind, name: &str) -> String {
        let of = self.declared.iter().filter(|((k, _), d)| *k == kind && d.iter().any(|d| d.owner == owner));
        did_you_mean(name, of.map(|((_, name), _)| name.as_str()))
    }
}
