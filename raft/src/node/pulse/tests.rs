//! Who leads and who is alive, by what was heard.

use super::*;

const SHARD: GroupId = GroupId(3);

fn message(incarnation: u64, leads: &[(u32, u64)]) -> proto::PulseMessage {
    let leads = leads.iter().map(|(group, term)| proto::Led { group: *group, term: *term, settled: 0, sleeps_at: None }).collect();
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

#[test]
fn who_is_silent_does_not_lead() {
    let pulses = Pulses::new(Duration::from_millis(20));
    pulses.hear(1, &message(7, &[(3, 5)]));
    let mut changes = pulses.changes();
    changes.borrow_and_update();
    std::thread::sleep(Duration::from_millis(40));
    assert_eq!((pulses.leader(SHARD), pulses.is_alive(1)), (None, false));
    pulses.look();
    assert!(changes.has_changed().unwrap(), "silence is a change");
    assert_eq!((pulses.feature_level(1), pulses.incarnation(1)), (Some(2), Some(7)));
}
