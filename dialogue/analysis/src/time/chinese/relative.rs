//! Chinese times that count from now: 现在, 三天后, 两小时前, 过去两个月.

use super::super::value::{Grain, Moment, Resolved};
use super::super::{calendar, english, longest};
use crate::duration;
use crate::text::Cursor;
use crate::{Language, Reference};

/// A time that counts from now.
pub(crate) fn relative(cursor: Cursor<'_>, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    longest([instant(cursor, reference), shifted(cursor, reference), run(cursor, reference)])
}

fn instant(cursor: Cursor<'_>, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    const NOW: [&str; 9] = ["现在", "現在", "此刻", "此时", "目前", "当前", "眼下", "刚刚", "马上"];
    let (_, rest) = cursor.han_any(&NOW)?;
    Some((Resolved::At(Moment::new(reference.local(), Grain::Second)), rest))
}

/// 三天后 is the day in three days. Duckling takes it for the three days that follow, against what people mean.
fn shifted(cursor: Cursor<'_>, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    let start = cursor.han("再过").or_else(|| cursor.han("过")).unwrap_or(cursor);
    let (length, rest) = duration::find(start, Language::Chinese)?;
    let at = |moment, rest| Some((Resolved::At(moment), rest));
    if let Some((_, after)) = rest.han_any(&["以后", "之后", "以後", "之後", "过后", "后", "後"]) {
        return at(english::shifted(reference, length, 1)?, after);
    }
    if let Some((_, after)) = rest.han_any(&["以前", "之前", "前"]) {
        return at(english::shifted(reference, length, -1)?, after);
    }
    if let Some((_, after)) = rest.han_any(&["之内", "以内", "内"]) {
        let now = Moment::new(reference.local(), Grain::Second);
        return Some((Resolved::Interval(Some(now), Some(english::shifted(reference, length, 1)?)), after));
    }
    // 再过两天: the word before is enough.
    (start.index > cursor.index + 1).then(|| at(english::shifted(reference, length, 1)?, rest))?
}

/// 过去两个月, 最近三天, 未来一周: whole units, without the current one.
fn run(cursor: Cursor<'_>, reference: Reference) -> Option<(Resolved, Cursor<'_>)> {
    const PAST: [&str; 5] = ["过去", "最近", "近", "前", "之前"];
    const AHEAD: [&str; 5] = ["未来", "接下来", "今后", "往后", "后"];
    let (sign, start) = match cursor.han_any(&PAST) {
        Some((_, rest)) => (-1, rest),
        None => (1, cursor.han_any(&AHEAD)?.1),
    };
    let start = start.han("的").or_else(|| start.han("这")).unwrap_or(start);
    let (length, rest) = duration::find(start, Language::Chinese)?;
    let count = i64::try_from(length.value).ok().filter(|count| *count > 0)?;
    Some((calendar::run(reference, length.grain, sign * count)?, rest))
}
