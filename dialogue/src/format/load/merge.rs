//! Declarations that stand in two places: they are one where they agree, as in Rasa's merged domains, and an error where they
//! do not.

use super::cx::Cx;
use crate::format::{EntityType, Form, Intent, Place, Slot, Variation};
use std::collections::BTreeMap;

/// Something that knows where it is declared.
pub(super) trait Declared: PartialEq + Clone {
    fn place(&self) -> Place;
    /// The same with no places in it, to be compared.
    fn anywhere(self) -> Self;
}

macro_rules! declared {
    ($($name:ty),+) => {$(
        impl Declared for $name {
            fn place(&self) -> Place {
                self.place.clone()
            }
            fn anywhere(self) -> Self {
                Self { place: Place::default(), ..self }
            }
        }
    )+};
}
declared!(Intent, EntityType, Form);

impl Declared for Slot {
    fn place(&self) -> Place {
        self.place.clone()
    }
    fn anywhere(mut self) -> Self {
        self.place = Place::default();
        self.mappings.iter_mut().for_each(|m| m.place = Place::default());
        self
    }
}

impl Declared for Vec<Variation> {
    fn place(&self) -> Place {
        self.first().map(|v| v.place.clone()).unwrap_or_default()
    }
    fn anywhere(mut self) -> Self {
        self.iter_mut().for_each(|v| v.place = Place::default());
        self
    }
}

impl Declared for Place {
    fn place(&self) -> Place {
        self.clone()
    }
    fn anywhere(self) -> Self {
        Place::default()
    }
}

/// Takes up a declaration; answers whether it is the first of its name.
pub(super) fn declare<T: Declared>(
    cx: &mut Cx,
    known: &mut BTreeMap<String, T>,
    (name, field): (&str, &str),
    place: &Place,
    found: T,
) -> bool {
    let same = known.get(name).is_none_or(|first| first.clone().anywhere() == found.clone().anywhere());
    let of_others = cx.skills.declared(field, name, place, same);
    match known.get(name) {
        // Whose it is, and whether both may declare it, is decided when all files are read.
        Some(_) if of_others => false,
        None => {
            known.insert(name.to_owned(), found);
            true
        }
        Some(first) => {
            again(cx, place, field, &first.place(), same);
            false
        }
    }
}

/// Reports a second declaration and names the first.
pub(super) fn again(cx: &mut Cx, place: &Place, field: &str, first: &Place, same: bool) {
    if same {
        cx.warn(place, field, format!("declared twice in the same way; the first time at {first}"));
    } else {
        cx.error(place, field, format!("declared twice, and not in the same way; the first time at {first}"));
    }
}
