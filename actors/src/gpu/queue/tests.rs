//! The queue without a clock: the test says what time it is.

use super::*;

const LIMITS: BatchLimits = BatchLimits { requests_max: 4, tokens_max: 100 };
const PATIENCE: Patience = Patience { lasts: Duration::from_millis(200), needs: Duration::from_millis(70) };

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
        let batch = self.queue.take_batch(self.now, |e| e.model == loaded, |_| PATIENCE, |_| LIMITS);
        batch.into_iter().map(|e| e.item).collect()
    }

    /// The same, where the batch's model is on the device from then on; it says which one that is.
    fn take_and_bring(&mut self) -> (usize, Vec<u32>) {
        let loaded = self.loaded;
        let batch = self.queue.take_batch(self.now, |e| e.model == loaded, |_| PATIENCE, |_| LIMITS);
        self.loaded = batch[0].model;
        (self.loaded, batch.into_iter().map(|e| e.item).collect())
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
        let batch = test.queue.take_batch(test.now, |_| true, |_| PATIENCE, |_| LIMITS);
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
    let mut test = Test::new();
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
    test.push(1, Class::Interactive, 1, 10, 100);
    test.push(2, Class::Interactive, 0, 10, 2_000);
    test.push(3, Class::Interactive, 0, 100, 2_000);
    assert_eq!(test.take(), [2], "there is time for the load, the request and some more");
    test.now += ms(30);
    assert_eq!(test.take(), [1], "now there is none: it goes before its patience is over");
    assert_eq!(test.queue.sweep(|e| e.item == 3).len(), 1);
    assert!(test.take().is_empty());
    // Behind one that can wait, and behind one whose model is there, is one whose model takes longer.
    for (item, model, deadline_ms) in [(4, 1, 150), (6, 0, 152), (5, 2, 155)] {
        test.push(item, Class::Interactive, model, 10, deadline_ms);
    }
    let patience = |e: &Entry<u32>| Patience { needs: ms(if e.model == 2 { 155 } else { 70 }), ..PATIENCE };
    let batch = test.queue.take_batch(test.now, |e| e.model == 0, patience, |_| LIMITS);
    assert_eq!(batch.into_iter().map(|e| e.item).collect::<Vec<_>>(), [5]);
}

#[test]
fn a_model_that_was_brought_stays_for_a_while_however_long_others_have_waited() {
    let mut test = Test::new();
    let mut brought = Vec::new();
    // Both have always more to do than the device does, and all of it has waited for longer than any patience.
    for i in 0..400 {
        test.push(i, Class::Interactive, i as usize % 2, 50, 60_000);
    }
    test.now += ms(1_000);
    for _ in 0..120 {
        let before = test.loaded;
        let (model, batch) = test.take_and_bring();
        assert_eq!(batch.len(), 2);
        // A load takes 50 ms, a batch 10.
        test.now += if model == before { ms(10) } else { ms(60) };
        brought.push(model != before);
    }
    let loads = brought.iter().filter(|b| **b).count();
    assert!((4..=6).contains(&loads), "one for each 21 batches: {brought:?}");
}

#[test]
fn a_share_that_was_earned_waits_for_its_load_like_everybody() {
    let mut test = Test::new();
    for i in 0..400 {
        test.push(i, Class::Bulk, 1, 50, 60_000);
    }
    let (mut loads, mut tokens) = (0, [0; 2]);
    for _ in 0..600 {
        while test.queue.len(Class::Interactive) < 8 {
            test.push(0, Class::Interactive, 0, 25, 5_000);
        }
        let before = test.loaded;
        let (model, batch) = test.take_and_bring();
        tokens[model] += batch.len() * if model == 0 { 25 } else { 50 };
        loads += usize::from(model != before);
        test.now += if model == before { ms(10) } else { ms(60) };
    }
    let share = tokens[1] as f64 / tokens[0] as f64;
    assert!((0.08..0.12).contains(&share), "it gets what it has earned: {tokens:?}");
    assert!(loads < 60, "several batches a load: {loads}");
}
