//! Chinese dates and times: how days, times of day and 之前, 到 and the like are put together.

mod clock;
mod date;
mod holiday;
mod relative;

use super::clock::{Clock, Part};
use super::value::{Grain, Moment, Resolved};
use super::{calendar, english, longest};
use crate::Reference;
use crate::text::{Cursor, Kind};

/// The characters that a time can begin with: most of a sentence begin none, and need not be tried.
const FIRST: &str = "今明昨去前后後大当现現此目眼刚马上下这這本周週星礼禮月年第差半一壹二两貳贰兩三叁參四肆五伍六陆陸七柒八捌九玖十拾零〇百佰千仟万萬凌午清早中正傍晚夜深再过最近之未接往从自在到直截元情妇愚劳儿建教国光平圣";

/// A time.
pub(crate) fn time(cursor: Cursor<'_>, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    let begins = match cursor.kind()? {
        Kind::Digits => true,
        Kind::Han => FIRST.contains(cursor.word()),
        Kind::Word | Kind::Symbol => false,
    };
    if begins { read(cursor, reference) } else { None }
}

/// The same, whatever the text begins with.
pub(crate) fn read(cursor: Cursor<'_>, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    longest([interval(cursor, reference), bounded(cursor, reference), point(cursor, reference)])
}

/// A time that is no interval by 到.
fn point(cursor: Cursor<'_>, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    longest([
        dated(cursor, reference),
        clocked(cursor).and_then(|(clock, rest)| Some((Resolved::At(clock.next(reference)?), rest))),
        part_of_today(cursor, reference),
        relative::relative(cursor, reference),
        english_point(cursor, reference),
    ])
}

/// `5pm` and `2026-11-28 09:00` are written in every language.
fn english_point(cursor: Cursor<'_>, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    if cursor.kind()? != Kind::Digits {
        return None;
    }
    english::time(cursor, english::Order::MonthFirst, reference).filter(|(_, rest)| {
        rest.kind() != Some(Kind::Han) || {
            // `3` in 3号 was not the whole number.
            rest.previous().is_some_and(|c| c.kind() != Some(Kind::Digits))
                || !matches!(rest.word(), "月" | "日" | "号" | "年" | "点" | "时")
        }
    })
}

/// A date, with a part of the day and a time on the clock behind it.
fn dated(cursor: Cursor<'_>, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    let numeric = english::numeric_date(cursor, english::Order::MonthFirst, reference);
    let day = longest([date::date(cursor, reference), numeric.map(|(day, rest)| (Resolved::At(day), rest))]);
    let (day, mut part, mut rest) = match day {
        Some((day, rest)) => (day, None, rest),
        None => {
            let (part, day, rest) = named_evening(cursor, reference)?;
            (Resolved::At(day), Some(part), rest)
        }
    };
    let Resolved::At(moment) = day else { return Some((day, rest)) };
    if moment.grain != Grain::Day {
        return Some((day, rest));
    }
    let ahead = rest.han("的").unwrap_or(rest);
    let ahead = ahead.eat(",").unwrap_or(ahead);
    if part.is_none()
        && let Some((found, after)) = clock::part(ahead).or_else(|| clock::short_part(rest))
    {
        (part, rest) = (Some(found), after);
    }
    let ahead = if part.is_some() { rest.han("的").unwrap_or(rest) } else { ahead };
    let at = match part {
        Some(part) => clock::clock(ahead, true).and_then(|(clock, after)| Some((clock.within(part)?, after))),
        None => clock::clock(ahead, true),
    };
    if let Some((clock, after)) = at {
        return Some((Resolved::At(clock.on(moment, reference)?), after));
    }
    match part {
        Some(Part::Noon) => Some((Resolved::At(Clock::exactly(12).on(moment, reference)?), rest)),
        Some(part) => Some((part.on(moment, true)?, rest)),
        None => Some((day, rest)),
    }
}

/// 今晚, 明早, 昨晚: a day and its part in two characters.
fn named_evening(cursor: Cursor<'_>, reference: Reference) -> Option<(Part, Moment, Cursor<'_>)> {
    const NAMES: [(&str, i64, Part); 9] = [
        ("今早", 0, Part::Morning),
        ("今晨", 0, Part::Morning),
        ("今晚", 0, Part::Evening),
        ("今夜", 0, Part::Evening),
        ("明早", 1, Part::Morning),
        ("明晨", 1, Part::Morning),
        ("明晚", 1, Part::Evening),
        ("昨晚", -1, Part::Evening),
        ("昨夜", -1, Part::Evening),
    ];
    let (days, part, rest) = NAMES.iter().find_map(|(name, days, part)| Some((*days, *part, cursor.han(name)?)))?;
    Some((part, calendar::today(reference, days)?, rest.han("上").unwrap_or(rest)))
}

/// A time on the clock, with the part of the day before it.
fn clocked(cursor: Cursor<'_>) -> Option<(Clock, Cursor<'_>)> {
    match clock::part(cursor) {
        Some((part, rest)) => {
            let (clock, rest) = clock::clock(rest.han("的").unwrap_or(rest), true)?;
            Some((clock.within(part)?, rest))
        }
        None => clock::clock(cursor, false),
    }
}

/// 下午, 晚上 alone: today's. 早 and 晚 alone are other words.
fn part_of_today(cursor: Cursor<'_>, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    let (part, rest) = clock::part(cursor)?;
    // 晚上好, 下午茶, 早上好: no times.
    if matches!(rest.word(), "好" | "茶" | "安" | "饭" | "餐") {
        return None;
    }
    let today = calendar::today(reference, 0)?;
    match (cursor.word(), part) {
        ("中" | "正", _) => Some((Resolved::At(Clock::exactly(12).next(reference)?), rest)),
        ("午", _) | (_, Part::Small) if cursor.han("半夜").or_else(|| cursor.han("午夜")).is_some() => {
            Some((Resolved::At(Clock::exactly(24).next(reference)?), rest))
        }
        _ => Some((part.on(today, true)?, rest)),
    }
}

/// 五点之前, 明天以后, 从下周一起.
fn bounded(cursor: Cursor<'_>, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    let opened = cursor.han_any(&["直到", "截至", "截止", "从", "自", "到"]);
    let start = opened.map_or(cursor, |(_, rest)| rest);
    let (found, rest) = point(start, reference)?;
    let from = found.start()?;
    if let Some((_, after)) = rest.han_any(&["之前", "以前", "前"]) {
        let word = after.word();
        let inside = after.previous().is_some_and(|c| c.word() == "前")
            && matches!(word, "面" | "往" | "台" | "后" | "天" | "一" | "几");
        return (!inside).then_some((Resolved::Interval(None, Some(from)), after));
    }
    if let Some((form, after)) = rest.han_any(&["之后", "以后", "之後", "以後", "过后", "后", "後", "开始", "起"])
    {
        let inside = form >= 5 && matches!(after.word(), "面" | "来" | "天" | "台" | "床" | "飞" | "诉");
        // 后 of a whole interval begins at its end.
        let begin = match found {
            Resolved::Interval(_, Some(to)) if form < 7 => to,
            _ => from,
        };
        return (!inside).then_some((Resolved::Interval(Some(begin), None), after));
    }
    match opened?.0 {
        0..=2 => Some((Resolved::Interval(None, Some(from)), rest)),
        _ => None,
    }
}

/// 从三点到五点, 周一至周五, 11月28日-12月3日.
fn interval(cursor: Cursor<'_>, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    let start = cursor.han_any(&["从", "自", "在"]).map_or(cursor, |(_, rest)| rest);
    let (first, rest) = point(start, reference)?;
    let from = first.start()?;
    let joined = rest.han_any(&["到", "至"]).map(|(_, rest)| rest).or_else(|| rest.eat_any(&["-", "~"]))?;
    let close = |rest: Cursor<'_>| rest.han_any(&["之间", "期间"]).map_or(rest.index, |(_, rest)| rest.index);
    // A time on the clock without a day belongs to the day of the first.
    if let Resolved::At(moment) = first
        && moment.grain < Grain::Day
        && let Some((clock, after)) = clocked(joined)
    {
        let to = clock.next_behind(moment)?;
        // The end belongs to it, by the finer of the two, as in Duckling.
        let grain = moment.grain.min(clock.grain);
        let end = Moment { at: grain.shift(to.at, 1)?, grain };
        return Some((Resolved::Interval(Some(Moment { grain, ..moment }), Some(end)), cursor.text.at(close(after))));
    }
    let side = |reference| point(joined, reference).map(|(resolved, rest)| (resolved, rest.index));
    let (mut second, mut index) = side(reference)?;
    if second.start().is_none_or(|start| start.at <= from.at) {
        (second, index) = side(reference.moved_to(from.at))?;
    }
    let to = second.end().filter(|to| to.at > from.at)?;
    Some((Resolved::Interval(Some(from), Some(to)), cursor.text.at(close(cursor.text.at(index)))))
}
