//! Chinese days, weeks, months and years: 后天, 下周五, 2026年11月28日, 上个月, 国庆节.

use super::super::calendar::{self, Third};
use super::super::longest;
use super::super::value::{Grain, Moment, Resolved};
use super::holiday::{holiday, holiday_rule, quarter};
use crate::Reference;
use crate::number::{chinese_small, exact_digits, year_digits};
use crate::text::{Cursor, Kind};
use jiff::civil::Weekday;

/// A date.
pub(crate) fn date(cursor: Cursor<'_>, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    let at = |found: Option<(Moment, _)>| found.map(|(moment, rest)| (Resolved::At(moment), rest));
    longest([
        at(near(cursor, reference)),
        weekday(cursor, reference),
        month(cursor, reference),
        year(cursor, reference),
        at(day_number(cursor, reference)),
        at(quarter(cursor, reference)),
        at(holiday(cursor, reference)),
    ])
}

fn near(cursor: Cursor<'_>, reference: Reference) -> Option<(Moment, Cursor<'_>)> {
    const DAYS: [(&str, i64); 14] = [
        ("大后天", 3),
        ("大前天", -3),
        ("后天", 2),
        ("後天", 2),
        ("前天", -2),
        ("今天", 0),
        ("今日", 0),
        ("今儿", 0),
        ("明天", 1),
        ("明日", 1),
        ("明儿", 1),
        ("昨天", -1),
        ("昨日", -1),
        ("当天", 0),
    ];
    let (days, rest) = DAYS.iter().find_map(|(name, days)| Some((*days, cursor.han(name)?)))?;
    Some((calendar::today(reference, days)?, rest))
}

/// 上 and 下 before weeks and months.
pub(super) fn shift(cursor: Cursor<'_>) -> Option<(i64, Cursor<'_>)> {
    const SHIFTS: [(&str, i64); 9] =
        [("上上", -2), ("下下", 2), ("上", -1), ("下", 1), ("这", 0), ("這", 0), ("本", 0), ("当", 0), ("今", 0)];
    let (by, rest) = SHIFTS.iter().find_map(|(name, by)| Some((*by, cursor.han(name)?)))?;
    Some((by, rest.han_any(&["个", "個", "一"]).map_or(rest, |(_, rest)| rest)))
}

fn week_word(cursor: Cursor<'_>) -> Option<Cursor<'_>> {
    cursor.han_any(&["星期", "礼拜", "禮拜", "周", "週"]).map(|(_, rest)| rest)
}

/// 周五, 下周五, 这个星期天, 下周, 周末.
fn weekday(cursor: Cursor<'_>, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    let shifted = shift(cursor);
    let (by, rest) = shifted.map_or((None, cursor), |(by, rest)| (Some(by), rest));
    let rest = week_word(rest)?;
    if let Some(after) = rest.han("末") {
        return Some((calendar::weekend(reference, by.unwrap_or(0))?, after));
    }
    let day = match rest.word() {
        "一" => Some(Weekday::Monday),
        "二" => Some(Weekday::Tuesday),
        "三" => Some(Weekday::Wednesday),
        "四" => Some(Weekday::Thursday),
        "五" => Some(Weekday::Friday),
        "六" => Some(Weekday::Saturday),
        "日" | "天" => Some(Weekday::Sunday),
        _ => None,
    };
    let at = |moment, rest| Some((Resolved::At(moment), rest));
    match (day, by) {
        // 下周五 is the Friday of next week for every speaker; Duckling takes the next that comes.
        (Some(day), Some(by)) => at(calendar::weekday_in_week(reference, day, by)?, rest.next()),
        (Some(day), None) => {
            // 一周三天 and 每周三次 are counts.
            let counted = matches!(rest.next().word(), "次" | "天" | "个" | "节" | "趟")
                || cursor.touches()
                    && cursor.previous().is_some_and(|c| chinese_small(c).is_some() || c.word() == "几");
            (!counted).then(|| at(calendar::weekday_after(reference, day)?, rest.next()))?
        }
        (None, Some(by)) if !matches!(rest.word(), "边" | "围" | "到" | "年") => {
            at(calendar::current(reference, Grain::Week, by)?, rest)
        }
        _ => None,
    }
}

/// 上个月, 本月15号, 下个月3号, 月底, 11月28日, 三月.
fn month(cursor: Cursor<'_>, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    let (month, rest) = match shift(cursor).and_then(|(by, rest)| Some((by, rest.han("月")?))) {
        Some((by, rest)) => (calendar::current(reference, Grain::Month, by)?, rest),
        None => match cursor.han("月").filter(|rest| third_word(*rest).is_some()) {
            // 月底 alone; 三月底 and 五个月底薪 not.
            Some(rest)
                if !cursor.touches()
                    || cursor.previous().is_some_and(|c| chinese_small(c).is_none() && c.word() != "个") =>
            {
                (calendar::current(reference, Grain::Month, 0)?, rest)
            }
            Some(_) => return None,
            None => return named_month(cursor, reference, None),
        },
    };
    in_month(month, rest)
}

/// 11月28日, 三月, in a year that was said or in the first in which it is not over.
fn named_month<'a>(cursor: Cursor<'a>, reference: Reference, year: Option<i32>) -> Option<(Resolved, Cursor<'a>)> {
    if inside_number(cursor) {
        return None;
    }
    let (number, rest) = chinese_small(cursor).filter(|(n, _)| (1..=12).contains(n))?;
    let rest = rest.han("月")?;
    let rest = rest.han("份").unwrap_or(rest);
    let day = month_day(rest);
    let at = |moment, rest| Some((Resolved::At(moment), rest));
    match (year, day) {
        (Some(year), Some((day, rest))) => at(calendar::day(year, number, day)?, rest),
        (None, Some((day, rest))) => at(calendar::next_day(reference, number, day)?, rest),
        (Some(year), None) => in_month(calendar::month(year, number)?, rest),
        (None, None) => in_month(calendar::next_month(reference, number)?, rest),
    }
}

/// What may follow a month: a day, or a third of it.
fn in_month(month: Moment, rest: Cursor<'_>) -> Option<(Resolved, Cursor<'_>)> {
    if let Some((day, after)) = month_day(rest.han("的").unwrap_or(rest)) {
        let at = calendar::day(i32::from(month.at.year()), u32::from(month.at.month().unsigned_abs()), day)?;
        return Some((Resolved::At(at), after));
    }
    match third_word(rest) {
        Some((third, after)) => Some((calendar::third(month, third)?, after)),
        None => Some((Resolved::At(month), rest)),
    }
}

/// 28日, 二十八号; without its word only where nothing else follows (二月十五).
fn month_day(cursor: Cursor<'_>) -> Option<(u32, Cursor<'_>)> {
    let (day, rest) = chinese_small(cursor).filter(|(n, _)| (1..=31).contains(n))?;
    if let Some((_, after)) = rest.han_any(&["日", "号", "號"]) {
        return Some((day, after));
    }
    let open = !rest.touches() || rest.kind() == Some(Kind::Symbol) || matches!(rest.word(), "到" | "至" | "的");
    (open && cursor.touches() && !matches!(rest.word(), "%" | "." | ":" | "/")).then_some((day, rest))
}

fn third_word(cursor: Cursor<'_>) -> Option<(Third, Cursor<'_>)> {
    const WORDS: [(&str, Third); 8] = [
        ("上旬", Third::Begin),
        ("中旬", Third::Middle),
        ("下旬", Third::End),
        ("初", Third::Begin),
        ("中", Third::Middle),
        ("底", Third::End),
        ("末", Third::End),
        ("尾", Third::End),
    ];
    WORDS.iter().find_map(|(name, third)| Some((*third, cursor.han(name)?)))
}

/// 去年, 明年三月, 2026年11月28日, 年底.
fn year(cursor: Cursor<'_>, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    const NAMES: [(&str, i32); 8] =
        [("大前年", -3), ("前年", -2), ("去年", -1), ("今年", 0), ("本年", 0), ("明年", 1), ("后年", 2), ("後年", 2)];
    let this_year = i32::from(reference.local().year());
    let named = NAMES.iter().find_map(|(name, by)| Some((this_year + by, cursor.han(name)?)));
    let (number, rest) = match named {
        Some(found) => found,
        None => match cursor.han("年").filter(|rest| matches!(rest.word(), "底" | "初" | "末" | "尾")) {
            Some(rest)
                if !cursor.touches()
                    || cursor.previous().is_some_and(|c| !matches!(c.word(), "今" | "去" | "明" | "前" | "后")) =>
            {
                (this_year, rest)
            }
            Some(_) => return None,
            None => numbered(cursor)?,
        },
    };
    let behind = rest.han("的").unwrap_or(rest);
    if let Some(found) = named_month(behind, reference, Some(number)) {
        return Some(found);
    }
    if let Some((rule, after)) = holiday_rule(behind) {
        return Some((Resolved::At(rule(number)?), after));
    }
    let whole = calendar::year(number)?;
    let rest = rest.han("年").filter(|after| third_word(*after).is_some()).unwrap_or(rest);
    match third_word(rest).filter(|(_, after)| rest.word() != "中" || !after.touches()) {
        Some((third, after)) => Some((calendar::third(whole, third)?, after)),
        None => Some((Resolved::At(whole), rest)),
    }
}

/// 2026年, 二〇二六年, 26年11月.
fn numbered(cursor: Cursor<'_>) -> Option<(i32, Cursor<'_>)> {
    if inside_number(cursor) {
        return None;
    }
    if let Some((value, rest)) = exact_digits(cursor, 4..=4) {
        let fits = (1000..=2999).contains(&value);
        return fits.then(|| Some((value as i32, rest.han("年")?)))?;
    }
    let (value, rest) = exact_digits(cursor, 2..=2).or_else(|| year_digits(cursor))?;
    let after = rest.han("年")?;
    if value >= 1000 {
        return Some((value as i32, after));
    }
    // Of two digits only where a month follows: 20年 is a length.
    let (month, behind) = chinese_small(after)?;
    (rest.index > cursor.index && (1..=12).contains(&month) && behind.han("月").is_some())
        .then_some((value as i32 + if value < 50 { 2000 } else { 1900 }, after))
}

/// What houses stand in.
const STREETS: &str = "路街道巷弄同村里甲乙丙东西南北中区镇桥庄园楼座口内外条营院门坊寺场沿侧";
/// What is called by a number, or a word that 日 begins.
const NUMBERED: &str = "线楼门店院馆桌厅口码房元游本常车路航机公球字";

/// 28号, alone.
fn day_number(cursor: Cursor<'_>, reference: Reference) -> Option<(Moment, Cursor<'_>)> {
    if inside_number(cursor) {
        return None;
    }
    let (day, rest) = chinese_small(cursor).filter(|(n, _)| (1..=31).contains(n))?;
    let after = rest.han_any(&["号", "號", "日"]).map(|(_, rest)| rest)?;
    // 大街26号 is a house, 3号线 a line.
    let street = cursor.touches() && cursor.previous().is_some_and(|c| c.is_one_of(STREETS));
    let name = after.is_one_of(NUMBERED);
    (!name && !street).then(|| Some((calendar::next_day_of_month(reference, day)?, after)))?
}

/// Whether digits go on a number that began before: 二十八号 is not 八号.
pub(super) fn inside_number(cursor: Cursor<'_>) -> bool {
    cursor.touches()
        && cursor.previous().is_some_and(|c| {
            // Behind a hyphen only if digits stand before it: 2019年-2020年 are two years, 3-5日 is none.
            let digits_before = || c.previous().is_some_and(|before| before.kind() == Some(Kind::Digits));
            chinese_small(c).is_some() && c.kind() == Some(Kind::Han)
                || matches!(c.word(), "十" | "百" | "千" | "万" | "." | "/" | "第" | "$" | "¥")
                || c.word() == "-" && digits_before()
        })
}
