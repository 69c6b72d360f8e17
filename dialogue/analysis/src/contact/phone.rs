//! Numbers to call: in the form of E.164, and the national forms of North America, Britain and China.

use crate::text::{Cursor, Kind};

/// A number to call.
pub(crate) struct Phone<'a> {
    /// `(+1) 6502834757`, as Duckling writes it, or the digits alone; `ext 12` behind them.
    pub(crate) value: String,
    /// Whether its form alone says that it is one; else it might be any number.
    pub(crate) certain: bool,
    pub(crate) rest: Cursor<'a>,
}

/// Digits of a number of E.164, with its country code.
const DIGITS_MAX: usize = 15;
/// Groups of digits in one number.
const GROUPS_MAX: usize = 7;

/// The digits of a candidate, and how they were grouped.
struct Groups<'a> {
    plus: bool,
    digits: String,
    lengths: Vec<usize>,
    /// Behind each group.
    ends: Vec<Cursor<'a>>,
    /// Whether a bracket stood around the first group.
    bracket: bool,
    /// Whether only spaces parted them.
    spaces: bool,
}

/// A number to call that begins here.
pub(crate) fn find(cursor: Cursor<'_>) -> Option<Phone<'_>> {
    if glued_before(cursor) {
        return None;
    }
    let mut groups = groups(cursor)?;
    // The longest run of groups that makes a number.
    loop {
        let rest = *groups.ends.last()?;
        if let Some((value, certain)) = number(&groups).filter(|_| !glued_behind(rest)) {
            let (extension, rest) = match extension(rest) {
                Some((digits, rest)) => (format!(" ext {digits}"), rest),
                None => (String::new(), rest),
            };
            return Some(Phone { value: value + &extension, certain, rest });
        }
        let last = groups.lengths.pop()?;
        groups.ends.pop();
        groups.digits.truncate(groups.digits.len() - last);
    }
}

fn glued_before(cursor: Cursor<'_>) -> bool {
    let Some(before) = cursor.previous().filter(|_| cursor.touches()) else { return false };
    matches!(before.kind(), Some(Kind::Word | Kind::Digits))
        || matches!(before.word(), "." | "-" | "/" | "+" | "$" | "€" | "£" | "¥" | "#" | "_" | "=" | "@")
}

fn glued_behind(rest: Cursor<'_>) -> bool {
    if !rest.touches() {
        return false;
    }
    let more = |c: Cursor<'_>| c.touches() && matches!(c.kind(), Some(Kind::Digits | Kind::Word));
    match rest.word() {
        "-" | "." | "/" | ":" | "_" | "@" => more(rest.next()),
        "%" | "$" | "€" | "£" => true,
        "x" | "ext" => false,
        _ => matches!(rest.kind(), Some(Kind::Word | Kind::Digits)),
    }
}

/// The groups of digits from here on, with one sign or space between them.
fn groups(cursor: Cursor<'_>) -> Option<Groups<'_>> {
    let bracketed_plus = (cursor.word() == "(" && cursor.next().word() == "+").then(|| cursor.next());
    let start = bracketed_plus.unwrap_or(cursor);
    let plus = start.word() == "+";
    let mut rest = if plus { start.next() } else { start };
    let mut found = Groups { plus, digits: String::new(), lengths: vec![], ends: vec![], bracket: false, spaces: true };
    for group in 0..GROUPS_MAX {
        let mut after = rest;
        if group > 0 {
            match after.word() {
                "-" | "." | "/" => {
                    after = after.next();
                    found.spaces = false;
                }
                ")" if bracketed_plus.is_some() && group == 1 => after = after.next(),
                _ => {}
            }
        }
        let opened = after.word() == "(" && group <= 1;
        let digits = if opened { after.next() } else { after };
        // A group of its own begins behind a sign or a space.
        let behind_bracket = group > 0 && rest.previous().is_some_and(|c| c.word() == ")");
        let apart = group == 0 || opened || behind_bracket || digits.index > rest.index || !digits.touches();
        if digits.kind() != Some(Kind::Digits) || !apart || found.digits.len() + digits.word().len() > DIGITS_MAX {
            break;
        }
        let mut end = digits.next();
        if opened {
            end = end.eat(")")?;
            found.bracket = true;
            found.spaces = false;
        }
        found.digits.push_str(digits.word());
        found.lengths.push(digits.word().len());
        found.ends.push(end);
        rest = end;
    }
    (!found.lengths.is_empty()).then_some(found)
}

/// The value, and whether the form is certain.
fn number(groups: &Groups<'_>) -> Option<(String, bool)> {
    let digits = groups.digits.as_str();
    if groups.plus {
        let code = country(digits)?;
        let (code, national) = digits.split_at(code);
        let national = if code == "44" { national.strip_prefix('0').unwrap_or(national) } else { national };
        return (national.len() >= 6).then(|| (format!("(+{code}) {national}"), true));
    }
    let lengths = groups.lengths.as_slice();
    let parted = lengths.len() > 1;
    let plain = || digits.to_owned();
    if let Some(rest) = digits.strip_prefix("86").filter(|rest| chinese_mobile(rest)) {
        return Some((format!("(+86) {rest}"), true));
    }
    if chinese_mobile(digits) && matches!(lengths, [11] | [3, 4, 4] | [3, 8]) {
        return Some((plain(), true));
    }
    // 010-62345678, 0755-8888888; 400-810-8888.
    let area = matches!(lengths, [3 | 4, 7 | 8] | [3 | 4, 4, 4] | [3 | 4, 3, 4]) && digits.starts_with('0');
    let service = matches!(lengths, [3, 3, 4] | [3, 4, 3]) && (digits.starts_with("400") || digits.starts_with("800"));
    if area && !digits.starts_with("00") || service {
        return Some((plain(), true));
    }
    let (national, with_one) = match digits.strip_prefix('1') {
        Some(rest) if rest.len() == 10 => (rest, true),
        _ => (digits, false),
    };
    if north_american(national) {
        let shape = if with_one && parted && lengths[0] == 1 { &lengths[1..] } else { lengths };
        return match shape {
            [3, 3, 4] => Some((plain(), true)),
            [3, 7] if groups.bracket => Some((plain(), true)),
            [10] | [11] => Some((plain(), false)),
            _ => None,
        };
    }
    // Britain and the like: 020 7946 0958, 07700 900123.
    if digits.starts_with('0') && !digits.starts_with("00") && matches!(digits.len(), 10 | 11) && lengths[0] >= 2 {
        let grouped = parted && lengths.iter().all(|length| *length >= 2);
        return grouped.then(|| (plain(), true)).or((!parted && digits.starts_with("07")).then(|| (plain(), false)));
    }
    // 555-1234; with a space between them they are two numbers.
    let local = lengths == [3, 4] && !groups.spaces && matches!(digits.as_bytes().first(), Some(b'2'..=b'9'));
    local.then(|| (plain(), false))
}

/// Area and exchange begin with 2 to 9; an exchange is not N11.
fn north_american(digits: &str) -> bool {
    let bytes = digits.as_bytes();
    bytes.len() == 10
        && matches!(bytes[0], b'2'..=b'9')
        && matches!(bytes[3], b'2'..=b'9')
        && &bytes[1..3] != b"11"
        && &bytes[4..6] != b"11"
}

fn chinese_mobile(digits: &str) -> bool {
    let bytes = digits.as_bytes();
    bytes.len() == 11 && bytes[0] == b'1' && matches!(bytes[1], b'3'..=b'9')
}

/// Digits of the country code at the begin of a number of E.164.
fn country(digits: &str) -> Option<usize> {
    if !(8..=DIGITS_MAX).contains(&digits.len()) {
        return None;
    }
    let two: u32 = digits.get(..2)?.parse().ok()?;
    match two {
        0..=9 => None,
        10..=19 | 70..=79 => Some(1),
        20 | 27 | 30..=34 | 36 | 39..=41 | 43..=49 | 51..=58 | 60..=66 | 81 | 82 | 84 | 86 | 90..=95 | 98 => Some(2),
        _ => Some(3),
    }
}

/// `ext. 12`, `x12`.
fn extension(rest: Cursor<'_>) -> Option<(&str, Cursor<'_>)> {
    let after = rest.eat_any(&["ext", "extension", "x"])?;
    let after = after.joint(".").unwrap_or(after);
    let (_, length, end) = after.digits()?;
    (length <= 6).then(|| (after.word(), end))
}
