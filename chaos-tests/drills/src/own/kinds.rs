//! The kinds of acts that a cluster file can name.

use crate::act::Act;

/// One act of each kind; parameters stand for any others.
pub(super) const KINDS: [Act; 19] = [
    Act::Kill,
    Act::Stop,
    Act::Start,
    Act::StartPrevious,
    Act::Freeze,
    Act::Thaw,
    Act::Cut,
    Act::CutOutgoing,
    Act::CutIncoming,
    Act::Lossy { percent: 1 },
    Act::SlowLink { delay_ms: 1, kilobit: 1 },
    Act::MendLink,
    Act::SlowDisk { delay_ms: 1 },
    Act::MendDisk,
    Act::FillDisk,
    Act::FreeDisk,
    Act::StepClock { offset_ms: 1 },
    Act::WrongCertificate,
    Act::RightCertificate,
];

/// An act of a kind, if there is the kind.
pub(super) fn of_kind(kind: &str) -> Option<Act> {
    KINDS.into_iter().find(|act| act.kind() == kind)
}

/// The names of all, for a message.
pub(super) fn names() -> String {
    KINDS.map(|act| act.kind()).join(", ")
}

/// Does the act do something to a link between zones, or undo that?
pub(super) fn is_of_link(act: &Act) -> bool {
    *act == Act::MendLink || act.undo() == Some(Act::MendLink)
}

/// Does the act nothing but undo another?
pub(super) fn undoes_only(act: &Act) -> bool {
    act.undo().is_none() && *act != Act::StartPrevious
}

/// Does the first undo the second?
pub(super) fn undoes(act: &Act, done: &Act) -> bool {
    done.undo() == Some(*act)
        || (*act == Act::StartPrevious && (*done == Act::StartPrevious || done.undo() == Some(Act::Start)))
        || (*act == Act::Start && *done == Act::StartPrevious)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_kind_is_there_once() {
        // The compiler asks for a new kind here; the count then asks for it above.
        let place = |act: &Act| match act {
            Act::Kill => 0,
            Act::Stop => 1,
            Act::Start => 2,
            Act::StartPrevious => 3,
            Act::Freeze => 4,
            Act::Thaw => 5,
            Act::Cut => 6,
            Act::CutOutgoing => 7,
            Act::CutIncoming => 8,
            Act::Lossy { .. } => 9,
            Act::SlowLink { .. } => 10,
            Act::MendLink => 11,
            Act::SlowDisk { .. } => 12,
            Act::MendDisk => 13,
            Act::FillDisk => 14,
            Act::FreeDisk => 15,
            Act::StepClock { .. } => 16,
            Act::WrongCertificate => 17,
            Act::RightCertificate => 18,
        };
        assert_eq!(KINDS.each_ref().map(place).to_vec(), (0..19).collect::<Vec<_>>());
        assert_eq!(KINDS.map(|a| a.kind()).into_iter().collect::<BTreeSet<_>>().len(), 19);
        assert_eq!(of_kind("slow-disk"), Some(Act::SlowDisk { delay_ms: 1 }));
        assert_eq!(of_kind("explode"), None);
    }

    #[test]
    fn what_undoes_what() {
        assert!(undoes(&Act::Start, &Act::Kill) && undoes(&Act::StartPrevious, &Act::Stop));
        assert!(undoes(&Act::StepClock { offset_ms: 0 }, &Act::StepClock { offset_ms: -7 }));
        assert!(!undoes(&Act::Thaw, &Act::Kill) && !undoes(&Act::StartPrevious, &Act::Freeze));
        assert!(undoes_only(&Act::StepClock { offset_ms: 0 }) && undoes_only(&Act::Start));
        assert!(!undoes_only(&Act::StartPrevious) && !undoes_only(&Act::StepClock { offset_ms: 1 }));
        assert!(is_of_link(&Act::MendLink) && is_of_link(&Act::Lossy { percent: 9 }) && !is_of_link(&Act::MendDisk));
    }
}
