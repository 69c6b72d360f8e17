//! The moment that relative dates count from: it comes with the text, because nothing here reads a clock.

use jiff::{Timestamp, civil::DateTime, tz::Offset};

/// When, and at which offset from UTC, a text was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference {
    local: DateTime,
    offset: Offset,
}

impl Reference {
    /// From milliseconds since 1970 in UTC and the offset of local time from UTC in minutes (east is positive). What
    /// lies outside of the years 1 to 9999 or ±25 hours is brought to the nearest that does not.
    pub fn new(at_ms: i64, utc_offset_minutes: i32) -> Self {
        let offset = Offset::from_seconds(utc_offset_minutes.clamp(-25 * 60, 25 * 60) * 60).unwrap_or(Offset::UTC);
        // The first and the last day of those years are left out: an offset must not lead out of them.
        let at_ms = at_ms.clamp(-62_135_510_400_000, 253_402_128_000_000);
        let at = Timestamp::from_millisecond(at_ms).unwrap_or_default();
        Reference { local: offset.to_datetime(at), offset }
    }

    /// The local time.
    pub(crate) fn local(self) -> DateTime {
        self.local
    }

    /// The same offset at another time: what the second part of an interval counts from.
    pub(crate) fn moved_to(self, local: DateTime) -> Self {
        Reference { local, ..self }
    }

    /// The local time of a moment that was given in another offset.
    pub(crate) fn localised(self, there: DateTime, offset_minutes: i32) -> Option<DateTime> {
        let offset = Offset::from_seconds(offset_minutes.checked_mul(60)?).ok()?;
        Some(self.offset.to_datetime(offset.to_timestamp(there).ok()?))
    }

    /// A local time as Duckling writes it: `2026-11-28T09:00:00.000+00:00`.
    pub(crate) fn iso(self, local: DateTime) -> String {
        let minutes = self.offset.seconds() / 60;
        let sign = if minutes < 0 { '-' } else { '+' };
        let (hours, minutes) = (minutes.abs() / 60, minutes.abs() % 60);
        format!("{}.{:03}{sign}{hours:02}:{minutes:02}", local.strftime("%Y-%m-%dT%H:%M:%S"), local.millisecond())
    }
}
