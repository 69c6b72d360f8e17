//! Chinese holidays of the solar calendar, and quarters.

use super::super::calendar;
use super::super::value::{Grain, Moment};
use super::date::{inside_number, shift};
use crate::Reference;
use crate::number::chinese_small;
use crate::text::Cursor;

type Rule = fn(i32) -> Option<Moment>;

/// 第三季度, 四季度.
pub(super) fn quarter(cursor: Cursor<'_>, reference: Reference) -> Option<(Moment, Cursor<'_>)> {
    if let Some((by, rest)) = shift(cursor)
        && let Some(rest) = rest.han("季度")
    {
        return Some((calendar::current(reference, Grain::Quarter, by)?, rest));
    }
    let start = cursor.han("第").unwrap_or(cursor);
    let (number, rest) = chinese_small(start).filter(|(n, _)| (1..=4).contains(n))?;
    let rest = rest.han("季度")?;
    let first = calendar::month(i32::from(reference.local().year()), number * 3 - 2)?;
    Some((Moment { grain: Grain::Quarter, ..first }, rest))
}

/// Holidays of the solar calendar. Those of the lunar one need tables that are not here.
pub(super) fn holiday_rule(cursor: Cursor<'_>) -> Option<(Rule, Cursor<'_>)> {
    const RULES: [(&str, Rule); 17] = [
        ("元旦", |y| calendar::day(y, 1, 1)),
        ("情人节", |y| calendar::day(y, 2, 14)),
        ("妇女节", |y| calendar::day(y, 3, 8)),
        ("愚人节", |y| calendar::day(y, 4, 1)),
        ("劳动节", |y| calendar::day(y, 5, 1)),
        ("五一", |y| calendar::day(y, 5, 1)),
        ("儿童节", |y| calendar::day(y, 6, 1)),
        ("六一", |y| calendar::day(y, 6, 1)),
        ("建军节", |y| calendar::day(y, 8, 1)),
        ("教师节", |y| calendar::day(y, 9, 10)),
        ("国庆节", |y| calendar::day(y, 10, 1)),
        ("国庆", |y| calendar::day(y, 10, 1)),
        ("万圣节", |y| calendar::day(y, 10, 31)),
        ("光棍节", |y| calendar::day(y, 11, 11)),
        ("平安夜", |y| calendar::day(y, 12, 24)),
        ("圣诞节", |y| calendar::day(y, 12, 25)),
        ("圣诞", |y| calendar::day(y, 12, 25)),
    ];
    let (name, rule, rest) = RULES.iter().find_map(|(name, rule)| Some((*name, *rule, cursor.han(name)?)))?;
    let number = matches!(name, "五一" | "六一");
    // 十五一, 五一个: digits in a row.
    let digits =
        number && (inside_number(cursor) || chinese_small(rest).is_some() && rest.touches() || rest.word() == "个");
    (!digits).then(|| (rule, rest.han("节").unwrap_or(rest)))
}

pub(super) fn holiday(cursor: Cursor<'_>, reference: Reference) -> Option<(Moment, Cursor<'_>)> {
    let (rule, rest) = holiday_rule(cursor)?;
    Some((calendar::first_of_years(reference, rule)?, rest))
}
