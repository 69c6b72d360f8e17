//! Numbers as people read them: with thousands separators and no more digits than they mean.

/// What stands where a number is missing or is none.
pub(super) const NOTHING: &str = "–";

/// A whole number with thousands separators.
pub(super) fn count(n: u64) -> String {
    grouped(&n.to_string())
}

/// As [`count`].
pub(super) fn size(n: usize) -> String {
    grouped(&n.to_string())
}

/// With so many digits behind the point, for columns of numbers.
pub(super) fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return NOTHING.to_owned();
    }
    let text = format!("{:.decimals$}", value.abs());
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let sign = if value < 0.0 { "−" } else { "" };
    format!("{sign}{}{rest}", grouped(whole))
}

/// With about three digits that mean something.
pub(super) fn short(value: f64) -> String {
    let decimals = match value.abs() {
        v if v >= 100.0 || v == 0.0 => 0,
        v if v >= 10.0 => 1,
        _ => 2,
    };
    fixed(value, decimals)
}

/// A time in milliseconds, with its unit.
pub(super) fn ms(value: f64) -> String {
    format!("{} ms", short(value))
}

/// An instant in milliseconds, told in seconds, with its unit.
pub(super) fn instant(at_ms: f64) -> String {
    format!("{} s", fixed(at_ms / 1_000.0, 1))
}

/// How often one is contained in the other.
pub(super) fn ratio(ours: f64, theirs: f64) -> String {
    let ratio = ours / theirs;
    if ratio.is_finite() { format!("{} ×", short(ratio)) } else { NOTHING.to_owned() }
}

/// A name, cut off behind so many characters.
pub(super) fn cut(name: &str, chars_max: usize) -> String {
    match name.char_indices().nth(chars_max) {
        None => name.to_owned(),
        Some(_) => name.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect(),
    }
}

fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_parted() {
        assert_eq!(
            [0, 7, 999, 1_000, 123_456, 1_234_567].map(count),
            ["0", "7", "999", "1,000", "123,456", "1,234,567"]
        );
        assert_eq!(fixed(-1_234.56, 1), "−1,234.6");
        assert_eq!(fixed(999.96, 1), "1,000.0");
        assert_eq!(fixed(f64::NAN, 1), NOTHING);
    }

    #[test]
    fn digits_that_mean_nothing_are_left_out() {
        assert_eq!(
            [0.0, 0.123, 9.876, 12.34, 123.4, 12_345.6].map(ms),
            ["0 ms", "0.12 ms", "9.88 ms", "12.3 ms", "123 ms", "12,346 ms"]
        );
        assert_eq!(instant(61_250.0), "61.2 s");
        assert_eq!(ratio(1.0, 4.0), "0.25 ×");
        assert_eq!(ratio(1.0, 0.0), NOTHING);
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        assert_eq!(cut("zone", 4), "zone");
        assert_eq!(cut("zönes", 4), "zön…");
    }
}
