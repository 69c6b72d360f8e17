//! The history that is left to order: calls and returns in one doubly linked list, from which an operation is lifted and
//! into which it is put back (Lowe, "Testing for linearizability", 2017).

/// No event.
const NONE: usize = usize::MAX;

/// An operation, or the end of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// Operation `.0` was invoked.
    Call(usize),
    /// Operation `.0` had its outcome.
    Return(usize),
}

/// The events in the order of time. A place is an index that stays valid while its operation is lifted.
pub(super) struct Events {
    events: Vec<Event>,
    /// For each place the next one; the last element is the head.
    next: Vec<usize>,
    previous: Vec<usize>,
    /// For each operation the places of its call and of its return, if it has one.
    places: Vec<(usize, Option<usize>)>,
}

impl Events {
    /// From the times of each operation's call and return (`None`: its outcome was never known).
    pub(super) fn new(times: impl Iterator<Item = (u64, Option<u64>)>) -> Self {
        let mut timed = Vec::new();
        for (operation, (call, returned)) in times.enumerate() {
            timed.push((call, 0, Event::Call(operation)));
            timed.extend(returned.map(|at| (at.max(call), 1, Event::Return(operation))));
        }
        // At one instant calls come first: what touches, overlaps. The sort is stable, so the order is defined.
        timed.sort_by_key(|(at, rank, _)| (*at, *rank));
        let events: Vec<Event> = timed.into_iter().map(|(_, _, event)| event).collect();
        let operations = events.iter().filter(|e| matches!(e, Event::Call(_))).count();
        let mut places = vec![(NONE, None); operations];
        for (place, event) in events.iter().enumerate() {
            match *event {
                Event::Call(operation) => places[operation].0 = place,
                Event::Return(operation) => places[operation].1 = Some(place),
            }
        }
        let head = events.len();
        let next = (0..=head).map(|i| if i == head { 0 } else { i + 1 }).collect();
        let previous = (0..=head).map(|i| if i == 0 { head } else { i - 1 }).collect();
        Self { events, next, previous, places }
    }

    /// The event behind `place`, with its place.
    pub(super) fn after(&self, place: usize) -> Option<(usize, Event)> {
        let next = self.next[place];
        self.events.get(next).map(|event| (next, *event))
    }

    /// The place before the first event.
    pub(super) fn head(&self) -> usize {
        self.events.len()
    }

    /// The place of an operation's call.
    pub(super) fn call_of(&self, operation: usize) -> usize {
        self.places[operation].0
    }

    /// Takes an operation out.
    pub(super) fn lift(&mut self, operation: usize) {
        let (call, returned) = self.places[operation];
        self.unlink(call);
        if let Some(place) = returned {
            self.unlink(place);
        }
    }

    /// Puts an operation back: the one that was lifted last.
    pub(super) fn unlift(&mut self, operation: usize) {
        let (call, returned) = self.places[operation];
        // The other way round than they were taken out: each link finds the neighbours that it left.
        if let Some(place) = returned {
            self.link(place);
        }
        self.link(call);
    }

    fn unlink(&mut self, place: usize) {
        let (before, behind) = (self.previous[place], self.next[place]);
        self.next[before] = behind;
        self.previous[behind] = before;
    }

    fn link(&mut self, place: usize) {
        let (before, behind) = (self.previous[place], self.next[place]);
        self.next[before] = place;
        self.previous[behind] = place;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(events: &Events) -> Vec<Event> {
        std::iter::successors(events.after(events.head()), |(place, _)| events.after(*place))
            .map(|(_, event)| event)
            .collect()
    }

    #[test]
    fn what_is_lifted_comes_back_where_it_was() {
        use Event::{Call, Return};
        let mut events = Events::new([(0, Some(5)), (5, Some(9)), (2, None)].into_iter());
        let whole = left(&events);
        // Operation 1 begins at the instant at which 0 ends: they overlap.
        assert_eq!(whole, [Call(0), Call(2), Call(1), Return(0), Return(1)]);
        events.lift(2);
        events.lift(0);
        events.lift(1);
        assert_eq!(left(&events), []);
        events.unlift(1);
        assert_eq!(left(&events), [Call(1), Return(1)]);
        events.unlift(0);
        events.unlift(2);
        assert_eq!(left(&events), whole);
    }
}
