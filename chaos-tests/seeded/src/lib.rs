//! Replaces the randomness of a process by a seed.
//!
//! The standard library seeds its hash maps, and tokio the order in which `select!` looks at its branches, from the
//! operating system; nothing can be handed to them instead. A process that links this crate answers `getrandom(2)` itself:
//! the same [seed] gives the same bytes in the same order. Crates that look the function up by name find it, too, when
//! the binary exports it (see `chaos-tests/build.rs`).
//!
//! Unsafe code, which the workspace forbids, is here because the C function has a pointer to fill. Nothing that serves may
//! link this crate: the bytes are predictable.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static STATE: AtomicU64 = AtomicU64::new(0);

/// Begins the sequence of a seed. Call it first in `main`, and once.
pub fn seed(seed: u64) {
    STATE.store(seed, Relaxed);
}

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
fn next() -> u64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut z = STATE.fetch_add(STEP, Relaxed).wrapping_add(STEP);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What the C library gives otherwise: fills the whole buffer and gives its length.
///
/// # Safety
/// As for `getrandom(2)`: `buffer` points to `length` bytes that may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, _flags: u32) -> isize {
    if length == 0 {
        // Whether it is there at all is asked with a buffer that is none.
        return 0;
    }
    // SAFETY: the caller says that `length` bytes at `buffer` are its own to write; a `u8` needs no alignment.
    let bytes = unsafe { std::slice::from_raw_parts_mut(buffer, length) };
    for piece in bytes.chunks_mut(8) {
        piece.copy_from_slice(&next().to_le_bytes()[..piece.len()]);
    }
    length as isize
}

#[cfg(test)]
mod tests {
    use std::collections::hash_map::RandomState;
    use std::hash::BuildHasher;

    #[test]
    fn the_standard_library_takes_its_seeds_from_here() {
        let hash = |seed: u64| {
            super::seed(seed);
            // Each thread draws anew.
            std::thread::spawn(|| RandomState::new().hash_one(7)).join().expect("hashing does not fail")
        };
        assert_eq!(hash(1), hash(1));
        assert_ne!(hash(1), hash(2));
    }
}
