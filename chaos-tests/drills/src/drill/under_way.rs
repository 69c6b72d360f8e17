//! What a drill has done to whom and has not undone.

use crate::act::Act;
use crate::hands::Target;
use std::collections::BTreeSet;

/// The acts that are not undone yet, in their order, with their targets.
#[derive(Debug, Clone, Default)]
pub(super) struct UnderWay(Vec<(usize, Act)>);

impl UnderWay {
    /// An act is begun: it is under way from now on, or whatever it undoes no longer is.
    pub(super) fn begin(&mut self, target: usize, act: &Act) {
        match act.undo() {
            Some(_) => self.0.push((target, *act)),
            None => self.0.retain(|(t, done)| *t != target || !done.undo().is_some_and(|undo| act.closes(&undo))),
        }
    }

    /// The nodes that no quorum may count on.
    pub(super) fn away(&self, targets: &[Target]) -> BTreeSet<u64> {
        let away = self.0.iter().filter(|(_, done)| done.takes_the_node_away());
        away.map(|(target, _)| targets[*target].node).collect()
    }

    /// What undoes the newest of them, which then counts as undone.
    pub(super) fn undo_one(&mut self) -> Option<(usize, Act)> {
        let (target, done) = self.0.pop()?;
        Some((target, done.undo()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_away_until_all_that_took_it_away_is_undone() {
        let target = |node| Target { node, zone: String::new(), url: String::new() };
        let targets = [target(7), target(8)];
        let mut under_way = UnderWay::default();
        under_way.begin(0, &Act::StepClock { offset_ms: 5 });
        assert!(under_way.away(&targets).is_empty());
        under_way.begin(0, &Act::Kill);
        under_way.begin(0, &Act::Lossy { percent: 5 });
        under_way.begin(1, &Act::Freeze);
        assert_eq!(under_way.away(&targets), [7, 8].into());
        // It is started as another version, which is a start as well; its links are still bad.
        under_way.begin(0, &Act::StartPrevious);
        assert_eq!(under_way.away(&targets), [7, 8].into());
        under_way.begin(0, &Act::MendLink);
        assert_eq!(under_way.away(&targets), [8].into());
        // The newest goes first.
        assert_eq!(under_way.undo_one(), Some((1, Act::Thaw)));
        assert_eq!(under_way.undo_one(), Some((0, Act::StepClock { offset_ms: 0 })));
        assert_eq!(under_way.undo_one(), None);
    }
}
