//! The twin keeps its promises, and its faults come on time.

use super::*;

fn put(store: &MemoryStore, key: &str, value: &'static str) -> io::Result<()> {
    store.apply(vec![(key.into(), Some(Bytes::from_static(value.as_bytes())))])
}

fn keys(store: &MemoryStore) -> String {
    store.contents().into_keys().map(|k| String::from_utf8(k).unwrap()).collect()
}

/// Two batches, a barrier, three more.
fn five(seed: u64) -> Arc<MemoryStore> {
    let store = MemoryStore::new(seed);
    put(&store, "a", "1").unwrap();
    put(&store, "b", "1").unwrap();
    store.barrier().unwrap();
    ["c", "d", "e"].into_iter().for_each(|k| put(&store, k, "1").unwrap());
    store
}

#[test]
fn a_crash_leaves_a_prefix_that_holds_the_synced_part() {
    let after = |survivors| keys(&five(1).crash(survivors));
    assert_eq!(after(Survivors::Synced), "ab");
    assert_eq!(after(Survivors::AllButLast), "abcd");
    assert_eq!(after(Survivors::All), "abcde");

    // The seed chooses, always the same, and all there is to choose.
    let seeded = |seed| keys(&five(seed).crash(Survivors::Seeded));
    let seen: std::collections::BTreeSet<String> = (0..40).map(seeded).collect();
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["ab", "abc", "abcd", "abcde"]);
    assert!((0..40).all(|seed| seeded(seed) == seeded(seed)));

    // The one that crashed is gone; the one that came back is whole.
    let store = five(1);
    let back = store.crash(Survivors::All);
    assert!(store.get(b"a").is_err() && put(&store, "f", "1").is_err());
    assert_eq!(keys(&back.crash(Survivors::Synced)), "abcde");
}

#[test]
fn faults_come_when_they_are_asked_for() {
    let store = five(7);
    assert_eq!(store.steps(), 6);
    store.fail_at(7);
    put(&store, "f", "1").unwrap();
    assert!(store.barrier().is_err(), "step 7");
    put(&store, "g", "1").unwrap();
    assert_eq!(keys(&store), "abcdefg");

    store.set_bytes_max(16);
    put(&store, "h", "1").unwrap();
    assert_eq!(put(&store, "i", "1").unwrap_err().kind(), io::ErrorKind::StorageFull);
    store.set_bytes_max(u64::MAX);
    put(&store, "i", "1").unwrap();

    assert!(store.flip_bit(b"a") && !store.flip_bit(b"zz"));
    let changed = store.get(b"a").unwrap().unwrap()[0] ^ b'1';
    assert_eq!(changed.count_ones(), 1);

    store.stop_at(store.steps() + 1);
    put(&store, "j", "1").unwrap();
    assert!(put(&store, "k", "1").is_err() && store.barrier().is_err() && store.get(b"a").is_err());
    assert_eq!(keys(&store.crash(Survivors::All)), "abcdefghij");
}

#[test]
fn a_barrier_that_is_held_syncs_only_what_stood_before_it() {
    let store = five(3);
    store.hold_barriers(true);
    std::thread::scope(|scope| {
        let barrier = scope.spawn(|| store.barrier());
        while store.steps() < 7 {
            std::thread::yield_now();
        }
        put(&store, "late", "1").unwrap();
        assert!(!barrier.is_finished());
        store.hold_barriers(false);
        barrier.join().unwrap().unwrap();
    });
    assert_eq!(keys(&store.crash(Survivors::Synced)), "abcde");

    // One that the power cuts off syncs nothing.
    let store = five(3);
    store.hold_barriers(true);
    std::thread::scope(|scope| {
        let barrier = scope.spawn(|| store.barrier());
        while store.steps() < 7 {
            std::thread::yield_now();
        }
        assert_eq!(keys(&store.crash(Survivors::Synced)), "ab");
        assert!(barrier.join().unwrap().is_err());
    });

    // And one that lies is found out.
    let store = five(3);
    store.lie_about_barriers();
    store.barrier().unwrap();
    assert_eq!(keys(&store.crash(Survivors::Synced)), "ab");
}

#[test]
fn a_scan_is_in_order_and_ends_where_it_is_told_to() {
    let store = MemoryStore::new(0);
    for i in 0..200u8 {
        store.apply(vec![(vec![i], Some(Bytes::from(vec![i])))]).unwrap();
    }
    let mut seen = Vec::new();
    store
        .scan(&[10], &[190], &mut |key, _| {
            seen.push(key[0]);
            Ok(key[0] < 150)
        })
        .unwrap();
    assert_eq!(seen, (10..=150).collect::<Vec<u8>>());
}
