//! A resolved time: a moment or an interval, each end with the grain that was said.

use crate::Reference;
use jiff::{
    ToSpan,
    civil::{Date, DateTime},
};
use serde_json::{Value as Json, json};

/// How exactly a time was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grain {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A week, from Monday.
    Week,
    /// A month.
    Month,
    /// A quarter of a year.
    Quarter,
    /// A year.
    Year,
}

impl Grain {
    /// Duckling's name, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Grain::Second => "second",
            Grain::Minute => "minute",
            Grain::Hour => "hour",
            Grain::Day => "day",
            Grain::Week => "week",
            Grain::Month => "month",
            Grain::Quarter => "quarter",
            Grain::Year => "year",
        }
    }

    /// Its length in seconds; months have 30 days and years 365, as in Duckling.
    pub fn seconds(self) -> u64 {
        const DAY: u64 = 86_400;
        match self {
            Grain::Second => 1,
            Grain::Minute => 60,
            Grain::Hour => 3600,
            Grain::Day => DAY,
            Grain::Week => 7 * DAY,
            Grain::Month => 30 * DAY,
            Grain::Quarter => 90 * DAY,
            Grain::Year => 365 * DAY,
        }
    }

    /// What a shift by this grain keeps of the reference: "in three days" is exact to the hour, as in Duckling.
    pub(crate) fn finer(self) -> Grain {
        match self {
            Grain::Second | Grain::Minute => Grain::Second,
            Grain::Hour => Grain::Minute,
            Grain::Day => Grain::Hour,
            Grain::Week | Grain::Month => Grain::Day,
            Grain::Quarter | Grain::Year => Grain::Month,
        }
    }

    /// The begin of the unit that a time lies in.
    pub(crate) fn floor(self, at: DateTime) -> DateTime {
        let midnight = |date: Date| date.to_datetime(jiff::civil::Time::midnight());
        let time = |hour, minute, second| jiff::civil::Time::new(hour, minute, second, 0);
        let cut = |hour, minute, second| time(hour, minute, second).map_or(at, |time| at.date().to_datetime(time));
        match self {
            Grain::Second => cut(at.hour(), at.minute(), at.second()),
            Grain::Minute => cut(at.hour(), at.minute(), 0),
            Grain::Hour => cut(at.hour(), 0, 0),
            Grain::Day => midnight(at.date()),
            Grain::Week => {
                let since_monday = i64::from(at.weekday().to_monday_zero_offset());
                midnight(at.date().checked_sub(since_monday.days()).unwrap_or(at.date()))
            }
            Grain::Month => midnight(at.date().first_of_month()),
            Grain::Quarter => midnight(Date::new(at.year(), (at.month() - 1) / 3 * 3 + 1, 1).unwrap_or(at.date())),
            Grain::Year => midnight(at.date().first_of_year()),
        }
    }

    /// A time so many units later, or earlier; None outside of the calendar.
    pub(crate) fn shift(self, at: DateTime, count: i64) -> Option<DateTime> {
        // Beyond this no unit stays inside of the calendar; jiff's spans have bounds of their own.
        const COUNT_MAX: i64 = 400_000_000_000;
        if count.abs() > COUNT_MAX {
            return None;
        }
        let span = jiff::Span::new();
        let span = match self {
            Grain::Second => span.try_seconds(count),
            Grain::Minute => span.try_minutes(count),
            Grain::Hour => span.try_hours(count),
            Grain::Day => span.try_days(count),
            Grain::Week => span.try_weeks(count),
            Grain::Month => span.try_months(count),
            Grain::Quarter => span.try_months(count.checked_mul(3)?),
            Grain::Year => span.try_years(count),
        };
        let shifted = at.checked_add(span.ok()?).ok()?;
        // Four digits are what the format of the answers has.
        (1..=9999).contains(&shifted.year()).then_some(shifted)
    }
}

/// The begin of a unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Local time at the reference's offset.
    pub(crate) at: DateTime,
    /// How exactly it was said.
    pub(crate) grain: Grain,
}

impl Moment {
    pub(crate) fn new(at: DateTime, grain: Grain) -> Self {
        Moment { at: grain.floor(at), grain }
    }

    /// The moment a unit later: where an interval ends that includes this one.
    pub(crate) fn after(self) -> Option<Moment> {
        Some(Moment { at: self.grain.shift(self.at, 1)?, ..self })
    }
}

/// A moment or an interval, resolved against a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeValue {
    /// One unit of time.
    At {
        /// Its begin, as `2026-11-28T09:00:00.000+00:00`.
        value: String,
        /// How long it is.
        grain: Grain,
    },
    /// From one unit's begin to before another's; an open side is None.
    Interval {
        /// The begin.
        from: Option<(String, Grain)>,
        /// The end, which is no longer part of it.
        to: Option<(String, Grain)>,
    },
}

impl TimeValue {
    pub(crate) fn json(&self) -> Json {
        match self {
            TimeValue::At { value, .. } => json!(value),
            TimeValue::Interval { from, to } => {
                let bare = |side: &Option<(String, Grain)>| side.as_ref().map_or(Json::Null, |(value, _)| json!(value));
                json!({ "from": bare(from), "to": bare(to) })
            }
        }
    }

    pub(crate) fn additional_info(&self) -> Json {
        match self {
            TimeValue::At { value, grain } => json!({ "type": "value", "value": value, "grain": grain.name() }),
            TimeValue::Interval { from, to } => {
                let mut info = json!({ "type": "interval" });
                for (name, side) in [("from", from), ("to", to)] {
                    if let Some((value, grain)) = side {
                        info[name] = json!({ "value": value, "grain": grain.name() });
                    }
                }
                info
            }
        }
    }
}

/// What rules make before it is written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resolved {
    At(Moment),
    Interval(Option<Moment>, Option<Moment>),
}

impl Resolved {
    pub(crate) fn value(self, reference: Reference) -> TimeValue {
        let side = |moment: Moment| (reference.iso(moment.at), moment.grain);
        match self {
            Resolved::At(moment) => TimeValue::At { value: reference.iso(moment.at), grain: moment.grain },
            Resolved::Interval(from, to) => TimeValue::Interval { from: from.map(side), to: to.map(side) },
        }
    }

    /// Where it begins.
    pub(crate) fn start(self) -> Option<Moment> {
        match self {
            Resolved::At(moment) => Some(moment),
            Resolved::Interval(from, _) => from,
        }
    }

    /// Where it ends: behind the unit, or behind the interval.
    pub(crate) fn end(self) -> Option<Moment> {
        match self {
            Resolved::At(moment) => moment.after(),
            Resolved::Interval(_, to) => to,
        }
    }
}
