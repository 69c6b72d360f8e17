//! Chinese numbers: 三百二十一, 两千零五, 1.5亿, 3千, 三点五, 二〇二六.

use super::{Numeral, digits};
use crate::text::{Cursor, Kind};

/// Characters of one number, which keeps the work at each place bounded.
const CHARACTERS_MAX: usize = 40;

/// The digits, each with its forms: daily, formal, traditional.
const DIGITS: [&str; 10] = ["零〇", "一壹", "二两貳贰兩", "三叁參", "四肆", "五伍", "六陆陸", "七柒", "八捌", "九玖"];

/// A number in digits or in characters.
pub(super) fn number(cursor: Cursor<'_>) -> Option<(Numeral, Cursor<'_>)> {
    if let Some((number, rest)) = digits::number(cursor) {
        let (value, rest) = scaled(number.value, rest);
        // 1万2千, and so on downwards.
        let (value, rest) = match number_below(rest, value) {
            Some((tail, after)) => (value + tail, after),
            None => (value, rest),
        };
        return Some((Numeral { value, digits: true }, rest));
    }
    characters(cursor)
}

/// 百分之五十 as 0.5, as Duckling has it.
pub(super) fn share(cursor: Cursor<'_>) -> Option<(f64, Cursor<'_>)> {
    let (percent, rest) = super::chinese_percent(cursor)?;
    Some((percent / 100.0, rest))
}

/// Whether a single digit is but a part of a word, such as 一起 and 统一.
pub(super) fn inside_of_word(cursor: Cursor<'_>) -> bool {
    const WITH: [&str; 40] = [
        "一起",
        "一下",
        "一样",
        "一些",
        "一直",
        "一定",
        "一般",
        "一共",
        "一边",
        "一切",
        "一旦",
        "一向",
        "一会",
        "一致",
        "一律",
        "一面",
        "一路",
        "一生",
        "一时",
        "一再",
        "一方",
        "一流",
        "一带",
        "一带",
        "一番",
        "一同",
        "一块儿",
        "一辈子",
        "万一",
        "万事",
        "千万",
        "十分",
        "七夕",
        "百度",
        "百货",
        "百姓",
        "五一",
        "六一",
        "十一长假",
        "四川",
    ];
    const BEHIND: [&str; 6] = ["统一", "唯一", "万一", "单一", "之一", "同一"];
    let back = cursor.previous().filter(|_| cursor.touches());
    cursor.han_any(&WITH).is_some() || back.is_some_and(|c| c.han_any(&BEHIND).is_some())
}

/// A digit of a year: each stands for itself (二〇二六, 二零二六). Two or four of them.
pub(crate) fn year_digits(cursor: Cursor<'_>) -> Option<(u32, Cursor<'_>)> {
    let mut value = 0;
    let mut rest = cursor;
    let mut count = 0;
    while let Some(digit) = digit(rest).filter(|_| count < 4) {
        value = value * 10 + digit as u32;
        rest = rest.next();
        count += 1;
    }
    matches!(count, 2 | 4).then_some((value, rest))
}

fn digit(cursor: Cursor<'_>) -> Option<f64> {
    if cursor.kind()? != Kind::Han {
        return None;
    }
    DIGITS.iter().position(|forms| forms.contains(cursor.word())).map(|n| n as f64)
}

/// Ten, a hundred, a thousand.
fn unit(cursor: Cursor<'_>) -> Option<f64> {
    match cursor.word() {
        "十" | "拾" => Some(10.0),
        "百" | "佰" => Some(100.0),
        "千" | "仟" => Some(1000.0),
        _ => None,
    }
}

/// Ten thousand, a hundred million.
fn scale(cursor: Cursor<'_>) -> Option<f64> {
    match cursor.word() {
        "万" | "萬" => Some(1e4),
        "亿" | "億" => Some(1e8),
        _ => None,
    }
}

/// Units and scales right behind digits: 3千, 1万, 10万亿. 千 before 米, 克 and the like belongs to those.
fn scaled(mut value: f64, mut rest: Cursor<'_>) -> (f64, Cursor<'_>) {
    for _ in 0..2 {
        let next = rest.next().word();
        let of_unit = rest.word() == "千" && matches!(next, "米" | "克" | "瓦" | "卡");
        match unit(rest).or_else(|| scale(rest)) {
            Some(factor) if !of_unit => {
                // As a decimal, so that 1.1万 is 11000 and not a little more.
                value = (value * factor * 1e6).round() / 1e6;
                rest = rest.next();
            }
            _ => break,
        }
    }
    (value, rest)
}

/// The tail of a number in digits: 2千 behind 1万.
fn number_below(cursor: Cursor<'_>, above: f64) -> Option<(f64, Cursor<'_>)> {
    if above < 1e4 || !cursor.touches() {
        return None;
    }
    let (number, rest) = digits::number(cursor)?;
    let factor = unit(rest)?;
    (number.value * factor < 1e4).then(|| (number.value * factor, rest.next()))
}

/// A number in characters.
fn characters(cursor: Cursor<'_>) -> Option<(Numeral, Cursor<'_>)> {
    let found = |value, rest| Some((Numeral { value, digits: false }, rest));
    // 一打, 半打.
    if let Some(after) = cursor.han("一打").or_else(|| cursor.han("壹打")) {
        return found(12.0, after);
    }
    let start = cursor;
    if let Some((value, rest)) = plain_digits(cursor) {
        return found(value, rest);
    }
    let (mut total, mut section, mut pending) = (0.0, 0.0, None::<f64>);
    // The last unit: 一万二 means 12000, 三百二 320.
    let mut last_unit = 0.0;
    let mut smallest = f64::INFINITY;
    let mut zero = false;
    let mut rest = cursor;
    while rest.index - start.index < CHARACTERS_MAX {
        if let Some(value) = digit(rest) {
            if pending.is_some() {
                break;
            }
            if value == 0.0 && (last_unit > 0.0 || total > 0.0) {
                // 两千零五: only where more follows.
                if digit(rest.next()).is_none() && unit(rest.next()).is_none() {
                    break;
                }
                zero = true;
            } else {
                pending = Some(value);
            }
        } else if let Some(factor) = unit(rest) {
            let of_unit = rest.word() == "千" && matches!(rest.next().word(), "米" | "克" | "瓦" | "卡");
            // Only ten may stand without a digit, and units go down.
            if factor >= smallest || of_unit || pending.is_none() && factor != 10.0 {
                break;
            }
            section += pending.take().unwrap_or(1.0) * factor;
            smallest = factor;
            last_unit = factor;
            zero = false;
        } else if let Some(factor) = scale(rest) {
            let group = section + pending.unwrap_or(0.0);
            if group == 0.0 && total == 0.0 {
                break;
            }
            if total > 0.0 && group == 0.0 {
                // 一万亿.
                total *= factor;
            } else if total > 0.0 && factor >= 1e8 {
                total = (total + group) * factor;
            } else {
                total += group * factor;
            }
            (section, pending, zero) = (0.0, None, false);
            smallest = f64::INFINITY;
            last_unit = factor;
        } else {
            break;
        }
        rest = rest.next();
    }
    if rest.index == start.index {
        return None;
    }
    let tail = match pending {
        Some(value) if last_unit >= 100.0 && !zero && value > 0.0 => value * last_unit / 10.0,
        Some(value) => value,
        None => 0.0,
    };
    let value = total + section + tail;
    match decimals(rest) {
        Some((fraction, places, after)) => {
            let power = 10f64.powi(places);
            let (value, after) = scaled(((value + fraction) * power).round() / power, after);
            found(value, after)
        }
        None => found(value, rest),
    }
}

/// Digits in a row, two at least, each for itself: 二〇二六, 一三八. 一二 and the like are no numbers but two.
fn plain_digits(cursor: Cursor<'_>) -> Option<(f64, Cursor<'_>)> {
    let mut value = 0.0;
    let mut rest = cursor;
    let mut count = 0;
    while let Some(next) = digit(rest).filter(|_| count < 15) {
        value = value * 10.0 + next;
        rest = rest.next();
        count += 1;
    }
    let goes_on = unit(rest).is_some() || scale(rest).is_some();
    (count >= 3 && !goes_on).then_some((value, rest))
}

/// 点五 behind a whole number: the fraction, its places. 三点 before 半, 钟, 分 or nothing is a time.
fn decimals(cursor: Cursor<'_>) -> Option<(f64, i32, Cursor<'_>)> {
    let mut rest = cursor.han("点").or_else(|| cursor.han("點"))?;
    let (mut fraction, mut place, mut places) = (0.0, 0.1, 0);
    while let Some(next) = digit(rest).filter(|_| places < 15) {
        fraction += next * place;
        place /= 10.0;
        places += 1;
        rest = rest.next();
    }
    // 三点五十: minutes. 三点一刻: a quarter.
    let is_time = unit(rest).is_some() || matches!(rest.word(), "刻" | "分");
    (places > 0 && !is_time).then_some((fraction, places, rest))
}

/// A whole number below a hundred: what clocks and calendars count with. `15`, 十五, 二十, 两, 零五.
pub(crate) fn small(cursor: Cursor<'_>) -> Option<(u32, Cursor<'_>)> {
    if cursor.kind()? == Kind::Digits {
        return digits::exact_digits(cursor, 1..=2);
    }
    let ten = |c: Cursor<'_>| matches!(c.word(), "十" | "拾");
    let (tens, rest) = match digit(cursor) {
        Some(0.0) => {
            let value = digit(cursor.next())?;
            return Some((value as u32, cursor.next().next()));
        }
        Some(value) if ten(cursor.next()) => (value as u32 * 10, cursor.next().next()),
        Some(value) => return Some((value as u32, cursor.next())),
        None if ten(cursor) => (10, cursor.next()),
        None => return None,
    };
    match digit(rest).filter(|unit| *unit > 0.0) {
        Some(unit) => Some((tens + unit as u32, rest.next())),
        None => Some((tens, rest)),
    }
}
