//! From when to when a fault was there: from an act to the act that undoes it on the same node.

use crate::act::Act;
use crate::record::ActRecord;

/// A fault on a node.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Span<'a> {
    /// The act that began it.
    pub act: &'a ActRecord,
    /// When it was undone, in milliseconds from the drill's begin; the drill's end if it was not.
    pub to_ms: f64,
    /// Was it undone?
    pub undone: bool,
}

/// All faults, in the order of their beginnings.
pub(super) fn spans(acts: &[ActRecord], end_ms: f64) -> Vec<Span<'_>> {
    let mut spans: Vec<Span<'_>> = Vec::new();
    for act in acts {
        if !act.undoes {
            spans.push(Span { act, to_ms: end_ms.max(act.at_ms), undone: false });
            continue;
        }
        let open = || (0..spans.len()).filter(|i| !spans[*i].undone && spans[*i].act.node == act.node);
        let mut undone: Vec<usize> = open().filter(|i| undoing(&spans[*i].act.what) == Some(kind(&act.what))).collect();
        // Words that name no act are taken to undo what was done last.
        if undone.is_empty() {
            undone.extend(open().next_back());
        }
        for i in undone {
            spans[i].to_ms = act.at_ms.max(spans[i].act.at_ms);
            spans[i].undone = true;
        }
    }
    spans
}

/// The times with at least one fault, in milliseconds, ascending and apart from each other.
pub(super) fn covered(spans: &[Span<'_>]) -> Vec<(f64, f64)> {
    let mut times: Vec<(f64, f64)> = spans.iter().map(|span| (span.act.at_ms, span.to_ms)).collect();
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut covered: Vec<(f64, f64)> = Vec::new();
    for (from, to) in times {
        match covered.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => covered.push((from, to)),
        }
    }
    covered
}

/// An act's name without its parameters.
pub(super) fn kind(what: &str) -> &str {
    what.split_whitespace().next().unwrap_or(what)
}

/// The name of the act that undoes the act of this name.
fn undoing(what: &str) -> Option<&'static str> {
    // The parameters play no part in which act undoes which.
    const FAULTS: [Act; 12] = [
        Act::Kill,
        Act::Stop,
        Act::Freeze,
        Act::Cut,
        Act::CutOutgoing,
        Act::CutIncoming,
        Act::Lossy { percent: 1 },
        Act::SlowLink { delay_ms: 1, kilobit: 1 },
        Act::SlowDisk { delay_ms: 1 },
        Act::FillDisk,
        Act::StepClock { offset_ms: 1 },
        Act::WrongCertificate,
    ];
    FAULTS.iter().find(|fault| fault.kind() == kind(what))?.undo().map(|undo| undo.kind())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act(at_ms: f64, node: u64, what: &str, undoes: bool) -> ActRecord {
        ActRecord { at_ms, zone: "a".into(), node, what: what.into(), undoes }
    }

    fn times(acts: &[ActRecord]) -> Vec<(f64, f64, bool)> {
        spans(acts, 100.0).iter().map(|s| (s.act.at_ms, s.to_ms, s.undone)).collect()
    }

    #[test]
    fn a_fault_lasts_until_its_own_undoing_on_the_same_node() {
        let acts = [
            act(1.0, 1, "kill", false),
            act(2.0, 1, "slow-disk +50 ms", false),
            act(3.0, 2, "kill", false),
            act(4.0, 1, "start", true),
            act(5.0, 1, "mend-disk", true),
        ];
        assert_eq!(times(&acts), [(1.0, 4.0, true), (2.0, 5.0, true), (3.0, 100.0, false)]);
    }

    #[test]
    fn one_mended_link_ends_all_that_ailed_it() {
        let acts = [act(1.0, 1, "lossy 5 %", false), act(2.0, 1, "cut", false), act(3.0, 1, "mend-link", true)];
        assert_eq!(times(&acts), [(1.0, 3.0, true), (2.0, 3.0, true)]);
    }

    #[test]
    fn words_that_name_no_act_undo_the_last() {
        let acts = [act(1.0, 1, "pull the plug", false), act(2.0, 1, "plug in", true), act(3.0, 1, "plug in", true)];
        assert_eq!(times(&acts), [(1.0, 2.0, true)]);
    }

    #[test]
    fn overlapping_faults_cover_one_time() {
        let acts = [
            act(1.0, 1, "kill", false),
            act(2.0, 2, "kill", false),
            act(3.0, 1, "start", true),
            act(4.0, 2, "start", true),
            act(9.0, 1, "kill", false),
        ];
        assert_eq!(covered(&spans(&acts, 10.0)), [(1.0, 4.0), (9.0, 10.0)]);
    }
}
