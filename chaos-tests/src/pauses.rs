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
    fn the_median_is_an_element() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0]), Some(4.0));
        assert_eq!(median(&[]), None);
    }
}
