//! Replaces the randomness of a process by a seed, and its clocks by a number.
//!
//! The standard library seeds its hash maps, and tokio the order in which `select!` looks at its branches, from the
//! operating system; nothing can be handed to them instead. A process that links this crate answers `getrandom(2)` itself:
//! the same [seed] gives the same bytes in the same order. Crates that look the function up by name find it, too, when
//! the binary exports it (see `chaos-tests/build.rs`).
//!
//! In the same way it answers `clock_gettime(2)`, with the time that it was [told](set_now_ns): some of what runs on a
//! paused clock of tokio reads the system's clock all the same (h2 forgets streams by it).
//!
//! Unsafe code, which the workspace forbids, is here because the C functions have pointers to fill. Nothing that serves may
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

/// Nanoseconds since the beginning of the simulation, and one more; 0 outside of one.
static NOW_NS: AtomicU64 = AtomicU64::new(0);

/// From now on all clocks of the process show this, in nanoseconds since some beginning.
pub fn set_now_ns(now_ns: u64) {
    NOW_NS.store(now_ns + 1, Relaxed);
}

/// The clocks are the system's again.
pub fn end() {
    NOW_NS.store(0, Relaxed);
}

/// C's `struct timespec` where `time_t` and `long` have 64 bits.
#[repr(C)]
pub struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

/// What the C library gives otherwise: the time of a clock, and 0.
///
/// # Safety
/// As for `clock_gettime(2)`: `out` points to a `struct timespec` that may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: i32, out: *mut Timespec) -> i32 {
    /// 2026-01-01 by the wall clock; for the others it is as good as any.
    const BEGINNING: i64 = 1_767_225_600;
    let time = match NOW_NS.load(Relaxed) {
        0 => {
            let known = rustix::time::ClockId::try_from(clock).unwrap_or(rustix::time::ClockId::Monotonic);
            let now = rustix::time::clock_gettime(known);
            Timespec { seconds: now.tv_sec, nanoseconds: now.tv_nsec }
        }
        now => {
            let now = (now - 1) as i64;
            Timespec { seconds: BEGINNING + now / 1_000_000_000, nanoseconds: now % 1_000_000_000 }
        }
    };
    // SAFETY: the caller says that `out` is its own to write.
    unsafe { out.write(time) };
    0
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

    #[test]
    fn the_standard_librarys_clocks_show_what_they_are_told() {
        use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
        // The real ones first: they are the system's.
        let real = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
        super::set_now_ns(5);
        let (instant, wall) = (Instant::now(), SystemTime::now());
        super::set_now_ns(2_000_000_007);
        assert_eq!(instant.elapsed(), Duration::from_nanos(2_000_000_002));
        assert_eq!(wall.elapsed().ok(), Some(Duration::from_nanos(2_000_000_002)));
        super::end();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
        assert!(now - real < Duration::from_secs(60));
    }
}
