//! Times of day, before it is known on which day: "at 3" may be either of two hours until something decides it.

use super::value::{Grain, Moment, Resolved};
use crate::Reference;

/// A time on the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clock {
    /// 0 to 24; 24 is the midnight at which the day ends.
    pub(crate) hour: u8,
    pub(crate) minute: u8,
    pub(crate) second: u8,
    /// Hour, minute or second: how exactly it was said.
    pub(crate) grain: Grain,
    /// Said on a dial of twelve hours: it may be twelve hours later.
    pub(crate) twelve: bool,
}

impl Clock {
    /// An hour as it is said: up to twelve, either half of the day may be meant.
    pub(crate) fn hour(hour: u32) -> Option<Clock> {
        let twelve = (1..=12).contains(&hour);
        (hour <= 24).then_some(Clock { hour: hour as u8, minute: 0, second: 0, grain: Grain::Hour, twelve })
    }

    pub(crate) fn exactly(hour: u8) -> Clock {
        Clock { hour, minute: 0, second: 0, grain: Grain::Hour, twelve: false }
    }

    pub(crate) fn with_minute(self, minute: u32) -> Option<Clock> {
        let fits = minute < 60 && (self.hour < 24 || minute == 0);
        fits.then_some(Clock { minute: minute as u8, grain: Grain::Minute, ..self })
    }

    pub(crate) fn with_second(self, second: u32) -> Option<Clock> {
        (second < 60).then_some(Clock { second: second as u8, grain: Grain::Second, ..self })
    }

    /// So many minutes before the full hour: a quarter to five.
    pub(crate) fn before(self, minutes: u32) -> Option<Clock> {
        let hour = if self.hour == 0 { 23 } else { self.hour - 1 };
        // A quarter to one on a dial of twelve hours is a quarter behind twelve.
        let hour = if self.twelve && hour == 0 { 12 } else { hour };
        (1..60).contains(&minutes).then(|| Clock { hour, ..self }.with_minute(60 - minutes))?
    }

    /// In the first half of the day.
    pub(crate) fn am(self) -> Option<Clock> {
        let hour = if self.hour == 12 { 0 } else { self.hour };
        (self.hour <= 12).then_some(Clock { hour, twelve: false, ..self })
    }

    /// In the second half of the day; an hour that says so itself stays.
    pub(crate) fn pm(self) -> Option<Clock> {
        let hour = if self.hour < 12 { self.hour + 12 } else { self.hour };
        (1..24).contains(&hour).then_some(Clock { hour, twelve: false, ..self })
    }

    /// In a part of the day.
    pub(crate) fn within(self, part: Part) -> Option<Clock> {
        match part {
            Part::Small => {
                if self.hour == 12 {
                    self.am()
                } else {
                    Some(Clock { twelve: false, ..self })
                }
            }
            Part::Morning => self.am().filter(|clock| clock.hour >= 1),
            // Noon is said of eleven to two.
            Part::Noon if self.hour >= 10 => Some(Clock { twelve: false, ..self }),
            Part::Noon | Part::Afternoon => self.pm(),
            Part::Evening | Part::Night => match self.hour {
                // Twelve at night is the end of the day, two at night before its begin.
                12 => Some(Clock { hour: 24, twelve: false, ..self }),
                1..=4 if part == Part::Night => Some(Clock { twelve: false, ..self }),
                _ => self.pm(),
            },
        }
    }

    /// On a day. Of two hours the first, as Duckling does; today the first that is not over.
    pub(crate) fn on(self, day: Moment, reference: Reference) -> Option<Moment> {
        let first = self.at(day, 0)?;
        let is_today = day.at.date() == reference.local().date();
        if self.twelve && is_today && first.at < reference.local() {
            return self.at(day, 12);
        }
        Some(first)
    }

    /// The first that is not before the reference.
    pub(crate) fn next(self, reference: Reference) -> Option<Moment> {
        let today = Moment::new(reference.local(), Grain::Day);
        let step = if self.twelve { 12 } else { 24 };
        let begin = if self.hour == 24 {
            -24
        } else if self.twelve && self.hour == 12 {
            -12
        } else {
            0
        };
        (0..5).filter_map(|i| self.at(today, begin + i * step)).find(|moment| moment.at >= reference.local())
    }

    /// The first that is after another time.
    pub(crate) fn next_behind(self, moment: Moment) -> Option<Moment> {
        let day = Moment::new(moment.at, Grain::Day);
        let step = if self.twelve { 12 } else { 24 };
        (0..5).filter_map(|i| self.at(day, i * step)).find(|next| next.at > moment.at)
    }

    fn at(self, day: Moment, hours_later: i64) -> Option<Moment> {
        let at = Grain::Hour.shift(day.at, i64::from(self.hour) + hours_later)?;
        let at = Grain::Minute.shift(at, i64::from(self.minute))?;
        Some(Moment::new(Grain::Second.shift(at, i64::from(self.second))?, self.grain))
    }
}

/// From one time on the clock to another on a day, or on the next that comes: "3-5pm" has both in the afternoon.
pub(crate) fn between(from: Clock, to: Clock, day: Option<Moment>, reference: Reference) -> Option<Resolved> {
    let from = if from.twelve && !to.twelve && (13..=24).contains(&to.hour) {
        // "11 to 1pm" begins before noon.
        let later = from.pm()?;
        if later.hour < to.hour || later.hour == to.hour && later.minute < to.minute { later } else { from.am()? }
    } else if from.twelve && !to.twelve {
        from.am()?
    } else {
        from
    };
    let from = match day {
        Some(day) => from.on(day, reference)?,
        None => from.next(reference)?,
    };
    let to = to.next_behind(from)?;
    // The end belongs to it: "to 5pm" lasts to 6, as in Duckling, and "to 5:30" to 5:31.
    let grain = from.grain.min(to.grain);
    let end = Moment { at: grain.shift(to.at, 1)?, grain };
    Some(Resolved::Interval(Some(Moment { grain, ..from }), Some(end)))
}

/// A part of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The hours after midnight.
    Small,
    Morning,
    Noon,
    Afternoon,
    Evening,
    Night,
}

impl Part {
    /// Its hours, the last exclusive. `from_four` is the morning of Duckling's Chinese rules.
    fn hours(self, from_four: bool) -> (i64, i64) {
        match self {
            Part::Small => (0, 6),
            Part::Morning => (if from_four { 4 } else { 0 }, 12),
            Part::Noon => (12, 14),
            Part::Afternoon => (12, 19),
            Part::Evening | Part::Night => (18, 24),
        }
    }

    /// On a day.
    pub(crate) fn on(self, day: Moment, from_four: bool) -> Option<Resolved> {
        let (from, to) = self.hours(from_four);
        let at = |hour| Some(Moment { at: Grain::Hour.shift(day.at, hour)?, grain: Grain::Hour });
        Some(Resolved::Interval(Some(at(from)?), Some(at(to)?)))
    }
}
