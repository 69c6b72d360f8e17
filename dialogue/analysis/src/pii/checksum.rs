//! The checksums that tell numbers of cards, accounts and residents from any others.

/// Luhn's algorithm (ISO/IEC 7812-1, annex B) over ASCII digits.
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let value = u32::from(digit - b'0');
            match (place % 2, value) {
                (0, value) => value,
                (_, value) if value >= 5 => 2 * value - 9,
                (_, value) => 2 * value,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The remainder by 97 of an IBAN (ISO 13616): its first four characters go behind the rest, letters count 10 to 35.
pub(super) fn iban(characters: &[u8]) -> bool {
    let Some((front, rest)) = characters.split_at_checked(4) else { return false };
    let mut remainder = 0u32;
    for character in rest.iter().chain(front) {
        remainder = match character {
            b'0'..=b'9' => remainder * 10 + u32::from(character - b'0'),
            b'A'..=b'Z' => remainder * 100 + u32::from(character - b'A') + 10,
            _ => return false,
        } % 97;
    }
    remainder == 1
}

/// The check character of a Chinese resident's id (ISO 7064, MOD 11-2): 17 digits, and a digit or X.
pub(super) fn resident(digits: &[u8], check: u8) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    if digits.len() != WEIGHTS.len() {
        return false;
    }
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    b"10X98765432"[(sum % 11) as usize] == check.to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_digit_is_noticed() {
        for (valid, check) in [
            ("4111111111111111", luhn as fn(&[u8]) -> bool),
            ("GB82WEST12345698765432", iban),
            ("11010519491231002X", |id| resident(&id[..17], id[17])),
        ] {
            let valid = valid.as_bytes();
            assert!(check(valid));
            for place in 0..valid.len() {
                if valid[place].is_ascii_digit() {
                    let mut wrong = valid.to_vec();
                    wrong[place] = b'0' + (wrong[place] - b'0' + 1) % 10;
                    assert!(!check(&wrong), "place {place}");
                }
            }
        }
        assert!(!iban(b"GB"));
    }
}
