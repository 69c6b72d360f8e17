//! `EntityReport`: how well entities are found. What counts is the exact span with its type, role and group.

use super::{Judged, Score};
use crate::Entity;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What came of asking for the entities of examples.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct EntityReport {
    /// Over all spans.
    pub micro_avg: Score,
    /// The mean over the kinds, each counting the same.
    pub macro_avg: Score,
    /// Every kind, as `entity`, `entity.role` or `entity.role.group`.
    pub entities: BTreeMap<String, Score>,
}

/// Where a span stands and what it is.
type Span<'e> = (u32, u32, &'e str, Option<&'e str>, Option<&'e str>);

fn span(e: &Entity) -> Span<'_> {
    (e.start, e.end, &e.entity, e.role.as_deref(), e.group.as_deref())
}

fn kind((_, _, entity, role, group): &Span<'_>) -> String {
    [Some(*entity), *role, *group].into_iter().flatten().collect::<Vec<_>>().join(".")
}

impl EntityReport {
    /// Of examples; a kind that no example has counts as wrongly found.
    pub fn of(judged: &[Judged<'_>]) -> Self {
        // How many there are, how many were said, how many of these are right.
        let mut counts: BTreeMap<String, [usize; 3]> = BTreeMap::new();
        for j in judged {
            let is: BTreeSet<Span<'_>> = j.example.entities.iter().map(span).collect();
            let said: BTreeSet<Span<'_>> = j.heard.entities.iter().map(span).collect();
            is.iter().for_each(|s| counts.entry(kind(s)).or_default()[0] += 1);
            said.iter().for_each(|s| counts.entry(kind(s)).or_default()[1] += 1);
            is.intersection(&said).for_each(|s| counts.entry(kind(s)).or_default()[2] += 1);
        }
        let sum = |i: usize| counts.values().map(|c| c[i]).sum();
        let micro_avg = Score::of(sum(0), sum(1), sum(2));
        let entities: BTreeMap<String, Score> =
            counts.into_iter().map(|(kind, [is, said, right])| (kind, Score::of(is, said, right))).collect();
        let macro_avg = Score::mean(entities.values().filter(|s| s.support > 0), |_| 1.0);
        Self { micro_avg, macro_avg, entities }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NluExample, Understanding};

    #[test]
    fn only_the_exact_span_with_its_role_counts() {
        let entity = |entity: &str, role: Option<&str>, start, end| Entity {
            entity: entity.into(),
            role: role.map(str::to_owned),
            start,
            end,
            ..Entity::default()
        };
        let example = NluExample {
            text: "from A to BC now".into(),
            intent: "go".into(),
            response_key: None,
            entities: vec![entity("city", Some("from"), 5, 6), entity("city", Some("to"), 10, 12)],
        };
        let entities =
            vec![entity("city", Some("from"), 5, 6), entity("city", Some("to"), 10, 11), entity("time", None, 13, 16)];
        let heard = Understanding { entities, ..Understanding::default() };
        let report = EntityReport::of(&[Judged { example: &example, heard: &heard }]);
        assert_eq!(report.micro_avg, Score::of(2, 3, 1));
        assert_eq!(report.entities["city.from"], Score::of(1, 1, 1));
        assert_eq!(report.entities["city.to"], Score::of(1, 1, 0));
        assert_eq!(report.entities["time"], Score::of(0, 1, 0));
        assert_eq!(report.macro_avg.f1, 0.5);
    }
}
