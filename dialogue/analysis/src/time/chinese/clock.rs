//! Chinese times of day: 三点半, 八点一刻, 差五分三点, 15:30, and the parts of the day that stand before them.

use super::super::clock::{Clock, Part};
use crate::number::{chinese_small, exact_digits};
use crate::text::{Cursor, Kind};

/// A part of the day.
pub(crate) fn part(cursor: Cursor<'_>) -> Option<(Part, Cursor<'_>)> {
    const PARTS: [(&str, Part); 18] = [
        ("凌晨", Part::Small),
        ("半夜", Part::Small),
        ("午夜", Part::Small),
        ("清晨", Part::Morning),
        ("早上", Part::Morning),
        ("早晨", Part::Morning),
        ("早间", Part::Morning),
        ("上午", Part::Morning),
        ("中午", Part::Noon),
        ("正午", Part::Noon),
        ("下午", Part::Afternoon),
        ("午后", Part::Afternoon),
        ("傍晚", Part::Evening),
        ("晚上", Part::Evening),
        ("晚间", Part::Evening),
        ("夜里", Part::Night),
        ("夜晚", Part::Evening),
        ("深夜", Part::Night),
    ];
    PARTS.iter().find_map(|(name, part)| Some((*part, cursor.han(name)?)))
}

/// 早 and 晚, right behind a day: 周一晚.
pub(crate) fn short_part(cursor: Cursor<'_>) -> Option<(Part, Cursor<'_>)> {
    let part = match cursor.word() {
        "早" => Part::Morning,
        "晚" => Part::Evening,
        _ => return None,
    };
    Some((part, cursor.next()))
}

/// A time on the clock. `said` is whether a day or a part of it stands before: 一点 alone is a little.
pub(crate) fn clock(cursor: Cursor<'_>, said: bool) -> Option<(Clock, Cursor<'_>)> {
    colon(cursor).or_else(|| short_of(cursor)).or_else(|| characters(cursor, said))
}

fn colon(cursor: Cursor<'_>) -> Option<(Clock, Cursor<'_>)> {
    if cursor.touches() && cursor.previous().is_some_and(|c| matches!(c.word(), ":" | "." | "/")) {
        return None;
    }
    let (hour, rest) = exact_digits(cursor, 1..=2)?;
    let (minute, rest) = exact_digits(rest.joint(":").filter(|c| c.touches())?, 2..=2)?;
    let clock = Clock::hour(hour)?.with_minute(minute)?;
    let clock = if cursor.word().starts_with('0') { Clock { twelve: false, ..clock } } else { clock };
    match rest.joint(":").and_then(|c| exact_digits(c, 2..=2)) {
        Some((second, rest)) => Some((clock.with_second(second)?, rest)),
        // `3:15pm` is read by the English rules.
        None => (!rest.touches() || rest.kind() != Some(Kind::Word)).then_some((clock, rest)),
    }
}

/// 差五分三点, 差一刻三点.
fn short_of(cursor: Cursor<'_>) -> Option<(Clock, Cursor<'_>)> {
    let (minutes, rest) = minutes_short(cursor.han("差")?)?;
    let (hour, rest) = chinese_small(rest)?;
    Some((Clock::hour(hour)?.before(minutes)?, dot(rest)?))
}

fn minutes_short(cursor: Cursor<'_>) -> Option<(u32, Cursor<'_>)> {
    if let Some(rest) = cursor.han("一刻") {
        return Some((15, rest.han("钟").unwrap_or(rest)));
    }
    let (minutes, rest) = chinese_small(cursor)?;
    let rest = rest.han("分")?;
    Some((minutes, rest.han("钟").unwrap_or(rest)))
}

/// 点 behind an hour.
fn dot(cursor: Cursor<'_>) -> Option<Cursor<'_>> {
    let rest = cursor.han("点").or_else(|| cursor.han("點"))?;
    Some(rest.han_any(&["钟", "鐘", "整"]).map_or(rest, |(_, rest)| rest))
}

fn characters(cursor: Cursor<'_>, said: bool) -> Option<(Clock, Cursor<'_>)> {
    // 十三点 is not 三点, and 第三点 is a matter.
    let before = cursor.previous().filter(|_| cursor.touches());
    if before.is_some_and(|c| matches!(c.word(), "第" | "十" | "百" | "." | ":") || c.kind() == Some(Kind::Digits)) {
        return None;
    }
    let (hour, rest) = chinese_small(cursor)?;
    let clock = Clock::hour(hour)?;
    if let Some(after) = rest.han("时").or_else(|| rest.han("時")) {
        // 三时 is formal; 时 begins other words too.
        if matches!(after.word(), "间" | "候" | "段" | "代" | "常" | "期") || after.word() == "差" {
            return None;
        }
        return minutes(clock, after).or_else(|| (said || hour > 1).then_some((clock, after)));
    }
    let after = rest.han("点").or_else(|| rest.han("點"))?;
    if let Some(found) = minutes(clock, after) {
        return Some(found);
    }
    // Decimals: 三点五. Only minutes have two digits.
    if chinese_small(after).is_some() && after.touches() {
        return None;
    }
    let bell = after.han_any(&["钟", "鐘", "整"]);
    let exact = bell.is_some() || said || cursor.kind() == Some(Kind::Digits);
    // 一点, 两点 are also amounts; 一点 nearly always.
    let points = matches!(after.word(), "意" | "建" | "要" | "儿" | "都" | "也" | "击" | "评" | "水" | "头" | "火");
    (exact || hour != 1 && !points).then(|| (clock, bell.map_or(after, |(_, rest)| rest)))
}

/// 半, 一刻, 三刻, 十五分, 十五, 零五分, and seconds behind them.
fn minutes(clock: Clock, cursor: Cursor<'_>) -> Option<(Clock, Cursor<'_>)> {
    if let Some((i, rest)) = cursor.han_any(&["半", "一刻", "三刻"]) {
        return Some((clock.with_minute([30, 15, 45][i])?, rest));
    }
    if let Some((short, rest)) = cursor.han("差").and_then(minutes_short) {
        return Some((clock.before(short)?, rest));
    }
    let (minute, rest) = chinese_small(cursor)?;
    let clock = clock.with_minute(minute)?;
    match rest.han("分") {
        Some(rest) => {
            let seconds = chinese_small(rest).and_then(|(second, rest)| Some((second, rest.han("秒")?)));
            match seconds {
                Some((second, rest)) => Some((clock.with_second(second)?, rest)),
                None => Some((clock, rest)),
            }
        }
        // Two digits or characters: 三点十五, 八点零五.
        None => {
            let two = rest.index >= cursor.index + 2 || cursor.word().len() == 2 || minute == 10;
            (two && !matches!(rest.word(), "个" | "块" | "元" | "人")).then_some((clock, rest))
        }
    }
}
