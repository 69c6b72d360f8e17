//! Splits of labelled examples: every label is divided alike, and the seed decides how.

use crate::ids::hash64;
use std::collections::BTreeMap;

/// Which examples are learned from and which are asked, by their places.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Split {
    /// Learned from.
    pub train: Vec<usize>,
    /// Asked.
    pub held_out: Vec<usize>,
}

/// `count` splits, in which every example is asked once. A label with fewer examples than splits is missing in some of them.
pub fn folds(labels: &[&str], count: usize, seed: u64) -> Vec<Split> {
    let mut splits = vec![Split::default(); count];
    for places in shuffled(labels, seed).values() {
        for (nth, place) in places.iter().enumerate() {
            for (fold, split) in splits.iter_mut().enumerate() {
                if nth % count == fold { &mut split.held_out } else { &mut split.train }.push(*place);
            }
        }
    }
    splits.iter_mut().for_each(Split::sort);
    splits
}

/// One split, in which `share` of every label's examples is asked (rounded; at least one is learned from).
pub fn holdout(labels: &[&str], share: f64, seed: u64) -> Split {
    let mut split = Split::default();
    for places in shuffled(labels, seed).values() {
        let asked = ((places.len() as f64 * share).round() as usize).min(places.len().saturating_sub(1));
        split.held_out.extend(&places[..asked]);
        split.train.extend(&places[asked..]);
    }
    split.sort();
    split
}

/// At most `per_label` of the chosen examples of every label, in the order of their places.
pub fn few(chosen: &[usize], labels: &[&str], per_label: usize, seed: u64) -> Vec<usize> {
    let own: Vec<&str> = chosen.iter().map(|i| labels[*i]).collect();
    let shuffled = shuffled(&own, seed);
    let mut out: Vec<usize> = shuffled.values().flat_map(|p| p.iter().take(per_label)).map(|i| chosen[*i]).collect();
    out.sort_unstable();
    out
}

impl Split {
    fn sort(&mut self) {
        self.train.sort_unstable();
        self.held_out.sort_unstable();
    }
}

/// The places of every label, in an order that the seed decides.
fn shuffled<'l>(labels: &[&'l str], seed: u64) -> BTreeMap<&'l str, Vec<usize>> {
    let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, label) in labels.iter().enumerate() {
        places.entry(label).or_default().push(place);
    }
    let key = |place: &usize| hash64(&[seed.to_le_bytes(), (*place as u64).to_le_bytes()].concat());
    places.values_mut().for_each(|places| places.sort_by_cached_key(|place| (key(place), *place)));
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: [&str; 10] = ["a", "a", "b", "a", "b", "a", "a", "b", "a", "a"];

    #[test]
    fn every_example_is_asked_once_and_every_label_is_divided_alike() {
        let splits = folds(&LABELS, 3, 1);
        let mut asked: Vec<usize> = splits.iter().flat_map(|s| s.held_out.clone()).collect();
        asked.sort_unstable();
        assert_eq!(asked, (0..10).collect::<Vec<_>>());
        for split in &splits {
            assert_eq!(split.train.len() + split.held_out.len(), 10);
            assert!(split.train.iter().all(|i| !split.held_out.contains(i)));
            assert_eq!(split.held_out.iter().filter(|i| LABELS[**i] == "b").count(), 1);
        }
    }

    #[test]
    fn the_seed_decides() {
        assert_eq!(holdout(&LABELS, 0.3, 1), holdout(&LABELS, 0.3, 1));
        assert!((2..9).any(|seed| holdout(&LABELS, 0.3, 1) != holdout(&LABELS, 0.3, seed)));
        let split = holdout(&LABELS, 0.3, 1);
        assert_eq!((split.train.len(), split.held_out.len()), (7, 3));
        // A label's only example is learned from.
        assert_eq!(holdout(&["a"], 0.9, 1).train, [0]);
    }

    #[test]
    fn few_takes_as_many_of_every_label() {
        let chosen = [0, 1, 3, 4, 7];
        let some = few(&chosen, &LABELS, 2, 5);
        assert_eq!(some.len(), 4);
        assert!(some.iter().all(|i| chosen.contains(i)) && some.contains(&4) && some.contains(&7));
    }
}
