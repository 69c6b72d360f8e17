//! `Queue`: what waits for the device, and which of it goes next. No clock and no channel: time comes as an argument.
//!
//! Between classes: interactive before bulk before training, but whoever waits behind others earns a share of what they take, and a
//! class that has earned a batch gets it. Within a class: the earliest deadline first (Liu and Layland 1973). A batch is of one model, and
//! whoever needs one that must be brought first lets those go before whose models are there, for a while and as long as it has the time.

#[cfg(test)]
mod tests;

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

/// How long a request whose model must be brought can wait for others, whose models are there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// So long in all, from its arrival or from when the newest model came: a load is shared by several batches.
    pub lasts: Duration,
    /// From now on it needs so long to be done in time: then it waits no longer.
    pub needs: Duration,
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
    /// For the batch in work a model is brought.
    coming: bool,
    /// When the device was free again after the last time that one was.
    came: Option<Instant>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        let classes = [const { Waiting { entries: BTreeMap::new(), credit: 0 } }; 3];
        Self { classes, arrivals: 0, coming: false, came: None }
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

    /// The next batch: requests of one class and one model, the first of them however long it is. To be asked whenever the device is free.
    ///
    /// `ready` says whether a request's model needs no loading, `patience` how long one can wait whose model does; `limits` what a
    /// batch that begins with a request may hold.
    pub(super) fn take_batch(
        &mut self,
        now: Instant,
        ready: impl Fn(&Entry<T>) -> bool,
        patience: impl Fn(&Entry<T>) -> Patience,
        limits: impl Fn(&Entry<T>) -> BatchLimits,
    ) -> Vec<Entry<T>> {
        if std::mem::take(&mut self.coming) {
            self.came = Some(now);
        }
        let came = self.came;
        let turn = |entry: &Entry<T>| {
            if ready(entry) {
                return Turn { start_by: entry.deadline, ready: true, due: true };
            }
            let Patience { lasts, needs } = patience(entry);
            let since = came.map_or(entry.arrived, |came| came.max(entry.arrived));
            let start_by = entry.deadline.checked_sub(needs).unwrap_or(now);
            Turn { start_by, ready: false, due: start_by <= now || since + lasts <= now }
        };
        let next = |class: Class| {
            let (first, turn) = self.classes[class as usize].first(turn)?;
            Some(Next { class, model: first.model, turn, limits: limits(first) })
        };
        let waiting: Vec<Next> = Class::ALL.into_iter().filter_map(next).collect();
        let Some(most_urgent) = waiting.first() else { return Vec::new() };
        // The least urgent one that has earned a batch has waited for all others. For a load it waits as everybody does.
        let earned = |next: &&Next| {
            let waiting = &self.classes[next.class as usize];
            next.class > most_urgent.class && next.turn.due && waiting.has_earned(next.limits.tokens_max)
        };
        let Next { class, model, turn, limits } = *waiting.iter().rev().find(earned).unwrap_or(most_urgent);
        self.coming = !turn.ready;
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

/// When a request goes.
#[derive(Debug, Clone, Copy)]
struct Turn {
    /// The earliest goes first: the deadline, or when its model must begin to be brought to meet it.
    start_by: Instant,
    /// Is its model there?
    ready: bool,
    /// Is it, or can the request wait no longer?
    due: bool,
}

/// What a class would do next.
#[derive(Debug, Clone, Copy)]
struct Next {
    class: Class,
    model: usize,
    turn: Turn,
    limits: BatchLimits,
}

impl<T> Waiting<T> {
    /// The most urgent request that is due; where none is, the most urgent one: nobody waits for nothing.
    fn first(&self, turn: impl Fn(&Entry<T>) -> Turn) -> Option<(&Entry<T>, Turn)> {
        let turns = self.entries.values().map(|entry| (entry, turn(entry)));
        turns.min_by_key(|(_, turn)| (!turn.due, turn.start_by))
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
