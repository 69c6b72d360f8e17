//! Who leads and who is alive, by what was heard.

use super::*;

const SHARD: GroupId = GroupId(3);

fn message(incarnation: u64, leads: &[(u32, u64)]) -> proto::PulseMessage {
    let leads = leads
        .iter()
        .map(|(group, term)| proto::Led { group: *group, term: *term, settled: 0, sleeps_at: None })
        .collect();
    proto::PulseMessage { incarnation, feature_level: 2, leads, ..Default::default() }
}

#[test]
fn the_highest_term_leads_and_an_old_claim_never_comes_back() {
    let pulses = Pulses::new(Duration::from_secs(60));
    let leader = || pulses.leader(SHARD).map(|l| (l.node, l.term));
    let mut changes = pulses.changes();
    pulses.hear(1, &message(7, &[(3, 5)]));
    assert!(changes.has_changed().unwrap() && pulses.is_alive(1) && !pulses.is_alive(2));
    assert_eq!(leader(), Some((1, 5)));
    changes.borrow_and_update();
    pulses.hear(1, &message(7, &[(3, 5)]));
    assert!(!changes.has_changed().unwrap(), "the same again is no change");
    // The next leader is heard before the old one knows.
    pulses.hear(2, &message(8, &[(3, 6)]));
    pulses.hear(1, &message(7, &[(3, 5)]));
    assert_eq!(leader(), Some((2, 6)));
    // It steps down: nobody leads, least of all who led before.
    pulses.hear(2, &message(8, &[]));
    assert_eq!(leader(), None);
    pulses.hear(1, &message(7, &[(3, 5)]));
    assert_eq!(leader(), None);
    pulses.hear(1, &message(7, &[(3, 7)]));
    assert_eq!(leader(), Some((1, 7)));
}

/// openraft orders leaderships by term and node: the simulator has seen two in one term (seed 4).
#[test]
fn in_one_term_the_greater_node_is_the_later_leader() {
    let pulses = Pulses::new(Duration::from_secs(60));
    let leader = || pulses.leader(SHARD).map(|l| l.node);
    pulses.hear(2, &message(8, &[(3, 5)]));
    // It does not know yet.
    pulses.hear(1, &message(7, &[(3, 5)]));
    assert_eq!(leader(), Some(2));
    pulses.hear(3, &message(9, &[(3, 5)]));
    assert_eq!(leader(), Some(3));
}

/// Whoever was told of no change must not have seen one: a leader that was silent for a moment, and that somebody asked for
/// just then, was never found again (simulator, seed 54).
#[test]
fn a_silence_that_nobody_was_told_of_is_none() {
    let pulses = Pulses::new(Duration::from_millis(20));
    pulses.hear(1, &message(7, &[(3, 5)]));
    let mut changes = pulses.changes();
    changes.borrow_and_update();
    std::thread::sleep(Duration::from_millis(40));
    let seen = pulses.leader(SHARD);
    pulses.hear(1, &message(7, &[(3, 5)]));
    pulses.look();
    assert!(seen == pulses.leader(SHARD) || changes.has_changed().unwrap());
}

#[test]
fn who_is_silent_does_not_lead() {
    let pulses = Pulses::new(Duration::from_millis(20));
    pulses.hear(1, &message(7, &[(3, 5)]));
    let mut changes = pulses.changes();
    changes.borrow_and_update();
    std::thread::sleep(Duration::from_millis(40));
    pulses.look();
    assert_eq!((pulses.leader(SHARD), pulses.is_alive(1)), (None, false));
    assert!(changes.has_changed().unwrap(), "silence is a change");
    assert_eq!((pulses.feature_level(1), pulses.incarnation(1)), (Some(2), Some(7)));
}

#[test]
fn what_is_not_repeated_is_what_was_said_in_that_version() {
    let pulses = Pulses::new(Duration::from_secs(60));
    let at = proto::LogId { term: 5, node: 1, index: 9 };
    let last = from_log_id(at);
    let full = |version: u64, sleeps: bool| proto::PulseMessage {
        version,
        leads: vec![proto::Led { group: 3, term: 5, settled: 1, sleeps_at: sleeps.then_some(at) }],
        sleeps: vec![proto::Sleeps { group: 4, term: 6, at: Some(at) }],
        ..message(7, &[])
    };
    let spot = |leader, term| Spot { leader, term, last };
    // Nothing was said yet: who knows what it refers to.
    pulses.hear(1, &unchanged(&full(2, true)));
    assert_eq!((pulses.heard_ago(1), pulses.offer(SHARD)), (None, None));
    pulses.hear(1, &full(2, true));
    let first = pulses.offer(SHARD).unwrap();
    assert_eq!(first.0, spot(1, 5));
    assert!(pulses.sleeps(1, GroupId(4), &spot(2, 6)) && !pulses.sleeps(1, GroupId(4), &spot(2, 7)));
    assert!(!pulses.sleeps(1, SHARD, &spot(1, 5)), "it offers, and follows nobody there");
    let mut changes = pulses.changes();
    changes.borrow_and_update();
    pulses.hear(1, &unchanged(&full(2, true)));
    let again = pulses.offer(SHARD).unwrap();
    assert!(again.0 == first.0 && again.1 > first.1 && pulses.heard_to_lead(SHARD, 1, 5) == Some(again.1));
    assert!(!changes.has_changed().unwrap());

    // A stream that was given up has something left: it is older than what is known.
    pulses.hear(1, &full(3, false));
    pulses.hear(1, &full(2, true));
    pulses.hear(1, &unchanged(&full(2, true)));
    assert_eq!(pulses.offer(SHARD), None);
    assert!(pulses.heard_to_lead(SHARD, 1, 5).is_some() && pulses.heard_to_lead(SHARD, 1, 4).is_none());

    // A process that has begun anew says nothing of what the one before has said.
    pulses.hear(1, &proto::PulseMessage { version: 1, ..message(8, &[]) });
    assert!(pulses.heard_to_lead(SHARD, 1, 5).is_none() && !pulses.sleeps(1, GroupId(4), &spot(2, 6)));
}

#[test]
fn a_version_counts_changes() {
    let beat = Beat::new(None);
    let version = || beat.0.borrow().version;
    let led = |term| vec![proto::Led { group: 3, term, settled: 1, sleeps_at: None }];
    let first = version();
    beat.send(led(5), Vec::new());
    beat.send(led(5), Vec::new());
    assert_eq!(version(), first + 1);
    beat.send(led(6), Vec::new());
    assert_eq!(version(), first + 2);
    let short = unchanged(&beat.0.borrow());
    assert!(short.unchanged && short.leads.is_empty() && short.version == first + 2 && short.incarnation > 0);
}
