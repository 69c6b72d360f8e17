//! Slows a process's barriers and shifts its wall clock while it runs, for drills: loaded by `LD_PRELOAD`, it stands before
//! the C library's `fdatasync(2)`, `fsync(2)` and `clock_gettime(2)`.
//!
//! `TERTULIA_SHIM_PAGE` names a file of a page that the process maps: at 0 milliseconds to add to the wall clock, at 8
//! milliseconds to wait before each barrier, both signed, of 64 bits, in the machine's order. Without it nothing changes.
//!
//! Unsafe code, which the workspace forbids, is here because the C functions have pointers to fill and a page is mapped.
//! No node loads this library by itself.

use rustix::fd::BorrowedFd;
use rustix::time::ClockId;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// What is changed.
#[repr(C)]
struct Page {
    clock_offset_ms: AtomicI64,
    barrier_delay_ms: AtomicI64,
}

const PAGE_BYTES: usize = 4_096;

fn page() -> Option<&'static Page> {
    static PAGE: OnceLock<Option<&'static Page>> = OnceLock::new();
    *PAGE.get_or_init(|| {
        use rustix::{fs, mm};
        let path = std::env::var_os("TERTULIA_SHIM_PAGE")?;
        let file = fs::open(path, fs::OFlags::RDONLY | fs::OFlags::CLOEXEC, fs::Mode::empty()).ok()?;
        if fs::fstat(&file).ok()?.st_size < PAGE_BYTES as i64 {
            return None;
        }
        // SAFETY: a new mapping of a file that is long enough; nothing is at the address that the kernel chooses.
        let address =
            unsafe { mm::mmap(std::ptr::null_mut(), PAGE_BYTES, mm::ProtFlags::READ, mm::MapFlags::SHARED, &file, 0) };
        // SAFETY: the page is never unmapped, it is aligned, and both of its numbers are read as atomics only.
        Some(unsafe { &*address.ok()?.cast::<Page>() })
    })
}

/// Waits as long as a barrier is to take longer.
fn wait() {
    let delay_ms = page().map_or(0, |page| page.barrier_delay_ms.load(Relaxed));
    if delay_ms > 0 {
        let time = rustix::thread::Timespec { tv_sec: delay_ms / 1_000, tv_nsec: delay_ms % 1_000 * 1_000_000 };
        // A signal may cut it short; a barrier is not exact.
        let _ = rustix::thread::clock_nanosleep_relative(ClockId::Monotonic, &time);
    }
}

fn barrier(fd: i32, real: fn(BorrowedFd<'_>) -> rustix::io::Result<()>) -> i32 {
    wait();
    // SAFETY: the caller's descriptor is open for as long as its call lasts, as the C function demands.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    match real(fd) {
        Ok(()) => 0,
        Err(error) => {
            // SAFETY: the C library gives each thread its own place for this number.
            unsafe { *__errno_location() = error.raw_os_error() };
            -1
        }
    }
}

unsafe extern "C" {
    fn __errno_location() -> *mut i32;
}

/// What the C library gives otherwise, later.
#[unsafe(no_mangle)]
pub extern "C" fn fdatasync(fd: i32) -> i32 {
    barrier(fd, |fd| rustix::fs::fdatasync(fd))
}

/// What the C library gives otherwise, later.
#[unsafe(no_mangle)]
pub extern "C" fn fsync(fd: i32) -> i32 {
    barrier(fd, |fd| rustix::fs::fsync(fd))
}

/// C's `struct timespec` where `time_t` and `long` have 64 bits.
#[repr(C)]
pub struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

/// What the C library gives otherwise, but for a wall clock that is set: the time of a clock, and 0.
///
/// # Safety
/// As for `clock_gettime(2)`: `out` points to a `struct timespec` that may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: i32, out: *mut Timespec) -> i32 {
    let known = ClockId::try_from(clock).unwrap_or(ClockId::Monotonic);
    let now = rustix::time::clock_gettime(known);
    let offset_ms = match known {
        ClockId::Realtime | ClockId::RealtimeCoarse => page().map_or(0, |page| page.clock_offset_ms.load(Relaxed)),
        _ => 0,
    };
    let nanoseconds = now.tv_nsec + offset_ms.rem_euclid(1_000) * 1_000_000;
    let seconds = now.tv_sec + offset_ms.div_euclid(1_000) + nanoseconds / 1_000_000_000;
    // SAFETY: the caller says that `out` is its own to write.
    unsafe { out.write(Timespec { seconds, nanoseconds: nanoseconds % 1_000_000_000 }) };
    0
}
