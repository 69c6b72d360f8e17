//! The search itself, on another object than ours: a register that is written, read and compared-and-set.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that goes wrong")]

use drills::linearizable::{Model, Outcome, Step, Timed, search};
use proptest::prelude::*;

#[derive(Debug, Clone, PartialEq)]
enum Do {
    Write(u8),
    Read(u8),
    /// Changes the first into the second, and says so.
    Swap(u8, u8),
}

struct Register;

impl Model for Register {
    type Operation = Do;
    /// The values so far: the last one counts, the others are for taking back.
    type State = Vec<u8>;

    fn initial(&self) -> Vec<u8> {
        vec![0]
    }

    fn step(&self, state: &mut Vec<u8>, operation: &Do) -> Step {
        let now = *state.last().unwrap();
        let next = match *operation {
            Do::Read(seen) if seen == now => return Step::Same,
            Do::Write(value) => value,
            Do::Swap(from, to) if from == now => to,
            Do::Read(_) | Do::Swap(..) => return Step::Impossible,
        };
        state.push(next);
        Step::Changed
    }

    fn undo(&self, state: &mut Vec<u8>, _operation: &Do) {
        state.pop();
    }

    fn fingerprint(&self, state: &Vec<u8>) -> u64 {
        u64::from(*state.last().unwrap())
    }
}

fn timed(call_ns: u64, return_ns: u64, operation: Do) -> Timed<Do> {
    Timed { call_ns, return_ns: Some(return_ns), operation }
}

fn by_definition(all: &[Timed<Do>], value: u8, done: &mut Vec<bool>) -> bool {
    let left = |done: &[bool], i: usize| !done[i] && all[i].return_ns.is_some();
    if (0..all.len()).all(|i| !left(done, i)) {
        return true;
    }
    (0..all.len()).any(|i| {
        let late = (0..all.len()).any(|j| left(done, j) && all[j].return_ns.unwrap() < all[i].call_ns);
        let next = match all[i].operation {
            Do::Write(to) => Some(to),
            Do::Read(seen) => (seen == value).then_some(value),
            Do::Swap(from, to) => (from == value).then_some(to),
        };
        let (false, false, Some(next)) = (done[i], late, next) else { return false };
        done[i] = true;
        let found = by_definition(all, next, done);
        done[i] = false;
        found
    })
}

#[test]
fn the_longest_order_and_what_cannot_follow_it_are_told() {
    let all =
        [timed(0, 10, Do::Write(1)), timed(5, 30, Do::Read(2)), timed(20, 25, Do::Read(0)), timed(40, 50, Do::Read(1))];
    // Without the read of 2, which nobody wrote, and that of 0, which came too late, nothing goes on.
    let outcome = search(&Register, &all, 1_000);
    assert_eq!(outcome, Outcome::Broken { prefix: vec![0], stuck: vec![2, 1], visited: 1 });
}

#[test]
fn a_configuration_is_visited_once() {
    // Twelve writes at once and a read that no order explains: 12! orders, but only 12 * 2^12 configurations.
    let writes = (1..=12).map(|value| timed(0, 100, Do::Write(value)));
    let all: Vec<_> = writes.chain([timed(0, 100, Do::Read(99))]).collect();
    let Outcome::Broken { visited, .. } = search(&Register, &all, 1_000_000) else { panic!("nobody wrote 99") };
    assert_eq!(visited, 12 << 11, "each set of writes with each of its members as the last");
    assert_eq!(search(&Register, &all, 500), Outcome::Undecided { visited: 500 });
}

fn operation() -> impl Strategy<Value = Timed<Do>> {
    let what = prop_oneof![
        (0..3_u8).prop_map(Do::Write),
        (0..3_u8).prop_map(Do::Read),
        (0..3_u8, 0..3_u8).prop_map(|(from, to)| Do::Swap(from, to)),
    ];
    (0..12_u64, 0..8_u64, 0..6_u8, what).prop_map(|(call_ns, took, known, operation)| Timed {
        call_ns,
        return_ns: (known > 0).then_some(call_ns + took),
        operation,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_histories_are_judged_as_by_definition(all in prop::collection::vec(operation(), 1..8)) {
        let expected = by_definition(&all, 0, &mut vec![false; all.len()]);
        match search(&Register, &all, 100_000) {
            Outcome::Linearizable { order, .. } => {
                prop_assert!(expected);
                // The order itself must explain everything.
                let mut state = Register.initial();
                for operation in &order {
                    prop_assert_ne!(Register.step(&mut state, &all[*operation].operation), Step::Impossible);
                }
                for (i, early) in order.iter().enumerate() {
                    for late in &order[i + 1..] {
                        prop_assert!(all[*late].return_ns.is_none_or(|end| end >= all[*early].call_ns));
                    }
                }
                prop_assert!((0..all.len()).all(|i| all[i].return_ns.is_none() || order.contains(&i)));
            }
            Outcome::Broken { .. } => prop_assert!(!expected),
            Outcome::Undecided { .. } => prop_assert!(false, "so few operations have an answer"),
        }
    }
}
