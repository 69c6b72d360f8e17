//! Times as Python's `datetime.isoformat` writes them, which is what action servers send.

use crate::TimestampMs;

/// Seconds of a day.
const DAY_S: i64 = 86_400;

/// Reads `2026-11-28T09:30:00`, with `.` and digits behind the seconds and `Z` or an offset such as `+01:00` behind all of
/// it where wanted. Without an offset the time is UTC, as Rasa's scheduler has it.
pub(super) fn read(text: &str) -> Option<TimestampMs> {
    let (date, rest) = text.trim().split_once(['T', ' '])?;
    let (time, offset) = match rest.find(['Z', '+', '-']) {
        Some(at) => (&rest[..at], offset_s(&rest[at..])?),
        None => (rest, 0),
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = match time.len() {
        5 => {
            let [hour, minute] = numbers(time, ':', [2, 2])?;
            [hour, minute, 0]
        }
        _ => numbers(time, ':', [2, 2, 2])?,
    };
    let real = (1..=12).contains(&month) && (1..=days_of(year, month)).contains(&day);
    let digits = !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit());
    if !real || !digits || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let thousandths: i64 = format!("{fraction:0<3}")[..3].parse().ok()?;
    let seconds = days_since_epoch(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second - offset;
    u64::try_from(seconds * 1000 + thousandths).ok().map(TimestampMs)
}

/// Writes a time in UTC.
pub(super) fn write(at: TimestampMs) -> String {
    let (seconds, thousandths) = ((at.0 / 1000) as i64, at.0 % 1000);
    let (days, rest) = (seconds.div_euclid(DAY_S), seconds.rem_euclid(DAY_S));
    let (year, month, day) = date_of(days);
    let fraction = if thousandths == 0 { String::new() } else { format!(".{thousandths:03}000") };
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}+00:00")
}

/// Numbers of so many digits each, with a sign between them.
fn numbers<const N: usize>(text: &str, between: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut out = [0; N];
    let mut parts = text.split(between);
    for (number, digits) in out.iter_mut().zip(digits) {
        let part = parts.next().filter(|p| p.len() == digits && p.bytes().all(|b| b.is_ascii_digit()))?;
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(out)
}

fn offset_s(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits: String = text[1..].split(':').collect();
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes): (i64, i64) = match digits.len() {
        2 => (digits.parse().ok()?, 0),
        4 => (digits[..2].parse().ok()?, digits[2..].parse().ok()?),
        _ => return None,
    };
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01: whole years first, then whole months.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let leaps = |year: i64| year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let of_years = (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
    of_years + (1..month).map(|m| days_of(year, m)).sum::<i64>() + day - 1
}

fn date_of(days: i64) -> (i64, i64, i64) {
    // A guess that is at most one year too late.
    let mut year = 1970 + days / 365;
    while days_since_epoch(year, 1, 1) > days {
        year -= 1;
    }
    let mut rest = days - days_since_epoch(year, 1, 1);
    let mut month = 1;
    while rest >= days_of(year, month) {
        rest -= days_of(year, month);
        month += 1;
    }
    (year, month, rest + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_and_without_a_zone() {
        let of = |text: &str| read(text).map(|at| at.0);
        assert_eq!(of("1970-01-01T00:00:00"), Some(0));
        assert_eq!(of("2000-02-29T12:00:00Z"), Some(951_825_600_000));
        assert_eq!(of("2026-11-28T09:30:00.125000+01:00"), Some(1_795_854_600_125));
        assert_eq!(of("2026-11-28 08:30:00.125"), of("2026-11-28T09:30:00.125000+0100"));
        assert_eq!(of("2026-11-28T03:00-05:30"), of("2026-11-28T08:30Z"));
        let bad = ["", "tomorrow", "2026-11-28", "2026-13-01T00:00:00", "2026-02-29T00:00:00", "2026-11-28T24:00:00"];
        let worse = [
            "26-11-28T09:30:00",
            "2026-11-28T09:30:00+1",
            "2026-11-28T09:30:00+é1é",
            "2026-11-28T09:30:00.x",
            "1969-12-31T23:59:59",
        ];
        for text in bad.iter().chain(&worse) {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(write(TimestampMs(1_795_854_600_125)), "2026-11-28T08:30:00.125000+00:00");
        assert_eq!(write(TimestampMs(951_782_400_000)), "2000-02-29T00:00:00+00:00");
        for day in 0..80_000_u64 {
            let at = TimestampMs(day * 86_400_000 + 86_399_999);
            assert_eq!(read(&write(at)), Some(at));
        }
    }
}
