//! Whole ranges of keys.

use super::{Change, Store};
use crate::limits::APPLY_BYTES_MAX;
use std::io;

/// Removes `from..to`, from the front, in pieces: a piece holds its values in memory, because sled reads what it removes.
/// A crash leaves the rest.
pub(crate) fn remove_range(store: &dyn Store, from: &[u8], to: &[u8]) -> io::Result<()> {
    loop {
        let (mut gone, mut bytes): (Vec<Change>, usize) = (Vec::new(), 0);
        store.scan(from, to, &mut |key, value| {
            bytes += key.len() + value.len();
            gone.push((key.to_vec(), None));
            Ok(bytes < APPLY_BYTES_MAX)
        })?;
        if gone.is_empty() {
            return Ok(());
        }
        store.apply_in_order(gone)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{MemoryStore, Visit};
    use parking_lot::Mutex;
    use std::sync::Arc;

    /// Counts what is removed at once.
    struct Counting(Arc<MemoryStore>, Mutex<Vec<usize>>);

    impl Store for Counting {
        fn get(&self, key: &[u8]) -> io::Result<Option<sled::IVec>> {
            self.0.get(key)
        }
        fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> io::Result<()> {
            self.0.scan(from, to, visit)
        }
        fn apply(&self, changes: Vec<Change>) -> io::Result<()> {
            self.1.lock().push(changes.len());
            self.0.apply(changes)
        }
        fn barrier(&self) -> io::Result<()> {
            self.0.barrier()
        }
        fn close(&self) {}
    }

    #[test]
    fn no_piece_holds_more_than_some_values() {
        let store = Counting(MemoryStore::new(1), Mutex::default());
        let key = |i: u32| i.to_be_bytes().to_vec();
        store.0.apply((0..200).map(|i| (key(i), Some(vec![7; 50_000].into()))).collect()).unwrap();
        remove_range(&store, &key(10), &key(190)).unwrap();
        let left: Vec<_> = store.0.contents().into_keys().collect();
        assert_eq!(left, (0..10).chain(190..200).map(key).collect::<Vec<_>>());
        let pieces = store.1.lock().clone();
        assert!(
            pieces.len() == 9 && pieces.iter().all(|piece| piece * 50_000 <= APPLY_BYTES_MAX + 50_000),
            "{pieces:?}"
        );
    }
}
