//! How long nothing was acknowledged, read off the instants of the acknowledgements.

/// The longest time between two neighbouring instants that touches `from_ns..to_ns`, in nanoseconds.
///
/// The window's own ends count as instants only where no acknowledgement lies beyond them. `instants` ascend.
pub fn longest_gap_ns(instants: &[u64], from_ns: u64, to_ns: u64) -> u64 {
    let first = instants.partition_point(|at| *at <= from_ns);
    let before = first.checked_sub(1).map_or(from_ns, |i| instants[i]);
    let mut previous = before;
    let mut longest = 0;
    for at in &instants[first..] {
        longest = longest.max(at - previous);
        previous = *at;
        if *at >= to_ns {
            return longest;
        }
    }
    longest.max(to_ns.saturating_sub(previous))
}

/// The longest time within `from_ns..to_ns` and what it touches in which somebody waited and nobody was served, in
/// nanoseconds. A wait is `(began, served)`. While nobody waits, nothing pauses: a quiet moment is no outage.
pub fn unserved_ns(waits: &[(u64, u64)], from_ns: u64, to_ns: u64) -> u64 {
    let mut waits: Vec<(u64, u64)> = waits.iter().copied().filter(|w| w.1 >= from_ns && w.0 <= to_ns).collect();
    waits.sort_unstable_by_key(|w| w.1);
    // For each wait the earliest beginning among it and those that were served after it.
    let mut earliest = u64::MAX;
    let mut longest = 0;
    for i in (0..waits.len()).rev() {
        earliest = earliest.min(waits[i].0);
        let served_before = i.checked_sub(1).map_or(0, |previous| waits[previous].1);
        longest = longest.max(waits[i].1 - earliest.max(served_before));
    }
    longest
}

/// The value at a quantile by the nearest rank: the least value that so large a share of all values does not exceed.
///
/// `quantile` lies in 0 to 1 and is moved there if it does not; in the unit of `values`; none of nothing.
pub fn percentile(values: &[f64], quantile: f64) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    // 0.07 × 100 is a little more than 7 in floating point; without the allowance it would be the eighth value.
    let rank = (quantile.clamp(0.0, 1.0) * values.len() as f64 - RANK_TOLERANCE).ceil().max(1.0) as usize;
    values.get(rank - 1).copied()
}

/// By how much a rank may lie above a whole number and still be that number.
const RANK_TOLERANCE: f64 = 1e-9;

/// The median (the upper one of an even number); none of nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_counts_with_its_whole_length_where_it_touches_the_window() {
        let instants = [10, 20, 100, 110, 500];
        assert_eq!(longest_gap_ns(&instants, 30, 90), 80);
        assert_eq!(longest_gap_ns(&instants, 12, 18), 10);
        assert_eq!(longest_gap_ns(&instants, 100, 105), 10);
        assert_eq!(longest_gap_ns(&instants, 0, 600), 390);
    }

    #[test]
    fn silence_until_the_end_of_the_window_is_a_gap() {
        assert_eq!(longest_gap_ns(&[10, 20], 15, 1_000), 980);
        assert_eq!(longest_gap_ns(&[], 15, 1_000), 985);
    }

    #[test]
    fn only_where_somebody_waits_is_a_pause() {
        // Served at 10, 20, 100: the last began at 90, so nothing paused for 80.
        assert_eq!(unserved_ns(&[(0, 10), (12, 20), (90, 100)], 0, 200), 10);
        // Somebody who is served later has waited since 30.
        assert_eq!(unserved_ns(&[(12, 20), (90, 100), (30, 110)], 0, 200), 70);
        // What was over before, and what began after, does not count.
        assert_eq!(unserved_ns(&[(0, 50), (300, 900)], 60, 200), 0);
        // It counts with its whole length where it touches the window.
        assert_eq!(unserved_ns(&[(10, 500)], 60, 70), 490);
        assert_eq!(unserved_ns(&[], 0, 10), 0);
    }

    #[test]
    fn the_median_is_an_element() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0]), Some(4.0));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn a_percentile_is_the_element_of_the_nearest_rank() {
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(&hundred, 0.5), Some(50.0));
        assert_eq!(percentile(&hundred, 0.07), Some(7.0));
        assert_eq!(percentile(&hundred, 0.99), Some(99.0));
        assert_eq!(percentile(&hundred, 0.991), Some(100.0));
        assert_eq!(percentile(&hundred, 1.0), Some(100.0));
        assert_eq!(percentile(&hundred, 0.0), Some(1.0));
        assert_eq!(percentile(&[15.0, 20.0, 35.0, 40.0, 50.0], 0.3), Some(20.0));
    }

    #[test]
    fn a_percentile_of_few_values_is_one_of_them() {
        assert_eq!(percentile(&[], 0.5), None);
        assert_eq!(percentile(&[7.0], 0.0), Some(7.0));
        assert_eq!(percentile(&[7.0], 0.99), Some(7.0));
        assert_eq!(percentile(&[3.0, 1.0, 2.0], 0.99), Some(3.0));
        assert_eq!(percentile(&[3.0, 1.0, 2.0], -1.0), Some(1.0));
        assert_eq!(percentile(&[3.0, 1.0, 2.0], 2.0), Some(3.0));
        assert_eq!(percentile(&[3.0, 1.0, 2.0], f64::NAN), Some(1.0));
    }
}
