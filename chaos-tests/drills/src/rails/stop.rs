//! When a drill must stop before its time: decided from the load's counts alone.

use crate::limits::{STOP_FAILED_SHARE, STOP_NOT_WHOLE_AFTER, STOP_OVER, STOP_PAUSE, STOP_SAMPLES_MAX};
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// What a drill must not go on through.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StopWhen {
    /// So large a share of the attempts failed, from above 0 to 1,
    pub failed_share: f64,
    /// over this time.
    pub over: Duration,
    /// No turn at all was acknowledged for so long.
    pub pause: Duration,
    /// The last fault was undone so long ago, and the cluster is not whole.
    pub not_whole_after: Duration,
}

impl Default for StopWhen {
    fn default() -> Self {
        Self {
            failed_share: STOP_FAILED_SHARE,
            over: STOP_OVER,
            pause: STOP_PAUSE,
            not_whole_after: STOP_NOT_WHOLE_AFTER,
        }
    }
}

impl StopWhen {
    /// Checks the values; `Err` says what is wrong.
    pub fn validate(self) -> Result<Self, String> {
        let wrong =
            |field: &str, found: String, expected: &str| Err(format!("{field}: found {found}, expected {expected}"));
        if !(self.failed_share > 0.0 && self.failed_share <= 1.0) {
            return wrong("failed_share", self.failed_share.to_string(), "more than 0, and 1 at most");
        }
        for (field, time) in [("over", self.over), ("pause", self.pause), ("not_whole_after", self.not_whole_after)] {
            if time.is_zero() {
                return wrong(field, format!("{time:?}"), "more than no time");
            }
        }
        Ok(self)
    }
}

/// The load's counts at a moment, from the drill's begin on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When, from the drill's begin.
    pub at: Duration,
    /// Turns acknowledged so far.
    pub acknowledged: u64,
    /// Attempts that failed so far.
    pub failed: u64,
}

/// Why a drill must stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Too many attempts fail.
    Failing {
        /// So many failed
        failed: u64,
        /// of so many
        attempts: u64,
        /// in this time.
        within: Duration,
    },
    /// Nothing is acknowledged.
    Silent {
        /// For so long.
        since: Duration,
    },
    /// The cluster does not become whole.
    NotWhole {
        /// It was waited for so long.
        waited: Duration,
    },
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failing { failed, attempts, within } => {
                let s = within.as_secs_f64();
                write!(f, "{failed} of {attempts} attempts failed within {s:.1} s")
            }
            Self::Silent { since } => write!(f, "no turn was acknowledged for {:.1} s", since.as_secs_f64()),
            Self::NotWhole { waited } => {
                write!(f, "{:.1} s after the last fault was undone the cluster is not whole", waited.as_secs_f64())
            }
        }
    }
}

/// Watches the counts.
#[derive(Debug)]
pub struct StopWatcher {
    when: StopWhen,
    /// Oldest first. The first is the last one that lies `over` or longer back, once there is such a one.
    samples: VecDeque<Sample>,
    last: Option<Sample>,
    /// When the acknowledged turns grew last, or what was seen first.
    grew: Duration,
}

impl StopWatcher {
    /// Nothing was seen yet.
    pub fn new(when: StopWhen) -> Self {
        Self { when, samples: VecDeque::new(), last: None, grew: Duration::ZERO }
    }

    /// Takes the counts of now. They never go back.
    pub fn see(&mut self, now: Sample) -> Option<Stop> {
        let last = self.last.replace(now);
        let goes_on =
            |last: &Sample| now.at >= last.at && now.acknowledged >= last.acknowledged && now.failed >= last.failed;
        assert!(last.as_ref().is_none_or(goes_on), "{now:?} after {last:?}");
        if last.is_none_or(|last| now.acknowledged > last.acknowledged) {
            self.grew = now.at;
        }
        self.failing(now).or_else(|| self.silent(now))
    }

    /// Takes how long the cluster has had since the last fault was undone, without being whole.
    pub fn see_not_whole(&self, waited: Duration) -> Option<Stop> {
        (waited >= self.when.not_whole_after).then_some(Stop::NotWhole { waited })
    }

    fn failing(&mut self, now: Sample) -> Option<Stop> {
        self.keep(now);
        let first = self.samples.front()?;
        let within = now.at - first.at;
        let failed = now.failed - first.failed;
        let attempts = failed + (now.acknowledged - first.acknowledged);
        let too_many = failed > 0 && failed as f64 >= self.when.failed_share * attempts as f64;
        // A share over less time says little: any pause begins with failures only.
        (within >= self.when.over && too_many).then_some(Stop::Failing { failed, attempts, within })
    }

    fn keep(&mut self, now: Sample) {
        // So many lie less than `over` back, and one more further; the last nanosecond makes up for the division's rest.
        let apart = self.when.over / (STOP_SAMPLES_MAX - 3) + Duration::from_nanos(1);
        if self.samples.back().is_none_or(|last| now.at >= last.at + apart) {
            self.samples.push_back(now);
        }
        while self.samples.get(1).is_some_and(|second| now.at - second.at >= self.when.over) {
            self.samples.pop_front();
        }
        assert!(self.samples.len() <= STOP_SAMPLES_MAX as usize, "{} samples", self.samples.len());
    }

    fn silent(&self, now: Sample) -> Option<Stop> {
        let since = now.at - self.grew;
        (since >= self.when.pause).then_some(Stop::Silent { since })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// Feeds (seconds, acknowledged, failed) and returns the first stop.
    fn watch(when: StopWhen, samples: impl IntoIterator<Item = (f64, u64, u64)>) -> Option<(f64, Stop)> {
        let mut watcher = StopWatcher::new(when);
        samples
            .into_iter()
            .find_map(|(at, acknowledged, failed)| Some((at, watcher.see(Sample { at: s(at), acknowledged, failed })?)))
    }

    #[test]
    fn a_drill_stops_when_half_of_the_attempts_fail_for_long_enough() {
        let when = StopWhen::default().validate().unwrap();
        // 100 turns a second; from second 20 on, half of the attempts fail, or one less of a thousand.
        let load = |failing: u64| {
            (0..60_u64).map(move |t| {
                let bad = t.saturating_sub(20);
                (t as f64, 500 + 100 * t - bad * failing / 10, bad * failing / 10)
            })
        };
        let (at, stop) = watch(when, load(500)).unwrap();
        assert_eq!((at, stop), (30.0, Stop::Failing { failed: 500, attempts: 1_000, within: s(10.0) }));
        assert_eq!(stop.to_string(), "500 of 1000 attempts failed within 10.0 s");
        assert_eq!(watch(when, load(499)), None, "just below");
        // A short pause in which everything fails is what drills are about.
        let blip = (0..60_u64)
            .map(|t| (t as f64, 100 * t.min(20) + 100 * t.saturating_sub(24), 100 * t.clamp(20, 24) - 2_000));
        assert_eq!(watch(when, blip), None);
        // Before the time is over nothing is said; then at once.
        let all_fail = (0..=20_u64).map(|t| (t as f64 / 2.0, 0, t));
        assert_eq!(watch(when, all_fail.clone().take(20)), None);
        assert_eq!(watch(when, all_fail).unwrap().1, Stop::Failing { failed: 20, attempts: 20, within: s(10.0) });
    }

    #[test]
    fn a_drill_stops_when_nothing_is_acknowledged() {
        let when = StopWhen { failed_share: 1.0, ..StopWhen::default() };
        // Attempts hang, and none of them fails.
        let hang = |until: f64| {
            (0..)
                .map(|t| f64::from(t) / 4.0)
                .take_while(move |t| *t <= until)
                .map(|t| (t, (t * 10.0).min(50.0) as u64, 0))
        };
        assert_eq!(watch(when, hang(34.75)), None);
        let (at, stop) = watch(when, hang(40.0)).unwrap();
        assert_eq!((at, stop), (35.0, Stop::Silent { since: s(30.0) }));
        assert_eq!(stop.to_string(), "no turn was acknowledged for 30.0 s");
        // One turn makes it begin anew.
        let drip = (0..120_u64).map(|t| (t as f64, t / 29, 0));
        assert_eq!(watch(when, drip), None);
    }

    #[test]
    fn a_drill_stops_when_the_cluster_stays_broken() {
        let watcher = StopWatcher::new(StopWhen::default());
        assert_eq!(watcher.see_not_whole(s(119.999)), None);
        let stop = watcher.see_not_whole(s(120.0)).unwrap();
        assert_eq!(stop, Stop::NotWhole { waited: s(120.0) });
        assert_eq!(stop.to_string(), "120.0 s after the last fault was undone the cluster is not whole");
    }

    #[test]
    fn many_samples_take_no_more_room() {
        let apart = |over: Duration, nanos: u64| {
            let mut watcher = StopWatcher::new(StopWhen { over, ..StopWhen::default() });
            for i in 0..20_000_u64 {
                let sample = Sample { at: Duration::from_nanos(i * nanos), acknowledged: i, failed: 0 };
                assert_eq!(watcher.see(sample), None);
            }
        };
        apart(s(0.0), 1);
        // Over so few nanoseconds that the rest of the division counts.
        apart(Duration::from_nanos(2_041), 1);
        apart(s(10.0), 1_000_000);
        apart(s(10.0), 9_765_000);
        apart(s(10.0), 1_000_000_000);
    }

    #[test]
    fn limits_that_mean_nothing_are_refused() {
        let refused = |when: StopWhen| when.validate().unwrap_err();
        let when = StopWhen::default();
        assert_eq!(
            refused(StopWhen { failed_share: 0.0, ..when }),
            "failed_share: found 0, expected more than 0, and 1 at most"
        );
        assert!(refused(StopWhen { failed_share: 1.01, ..when }).starts_with("failed_share: found 1.01"));
        assert!(refused(StopWhen { failed_share: f64::NAN, ..when }).starts_with("failed_share: found NaN"));
        assert_eq!(refused(StopWhen { pause: s(0.0), ..when }), "pause: found 0ns, expected more than no time");
    }
}
