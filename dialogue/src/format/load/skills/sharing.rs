//! Who declares a name, who may use it, and what is wrong where two declare it.

use super::{Declaration, Kind, Owner, Skills, manifest::ASSISTANT};
use crate::format::Place;
use crate::format::load::cx::Cx;

impl Skills {
    /// Notes a declaration. Answers whether its name is declared elsewhere by somebody else: what becomes of it is then decided
    /// when all files are read.
    pub(in super::super) fn declared(&mut self, field: &str, name: &str, place: &Place, same: bool) -> bool {
        let Some(kind) = Kind::of_field(field) else { return false };
        let owner = self.owner(&place.path);
        // A response may be listed among the actions, too.
        if self.manifests.is_empty() || (kind == Kind::Action && name.starts_with("utter_")) {
            return false;
        }
        let all = self.declared.entry((kind, name.to_owned())).or_default();
        let others = all.iter().any(|d| d.owner != owner);
        all.push(Declaration { place: place.clone(), owner, same });
        others
    }

    pub(super) fn declares(&self, owner: Owner, kind: Kind, name: &str) -> bool {
        let of = self.declared.get(&(kind, name.to_owned()));
        of.is_some_and(|all| all.iter().any(|d| d.owner == owner))
    }

    /// Decides whose each name is, and reports those that two claim.
    pub(in super::super) fn settle(cx: &mut Cx) {
        let mut skills = std::mem::take(&mut cx.skills);
        let mut owners = std::collections::BTreeMap::new();
        for ((kind, name), all) in &skills.declared {
            let first = &all[0];
            let owner = match skills.shared_owner(*kind, name, all) {
                Some(owner) => owner,
                None => {
                    let second = all.iter().find(|d| d.owner != first.owner).unwrap_or(first);
                    let message = skills.conflict(*kind, name, first, second);
                    cx.error(&second.place, &format!("{}.{name}", kind.key()), message);
                    first.owner
                }
            };
            // One owner's own declarations were compared where they were read.
            let shared = all.iter().any(|d| d.owner != first.owner) && skills.shared_owner(*kind, name, all).is_some();
            if let Some(other) = all.iter().find(|d| shared && !d.same) {
                let message = format!(
                    "{} shares it with {}, but declares it in another way than {}; make the two equal, or leave one out",
                    skills.called(other.owner),
                    skills.called(if other.owner == owner { first.owner } else { owner }),
                    first.place
                );
                cx.error(&other.place, &format!("{}.{name}", kind.key()), message);
            }
            owners.insert((*kind, name.clone()), owner);
        }
        skills.owners = owners;
        cx.skills = skills;
    }

    /// Whose a name is: its only declarer's, or that one's from which all other declarers say that they take it.
    fn shared_owner(&self, kind: Kind, name: &str, all: &[Declaration]) -> Option<Owner> {
        let first = all.first()?.owner;
        if all.iter().all(|d| d.owner == first) {
            return Some(first);
        }
        // The assistant may be away where a skill stands alone.
        let candidates = all.iter().map(|d| d.owner).chain([None]);
        let fits = |owner: &Owner| {
            let from = self.name(*owner);
            let takes = |d: &Declaration| self.of(d.owner).is_some_and(|m| m.takes(from, kind, name));
            all.iter().all(|d| d.owner == *owner || takes(d))
        };
        candidates.into_iter().find(fits)
    }

    fn conflict(&self, kind: Kind, name: &str, first: &Declaration, second: &Declaration) -> String {
        // The skill takes it from the assistant; of two skills, the later one from the earlier one.
        let (taker, from) = match (self.of(second.owner), self.of(first.owner)) {
            (Some(taker), _) => (taker, self.name(first.owner)),
            (None, Some(taker)) => (taker, ASSISTANT),
            (None, None) => return String::new(),
        };
        format!(
            "{} declares the {} `{name}` too, at {}; rename one of them, or share it: `{}: [{name}]` below `needs.{from}` of {}",
            self.called(first.owner),
            kind.one(),
            first.place,
            kind.key(),
            taker.path
        )
    }

    /// What is wrong with the use of a name in the file of `place`, if anything: it is private, or the skill does not say that it
    /// needs it. Said once for each user and name.
    pub(in super::super) fn misuse(&mut self, place: &Place, kind: Kind, name: &str) -> Option<String> {
        if self.broken {
            return None;
        }
        let owner = *self.owners.get(&(kind, name.to_owned()))?;
        let user = self.owner(&place.path);
        if user == owner {
            return None;
        }
        let message = match (self.of(owner), self.of(user)) {
            (Some(of), _) if !of.exports(kind, name) => format!(
                "the {} `{name}` is private to the skill `{}`; export it in {}: `{}: [{name}]` below `exports`",
                kind.one(),
                of.skill.name,
                of.path,
                kind.key()
            ),
            (_, Some(by)) if !by.takes(self.name(owner), kind, name) => format!(
                "the skill `{}` uses the {} `{name}` of {} and does not say so; write `{}: [{name}]` below `needs.{}` of {}",
                by.skill.name,
                kind.one(),
                self.called(owner),
                kind.key(),
                self.name(owner),
                by.path
            ),
            _ => return None,
        };
        self.reported.insert((user, kind, name.to_owned())).then_some(message)
    }

    /// Are two files of different owners? Then what they say may not meet by chance.
    pub(in super::super) fn apart(&self, one: &Place, other: &Place) -> bool {
        self.owner(&one.path) != self.owner(&other.path)
    }
    /// `the assistant` or ``the skill `booking` ``, for a message about a place.
    pub(in super::super) fn whose(&self, place: &Place) -> String {
        self.called(self.owner(&place.path))
    }
}
