//! `Queue`: what waits for the device, and which of it goes next. No clock and no channel: time comes as an argument.
//!
//! Between classes: interactive before bulk before training, but whoever waits behind others earns a share of what they take, and a
//! class that has earned a batch gets it. Within a class: the earliest deadline first (Liu and Layland 1973). A batch is of one model.

use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// How urgent a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Somebody waits for the answer.
    Interactive,
    /// Nobody does: evaluation, imports, shadow traffic.
    Bulk,
    /// Embeddings for training.
    Training,
}

impl Class {
    /// From the most to the least urgent.
    pub const ALL: [Self; 3] = [Self::Interactive, Self::Bulk, Self::Training];

    /// For people and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Bulk => "bulk",
            Self::Training => "training",
        }
    }

    /// Its share of the device, in hundredths, while more urgent work wants all of it.
    fn share_percent(self) -> usize {
        match self {
            Self::Interactive => 0,
            Self::Bulk => 10,
            Self::Training => 5,
        }
    }
}

/// How long requests of a model that must be loaded first may wait for others, of models that are there.
const PATIENCE: Duration = Duration::from_millis(200);

/// A request that waits; `T` is what belongs to it.
#[derive(Debug)]
pub(super) struct Entry<T> {
    pub class: Class,
    pub model: usize,
    pub tokens: usize,
    pub arrived: Instant,
    pub deadline: Instant,
    pub item: T,
}

/// What one batch may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchLimits {
    pub requests_max: usize,
    pub tokens_max: usize,
}

/// What waits of one class.
#[derive(Debug)]
struct Waiting<T> {
    /// By deadline, then by arrival.
    entries: BTreeMap<(Instant, u64), Entry<T>>,
    /// Hundredths of tokens that it has earned by waiting.
    credit: usize,
}

/// All that waits.
#[derive(Debug)]
pub(super) struct Queue<T> {
    classes: [Waiting<T>; 3],
    arrivals: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { classes: [const { Waiting { entries: BTreeMap::new(), credit: 0 } }; 3], arrivals: 0 }
    }
}

impl<T> Queue<T> {
    pub(super) fn push(&mut self, entry: Entry<T>) {
        self.arrivals += 1;
        self.classes[entry.class as usize].entries.insert((entry.deadline, self.arrivals), entry);
    }

    /// How many requests of a class wait.
    pub(super) fn len(&self, class: Class) -> usize {
        self.classes[class as usize].entries.len()
    }

    /// Takes out what `gone` says is of no use any more.
    pub(super) fn sweep(&mut self, mut gone: impl FnMut(&Entry<T>) -> bool) -> Vec<Entry<T>> {
        let mut swept = Vec::new();
        for waiting in &mut self.classes {
            swept.extend(waiting.entries.extract_if(.., |_, entry| gone(entry)).map(|(_, entry)| entry));
        }
        swept
    }

    /// The next batch: requests of one class and one model, the first of them however long it is.
    ///
    /// `ready` says whether a request's model needs no loading; `limits` what a batch that begins with a request may hold.
    pub(super) fn take_batch(
        &mut self,
        now: Instant,
        ready: impl Fn(&Entry<T>) -> bool,
        limits: impl Fn(&Entry<T>) -> BatchLimits,
    ) -> Vec<Entry<T>> {
        let next = |class: Class| {
            let first = self.classes[class as usize].first(now, &ready)?;
            Some((class, first.model, limits(first)))
        };
        let waiting: Vec<(Class, usize, BatchLimits)> = Class::ALL.into_iter().filter_map(next).collect();
        let Some(most_urgent) = waiting.first() else { return Vec::new() };
        // The least urgent one that has earned a batch has waited for all others.
        let earned = |(class, _, limits): &&(Class, usize, BatchLimits)| {
            *class > most_urgent.0 && self.classes[*class as usize].has_earned(limits.tokens_max)
        };
        let (class, model, limits) = *waiting.iter().rev().find(earned).unwrap_or(most_urgent);
        let batch = self.classes[class as usize].take(model, limits);
        self.settle(class, batch.iter().map(|entry| entry.tokens).sum());
        batch
    }

    /// A batch of `class` takes so many tokens: it pays for them, and those behind it earn their share.
    fn settle(&mut self, class: Class, tokens: usize) {
        for other in Class::ALL {
            let waiting = &mut self.classes[other as usize];
            if waiting.entries.is_empty() {
                waiting.credit = 0;
            } else if other == class {
                waiting.credit = waiting.credit.saturating_sub(100 * tokens);
            } else if other > class {
                waiting.credit += tokens * other.share_percent();
            }
        }
    }
}

impl<T> Waiting<T> {
    /// The most urgent request. As long as it can wait for its model to be loaded, one whose model is there goes first.
    fn first(&self, now: Instant, ready: impl Fn(&Entry<T>) -> bool) -> Option<&Entry<T>> {
        let first = self.entries.values().next()?;
        let can_wait = now < first.arrived + PATIENCE && now + PATIENCE < first.deadline;
        if ready(first) || !can_wait {
            return Some(first);
        }
        Some(self.entries.values().find(|e| ready(e)).unwrap_or(first))
    }

    /// Are what waits here, or `limit` tokens of it, earned?
    fn has_earned(&self, limit: usize) -> bool {
        let mut waits = 0;
        for entry in self.entries.values() {
            waits += entry.tokens;
            // Never more than a batch is looked at.
            if waits >= limit {
                break;
            }
        }
        self.credit >= 100 * waits.min(limit)
    }

    /// The most urgent requests of a model that fit; what does not fit is passed over, and is first in the next batch.
    fn take(&mut self, model: usize, limits: BatchLimits) -> Vec<Entry<T>> {
        let (mut requests, mut tokens) = (0, 0);
        let fitting = self.entries.extract_if(.., |_, entry| {
            let fits = requests < limits.requests_max && tokens + entry.tokens <= limits.tokens_max;
            let take = entry.model == model && (requests == 0 || fits);
            if take {
                requests += 1;
                tokens += entry.tokens;
            }
            take
        });
        fitting.map(|(_, entry)| entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BatchLimits = BatchLimits { requests_max: 4, tokens_max: 100 };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    struct Test {
        queue: Queue<u32>,
        now: Instant,
        loaded: usize,
    }

    impl Test {
        fn new() -> Self {
            Self { queue: Queue::default(), now: Instant::now(), loaded: 0 }
        }

        fn push(&mut self, item: u32, class: Class, model: usize, tokens: usize, deadline_ms: u64) {
            let (arrived, deadline) = (self.now, self.now + ms(deadline_ms));
            self.queue.push(Entry { class, model, tokens, arrived, deadline, item });
        }

        fn take(&mut self) -> Vec<u32> {
            let loaded = self.loaded;
            let batch = self.queue.take_batch(self.now, |e| e.model == loaded, |_| LIMITS);
            batch.into_iter().map(|e| e.item).collect()
        }
    }

    #[test]
    fn the_earliest_deadline_goes_first_and_a_batch_keeps_to_its_limits() {
        let mut test = Test::new();
        for (item, tokens, deadline_ms) in [(1, 60, 900), (2, 30, 500), (3, 80, 700), (4, 70, 600), (5, 300, 100)] {
            test.push(item, Class::Interactive, 0, tokens, deadline_ms);
        }
        assert_eq!(test.take(), [5], "longer than a batch, and the most urgent: alone");
        // 2 with 70 tokens of 4 fill it; 3 and 1 are passed over.
        assert_eq!(test.take(), [2, 4]);
        assert_eq!(test.take(), [3]);
        assert_eq!(test.take(), [1]);
        assert!(test.take().is_empty());
        for item in 0..6 {
            test.push(item, Class::Interactive, 0, 1, 500);
        }
        assert_eq!(test.take(), [0, 1, 2, 3], "of equal deadlines the first to come, at most four");
    }

    #[test]
    fn whoever_waits_behind_others_gets_its_share() {
        let mut test = Test::new();
        for i in 0..400 {
            test.push(i, Class::Bulk, 0, 50, 60_000);
            test.push(i, Class::Training, 0, 50, 60_000);
        }
        let mut tokens = [0; 3];
        for _ in 0..1_000 {
            // More interactive work than the device does, always.
            while test.queue.len(Class::Interactive) < 8 {
                test.push(0, Class::Interactive, 0, 7, 500);
            }
            let batch = test.queue.take_batch(test.now, |_| true, |_| LIMITS);
            for entry in batch {
                tokens[entry.class as usize] += entry.tokens;
            }
        }
        let share = |class: Class| tokens[class as usize] as f64 / tokens[0] as f64;
        assert!((0.08..0.12).contains(&share(Class::Bulk)), "{tokens:?}");
        assert!((0.03..0.07).contains(&share(Class::Training)), "{tokens:?}");
        // Alone they get everything, and have earned nothing for later.
        while test.queue.len(Class::Interactive) > 0 {
            test.take();
        }
        let bulk = test.queue.len(Class::Bulk);
        (0..10).for_each(|_| drop(test.take()));
        // But for the batch of training that bulk work pays for.
        assert!((bulk - 20..=bulk - 18).contains(&test.queue.len(Class::Bulk)));
    }

    #[test]
    fn a_model_that_is_there_goes_first_for_a_while() {
        let mut test = Test::new();
        test.push(1, Class::Interactive, 1, 10, 1_000);
        test.push(2, Class::Interactive, 0, 10, 2_000);
        test.push(3, Class::Interactive, 1, 10, 3_000);
        test.push(4, Class::Interactive, 0, 10, 4_000);
        assert_eq!(test.take(), [2, 4], "batches are of one model, the one that is there");
        assert_eq!(test.take(), [1, 3], "nothing else is there: it is loaded");
        // The other's stream never ends; its patience does.
        test.push(5, Class::Interactive, 1, 10, 1_000);
        for round in 0..10 {
            test.push(6, Class::Interactive, 0, 10, 1_500);
            test.now += ms(50);
            let batch = test.take();
            if round < 3 {
                assert_eq!(batch, [6]);
            } else {
                assert_eq!(batch, [5], "round {round}");
                return;
            }
        }
    }

    #[test]
    fn a_request_that_cannot_wait_does_not() {
        let mut test = Test::new();
        test.push(1, Class::Interactive, 1, 10, 150);
        test.push(2, Class::Interactive, 0, 10, 2_000);
        assert_eq!(test.take(), [1], "its deadline is nearer than any patience");
        assert_eq!(test.queue.sweep(|e| e.item == 2).len(), 1);
        assert!(test.take().is_empty());
    }
}
