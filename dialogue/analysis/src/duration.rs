//! Lengths of time: "an hour and a half", "2.5 hours", 两个半小时.

use crate::Language;
use crate::number;
use crate::text::{Cursor, Kind};
use crate::time::Grain;

/// A length of time in whole units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Length {
    pub(crate) value: u64,
    pub(crate) grain: Grain,
}

/// Longest value; what is beyond it is no length that anybody means, and sums stay far from overflow.
const VALUE_MAX: f64 = 1e12;
/// Parts of one length: "1 day 2 hours 30 minutes 5 seconds".
const PARTS_MAX: usize = 5;

impl Length {
    /// A number of units, in a finer unit if it is not whole.
    fn new(value: f64, grain: Grain) -> Option<Length> {
        let (mut value, mut grain) = (value, grain);
        while value.fract() != 0.0 {
            let (factor, finer) = match grain {
                Grain::Second => return None,
                Grain::Minute => (60.0, Grain::Second),
                Grain::Hour => (60.0, Grain::Minute),
                Grain::Day => (24.0, Grain::Hour),
                Grain::Week => (7.0, Grain::Day),
                Grain::Month => (30.0, Grain::Day),
                Grain::Quarter => (3.0, Grain::Month),
                Grain::Year => (12.0, Grain::Month),
            };
            // A third of an hour is 20 minutes in spite of the float.
            value = (value * factor * 1e6).round() / 1e6;
            grain = finer;
        }
        (0.0..=VALUE_MAX).contains(&value).then_some(Length { value: value as u64, grain })
    }

    pub(crate) fn seconds(self) -> u64 {
        self.value.saturating_mul(self.grain.seconds())
    }

    /// The sum with a shorter part, in its unit.
    fn plus(self, part: Length) -> Option<Length> {
        let unit = self.grain.seconds() / part.grain.seconds();
        // 12 months a year, although both are counted in days elsewhere.
        let unit = if (self.grain, part.grain) == (Grain::Year, Grain::Month) { 12 } else { unit };
        (part.grain < self.grain && part.value < unit)
            .then_some(Length { value: self.value.checked_mul(unit)?.checked_add(part.value)?, grain: part.grain })
    }
}

/// A length of time.
pub(crate) fn find(cursor: Cursor<'_>, language: Language) -> Option<(Length, Cursor<'_>)> {
    let part = match language {
        Language::English | Language::BritishEnglish => english,
        Language::Chinese => chinese,
    };
    let (mut length, mut rest) = part(cursor)?;
    for _ in 1..PARTS_MAX {
        let ahead = rest.skip(&["and", ","]);
        let ahead = ahead.han("零").or_else(|| ahead.han("又")).unwrap_or(ahead);
        // The second part of "2h30" and 两小时三十分 needs less of a unit than the first.
        let Some((sum, after)) = part(ahead)
            .or_else(|| minutes_behind(ahead, length.grain, language))
            .and_then(|(next, after)| Some((length.plus(next)?, after)))
        else {
            break;
        };
        (length, rest) = (sum, after);
    }
    Some((length, rest))
}

fn english(cursor: Cursor<'_>) -> Option<(Length, Cursor<'_>)> {
    let found = |value, grain, rest| Some((Length::new(value, grain)?, rest));
    if let Some(rest) = ["a quarter of an hour", "quarter of an hour"].iter().find_map(|p| cursor.phrase(p)) {
        return found(15.0, Grain::Minute, rest);
    }
    if let Some(rest) =
        ["three quarters of an hour", "three - quarters of an hour"].iter().find_map(|p| cursor.phrase(p))
    {
        return found(45.0, Grain::Minute, rest);
    }
    // "Half an hour", "half a day", "a half hour".
    if let Some(after) = ["half an", "half a", "a half", "half"].iter().find_map(|p| cursor.phrase(p)) {
        let (grain, count, rest) = unit(after)?;
        return found(0.5 * count, grain, rest);
    }
    let (value, rest) = match number::unsigned(cursor, Language::English) {
        Some((number, rest)) => (number.value, rest),
        None => (1.0, cursor.eat_any(&["a", "an"])?),
    };
    let rest = rest.skip(&["more"]);
    // "Two and a half hours".
    if let Some(after) = rest.phrase("and a half").or_else(|| rest.phrase("and an half"))
        && let Some((grain, count, after)) = unit(after)
    {
        return found((value + 0.5) * count, grain, after);
    }
    let (grain, count, rest) = unit(rest)?;
    // "An hour and a half".
    match rest.phrase("and a half") {
        Some(after) if unit(after).is_none() => found((value + 0.5) * count, grain, after),
        _ => found(value * count, grain, rest),
    }
}

/// A unit of time: its grain and how many of that it is.
pub(crate) fn unit(cursor: Cursor<'_>) -> Option<(Grain, f64, Cursor<'_>)> {
    let cursor = cursor.joint("-").unwrap_or(cursor);
    let (grain, count) = match cursor.word() {
        "second" | "seconds" | "sec" | "secs" => (Grain::Second, 1.0),
        "minute" | "minutes" | "min" | "mins" => (Grain::Minute, 1.0),
        "hour" | "hours" | "hr" | "hrs" => (Grain::Hour, 1.0),
        // One letter only behind digits.
        "s" if cursor.touches() => (Grain::Second, 1.0),
        "h" if cursor.touches() => (Grain::Hour, 1.0),
        "day" | "days" => (Grain::Day, 1.0),
        "week" | "weeks" | "wk" | "wks" => (Grain::Week, 1.0),
        "fortnight" | "fortnights" => (Grain::Day, 14.0),
        "month" | "months" => (Grain::Month, 1.0),
        "quarter" | "quarters" => (Grain::Quarter, 1.0),
        "year" | "years" | "yr" | "yrs" => (Grain::Year, 1.0),
        _ => return None,
    };
    Some((grain, count, cursor.next()))
}

/// The minutes in `1h 30m`, `2h30` and 两小时三十分, where `m` and 分 alone would be something else.
fn minutes_behind(cursor: Cursor<'_>, before: Grain, language: Language) -> Option<(Length, Cursor<'_>)> {
    if before != Grain::Hour {
        return None;
    }
    let glued = cursor.touches() && cursor.previous().is_some_and(|c| c.word() == "h");
    if glued && let Some((minutes, rest)) = number::exact_digits(cursor, 2..=2) {
        let rest = rest.joint("m").unwrap_or(rest);
        return Some((Length::new(f64::from(minutes), Grain::Minute)?, rest));
    }
    let (number, rest) = number::unsigned(cursor, language)?;
    let rest = if rest.touches() { rest.eat("m").or_else(|| rest.han("分"))? } else { return None };
    Some((Length::new(f64::from(number.whole()?), Grain::Minute)?, rest))
}

fn chinese(cursor: Cursor<'_>) -> Option<(Length, Cursor<'_>)> {
    // 第三天 is a place in an order, 周三天 no length, and what digits stand before is a part of a number.
    let before = cursor.previous().filter(|_| cursor.touches());
    if before.is_some_and(|c| {
        matches!(c.word(), "第" | "周" | "期" | "拜" | "週" | "初") || number::chinese_small(c).is_some()
    }) {
        return None;
    }
    let found = |value, grain, rest| Some((Length::new(value, grain)?, rest));
    // 半小时, 半个月, 半年.
    if let Some(after) = cursor.han("半") {
        let counted = after.han("个").or_else(|| after.han("個"));
        let (grain, rest) = chinese_unit(counted.unwrap_or(after), counted.is_some())?;
        return found(0.5, grain, rest);
    }
    let (number, rest) = number::unsigned(cursor, Language::Chinese)?;
    if let Some(after) = rest.han("刻钟") {
        return found(number.value * 15.0, Grain::Minute, after);
    }
    let counted = rest.han("个").or_else(|| rest.han("個"));
    let after = counted.unwrap_or(rest);
    // 两个半小时; 一个半月.
    if let Some(half) = after.han("半") {
        let (grain, rest) = chinese_unit(half, counted.is_some())?;
        return found(number.value + 0.5, grain, rest);
    }
    let (grain, rest) = chinese_unit(after, counted.is_some())?;
    // 2026年 is a year.
    if grain == Grain::Year
        && (number.value >= 1000.0 || number.digits && rest.index == after.index + 1 && number.value >= 100.0)
    {
        return None;
    }
    // 一年半, 三天半; but 三天半价 is at half price.
    match rest.han("半") {
        Some(half)
            if half.kind() != Some(Kind::Han)
                || !half.touches()
                || matches!(half.word(), "后" | "前" | "以" | "之") =>
        {
            found(number.value + 0.5, grain, half)
        }
        _ => found(number.value, grain, rest),
    }
}

/// A unit behind a number, or behind its measure word 个. 分 and 日 alone are rather points or dates.
fn chinese_unit(cursor: Cursor<'_>, counted: bool) -> Option<(Grain, Cursor<'_>)> {
    const PLAIN: [(&str, Grain); 17] = [
        ("秒钟", Grain::Second),
        ("秒", Grain::Second),
        ("分钟", Grain::Minute),
        ("分鐘", Grain::Minute),
        ("小时", Grain::Hour),
        ("小時", Grain::Hour),
        ("钟头", Grain::Hour),
        ("天", Grain::Day),
        ("星期", Grain::Week),
        ("礼拜", Grain::Week),
        ("禮拜", Grain::Week),
        ("周年", Grain::Year),
        ("周", Grain::Week),
        ("週", Grain::Week),
        ("季度", Grain::Quarter),
        ("年", Grain::Year),
        ("月", Grain::Month),
    ];
    let (form, grain, rest) = PLAIN.iter().find_map(|(form, grain)| Some((*form, *grain, cursor.han(form)?)))?;
    let fits = match form {
        // 三月 is March.
        "月" => counted && rest.word() != "份",
        "天" => !matches!(rest.word(), "气" | "空" | "上" | "下" | "津" | "安" | "然"),
        "年" => !counted && !matches!(rest.word(), "级" | "底" | "初" | "代" | "龄" | "轻"),
        "周年" => false,
        "周" | "週" => !matches!(rest.word(), "一" | "二" | "三" | "四" | "五" | "六" | "日" | "末" | "边" | "围"),
        _ => true,
    };
    fits.then_some((grain, rest))
}
